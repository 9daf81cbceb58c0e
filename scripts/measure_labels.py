"""What maps between label schemes lose, and how far people agree, to results/labels.json.

    python scripts/measure_labels.py --data ../shared/data

Counts are those of the training splits. No model is asked, and nothing is chosen on test; test
lines count among those that two data sets annotate.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer
from recording import write_results

from sentixrl import datasets
from sentixrl.datasets.dataset import Dataset
from sentixrl.errors import SentixError
from sentixrl.experiments.double import agreement, double_annotated
from sentixrl.experiments.merging import random_merge
from sentixrl.labels import (
    LabelMap,
    LabelSet,
    label_map,
    map_loss,
    reason,
    scheme,
    unified_names,
)

SETS: dict[str, dict[str, str]] = {
    "meld": {},
    "emorynlp": {"layout": "full"},
    "iemocap": {},
    "goemotions": {},
    "emotiontalk": {},
    "dailydialog": {},
    "emasac": {},
}
SEED = 0
SPLITS = ("train", "dev", "test")
COMMON = {
    "Joyful": "joy", "Mad": "anger", "Neutral": "neutral", "Sad": "sadness", "Scared": "fear",
}  # fmt: skip
"""EmoryNLP's labels that MELD has too."""


def main(
    data: Annotated[Path, typer.Option(help="Folder with one folder per data set.")],
) -> None:
    """Measure and write."""
    trains = {name: _load(name, data, "train") for name in SETS}
    losses = [
        _loss(train, target)
        for train in trains.values()
        if isinstance(train, Dataset)
        for target in unified_names()
        if _has_map(train.label_set, target)
    ]
    left = {name: why for name, why in trains.items() if isinstance(why, str)}
    both = [
        [part for split in SPLITS if isinstance(part := _load(name, data, split), Dataset)]
        for name in ("meld", "emorynlp")
    ]
    facts: dict[str, Any] = {"runs": losses, "left": left}
    if all(both):
        facts["double"] = _double(*both)
    write_results(
        "labels",
        "What mapping labels to shared schemes loses, by the labels of the training splits",
        "python scripts/measure_labels.py --data ../shared/data",
        facts,
    )


def _load(name: str, data: Path, split: str) -> Dataset | str:
    try:
        return datasets.load(name, data / name, split, **SETS[name])
    except SentixError as error:
        return error.message.replace(f"{data}/", "")  # the same wherever the data are


def _has_map(source: LabelSet, target: str) -> bool:
    try:
        label_map(source, target)
    except SentixError:
        return False
    return True


def _loss(train: Dataset, target: str) -> dict[str, Any]:
    mapping = label_map(train.label_set, target)
    found = map_loss(mapping, train.label_counts)
    row: dict[str, Any] = {
        "dataset": train.name,
        "source": train.label_set.name,
        "target": target,
        "why": reason(train.label_set.name, target),
        **{key: round(v, 6) if isinstance(v, float) else v for key, v in asdict(found).items()},
    }
    if found.merged:
        control = random_merge(mapping, train.label_counts, SEED)
        other = map_loss(control, train.label_counts)
        row["random_merge"] = dict(control.mapping)
        row["random_merge_lost"] = round(other.lost, 6)
    return row


def _double(meld: list[Dataset], emory: list[Dataset]) -> dict[str, Any]:
    pairs = double_annotated(meld, emory)
    one, other = scheme("meld-7"), scheme("emorynlp-7")
    common = LabelSet("common", sorted(set(COMMON.values())))
    maps = {
        "five common classes": (
            LabelMap(one, common, {n: n if n in common else None for n in one.names}),
            LabelMap(other, common, {n: COMMON.get(n) for n in other.names}),
        ),
        **{
            target: (label_map(one, target), label_map(other, target)) for target in unified_names()
        },
    }
    found = {name: agreement(pairs, *both) for name, both in maps.items()}
    return {
        "lines": len(pairs),
        "by": {
            name: {
                "lines": one.lines,
                "agreed": round(one.agreed, 6),
                "kappa": round(one.kappa, 6),
                "labels": list(one.labels),
                "confusion": one.confusion.tolist(),
            }
            for name, one in found.items()
        },
    }


if __name__ == "__main__":
    typer.run(main)
