"""The default model on BRIGHTER's test texts in 21 languages, to results/languages.json.

    python scripts/measure_languages.py --data ../shared/data [LANGUAGE …]

Three evaluations a language: one label, of texts with exactly one, among the language's own
columns; the same with ``neutral`` offered, where a text without emotion counts as neutral; and any
number of labels, the official task. TF-IDF with one logistic regression per label, trained on the
language's train split, answers the third too; the difference is paired. With languages, only those
are measured and the others kept. Run folders stay under ``--runs`` and are resumed.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer
from evaluating import Job, against_tfidf, measure, read_metrics
from recording import latest, read_results, write_results

from sentixrl.datasets.brighter import LANGUAGES, NEUTRAL

NEVER_SEEN = ("arq",)
"""Languages that the default model was not trained on."""


def main(
    data: Annotated[Path, typer.Option(help="Folder with a folder a data set.")],
    languages: Annotated[list[str] | None, typer.Argument(help="All if none.")] = None,
    runs: Annotated[Path, typer.Option(help="Where run folders go.")] = Path("runs/languages"),
    model: Annotated[str, typer.Option(help="What answers.")] = "default",
) -> None:
    """Measure each language, and write after each."""
    found = {one["language"]: one for one in read_results("languages")["runs"]}
    for language in languages or LANGUAGES:
        found[language] = of_language(language, data, runs, ("--model", model, "--fast"))
        done = [found[one] for one in LANGUAGES if one in found]
        write_results(
            "languages",
            "the trained model that comes along on BRIGHTER's test texts, by its own policy",
            "python scripts/measure_languages.py --data ../shared/data",
            {"date": latest(done), "runs": done},
        )


def of_language(language: str, data: Path, runs: Path, how: tuple[str, ...]) -> dict[str, Any]:
    """All figures of one language."""
    only = {"language": language}
    jobs = {
        "single": Job("one label", "brighter", switches=only),
        "neutral": Job("neutral offered", "brighter", switches={**only, "neutral": "true"}),
        "several": Job("several labels", "brighter", switches=only, several=True),
    }
    figures = {kind: measure(job, data, runs / job.name, how) for kind, job in jobs.items()}
    per_class = read_metrics(runs / jobs["neutral"].name)["per_class"]
    figures["neutral"]["neutral"] = per_class[NEUTRAL]
    return {
        "language": language,
        "code": LANGUAGES[language],
        "date": latest(figures.values()),
        "seen": language not in NEVER_SEEN,
        **figures,
        "over_tfidf": over_tfidf(jobs["several"], data, runs),
    }


def over_tfidf(job: Job, data: Path, runs: Path) -> dict[str, Any]:
    """Macro-F1 over all labels against TF-IDF's, text by text."""
    floor = runs / f"{job.name}-tfidf"
    compared = against_tfidf(job, data, "test", [runs / job.name], floor, "macro_f1")
    return {"tfidf_macro_f1": read_metrics(floor)["macro_f1"], **compared}


if __name__ == "__main__":
    typer.run(main)
