"""Speed of the engine against what is usually done, in one process: ``make bench``."""
