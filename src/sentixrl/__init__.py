"""Fine-grained emotion classification with language models that negotiate with themselves.

Example::

    import sentixrl

    model = sentixrl.load()
    result = model.predict([("Ana", "You kept my letter?"), ("Ben", "Every single one.")])
    for item in result.items:
        print(item.index, item.label, item.confidence)
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sentixrl.bundle import ModelBundle
    from sentixrl.calibration.posterior import Calibration
    from sentixrl.classifier import Classifier, load
    from sentixrl.context.retrieval import ContextOptions, Demonstration
    from sentixrl.context.window import HistoryWindow
    from sentixrl.dialogue import Dialogue, Utterance
    from sentixrl.errors import SentixError
    from sentixrl.labels import Label, LabelMap, LabelSet, scheme
    from sentixrl.negotiation.negotiator import NegotiationOptions
    from sentixrl.negotiation.protocol import Rules
    from sentixrl.prediction import DialoguePrediction, Prediction, Status, Verdict

__version__ = "0.1.0"

__all__ = [
    "Calibration",
    "Classifier",
    "ContextOptions",
    "Demonstration",
    "Dialogue",
    "DialoguePrediction",
    "HistoryWindow",
    "Label",
    "LabelMap",
    "LabelSet",
    "ModelBundle",
    "NegotiationOptions",
    "Prediction",
    "Rules",
    "SentixError",
    "Status",
    "Utterance",
    "Verdict",
    "__version__",
    "load",
    "scheme",
]

_ROOMS = {
    "Calibration": "calibration.posterior",
    "Classifier": "classifier",
    "ContextOptions": "context.retrieval",
    "Demonstration": "context.retrieval",
    "Dialogue": "dialogue",
    "DialoguePrediction": "prediction",
    "HistoryWindow": "context.window",
    "Label": "labels",
    "LabelMap": "labels",
    "LabelSet": "labels",
    "ModelBundle": "bundle",
    "NegotiationOptions": "negotiation.negotiator",
    "Prediction": "prediction",
    "Rules": "negotiation.protocol",
    "SentixError": "errors",
    "Status": "prediction",
    "Utterance": "dialogue",
    "Verdict": "prediction",
    "load": "classifier",
    "scheme": "labels",
}
"""Public name → the room it lives in, which is opened when the name is first asked for."""


def __getattr__(name: str) -> object:
    """A public name; importing the package alone takes no time, so that the command can start."""
    if name not in _ROOMS:
        raise AttributeError(f"module 'sentixrl' has no attribute '{name}'")
    value: object = getattr(import_module(f"sentixrl.{_ROOMS[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
