"""Python values to dialogues: what ``predict`` and ``predict_many`` take.

Contract: the rules of files hold here, too: no text without anything to see, no NUL, no half
characters, no line break in a name. What is refused is named by its type and its place.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Set
from typing import Any

from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.errors import InputError
from sentixrl.formats.characters import is_blank, name_fault, shown, unreadable
from sentixrl.formats.columns import Columns, places_of
from sentixrl.formats.json_text import dialogue_of_json
from sentixrl.formats.ledger import Ledger
from sentixrl.formats.tables import table_dialogues
from sentixrl.formats.values_table import Values, ValueTable

_TURNS_HINT = "For example: [('Ann', 'You came back!'), 'I did.'] or [{'text': 'I did.'}]."


def dialogue_of(value: object, number: int | None = None) -> Dialogue:
    """The dialogue that a Python value is.

    Args:
        value: A :class:`Dialogue`; one text; a list of texts, of (speaker, text) pairs or of
            dicts with ``text`` (and ``speaker``, ``id``, ``label``, ``metadata``); the dict of a
            JSON file or of a result; or a frame with a row a turn: of pandas or polars, an Arrow
            table, or a data set of ``datasets``.
        number: Which of several values it is, from 1, for errors.

    Raises:
        InputError: It is nothing of the kind, or a turn of it has no text.
    """
    if isinstance(value, Dialogue):
        return _checked(value, number)
    if isinstance(value, str):
        return _checked(Dialogue("1", (Utterance(value),)), number)
    place = "The dialogue" if number is None else f"Dialogue {number}"
    if isinstance(value, Mapping):
        if "text" in value and "utterances" not in value:
            raise InputError(f"{place} is one turn, not a list.", hint=_TURNS_HINT)
        return _checked(dialogue_of_json(value, place, "1"), number)
    if is_frame(value):
        return _of_frame(value, "The frame" if number is None else f"{place}, a frame,")
    # The turns of a set are in no order.
    if isinstance(value, bytes | bytearray | Set) or not isinstance(value, Iterable):
        raise InputError(
            f"A dialogue is a text or a list of turns, not '{type(value).__name__}'"
            + (f" (dialogue {number})." if number else "."),
            hint=_TURNS_HINT,
        )
    prefix = "" if number is None else f"{place}: "
    turns = [_turn(item, f"{prefix}Utterance {at}") for at, item in enumerate(value, start=1)]
    return _checked(Dialogue("1", tuple(turns)), number)


def dialogues_of(values: object) -> Iterator[Dialogue]:
    """The dialogues that an iterable of Python values is, one at a time.

    Args:
        values: What :func:`dialogue_of` takes, several of it; or a frame, whose rows are grouped
            as those of a file are.

    Raises:
        InputError: It is one value instead of several; or one of them is no dialogue, and the
            message says which.
    """
    if is_frame(values):
        return table_dialogues(_frame_table(values, "The frame"), Ledger("frame"))
    if isinstance(values, str | bytes | bytearray | Dialogue | Mapping) or not isinstance(
        values, Iterable
    ):
        raise InputError(
            f"Several dialogues are wanted, not one value of type '{type(values).__name__}'.",
            hint="Put it in a list, or use predict for one dialogue.",
        )
    return (dialogue_of(value, number) for number, value in enumerate(values, start=1))


def is_frame(value: object) -> bool:
    """Whether a value is a frame of pandas or polars, an Arrow table or a ``datasets.Dataset``."""
    if hasattr(value, "columns"):
        return hasattr(value, "itertuples") or hasattr(value, "iter_rows") or _is_arrow(value)
    return isinstance(getattr(value, "column_names", None), list) and hasattr(value, "features")


def frame_samples(frame: Any) -> list[Dialogue]:  # noqa: ANN401  (as is_frame)
    """The dialogues of a frame, in each of which a turn's id is the position of its row, from 0.

    A frame of one column needs no usual header: the column is the text.

    Raises:
        InputError: As :func:`dialogues_of`.
    """
    number = "row"
    while number in map(str, frame_columns(frame)):
        number += "_"
    table = _frame_table(frame, "The frame", number)
    text = table.header[0] if len(table.header) == 2 else None
    return list(table_dialogues(table, Ledger("frame"), Columns(text=text, id=number)))


def frame_positions(frame: object) -> list[int]:
    """The position of each turn's row in a frame, from 0, as dialogues and turns are answered.

    Raises:
        InputError: As :func:`dialogues_of`.
    """
    return [int(turn.id or 0) for dialogue in frame_samples(frame) for turn in dialogue]


def frame_columns(frame: Any) -> list[Any]:  # noqa: ANN401  (as is_frame)
    """The names of a frame's columns."""
    named = hasattr(frame, "column_names")
    return list(frame.column_names if named else frame.columns)


def _is_arrow(value: object) -> bool:
    return hasattr(value, "to_batches") and hasattr(value, "column_names")


