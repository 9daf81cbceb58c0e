"""WhatsApp's exported chats: ``.txt`` files of iPhones and Android phones, in any language.

Contract: a line that begins with the input's own kind of stamp begins a message, every other line
continues the one before it. WhatsApp's own lines are skipped, each with its reason. Two passes:
the first learns the layout and the order of the dates, the second reads.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sentixrl.formats.characters import BIDI_CONTROLS, is_blank
from sentixrl.formats.chats import whatsapp_words as words
from sentixrl.formats.chats.format import Options
from sentixrl.formats.chats.whatsapp_stamps import Stamps, layout, survey
from sentixrl.formats.ledger import Ledger
from sentixrl.formats.messages import Message, Source, check_length

NAME = "whatsapp"
MAX_NAME = 100
"""The longest name before a message, in characters."""

_AROUND = " \t\n\u00a0\u202f\ufeff" + BIDI_CONTROLS
_OWN = "\u200e"  # stands before everything that an iPhone's WhatsApp says itself
_CUT_LINES = 20  # within so many lines another message begins, where an export is cut in one
_LONGEST_OWN = 400  # the length up to which a text may be WhatsApp's own
_LONGEST_POLL = 4000
_BARE_COLON = re.compile(r"(?<![\d:]):(?![/\d:])")
_QUOTES = {"“": "”", "«": "»", "「": "」", "『": "』"}
_QUOTE = re.compile('["“«「『]')
_EDITED = re.compile(rf"[\s{BIDI_CONTROLS}]{{0,4}}<([^<>\n]{{1,40}})>$")
_FILE_BELOW_STAMP = re.compile(
    r"(?P<file>[^\n]{1,255}?\.\w{1,8}) \((?P<words>[^()\n]{2,40})\)(?:\n|$)"
)
_FILE_IN_BRACKETS = re.compile(
    rf"<(?:[^<>:\n]{{2,30}}[:：]\s?{_OWN}?(?P<last>\d{{6,9}}-[^<>\n]{{1,255}})"
    r"|(?P<first>\d{6,9}-[^<>\n]{1,255}?) [^<>\n.]{2,20})>$"
    r"|(?P<old>\d{4}-\d\d-\d\d-[A-Z]{2,8}-\d{6,9}\.\w{1,5}) <[^<>\n]{2,20}>$"
)
_FILE_ALONE = re.compile(r"[^\n]{1,255}\.\w{1,8}")
_FILE_NAME = re.compile(r"(?:IMG|VID|AUD|PTT|STK|DOC)-\d{8}-WA\d")
_OPTION = re.compile(r"(?P<word>[^\n:]{2,31}): .*\(\d+ [^()\n]{1,20}\)")
_PLACE = re.compile(r"[^\n:]{1,40}: https://maps\.google\.com/\?q=[\d.,+-]{1,60}")
_DOCUMENT = re.compile(r"\.\w{1,8}(?: • [^\n]{1,40})?$")
_AFTER_DOCUMENT = re.compile(r"\.\w{1,8} ")


@dataclass(slots=True)
class _Started:
    """A message of which more lines may come.

    Attributes:
        number: The line it begins at.
        time: When it was sent.
        lines: What stands on its lines, without the stamp.
        size: Its bytes.
        last: The bytes of its last line.
    """

    number: int
    time: datetime
    lines: list[str]
    size: int
    last: int


@dataclass(slots=True)
class _Said:
    """What was made of a message's words: a text, or the reason why there is none."""

    text: str
    reason: str | None = None
    extra: dict[str, str | float] = field(default_factory=dict)


def sniff(start: Sequence[str]) -> bool:
    """Whether messages begin at the start, or soon after the end of one that is cut."""
    lines = [line for line in start if not is_blank(line)]
    layouts = (layout(line) for line in lines[:_CUT_LINES])
    pattern = next((found for found in layouts if found), None)
    if pattern is None:
        return False
    rests = [line[found.end() :] for line in lines if (found := pattern.match(line))]
    if pattern.match(lines[0]):
        return any(split_name(rest)[0] or _is_notice(rest) for rest in rests)
    return sum(split_name(rest)[0] is not None for rest in rests) > 1


