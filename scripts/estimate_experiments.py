"""How long every experiment would take, to results/experiments/estimates.json.

    python scripts/estimate_experiments.py --data ../shared/data

From rates measured on two CPU cores; nothing is trained. What is finished in ``--out`` counts
nothing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from recording import ROOT, today

from sentixrl.experiments.estimate import estimate, hours
from sentixrl.experiments.plan_file import read_experiment
from sentixrl.runs.storage import write_json

EXPERIMENTS = ROOT / "experiments"
FILE = ROOT / "results" / "experiments" / "estimates.json"


def main(
    data: Annotated[Path, typer.Option(help="Folder with one folder per data set.")],
    out: Annotated[Path, typer.Option(help="Where trainings and answers are kept.")] = Path(
        "runs/experiments"
    ),
) -> None:
    """Estimate and write."""
    found: dict[str, Any] = {}
    for path in sorted(EXPERIMENTS.glob("*.yaml")):
        experiment = read_experiment(path)
        items = estimate(experiment, data, out, test=True)
        trained = [item for item in items if item.what.startswith("training")]
        found[experiment.name] = {
            "hours": round(hours(items), 1),
            "trainings": len(trained),
            "training_hours": round(hours(trained), 1),
            "missing": list(dict.fromkeys(item.missing for item in items if item.missing)),
        }
        print(f"{experiment.name}: {found[experiment.name]}", flush=True)
    FILE.parent.mkdir(parents=True, exist_ok=True)
    write_json(
        FILE,
        {
            "what": "Hours on two CPU cores, looks at test included; shared trainings count twice",
            "command": "python scripts/estimate_experiments.py --data ../shared/data",
            "date": today(),
            "experiments": found,
        },
    )


if __name__ == "__main__":
    typer.run(main)
