"""``sentixrl classify``: the emotion of every turn of a file, a stream or a text."""

from __future__ import annotations

import json
import re
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sentixrl.cli.arguments import SeveralOption
from sentixrl.cli.console import answers, errors, note, printable, styled
from sentixrl.cli.demonstrations import DemonstrationOptions
from sentixrl.cli.exits import EXIT_ITEM_ERRORS
from sentixrl.cli.groups import OptionGroup, with_groups
from sentixrl.cli.html import check_target, write_html
from sentixrl.cli.inputs import InputOptions, PseudonymOptions, say_reading_notes
from sentixrl.cli.options import ModelOptions, say_notes, say_spent, spent
from sentixrl.cli.progress import follow, waiting
from sentixrl.dialogue import Dialogue
from sentixrl.errors import ConfigError
from sentixrl.formats import (
    DialogueReader,
    Ledger,
    csv_header,
    dialogue_csv,
    dialogue_json,
    open_text,
)
from sentixrl.prediction import DialoguePrediction, Status

if TYPE_CHECKING:
    from sentixrl.classifier import Classifier

Found = tuple[Dialogue, Ledger | None]
"""A dialogue, and the ledger of its input where it is the input's last."""
Answered = tuple[Dialogue, DialoguePrediction, Ledger | None]
"""A dialogue, its answers, and the ledger of its input where it is the input's last."""

MESSAGES_A_TABLE = 40
FIRST_MESSAGES = 5
"""How many the first table has, so that something appears soon; each further one has more."""
_STEERING = re.compile("[\x7f-\x9f\u202a-\u202e\u2066-\u2069]")  # json.dumps leaves these raw


class Show(StrEnum):
    """What the table adds."""

    NEGOTIATION = "negotiation"
    PROMPT = "prompt"


@dataclass(frozen=True)
class OutputOptions(OptionGroup):
    """What is shown of the answers, and as what."""

    json_output: Annotated[
        bool, typer.Option("--json", help="One JSON object a dialogue, a line each.")
    ] = False
    csv_output: Annotated[bool, typer.Option("--csv", help="A table in CSV, one row a turn.")] = (
        False
    )
    html: Annotated[
        Path | None,
        typer.Option(help="Write one self-contained page: conversation, arc, negotiation."),
    ] = None
    show: Annotated[
        Show | None,
        typer.Option(
            help="Add to the table the record of the negotiation, or what the model reads before "
            "it names the last turn's emotion."
        ),
    ] = None
    explain: Annotated[
        bool,
        typer.Option(
            "--explain",
            help="Measure which earlier turns moved each answer; takes 5 to 15 times as long.",
        ),
    ] = False

    def check(self) -> None:
        """Refuse options that exclude each other, and a page that cannot be written.

        Raises:
            ConfigError: They do.
            InputError: The page cannot be written there.
        """
        if self.json_output and self.csv_output:
            raise ConfigError("--json and --csv exclude each other.", hint="Choose one of the two.")
        if self.csv_output and self.explain:
            raise ConfigError(
                "--csv has no column for evidence.", hint="Use --json with --explain."
            )
        if self.show is not None and (self.json_output or self.csv_output or self.html):
            raise ConfigError(
                "--show adds to the table, which --json, --csv and --html replace.",
                hint="Leave it out: --json and --html hold the record of the negotiation.",
            )
        if self.html is not None:
            if self.json_output or self.csv_output:
                raise ConfigError(
                    "--html writes a page, --json and --csv print data.", hint="Choose one of them."
                )
            check_target(self.html)


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
    several: SeveralOption = None,
    output: OutputOptions,
    inputs: InputOptions,
    hiding: PseudonymOptions,
    options: ModelOptions,
    shown: DemonstrationOptions,
) -> int:
    """Tell the emotion of every turn."""
    output.check()
    shown.check()
    dialogues = _begun(_all_dialogues(_open(files or [], text, inputs, hiding)))
    with waiting("loading the model"):
        classifier = shown.shown_by(options.load(labels, several=several))
    say_notes(classifier, context)
    answered = _answered(classifier, dialogues, explain=output.explain)
    try:
        if output.html is not None:
            title = hiding.of(_title_of(files, text))
            pseudonyms = hiding.pseudonyms is not None
            return write_html(output.html, title, classifier, answered, pseudonyms=pseudonyms)
        if output.json_output:
            return _print_data(answered, _print_json)
        if output.csv_output:
            names = classifier.label_set.names if classifier.several else None
            sets = classifier.negotiation.sets is not None
            _echo_csv(csv_header(names, sets=sets))
            return _print_data(answered, partial(_print_csv, names, sets))
        return _print_tables(classifier, answered, output.show, explain=output.explain)
    finally:
        say_spent(classifier)


def _title_of(files: Sequence[str] | None, text: str | None) -> str:
    """What a page is called: the files' names, without folders."""
    if text is not None or not files:
        return "A text"
    return ", ".join(Path(file).name for file in files[:3]) + (" …" if len(files) > 3 else "")


