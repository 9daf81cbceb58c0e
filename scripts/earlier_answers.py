"""What was measured before the experiments, of each of their questions: a sentence of the report.

None of it has the experiments' controls, so a sentence stands only where an experiment was not run.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tables import points, signed

RESULTS = Path(__file__).parent.parent / "results"


def earlier(name: str) -> str | None:
    """What earlier results say of an experiment's question.

    Args:
        name: The experiment's name.
    """
    known = ANSWERS.get(name)
    return f"Measured before, without its controls: {known()}" if known else None


def _read(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((RESULTS / f"{name}.json").read_text("utf-8"))
    return content


def _rounds() -> str:
    passes = _read("sanm")["test"]["passes"]
    lost = ", ".join(
        f"{words} {signed(passes[key]['difference'])} points"
        for key, words in (("2 rounds", "two rounds"), ("3 rounds", "three"))
    )
    return (
        f"on MELD's test split, with its recipe at 135 million parameters, {lost} against the "
        "generator alone ([Results](../results.md#does-negotiation-pay))."
    )


def _sizes() -> str:
    runs = _read("recipes")["runs"]

    def mean(recipe: str) -> str:
        own = [one["test"]["weighted_f1"]["value"] for one in runs if one["recipe"] == recipe]
        seeds = "one seed" if len(own) == 1 else f"mean of {len(own)} seeds"
        return f"{points(sum(own) / len(own))} ({seeds})"

    return (
        "weighted-F1 on test, each size by its own recipe: MELD "
        f"{mean('meld')} at 135 million and {mean('meld-1.5b')} at 1.5 billion parameters; "
        f"EmotionTalk {mean('emotiontalk')} and {mean('emotiontalk-1.5b')} "
        "([Results](../results.md#what-each-recipe-gives))."
    )


def _languages() -> str:
    runs = {one["language"]: one for one in _read("languages")["runs"]}
    words = {"esp": "Spanish", "hin": "Hindi", "ary": "Moroccan Arabic"}
    told = ", ".join(
        f"{word} {points(runs[code]['single']['weighted_f1']['value'])}"
        for code, word in words.items()
    )
    unseen = points(runs["arq"]["single"]["weighted_f1"]["value"])
    return (
        f"weighted-F1 of the default model on BRIGHTER's test texts of one label: {told}, all "
        f"trained on; Algerian Arabic, never seen, {unseen} "
        "([Results](../results.md#in-21-languages))."
    )


def _labels() -> str:
    five = next(iter(_read("labels")["double"]["by"].values()))
    return (
        "two people who labelled the same lines of one series for MELD and EmoryNLP agree at a "
        f"Cohen's κ of {five['kappa']:.2f} over five common classes, which bounds what unifying "
        "these labels can do."
    )


def _losses() -> str:
    runs = {one["title"]: one["macro_f1"]["value"] for one in _read("losses")["runs"]}
    told = ", ".join(
        f"{words} {points(runs[title])}"
        for title, words in (
            ("cross-entropy", "cross-entropy"),
            ("focal, γ = 2", "focal (γ = 2)"),
            ("logit adjustment, τ = 0.5", "logit adjustment (τ = 0.5)"),
        )
    )
    return (
        f"macro-F1 on MELD's dev split, one seed of 135 million parameters: {told} "
        "([Results](../results.md#which-loss))."
    )


def _zero_shot() -> str:
    runs = {one["title"]: one["weighted_f1"]["value"] for one in _read("zero_shot")["runs"]}
    told = ", ".join(
        f"{title} {points(runs[title])}" for title in ("MELD", "EmoryNLP", "EmotionTalk")
    )
    return (
        f"weighted-F1 on test of SmolLM2-135M as it comes: {told}, all below what the commonest "
        "label gives ([Results](../results.md#the-untrained-model-zero-shot))."
    )


ANSWERS: dict[str, Callable[[], str]] = {
    "rounds": _rounds,
    "sizes": _sizes,
    "languages": _languages,
    "labels": _labels,
    "losses": _losses,
    "zero-shot": _zero_shot,
}
"""Experiment → its sentence."""
