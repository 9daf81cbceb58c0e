"""Measure the TF-IDF baseline that recipes are held against.

    python scripts/measure_tfidf.py --data ../shared/data [NAME …]

Trains on train, chooses on dev, looks at test once a data set, writes results/tfidf.json and logs
the looks in results/ledger.jsonl. With names, only those are measured and the others kept.
"""

from __future__ import annotations

import argparse
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from recording import RESULTS, read_results, today, write_results

from sentixrl import datasets
from sentixrl.evaluation import build_items, metrics_json
from sentixrl.evaluation.baselines import answered, tfidf
from sentixrl.evaluation.metrics import HEADLINE
from sentixrl.runs import enter_ledger

SPLITS = ("train", "dev", "test")
RUNS: dict[str, dict[str, Any]] = {
    "meld": {"anchor": 0.566},
    "emorynlp": {"switches": {"layout": "full"}, "anchor": 0.313},
    "emotiontalk": {"anchor": 0.427},
    "emasac": {"anchor": 0.397},
    # The train split of CPED cannot be had; these five shows are of its valid file.
    "cped": {"splits": ("lowres-train", "lowres-dev", "test"), "title": "CPED, low-resource"},
    "ch_sims": {"task": "sentiment", "title": "CH-SIMS v1, 3 sentiments"},
}
KEPT = ("n", "n_clusters", "accuracy", "weighted_f1", "macro_f1", "seed", "resamples", "level")


def measure(name: str, folder: Path) -> dict[str, Any]:
    """Train, choose and measure on one data set."""
    run = RUNS[name]
    task, switches = run.get("task", "emotion"), run.get("switches", {})
    split = {
        role: datasets.load(name, folder / name, part, task, **switches)
        for role, part in zip(SPLITS, run.get("splits", SPLITS), strict=True)
    }
    begun = time.perf_counter()
    system = tfidf(split["train"], split["dev"])
    seconds = time.perf_counter() - begun
    metrics = metrics_json(build_items(answered(system, split["test"])), system.label_set)
    best = max(trial.dev_weighted_f1 for trial in system.trials)
    return {
        "dataset": name,
        "title": run.get("title", datasets.info(name).title),
        "task": task,
        "switches": switches,
        "split": "test",
        "data_hash": {part: data.data_hash for part, data in split.items()},
        "group_kind": split["test"].group_kind,
        "anchor_weighted_f1": run.get("anchor"),
        "settings": system.settings.as_dict(),
        "tried": [
            {**trial.settings.as_dict(), "dev_weighted_f1": round(trial.dev_weighted_f1, 6)}
            for trial in system.trials
        ],
        "dev_weighted_f1": round(best, 6),
        "date": today(),
        "versions": {name: version(name) for name in ("scikit-learn", "numpy", "scipy")},
        **{key: metrics[key] for key in KEPT},
        "warnings": metrics["warnings"],
        "fit_seconds": round(seconds, 1),
    }


def log(run: dict[str, Any], date: str) -> None:
    """Note the look at test; the same settings on the same data are one look."""
    settings = run["settings"]
    chosen = "-".join(f"{name}={value}" for name, value in settings.items())
    line = {
        "date": date,
        "run": f"tfidf-{run['dataset']}-{run['data_hash']['test']}-{chosen}",
        **{key: run[key] for key in ("dataset", "split", "task", "n")},
        "limit": None,
        "seed": 0,
        "data_hash": run["data_hash"]["test"],
        "model": "tfidf",
        "settings": settings,
        "headline": {name: run[name]["value"] for name in HEADLINE},
    }
    enter_ledger(RESULTS / "ledger.jsonl", line)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder of data sets")
    parser.add_argument("names", nargs="*", help="data sets; all if none", metavar="NAME")
    given = parser.parse_args()
    if unknown := [name for name in given.names if name not in RUNS]:
        parser.error(f"there is no '{unknown[0]}'; there are {', '.join(RUNS)}")
    before = read_results("tfidf")
    # Earlier files had one date and one set of versions for all of their figures.
    shared = {key: before[key] for key in ("date", "versions") if key in before}
    known = {run["dataset"]: {**shared, **run} for run in before["runs"]}
    for name in given.names or RUNS:
        found = known[name] = measure(name, given.data)
        log(found, found["date"])
        print(f"{name}: {100 * found['weighted_f1']['value']:.1f}, {found['settings']}", flush=True)
        write_results(
            "tfidf",
            "TF-IDF (word 1-2-grams, char 1-4-grams) + logistic regression",
            "python scripts/measure_tfidf.py --data ../shared/data",
            {
                "seed": 0,
                "selected_on": "dev",
                "runs": [known[one] for one in RUNS if one in known],
            },
        )


if __name__ == "__main__":
    main()
