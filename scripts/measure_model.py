"""Evaluate a model on test sets and write the figures to results/.

    python scripts/measure_model.py zero-shot --data ../shared/data
    python scripts/measure_model.py default --data ../shared/data

``zero-shot`` is the untrained base model, ``default`` the trained one that comes along. Each set is
one ``sentixrl evaluate``; the run folders stay under ``--runs`` and are resumed if this is stopped.
"""

from __future__ import annotations

import json
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from sentixrl.cli.main import run as sentixrl

ROOT = Path(__file__).parent.parent
TURNS = ROOT / "benchmarks" / "turns"
METRICS = ("weighted_f1", "macro_f1", "accuracy")


@dataclass(frozen=True, slots=True)
class Job:
    """One evaluation.

    Attributes:
        title: What the table calls it.
        dataset: The registry's name, which is also the folder's; a file for our own turns.
        task: The annotation.
        switches: The loader's.
        limit: Dialogues drawn, where the whole split would take too long.
        seen: What of this data set the model was trained on.
    """

    title: str
    dataset: str
    task: str = "emotion"
    switches: Mapping[str, str] = field(default_factory=dict)
    limit: int | None = None
    seen: str = ""

    @property
    def name(self) -> str:
        """The run's folder."""
        return "-".join([Path(self.dataset).stem, self.task, *self.switches.values()])


ZERO_SHOT = (
    Job("CH-SIMS v1, sentiment", "ch_sims", "sentiment"),
    Job("MELD", "meld"),
    Job("EmoryNLP", "emorynlp"),
    Job("EmotionTalk", "emotiontalk"),
    Job("CPED, 3 sentiments", "cped", "sentiment"),
    Job("CPED, 13 emotions", "cped"),
)
DEFAULT = (
    Job("MELD", "meld"),
    Job("MELD, 3 sentiments", "meld", "sentiment"),
    Job("EmoryNLP", "emorynlp", seen="train"),
    Job("GoEmotions, single-label", "goemotions", seen="a part of train"),
    Job("DailyDialog", "dailydialog", limit=300),
    Job("EmotionTalk (zh)", "emotiontalk"),
    Job("CH-SIMS v1, 3 sentiments (zh)", "ch_sims", "sentiment"),
    Job("CPED, 3 sentiments (zh)", "cped", "sentiment", limit=300, seen="a part of valid"),
    Job("CPED, 13 emotions (zh)", "cped", limit=300, seen="a part of valid"),
    Job("E-MaSaC (hi-en)", "emasac"),
    Job("BRIGHTER (es)", "brighter", switches={"language": "esp"}),
    Job("BRIGHTER (hi)", "brighter", switches={"language": "hin"}),
    Job("BRIGHTER (ar, Algeria)", "brighter", switches={"language": "arq"}),
    Job("BRIGHTER (ar, Morocco)", "brighter", switches={"language": "ary"}),
    *(
        Job(f"Our turns ({language})", str(TURNS / f"{language}.jsonl"))
        for language in ("en", "zh", "es", "ar", "hi")
    ),
)


class Which(StrEnum):
    """What is measured."""

    ZERO_SHOT = "zero-shot"
    DEFAULT = "default"


@dataclass(frozen=True, slots=True)
class Plan:
    """What a choice stands for."""

    what: str
    jobs: tuple[Job, ...]
    arguments: tuple[str, ...]
    file: str


PLANS = {
    Which.ZERO_SHOT: Plan(
        "the untrained bundled model, one pass, no negotiation",
        ZERO_SHOT,
        ("--model", "smollm2-135m", "--no-negotiate", "--fast"),
        "zero_shot.json",
    ),
    Which.DEFAULT: Plan(
        "the trained model that comes along, by its own policy",
        DEFAULT,
        ("--fast",),
        "default.json",
    ),
}


def main(
    which: Which,
    data: Annotated[Path, typer.Option(help="Folder with a folder a data set.")],
    runs: Annotated[Path, typer.Option(help="Where run folders go.")] = Path("runs"),
) -> None:
    """Run all jobs, then write their headline figures."""
    plan = PLANS[which]
    found = []
    for job in plan.jobs:
        folder = runs / which.value / job.name
        code = sentixrl([*arguments(job, data), *plan.arguments, "--out", str(folder)])
        if code:
            sys.exit(code)
        found.append(headline(job, folder))
        content = {
            "what": plan.what,
            "command": f"python scripts/measure_model.py {which.value} --data ../shared/data",
            "date": date.today().isoformat(),
            "machine": f"2 CPU cores, {platform.machine()}, no accelerator",
            "runs": found,
        }
        out = ROOT / "results" / plan.file
        out.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", "utf-8")


def arguments(job: Job, data: Path) -> list[str]:
    """What ``sentixrl evaluate`` is called with."""
    if job.dataset.endswith(".jsonl"):
        own = ["evaluate", "--dataset", "custom", "--data", job.dataset]
        return [*own, "--labels", "ekman-7", "--split", "test", "--seed", "0"]
    words = ["evaluate", "--dataset", job.dataset, "--data", str(data / job.dataset)]
    words += ["--split", "test", "--task", job.task, "--seed", "0"]
    for name, value in job.switches.items():
        words += ["--switch", f"{name}={value}"]
    return [*words, "--limit", str(job.limit)] if job.limit else words


def headline(job: Job, folder: Path) -> dict[str, Any]:
    """The figures of one run folder."""
    metrics = json.loads((folder / "metrics.json").read_text("utf-8"))
    identity = json.loads((folder / "run.json").read_text("utf-8"))["identity"]
    return {
        "title": job.title,
        "dataset": Path(job.dataset).stem if job.dataset.endswith(".jsonl") else job.dataset,
        "task": job.task,
        "switches": dict(job.switches),
        "seen": job.seen,
        "split": "test",
        "limit_dialogues": job.limit,
        "seed": 0,
        "utterances": metrics["n"],
        "clusters": metrics["n_clusters"],
        "warnings": metrics["warnings"],
        "identity": identity,
        **{name: metrics[name] for name in METRICS},
        "ece": metrics["calibration"],
    }


if __name__ == "__main__":
    typer.run(main)
