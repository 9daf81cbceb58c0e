"""A small run: a handful of dialogues, a scripted engine, an identity."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

from sentixrl.bundle import ModelBundle
from sentixrl.classifier import Classifier
from sentixrl.context.prompt import Prompt
from sentixrl.datasets import Dataset
from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.engines.protocol import Failure
from sentixrl.engines.scripted import ScriptedEngine
from sentixrl.negotiation.options import NegotiationOptions
from sentixrl.runs import data_identity, labels_identity, model_identity, options_identity
from sentixrl.runs.identity import Json
from tests.negotiation.worlds import ENGLISH, LABELS, NAMES, chaotic_score, chaotic_write


def dataset(dialogues: int = 12, turns: int = 3) -> Dataset:
    """Dialogues whose turns differ; one turn each is context without a gold label."""
    made = []
    for number in range(dialogues):
        said = [
            Utterance(
                f"Line {turn} of talk {number}.",
                speaker="Ann" if turn % 2 else None,
                gold=NAMES[(number + turn) % 3] if turn or number % 4 else None,
                id=f"u{turn}",
                metadata={"score": turn / 2, "video": f"v{number // 2}"},
            )
            for turn in range(turns)
        ]
        made.append(Dialogue(f"d{number}", tuple(said), language="en", group=f"v{number // 2}"))
    return Dataset("small", "test", "label", LABELS, tuple(made), group_kind="video")


def classifier(
    seed: int = 0, *, seconds: float = 0.0, write: bool = False, reproducible: bool = True
) -> Classifier:
    """Answers that look random but depend on the prompt alone, each after some seconds."""
    weigh = chaotic_score(seed, zeros=True, failing=3)

    def slowly(prompt: Prompt, choices: tuple[str, ...]) -> Sequence[float] | Failure:
        time.sleep(seconds)
        return weigh(prompt, choices)

    engine = (
        ScriptedEngine(write=chaotic_write(seed, 5), constrain=False, session_tokens=120)
        if write
        else ScriptedEngine(slowly, session_tokens=120)
    )
    options = NegotiationOptions(reproducible=reproducible)
    return Classifier(engine, LABELS, ENGLISH, options, ModelBundle(name="scripted"))


def identity(model: Classifier, data: Dataset) -> Json:
    """What the command line would make of them."""
    return {
        "kind": "model",
        "data": data_identity(data),
        "labels": labels_identity(data.label_set),
        "model": model_identity(model),
        **options_identity(model, data.dialogues),
    }


def more_rounds(model: Classifier) -> Classifier:
    """The same with another round limit."""
    rules = replace(model.negotiation.rules, max_rounds=5)
    return model.replace(negotiation=replace(model.negotiation, rules=rules))
