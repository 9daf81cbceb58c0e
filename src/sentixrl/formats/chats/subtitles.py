"""Subtitles: WebVTT and SubRip (``.srt``), with speakers where the cues name them.

Contract: a cue's text lines are its message; numbers, times and blank lines are mark-up. Speakers
are told by ``<v Name>``, or by ``Name: text`` where the file as a whole shows that these are names.
Captions that roll, each repeating the one before, are read once. Two passes.
"""

from __future__ import annotations

import html
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from sentixrl.errors import InputError
from sentixrl.formats.characters import is_blank
from sentixrl.formats.chats.format import Options
from sentixrl.formats.chats.spoken import Piece, joined
from sentixrl.formats.ledger import Ledger
from sentixrl.formats.messages import Line, Message, Source, check_length
from sentixrl.formats.speakers import split_speaker

VTT = "webvtt"
SRT = "srt"

_CLOCK = r"(?:(\d{1,3}):)?(\d{1,2}):(\d{2})[.,](\d{1,3})"
_TIMES = re.compile(rf"\s{{0,20}}{_CLOCK}[ \t]{{1,10}}-->[ \t]{{1,10}}{_CLOCK}(?:\s|$)")
_VOICE = re.compile(r"<v(?:\.[^\s<>]{0,100})?[ \t]([^<>\n]{1,200})>")
_TAG = re.compile(
    r"</?(?:[biucsv]|font|ruby|rt|lang)(?:[. \t=][^<>\n]{0,200})?>|<\d[\d:.]{4,14}>"
    r"|\{\\[^{}\n]{0,60}\}",
    re.IGNORECASE,
)
_BRACKETED_NAME = re.compile(r"\[([^\[\]\n]{1,40})\][:：][ \t]{0,10}")
_SOUND = re.compile(r"[\[(（【][^\])）】]{0,200}[\])）】]|[♪♫♬\s]{1,200}")
_BLOCKS = ("NOTE", "STYLE", "REGION")
_MOST_NAMES = 10_000
_CUT_LINES = 6  # within so many lines another cue begins, where a file is cut in one
_BEHIND, _FLASH = 0.05, 0.1  # seconds: between captions that roll, and one that only rolls on


@dataclass(slots=True)
class _Cue:
    """One cue as it stands in the file."""

    start: float
    end: float
    line: int
    payload: list[Line] = field(default_factory=list)


def sniff_vtt(start: Sequence[str]) -> bool:
    """Whether the first line is WebVTT's."""
    return bool(start) and re.match("\ufeff?WEBVTT(?:[ \t]|$)", start[0]) is not None


def sniff_srt(start: Sequence[str]) -> bool:
    """Whether the times of a cue stand in one of the first lines."""
    lines = [line for line in start if not is_blank(line)][:_CUT_LINES]
    return any(_TIMES.match(line) for line in lines)


def messages(source: Source, ledger: Ledger, options: Options) -> Iterator[Message]:
    """Read a subtitle file.

    Raises:
        InputError: None of its cues has speech.
    """
    names = _names(_cues(source, Ledger(ledger.format)))
    yield from joined(_pieces(_cues(source, ledger), names), ledger)
    if not ledger.turns:
        raise InputError(
            f"{source.name} holds no speech: {ledger.messages:,} cues, none with words.",
            hint="Is it the right track? A list of chapters or pictures has none.",
        )


def _cues(source: Source, ledger: Ledger) -> Iterator[_Cue]:
    """The cues of a file; the ledger is told of all that is between them."""
    cue: _Cue | None = None
    loose: list[Line] = []
    held = 0
    for line in source.lines():
        if times := _TIMES.match(line.text):
            if cue:
                loose = [cue.payload.pop()] if _ends_in_number(cue) else []
                yield cue
            _outside(loose, ledger, before_cue=True)
            loose, held = [], 0
            cue = _Cue(_seconds(times.groups()[:4]), _seconds(times.groups()[4:]), line.number)
            ledger.markup(line.size)
        elif is_blank(line.text):
            ledger.markup(line.size)
            if cue and not cue.payload and line.text:
                continue  # captions that roll begin with a line of one space
            if cue:
                yield cue
            _outside(loose, ledger)
            cue, loose, held = None, [], 0
        else:
            (cue.payload if cue else loose).append(line)
            held += line.size
            check_length(held, cue.line if cue else loose[0].number, source.name)
    if cue:
        yield cue
    _outside(loose, ledger)


def _ends_in_number(cue: _Cue) -> bool:
    """Whether the next cue's number follows without a blank line."""
    return len(cue.payload) > 1 and cue.payload[-1].text.strip().isdigit()


