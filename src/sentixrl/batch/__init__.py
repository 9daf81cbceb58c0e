"""Dialogues by the million: jobs that go on where they were stopped, on one machine or on many.

:class:`BatchJob` reads files, answers them and writes shards of results into a folder.
:class:`LocalWorkers` answer in this process, :class:`RayWorkers` on a Ray cluster.
:class:`RayClassifier` is for pipelines of Ray Data.
"""

from sentixrl.batch.board import Patience
from sentixrl.batch.estimate import Estimate
from sentixrl.batch.meter import Meter, Standing
from sentixrl.batch.ray_data import RayClassifier
from sentixrl.batch.ray_workers import RayWorkers
from sentixrl.batch.running import BatchJob, BatchOptions, LocalWorkers, Summary
from sentixrl.batch.shards import ShardFormat

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
