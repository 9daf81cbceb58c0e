"""Small jobs: scripted loaders that travel to other processes, and inputs written on the spot."""

from __future__ import annotations

import csv
import os
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import count
from pathlib import Path

from sentixrl.batch import BatchJob, BatchOptions, LocalWorkers, Summary
from sentixrl.batch.job import LOG, WORK
from sentixrl.batch.spool import DIALOGUES
from sentixrl.bundle import ModelBundle
from sentixrl.classifier import Classifier
from sentixrl.context.prompt import Prompt
from sentixrl.engines.protocol import Failure
from sentixrl.engines.scripted import ScriptedEngine
from sentixrl.labels import LabelSet
from sentixrl.negotiation.options import NegotiationOptions
from tests.negotiation.worlds import ENGLISH, LABELS, chaotic_score

DEADLY, BROKEN, PASSING = "the deadly line", "the broken line", "the passing line"
"""Texts that end the process, break the session, or fail for a passing reason."""


@dataclass(frozen=True)
class Scripted:
    """A loader whose answers depend on the prompt alone.

    Attributes:
        seed: Which answers.
        seconds: How long each takes.
        labels: The label set.
        fails: Whether lines that fail do.
        failing: How many prompts in a hundred fail for good.
        lasts: How many prompts it answers before each breaks it.
    """

    seed: int = 0
    seconds: float = 0.0
    labels: LabelSet = LABELS
    fails: bool = True
    failing: int = 0
    lasts: int | None = None

    def load(self) -> Classifier:
        weigh = chaotic_score(self.seed, zeros=True, failing=self.failing)
        asked_before = count()

        def score(prompt: Prompt, choices: tuple[str, ...]) -> Sequence[float] | Failure:
            if self.seconds:
                time.sleep(self.seconds)
            if self.lasts is not None and next(asked_before) >= self.lasts:
                raise RuntimeError("out of memory")
            asked = prompt.text.splitlines()[-2:]
            if self.fails and any(DEADLY in line for line in asked):
                os._exit(137)
            if self.fails and any(BROKEN in line for line in asked):
                raise RuntimeError("out of memory")
            if self.fails and any(PASSING in line for line in asked):
                return Failure("timeout", "No answer in time.", retryable=True)
            return weigh(prompt, choices)

        engine = ScriptedEngine(score, name=f"scripted-{self.seed}")
        bundle = ModelBundle(name=engine.name)
        return Classifier(engine, self.labels, ENGLISH, NegotiationOptions(), bundle)


def write_table(
    path: Path, dialogues: int = 12, *, seed: int = 0, scattered: bool = False, text: str = "Line"
) -> Path:
    """A CSV of dialogues of one to five turns, with a column of its own."""
    rng = random.Random(seed)
    rows = [
        (f"d{seed}-{number}", turn, "Ann" if turn % 2 else "Bob", f"{text} {turn} of {number}.")
        for number in range(dialogues)
        for turn in range(rng.randint(1, 5))
    ]
    if scattered:
        rng.shuffle(rows)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("conversation", "turn", "speaker", "text", "region"))
        writer.writerows((*row, f"r{row[1]}") for row in rows)
    return path


def run(
    names: Sequence[Path | str],
    out: Path,
    loader: Scripted | None = None,
    options: BatchOptions | None = None,
) -> Summary:
    """A whole job."""
    workers = LocalWorkers(loader or Scripted())
    told = options or BatchOptions(chunk_turns=8)
    with BatchJob([str(name) for name in names], out, workers, told) as job:
        return job.run()


def shards(out: Path) -> dict[str, bytes]:
    """Every file of results."""
    return {path.name: path.read_bytes() for path in sorted(out.glob("part-*"))}


def results(out: Path) -> dict[str, bytes]:
    """Every file of results, and what failed."""
    errors = out / "errors.jsonl"
    return shards(out) | ({"errors": errors.read_bytes()} if errors.exists() else {})


def done(out: Path) -> int:
    """How many chunks the log names."""
    log = out / WORK / LOG
    return log.read_bytes().count(b"\n") if log.exists() else 0


def spool_is_kept(out: Path) -> bool:
    return (out / WORK / DIALOGUES).exists()
