"""One ``sentixrl evaluate`` on a split of a data set, and its headline figures."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from recording import answered_on, run

from sentixrl.evaluation import compare_systems
from sentixrl.evaluation.running import run_items

METRICS = ("weighted_f1", "macro_f1", "accuracy", "micro_f1", "jaccard")
"""What is kept of a run where it has it; the last two are those of several labels."""
MICRO_F1 = "micro_f1_without_neutral"


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
        several: Whether any number of labels is given.
    """

    title: str
    dataset: str
    task: str = "emotion"
    switches: Mapping[str, str] = field(default_factory=dict)
    limit: int | None = None
    seen: str = ""
    several: bool = False

    @property
    def name(self) -> str:
        """The run's folder."""
        how = ["several"] if self.several else []
        return "-".join([Path(self.dataset).stem, self.task, *self.switches.values(), *how])


def measure(
    job: Job, data: Path, folder: Path, how: tuple[str, ...], split: str = "test"
) -> dict[str, Any]:
    """Evaluate and read the figures off; ends the script where that fails."""
    run(*arguments(job, data, split), *how, "--out", str(folder))
    return headline(job, folder, split)


def against_tfidf(
    job: Job, data: Path, split: str, folders: Sequence[Path], floor: Path, metric: str
) -> dict[str, Any]:
    """A metric of run folders (one per seed) over TF-IDF's on the same items, which are paired.

    Args:
        job: What was evaluated.
        data: The folder of data sets.
        split: Which split.
        folders: The runs.
        floor: Where TF-IDF's run goes, or is.
        metric: Its name in ``metrics.json``.
    """
    run(*arguments(job, data, split), "--baseline", "tfidf", "--out", str(floor))
    systems = {"tfidf": [run_items(floor)], "model": [run_items(folder) for folder in folders]}
    compared = compare_systems(systems, list(read_metrics(floor)["per_class"]))
    one = compared.pairs[0][metric]
    return {**one.difference.as_dict(), "p": one.p, "clusters": compared.n_clusters}


def arguments(job: Job, data: Path, split: str) -> list[str]:
    """What ``sentixrl`` is called with."""
    if job.dataset.endswith(".jsonl"):
        own = ["evaluate", "--dataset", "custom", "--data", job.dataset]
        return [*own, "--labels", "ekman-7", "--split", split, "--seed", "0"]
    words = ["evaluate", "--dataset", job.dataset, "--data", str(data / job.dataset)]
    words += ["--split", split, "--task", job.task, "--seed", "0"]
    for name, value in job.switches.items():
        words += ["--switch", f"{name}={value}"]
    words += ["--several"] if job.several else []
    return [*words, "--limit", str(job.limit)] if job.limit else words


def headline(job: Job, folder: Path, split: str) -> dict[str, Any]:
    """The figures of one run folder."""
    metrics = read_metrics(folder)
    record = json.loads((folder / "run.json").read_text("utf-8"))
    supports = [of["support"] for of in metrics["per_class"].values()]
    return {
        "date": answered_on(record),
        "title": job.title,
        "dataset": Path(job.dataset).stem if job.dataset.endswith(".jsonl") else job.dataset,
        "task": job.task,
        "switches": dict(job.switches),
        "several": job.several,
        "seen": job.seen,
        "split": split,
        "limit_dialogues": job.limit,
        "seed": 0,
        "utterances": metrics["n"],
        "clusters": metrics["n_clusters"],
        "warnings": metrics["warnings"],
        "identity": record["identity"],
        **{name: metrics[name] for name in (*METRICS, MICRO_F1) if name in metrics},
        "commonest_share": None if job.several else round(max(supports) / metrics["n"], 6),
        "calibration": _without_curves(job, metrics["calibration"] or {}),
    }


def _without_curves(job: Job, calibration: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """The run folder has the curves."""
    parts = {"several": calibration} if job.several and calibration else calibration
    return {
        part: {key: value for key, value in found.items() if not isinstance(value, list)}
        for part, found in parts.items()
        if found is not None
    }


def read_metrics(folder: Path) -> dict[str, Any]:
    """All metrics of one run folder."""
    found: dict[str, Any] = json.loads((folder / "metrics.json").read_text("utf-8"))
    return found
