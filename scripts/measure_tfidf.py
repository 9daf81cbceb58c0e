"""Measure the TF-IDF baseline on the test splits that have a published anchor.

    python scripts/measure_tfidf.py --data ../shared/data

Trains on train, chooses on dev, looks at test once a data set, and writes results/tfidf.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import time
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from sentixrl import datasets
from sentixrl.evaluation import build_items, metrics_json
from sentixrl.evaluation.baselines import answered, tfidf

TARGET = Path(__file__).parent.parent / "results" / "tfidf.json"
RUNS: dict[str, dict[str, Any]] = {
    "meld": {"task": "emotion", "switches": {}, "anchor": 0.566},
    "emorynlp": {"task": "emotion", "switches": {"layout": "full"}, "anchor": 0.313},
    "emotiontalk": {"task": "emotion", "switches": {}, "anchor": 0.427},
    "emasac": {"task": "emotion", "switches": {}, "anchor": 0.397},
}
KEPT = ("n", "n_clusters", "accuracy", "weighted_f1", "macro_f1", "seed", "resamples", "level")


def measure(name: str, folder: Path) -> dict[str, Any]:
    """Train, choose and measure on one data set."""
    run = RUNS[name]
    split = {
        part: datasets.load(name, folder / name, part, run["task"], **run["switches"])
        for part in ("train", "dev", "test")
    }
    begun = time.perf_counter()
    system = tfidf(split["train"], split["dev"])
    seconds = time.perf_counter() - begun
    metrics = metrics_json(build_items(answered(system, split["test"])), system.label_set)
    best = max(trial.dev_weighted_f1 for trial in system.trials)
    return {
        "dataset": name,
        "title": datasets.info(name).title,
        "task": run["task"],
        "switches": run["switches"],
        "split": "test",
        "data_hash": {part: data.data_hash for part, data in split.items()},
        "group_kind": split["test"].group_kind,
        "anchor_weighted_f1": run["anchor"],
        "settings": system.settings.as_dict(),
        "tried": len(system.trials),
        "dev_weighted_f1": round(best, 6),
        **{key: metrics[key] for key in KEPT},
        "warnings": metrics["warnings"],
        "fit_seconds": round(seconds, 1),
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="the folder of data sets")
    folder = parser.parse_args().data
    runs = []
    for name in RUNS:
        runs.append(measure(name, folder))
        found = runs[-1]
        print(f"{name}: {100 * found['weighted_f1']['value']:.1f}, {found['settings']}", flush=True)
    content = {
        "what": "TF-IDF (word 1-2-grams, char 1-4-grams) + logistic regression",
        "command": "python scripts/measure_tfidf.py --data ../shared/data",
        "date": datetime.now(UTC).date().isoformat(),
        "machine": f"{os.cpu_count()} CPU cores, {platform.machine()}, no accelerator",
        "versions": {name: version(name) for name in ("scikit-learn", "numpy", "scipy")},
        "seed": 0,
        "selected_on": "dev",
        "runs": runs,
    }
    TARGET.parent.mkdir(exist_ok=True)
    TARGET.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", "utf-8")


if __name__ == "__main__":
    main()
