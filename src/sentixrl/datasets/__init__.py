"""Published data sets and users' own data, read into dialogues with gold labels.

Start with :func:`load` and :data:`REGISTRY`; there is one file per loader, and all are built on
``gather``.
"""

from sentixrl.datasets.dataset import Dataset, Repair, labels_of
from sentixrl.datasets.generic import load_custom
from sentixrl.datasets.info import Count, DatasetInfo, Remote, Task
from sentixrl.datasets.registry import REGISTRY, info, load

__all__ = [
    "REGISTRY",
    "Count",
    "Dataset",
    "DatasetInfo",
    "Remote",
    "Repair",
    "Task",
    "info",
    "labels_of",
    "load",
    "load_custom",
]
