"""Fine-grained emotion classification with language models that negotiate with themselves.

Example::

    import sentixrl

    model = sentixrl.load()
    result = model.predict([("Ana", "You kept my letter?"), ("Ben", "Every single one.")])
    for item in result.items:
        print(item.index, item.label, item.confidence)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sentixrl.opening import opener

if TYPE_CHECKING:
    from sentixrl.bundle import ModelBundle
    from sentixrl.calibration.posterior import Calibration
    from sentixrl.classifier import Classifier
    from sentixrl.context.building import ContextOptions, Demonstration
    from sentixrl.context.window import HistoryWindow
    from sentixrl.dialogue import Dialogue, Utterance
    from sentixrl.engines.options import EngineOptions
    from sentixrl.errors import SentixError
    from sentixrl.labels import Label, LabelMap, LabelSet, scheme
    from sentixrl.negotiation.options import NegotiationOptions
    from sentixrl.negotiation.protocol import Rules
    from sentixrl.pipelines import pipeline
    from sentixrl.prediction import DialoguePrediction, Prediction, Status, Verdict
    from sentixrl.spec import ClassifierSpec, load

__version__ = "0.1.0"

__all__ = [
    "Calibration",
    "Classifier",
    "ClassifierSpec",
    "ContextOptions",
    "Demonstration",
    "Dialogue",
    "DialoguePrediction",
    "EngineOptions",
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
    "pipeline",
    "scheme",
]

_ROOMS = {
    "Calibration": "calibration.posterior",
    "Classifier": "classifier",
    "ClassifierSpec": "spec",
    "ContextOptions": "context.building",
    "Demonstration": "context.building",
    "Dialogue": "dialogue",
    "DialoguePrediction": "prediction",
    "EngineOptions": "engines.options",
    "HistoryWindow": "context.window",
    "Label": "labels",
    "LabelMap": "labels",
    "LabelSet": "labels",
    "ModelBundle": "bundle",
    "NegotiationOptions": "negotiation.options",
    "Prediction": "prediction",
    "Rules": "negotiation.protocol",
    "SentixError": "errors",
    "Status": "prediction",
    "Utterance": "dialogue",
    "Verdict": "prediction",
    "load": "spec",
    "pipeline": "pipelines",
    "scheme": "labels",
}
"""Public name → the room it lives in, which is opened when the name is first asked for."""


__getattr__ = opener(__name__, _ROOMS)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
