"""The stamp that begins a message of a WhatsApp export, and the order of its date.

Contract: every pattern is anchored and bounded, so a line of any length costs the same. The order
of day, month and year is told from all dates of an input together; where they do not decide, the
input is refused, never guessed at.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from sentixrl.errors import InputError
from sentixrl.formats.characters import BIDI_CONTROLS, shown
from sentixrl.formats.chats.format import DateOrder
from sentixrl.formats.messages import Line

_MARKS = f"[{BIDI_CONTROLS}\ufeff]{{0,4}}"
_SPACE = "[ \u00a0\u2009\u202f]"
_SLASH = rf"{_MARKS}{_SPACE}?[./\-年月년월]{_MARKS}"
_DATE = (
    rf"(?P<a>\d{{1,4}}){_SLASH}(?P<space>{_SPACE}?)(?P<b>\d{{1,2}}){_SLASH}{_SPACE}?"
    rf"(?P<c>R?\d{{1,4}})[.日일]?(?:{_SPACE}BE)?"
)
_JOINT = rf"(?:{_MARKS}[,،、]|{_SPACE}(?:à|at|klo|kl\.|um)(?={_SPACE}))?{_SPACE}{{0,2}}"
# Any short words are taken for the half of the day, so that unknown ones are seen, not overlooked.
_HALF = r"[^\d\s:.,،\[\]()\-–—][^\d:,،\[\]()\-–—]{0,13}"
_TIME = (
    rf"(?:(?P<before>{_HALF}){_SPACE}?)?(?P<hour>\d{{1,2}})[:.](?P<minute>\d{{2}})"
    rf"(?:[:.](?P<second>\d{{2}}))?(?:{_SPACE}{{0,2}}(?P<after>{_HALF}))?{_SPACE}{{0,2}}"
)
_BRACKETS = (
    re.compile(rf"{_MARKS}\[{_MARKS}{_DATE}{_JOINT}{_TIME}\]{_SPACE}?"),
    re.compile(rf"{_MARKS}\[{_MARKS}{_TIME}{_JOINT}{_DATE}\]{_SPACE}?"),
)
_DASH = re.compile(rf"{_MARKS}{_DATE}{_JOINT}{_TIME}[-–—](?:{_SPACE}|$)")
_COLON = re.compile(rf"{_MARKS}{_DATE}{_JOINT}{_TIME}:(?:{_SPACE}|$)")
_LAYOUTS = (*_BRACKETS, _DASH, _COLON)

_CLOCK = rf"(?:{_SPACE}[\d:.]{{0,8}}(?:{_SPACE}[^\]]{{0,14}})?)?"
_CUT_IN_BRACKETS = re.compile(rf"{_MARKS}\[(?:\d[\d./\-]{{0,9}}[,،]?{_CLOCK})?")
_CUT = re.compile(rf"{_MARKS}\d{{1,4}}[./\-]\d{{1,2}}[./\-]\d{{1,4}}[,،]{_CLOCK}[-–—]?")
_LIKE_A_STAMP = re.compile(rf"{_MARKS}[\[\d]")
_IN_HALVES = re.compile(rf"[\s.{BIDI_CONTROLS}\u200c]")
_HALVES = {
    **dict.fromkeys(["am", "a", "ص", "öö", "上午", "午前", "오전", "पूर्वाह्न", "πμ", "de", "قظ"], 0),
    **dict.fromkeys(["pm", "p", "م", "ös", "下午", "午後", "오후", "अपराह्न", "μμ", "du", "بظ"], 12),
    **dict.fromkeys(['לפנה"צ', "לפנה״צ"], 0),
    **dict.fromkeys(['אחה"צ', "אחה״צ"], 12),
}
_BUDDHIST = range(2500, 2700)  # 543 years ahead
_FOREIGN = range(1300, 1500)  # years of the Islamic and Persian calendars, which differ in days too
_NAMES = {
    DateOrder.DMY: "the day first",
    DateOrder.MDY: "the month first",
    DateOrder.YMD: "the year first",
}


@dataclass(frozen=True, slots=True)
class Stamps:
    """How the messages of one input begin.

    Attributes:
        pattern: The layout of its stamps.
        order: The order of their dates.
    """

    pattern: re.Pattern[str]
    order: DateOrder

    @property
    def brackets(self) -> bool:
        """Whether it is an iPhone's export, which marks WhatsApp's own words."""
        return self.pattern in _BRACKETS

    def read(self, text: str) -> tuple[datetime, int] | None:
        """When a line's message was sent and where its words begin; ``None``: it begins none."""
        found = self.pattern.match(text)
        time = found and _time(found)
        if not found or not time:
            return None
        date = _dates(found["a"], found["b"], found["c"]).get(self.order)
        return None if date is None else (datetime(*date, *time), found.end())

    def begins(self, text: str) -> bool:
        """Whether ``text`` is the beginning of a stamp and ends within it."""
        pattern = _CUT_IN_BRACKETS if self.brackets else _CUT
        return pattern.fullmatch(text) is not None


