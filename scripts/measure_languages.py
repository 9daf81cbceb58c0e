"""The default model on BRIGHTER's test texts in 21 languages, to results/languages.json.

    python scripts/measure_languages.py --data ../shared/data [LANGUAGE …]

Four evaluations a language: one label, of texts with exactly one, among the language's own columns;
the same with ``neutral`` offered, where a text without emotion counts as neutral; any number of
labels, the official task; and the same with thresholds fitted on the language's dev texts, as
``sentixrl calibrate --several`` fits them. TF-IDF with one logistic regression per label, trained
on the language's train split, its thresholds fitted on dev, answers the last two also; differences
are paired. With languages, only those are measured and the others kept; with ``--several-only`` the
figures of one label are kept too. Run folders stay under ``--runs`` and are resumed.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer
from evaluating import Job, against_tfidf, measure, read_metrics
from recording import latest, read_results, write_results

import sentixrl
from sentixrl import NegotiationOptions, datasets
from sentixrl.datasets import Dataset
from sentixrl.datasets.brighter import LANGUAGES, NEUTRAL
from sentixrl.evaluation.recalibration import recalibrate

NEVER_SEEN = ("arq",)
"""Languages that the default model was not trained on."""


def main(
    data: Annotated[Path, typer.Option(help="Folder with a folder a data set.")],
    languages: Annotated[list[str] | None, typer.Argument(help="All if none.")] = None,
    runs: Annotated[Path, typer.Option(help="Where run folders go.")] = Path("runs/languages"),
    model: Annotated[str, typer.Option(help="What answers.")] = "default",
    several_only: Annotated[bool, typer.Option(help="Measure several labels alone.")] = False,
) -> None:
    """Measure each language, and write after each."""
    found = {one["language"]: one for one in read_results("languages")["runs"]}
    for language in languages or LANGUAGES:
        known = found.get(language) if several_only else None
        before = known or one_label(language, data, runs, model)
        found[language] = {**before, **several_labels(language, data, runs, model)}
        done = [found[one] for one in LANGUAGES if one in found]
        write_results(
            "languages",
            "the trained model that comes along on BRIGHTER's test texts, by its own policy",
            "python scripts/measure_languages.py --data ../shared/data",
            {"date": latest(done), "runs": done},
        )


def one_label(language: str, data: Path, runs: Path, model: str) -> dict[str, Any]:
    """A language's figures where a text has one label."""
    jobs = {
        "single": Job("one label", "brighter", switches={"language": language}),
        "neutral": Job(
            "neutral offered", "brighter", switches={"language": language, "neutral": "true"}
        ),
    }
    how = ("--model", model, "--fast")
    figures = {kind: measure(job, data, runs / job.name, how) for kind, job in jobs.items()}
    per_class = read_metrics(runs / jobs["neutral"].name)["per_class"]
    figures["neutral"]["neutral"] = per_class[NEUTRAL]
    return {
        "language": language,
        "code": LANGUAGES[language],
        "seen": language not in NEVER_SEEN,
        **figures,
    }


def several_labels(language: str, data: Path, runs: Path, model: str) -> dict[str, Any]:
    """A language's figures where a text has any number of labels, under two sets of thresholds."""
    job = Job("several labels", "brighter", switches={"language": language}, several=True)
    fitted = runs / f"{language}-model"
    fit(model, language, data, fitted)
    floor = runs / f"{job.name}-tfidf"
    figures: dict[str, Any] = {}
    for kind, asked in {"several": model, "own_thresholds": str(fitted)}.items():
        folder = runs / f"{job.name}-{kind}"
        figures[kind] = measure(job, data, folder, ("--model", asked, "--fast"))
        figures[kind]["over_tfidf"] = against_tfidf(job, data, "test", [folder], floor, "macro_f1")
    tfidf = read_metrics(floor)["macro_f1"]
    return {"date": figures["several"]["date"], **figures, "tfidf_macro_f1": tfidf}


def dev_texts(language: str, data: Path) -> Dataset:
    """A language's dev texts with all labels of each."""
    where = data / "brighter"
    return datasets.load("brighter", where, "dev", language=language, single_label=False)


def fit(model: str, language: str, data: Path, out: Path) -> None:
    """Write the model with thresholds fitted on a language's dev texts."""
    part = dev_texts(language, data)
    several = NegotiationOptions(kind="several")
    classifier = sentixrl.load(model, labels=part.label_set, negotiation=several)
    options = classifier.negotiation
    fitted = recalibrate(classifier, part).calibration
    classifier.replace(negotiation=replace(options, calibration=fitted)).save(out)


if __name__ == "__main__":
    typer.run(main)
