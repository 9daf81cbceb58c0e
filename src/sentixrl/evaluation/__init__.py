"""Metrics that respect dialogues, calibration, slices and comparisons. Needs no model."""

from sentixrl.evaluation.comparison import (
    Comparison,
    MetricDifference,
    PairComparison,
    Pairs,
    compare_runs,
    compare_systems,
)
from sentixrl.evaluation.graded import graded_metrics
from sentixrl.evaluation.intervals import Interval, Resampling
from sentixrl.evaluation.items import Answer, Item, build_items
from sentixrl.evaluation.negotiation_effect import NegotiationEffect, negotiation_effect
from sentixrl.evaluation.running import evaluate
from sentixrl.evaluation.slices import Slice, slices
from sentixrl.evaluation.summary import metrics_json

__all__ = [
    "Answer",
    "Comparison",
    "Interval",
    "Item",
    "MetricDifference",
    "NegotiationEffect",
    "PairComparison",
    "Pairs",
    "Resampling",
    "Slice",
    "build_items",
    "compare_runs",
    "compare_systems",
    "evaluate",
    "graded_metrics",
    "metrics_json",
    "negotiation_effect",
    "slices",
]
