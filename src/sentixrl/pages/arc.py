"""The arc: every speaker's emotions along a conversation, as SVG geometry.

Contract: one lane per speaker, at most :data:`MOST_POINTS` places across; of a longer conversation
each point stands for several turns. Up is pleasant, down unpleasant, where the labels have sides;
otherwise up is sure and down unsure. Numbers only: the template draws.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from sentixrl.dialogue import Dialogue
from sentixrl.labels import LabelSet
from sentixrl.pages.emotions import has_sides, sign_of
from sentixrl.pages.view import NAMELESS, Shown, Words, voices
from sentixrl.prediction import DialoguePrediction, MoodTurn, Prediction

WIDTH, LANE, LEFT, TOP = 720.0, 76.0, 12.0, 22.0
REACH = 24.0
"""From a lane's middle to its edge."""
MOST_POINTS = 60
_MOST_LANES = 8


@dataclass(frozen=True, slots=True)
class Point:
    """A point: where, which turn it leads to, its label, and what it says."""

    x: float
    y: float
    turn: int
    label: Shown
    title: str


@dataclass(frozen=True, slots=True)
class Lane:
    """A speaker's lane: its middle, the line through its points, the points."""

    name: str
    voice: int
    middle: float
    line: str
    points: tuple[Point, ...]


@dataclass(frozen=True, slots=True)
class Arc:
    """A picture of lanes and of where moods turn."""

    width: float
    height: float
    up: str
    down: str
    lanes: tuple[Lane, ...]
    turns: tuple[tuple[float, float], ...]
    left_out: int


def arc(
    dialogue: Dialogue,
    prediction: DialoguePrediction,
    label_set: LabelSet,
    words: Words,
    moods: Sequence[MoodTurn] = (),
) -> Arc:
    """The arc of a conversation.

    Args:
        dialogue: Who said what.
        prediction: The answers.
        label_set: The labels, with their sides.
        words: How labels are shown.
        moods: Where moods turn.
    """
    sided = has_sides(label_set)
    signs = {label.name: sign_of(label) for label in label_set}
    step = -(-len(dialogue) // MOST_POINTS)
    scale = (WIDTH - 2 * LEFT) / max(1, len(dialogue) - 1)
    colours = voices(dialogue)
    names = list(colours)[:_MOST_LANES]
    middles = {name: TOP + LANE * (place + 0.5) for place, name in enumerate(names)}
    held: dict[str, dict[int, list[Prediction]]] = {name: {} for name in names}
    for turn, item in zip(dialogue, prediction.items, strict=True):
        lane = held.get(turn.speaker or NAMELESS)
        if lane is not None and (item.label or item.fallback) is not None:
            lane.setdefault(item.index // step, []).append(item)
    lanes = []
    for name in names:
        points = tuple(
            _point(items, LEFT, scale, middles[name], signs if sided else None, words)
            for items in held[name].values()
        )
        line = " ".join(f"{point.x:g},{point.y:g}" for point in points)
        lanes.append(Lane(name, colours[name], middles[name], line, points))
    marks = tuple(
        (round(LEFT + mood.index * scale, 1), middles[mood.speaker or NAMELESS])
        for mood in moods
        if (mood.speaker or NAMELESS) in middles
    )
    up, down = ("pleasant", "unpleasant") if sided else ("sure", "unsure")
    height = TOP + LANE * len(names) + 18
    return Arc(WIDTH, height, up, down, tuple(lanes), marks, len(colours) - len(names))


def _point(
    items: Sequence[Prediction],
    left: float,
    scale: float,
    middle: float,
    signs: dict[str, int] | None,
    words: Words,
) -> Point:
    """One point for some neighbouring turns of a speaker."""
    counts = Counter(item.label or item.fallback or "" for item in items)
    label = words(counts.most_common(1)[0][0])
    first, last = items[0].index, items[-1].index
    height = sum(_height(item, signs) for item in items) / len(items)
    turns = f"turn {first + 1}" if first == last else f"turns {first + 1}–{last + 1}"
    x = left + (first + last) / 2 * scale
    return Point(
        round(x, 1), round(middle - REACH * height, 1), first + 1, label, f"{turns}: {label.word}"
    )


def _height(item: Prediction, signs: dict[str, int] | None) -> float:
    """From -1 to 1."""
    answer = item.label or item.fallback or ""
    if signs is None:
        return 2 * item.confidence - 1 if item.confidence is not None else 0.0
    if item.probabilities is None:
        return float(signs.get(answer, 0))
    return sum(signs.get(name, 0) * share for name, share in item.probabilities.items())
