"""Training both roles on labelled dialogues: recipes in, model bundles out."""

import os

# A step is thousands of short operations on all threads, and waking a thread that sleeps costs more
# than most of them: so threads spin for a moment first. Read when torch is first imported.
os.environ.setdefault("GOMP_SPINCOUNT", "20000")
