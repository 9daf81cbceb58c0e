"""What a page shows of each turn, in words and numbers, before it becomes HTML.

Contract: plain data; templates place and escape it and decide nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sentixrl.dialogue import Dialogue
from sentixrl.labels import Label, LabelSet
from sentixrl.pages.emotions import Family, family_of
from sentixrl.prediction import DialoguePrediction, Prediction, Round, Status

VOICES = 6
"""How many colours speakers have."""
MOST_BARS = 3
FULL_BAR = 2.0
"""The change of log-odds that fills a bar of evidence, the same in every turn."""
NAMELESS = "–"


@dataclass(frozen=True, slots=True)
class Shown:
    """A label as it is shown: its word, in brackets the name if that differs, its look."""

    word: str
    name: str
    family: Family


@dataclass(frozen=True, slots=True)
class Moved:
    """A piece of evidence: which turns, from 1, how far, and towards what."""

    first: int
    last: int
    change: str
    towards: Shown
    supports: bool
    share: float


@dataclass(frozen=True, slots=True)
class TurnView:
    """One turn.

    Attributes:
        number: From 1.
        speaker: Its name.
        voice: Number of its colour.
        text: What was said.
        label: The answer, or the best guess; ``None`` if nothing was readable.
        sure: Whether it is an answer, not a guess.
        status: In words, where there is something to say.
        share: The answer's confidence in per cent, if known.
        bars: The likeliest labels, with shares of 1.
        rounds: The negotiation.
        evidence: What moved the answer.
        mood: Whether the speaker's mood turns here.
    """

    number: int
    speaker: str
    voice: int
    text: str
    label: Shown | None
    sure: bool
    status: str
    share: str
    bars: tuple[tuple[Shown, float, str], ...]
    rounds: tuple[Round, ...]
    evidence: tuple[Moved, ...]
    mood: bool = False


@dataclass(frozen=True, slots=True)
class SpeakerView:
    """One speaker: name, colour, turns, and labels with how often each was answered."""

    name: str
    voice: int
    turns: int
    labels: tuple[tuple[Shown, int], ...]


_STATUS = {
    Status.OUTLIER: "no agreement",
    Status.INVALID: "no readable answer",
    Status.ERROR: "failed",
}


class Words:
    """Labels as they are shown.

    Args:
        labels: The label set; names that it lacks are shown as they are.
        language: Of the words.
    """

    def __init__(self, labels: LabelSet | None, language: str | None = None) -> None:
        self._labels = {label.name: label for label in labels or ()}
        self._language = language

    def __call__(self, name: str) -> Shown:
        """A label by its name."""
        label = self._labels.get(name, Label(name))
        return Shown(label.word(self._language), name, family_of(label))


def voices(dialogue: Dialogue) -> dict[str, int]:
    """Each speaker's colour, by first appearance."""
    names = dict.fromkeys(turn.speaker or NAMELESS for turn in dialogue)
    return {name: place % VOICES for place, name in enumerate(names)}


def turn_views(
    dialogue: Dialogue,
    prediction: DialoguePrediction,
    words: Words,
    moods: Sequence[int] = (),
) -> list[TurnView]:
    """Every turn of a dialogue.

    Args:
        dialogue: Who said what.
        prediction: The answers.
        words: How labels are shown.
        moods: Turns at which a mood turns.
    """
    colours = voices(dialogue)
    return [
        _turn_view(item, turn.speaker or NAMELESS, turn.text, colours, words, item.index in moods)
        for turn, item in zip(dialogue, prediction.items, strict=True)
    ]


def _turn_view(
    item: Prediction, speaker: str, text: str, colours: dict[str, int], words: Words, mood: bool
) -> TurnView:
    answer = item.label if item.label is not None else item.fallback
    status = item.error.message if item.error else _STATUS.get(item.status, "")
    return TurnView(
        number=item.index + 1,
        speaker=speaker,
        voice=colours[speaker],
        text=text,
        label=words(answer) if answer is not None else None,
        sure=item.label is not None,
        status=status,
        share=percent(item.confidence),
        bars=_bars(item, words),
        rounds=item.rounds,
        evidence=_moved(item, words),
        mood=mood,
    )


def _bars(item: Prediction, words: Words) -> tuple[tuple[Shown, float, str], ...]:
    ranked = sorted((item.probabilities or {}).items(), key=lambda pair: -pair[1])
    return tuple((words(name), share, percent(share)) for name, share in ranked[:MOST_BARS])


def _moved(item: Prediction, words: Words) -> tuple[Moved, ...]:
    found = item.evidence or ()
    return tuple(
        Moved(
            first=one.turn + 1,
            last=one.turn + one.turns,
            change=f"{one.log_odds:+.2f}".replace("-", "−"),
            towards=words(one.towards),
            supports=one.log_odds >= 0,
            share=min(1.0, abs(one.log_odds) / FULL_BAR),
        )
        for one in found
    )


def speaker_views(views: Sequence[TurnView]) -> list[SpeakerView]:
    """A summary for each speaker, by first appearance."""
    by_name: dict[str, list[TurnView]] = {}
    for view in views:
        by_name.setdefault(view.speaker, []).append(view)
    found = []
    for name, turns in by_name.items():
        counts = Counter(view.label for view in turns if view.label is not None)
        found.append(SpeakerView(name, turns[0].voice, len(turns), tuple(counts.most_common())))
    return found


def percent(share: float | None) -> str:
    """A share in words; only what is certain is 100%."""
    if share is None:
        return ""
    return ">99%" if 0.995 <= share < 1 else f"{share:.0%}"
