"""From pieces of a recording to turns: what one speaker says in several pieces is one turn.

Contract: the ledger is told of each piece: the first of a turn, merged into it, or skipped. Where
nobody is named, each piece stays a turn of its own.
"""

from __future__ import annotations

import itertools
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from sentixrl.formats.characters import is_blank
from sentixrl.formats.ledger import Ledger
from sentixrl.formats.messages import Message


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a recording with what was said in it.

    Attributes:
        text: What was said.
        speaker: Who said it, if known.
        start: When it begins, in seconds of the recording, if known.
        end: When it ends.
        size: Its bytes of the input.
        line: Where it begins in the input.
        reason: Why it is no speech, if it is none.
    """

    text: str
    speaker: str | None
    start: float | None
    end: float | None
    size: int
    line: int
    reason: str | None = None


def joined(pieces: Iterable[Piece], ledger: Ledger) -> Iterator[Message]:
    """Put pieces together to turns."""
    turn: list[Piece] = []
    for piece in pieces:
        reason = piece.reason or ("no text" if is_blank(piece.text) else None)
        if reason:
            ledger.skip(reason, piece.size, piece.line)
            continue
        if turn and piece.speaker is not None and piece.speaker == turn[0].speaker:
            ledger.merge(piece.size)
        else:
            if turn:
                yield _message(turn)
            turn = []
            ledger.turn(piece.size)
        turn.append(piece)
    if turn:
        yield _message(turn)


def _message(turn: list[Piece]) -> Message:
    times = {"start": turn[0].start, "end": turn[-1].end}
    return Message(
        _one_text([piece.text.strip() for piece in turn]),
        turn[0].speaker,
        line=turn[0].line,
        extra={key: value for key, value in times.items() if value is not None},
    )


def _one_text(texts: list[str]) -> str:
    """The texts one after another, with a space between them where the script has spaces."""
    parts = [texts[0]]
    for before, text in itertools.pairwise(texts):
        parts += ["" if _unspaced(before[-1]) and _unspaced(text[0]) else " ", text]
    return "".join(parts)


def _unspaced(character: str) -> bool:
    """Whether it is of a script that puts no spaces between words."""
    return unicodedata.east_asian_width(character) in "WF" and not ("가" <= character <= "힣")
