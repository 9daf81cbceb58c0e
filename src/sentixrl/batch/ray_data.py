"""A class for Ray Data's ``map_batches``: a row per dialogue, what failed in a column.

Contract: a batch comes back with as many rows as it had, in their order, and with all its columns.
A row that cannot be read or answered says why in ``error`` and fails nobody else's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sentixrl.batch.answering import answer_items
from sentixrl.batch.running import Loader
from sentixrl.batch.shards import Answer
from sentixrl.batch.spool import Item
from sentixrl.dialogue import Dialogue
from sentixrl.errors import InputError
from sentixrl.formats.results import DECIMALS
from sentixrl.formats.values import dialogue_of
from sentixrl.spec import ClassifierSpec

LABELS, CONFIDENCES, STATUSES, ERROR = "labels", "confidences", "statuses", "error"

Column = NDArray[Any]


class RayClassifier:
    """Classifies batches of dialogues; loads its model once per actor.

    Example::

        dataset.map_batches(
            RayClassifier, fn_constructor_kwargs={"spec": ClassifierSpec()}, concurrency=4
        )

    Args:
        spec: What the classifier is loaded from; default: the trained model that comes along.
        column: The column of dialogues: each a text, a list of texts, or a list of dicts with
            ``text`` and ``speaker``.

    Raises:
        SentixError: The model cannot be loaded.
    """

    def __init__(self, spec: Loader | None = None, column: str = "utterances") -> None:
        self._classifier = (spec or ClassifierSpec()).load()
        self._column = column

    def __call__(self, batch: Mapping[str, Sequence[Any] | Column]) -> dict[str, Any]:
        """Classify a batch.

        Args:
            batch: Column → values, a row per dialogue.

        Returns:
            The same columns, and per row ``labels``, ``confidences`` and ``statuses`` (a list
            each, an entry per turn) and ``error`` (``None`` where nothing failed).

        Raises:
            InputError: The column of dialogues is not there.
        """
        if self._column not in batch:
            raise InputError(
                f"The batch has no column '{self._column}'; it has: {', '.join(batch)}.",
                hint="Name it: fn_constructor_kwargs={'column': …}.",
            )
        read = [_read(value, number) for number, value in enumerate(batch[self._column])]
        items = (Item(found, "") for found in read if isinstance(found, Dialogue))
        rows = list(_rows(read, answer_items(self._classifier, items)))
        names = (LABELS, CONFIDENCES, STATUSES, ERROR)
        return {**batch, **{name: _column([row[name] for row in rows]) for name in names}}


def _read(value: object, number: int) -> Dialogue | InputError:
    try:
        return dialogue_of(_plain(value), number + 1)
    except InputError as error:
        return error


def _plain(value: object) -> object:
    """What Ray makes arrays of, as lists again."""
    return [_plain(one) for one in value] if isinstance(value, np.ndarray) else value


def _rows(
    read: Sequence[Dialogue | InputError], answers: Iterator[Answer]
) -> Iterator[dict[str, Any]]:
    for found in read:
        if isinstance(found, InputError):
            yield {LABELS: [], CONFIDENCES: [], STATUSES: [], ERROR: found.message}
            continue
        answer = next(answers)
        items = answer.prediction.items if answer.prediction else ()
        failed = [item.error.message for item in items if item.error is not None]
        error = answer.error.message if answer.error else next(iter(failed), None)
        yield {
            LABELS: [item.label for item in items],
            CONFIDENCES: [
                None if item.confidence is None else round(item.confidence, DECIMALS)
                for item in items
            ],
            STATUSES: [item.status.value for item in items],
            ERROR: error,
        }


def _column(values: Sequence[object]) -> Column:
    """A column whose cells are the values, lists included."""
    column = np.empty(len(values), object)
    for place, value in enumerate(values):  # lists of one length would become a second axis
        column[place] = value
    return column
