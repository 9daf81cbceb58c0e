"""Compare losses: the same short training under each, on dev, to results/losses.json.

    python scripts/measure_losses.py --data ../shared/data

Each is the recipe recipes/meld.yaml, the generator alone, one epoch. Losses that have their figures
are left out. Trainings and run folders stay under ``--runs`` and are resumed; to measure again,
remove both. Test is not used.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer
import yaml
from recording import ROOT, answered_on, latest, read_results, run, write_results

RECIPE = ROOT / "recipes" / "meld.yaml"
LOSSES: dict[str, dict[str, Any]] = {
    "cross-entropy": {},
    "focal, γ = 2": {"gamma": 2.0},
    "logit adjustment, τ = 0.5": {"adjust": 0.5},
    "focal, γ = 2, over the vocabulary": {"gamma": 2.0, "variant": "vocabulary"},
    "focal, γ = 2, α by effective number": {"gamma": 2.0, "balance": "effective"},
    "focal, γ = 1": {"gamma": 1.0},
}
MINORITY = ("fear", "disgust")
"""Each under 3% of the training turns."""


def main(
    data: Annotated[Path, typer.Option(help="Folder with one folder per data set.")],
    runs: Annotated[Path, typer.Option(help="Where trainings go.")] = Path("runs/losses"),
) -> None:
    """Train and measure one loss after the other."""
    known = {run["title"]: run for run in read_results("losses")["runs"]}
    for number, (title, loss) in enumerate(LOSSES.items()):
        if title in known:
            continue
        folder = runs / str(number)
        recipe = runs / f"{number}.yaml"
        recipe.parent.mkdir(parents=True, exist_ok=True)
        recipe.write_text(yaml.safe_dump(_recipe(loss)), "utf-8")
        run("train", str(recipe), "--data", str(data), "--out", str(folder))
        on_dev = ("--dataset", "meld", "--data", str(data / "meld"), "--split", "dev", "--fast")
        run("evaluate", "--model", str(folder / "bundle"), *on_dev, "--out", str(folder / "dev"))
        known[title] = {"title": title, "loss": loss, **_figures(folder / "dev")}
        _write([known[title] for title in LOSSES if title in known])


def _recipe(loss: dict[str, Any]) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load(RECIPE.read_text("utf-8"))
    content.pop("discriminator", None)
    return content | {"name": "loss", "epochs": 1, "checks_per_epoch": 1, "loss": loss}


def _figures(folder: Path) -> dict[str, Any]:
    metrics = json.loads((folder / "metrics.json").read_text("utf-8"))
    record = json.loads((folder / "run.json").read_text("utf-8"))
    recalls = [metrics["per_class"][name]["recall"]["value"] for name in MINORITY]
    return {
        "date": answered_on(record),
        "identity": record["identity"],
        "n": metrics["n"],
        "clusters": metrics["n_clusters"],
        "weighted_f1": metrics["weighted_f1"],
        "macro_f1": metrics["macro_f1"],
        "accuracy": metrics["accuracy"],
        "minority_recall": round(sum(recalls) / len(recalls), 6),
    }


def _write(found: list[dict[str, Any]]) -> None:
    write_results(
        "losses",
        "MELD, the generator alone, one epoch from sentixrl-135m, seed 0",
        "python scripts/measure_losses.py --data ../shared/data",
        {
            "date": latest(found),
            "dataset": "meld",
            "split": "dev",
            "clusters": found[-1]["clusters"],
            "seed": 0,
            "minority": MINORITY,
            "runs": found,
        },
    )


if __name__ == "__main__":
    typer.run(main)
