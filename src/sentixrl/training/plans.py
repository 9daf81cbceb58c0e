"""Pack plans: which dialogues go into one pack, for the whole training.

Contract: packs are planned beforehand, from the seed alone, so that a resumed training goes through
the same ones.
"""

from __future__ import annotations

import math
import random
from collections import deque
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

from sentixrl.context.building import one_line
from sentixrl.context.window import HistoryWindow
from sentixrl.datasets.dataset import Dataset
from sentixrl.dialogue import Dialogue
from sentixrl.training.drawing import LabelDraw
from sentixrl.training.material import Source
from sentixrl.training.neutral import one_pass
from sentixrl.training.second_role import Verifier

LINE_TOKENS = 3  # what a turn's speaker takes besides its text
QUESTION_TOKENS = 5  # what its question and label take
STEM_TOKENS = 4  # what the questions about several labels share
DEMONSTRATION_TOKENS = 22  # a turn of MELD as a demonstration, by SmolLM2's tokenizer
PAIR_TOKENS = 14  # what a verifier's question takes: a statement of two labels, the question
HEAD_TOKENS = 40  # instruction and label statement, once a pack
FEWEST = 8  # lines of a drawn subset of labels that are worth a pack


@dataclass(frozen=True, slots=True)
class PackPlan:
    """One pack of the training.

    Attributes:
        source: Index of its source.
        dialogues: Indices of its dialogues there.
        allowed: The labels it may show where a subset was drawn beforehand; empty for all.
        seed: Of its draws.
    """

    source: int
    dialogues: tuple[int, ...]
    allowed: tuple[str, ...]
    seed: int


def plan_packs(
    sources: Sequence[Source],
    draws: LabelDraw,
    pack_tokens: int,
    window: HistoryWindow,
    count_tokens: Callable[[str], int],
    seed: int,
    besides: int = 0,
    a_turn: int = 0,
) -> list[PackPlan]:
    """All packs of a training, in training order.

    The packs of every source are spread evenly over the training. ``besides`` is how many tokens a
    dialogue takes that are not its own: its demonstrations; ``a_turn``, how many each of its turns
    takes: a verifier's question.
    """
    placed: list[tuple[float, PackPlan]] = []
    for number, source in enumerate(sources):
        rng = random.Random(f"{seed}-{number}")
        sizes = [
            own + besides + a_turn * len(dialogue)
            for own, dialogue in zip(
                dialogue_sizes(source.data, window, count_tokens), source.data, strict=True
            )
        ]
        plans: list[PackPlan] = []
        for epoch in range(math.ceil(source.epochs)):
            share = min(1.0, source.epochs - epoch)
            plans += _epoch(number, source, sizes, draws, pack_tokens, rng, share)
        placed += [((place + rng.random()) / len(plans), pack) for place, pack in enumerate(plans)]
    placed.sort(key=lambda pair: pair[0])
    return [pack for _, pack in placed]


def verifier_tokens(how: Verifier) -> int:
    """About how many tokens a verifier's questions take, per turn of the data."""
    shown = 2 * how.evidence * DEMONSTRATION_TOKENS
    return math.ceil(how.share * (PAIR_TOKENS + shown))


def dialogue_sizes(
    data: Dataset, window: HistoryWindow, count_tokens: Callable[[str], int]
) -> list[int]:
    """About how many tokens each dialogue takes in a pack, the generator's questions included."""
    asked = QUESTION_TOKENS
    if data.several:
        words = (count_tokens(f" {label.name}?") for label in data.label_set)
        asked = STEM_TOKENS + sum(words)
    return [_dialogue_tokens(dialogue, window, count_tokens, asked) for dialogue in data]


def _dialogue_tokens(
    dialogue: Dialogue, window: HistoryWindow, count_tokens: Callable[[str], int], asked: int
) -> int:
    """A window that jumps shows the turns that it keeps anew."""
    lines = [count_tokens(one_line(turn.text)) + LINE_TOKENS for turn in dialogue]
    starts = window.starts(lines)
    jumps = [place for place in range(1, len(starts)) if starts[place] != starts[place - 1]]
    again = sum(sum(lines[starts[place] : place]) for place in jumps)
    return sum(lines) + again + asked * len(lines)


def _epoch(
    number: int,
    source: Source,
    sizes: Sequence[int],
    draws: LabelDraw,
    pack_tokens: int,
    rng: random.Random,
    share: float,
) -> list[PackPlan]:
    """One pass over a source, or a share of one, in packs."""
    order = one_pass(source.data, source.neutral_share, rng)
    queue = deque(order[: max(1, round(share * len(order)))])
    golds = [dialogue.utterances[0].gold for dialogue in source.data]
    plans = []
    by_labels = draws.subset and source.lines and not source.data.several
    while queue:
        allowed = draws.needed(source.data.label_set, rng) if by_labels else ()
        fitting = {index for index in queue if golds[index] in allowed} if allowed else None
        if fitting is not None and len(fitting) < FEWEST:  # hardly any of these labels are left
            allowed, fitting = (), None
        chosen = _fill(queue, sizes, pack_tokens, fitting)
        plans.append(PackPlan(number, tuple(chosen), allowed, rng.getrandbits(32)))
    return plans


def _fill(
    queue: deque[int], sizes: Sequence[int], room: int, fitting: Collection[int] | None
) -> list[int]:
    """Take dialogues that fit (``None``: all do) from the queue until the pack is full."""
    room -= HEAD_TOKENS
    chosen: list[int] = []
    passed: list[int] = []
    while queue and (room > 0 or not chosen):
        index = queue[0]
        if fitting is not None and index not in fitting:
            passed.append(queue.popleft())
            continue
        if chosen and sizes[index] > room:
            break
        chosen.append(queue.popleft())
        room -= sizes[index]
    queue.extendleft(reversed(passed))
    return chosen
