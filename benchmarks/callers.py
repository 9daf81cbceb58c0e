"""One classifier that many threads call: are the answers the serial ones, is memory flat?

    python -m benchmarks.callers ../shared/data/meld

Dialogues of one to three turns are cut from MELD's train split. They are answered once in one
thread, then by many threads, each with dialogues of its own; resident memory is read as they go.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import psutil
import typer

import sentixrl
from benchmarks.timing import resident
from sentixrl import Dialogue, DialoguePrediction
from sentixrl.datasets.registry import load_split

MIB = 1 << 20
GLANCE = 0.1
"""Seconds between two readings of the memory."""


def main(
    data: Annotated[Path, typer.Argument(help="MELD's folder.")],
    model: Annotated[
        str | None, typer.Option(help="Model; default: the one that comes along.")
    ] = None,
    threads: Annotated[int, typer.Option(help="How many threads call.", min=1)] = 64,
    dialogues: Annotated[int, typer.Option(help="How many dialogues.", min=1)] = 2000,
) -> None:
    """Measure, and print one JSON object."""
    classifier = sentixrl.load(model, labels="meld-7")
    pieces = cut(data, dialogues)
    process = psutil.Process()
    with resident(process, GLANCE) as serial_memory:
        start = time.monotonic()
        serial = [classifier.predict(piece) for piece in pieces]
        serial_seconds = time.monotonic() - start
    with resident(process, GLANCE) as memory:
        start = time.monotonic()
        found = called(classifier, pieces, threads)
        seconds = time.monotonic() - start
    third = max(1, len(memory) // 3)
    turns = sum(map(len, pieces))
    print(
        json.dumps(
            {
                "model": classifier.engine.name,
                "threads": threads,
                "workers": classifier.workers,
                "dialogues": len(pieces),
                "turns": turns,
                "lost": sum(answer is None for answer in found),
                "differing": sum(one != other for one, other in zip(serial, found, strict=True)),
                "serial_turns_per_second": round(turns / serial_seconds, 1),
                "turns_per_second": round(turns / seconds, 1),
                "serial_mib": max(serial_memory) // MIB,
                "first_third_mib": max(memory[:third]) // MIB,
                "last_third_mib": max(memory[-third:]) // MIB,
            }
        )
    )


def cut(data: Path, count: int) -> list[Dialogue]:
    """Pieces of one to three turns."""
    pieces: list[Dialogue] = []
    for dialogue in load_split("meld", data, "train", None, {}):
        start = 0
        while start < len(dialogue) and len(pieces) < count:
            length = 1 + len(pieces) % 3
            turns = dialogue.utterances[start : start + length]
            pieces.append(Dialogue(f"{dialogue.id}-{start}", turns, dialogue.language))
            start += length
    return pieces


def called(
    classifier: sentixrl.Classifier, pieces: Sequence[Dialogue], threads: int
) -> list[DialoguePrediction | None]:
    """The answers that many threads get, in the order of the pieces."""
    found: list[DialoguePrediction | None] = [None] * len(pieces)

    def work(first: int) -> None:
        for place in range(first, len(pieces), threads):
            found[place] = classifier.predict(pieces[place])

    workers = [threading.Thread(target=work, args=(first,)) for first in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return found


if __name__ == "__main__":
    typer.run(main)
