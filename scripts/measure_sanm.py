"""Does negotiation pay for a trained model? Measurements and controls, to results/sanm.json.

    python scripts/measure_sanm.py runs/meld/bundle meld --data ../shared/data

The model judges every proposal of dev and test once, each with a counter-label. Policies are chosen
on dev and applied to test; the look at test is logged. ``--no-test`` only prints.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from recording import ROOT, today, write_results

import sentixrl
from sentixrl import Classifier, Rules, datasets
from sentixrl.experiments import sanm
from sentixrl.runs import LEDGER_FILE, Entry, enter_ledger


def main(
    model: Annotated[str, typer.Argument(help="A bundle.")],
    dataset: Annotated[str, typer.Argument(help="A data set of the registry.")],
    data: Annotated[Path, typer.Option(help="Folder with a folder a data set.")],
    test: Annotated[bool, typer.Option(help="Look at test as well.")] = True,
) -> None:
    """Measure and write."""
    splits = ("dev", "test") if test else ("dev",)
    held = {split: _opinions(model, dataset, data, split) for split in splits}
    dev, last = held["dev"][0], held[splits[-1]][0]
    policies: dict[str, sanm.Policy] = dict(sanm.choose(dev))
    for name in list(policies):
        changed = float((policies[name](last) != last.first).mean())
        policies[f"{name}: as many by margin"] = sanm.by_margin(changed)
    policies["always right about the first two"] = sanm.by_oracle
    found: dict[str, Any] = {"dataset": dataset}
    for split, (opinions, facts) in held.items():
        found[split] = {
            **facts,
            "oracle": sanm.oracle(opinions),
            "information": sanm.information(opinions),
            "policies": {name: sanm.measure(policy, opinions) for name, policy in policies.items()},
            "abstaining": sanm.abstaining(dev, opinions),
        }
    if test:
        write_results(
            "sanm",
            "negotiation on against off, first round, policies chosen on dev",
            f"python scripts/measure_sanm.py BUNDLE {dataset} --data ../shared/data",
            found,
        )
        _log(found, model)
    print(json.dumps(found, indent=1, ensure_ascii=False))


def _opinions(
    model: str, name: str, root: Path, split: str
) -> tuple[sanm.Opinions, Mapping[str, Any]]:
    """Every proposal judged once, each objected to, so that the counter-label is known."""
    loaded = datasets.load(name, root / name, split)
    first = sentixrl.load(model, labels=loaded.label_set)
    options = replace(
        first.negotiation, enabled=True, gate=None, agree_threshold=1.0, rules=Rules(1, 1)
    )
    judge = Classifier(first.engine, loaded.label_set, first.context, options, first.bundle)
    answers = judge.predict_many(loaded)
    entries = [
        Entry(dialogue, answer, None) for dialogue, answer in zip(loaded, answers, strict=True)
    ]
    opinions = sanm.opinions(entries, loaded.label_set.names)
    return opinions, {"n": len(opinions.gold), "data_hash": loaded.data_hash}


def _log(found: Mapping[str, Any], model: str) -> None:
    test = found["test"]
    line = {
        "date": today(),
        "run": f"sanm-{found['dataset']}-{test['data_hash']}",
        "dataset": found["dataset"],
        "split": "test",
        "task": "emotion",
        "n": test["n"],
        "limit": None,
        "seed": 0,
        "data_hash": test["data_hash"],
        "model": Path(model).name,
        "headline": test["oracle"],
    }
    enter_ledger(ROOT / LEDGER_FILE, line)


if __name__ == "__main__":
    typer.run(main)
