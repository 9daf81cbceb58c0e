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
_IN_HALVES = re.compile(rf"[\s.{BIDI_CONTROLS}\u200c]")
_HALVES = {
    **dict.fromkeys(["am", "a", "ص", "öö", "上午", "午前", "오전", "पूर्वाह्न", "πμ", "de", "قظ"], 0),
    **dict.fromkeys(["pm", "p", "م", "ös", "下午", "午後", "오후", "अपराह्न", "μμ", "du", "بظ"], 12),
    **dict.fromkeys(['לפנה"צ', "לפנה״צ"], 0),
    **dict.fromkeys(['אחה"צ', "אחה״צ"], 12),
}
_FIRST_YEAR, _LAST_YEAR = 2000, 2199
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
        InputError: There is no stamp, the dates have two orders or could have two, or words
            stand at the times that are not known.
    """
    pattern: re.Pattern[str] | None = None
    left = set(DateOrder) if order is None else {order}
    seen: dict[tuple[str, ...], None] = {}
    ruled_out: dict[DateOrder, tuple[int, str]] = {}
    unknown = 0
    example: tuple[int, str] | None = None
    stamps = 0
    for line in lines:
        likely = pattern or layout(line.text)
        found = likely and likely.match(line.text)
        if not found or not _possible(found):
            continue
        if not _time(found):
            if word := _half(found):
                unknown += 1
                example = example or (line.number, word)
            continue
        pattern = likely
        stamps += 1
        date = (found["a"], found["b"], found["c"], found["space"])
        if date in seen:
            continue
        seen[date] = None
        shape = "/".join(date[:3])
        for gone in left - (_likely(found) if order is None else set(_possible(found))):
            ruled_out[gone] = (line.number, shape)
        left -= set(ruled_out)
        if not left:
            raise _no_order(name, ruled_out, order)
    if example and (unknown > max(1, stamps // 100) or not stamps):
        raise InputError(
            f"{name}, line {example[0]}: the word '{shown(example[1])}' at the time is not known, "
            f"so {unknown:,} messages could not be told from the lines of others.",
            hint="Export the chat again with a 24-hour clock, or in English.",
        )
    if pattern is None:
        raise InputError(
            f"{name} has no line that begins like a message of a WhatsApp export.",
            hint="Name its format with --format.",
        )
    return Stamps(pattern, _decided(left, name, next(iter(seen))))


def _decided(left: set[DateOrder], name: str, first: tuple[str, ...]) -> DateOrder:
    if len(left) == 1:
        return left.pop()
    readings = " or ".join(_NAMES[order] for order in DateOrder if order in left)
    shape = "/".join(first[:3])
    raise InputError(
        f"{name}: nothing tells whether its dates have {readings} (the first is {shape}).",
        hint=f"Say it with --dates {' or --dates '.join(sorted(left))}.",
    )


def _no_order(
    name: str, ruled_out: dict[DateOrder, tuple[int, str]], said: DateOrder | None
) -> InputError:
    if said:
        line, shape = ruled_out[said]
        return InputError(
            f"{name}, line {line}: {shape} is no date that has {_NAMES[said]}.",
            hint="Name the right order with --dates, or leave it out to have it told.",
        )
    places = sorted(set(ruled_out.values()))
    told = " and ".join(f"{shape} in line {line}" for line, shape in places[-2:])
    return InputError(
        f"{name}: the dates have more than one order ({told}).",
        hint="Split the file where the order changes, and read the parts one by one.",
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


def _likely(found: re.Match[str]) -> set[DateOrder]:
    """The orders that a date can have, less those that no phone writes that way."""
    orders = set(_possible(found))
    # Two digits for a year that stands first are usual in Korean alone, and there with spaces.
    if len(found["a"]) <= 2 and not found["space"] and len(orders) > 1:
        orders.discard(DateOrder.YMD)
    return orders


@lru_cache(maxsize=4096)
def _dates(a: str, b: str, c: str) -> dict[DateOrder, tuple[int, int, int]]:
    """Order → year, month and day that three numbers mean in it, for the orders they can have."""
    orders = {DateOrder.DMY: (c, b, a), DateOrder.MDY: (c, a, b), DateOrder.YMD: (a, b, c)}
    return {order: date for order, parts in orders.items() if (date := _date(*parts))}


def _date(year: str, month: str, day: str) -> tuple[int, int, int] | None:
    if len(month) > 2 or len(day) > 2 or day.startswith("R"):
        return None
    numbers = (_year(year), int(month), int(day))
    try:
        datetime(*numbers)
    except ValueError:
        return None
    return numbers if _FIRST_YEAR <= numbers[0] <= _LAST_YEAR else None


def _year(digits: str) -> int:
    """A year of the Gregorian calendar; those of the Buddhist and Japanese ones are converted."""
    if digits.startswith("R"):
        return 2018 + int(digits[1:])
    year = int(digits)
    if len(digits) == 2:
        return 2000 + year
    return year - 543 if year >= 2000 + 543 else year
