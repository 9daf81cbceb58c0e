"""From messages, as a format's reader yields them, to dialogues, one at a time.

Contract: every message becomes exactly one utterance, in order within its dialogue. Only
dialogues that may still go on are held in memory. A text or name that no utterance may hold is an
:class:`InputError` with its place.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import lru_cache
from typing import BinaryIO, Protocol

from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.errors import InputError
from sentixrl.formats.characters import name_fault, shown, text_fault, unreadable
from sentixrl.formats.ledger import Ledger, NoDialogueError

DEFAULT_GAP = timedelta(hours=8)
"""The pause after which a dialogue is over, unless another is asked for."""
MAX_MESSAGE = 16 * 1024 * 1024
"""The longest single message that is read, in bytes."""
MAX_TURNS = 1_000_000
"""The most turns of one dialogue."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line of an input.

    Attributes:
        number: Its place, from 1.
        text: What stands on it, without the line's end.
        size: Its bytes in the input, the line's end included.
        fault: What is wrong with it, where a reader asked for such lines too; some characters of
            the text are then not those of the input.
    """

    number: int
    text: str
    size: int
    fault: InputError | None = None


class Source(Protocol):
    """An input that can be read from its start more than once."""

    @property
    def name(self) -> str:
        """What errors call it."""

    def open(self) -> BinaryIO:
        """Its bytes, from the start; the caller closes it."""

    def lines(self) -> Iterator[Line]:
        """Its lines as text, from the first."""

    def inside(self, name: str, open: Callable[[], BinaryIO]) -> Source:
        """An input within this one, such as a member of an archive, read the same way."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message of a conversation, on its way to become an utterance.

    Attributes:
        text: What was said.
        speaker: Who said it, if known.
        time: When, if a date is known; times of one input all have an offset, or none has.
        id: The source's own identifier, if it has one.
        line: Where it begins in the input, from 1 (the element, where there are no lines).
        chat: The chat or channel it belongs to, where an input holds several, one after another.
        thread: The thread of its chat, where several go on at once.
        extra: Further fields for :attr:`Utterance.metadata`.
    """

    text: str
    speaker: str | None = None
    time: datetime | None = None
    id: str | None = None
    line: int = 0
    chat: str | None = None
    thread: str | None = None
    extra: Mapping[str, str | float] = field(default_factory=dict)


def conversations(
    messages: Iterable[Message],
    ledger: Ledger,
    *,
    name: str,
    gap: timedelta | None = DEFAULT_GAP,
) -> Iterator[Dialogue]:
    """Put messages together to dialogues.

    A dialogue ends where its chat does, or before a pause longer than ``gap``; each thread is a
    dialogue of its own. They are called ``1``, ``2``, … in the order in which they end.

    Args:
        messages: The messages, chat after chat, in the order they were said.
        ledger: Told of every cut at a pause.
        name: What errors call the input.
        gap: The longest pause within a dialogue; ``None`` never to cut.

    Raises:
        InputError: A text or a name that cannot be one, or not a single message.
    """
    count = 0
    for count, (chat, turns) in enumerate(_runs(messages, ledger, name, gap), start=1):
        yield Dialogue(str(count), tuple(turns), group=chat)
    if not count:
        raise NoDialogueError(
            f"{name} holds no turn to classify ({ledger.summary()}).",
            hint="If it was taken for the wrong format, name the right one with --format.",
        )


@dataclass(slots=True)
class _Open:
    """A dialogue that may still go on."""

    last: datetime | None
    turns: list[Utterance]


def _runs(
    messages: Iterable[Message], ledger: Ledger, name: str, gap: timedelta | None
) -> Iterator[tuple[str | None, list[Utterance]]]:
    chat: str | None = None
    going: dict[str | None, _Open] = {}
    begun: set[str | None] = set()
    for message in messages:
        if message.chat != chat:
            yield from ((chat, run.turns) for run in going.values())
            chat = message.chat
            going, begun = {}, set()
        over = [key for key, run in going.items() if gap and _over(run.last, message.time, gap)]
        yield from ((chat, going.pop(key).turns) for key in over)
        if message.thread in begun and message.thread not in going:
            ledger.splits += 1
        begun.add(message.thread)
        run = going.setdefault(message.thread, _Open(message.time, []))
        run.last = message.time or run.last
        if len(run.turns) >= MAX_TURNS:
            raise InputError(
                f"{_place(message, name)}: the dialogue has more than {MAX_TURNS:,} turns.",
                hint="Cut it at shorter pauses: --gap 1h, for example.",
            )
        run.turns.append(utterance_of(message, _place(message, name)))
    yield from ((chat, run.turns) for run in going.values())


def check_length(size: int, line: int, name: str) -> None:
    """Refuse a message that no one wrote, before all of it is in memory.

    Args:
        size: Its bytes so far.
        line: Where it begins.
        name: What errors call the input.

    Raises:
        InputError: It is longer than :data:`MAX_MESSAGE`.
    """
    if size > MAX_MESSAGE:
        raise InputError(
            f"{name}, line {line}: the message that begins here is longer than {MAX_MESSAGE:,} "
            "bytes.",
            hint="If the input was taken for the wrong format, name the right one with --format.",
        )


def _over(last: datetime | None, now: datetime | None, gap: timedelta) -> bool:
    """Whether a dialogue whose last message was at ``last`` is over at ``now``."""
    if last is None or now is None:
        return False
    if (now.tzinfo is None) != (last.tzinfo is None):
        now, last = now.replace(tzinfo=None), last.replace(tzinfo=None)
    return abs(now - last) > gap


def utterance_of(message: Message, place: str) -> Utterance:
    """The utterance that a message is.

    Args:
        message: The message.
        place: Where it stands, for errors.

    Raises:
        InputError: Its text or one of its names holds what no utterance may.
    """
    _check(place, "text", text_fault(message.text))
    for what, name in (
        ("speaker", message.speaker),
        ("id", message.id),
        ("chat's name", message.chat),
    ):
        if name is not None:
            _check(place, what, _known_fault(name))
    for key, value in message.extra.items():
        _check(place, shown(key), _known_fault(key))
        if isinstance(value, str):
            _check(place, shown(key), unreadable(value))
    time = {} if message.time is None else {"time": message.time.isoformat()}
    thread = {} if message.thread is None else {"thread": message.thread}
    return Utterance(
        message.text, message.speaker, id=message.id, metadata={**time, **thread, **message.extra}
    )


_known_fault = lru_cache(maxsize=1024)(name_fault)


def _check(place: str, what: str, fault: str | None) -> None:
    if fault:
        raise InputError(
            f"{place}: the {what} {fault}.", hint="Mend it there, or leave the message out."
        )


def _place(message: Message, name: str) -> str:
    within = f"{name}, chat '{shown(message.chat)}'" if message.chat else name
    return f"{within}, line {message.line}" if message.line else within
