"""``sentixrl read``: how a file is understood, without a model."""

from __future__ import annotations

import json
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import typer

from sentixrl.cli.console import Part, answers, styled
from sentixrl.cli.files import check_place, writing
from sentixrl.cli.groups import with_groups
from sentixrl.cli.inputs import InputOptions, PseudonymOptions, say_reading_notes
from sentixrl.cli.progress import waiting
from sentixrl.dialogue import Dialogue
from sentixrl.errors import ConfigError
from sentixrl.formats import DialogueReader, dialogue_object
from sentixrl.formats.characters import as_text, shown
from sentixrl.formats.chats.convokit_writing import write_corpus
from sentixrl.formats.language import UNKNOWN, identify_language

FIRST_TURNS = 10
_MOST_SPEAKERS = 10_000
_SHOWN_SPEAKERS = 12
_TEXT_WIDTH = 400


@dataclass(slots=True)
class Seen:
    """What was seen of an input.

    Attributes:
        dialogues: How many there are.
        first: The dialogues that hold the first turns, cut after :data:`FIRST_TURNS` of them.
        languages: Language → dialogues in it.
        speakers: Name → turns; of the first 10,000 names.
        nameless: Turns that nobody in particular says.
    """

    dialogues: int = 0
    first: list[Dialogue] = field(default_factory=list)
    languages: Counter[str] = field(default_factory=Counter)
    speakers: Counter[str] = field(default_factory=Counter)
    nameless: int = 0

    def add(self, dialogue: Dialogue) -> None:
        """Look at one more dialogue."""
        left = FIRST_TURNS - sum(map(len, self.first))
        if left > 0:
            turns = dialogue.utterances[:left]
            self.first.append(Dialogue(dialogue.id, turns, dialogue.language, dialogue.group))
        self.dialogues += 1
        texts = (turn.text for turn in dialogue)
        self.languages[dialogue.language or identify_language(texts) or UNKNOWN] += 1
        for turn in dialogue:
            if turn.speaker is None:
                self.nameless += 1
            elif turn.speaker in self.speakers or len(self.speakers) < _MOST_SPEAKERS:
                self.speakers[turn.speaker] += 1


@with_groups
def read(
    *,
    file: Annotated[str, typer.Argument(help="The file to read; '-' reads standard input.")],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Write the dialogues to a .json or .jsonl file, or to a folder for ConvoKit."
        ),
    ] = None,
    json_output: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    options: InputOptions,
    hiding: PseudonymOptions,
) -> None:
    """Show how a file is understood: its format, first turns, speakers, and what was left out."""
    _check_out(out, file)
    with waiting("reading"):
        [reader] = hiding.hidden([options.open(file)])
        seen = Seen()
        dialogues = _watched(reader, seen)
        if out is None:
            deque(dialogues, maxlen=0)
        elif out.suffix:
            write_file(out, dialogues)
        else:
            write_corpus(out, dialogues)
    if json_output:
        typer.echo(json.dumps(_summary(hiding.of(file), reader, seen), ensure_ascii=True))
        return
    say_reading_notes(reader)
    _show(hiding.of(file), reader, seen, written=out is not None)
    if out is not None:
        answers().print(styled(f"written to {as_text(str(out))}"), soft_wrap=True)


def _watched(reader: DialogueReader, seen: Seen) -> Iterator[Dialogue]:
    for dialogue in reader:
        seen.add(dialogue)
        yield dialogue


def _check_out(out: Path | None, file: str) -> None:
    if out is None:
        return
    if out.suffix.lower() not in {"", ".json", ".jsonl"}:
        raise ConfigError(
            f"'{shown(out.name)}' ends neither in .json nor in .jsonl.",
            hint="These are written; a name without an ending makes a folder for ConvoKit.",
        )
    check_place(out, folder=not out.suffix)
    if out.exists() and Path(file).exists() and out.samefile(file):
        raise ConfigError("--out names the file that is read.", hint="Write to another file.")


def write_file(path: Path, dialogues: Iterable[Dialogue]) -> None:
    """Write dialogues as a JSON list, or a line each for ``.jsonl``.

    Args:
        path: Where to; it appears whole or not at all.
        dialogues: The dialogues, which are written as they come.
    """
    listed = path.suffix.lower() == ".json"
    before, between, end = ("[\n", ",\n", "\n]\n") if listed else ("", "\n", "\n")
    with writing(path) as stream:
        for dialogue in dialogues:
            stream.write(before + json.dumps(dialogue_object(dialogue), ensure_ascii=False))
            before = between
        stream.write(end)


def _summary(file: str, reader: DialogueReader, seen: Seen) -> dict[str, Any]:
    return {
        "file": file,
        "format": reader.format,
        "dialogues": seen.dialogues,
        "languages": dict(seen.languages.most_common()),
        "speakers": dict(seen.speakers.most_common()),
        "nameless": seen.nameless,
        "first": [dialogue_object(dialogue) for dialogue in seen.first],
        "notes": list(reader.notes),
        "ledger": reader.ledger.as_dict(),
    }


def _show(file: str, reader: DialogueReader, seen: Seen, *, written: bool) -> None:
    console = answers()

    def say(*parts: Part) -> None:
        console.print(styled(*parts), soft_wrap=True)

    say((as_text(file), "bold"), f" · {reader.ledger.summary()}")
    say(_many(seen.dialogues, "dialogue"), " · ", _languages(seen.languages))
    nameless = f" · {_many(seen.nameless, 'turn')} without a name" if seen.nameless else ""
    say(_counted(seen.speakers, "speaker") if seen.speakers else "no speakers", nameless)
    for dialogue in seen.first:
        say("")
        say(("dialogue ", "dim"), (dialogue.id, "bold"))
        for turn in dialogue:
            name = f"{turn.speaker}: " if turn.speaker else ""
            say("  ", (name, "bold"), turn.text[:_TEXT_WIDTH])
    if (more := reader.ledger.turns - sum(map(len, seen.first))) > 0:
        say("")
        how = "" if written else "; --out FILE.json writes them all"
        say((f"and {_many(more, 'more turn')}{how}", "dim"))
    if reader.ledger.first_skipped:
        say("")
        for place, reason in reader.ledger.first_skipped:
            say(("skipped ", "dim"), f"at {reader.spot} {place}: {reason}")


def _languages(counts: Counter[str]) -> str:
    known = Counter({name: count for name, count in counts.items() if name != UNKNOWN})
    parts = [_counted(known, "language")] if known else []
    if missed := counts[UNKNOWN]:
        parts.append(f"language not recognised: {missed:,}")
    return " · ".join(parts)


def _counted(counts: Counter[str], noun: str) -> str:
    listed = ", ".join(f"{name} {count:,}" for name, count in counts.most_common(_SHOWN_SPEAKERS))
    more = len(counts) - _SHOWN_SPEAKERS
    return f"{_many(len(counts), noun)}: {listed}" + (f", and {more:,} more" if more > 0 else "")


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
