"""Plain transcripts: a turn a line, ``Speaker: text`` or bare, blank lines between dialogues.

Contract: every line that is not blank becomes exactly one utterance, in order. What counts as a
speaker is decided by the rule in :mod:`~sentixrl.formats.speakers`; a prefix that reads like a
part of a sentence counts only if it stands before several lines of the input.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator
from itertools import chain

from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.errors import InputError
from sentixrl.formats.characters import is_blank, name_fault, shown
from sentixrl.formats.ledger import Ledger
from sentixrl.formats.messages import MAX_TURNS, Line, Source
from sentixrl.formats.speakers import split_speaker

_MAX_PREFIXES = 10_000


def transcript_dialogues(source: Source, ledger: Ledger) -> Iterator[Dialogue]:
    """The dialogues of a transcript, one at a time, with the ids ``1``, ``2``, … in order.

    Raises:
        InputError: A speaker says nothing, or the name holds a control character.
    """
    recurring = _recurring(source)
    count = 0
    turns: list[Utterance] = []
    for line in chain(source.lines(), [Line(0, "", 0)]):
        if not is_blank(line.text):
            turns.append(_turn(line, source.name, recurring))
            ledger.turn(line.size)
            if len(turns) > MAX_TURNS:
                raise InputError(
                    f"{source.name}, line {line.number}: the dialogue has more than "
                    f"{MAX_TURNS:,} turns.",
                    hint="A blank line ends a dialogue.",
                )
            continue
        ledger.markup(line.size)
        if turns:
            count += 1
            yield Dialogue(str(count), tuple(turns))
            turns = []


def _recurring(source: Source) -> Collection[str]:
    """The doubtful prefixes that stand before more than one line."""
    counts: Counter[str] = Counter()
    for line in source.lines():
        split = split_speaker(line.text)
        known = split.speaker in counts or len(counts) < _MAX_PREFIXES
        if split.doubtful and split.speaker and known:
            counts[split.speaker] += 1
    return {prefix for prefix, count in counts.items() if count > 1}


def _turn(line: Line, name: str, recurring: Collection[str]) -> Utterance:
    split = split_speaker(line.text)
    if split.speaker is None or (split.doubtful and split.speaker not in recurring):
        return Utterance(line.text.strip())
    place = f"{name}, line {line.number}"
    if fault := name_fault(split.speaker):
        raise InputError(
            f"{place}: the speaker '{shown(split.speaker)}' {fault}.",
            hint="Remove the character, or give the dialogue as JSON.",
        )
    if is_blank(split.text):
        raise InputError(
            f"{place}: the speaker '{shown(split.speaker)}' says nothing.",
            hint="Write the text after the colon on the same line, or remove the line.",
        )
    return Utterance(split.text, speaker=split.speaker)
