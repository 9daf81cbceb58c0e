"""Dialogues by the million: jobs that go on where they were stopped, on one machine or on many.

:class:`BatchJob` reads files, answers them and writes shards of results into a folder.
:class:`LocalWorkers` answer in this process, :class:`RayWorkers` on a Ray cluster.
:class:`RayClassifier` is for pipelines of Ray Data.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sentixrl.opening import opener

if TYPE_CHECKING:
    from sentixrl.batch.board import Patience
    from sentixrl.batch.estimate import Estimate
    from sentixrl.batch.meter import Meter, Standing
    from sentixrl.batch.options import BatchOptions, ShardFormat
    from sentixrl.batch.ray_data import RayClassifier
    from sentixrl.batch.ray_workers import RayWorkers
    from sentixrl.batch.running import BatchJob, LocalWorkers, Summary

__all__ = [
    "BatchJob",
    "BatchOptions",
    "Estimate",
    "LocalWorkers",
    "Meter",
    "Patience",
    "RayClassifier",
    "RayWorkers",
    "ShardFormat",
    "Standing",
    "Summary",
]

_ROOMS = {
    "BatchJob": "running",
    "BatchOptions": "options",
    "Estimate": "estimate",
    "LocalWorkers": "running",
    "Meter": "meter",
    "Patience": "board",
    "RayClassifier": "ray_data",
    "RayWorkers": "ray_workers",
    "ShardFormat": "options",
    "Standing": "meter",
    "Summary": "running",
}
__getattr__ = opener(__name__, _ROOMS)
