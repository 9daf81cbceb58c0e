"""Systems to compare with: without understanding, with little, and with equal compute.

Contract: a baseline answers like a :class:`~sentixrl.classifier.Classifier` (``predict_many``), so
that one evaluation serves all. None of them ever sees a test split.
"""

from sentixrl.evaluation.baselines.embeddings import embeddings
from sentixrl.evaluation.baselines.label_orders import LabelOrders, label_orders
from sentixrl.evaluation.baselines.majority import Majority, majority
from sentixrl.evaluation.baselines.neighbours import Neighbours, neighbours
from sentixrl.evaluation.baselines.regression import LabelRegressions, TextRegression
from sentixrl.evaluation.baselines.system import System, answer, answered
from sentixrl.evaluation.baselines.tfidf import (
    GRID,
    Tfidf,
    TfidfSettings,
    Trial,
    tfidf,
    tfidf_several,
)

__all__ = [
    "GRID",
    "LabelOrders",
    "LabelRegressions",
    "Majority",
    "Neighbours",
    "System",
    "TextRegression",
    "Tfidf",
    "TfidfSettings",
    "Trial",
    "answer",
    "answered",
    "embeddings",
    "label_orders",
    "majority",
    "neighbours",
    "tfidf",
    "tfidf_several",
]
