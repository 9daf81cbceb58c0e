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

import csv
import json
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from evaluating import Job, against_tfidf, measure, read_metrics
from recording import latest, read_results, write_results

import sentixrl
from sentixrl import NegotiationOptions, datasets
from sentixrl.calibration.several import given, log_odds_of, probabilities
from sentixrl.datasets import Dataset
from sentixrl.datasets.brighter import LANGUAGES, NEUTRAL
from sentixrl.evaluation.recalibration import recalibrate

NEVER_SEEN = ("arq",)
"""Languages that the default model was not trained on."""
ROUNDED = 5e-7
"""Half of the last digit that run folders keep of a probability."""


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
    floor, asked = runs / f"{job.name}-tfidf", runs / f"{job.name}-several"
    figures: dict[str, Any] = {}
    figures["several"] = measure(job, data, asked, ("--model", model, "--fast"))
    predictions = runs / f"{job.name}-own.csv"
    under_own_thresholds(asked, dev_texts(language, data), model, predictions)
    own = runs / f"{job.name}-own_thresholds"
    figures["own_thresholds"] = measure(job, data, own, ("--predictions", str(predictions)))
    for kind, folder in {"several": asked, "own_thresholds": own}.items():
        figures[kind]["over_tfidf"] = against_tfidf(job, data, "test", [folder], floor, "macro_f1")
    tfidf = read_metrics(floor)["macro_f1"]
    return {"date": figures["several"]["date"], **figures, "tfidf_macro_f1": tfidf}


def dev_texts(language: str, data: Path) -> Dataset:
    """A language's dev texts with all labels of each."""
    where = data / "brighter"
    return datasets.load("brighter", where, "dev", language=language, single_label=False)


def under_own_thresholds(run: Path, dev: Dataset, model: str, out: Path) -> None:
    """Write what a run would have answered under thresholds fitted on a language's dev texts.

    Args:
        run: The run's folder. Log-odds are got back from its probabilities, which have six digits.
        dev: The texts.
        model: What answered.
        out: A CSV of predictions.
    """
    several = NegotiationOptions(kind="several")
    classifier = sentixrl.load(model, labels=dev.label_set, negotiation=several)
    fitted, now = recalibrate(classifier, dev).calibration, classifier.negotiation.calibration
    names = dev.label_set.names
    least = float(probabilities(log_odds_of(np.array(fitted.thresholds), fitted), now).min())
    if least < 100 * ROUNDED:
        raise SystemExit(f"a threshold lies at a probability of {least:.1g}, which is rounded")
    results = [json.loads(line) for line in (run / "items.jsonl").open(encoding="utf-8")]
    turns = [(one["id"], turn) for one in results for turn in one["utterances"]]
    shares = np.array([[turn["probabilities"][name] for name in names] for _, turn in turns])
    found = probabilities(log_odds_of(shares.clip(ROUNDED, 1 - ROUNDED), now), fitted)
    with out.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["dialogue_id", "index", "labels", *(f"p_{name}" for name in names)])
        for (dialogue, turn), own, flags in zip(turns, found, given(found, fitted), strict=True):
            labels = [name for name, applies in zip(names, flags, strict=True) if applies]
            said = "; ".join(labels) or "[]"
            writer.writerow([dialogue, turn["index"], said, *(f"{share:.6f}" for share in own)])


if __name__ == "__main__":
    typer.run(main)
