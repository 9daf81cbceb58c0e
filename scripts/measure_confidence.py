"""How honest a model's confidence is on labels it never saw, to results/confidence.json.

    python scripts/measure_confidence.py MODEL meld emotiontalk … --data ../shared/data [--write]

The model answers the dev split of each data set once. From these answers: the expected calibration
error as it is, under one scale fitted on the other sets (leave one set out), and with a temperature
from 50 turns of whole dialogues, over 100 draws; and how often conformal sets at 90% hold the
truth, calibrated on these 50 turns, and over 1,000 random halves of the turns, which are
exchangeable. ``--write`` puts the one scale of all sets into the model's bundle, for labels that
nothing was fitted for, and takes out what training fitted for labels of these sets where the scale
from the others is more honest on them (a temperature from easy data is too sure on others). A set
is named DATASET, or DATASET:TASK, or DATASET:switch=value,…
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from recording import write_results
from sklearn.metrics import f1_score

import sentixrl
from sentixrl import NegotiationOptions, datasets
from sentixrl.bundle import calibration_key
from sentixrl.calibration.conformal import in_set, threshold
from sentixrl.calibration.fitting import fit_fallback, fit_temperature
from sentixrl.calibration.posterior import Calibration
from sentixrl.datasets import Dataset
from sentixrl.evaluation.recalibration import FirstAnswers, Quality, apply, first_answers
from sentixrl.evaluation.running import draw
from sentixrl.labels import LabelSet

TURNS, DRAWS, LEVEL = 50, 100, 0.9
HALVES = 1_000


def main(
    model: Annotated[str, typer.Argument(help="A bundle.")],
    sets: Annotated[list[str], typer.Argument(help="Data sets the model never saw.")],
    data: Annotated[Path, typer.Option(help="Folder with a folder a data set.")],
    limit: Annotated[int | None, typer.Option(help="At most so many dialogues of each.")] = None,
    write: Annotated[bool, typer.Option(help="Put the scale into the bundle.")] = False,
) -> None:
    """Measure, and write."""
    classifier = sentixrl.load(model, negotiation=NegotiationOptions(kind="single", enabled=False))
    answers, labels = {}, {}
    for name in sets:
        part = draw(_part(name, data), limit)
        labels[name] = part.label_set
        answers[name] = first_answers(classifier.replace(labels=part.label_set), part)
    fallback = fit_fallback({name: (one.log_probs, one.gold) for name, one in answers.items()})
    found = {
        name: {
            "n": len(one),
            "accuracy": Quality.of(one.log_probs, one.gold).accuracy,
            "weighted_f1": float(f1_score(one.gold, one.log_probs.argmax(-1), average="weighted")),
            "as_it_is": Quality.of(np.exp(one.log_probs), one.gold).ece,
            "as_trained": _ece(one, classifier.bundle.calibration(labels[name])),
            "left_out_scale": fallback.left_out[name][0],
            "left_out": Quality.of(np.exp(fallback.left_out[name][1]), one.gold).ece,
            "exchangeable": _exchangeable(fallback.left_out[name][1], one.gold),
            **_from_few_turns(one),
        }
        for name, one in answers.items()
    }
    scale = fallback.calibration.scale
    write_results(
        "confidence",
        "calibration error and conformal coverage on the dev splits of labels never seen",
        f"python scripts/measure_confidence.py {model} {' '.join(sets)} --data ../shared/data",
        {"model": classifier.engine.name, "scale": scale, "sets": found},
    )
    typer.echo(f"one scale: {scale:.3f}; worst left out: {_worst(found):.1%}")
    if write:
        bundle = classifier.bundle
        fallbacks = {**bundle.fallbacks, "single": fallback.calibration}
        kept = {
            key: one for key, one in bundle.calibrations.items() if key not in _worse(labels, found)
        }
        replace(bundle, fallbacks=fallbacks, calibrations=kept).save(Path(model))


def _ece(answers: FirstAnswers, calibration: Calibration) -> float:
    return Quality.of(np.exp(apply(calibration, answers.log_probs)), answers.gold).ece


def _worse(labels: dict[str, LabelSet], found: dict[str, dict[str, Any]]) -> set[str]:
    """The keys of calibrations that are less honest than the scale from the other sets."""
    gains: dict[str, list[float]] = {}
    for name, label_set in labels.items():
        change = found[name]["left_out"] - found[name]["as_trained"]
        gains.setdefault(calibration_key(label_set), []).append(change)
    return {key for key, changes in gains.items() if np.mean(changes) < 0}


def _part(name: str, data: Path) -> Dataset:
    dataset, _, rest = name.partition(":")
    pairs = [part.partition("=") for part in rest.split(",") if part]
    switches: dict[str, str | bool] = {key: value for key, equals, value in pairs if equals}
    task = next((key for key, equals, _ in pairs if not equals), None)
    return datasets.load(dataset, data / dataset, "dev", task, **switches)


def _exchangeable(log_probs: np.ndarray, gold: np.ndarray) -> dict[str, float]:
    """Sets cut on one random half of the turns, on the other: means over the halves."""
    rng = np.random.default_rng(0)
    posteriors = np.exp(log_probs)
    truths = posteriors[np.arange(len(gold)), gold]
    found: dict[str, list[float]] = {"coverage": [], "size": [], "full": []}
    for _ in range(HALVES):
        order = rng.permutation(len(gold))
        first, second = order[: len(order) // 2], order[len(order) // 2 :]
        flags = in_set(posteriors[second], threshold(np.sort(truths[first]).tolist(), LEVEL))
        found["coverage"].append(flags[np.arange(len(second)), gold[second]].mean())
        found["size"].append(flags.sum(-1).mean())
        found["full"].append(flags.all(-1).mean())
    return {name: float(np.mean(values)) for name, values in found.items()}


def _from_few_turns(answers: FirstAnswers) -> dict[str, Any]:
    """What 50 labelled turns of whole dialogues give on all others."""
    rng = np.random.default_rng(0)
    errors, coverages = [], []
    for _ in range(DRAWS):
        order = rng.permutation(np.unique(answers.owners))
        sizes = np.array([(answers.owners == owner).sum() for owner in order])
        taken = order[: int(np.searchsorted(sizes.cumsum(), TURNS)) + 1]
        inside = np.isin(answers.owners, taken)
        if inside.all():
            return {}
        few, gold = answers.log_probs[inside], answers.gold[inside]
        fitted = fit_temperature(few, gold)
        rest = np.exp(apply(fitted, answers.log_probs[~inside]))
        errors.append(Quality.of(rest, answers.gold[~inside]).ece)
        coverages.append(_coverage(answers, inside, fitted))
    return {
        "calibrated": _spread(errors),
        "coverage": _spread(coverages),
    }


def _coverage(answers: FirstAnswers, inside: np.ndarray, fitted: Calibration) -> float:
    """Of sets whose cut comes from the turns inside, on the others."""
    posteriors = np.exp(apply(fitted, answers.log_probs))
    truths = posteriors[np.arange(len(answers)), answers.gold]
    cut = threshold(np.sort(truths[inside]).tolist(), LEVEL)
    flags = in_set(posteriors[~inside], cut)
    return float(flags[np.arange(len(flags)), answers.gold[~inside]].mean())


def _spread(values: list[float]) -> dict[str, float]:
    low, middle, high = np.quantile(values, [0.1, 0.5, 0.9])
    return {"p10": float(low), "median": float(middle), "p90": float(high)}


def _worst(found: dict[str, dict[str, Any]]) -> float:
    return max(float(one["left_out"]) for one in found.values())


if __name__ == "__main__":
    typer.run(main)
