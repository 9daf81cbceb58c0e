"""Fine-grained emotion classification with language models that negotiate with themselves.

Example::

    import sentixrl

    model = sentixrl.load()
    result = model.predict([("Ana", "You kept my letter?"), ("Ben", "Every single one.")])
    for item in result.items:
        print(item.index, item.label, item.confidence)
"""

from sentixrl.bundle import ModelBundle
from sentixrl.calibration.posterior import Calibration
from sentixrl.classifier import Classifier
from sentixrl.spec import load
from sentixrl.context.building import ContextOptions, Demonstration
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
