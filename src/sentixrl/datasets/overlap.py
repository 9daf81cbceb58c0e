"""What training data share with the data that a model will be evaluated on.

There are two measures. *Shared lines*: utterances of at least ``min_tokens`` tokens that have the
same tokens as a training utterance. *Shared n-grams*: runs of ``n`` tokens, taken across the turns
of a dialogue, so that lines that were split differently are found too. A training dialogue should
be dropped if it shares at least ``threshold`` distinct n-grams with the evaluated data, or if it is
one of its dialogues as a whole. Tokens are those of :mod:`sentixrl.datasets.tokens`.

Contract: plain sets of 64-bit hashes; corpora of a million tokens take seconds, and about one in
ten million comparisons of two such corpora has a false match.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sentixrl.datasets.tokens import tokens
from sentixrl.dialogue import Dialogue
from sentixrl.errors import ConfigError

COVERED = 0.3
"""An evaluated dialogue with at least this share of its n-grams shared counts as covered."""


@dataclass(frozen=True, slots=True)
class Part:
    """Dialogues and their name in reports."""

    name: str
    dialogues: Sequence[Dialogue]


@dataclass(frozen=True, slots=True)
class Shared:
    """What one evaluated part shares with the training part.

    Attributes:
        name: The evaluated part.
        lines: Its utterances that are long enough to count.
        shared_lines: How many of these are in the training part.
        dialogues: Its dialogues.
        with_two_lines: Dialogues with at least two shared lines.
        with_ngrams: Dialogues with at least ``threshold`` distinct shared n-grams.
        covered: Dialogues with at least 30% of their n-grams shared.
        repeated: Dialogues that are in the training part as a whole.
        drop: How many training dialogues would be dropped for this part alone.
    """

    name: str
    lines: int
    shared_lines: int
    dialogues: int
    with_two_lines: int
    with_ngrams: int
    covered: int
    repeated: int
    drop: int

    @property
    def line_share(self) -> float:
        """The fraction of long enough utterances that are in the training part."""
        return self.shared_lines / self.lines if self.lines else 0.0


@dataclass(frozen=True, slots=True)
class Overlap:
    """What a training part shares with several evaluated parts.

    Attributes:
        train: The training part's name.
        dialogues: How many dialogues it has.
        parts: The evaluated parts, in order.
        drop: Identifiers of the training dialogues to drop for all parts together, in order.
    """

    train: str
    dialogues: int
    parts: tuple[Shared, ...]
    drop: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Pool:
    """All lines, n-grams and whole dialogues of a part."""

    lines: set[int]
    ngrams: set[int]
    wholes: set[int]


@dataclass(frozen=True, slots=True)
class _Prints:
    """A dialogue as hashes: of its long enough lines, its n-grams, and itself."""

    lines: tuple[int, ...]
    ngrams: tuple[int, ...]
    whole: int | None


def overlap(
    train: Part,
    evaluated: Sequence[Part],
    *,
    n: int = 8,
    threshold: int = 2,
    min_tokens: int = 5,
) -> Overlap:
    """Compare a training part with every part that will be evaluated on.

    Args:
        train: The part whose dialogues may be dropped.
        evaluated: Dev and test splits.
        n: Tokens of an n-gram.
        threshold: A dialogue with at least this many distinct shared n-grams is dropped.
        min_tokens: The fewest tokens of a line, or a whole dialogue, that counts.

    Raises:
        ConfigError: A number below 1, or nothing to compare with.
    """
    if min(n, threshold, min_tokens) < 1 or not evaluated:
        raise ConfigError(
            "An overlap needs at least one evaluated part, and numbers of at least 1.",
            hint="Usual: n = 8, threshold = 2, min_tokens = 5.",
        )
    source = [_prints(dialogue, n, min_tokens) for dialogue in train.dialogues]
    targets = [[_prints(item, n, min_tokens) for item in part.dialogues] for part in evaluated]
    pool = _pool(source)
    parts = tuple(
        _shared(part.name, pool, target, threshold, drop=len(_to_drop(source, target, threshold)))
        for part, target in zip(evaluated, targets, strict=True)
    )
    gone = _to_drop(source, [prints for target in targets for prints in target], threshold)
    ids = tuple(train.dialogues[position].id for position in gone)
    return Overlap(train.name, len(source), parts, ids)


def _pool(prints: Sequence[_Prints]) -> _Pool:
    return _Pool(
        lines={line for item in prints for line in item.lines},
        ngrams={ngram for item in prints for ngram in item.ngrams},
        wholes={item.whole for item in prints if item.whole is not None},
    )


def _prints(dialogue: Dialogue, n: int, min_tokens: int) -> _Prints:
    lines = [tokens(turn.text) for turn in dialogue]
    words = [word for line in lines for word in line]
    return _Prints(
        lines=tuple(hash(tuple(line)) for line in lines if len(line) >= min_tokens),
        ngrams=tuple(_ngrams(words, n)),
        whole=hash(tuple(words)) if len(words) >= min_tokens else None,
    )


def _ngrams(words: Sequence[str], n: int) -> Iterator[int]:
    return (hash(tuple(words[start : start + n])) for start in range(len(words) - n + 1))


def _shared(
    name: str, pool: _Pool, target: Sequence[_Prints], threshold: int, *, drop: int
) -> Shared:
    found = [sum(line in pool.lines for line in prints.lines) for prints in target]
    return Shared(
        name=name,
        lines=sum(len(prints.lines) for prints in target),
        shared_lines=sum(found),
        dialogues=len(target),
        with_two_lines=sum(count >= 2 for count in found),
        with_ngrams=sum(len(pool.ngrams.intersection(item.ngrams)) >= threshold for item in target),
        covered=sum(_coverage(prints, pool.ngrams) >= COVERED for prints in target),
        repeated=sum(prints.whole in pool.wholes for prints in target),
        drop=drop,
    )


def _coverage(prints: _Prints, ngrams: set[int]) -> float:
    if not prints.ngrams:
        return 0.0
    return sum(ngram in ngrams for ngram in prints.ngrams) / len(prints.ngrams)


def _to_drop(source: Sequence[_Prints], target: Sequence[_Prints], threshold: int) -> list[int]:
    """Positions of the training dialogues that share too much with ``target``."""
    pool = _pool(target)
    return [
        position
        for position, prints in enumerate(source)
        if prints.whole in pool.wholes or len(pool.ngrams.intersection(prints.ngrams)) >= threshold
    ]
