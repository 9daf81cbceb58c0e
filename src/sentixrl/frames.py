"""Predictions as frames: pandas, polars, Arrow, and data sets of ``datasets``.

Contract: a row per utterance, by dialogue, with the columns of the CSV output, types kept, a column
``labels`` where several were asked for, and a column ``p_LABEL`` for each label where
``probabilities`` asks for them. Where a frame was answered, a column ``position`` says which of its
rows each is of, counted from 0, since rows of dialogues that alternate come in another order. Only
the library asked for is imported. The way in needs no function: ``predict`` and ``predict_many``
take all four.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sentixrl.dialogue import Dialogue
from sentixrl.errors import ConfigError, InputError, MissingDependencyError
from sentixrl.formats.characters import shown
from sentixrl.formats.label_cells import label_cell
from sentixrl.formats.result_rows import (
    CALIBRATED,
    COLUMNS,
    CONFIDENCE,
    INDEX,
    LABELS,
    PROBABILITY,
    result_rows,
)
from sentixrl.formats.values import dialogue_of, dialogues_of, frame_positions, is_frame
from sentixrl.prediction import DialoguePrediction

if TYPE_CHECKING:
    import datasets
    import pandas as pd
    import polars as pl
    import pyarrow as pa

POSITION = "position"
"""The column that leads back to the rows of a frame."""
Predictions = DialoguePrediction | Iterable[DialoguePrediction]
"""What ``predict`` returned, or what ``predict_many`` yields."""


def to_pandas(
    dialogues: object, predictions: Predictions, *, probabilities: bool = False
) -> pd.DataFrame:
    """Predictions as a pandas frame.

    Args:
        dialogues: What was given to ``predict`` or ``predict_many``.
        predictions: What it answered.
        probabilities: Whether each label's posterior has a column, ``p_LABEL``.

    Returns:
        A row per turn, by dialogue. Where ``dialogues`` is a frame, ``position`` is the position of
        the turn's row in it, from 0: ``frame.iloc[result["position"]]`` has the same order.

    Raises:
        InputError: The predictions are not those of the dialogues.
        MissingDependencyError: pandas is not installed.
    """
    try:
        import pandas as pd
    except ImportError:
        raise MissingDependencyError.of("pandas", "pandas") from None
    table = _columns(dialogues, predictions, probabilities)
    # Integers with gaps would become floats.
    types = {CALIBRATED: "boolean"} | _numbers(table, "float64") | _counts(table, "int64")
    return pd.DataFrame(table).astype(types)


def to_polars(
    dialogues: object, predictions: Predictions, *, probabilities: bool = False
) -> pl.DataFrame:
    """Predictions as a polars frame; arguments and errors as :func:`to_pandas`."""
    try:
        import polars as pl
    except ImportError:
        raise MissingDependencyError.of("polars", "polars") from None
    table = _columns(dialogues, predictions, probabilities)
    types: dict[str, pl.DataType] = dict.fromkeys(table, pl.String())
    types |= _numbers(table, pl.Float64()) | _counts(table, pl.Int64())
    types[CALIBRATED] = pl.Boolean()
    return pl.DataFrame(table, schema=types)


def to_arrow(
    dialogues: object, predictions: Predictions, *, probabilities: bool = False
) -> pa.Table:
    """Predictions as an Arrow table; arguments and errors as :func:`to_pandas`."""
    try:
        import pyarrow as pa
    except ImportError:
        raise MissingDependencyError.of("pyarrow", "tables") from None
    table = _columns(dialogues, predictions, probabilities)
    types = dict.fromkeys(table, pa.string()) | _numbers(table, pa.float64())
    types |= _counts(table, pa.int64()) | {CALIBRATED: pa.bool_()}
    return pa.table(table, schema=pa.schema(list(types.items())))


def to_datasets(
    dialogues: object, predictions: Predictions, *, probabilities: bool = False
) -> datasets.Dataset:
    """Predictions as a ``datasets.Dataset``; arguments and errors as :func:`to_pandas`."""
    try:
        import datasets
    except ImportError:
        raise MissingDependencyError.of("datasets", "datasets") from None
    arrow = to_arrow(dialogues, predictions, probabilities=probabilities)
    features = datasets.Features.from_arrow_schema(arrow.schema)
    return datasets.Dataset.from_dict(arrow.to_pydict(), features=features)


def pairs_of(
    dialogues: object, predictions: Predictions
) -> list[tuple[Dialogue, DialoguePrediction]]:
    """Each dialogue with its prediction; dialogues whose ids recur are numbered instead.

    Args:
        dialogues: What was given to ``predict`` or ``predict_many``.
        predictions: What it answered.

    Raises:
        InputError: The predictions are not those of the dialogues.
    """
    if isinstance(predictions, DialoguePrediction):
        whole, answers = [dialogue_of(dialogues)], [predictions]
    else:
        whole, answers = list(dialogues_of(dialogues)), list(predictions)
    if len(whole) != len(answers):
        raise InputError(
            f"There are {len(whole):,} dialogues, but {len(answers):,} predictions.",
            hint="Give the dialogues that were predicted, in their order; an iterator is used up "
            "once, so keep them in a list.",
        )
    for number, (dialogue, answer) in enumerate(zip(whole, answers, strict=True), start=1):
        if (dialogue.id, len(dialogue)) != (answer.dialogue_id, len(answer.items)):
            raise InputError(
                f"Dialogue {number} is '{shown(dialogue.id)}' with {len(dialogue)} turns, but its "
                f"prediction is of '{shown(answer.dialogue_id)}' with {len(answer.items)}.",
                hint="Give the dialogues that were predicted, in their order.",
            )
    if len({dialogue.id for dialogue in whole}) < len(whole):
        whole = [replace(dialogue, id=str(at)) for at, dialogue in enumerate(whole, start=1)]
        answers = [replace(answer, dialogue_id=str(at)) for at, answer in enumerate(answers, 1)]
    return list(zip(whole, answers, strict=True))


def _columns(
    dialogues: object, predictions: Predictions, probabilities: bool
) -> dict[str, list[Any]]:
    """Column → its cells."""
    pairs = pairs_of(dialogues, predictions)
    rows = [row for dialogue, answer in pairs for row in result_rows(dialogue, answer)]
    table: dict[str, list[Any]] = {
        name: [row[place] for row in rows] for place, name in enumerate(COLUMNS)
    }
    if is_frame(dialogues):
        table[POSITION] = frame_positions(dialogues)
    items = [item for _, answer in pairs for item in answer.items]
    table[CALIBRATED] = [item.calibrated if item.probabilities else None for item in items]
    if any(item.labels is not None for item in items):
        table[LABELS] = [None if item.labels is None else label_cell(item.labels) for item in items]
    if not probabilities:
        return table
    scored = next((item.probabilities for item in items if item.probabilities), None)
    if scored is None:
        raise ConfigError(
            "These predictions have no probabilities.", hint="Leave 'probabilities' out."
        )
    for label in scored:
        table[PROBABILITY + label] = [(item.probabilities or {}).get(label) for item in items]
    return table


def _numbers(table: Iterable[str], kind: Any) -> dict[str, Any]:  # noqa: ANN401
    """The columns of fractions, each with its type."""
    return {name: kind for name in table if name == CONFIDENCE or name.startswith(PROBABILITY)}


def _counts(table: Iterable[str], kind: Any) -> dict[str, Any]:  # noqa: ANN401
    """The columns of whole numbers, each with its type."""
    return {name: kind for name in table if name in {INDEX, POSITION}}
