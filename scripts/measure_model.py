"""Evaluate a model on test sets and write the figures to results/.

    python scripts/measure_model.py zero-shot --data ../shared/data
    python scripts/measure_model.py default --data ../shared/data
    python scripts/measure_model.py small --data ../shared/data
    python scripts/measure_model.py recipes --data ../shared/data

``zero-shot`` is the untrained small base, ``default`` the trained model that comes along (for
BRIGHTER see ``measure_languages.py``), ``small`` the one under Apache-2.0 throughout, ``recipes``
what was trained in ``--runs`` with ``sentixrl train recipes/NAME.yaml --out runs/NAME``, on dev and
test; what is not there keeps its earlier figures. Each set is one ``sentixrl evaluate``; the run
folders stay under ``--runs`` and are resumed if this is stopped.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from evaluating import Job, against_tfidf, measure
from recording import ROOT, latest, read_results, write_results

TURNS = ROOT / "benchmarks" / "turns"

ZERO_SHOT = (
    Job("CH-SIMS v1, sentiment", "ch_sims", "sentiment"),
    Job("MELD", "meld"),
    Job("EmoryNLP", "emorynlp"),
    Job("EmotionTalk", "emotiontalk"),
    Job("CPED, 3 sentiments", "cped", "sentiment"),
    Job("CPED, 13 emotions", "cped"),
)
OUR_TURNS = tuple(
    Job(f"Our turns ({language})", str(TURNS / f"{language}.jsonl"))
    for language in ("en", "zh", "es", "ar", "hi")
)
PART = "a part of train"
MELD = (Job("MELD", "meld"), Job("MELD, 3 sentiments", "meld", "sentiment"))
GOEMOTIONS = Job("GoEmotions, single-label", "goemotions", seen=PART)
OTHERS = (
    Job("DailyDialog", "dailydialog", limit=300),
    Job("EmotionTalk (zh)", "emotiontalk"),
    Job("CH-SIMS v1, 3 sentiments (zh)", "ch_sims", "sentiment"),
    Job("CPED, 3 sentiments (zh)", "cped", "sentiment", limit=300, seen="a part of valid"),
    Job("CPED, 13 emotions (zh)", "cped", limit=300, seen="a part of valid"),
    Job("E-MaSaC (hi-en)", "emasac"),
)
DEFAULT = (
    *MELD,
    Job("EmoryNLP", "emorynlp"),
    GOEMOTIONS,
    Job("GoEmotions, 28 labels, several", "goemotions", seen=PART, several=True),
    *OTHERS,
    *OUR_TURNS,
)
SMALL = (
    *MELD,
    Job("EmoryNLP", "emorynlp", seen="train"),
    GOEMOTIONS,
    *OTHERS,
    Job("BRIGHTER (es)", "brighter", switches={"language": "esp"}),
    Job("BRIGHTER (hi)", "brighter", switches={"language": "hin"}),
    Job("BRIGHTER (ar, Algeria)", "brighter", switches={"language": "arq"}),
    Job("BRIGHTER (ar, Morocco)", "brighter", switches={"language": "ary"}),
    *OUR_TURNS,
)
RECIPES = {
    "meld": Job("MELD", "meld"),
    "emorynlp": Job("EmoryNLP", "emorynlp", switches={"layout": "full"}),
    "emotiontalk": Job("EmotionTalk (zh)", "emotiontalk"),
    "emasac": Job("E-MaSaC (hi-en)", "emasac"),
    "cped": Job("CPED, 13 emotions (zh), low-resource", "cped"),
    "ch_sims": Job("CH-SIMS v1, 3 sentiments (zh)", "ch_sims", "sentiment"),
}
LARGER = ("meld", "emorynlp", "emotiontalk", "cped")
RECIPES |= {f"{name}-1.5b": RECIPES[name] for name in LARGER}
RECIPES |= {"meld-270m": RECIPES["meld"]}
"""Recipe → what it is evaluated on."""
DEV = {"cped": "lowres-dev"}
"""Data sets whose dev split has another name."""


class Which(StrEnum):
    """What is measured."""

    ZERO_SHOT = "zero-shot"
    DEFAULT = "default"
    SMALL = "small"
    RECIPES = "recipes"


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
        "zero_shot",
    ),
    Which.DEFAULT: Plan(
        "the trained model that comes along, by its own policy",
        DEFAULT,
        ("--fast",),
        "default",
    ),
    Which.SMALL: Plan(
        "the trained model that is under Apache-2.0 throughout, by its own policy",
        SMALL,
        ("--model", "sentixrl-135m", "--fast"),
        "small",
    ),
}


def main(
    which: Which,
    data: Annotated[Path, typer.Option(help="Folder with a folder a data set.")],
    runs: Annotated[Path, typer.Option(help="Where run folders go.")] = Path("runs"),
) -> None:
    """Run all jobs, then write their headline figures."""
    if which is Which.RECIPES:
        measure_recipes(data, runs)
        return
    plan = PLANS[which]
    found = [measure(job, data, runs / which.value / job.name, plan.arguments) for job in plan.jobs]
    write(which, plan.what, plan.file, found)


def measure_recipes(data: Path, runs: Path) -> None:
    """Every bundle that a recipe left in ``runs``, on dev and test; each is written when known."""
    found = {
        (run["recipe"], len(run["averaged"]), run["seed"]): run
        for run in read_results("recipes")["runs"]
    }
    floor = {
        run["dataset"]: {"dev": run["dev_weighted_f1"], "test": run["weighted_f1"]["value"]}
        for run in read_results("tfidf")["runs"]
    }
    runs_of: dict[str, list[Path]] = {}
    for recipe, job in RECIPES.items():
        for bundle in sorted((runs / recipe).glob("**/bundle")):
            if bundle.parent.name == "bundle.part":  # broken off while it was made
                continue
            how = ("--model", str(bundle), "--fast")
            at = runs / "recipes" / bundle.parent.relative_to(runs)
            facts = json.loads((bundle / "training.json").read_text("utf-8"))
            seed, averaged = facts["recipe"]["seed"], facts.get("averaged", [])
            key = recipe, len(averaged), seed
            about = {
                "title": job.title,
                "recipe": recipe,
                "seed": seed,
                "averaged": averaged,
                "tfidf": floor.get(job.dataset),
            }
            dev = measure(job, data, at / "dev", how, DEV.get(job.dataset, "dev"))
            earlier = found.get(key, {}).get("test")
            if not (earlier and earlier["identity"]["model"] == dev["identity"]["model"]):
                found[key] = about | {"date": dev["date"], "dev": dev, "test": None}
                write_recipes(found)
            test = measure(job, data, at / "test", how)
            found[key] = about | {"date": latest([dev, test]), "dev": dev, "test": test}
            write_recipes(found)
            if not averaged:
                runs_of.setdefault(recipe, []).append(at)
    paired = read_results("recipes").get("paired", {})
    for recipe, folders in runs_of.items():
        paired[recipe] = over_tfidf(RECIPES[recipe], data, folders, runs / "recipes" / "tfidf")
        write_recipes(found, paired)


def over_tfidf(
    job: Job, data: Path, folders: Sequence[Path], runs: Path
) -> dict[str, dict[str, Any]]:
    """A recipe's bundles against TF-IDF on the same items: all seeds, dialogues drawn together."""
    found = {}
    for role, split in (("dev", DEV.get(job.dataset, "dev")), ("test", "test")):
        seeds = [folder / role for folder in folders]
        floor = runs / job.name / role
        compared = against_tfidf(job, data, split, seeds, floor, "weighted_f1")
        found[role] = {**compared, "seeds": len(seeds)}
    return found


def write_recipes(
    found: Mapping[tuple[str, int, int], dict[str, Any]],
    paired: Mapping[str, Any] | None = None,
) -> None:
    """Write what is known, in the order of the recipes; known paired differences stay."""
    order = sorted(found, key=lambda key: (list(RECIPES).index(key[0]), *key[1:]))
    known = read_results("recipes").get("paired", {}) if paired is None else dict(paired)
    what = "each recipe's bundle by its own policy"
    write(Which.RECIPES, what, "recipes", [found[key] for key in order], {"paired": known})


def write(
    which: Which,
    what: str,
    file: str,
    runs: list[dict[str, Any]],
    more: Mapping[str, Any] | None = None,
) -> None:
    """Write what is known."""
    command = f"python scripts/measure_model.py {which.value} --data ../shared/data"
    write_results(file, what, command, {"date": latest(runs), **(more or {}), "runs": runs})


if __name__ == "__main__":
    typer.run(main)