def _open(
    files: Sequence[str], text: str | None, inputs: InputOptions, hiding: PseudonymOptions
) -> list[tuple[str, DialogueReader]]:
    """What is to be read, each input with what its dialogues' ids begin with."""
    if bool(files) == (text is not None):
        raise ConfigError(
            "Name either files or a text to classify.",
            hint="For example: sentixrl classify talk.txt, or --text 'You came back!'",
        )
    if text is not None:
        [reader] = hiding.hidden([open_text(text, **inputs.reading())])
        return [("", reader)]
    # Ids are unique within a file only; of several files each dialogue says which it is from.
    readers = hiding.hidden([inputs.open(file) for file in files])
    # A file's own name may be that of somebody, too.
    names = [hiding.of(file) for file in files]
    return [
        (f"{name}/" if len(files) > 1 else "", reader)
        for name, reader in zip(names, readers, strict=True)
    ]


def _begun(dialogues: Iterator[Found]) -> Iterator[Found]:
    """The same, of which the first is read now: what cannot be read is said before anything."""
    first = list(islice(dialogues, 1))
    return chain(first, dialogues)


def _answered(
    classifier: Classifier, dialogues: Iterable[Found], *, explain: bool
) -> Iterator[Answered]:
    """Each dialogue with its answers, read and answered as they are printed."""
    asked: deque[Found] = deque()

    def taken() -> Iterator[Dialogue]:
        for dialogue, ledger in dialogues:
            asked.append((dialogue, ledger))
            yield dialogue

    results = classifier.predict_many(taken(), explain=explain)
    pairs = ((asked[0][0], result) for result in results)
    for dialogue, result in follow(pairs, spent=lambda: spent(classifier)):
        yield dialogue, result, asked.popleft()[1]


def _all_dialogues(readers: Sequence[tuple[str, DialogueReader]]) -> Iterator[Found]:
    """All dialogues; the last one of each input with the input's ledger."""
    for prefix, reader in readers:
        say_reading_notes(reader)
        held: Dialogue | None = None
        for dialogue in reader:
            if held is not None:
                yield held, None
            held = replace(dialogue, id=prefix + dialogue.id) if prefix else dialogue
        if held is not None:
            yield held, reader.ledger


def _print_data(answered: Iterable[Answered], write: Callable[[Answered], None]) -> int:
    failed = False
    for one in answered:
        write(one)
        failed = failed or any(item.status is Status.ERROR for item in one[1].items)
    return EXIT_ITEM_ERRORS if failed else 0


def _print_json(one: Answered) -> None:
    typer.echo(_json_line(dialogue_json(*one)))


def _print_csv(several: Sequence[str] | None, sets: bool, one: Answered) -> None:
    dialogue, result, _ = one
    _echo_csv(dialogue_csv(dialogue, result, several, sets=sets))


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


def _print_tables(
    classifier: Classifier, answered: Iterable[Answered], show: Show | None, *, explain: bool
) -> int:
    from sentixrl.cli.table import (
        dialogue_table,
        header,
        item_errors,
        messages_table,
        negotiation_view,
        prompt_view,
    )

    console, labels = answers(), classifier.label_set
    console.print(header(classifier))
    negotiation = show is Show.NEGOTIATION
    if negotiation and not classifier.negotiation.enabled:
        errors().print(
            note(
                "nothing is negotiated here, so each record is one answer of the generator; "
                "--negotiate makes the model negotiate all the same."
            )
        )
    whole = show is not None or explain
    view = negotiation_view if negotiation or explain else dialogue_table
    failures = 0
    for batch in _batches(answered, alone=whole):
        pairs = [(dialogue, result) for dialogue, result, _ in batch]
        console.print(messages_table(pairs, labels) if len(pairs) > 1 else view(*pairs[0], labels))
        if show is Show.PROMPT:
            console.print(prompt_view(classifier.prompts(pairs[0][0])[-1]))
        for line in (line for _, result in pairs for line in item_errors(result)):
            errors().print(line)
            failures += 1
        for ledger in (ledger for _, _, ledger in batch if ledger is not None):
            console.print(styled((ledger.summary(), "dim")), soft_wrap=True)
    return EXIT_ITEM_ERRORS if failures else 0


def _batches(answered: Iterable[Answered], *, alone: bool) -> Iterator[list[Answered]]:
    """Single messages of one input, some at a time unless ``alone``; longer dialogues each alone.

    Whatever stops the work, what is done comes out before.
    """
    batch: list[Answered] = []
    size = 1 if alone else FIRST_MESSAGES
    try:
        for one in answered:
            if batch and len(one[0]) > 1:
                yield batch
                batch = []
            batch.append(one)
            if len(batch) >= size or len(one[0]) > 1 or one[2] is not None:
                yield batch
                batch = []
                size = 1 if alone else min(2 * size, MESSAGES_A_TABLE)
    except (Exception, KeyboardInterrupt):
        if batch:
            yield batch
        raise
    if batch:
        yield batch
