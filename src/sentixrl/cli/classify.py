"""``sentixrl classify``: the emotion of every turn of a file, a stream or a text."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sentixrl.cli.console import answers, errors, note, printable, styled
from sentixrl.cli.groups import with_groups
from sentixrl.cli.inputs import InputOptions, say_reading_notes
from sentixrl.cli.options import ModelOptions, say_notes
from sentixrl.cli.progress import follow, waiting
from sentixrl.dialogue import Dialogue
from sentixrl.errors import ConfigError
from sentixrl.formats import Ledger, csv_header, dialogue_csv, dialogue_json, open_text
from sentixrl.prediction import DialoguePrediction, Status

if TYPE_CHECKING:
    from sentixrl.classifier import Classifier

Pair = tuple[Dialogue, DialoguePrediction]

EXIT_ITEM_ERRORS = 2
MESSAGES_A_TABLE = 40
_STEERING = re.compile("[\x7f-\x9f\u202a-\u202e\u2066-\u2069]")  # json.dumps leaves these raw


class Show(StrEnum):
    """What the table adds."""

    NEGOTIATION = "negotiation"


@with_groups
def classify(
    context: typer.Context,
    *,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            help="Conversations: chats, transcripts, tables, JSON; '-' reads standard input."
        ),
    ] = None,
    text: Annotated[
        str | None, typer.Option("--text", "-t", help="Classify this text instead of a file.")
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option("--labels", "-l", help="A scheme, a YAML file, or names with commas."),
    ] = None,
    json_output: Annotated[
        bool, typer.Option("--json", help="One JSON object a dialogue, a line each.")
    ] = False,
    csv_output: Annotated[
        bool, typer.Option("--csv", help="A table in CSV, one row a turn.")
    ] = False,
    show: Annotated[
        Show | None, typer.Option(help="Add the record of the negotiation to the table.")
    ] = None,
    inputs: InputOptions,
    options: ModelOptions,
) -> int:
    """Tell the emotion of every turn."""
    if json_output and csv_output:
        raise ConfigError("--json and --csv exclude each other.", hint="Choose one of the two.")
    dialogues, ledgers = _read(files or [], text, inputs)
    with waiting("loading the model"):
        classifier = options.load(labels)
    say_notes(classifier, context)
    if json_output or csv_output:
        return _print_data(classifier, dialogues, ledgers, csv=csv_output)
    for ledger in ledgers.values():
        answers().print(styled((ledger.summary(), "dim")), soft_wrap=True)
    return _print_tables(classifier, dialogues, show)


def _read(
    files: Sequence[str], text: str | None, inputs: InputOptions
) -> tuple[list[Dialogue], dict[int, Ledger]]:
    """All dialogues, and the ledger of each input by the position of its last dialogue."""
    if bool(files) == (text is not None):
        raise ConfigError(
            "Name either files or a text to classify.",
            hint="For example: sentixrl classify talk.txt, or --text 'You came back!'",
        )
    if text is not None:
        readers = iter([("--text", open_text(text, **inputs.reading()))])
    else:
        readers = ((file, inputs.open(file)) for file in files)
    dialogues: list[Dialogue] = []
    ledgers: dict[int, Ledger] = {}
    for file, reader in readers:
        say_reading_notes(reader)
        found = list(reader)
        # Ids are unique within a file only; of several files each dialogue says which it is from.
        dialogues += found if len(files) < 2 else [replace(d, id=f"{file}/{d.id}") for d in found]
        ledgers[len(dialogues) - 1] = reader.ledger
    return dialogues, ledgers


def _print_data(
    classifier: Classifier,
    dialogues: Sequence[Dialogue],
    ledgers: Mapping[int, Ledger],
    *,
    csv: bool,
) -> int:
    failed = False
    if csv:
        _echo_csv(csv_header())
    pairs = follow(dialogues, classifier.predict_many(dialogues))
    for at, (dialogue, result) in enumerate(pairs):
        if csv:
            _echo_csv(dialogue_csv(dialogue, result))
        else:
            typer.echo(_json_line(dialogue_json(dialogue, result, ledgers.get(at))))
        failed = failed or any(item.status is Status.ERROR for item in result.items)
    return EXIT_ITEM_ERRORS if failed else 0


def _json_line(content: dict[str, Any]) -> str:
    """One line of JSON that any terminal and any encoding of standard output can take."""
    unicode = (sys.stdout.encoding or "").lower().startswith("utf")
    line = json.dumps(content, ensure_ascii=not unicode)
    return _STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", line)


def _echo_csv(rows: str) -> None:
    """Print rows in UTF-8: as they are into a file, without controls on a terminal."""
    if sys.stdout.isatty():
        rows = "".join(f"{printable(row)}\n" for row in rows.splitlines())
    typer.echo(rows.encode(), nl=False)


def _print_tables(classifier: Classifier, dialogues: Sequence[Dialogue], show: Show | None) -> int:
    from sentixrl.cli.table import (
        dialogue_table,
        header,
        item_errors,
        messages_table,
        negotiation_view,
    )

    console, labels = answers(), classifier.label_set
    console.print(header(classifier))
    if show is not None and not classifier.negotiation.enabled:
        errors().print(
            note(
                "nothing is negotiated here, so each record is one answer of the generator; "
                "--negotiate makes the model negotiate all the same."
            )
        )
    view = dialogue_table if show is None else negotiation_view
    messages = show is None and len(dialogues) > 1 and max(map(len, dialogues)) == 1
    failures = 0
    done = follow(dialogues, classifier.predict_many(dialogues))
    for batch in _batches(done, MESSAGES_A_TABLE if messages else 1):
        console.print(messages_table(batch, labels) if messages else view(*batch[0], labels))
        for line in (line for _, result in batch for line in item_errors(result)):
            errors().print(line)
            failures += 1
    return EXIT_ITEM_ERRORS if failures else 0


def _batches(pairs: Iterable[Pair], size: int) -> Iterator[list[Pair]]:
    """``size`` pairs at a time; whatever stops the work, what is done comes out before."""
    batch: list[Pair] = []
    try:
        for pair in pairs:
            batch.append(pair)
            if len(batch) == size:
                yield batch
                batch = []
    except (Exception, KeyboardInterrupt):
        if batch:
            yield batch
        raise
    if batch:
        yield batch
