"""``sentixrl calibrate``: make a model's confidence honest on labelled turns of one's own."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sentixrl.bundle import CARD_FILE, check_free
from sentixrl.classifier import Classifier
from sentixrl.cli.arguments import GlossesOption, SeveralOption
from sentixrl.cli.console import answers, errors, headed, new_table, note
from sentixrl.cli.groups import with_groups
from sentixrl.cli.headline import percent
from sentixrl.cli.inputs import InputOptions
from sentixrl.cli.options import kind_of, say_hosts
from sentixrl.cli.progress import waiting
from sentixrl.engines.options import EngineOptions
from sentixrl.negotiation.options import NegotiationOptions
from sentixrl.spec import ClassifierSpec

if TYPE_CHECKING:
    from sentixrl.datasets import Dataset
    from sentixrl.evaluation.recalibration import Recalibration

FIGURES = {
    "ece": "expected calibration error",
    "confidence": "mean confidence",
    "accuracy": "accuracy",
    "macro_f1": "macro-F1",
    "micro_f1": "micro-F1",
}

CALIBRATED = "\n## Calibrated since\n\n"
"""The heading under which the card of a calibrated bundle says what became of the model."""


@with_groups
def calibrate(
    *,
    model: Annotated[
        str, typer.Argument(help="A bundle, a model folder, a bundled name or a hub id.")
    ],
    file: Annotated[Path, typer.Argument(help="Labelled turns: a table, JSON, a corpus.")],
    labels: Annotated[
        str | None,
        typer.Option(
            "--labels", "-l", help="The file's labels, as in classify; default: the model's."
        ),
    ] = None,
    several: SeveralOption = None,
    glosses: GlossesOption = None,
    bias: Annotated[
        bool,
        typer.Option(
            "--bias", help="Fit a bias per label too, which moves answers; not with --several."
        ),
    ] = False,
    out: Annotated[
        Path | None, typer.Option(help="Write the calibrated model to this folder.")
    ] = None,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1 …")] = None,
    dtype: Annotated[
        str | None, typer.Option(help="float32, bfloat16 or float16; default: the faster one.")
    ] = None,
    threads: Annotated[
        int | None, typer.Option(help="How many threads compute; default: one per core.")
    ] = None,
    inputs: InputOptions,
) -> None:
    """Calibrate a model's confidence on labelled turns; 50 are enough.

    Where a turn may have several labels, each label's threshold is fitted too.
    """
    from sentixrl.datasets import load_custom
    from sentixrl.evaluation.intervals import check_libraries
    from sentixrl.labels import resolve_labels

    check_libraries()
    if out is not None:
        check_free(out)  # now, not when the model has answered
    engine = EngineOptions(device=device, dtype=dtype, threads=threads)
    spec = ClassifierSpec(model, labels, engine=engine).explaining(glosses)
    options = spec.negotiation or NegotiationOptions()
    if several is not None:
        options = replace(options, kind=kind_of(several))
    spec = replace(spec, negotiation=options)
    label_set = resolve_labels(spec.labels or spec.bundle().labels)
    data = load_custom(
        file,
        label_set,
        several=options.several(label_set),
        tell=lambda said: errors().print(note(said)),
        **inputs.reading(),
    )
    _fit(spec, data, out, bias=bias)


def _fit(spec: ClassifierSpec, data: Dataset, out: Path | None, *, bias: bool) -> None:
    """Fit, say what it gives, and write it."""
    from sentixrl.evaluation.recalibration import check_data, recalibrate

    check_data(data, bias=bias)  # now, not when the model is loaded
    with waiting("loading the model"):
        classifier = spec.load()
    say_hosts(classifier)
    with waiting("asking the model about the labelled turns"):
        found = recalibrate(classifier, data, bias=bias)
    _say(found, data)
    if out is None:
        errors().print(note("nothing is written; --out FOLDER writes the calibrated model."))
        return
    _save(classifier, found, out)
    answers().print(f"The calibrated model is in {out}.", soft_wrap=True)


def _save(classifier: Classifier, found: Recalibration, out: Path) -> None:
    own = classifier.bundle.negotiation
    kind = classifier.negotiation.kind
    options = replace(own, kind=kind, calibration=found.calibration)
    classifier.replace(negotiation=options).save(out)
    if (out / CARD_FILE).is_file():
        _note_on_card(classifier, found.turns, out / CARD_FILE)


def _note_on_card(classifier: Classifier, turns: int, card: Path) -> None:
    """Let a card, which is about the model as it was, say what this bundle is."""
    told, _, _ = card.read_text("utf-8", "replace").partition(CALIBRATED)
    labels = ", ".join(classifier.label_set.names)
    card.write_text(
        f"{told.rstrip()}\n{CALIBRATED}All above is about `{classifier.bundle.name}`. This bundle "
        f"is the same model, calibrated with `sentixrl calibrate` on {turns:,} labelled turns for "
        f"these labels: {labels}.\n",
        "utf-8",
    )


def _say(found: Recalibration, data: Dataset) -> None:
    table = new_table()
    for column in ("%", "as it was", "calibrated"):
        table.add_column(column, justify="left" if column == "%" else "right", no_wrap=True)
    after = asdict(found.after)
    for name, before in asdict(found.before).items():
        table.add_row(FIGURES[name], percent(before), percent(after[name]))
    held = "dialogues held out" if found.by_dialogue else "runs of successive turns held out"
    said = (
        f"{found.turns:,} labelled turns in {found.dialogues:,} dialogues; cross-validated, {held}"
    )
    answers().print(headed(f"{data.title}, {data.label_set.name}", table, said))
    if not found.by_dialogue:
        errors().print(
            note("there are too few dialogues to hold out whole ones; the figures may flatter.")
        )