def layout(text: str) -> re.Pattern[str] | None:
    """The layout of the stamp that ``text`` begins with, if it begins with one."""
    for pattern in _LAYOUTS:
        found = pattern.match(text)
        if found and _possible(found) and (_time(found) or _half(found)):
            return pattern
    return None


def survey(lines: Iterable[Line], name: str, order: DateOrder | None) -> Stamps:
    """Read an input once to learn how its messages begin.

    Args:
        lines: All lines.
        name: What errors call the input.
        order: The order of its dates, if someone says it.

    Raises:
        InputError: There is no stamp, or stamps of two kinds; the dates have two orders, could
            have two, or are of another calendar; words at the times are not known.
    """
    dates = _Dates(name, order)
    pattern: re.Pattern[str] | None = None
    unknown, foreign = _Odd(), _Odd()
    stamps = 0
    for line in lines:
        likely = pattern or layout(line.text)
        found = likely and likely.match(line.text)
        if not found or not _possible(found):
            if pattern and _LIKE_A_STAMP.match(line.text) and layout(line.text):
                foreign.see(line.number, "")
        elif _time(found):
            pattern = likely
            stamps += 1
            dates.see(line.number, found)
        elif word := _half(found):
            unknown.see(line.number, word)
    if unknown.count > max(1, stamps // 100) or (unknown.count and not stamps):
        raise InputError(
            f"{name}, line {unknown.line}: the word '{shown(unknown.word)}' at the time is not "
            f"known, so {unknown.count:,} messages could not be told from the lines of others.",
            hint="Export the chat again with a 24-hour clock, or in English.",
        )
    if foreign.count > max(2, stamps // 100):
        raise InputError(
            f"{name}, line {foreign.line}: here begin messages of another phone's kind, "
            f"{foreign.count:,} in all, which would become parts of others.",
            hint="Split the file there, and read the parts one by one.",
        )
    if pattern is None:
        raise InputError(
            f"{name} has no line that begins like a message of a WhatsApp export.",
            hint="Name its format with --format.",
        )
    return Stamps(pattern, dates.decided())


@dataclass(slots=True)
class _Odd:
    """How often something odd stands at the beginning of a line, and where first."""

    count: int = 0
    line: int = 0
    word: str = ""

    def see(self, line: int, word: str) -> None:
        """Count it."""
        if not self.count:
            self.line, self.word = line, word
        self.count += 1


class _Dates:
    """Which orders the dates of an input can have, as they are seen one after another."""

    def __init__(self, name: str, said: DateOrder | None) -> None:
        self._name, self._said = name, said
        self._left = set(DateOrder) if said is None else {said}
        self._first = ""
        self._last: tuple[str, ...] = ()
        self._ruled_out: dict[DateOrder, tuple[int, str]] = {}

    def see(self, line: int, found: re.Match[str]) -> None:
        """Rule out the orders that a date cannot have."""
        parts = (found["a"], found["b"], found["c"], found["space"])
        if parts == self._last:
            return
        self._last = parts
        shape = "/".join(parts[:3])
        self._first = self._first or shape
        possible = _possible(found)
        if any(year in _FOREIGN for year, _, _ in possible.values()):
            raise InputError(
                f"{self._name}, line {line}: {shape} is a date of another calendar.",
                hint="Export the chat again with the phone's calendar set to Gregorian.",
            )
        usual = set(possible)
        # Two digits for a year that stands first are usual in Korean alone, there with spaces.
        if self._said is None and len(parts[0]) <= 2 and not parts[3] and len(usual) > 1:
            usual.discard(DateOrder.YMD)
        for gone in self._left - usual:
            self._ruled_out[gone] = (line, shape)
        self._left -= set(self._ruled_out)
        if not self._left:
            raise self._contradiction()

    def decided(self) -> DateOrder:
        """The one order that all dates can have."""
        if len(self._left) == 1:
            return next(iter(self._left))
        readings = " or ".join(_NAMES[order] for order in DateOrder if order in self._left)
        raise InputError(
            f"{self._name}: nothing tells whether its dates have {readings} (the first is "
            f"{self._first}).",
            hint=f"Say it with --dates {' or --dates '.join(sorted(self._left))}.",
        )

    def _contradiction(self) -> InputError:
        if self._said:
            line, shape = self._ruled_out[self._said]
            return InputError(
                f"{self._name}, line {line}: {shape} is no date that has {_NAMES[self._said]}.",
                hint="Name the right order with --dates, or leave it out to have it told.",
            )
        places = sorted(set(self._ruled_out.values()))[-2:]
        told = " and ".join(f"{shape} in line {line}" for line, shape in places)
        return InputError(
            f"{self._name}: the dates have more than one order ({told}).",
            hint="Split the file where the order changes, and read each part with its --dates.",
        )


def _time(found: re.Match[str]) -> tuple[int, int, int] | None:
    """Hour, minute and second of a stamp, if it has a time."""
    hour, minute, second = int(found["hour"]), int(found["minute"]), int(found["second"] or 0)
    if half := _half(found):
        later = _HALVES.get(_IN_HALVES.sub("", half).casefold())
        if later is None or hour > 12:
            return None
        hour = hour % 12 + later
    return (hour, minute, second) if hour < 24 and minute < 60 and second < 60 else None


def _half(found: re.Match[str]) -> str:
    """The words beside a time, if there are any."""
    return (found["before"] or found["after"] or "").strip()


def _possible(found: re.Match[str]) -> dict[DateOrder, tuple[int, int, int]]:
    return _dates(found["a"], found["b"], found["c"])


@lru_cache(maxsize=64)  # dates come in order
def _dates(a: str, b: str, c: str) -> dict[DateOrder, tuple[int, int, int]]:
    """Order → year, month and day that three numbers mean in it, for the orders they can have."""
    orders = {DateOrder.DMY: (c, b, a), DateOrder.MDY: (c, a, b), DateOrder.YMD: (a, b, c)}
    return {order: date for order, parts in orders.items() if (date := _date(*parts))}


def _date(year: str, month: str, day: str) -> tuple[int, int, int] | None:
    if len(month) > 2 or len(day) > 2 or day.startswith("R"):
        return None
    if not year.startswith("R") and len(year) not in {2, 4}:
        return None
    numbers = (_year(year), int(month), int(day))
    try:
        datetime(*numbers)
    except ValueError:
        return None
    return numbers


def _year(digits: str) -> int:
    """A year of the Gregorian calendar; those of the Buddhist and Japanese ones are converted."""
    if digits.startswith("R"):
        return 2018 + int(digits[1:])
    year = int(digits)
    if len(digits) == 2:
        return 2000 + year
    return year - 543 if year in _BUDDHIST else year