def _turn(item: object, place: str) -> Utterance:
    if isinstance(item, Utterance):
        return item
    if isinstance(item, str):
        return Utterance(item)
    if isinstance(item, Mapping):
        described = dialogue_of_json({"utterances": [dict(item)]}, place, "1", alone=True)
        return described.utterances[0]
    if isinstance(item, tuple | list) and len(item) == 2:
        speaker, text = item
        return Utterance(text, speaker=speaker)
    raise InputError(
        f"{place} is neither a text nor a (speaker, text) pair nor a dict, but of type "
        f"'{type(item).__name__}'.",
        hint=_TURNS_HINT,
    )


def _checked(dialogue: Dialogue, number: int | None) -> Dialogue:
    """The dialogue, if each turn of it may stand in a file."""
    of = f"dialogue '{shown(str(dialogue.id))}'"
    if number is not None:
        of += f" (number {number})"
    described = {"id": dialogue.id, "language": dialogue.language, "group": dialogue.group}
    if fault := _name_fault(described, needed="id"):
        raise InputError(f"D{of[1:]} {fault}.")
    if not dialogue.utterances:
        raise InputError(f"D{of[1:]} has no utterance.")
    for at, turn in enumerate(dialogue.utterances, start=1):
        if not isinstance(turn, Utterance):
            fault = f"is of type '{type(turn).__name__}', not an Utterance"
        else:
            fault = _fault(turn)
        if fault:
            raise InputError(f"Utterance {at} of {of} {fault}.")
    return dialogue


def _fault(turn: Utterance) -> str | None:
    if not isinstance(turn.text, str):
        return f"has a text that is of type '{type(turn.text).__name__}', not a text"
    if found := unreadable(turn.text):
        return f"has a text that {found}"
    if is_blank(turn.text):
        return "has no text"
    named = {"speaker": turn.speaker, "id": turn.id, "gold label": turn.gold}
    return _name_fault(named) or _metadata_fault(turn.metadata)


def _name_fault(named: Mapping[str, Any], needed: str | None = None) -> str | None:
    """What is wrong with one of some names, which may be ``None`` but for what is needed."""
    for part, value in named.items():
        if value is None and part != needed:
            continue
        article = "an" if part == "id" else "a"
        if not isinstance(value, str):
            return f"has {article} {part} that is of type '{type(value).__name__}', not a text"
        if found := name_fault(value):
            return f"has {article} {part} that {found}"
    return None


def _metadata_fault(metadata: Mapping[str, Any]) -> str | None:
    """What keeps a turn's further fields from standing in a file."""
    for key, value in metadata.items():
        if found := _name_fault({"key in its metadata": key}, needed="key in its metadata"):
            return found
        if isinstance(value, str):
            if found := unreadable(value):
                return f"has metadata '{shown(key)}' that {found}"
        elif (
            not isinstance(value, int | float)
            or isinstance(value, bool)
            or not abs(value) < math.inf
        ):
            return f"has metadata '{shown(key)}' that is neither text nor a finite number"
    return None


def _of_frame(frame: Any, name: str) -> Dialogue:  # noqa: ANN401  (pandas', polars' or alike)
    table = _frame_table(frame, name)
    places = places_of(table.header, Columns(), table.name)
    columns = Columns() if "dialogue" in places else Columns(dialogue="")
    found = list(table_dialogues(table, Ledger("frame"), columns))
    if "dialogue" not in places:
        return Dialogue("1", tuple(turn for one in found for turn in one))
    if len(found) > 1:
        raise InputError(
            f"{table.name} holds {len(found):,} dialogues.", hint="Use predict_many for them."
        )
    return found[0]


def _frame_table(
    frame: Any,  # noqa: ANN401  (as is_frame)
    name: str,
    number: str | None = None,
) -> ValueTable:
    """A frame as a table, with a further column of its rows' positions if that is named."""
    names = frame_columns(frame)
    header = [*map(str, names), *([number] if number else [])]

    def rows(_: Ledger) -> Iterator[Values]:
        for at, row in enumerate(_frame_rows(frame, names)):
            yield Values(at, (*row, *([at] if number else [])), 0)

    columns = Columns(text=header[0].strip()) if number and len(names) == 1 else None
    try:
        # As frames count: a pandas index may number rows in another way.
        return ValueTable(name, "row at position", header, rows, columns, blank_rows=False)
    except InputError as error:
        hint = (
            "Rename its columns: 'text', and 'speaker', 'dialogue' or 'label' where there are any."
        )
        raise InputError(error.message, hint=hint) from None


def _frame_rows(frame: Any, names: list[Any]) -> Iterator[tuple[object, ...]]:  # noqa: ANN401
    if hasattr(frame, "iter_rows"):
        yield from frame.iter_rows()
    elif hasattr(frame, "itertuples"):
        yield from frame.itertuples(index=False, name=None)
    elif _is_arrow(frame):
        for batch in frame.to_batches():
            yield from zip(*(column.to_pylist() for column in batch.columns), strict=True)
    else:
        # Labels that datasets keeps as numbers are read by the names it keeps with them.
        words = [getattr(frame.features.get(name), "names", None) for name in names]
        for row in frame:
            cells = zip(words, (row[name] for name in names), strict=True)
            yield tuple(_named(known, cell) for known, cell in cells)


def _named(names: list[str] | None, cell: object) -> object:
    if not names or not isinstance(cell, int):
        return cell
    return names[cell] if 0 <= cell < len(names) else None
