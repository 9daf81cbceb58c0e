"""Run folders: an append-only log of items, the run's identity, and resuming it.

``items.jsonl`` holds one dialogue per line, ``run.json`` the run's identity. :class:`RunFolder`
writes both; :func:`read_items`, :func:`read_entries` and :func:`read_run` read them.
"""

from sentixrl.runs.entries import Entry
from sentixrl.runs.folder import (
    ITEMS_FILE,
    METRICS_FILE,
    RUN_FILE,
    RunFolder,
    read_entries,
    read_items,
    read_metrics,
    read_run,
)
from sentixrl.runs.identity import (
    data_identity,
    labels_identity,
    model_identity,
    options_identity,
    session_facts,
)
from sentixrl.runs.ledger import LEDGER_FILE, check_ledger, enter_ledger, find_ledger
from sentixrl.runs.storage import check_writable

__all__ = [
    "ITEMS_FILE",
    "LEDGER_FILE",
    "METRICS_FILE",
    "RUN_FILE",
    "Entry",
    "RunFolder",
    "check_ledger",
    "check_writable",
    "data_identity",
    "enter_ledger",
    "find_ledger",
    "labels_identity",
    "model_identity",
    "options_identity",
    "read_entries",
    "read_items",
    "read_metrics",
    "read_run",
    "session_facts",
]
