"""Thresholds of several labels on BRIGHTER's dev texts of all trained languages.

    python scripts/fit_thresholds.py MODEL --data ../shared/data [--write]

The model judges each language's dev texts once. Macro-F1 of each language is told under four
calibrations: the model's own, one fitted on all languages together (this one among them), one
fitted on all others (what a language that nobody measured would get), and the language's own,
cross-validated. The second judges texts that it was fitted on. Means are over languages that have
all four; two were annotated with labels that no other language has. Results go to
results/thresholds.json; ``--write`` puts the calibration fitted on all together into the model's
bundle.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from measure_languages import NEVER_SEEN, dev_texts
from recording import write_results

import sentixrl
from sentixrl import NegotiationOptions
from sentixrl.bundle import calibration_key
from sentixrl.calibration.fitting import fit_several
from sentixrl.calibration.posterior import Calibration
from sentixrl.calibration.several import given, probabilities
from sentixrl.datasets.brighter import LANGUAGES
from sentixrl.evaluation.recalibration import (
    FirstJudgements,
    SeveralQuality,
    cross_validated,
    first_judgements,
)
from sentixrl.labels import LabelSet
from sentixrl.runs.identity import model_identity


def main(
    model: Annotated[str, typer.Argument(help="The folder of a bundle.")],
    data: Annotated[Path, typer.Option(help="Folder with a folder a data set.")],
    write: Annotated[bool, typer.Option(help="Put the calibration into the bundle.")] = False,
) -> None:
    """Measure, and write."""
    classifier = sentixrl.load(model, negotiation=NegotiationOptions(kind="several"))
    answers: dict[str, FirstJudgements] = {}
    labels: dict[str, LabelSet] = {}
    for language in LANGUAGES:
        if language not in NEVER_SEEN:
            part = dev_texts(language, data)
            labels[language] = part.label_set
            answers[language] = first_judgements(classifier.replace(labels=part.label_set), part)
            typer.echo(f"{language}: {len(answers[language])} texts")
    bundle = classifier.bundle
    groups: dict[str, list[str]] = {}
    for language, label_set in labels.items():
        groups.setdefault(calibration_key(label_set), []).append(language)
    found: dict[str, Any] = {}
    for members in groups.values():
        together = _fit(answers, members)
        for language in members:
            others = [one for one in members if one != language]
            own = bundle.calibration(labels[language], several=True)
            found[language] = {
                "texts": len(answers[language]),
                "now": _macro_f1(answers[language], own),
                "all": _macro_f1(answers[language], together),
                "others": _macro_f1(answers[language], _fit(answers, others)) if others else None,
                "own": cross_validated(answers[language]).macro_f1,
            }
        bundle = bundle.with_calibration(labels[members[0]], together, several=True)
    found = {language: found[language] for language in answers}
    kinds = ("now", "all", "others", "own")
    whole = [one for one in found.values() if one["others"] is not None]
    means = {kind: float(np.mean([one[kind] for one in whole])) for kind in kinds}
    write_results(
        "thresholds",
        "macro-F1 of several labels on BRIGHTER's dev texts, by where thresholds come from",
        f"python scripts/fit_thresholds.py {model} --data ../shared/data",
        {
            "model": classifier.bundle.name,
            "before": model_identity(classifier)["bundle"],
            "means": means,
            "languages": found,
        },
    )
    typer.echo(", ".join(f"{kind} {mean:.3f}" for kind, mean in means.items()))
    if write:
        bundle.save(Path(model))


def _fit(answers: dict[str, FirstJudgements], languages: Sequence[str]) -> Calibration:
    """Scale and thresholds from languages with the same labels in the same order."""
    return fit_several(
        np.concatenate([answers[one].log_odds for one in languages]),
        np.concatenate([answers[one].gold for one in languages]),
    )


def _macro_f1(answers: FirstJudgements, calibration: Calibration) -> float:
    shares = probabilities(answers.log_odds, calibration)
    return SeveralQuality.of(shares, given(shares, calibration), answers.gold).macro_f1


if __name__ == "__main__":
    typer.run(main)
