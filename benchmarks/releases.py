"""The released models beside each other, in several languages: rate and memory.

    python -m benchmarks.releases --out results/bench_releases.json

Both answer the same dialogues by ``predict_many``, each in a process of its own, in turns. The data
sets are those of ``SENTIXRL_DATA``.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from benchmarks.batch import published, turn_about, write_dialogues
from benchmarks.timing import Watch, stamp

NEW, OLD = "sentixrl-270m", "sentixrl-135m"
MATERIAL: dict[str, tuple[str, str, dict[str, str | bool]]] = {
    "English, MELD": ("meld", "test", {}),
    "Chinese, EmotionTalk": ("emotiontalk", "dev", {}),
    "Spanish, BRIGHTER": ("brighter", "test", {"language": "esp"}),
    "Hindi, BRIGHTER": ("brighter", "test", {"language": "hin"}),
    "Arabic, BRIGHTER": ("brighter", "test", {"language": "ary"}),
}
"""Name → data set, split, switches."""
SLICE = 8.0
"""Seconds that a model answers before it is the other's turn; both start within the first."""


def main() -> None:
    """Measure each language and print what was found."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=1000, help="at least so many of each set")
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    options = parser.parse_args()
    runs = {}
    with Watch() as watch:
        for name, (dataset, split, switches) in MATERIAL.items():
            with tempfile.TemporaryDirectory() as folder:
                dialogues = published(dataset, split, options.turns, **switches)
                source = write_dialogues(Path(folder) / "dialogues.jsonl", dialogues)
                jobs = ((source, folder, "--plain", "--loader", model) for model in (NEW, OLD))
                new, old = turn_about(*((SLICE, job) for job in jobs))
            ratio = round(new["rate"] / old["rate"], 3)
            runs[name] = {"split": split, NEW: new, OLD: old, "ratio": ratio}
            print(json.dumps({name: runs[name]}, indent=1), flush=True)
    found = {**stamp(), "turns": options.turns, "runs": runs}
    found["others_share"] = round(watch.others, 3)
    if options.out is not None:
        options.out.write_text(json.dumps(found, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
