"""Does negotiation pay for a trained model? Measurements and controls, to results/sanm.json.

    python scripts/measure_sanm.py runs/meld/bundle meld --data ../shared/data

The model judges every proposal of dev and test once, each with a counter-label. Policies are chosen
on dev and applied to test; the look at test is logged. ``--no-test`` only prints.
"""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from evaluating import Job
from measure_model import DEV, RECIPES
from recording import ROOT, today, write_results

import sentixrl
from sentixrl import Classifier, Dialogue, Rules, datasets
from sentixrl.evaluation.baselines import label_orders
from sentixrl.evaluation.baselines.system import System
from sentixrl.experiments import sanm
from sentixrl.runs import LEDGER_FILE, Entry, enter_ledger, model_identity

OBJECTS = 0.2
"""Share of dev's proposals that the runs of several rounds object to."""


def main(
    model: Annotated[str, typer.Argument(help="A bundle.")],
    dataset: Annotated[str, typer.Argument(help="A data set of the registry.")],
    data: Annotated[Path, typer.Option(help="Folder with a folder a data set.")],
    test: Annotated[bool, typer.Option(help="Look at test as well.")] = True,
) -> None:
    """Measure and write."""
    job = RECIPES.get(dataset, Job(dataset, dataset))
    splits = {"dev": DEV.get(dataset, "dev")} | ({"test": "test"} if test else {})
    parts = {
        role: datasets.load(dataset, data / dataset, split, job.task, **job.switches)
        for role, split in splits.items()
    }
    classifier = sentixrl.load(model, labels=parts["dev"].label_set)
    held = {split: _opinions(classifier, part.dialogues) for split, part in parts.items()}
    dev = held["dev"]
    chosen = sanm.choose(dev)
    threshold = _probability(float(np.quantile(dev.agree, OBJECTS)))
    found: dict[str, Any] = {"dataset": dataset, "objects": OBJECTS}
    for split, part in parts.items():
        opinions = held[split]
        found[split] = {
            "n": len(opinions.gold),
            "data_hash": part.data_hash,
            "oracle": sanm.oracle(opinions),
            "information": sanm.information(opinions),
            "policies": _policies(chosen, dev, opinions),
            "shuffled": _shuffled(classifier, part.dialogues, chosen),
            "passes": _passes(classifier, part.dialogues, opinions, threshold),
            "abstaining": sanm.abstaining(dev, opinions),
        }
    if test:
        _log(found, classifier, parts["test"].task)
        write_results(
            "sanm",
            "Negotiation on against off, policies chosen on dev",
            f"python scripts/measure_sanm.py BUNDLE {dataset} --data ../shared/data",
            found,
        )
    print(json.dumps(found, indent=1, ensure_ascii=False))


def _policies(
    chosen: Mapping[str, sanm.Policy], dev: sanm.Opinions, held: sanm.Opinions
) -> dict[str, Any]:
    """Every policy, and beside it what it must beat."""
    answers = {}
    for name, policy in chosen.items():
        answers[name] = policy(held)
        changed = float((answers[name] != held.first).mean())
        answers[f"{name}: as many by margin"] = sanm.by_margin(changed)(held)
        answers[f"{name}: verdicts of other turns"] = sanm.by_strangers(policy)(held)
    answers["biases alone"] = sanm.fit_weights(dev, both=False)(held)
    answers["always right about the first two"] = sanm.by_oracle(held)
    return {name: sanm.measure(found, held) for name, found in answers.items()}


def _shuffled(
    classifier: Classifier, dialogues: Sequence[Dialogue], chosen: Mapping[str, sanm.Policy]
) -> dict[str, Any]:
    """The policies where every dialogue's turns are in random order, against its own proposals."""
    rng = random.Random(0)
    mixed = [
        replace(dialogue, utterances=tuple(rng.sample(dialogue.utterances, len(dialogue))))
        for dialogue in dialogues
    ]
    held = _opinions(classifier, mixed)
    return {name: sanm.measure(policy(held), held) for name, policy in chosen.items()}


def _passes(
    classifier: Classifier, dialogues: Sequence[Dialogue], held: sanm.Opinions, threshold: float
) -> dict[str, Any]:
    """One to three rounds, and as many orders of the labels, each with what it costs."""
    alone = _negotiating(classifier, enabled=False)
    systems: dict[str, System] = {"generator alone": alone}
    for rounds in (1, 2, 3):
        systems[f"{rounds} round{'s' if rounds > 1 else ''}"] = _negotiating(
            classifier, agree_threshold=threshold, rules=Rules(rounds, 1)
        )
    systems |= {f"{passes} label orders": label_orders(alone, passes) for passes in (2, 3)}
    found = {}
    for name, system in systems.items():
        begun = time.perf_counter()
        predictions = list(system.predict_many(dialogues))
        seconds = time.perf_counter() - begun
        answers = [
            held.names.index(item.label or item.fallback or held.names[0])
            for dialogue, prediction in zip(dialogues, predictions, strict=True)
            for turn, item in zip(dialogue, prediction.items, strict=True)
            if turn.gold is not None
        ]
        found[name] = {**sanm.measure(np.array(answers), held), "seconds": round(seconds, 2)}
    return found


def _negotiating(classifier: Classifier, **changes: Any) -> Classifier:  # noqa: ANN401
    """The same classifier, negotiating otherwise; dialogues are computed together."""
    usual = {"enabled": True, "confidence_threshold": None, "reproducible": False}
    options = replace(classifier.negotiation, **{**usual, **changes})
    return classifier.replace(negotiation=options)


def _opinions(classifier: Classifier, dialogues: Sequence[Dialogue]) -> sanm.Opinions:
    """Every proposal judged once, each objected to, so that the counter-label is known."""
    judge = _negotiating(classifier, agree_threshold=1.0, rules=Rules(1, 1))
    entries = [
        Entry(dialogue, answer)
        for dialogue, answer in zip(dialogues, judge.predict_many(dialogues), strict=True)
    ]
    return sanm.opinions(entries, classifier.label_set.names)


def _probability(odds: float) -> float:
    return 1 / (1 + math.exp(-odds))


def _log(found: Mapping[str, Any], classifier: Classifier, task: str) -> None:
    test, model = found["test"], model_identity(classifier)
    line = {
        "date": today(),
        "run": f"sanm-{found['dataset']}-{test['data_hash']}-{model['adapter']}",
        "dataset": found["dataset"],
        "split": "test",
        "task": task,
        "n": test["n"],
        "limit": None,
        "seed": 0,
        "data_hash": test["data_hash"],
        "model": model["name"],
        "weights": model["weights"],
        "adapter": model["adapter"],
        "headline": test["oracle"],
    }
    enter_ledger(ROOT / LEDGER_FILE, line)


if __name__ == "__main__":
    typer.run(main)
