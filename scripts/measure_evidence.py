"""Is evidence faithful? Measures it on dev sets and writes results/evidence.json.

    python scripts/measure_evidence.py --data ../shared/data
    python scripts/measure_evidence.py --data ../shared/data --model runs/meld/bundle --limit 20

Evidence is found by hiding turns one at a time. The test replaces the k turns that moved an answer
most, all together, by turns of other dialogues of about the same length, and sets the fall of the
answer's log-odds against that for k turns by chance and for the k nearest. Only dev is looked at.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from recording import write_results

import sentixrl
from sentixrl import Dialogue, datasets
from sentixrl.experiments import faithfulness

SETS = {"meld": "dev", "emotiontalk": "dev"}
"""Data set → split."""


def main(
    data: Annotated[Path, typer.Option(help="Folder with a folder a data set.")],
    model: Annotated[str, typer.Option(help="A bundle or a bundled name.")] = "default",
    limit: Annotated[
        int | None, typer.Option(help="Dialogues drawn of each set; default: all.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of all draws.")] = 0,
) -> None:
    """Measure and write."""
    loaded = sentixrl.load(model)
    found: dict[str, Any] = {}
    for name, split in SETS.items():
        part = datasets.load(name, data / name, split)
        dialogues = _drawn(part.dialogues, limit, seed)
        classifier = loaded.replace(labels=part.label_set)
        begun = time.perf_counter()
        result = faithfulness.measure(classifier, dialogues, seed=seed)
        found[name] = {
            "split": split,
            "data_hash": part.data_hash,
            "dialogues": len(dialogues),
            "turns": sum(map(len, dialogues)),
            "seconds": round(time.perf_counter() - begun, 1),
            "replaced": result,
        }
    drawn = "" if limit is None else f" --limit {limit}"
    command = f"python scripts/measure_evidence.py --data ../shared/data --model {model}{drawn}"
    facts = {"model": loaded.engine.name, "limit": limit, "seed": seed, "sets": found}
    write_results(
        "evidence", "Evidence against turns by chance and the nearest, replaced", command, facts
    )
    print(json.dumps(found, indent=1, ensure_ascii=False))


def _drawn(dialogues: Sequence[Dialogue], limit: int | None, seed: int) -> list[Dialogue]:
    if limit is None or limit >= len(dialogues):
        return list(dialogues)
    return random.Random(seed).sample(list(dialogues), limit)


if __name__ == "__main__":
    typer.run(main)