def messages(source: Source, ledger: Ledger, options: Options) -> Iterator[Message]:
    """Read an export.

    Raises:
        InputError: The dates have two orders, or nothing tells which of two they have.
    """
    stamps = survey(source.lines(), source.name, options.dates)
    started: _Started | None = None
    for line in source.lines():
        read = stamps.read(line.text)
        if read is not None:
            if started:
                yield from _finished(started, ledger, stamps)
            time, end = read
            started = _Started(line.number, time, [line.text[end:]], line.size, line.size)
        elif started:
            started.lines.append(line.text)
            started.size += line.size
            started.last = line.size
            check_length(started.size, started.number, source.name)
        elif is_blank(line.text):
            ledger.markup(line.size)
        else:
            ledger.skip("before the first message", line.size, line.number)
    if started:
        _leave_out_cut(started, ledger, stamps)
        yield from _finished(started, ledger, stamps)


def split_name(words: str) -> tuple[str | None, str]:
    """Who says a message, and what; nobody says a system line.

    The name ends at the first colon with a space behind it (in edited files, at the first colon
    that belongs to no time or address). A quotation mark that is opened before the colon and not
    closed shows that the line tells of a name or subject: a system line.
    """
    at = words.find(": ")
    if at < 0 and words.endswith(":"):
        at = len(words) - 1
    if at < 0 and (colon := _BARE_COLON.search(words, 0, MAX_NAME)):
        at = colon.start()
    name = words[: max(at, 0)].strip(_AROUND).removeprefix("~").strip(_AROUND)
    if is_blank(name) or len(name) > MAX_NAME or _opens_quotation(name):
        return None, words
    return name, words[at + 1 :]


def _opens_quotation(name: str) -> bool:
    if not _QUOTE.search(name):
        return False
    unclosed = any(name.count(mark) > name.count(end) for mark, end in _QUOTES.items())
    return unclosed or name.count('"') % 2 == 1


def _leave_out_cut(started: _Started, ledger: Ledger, stamps: Stamps) -> None:
    """Take the beginning of a stamp at the very end of an input out of the message before it."""
    if len(started.lines) > 1 and stamps.begins(started.lines[-1]):
        number = started.number + len(started.lines) - 1
        started.lines.pop()
        started.size -= started.last
        ledger.skip("cut off", started.last, number)


def _finished(started: _Started, ledger: Ledger, stamps: Stamps) -> Iterator[Message]:
    size = started.size
    name, first = split_name(started.lines[0])
    if name is None:
        ledger.skip(words.SYSTEM, size, started.number)
        return
    said = _said("\n".join([first, *started.lines[1:]]), stamps.brackets)
    if said.reason:
        ledger.skip(said.reason, size, started.number)
        return
    ledger.turn(size)
    yield Message(said.text, name, started.time, line=started.number, extra=said.extra)


def _said(spoken: str, brackets: bool) -> _Said:
    """What of a message's words is speech."""
    own = spoken.lstrip().startswith(_OWN)
    said = _unedited(_Said(spoken.strip(_AROUND)), brackets)
    if len(said.text) <= _LONGEST_OWN:
        said.reason = _reason(said.text)
    if not said.reason and len(said.text) <= _LONGEST_POLL and _is_poll(said.text):
        said.reason = words.POLL
    if not said.reason:
        said = _without_file(said, own)
    if not said.reason and brackets and own:
        said.reason = words.SYSTEM
    if not said.reason and is_blank(said.text):
        said.reason = "no text"
    return said


