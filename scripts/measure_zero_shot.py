"""Evaluate the untrained bundled model on six test sets and write results/zero_shot.json.

    python scripts/measure_zero_shot.py --data ../shared/data

Each set is one ``sentixrl evaluate`` with a single pass (no negotiation): where the model says
nothing of worth, negotiating about it says nothing either. The run folders stay under ``--runs``
and are resumed if this is stopped.
"""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import typer

from sentixrl.cli.main import run as sentixrl

ROOT = Path(__file__).parent.parent
METRICS = ("weighted_f1", "macro_f1", "accuracy")


@dataclass(frozen=True, slots=True)
class Job:
    """One evaluation.

    Attributes:
        title: What the table calls it.
        dataset: The registry's name, which is also the folder's.
        task: The annotation.
        limit: Dialogues drawn, where the whole split would take too long.
    """

    title: str
    dataset: str
    task: str
    limit: int | None = None


JOBS = (
    Job("CH-SIMS v1, sentiment", "ch_sims", "sentiment"),
    Job("MELD", "meld", "emotion"),
    Job("EmoryNLP", "emorynlp", "emotion"),
    Job("EmotionTalk", "emotiontalk", "emotion"),
    Job("CPED, 3 sentiments", "cped", "sentiment", 150),
    Job("CPED, 13 emotions", "cped", "emotion", 150),
)


def main(
    data: Annotated[Path, typer.Option(help="Folder with a folder a data set.")],
    runs: Annotated[Path, typer.Option(help="Where run folders go.")] = Path("runs/zero-shot"),
    out: Annotated[Path, typer.Option()] = ROOT / "results" / "zero_shot.json",
) -> None:
    """Run all jobs, then write their headline figures."""
    found = []
    for job in JOBS:
        folder = runs / f"{job.dataset}-{job.task}"
        code = sentixrl([*arguments(job, data), "--out", str(folder)])
        if code:
            sys.exit(code)
        found.append(headline(job, folder))
        content = {
            "what": "the untrained bundled model, one pass, no negotiation",
            "command": "python scripts/measure_zero_shot.py --data ../shared/data",
            "date": date.today().isoformat(),
            "machine": f"2 CPU cores, {platform.machine()}, no accelerator",
            "runs": found,
        }
        out.write_text(json.dumps(content, indent=1) + "\n", "utf-8")


def arguments(job: Job, data: Path) -> list[str]:
    """What ``sentixrl evaluate`` is called with."""
    words = ["evaluate", "--dataset", job.dataset, "--data", str(data / job.dataset)]
    words += ["--split", "test", "--task", job.task, "--no-negotiate", "--fast", "--seed", "0"]
    return [*words, "--limit", str(job.limit)] if job.limit else words


def headline(job: Job, folder: Path) -> dict[str, Any]:
    """The figures of one run folder."""
    metrics = json.loads((folder / "metrics.json").read_text("utf-8"))
    identity = json.loads((folder / "run.json").read_text("utf-8"))
    return {
        "title": job.title,
        "dataset": job.dataset,
        "task": job.task,
        "split": "test",
        "limit_dialogues": job.limit,
        "seed": 0,
        "utterances": metrics["n"],
        "clusters": metrics["n_clusters"],
        "warnings": metrics["warnings"],
        "identity": identity.get("identity", identity),
        **{name: metrics[name] for name in METRICS},
        "ece": metrics["calibration"],
    }


if __name__ == "__main__":
    typer.run(main)
