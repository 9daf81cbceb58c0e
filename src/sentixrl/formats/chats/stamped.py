"""Transcripts with a time at each turn, or with the speaker's name on a line of its own.

Contract: one of the layouts below fits most of the beginning, and is then the layout of all. A
line that begins no turn continues the one before it. Times are kept as they are written.

* ``[10:30] Anna: hi`` and ``(10:30) Anna: hi``
* ``10:30 Anna: hi`` and ``00:01:02 - Anna: hi``
* ``Anna (00:01:02): hi`` and ``Anna [00:01:02]: hi``
* ``Anna  00:01:02``, ``00:01:02 Anna``, ``Anna:`` or ``Anna``, the text below it
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice, pairwise

from sentixrl.errors import InputError
from sentixrl.formats.characters import is_blank
from sentixrl.formats.chats.format import Options
from sentixrl.formats.ledger import Ledger
from sentixrl.formats.messages import Message, Source, check_length
from sentixrl.formats.speakers import split_speaker

NAME = "timed-transcript"

_CLOCK = (
    r"(?P<clock>\d{1,3}:\d{2}(?::\d{2})?(?:[.,]\d{1,3})?"
    r"(?:[ \u00a0\u202f]?[AaPp]\.?[Mm]\.?(?!\w))?)"
)
_IN_FRONT = re.compile(rf"\s{{0,20}}[\[(]{_CLOCK}[\])][ \t]{{0,20}}(?:[-–—:][ \t]{{1,20}})?")
_PLAIN = re.compile(rf"\s{{0,20}}{_CLOCK}(?:[ \t]{{1,20}}[-–—])?[ \t]{{1,20}}")
_BEHIND = re.compile(
    rf"(?P<name>[^\[\](){{}}:：\n]{{1,60}}?)[ \t]{{0,20}}[\[(]{_CLOCK}[\])][ \t]{{0,20}}[:：]"
)
_NAME_TIME = re.compile(
    rf"(?P<name>[^\[\](){{}}:：\n]{{1,60}}?)"
    rf"(?:[ \t]{{2,20}}|[ \t,|–-]{{0,5}}(?=[\[(])|[ \t,|–-]{{1,5}})"
    rf"[\[(]?{_CLOCK}[\])]?[ \t]{{0,20}}:?[ \t]{{0,20}}$"
)
_TIME_NAME = re.compile(
    rf"[\[(]?{_CLOCK}[\])]?[ \t,|–-]{{1,20}}"
    r"(?P<name>[^\[\](){}:：\n\d][^\[\](){}:：\n]{0,60})[:：]?[ \t]{0,20}$"
)
_HANDLE = re.compile(r"<([^<>\s]{1,40})>[ \t](?=\S)")
_LOOKED_AT = 200
_MOST_WORDS = 4
_MOST_NAMES = 10_000


@dataclass(frozen=True, slots=True)
class _Begun:
    """How a line begins a turn."""

    speaker: str | None
    clock: str | None
    text: str


Beginning = Callable[[str], _Begun | None]


def sniff(start: Sequence[str]) -> bool:
    """Whether one of the layouts fits the beginning."""
    return _layout(start) is not None


def messages(source: Source, ledger: Ledger, options: Options) -> Iterator[Message]:
    """Read a transcript.

    Raises:
        InputError: None of the layouts fits it.
    """
    begin = _layout([line.text for line in islice(source.lines(), _LOOKED_AT)])
    if begin is None:
        raise InputError(
            f"{source.name} has neither times at its turns nor names on lines of their own.",
            hint="Name its format with --format.",
        )
    if begin is _name_alone:
        begin = _one_of(_names(line.text for line in source.lines()))
    elif begin in _INLINE:
        begin = _with_names(begin, _speakers(source, begin))
    yield from _turns(source, begin, ledger)


def _turns(source: Source, begin: Beginning, ledger: Ledger) -> Iterator[Message]:
    begun: _Begun | None = None
    texts: list[str] = []
    size = number = 0
    for line in source.lines():
        found = begin(line.text)
        if found:
            yield from _finished(begun, texts, size, number, ledger)
            begun, texts, size, number = found, [found.text], line.size, line.number
        elif is_blank(line.text):
            ledger.markup(line.size)
        elif begun:
            texts.append(line.text)
            size += line.size
            check_length(size, number, source.name)
        else:
            ledger.skip("before the first turn", line.size, line.number)
    yield from _finished(begun, texts, size, number, ledger)


def _finished(
    begun: _Begun | None, texts: list[str], size: int, number: int, ledger: Ledger
) -> Iterator[Message]:
    if begun is None:
        return
    text = "\n".join(texts).strip()
    if is_blank(text):
        ledger.skip("no text", size, number)
        return
    ledger.turn(size)
    extra = {"time": begun.clock} if begun.clock else {}
    yield Message(text, begun.speaker, line=number, extra=extra)


def _layout(start: Sequence[str]) -> Beginning | None:
    """What begins a turn in a transcript that starts so, if it is one of these."""
    lines = [line for line in start[:_LOOKED_AT] if not is_blank(line)]
    for head in _HEADS:
        if _heads(lines, head):
            return head
    for begin in _INLINE:
        hits = sum(begin(line) is not None for line in lines)
        if hits and hits * 2 >= len(lines):
            return begin
    return _name_alone if _in_blocks(start[:_LOOKED_AT]) else None


def _heads(lines: Sequence[str], begin: Beginning) -> bool:
    """Whether some lines begin turns whose words stand below them, from the first line on."""
    heads = [begin(line) is not None for line in lines]
    if not heads or not heads[0] or sum(heads) < 2:
        return False
    followed = sum(head and not below for head, below in pairwise(heads))
    splits = [split_speaker(line) for line in lines]
    spoken = sum(split.speaker is not None and not is_blank(split.text) for split in splits)
    return followed * 5 >= (sum(heads) - 1) * 4 and spoken * 2 <= sum(heads)


def _in_blocks(start: Sequence[str]) -> bool:
    """Whether the lines stand in blocks that begin with a name, and the names come again."""
    blocks = list(_blocks(start))
    names = _names(start)
    led = sum(block[0].strip() in names and len(block) > 1 for block in blocks)
    return len(blocks) >= 3 and led * 5 >= len(blocks) * 4


def _blocks(lines: Iterable[str]) -> Iterator[list[str]]:
    """Up to two lines of each block between blank lines."""
    block: list[str] = []
    for line in lines:
        if is_blank(line):
            if block:
                yield block
            block = []
        elif len(block) < 2:
            block.append(line)
    if block:
        yield block


def _names(lines: Iterable[str]) -> frozenset[str]:
    """First lines of blocks that are names and come more than once."""
    counts: Counter[str] = Counter()
    for block in _blocks(lines):
        found = _name_alone(block[0])
        if found and found.speaker and len(block) > 1 and len(counts) < _MOST_NAMES:
            counts[found.speaker] += 1
    return frozenset(name for name, count in counts.items() if count > 1)


def _one_of(names: frozenset[str]) -> Beginning:
    def begin(text: str) -> _Begun | None:
        found = _name_alone(text)
        return found if found and found.speaker in names else None

    return begin


def _speakers(source: Source, begin: Beginning) -> frozenset[str]:
    """Who speaks at a time anywhere in a transcript."""
    names: set[str] = set()
    for line in source.lines():
        found = begin(line.text)
        if found and found.speaker and len(names) < _MOST_NAMES:
            names.add(found.speaker)
    return frozenset(names)


def _with_names(begin: Beginning, names: frozenset[str]) -> Beginning:
    """Turns of known speakers begin without a time, too."""

    def begin_either(text: str) -> _Begun | None:
        found = begin(text)
        if found is None and (split := split_speaker(text)).speaker in names:
            return _Begun(split.speaker, None, split.text)
        return found

    return begin_either


def _is_name(text: str) -> bool:
    name = split_speaker(f"{text}: x").speaker
    words = len(text.split())
    return name is not None and name == text and words <= _MOST_WORDS and not text[0].islower()


def _clock_in_front(text: str) -> _Begun | None:
    found = _IN_FRONT.match(text)
    if found is None:
        return None
    rest = text[found.end() :]
    if handle := _HANDLE.match(rest):
        return _Begun(handle[1], found["clock"], rest[handle.end() :])
    return _Begun(*_spoken(rest, found["clock"]))


def _clock_plain(text: str) -> _Begun | None:
    found = _PLAIN.match(text)
    begun = found and _Begun(*_spoken(text[found.end() :], found["clock"]))
    return begun if begun and begun.speaker else None


def _spoken(rest: str, clock: str) -> tuple[str | None, str, str]:
    split = split_speaker(rest)
    return split.speaker, clock, split.text


def _clock_behind(text: str) -> _Begun | None:
    found = _BEHIND.match(text)
    if found is None or not _is_name(found["name"].strip()):
        return None
    return _Begun(found["name"].strip(), found["clock"], text[found.end() :].strip())


def _name_and_clock(text: str) -> _Begun | None:
    found = _NAME_TIME.fullmatch(text.strip()) or _TIME_NAME.fullmatch(text.strip())
    if found is None or not _is_name(found["name"].strip()):
        return None
    return _Begun(found["name"].strip(), found["clock"], "")


def _name_and_colon(text: str) -> _Begun | None:
    name = text.strip()
    if not name.endswith((":", "：")) or not _is_name(name[:-1].strip()):
        return None
    return _Begun(name[:-1].strip(), None, "")


def _name_alone(text: str) -> _Begun | None:
    name = text.strip()
    return _Begun(name, None, "") if name and _is_name(name) else None


_HEADS: tuple[Beginning, ...] = (_name_and_clock, _name_and_colon)
_INLINE: tuple[Beginning, ...] = (_clock_behind, _clock_in_front, _clock_plain)
