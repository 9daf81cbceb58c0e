"""Run folders: an append-only log of items, the run's identity, and resuming it."""
