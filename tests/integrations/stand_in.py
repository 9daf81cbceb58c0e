"""A model that is there at once: it finds the label that a turn names, and is never quite sure."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

import pytest

import sentixrl
from sentixrl import ContextOptions, NegotiationOptions
from sentixrl.context.prompt import Prompt
from sentixrl.engines.scripted import ScriptedEngine
from sentixrl.spec import ClassifierSpec

LABELS = "calm, annoyed, grateful"


def by_words(prompt: Prompt, choices: tuple[str, ...]) -> Sequence[float]:
    """A label weighs more where the turn holds it; else each turn has leanings of its own."""
    turn = prompt.text.splitlines()[-2].casefold()
    leanings = [zlib.crc32(f"{turn}|{choice}".encode()) % 97 / 97 for choice in choices]
    return [
        0.2 + leaning + 8 * (choice.strip().casefold() in turn)
        for leaning, choice in zip(leanings, choices, strict=True)
    ]


def classifier(labels: str = LABELS) -> sentixrl.Classifier:
    """The model, ready to be asked."""
    return sentixrl.load(
        ScriptedEngine(by_words, name="stand-in"),
        labels=labels,
        context=ContextOptions(language="en"),
        negotiation=NegotiationOptions(enabled=False),
    )


def stand_in_for_models(patch: pytest.MonkeyPatch) -> list[ClassifierSpec]:
    """Let every specification load the stand-in; the list says what was loaded."""
    loads: list[ClassifierSpec] = []

    def load(spec: ClassifierSpec) -> sentixrl.Classifier:
        loads.append(spec)
        return classifier()

    patch.setattr(ClassifierSpec, "load", load)
    return loads
