"""Asking a classifier about dialogues without end, and writing what it says chunk by chunk.

Contract: one stream of dialogues runs through the classifier's workers, so that none of them waits
at the end of a chunk. A dialogue that fails is an answer with an error, and the others go on. If
several in a row break their session, the model is asked a harmless line: if it does not answer that
either, the model's error is raised.
"""

from __future__ import annotations

import platform
import secrets
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from sentixrl.batch.estimate import Estimate, measure
from sentixrl.batch.job import UNFINISHED, Place, Receipt
from sentixrl.batch.meter import Meter
from sentixrl.batch.shards import Answer, write_shard
from sentixrl.batch.spool import Chunk, Item, error_entry, read_items
from sentixrl.classifier import Classifier
from sentixrl.dialogue import Dialogue
from sentixrl.errors import SentixError
from sentixrl.prediction import ItemError, Status

SAMPLED_DIALOGUES = 8
"""So many dialogues of a chunk are answered for an estimate."""
FAILED_IN_A_ROW = 5
"""After so many broken sessions in a row the model is asked something else."""
HARMLESS = Dialogue.from_texts(["Good morning."])


def answer_items(classifier: Classifier, items: Iterable[Item]) -> Iterator[Answer]:
    """Answers in the order of the items.

    Raises:
        SentixError: ``items`` did, or the model answers nothing any more.
    """
    feed = _Feed(items)
    failures = 0
    while True:
        try:
            for prediction in classifier.predict_many(feed):
                failures = 0
                yield Answer(feed.asked.popleft(), prediction)
        except SentixError as error:
            if feed.error is not None:
                raise
            failures += 1
            if not feed.asked or (failures % FAILED_IN_A_ROW == 0 and not _answers(classifier)):
                raise
            reason = ItemError.of(error)
            yield Answer(feed.asked.popleft(), None, reason)
            feed.again()
            continue
        return


def _answers(classifier: Classifier) -> bool:
    """Whether a model answers a harmless line."""
    try:
        (item,) = classifier.predict(HARMLESS).items
    except SentixError:
        return False
    return item.status is not Status.ERROR


class _Feed:
    """Dialogues on their way to a classifier, which may have to be asked again.

    Attributes:
        asked: Those that were handed over and are not answered.
        error: What ended their source before its end.
    """

    def __init__(self, items: Iterable[Item]) -> None:
        self._source = iter(items)
        self._again: deque[Item] = deque()
        self.asked: deque[Item] = deque()
        self.error: BaseException | None = None

    def again(self) -> None:
        """Hand those that are not answered over once more, before those that still wait for it."""
        self._again.extendleft(reversed(self.asked))
        self.asked.clear()

    def __iter__(self) -> Iterator[Dialogue]:
        try:
            for item in chain(self._handed_again(), self._source):
                self.asked.append(item)
                yield item.dialogue
        except Exception as error:
            self.error = error
            raise

    def _handed_again(self) -> Iterator[Item]:
        while self._again:
            yield self._again.popleft()


def sample(classifier: Classifier, work: Path, chunks: Sequence[Chunk]) -> Estimate:
    """How long a few dialogues of some chunks take.

    Args:
        classifier: Who answers.
        work: The spool's folder.
        chunks: Where the dialogues are taken from.
    """
    items = (item for chunk in chunks for item in read_items(work, chunk)[:SAMPLED_DIALOGUES])
    return measure(answer_items(classifier, items))


def answer_chunks(
    classifier: Classifier, place: Place, chunks: Sequence[Chunk], meter: Meter | None = None
) -> Iterator[Receipt]:
    """Answer chunks and write each beside its place.

    Args:
        classifier: Who answers.
        place: The job.
        chunks: What to answer.
        meter: Told of every dialogue.

    Raises:
        SentixError: The spool is damaged, the disk is full, or the model answers nothing any more.
    """
    items = (item for chunk in chunks for item in read_items(place.work, chunk))
    answers = answer_items(classifier, items)
    for chunk in chunks:
        found: list[Answer] = []
        for answer in answers:
            found.append(answer)
            if meter is not None:
                meter.answered(len(answer.item.dialogue), len(list(_failures(answer))))
            if len(found) == chunk.dialogues:
                break
        yield _receipt(place, chunk, found)


def _receipt(place: Place, chunk: Chunk, answers: Sequence[Answer]) -> Receipt:
    """Write a shard under a name that nobody else has."""
    part = f"{chunk.number:06}-{secrets.token_hex(4)}{UNFINISHED}"
    size = write_shard(place.work / part, place.layout, answers)
    errors = [failure for answer in answers for failure in _failures(answer)]
    predictions = [answer.prediction for answer in answers if answer.prediction is not None]
    return Receipt(
        chunk.number,
        part,
        size,
        dialogues=chunk.dialogues,
        turns=chunk.turns,
        errors=errors,
        failed=sum(map(_failed_turns, answers)),
        retryable=sum(error["retryable"] for error in errors),
        tokens=sum(item.tokens for found in predictions for item in found.items),
        where=platform.node(),
    )


def _failures(answer: Answer) -> Iterator[dict[str, Any]]:
    """What ``errors.jsonl`` says of a dialogue."""
    if answer.error is not None:
        yield error_entry(answer.item.source, answer.item.dialogue.id, answer.error)
    elif answer.prediction is not None:
        for item in answer.prediction.items:
            if item.status is Status.ERROR and item.error is not None:
                asked = answer.item
                yield error_entry(asked.source, asked.dialogue.id, item.error, turn=item.index)


def _failed_turns(answer: Answer) -> int:
    if answer.prediction is None:
        return len(answer.item.dialogue)
    return sum(item.status is Status.ERROR for item in answer.prediction.items)


def failed_chunk(place: Place, chunk: Chunk, why: SentixError) -> Receipt:
    """What to enter for a chunk that no worker survived: all of its dialogues failed."""
    reason = ItemError.of(why)
    answers = [Answer(item, None, reason) for item in read_items(place.work, chunk)]
    return _receipt(place, chunk, answers)
