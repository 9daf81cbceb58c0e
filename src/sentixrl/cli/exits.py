"""Exit codes that several commands share; imports nothing, so that the way in stays light."""

EXIT_ITEM_ERRORS = 2
"""Some turns, rows or files failed; all others have their answers."""
EXIT_INTERRUPTED = 130
"""Ctrl-C."""