def _unedited(said: _Said, brackets: bool) -> _Said:
    if not said.text.endswith(">"):
        return said
    found = _EDITED.search(said.text, max(0, len(said.text) - 60))
    if found is None:
        return said
    marked = brackets and _OWN in found[0]
    if words.fold(found[1]) in words.known().edited or (marked and not _is_file(found[1])):
        return _Said(said.text[: found.start()].strip(_AROUND), extra={"edited": "yes"})
    return said


def _is_file(inside: str) -> bool:
    return _FILE_IN_BRACKETS.search(f"<{inside}>") is not None or inside.find(".") > 0


def _reason(text: str) -> str | None:
    """Why a short text is none of the speaker's, if it is WhatsApp's."""
    folded = words.fold(text)
    bare = words.fold(folded[1:-1]) if folded[:1] == "<" and folded[-1:] == ">" else folded
    if bare in words.known().omitted:
        return words.OMITTED
    if bare in words.known().deleted:
        return words.DELETED
    if folded in words.known().lines or folded.startswith(words.known().notices):
        return words.SYSTEM
    return words.LOCATION if "maps.google" in text and _PLACE.fullmatch(text) else None


def _is_poll(text: str) -> bool:
    """Whether it is a poll: a heading, a question, and options with their votes, in capitals."""
    heading, *rest = [line.strip(_AROUND) for line in text.split("\n")]
    known = heading.isupper() and words.fold(heading.rstrip(":")) in words.known().polls
    if not (known and heading.endswith(":") and len(rest) > 2):
        return False
    options = [_OPTION.fullmatch(line) for line in rest[1:]]
    names = {option["word"] for option in options if option}
    return all(options) and len(names) == 1 and names.pop().isupper()


def _is_notice(text: str) -> bool:
    return words.fold(text[:_LONGEST_OWN].strip(_AROUND)).startswith(words.known().notices)


def _without_file(said: _Said, own: bool) -> _Said:
    """A caption without the mark of the file it belongs to."""
    text, media, reason = said.text, "", words.ATTACHED
    if " (" in text and (found := _FILE_BELOW_STAMP.match(text)):
        known = words.fold(found["words"]) in words.known().attached
        if known or own or _FILE_NAME.match(found["file"]):
            media, text, own = found["file"], text[found.end() :], False
    elif text[-1:] == ">" and (found := _FILE_IN_BRACKETS.search(text, max(0, len(text) - 320))):
        media, text = found["last"] or found["first"] or found["old"], text[: found.start()]
    elif "\n" in text and (below := _below_omitted(text)):
        media, text, reason = "left out", below, words.OMITTED
        own = _FILE_ALONE.fullmatch(below) is not None
    elif head := _before_omitted(text):
        media, text, reason = "left out", head, words.OMITTED
        own = own or _DOCUMENT.search(head.strip(_AROUND)) is not None
    if not media:
        return said
    text = text.strip(_AROUND)
    if own or is_blank(text):
        return _Said(text, reason)
    return _Said(text, extra={**said.extra, "media": media})


def _below_omitted(text: str) -> str:
    """What stands below the words for a file that was left out, if these are the first line."""
    first, _, rest = text[: 2 * _LONGEST_OWN].partition("\n")
    if not rest or _reason(first.strip(_AROUND)) != words.OMITTED:
        return ""
    return text[len(first) + 1 :]


def _before_omitted(text: str) -> str | None:
    """What stands before the words for a file that was left out, if these end the text."""
    if _OWN in text:
        head, _, tail = text.rpartition(_OWN)
        if len(tail) <= _LONGEST_OWN and words.fold(tail) in words.known().omitted:
            return head
    if "." not in text or not _AFTER_DOCUMENT.search(text, max(0, len(text) - _LONGEST_OWN)):
        return None
    pieces = text[-_LONGEST_OWN:].split(" ")
    for count in range(1, min(6, len(pieces))):
        tail = " ".join(pieces[-count:])
        head = text[: len(text) - len(tail)].rstrip()
        if words.fold(tail) in words.known().omitted and _DOCUMENT.search(head):
            return head
    return None
