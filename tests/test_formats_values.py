"""Python values as dialogues: what ``predict`` takes, and what it refuses by its type."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.errors import InputError
from sentixrl.formats import dialogue_object
from sentixrl.formats.values import dialogue_of, dialogues_of
from sentixrl.formats.values_table import cell_text

from .test_formats_json import dialogues as any_dialogue


class Frame:
    """A data frame such as polars has."""

    def __init__(self, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        self.columns = columns
        self._rows = rows

    def iter_rows(self) -> Iterator[Sequence[object]]:
        return iter(self._rows)


class PandasLike:
    """One such as pandas has."""

    def __init__(self, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
        self.columns = columns
        self._rows = rows

    def itertuples(self, index: bool, name: str | None) -> Iterator[Sequence[object]]:
        assert not index
        assert name is None
        return iter(self._rows)


ANN = (Utterance("Well.", "Ann"), Utterance("So."))


@pytest.mark.parametrize(
    "value",
    [
        Dialogue("1", ANN),
        [("Ann", "Well."), "So."],
        [["Ann", "Well."], (None, "So.")],
        ({"text": "Well.", "speaker": "Ann"}, {"text": "So.", "speaker": None}),
        iter([Utterance("Well.", "Ann"), "So."]),
        {"utterances": [{"text": "Well.", "speaker": "Ann"}, "So."]},
        Frame(["speaker", "text"], [("Ann", "Well."), (None, "So.")]),
        Frame(["Speaker", "Utterance", "n"], [("Ann", "Well.", 1), (float("nan"), "So.", [2, 3])]),
    ],
)
def test_every_shape_of_one_dialogue(value: object) -> None:
    assert dialogue_of(value) == Dialogue("1", ANN)


def test_a_text_is_one_turn() -> None:
    assert dialogue_of("Well.") == Dialogue("1", (Utterance("Well."),))


LONG = 9_007_199_254_740_993  # the first whole number that no float is


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal(LONG), str(LONG)),
        (Decimal(f"{LONG}.00"), str(LONG)),
        (Decimal(f"{LONG}.50"), f"{LONG}.50"),
        (Decimal("1E+30"), f"1{'0' * 30}"),
        (Decimal("1E-7"), "0.0000001"),
        (Decimal("-0.0"), "0"),
        (Decimal("1E+999999"), "1E+999999"),
        (Decimal("sNaN"), ""),
        (Decimal("-Infinity"), "-Infinity"),
        (LONG, str(LONG)),
        (2.0, "2"),
        (2.5, "2.5"),
        (float("nan"), ""),
        (float("inf"), "inf"),
    ],
)
def test_numbers_keep_their_digits(value: object, text: str) -> None:
    assert cell_text(value) == text


def test_numbers_of_numpy_keep_their_digits() -> None:
    numpy = pytest.importorskip("numpy")
    assert cell_text(numpy.longdouble(2) ** 60 + 1) == str(2**60 + 1)
    assert cell_text(numpy.float32(3)) == "3"
    assert cell_text(numpy.int64(LONG)) == str(LONG)


def test_frames_of_real_libraries() -> None:
    for library in ("pandas", "polars"):
        frames = pytest.importorskip(library)
        frame = frames.DataFrame({"text": ["Well.", "So."], "speaker": ["Ann", None]})
        assert dialogue_of(frame) == Dialogue("1", ANN)


@pytest.mark.parametrize(
    ("value", "says"),
    [
        (3, "not 'int'"),
        (None, "not 'NoneType'"),
        (b"Well.", "not 'bytes'"),
        ([], "Dialogue '1' has no utterance"),
        ("", "Utterance 1 of dialogue '1' has no text"),
        (["a", "\u200b"], "Utterance 2 of dialogue '1' has no text"),
        (["a\ud800"], r"half a character \(the lone surrogate"),
        (["a\0"], "a text that holds a NUL"),
        ([("Ann\nBen", "hi")], r"a speaker that holds a line break \(\\n\)"),
        ([("Ann", None)], "a text that is of type 'NoneType'"),
        ([("Ann", "hi", "joy")], "Utterance 1 is neither .* of type 'tuple'"),
        (["a", 5], "Utterance 2 is neither .* of type 'int'"),
        ([{"txt": "a"}], "Utterance 1: the key 'txt' is unknown"),
        ([{"text": "a"}, {"text": 5}], "Utterance 2: 'text' should be text"),
        ({"text": "a"}, "is one turn, not a list"),
        ({"messages": ["a"]}, "The dialogue: the key 'messages' is unknown"),
        (Dialogue("d7", (Utterance(None),)), "Utterance 1 of dialogue 'd7' has a text"),  # type: ignore[arg-type]
        (Frame(["msg"], [("a",)]), "The frame: none of the columns"),
        (Frame(["text"], [("a",), (None,)]), "The frame, row at position 1 holds nothing"),
        ({"a", "b"}, "not 'set'"),
        (Dialogue("d\ud800", ANN), r"has an id that holds half a character"),
        (Dialogue(7, ANN), "Dialogue '7' has an id that is of type 'int'"),  # type: ignore[arg-type]
        (Dialogue("d", ANN, language=3), "has a language that is of type 'int'"),  # type: ignore[arg-type]
        (Dialogue("d", ANN, group="a\nb"), "has a group that holds a line break"),
        (Dialogue("d", ("hi",)), "is of type 'str', not an Utterance"),  # type: ignore[arg-type]
        ([Utterance("a", metadata={"k": object()})], "metadata 'k' that is neither"),  # type: ignore[dict-item]
        ([Utterance("a", metadata={"k": float("inf")})], "metadata 'k' that is neither"),
        ([Utterance("a", metadata={"k": "\ud800"})], "metadata 'k' that holds half a character"),
        ([Utterance("a", metadata={"k\n": 1})], "a key in its metadata that holds a line break"),
        (Frame(["text"], [(["a", "b"],)]), "position 0: the text column 'text' holds .* 'list'"),
        (Frame(["text", "dialogue"], [("a", 1), ("b", 2)]), "The frame holds 2 dialogues"),
    ],
)
def test_what_is_refused_is_named(value: object, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        dialogue_of(value)
    assert "--" not in (caught.value.hint or "")


def test_several_values_say_which_is_wrong() -> None:
    found = dialogues_of(["good", [""], "bad"])
    assert len(next(found)) == 1
    with pytest.raises(InputError, match=r"Utterance 1 of dialogue '1' \(number 2\) has no text"):
        next(found)
    with pytest.raises(InputError, match=r"not 'int' \(dialogue 1\)"):
        next(dialogues_of([5]))


@pytest.mark.parametrize(
    "value", ["Well.", b"Well.", Dialogue("1", ANN), {"utterances": []}, 5, None]
)
def test_one_value_is_not_several(value: object) -> None:
    with pytest.raises(InputError, match="Several dialogues are wanted, not one value of type"):
        dialogues_of(value)


def test_a_frame_of_many_dialogues() -> None:
    rows = [("a", 1.0), ("b", 2.0), ("c", 1.0)]
    for kind in (Frame, PandasLike):
        found = list(dialogues_of(kind(["text", "conversation_id"], rows)))
        assert [(d.id, [turn.text for turn in d]) for d in found] == [
            ("1", ["a", "c"]),
            ("2", ["b"]),
        ]


@given(any_dialogue)
def test_a_dialogue_s_object_is_that_dialogue(dialogue: Dialogue) -> None:
    assert dialogue_of(dialogue_object(dialogue)) == dialogue


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists))
def test_any_value_is_taken_or_refused(value: Any) -> None:  # noqa: ANN401
    try:
        found = dialogue_of(value)
    except InputError as error:
        message = error.message
    else:
        assert len(found) > 0
        return
    assert message.isprintable()