def _outside(lines: list[Line], ledger: Ledger, before_cue: bool = False) -> None:
    """Tell the ledger of a block that has no times, or of what stands before a cue's times."""
    head = lines[0].text.lstrip("\ufeff") if lines else ""
    if head.startswith("WEBVTT") or head.split(" ")[0].strip() in _BLOCKS:
        ledger.header(sum(line.size for line in lines))
        return
    if before_cue and lines:
        ledger.markup(lines.pop().size)  # the cue's number or name
    for line in lines:
        if line.text.strip("\ufeff ").isdigit():
            ledger.markup(line.size)
        else:
            ledger.skip("outside a cue", line.size, line.number)


def _seconds(parts: Sequence[str | None]) -> float:
    hours, minutes, seconds = (int(part or 0) for part in parts[:3])
    return hours * 3600 + minutes * 60 + seconds + int((parts[3] or "0").ljust(3, "0")) / 1000


def _names(cues: Iterable[_Cue]) -> frozenset[str]:
    """What before a colon is a name: everything if most cues have it, else what comes again."""
    counts: Counter[str] = Counter()
    total = named = 0
    for cue in cues:
        total += 1
        found = [name for line in cue.payload if (name := _split(_plain(line.text))[0])]
        named += bool(found)
        if len(counts) < _MOST_NAMES:
            counts.update(found)
    often = named * 5 >= total * 4
    return frozenset(name for name, count in counts.items() if often or count > 1)


def _split(text: str) -> tuple[str | None, str]:
    """Speaker and text of a line as ``Name: text`` or ``[Name]: text``."""
    if bracketed := _BRACKETED_NAME.match(text):
        return bracketed[1].strip(), text[bracketed.end() :]
    split = split_speaker(text)
    if split.speaker is None or is_blank(split.text) or split.speaker[0].islower():
        return None, text
    return split.speaker, split.text


def _plain(text: str) -> str:
    return html.unescape(_TAG.sub("", text)).strip()


def _pieces(cues: Iterable[_Cue], names: frozenset[str]) -> Iterator[Piece]:
    """What is said in each cue, by whom."""
    before: list[str] = []
    end_before = -1.0
    for cue in cues:
        size = sum(line.size for line in cue.payload)
        shown = [plain for line in cue.payload if not is_blank(plain := _plain(line.text))]
        new = _unrolled(shown, before, cue, end_before)
        spoken = _voices(cue) if len(new) == len(shown) else None
        parts = spoken or _speakers(new, names)
        before, end_before = shown, cue.end
        reason = "repeats the caption before" if shown and not new else None
        if not parts:
            yield Piece("", None, cue.start, cue.end, size, cue.line, reason)
        for name, text in parts:
            sound = "sound, no speech" if _SOUND.fullmatch(text.strip()) else None
            yield Piece(text, name, cue.start, cue.end, size, cue.line, sound)
            size = 0


def _unrolled(shown: list[str], before: list[str], cue: _Cue, end_before: float) -> list[str]:
    """The lines of a cue that the one before did not show already."""
    if not before or cue.start - end_before > _BEHIND:
        return shown
    for count in range(min(len(shown), len(before)), 0, -1):
        if shown[:count] == before[-count:]:
            fresh = shown[count:]
            rolls = count > 1 or cue.end - cue.start <= _FLASH or cue.start < end_before
            return fresh if fresh or rolls else shown
    last = before[-1]
    if " " in last and len(before) == 1 and shown and shown[0].startswith(f"{last} "):
        return [shown[0][len(last) + 1 :], *shown[1:]]
    return shown


def _voices(cue: _Cue) -> list[tuple[str | None, str]] | None:
    """Speakers and texts of a cue that names them by ``<v Name>``."""
    raw = "\n".join(line.text for line in cue.payload)
    found = list(_VOICE.finditer(raw))
    if not found:
        return None
    ends = [*(voice.start() for voice in found[1:]), len(raw)]
    parts: list[tuple[str | None, str]] = [(None, _plain(raw[: found[0].start()]))]
    parts += [
        (html.unescape(voice[1]).strip() or None, _plain(raw[voice.end() : end]))
        for voice, end in zip(found, ends, strict=True)
    ]
    return [(name, text.replace("\n", " ")) for name, text in parts if not is_blank(text)]


def _speakers(lines: list[str], names: frozenset[str]) -> list[tuple[str | None, str]]:
    """Speakers and texts of a cue's lines: a name or, on every line, a dash begins a new one."""
    dashes = len(lines) > 1 and all(line.startswith(("-", "–", "—")) for line in lines)
    parts: list[tuple[str | None, str]] = []
    for line in lines:
        text = line.lstrip("-–— ") if dashes else line
        name, said = _split(text)
        if name in names:
            parts.append((name, said))
        elif parts and not dashes:
            parts[-1] = (parts[-1][0], f"{parts[-1][1]} {text}")
        else:
            parts.append((None, text))
    return [(name, text) for name, text in parts if not is_blank(text)]
