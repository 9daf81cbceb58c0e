"""Is evidence faithful? A test by another operation than the one that found it.

Contract: evidence is found by hiding turns one at a time. Here the k turns that moved an answer
most *towards* it are replaced, all together, by turns of other dialogues of about the same length,
said by the same speakers. If evidence is worth anything, the answer's log-odds fall further than
when k turns by chance, or the k nearest, are replaced in the same way. Targets with no more than k
such turns are left out, as there is nothing to choose.
"""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sentixrl.classifier import Classifier
from sentixrl.dialogue import Dialogue
from sentixrl.evaluation.confusion import Floats
from sentixrl.evaluation.intervals import Resampling, json_number, mean_intervals
from sentixrl.evidence.odds import LogProbs, log_odds
from sentixrl.evidence.task import Question, answer_of
from sentixrl.prediction import DialoguePrediction, Prediction

SIZES = (1, 2, 3)
WAYS = ("evidence", "random", "nearest")
NEIGHBOURS = 20
"""Among how many turns of the nearest length a replacement is drawn."""


class Fillers:
    """Turns of other dialogues, by length.

    Args:
        dialogues: Where they come from.
        length: Of a text, in tokens.
        seed: Of the draws.
    """

    def __init__(
        self, dialogues: Iterable[Dialogue], length: Callable[[str], int], seed: int = 0
    ) -> None:
        self._length, self._random = length, random.Random(seed)
        self._turns = sorted(
            (length(turn.text), dialogue.cluster, turn.text)
            for dialogue in dialogues
            for turn in dialogue
        )

    def like(self, text: str, cluster: str) -> str:
        """A turn of another cluster, about as long as ``text``; itself if there is no other."""
        size = self._length(text)
        place = bisect_left(self._turns, (size,))
        around = sorted(
            (abs(length - size), self._random.random(), said)
            for length, whose, said in self._turns[max(0, place - 200) : place + 200]
            if whose != cluster
        )
        return self._random.choice(around[:NEIGHBOURS])[2] if around else text


@dataclass(frozen=True, slots=True)
class Trial:
    """One target: what is replaced before it, and by what.

    Attributes:
        item: The answer.
        size: How many turns are replaced.
        questions: Way → the changes.
    """

    item: Prediction
    size: int
    questions: Mapping[str, Mapping[int, str | None]]


@dataclass
class Falls:
    """How far the log-odds of answers fell, and how many answers changed, for one size.

    Attributes:
        clusters: The unit that resampling draws, of each target.
        falls: Way → the fall of each target, in nats.
        changed: Way → whether each target's answer changed.
    """

    clusters: list[str] = field(default_factory=list)
    falls: dict[str, list[float]] = field(default_factory=lambda: {way: [] for way in WAYS})
    changed: dict[str, list[bool]] = field(default_factory=lambda: {way: [] for way in WAYS})


def measure(
    classifier: Classifier,
    dialogues: Sequence[Dialogue],
    *,
    sizes: Sequence[int] = SIZES,
    seed: int = 0,
    resampling: Resampling | None = None,
) -> dict[str, Any]:
    """The test on all targets of some dialogues.

    Args:
        classifier: Whose evidence is tested.
        dialogues: At least two, or there is nothing to replace turns by.
        sizes: How many turns are replaced together.
        seed: Of turns drawn by chance and of replacements.
        resampling: How intervals are drawn.

    Returns:
        Size → mean fall of the answer's log-odds and share of changed answers for each way, and
        the difference of the falls with its 95% interval over clusters.
    """
    fillers = Fillers(dialogues, classifier.engine.count_tokens, seed)
    draws = random.Random(seed)
    found = {size: Falls() for size in sizes}
    trials: list[tuple[Dialogue, list[Trial]]] = []

    def asked() -> Iterator[tuple[Dialogue, list[Question]]]:
        answered = classifier.predict_many(dialogues, explain=True)
        for dialogue, prediction in zip(dialogues, answered, strict=True):
            those = list(_trials(dialogue, prediction, sizes, fillers, draws))
            trials.append((dialogue, those))
            yield dialogue, list(_questions(those))

    for place, answers in enumerate(classifier.what_if(asked())):
        dialogue, those = trials[place]
        _note(those, answers, dialogue.cluster, found)
    return {str(size): _summary(falls, resampling or Resampling()) for size, falls in found.items()}


def _trials(
    dialogue: Dialogue,
    prediction: DialoguePrediction,
    sizes: Sequence[int],
    fillers: Fillers,
    draws: random.Random,
) -> Iterator[Trial]:
    for item in prediction.items:
        turns = [one for one in item.evidence or () if one.turns == 1]
        ranked = [one.turn for one in sorted(turns, key=lambda one: -one.log_odds)]
        near = sorted(ranked, reverse=True)
        # The same replacement of a turn in every way: only the choice of turns differs.
        texts: dict[int, str | None] = {
            turn: fillers.like(dialogue.utterances[turn].text, dialogue.cluster) for turn in near
        }
        for size in sizes:
            if len(ranked) > size:
                chosen = (ranked[:size], draws.sample(near, size), near[:size])
                yield Trial(
                    item,
                    size,
                    {
                        way: {turn: texts[turn] for turn in some}
                        for way, some in zip(WAYS, chosen, strict=True)
                    },
                )


def _questions(trials: Sequence[Trial]) -> Iterator[Question]:
    for trial in trials:
        yield trial.item.index, {}
        yield from ((trial.item.index, trial.questions[way]) for way in WAYS)


def _note(
    trials: Sequence[Trial],
    answers: Sequence[LogProbs | None],
    cluster: str,
    found: Mapping[int, Falls],
) -> None:
    step = 1 + len(WAYS)
    for place, trial in enumerate(trials):
        whole, *changed = answers[place * step : (place + 1) * step]
        label = answer_of(trial.item)
        if whole is None or label is None or any(one is None for one in changed):
            continue
        falls = found[trial.size]
        falls.clusters.append(cluster)
        for way, one in zip(WAYS, changed, strict=True):
            assert one is not None
            falls.falls[way].append(log_odds(whole, label) - log_odds(one, label))
            falls.changed[way].append(max(one, key=one.__getitem__) != max(whole, key=whole.get))  # type: ignore[arg-type]


def _summary(falls: Falls, resampling: Resampling) -> dict[str, Any]:
    if not falls.clusters:
        return {"targets": 0}
    fell = {way: np.asarray(values) for way, values in falls.falls.items()}
    return {
        "targets": len(falls.clusters),
        "clusters": len(set(falls.clusters)),
        "fall": {way: round(float(values.mean()), 4) for way, values in fell.items()},
        "changed": {way: round(float(np.mean(those)), 4) for way, those in falls.changed.items()},
        "evidence_less": {
            way: _difference(fell["evidence"] - fell[way], falls.clusters, resampling)
            for way in WAYS[1:]
        },
    }


def _difference(
    values: Floats, clusters: Sequence[str], resampling: Resampling
) -> dict[str, float | None]:
    """The mean with its interval, whole clusters drawn."""
    places = {name: place for place, name in enumerate(dict.fromkeys(clusters))}
    indexes = np.array([places[name] for name in clusters])
    [found] = mean_intervals(values[:, None], indexes, resampling)
    return {key: json_number(getattr(found, key)) for key in ("value", "low", "high")}
