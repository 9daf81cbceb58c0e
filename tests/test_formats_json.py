"""JSON and JSONL in: what is read, what is refused, and where the error says it is."""

from __future__ import annotations

import io
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.errors import InputError
from sentixrl.formats import dialogue_object, input_schema, read_dialogues
from sentixrl.formats.characters import is_blank


def read(text: str, format: str = "json") -> list[Dialogue]:
    return read_dialogues(stream=io.BytesIO(text.encode()), format=format)


def refusal(content: object, format: str = "json") -> InputError:
    text = content if isinstance(content, str) else json.dumps(content)
    with pytest.raises(InputError) as caught:
        read(text, format)
    assert caught.value.message.isprintable()
    return caught.value


def test_all_keys() -> None:
    turn = {"text": "hi", "speaker": "###", "id": 7, "label": "joy", "metadata": {"at": 1.5}}
    (dialogue,) = read(
        json.dumps({"id": 3, "language": "zh-Hans", "group": "s1", "utterances": ["yo", turn]})
    )
    assert dialogue == Dialogue(
        "3",
        (Utterance("yo"), Utterance("hi", "###", "joy", "7", {"at": 1.5})),
        language="zh",
        group="s1",
    )


def test_null_and_blank_names_are_none() -> None:
    turn = {"text": "hi", "speaker": " ", "id": None, "label": None}
    (dialogue,) = read(json.dumps({"id": None, "utterances": [turn]}))
    assert dialogue == Dialogue("1", (Utterance("hi"),))


def test_dialogues_without_an_id_get_their_position() -> None:
    items: list[dict[str, Any]] = [{"utterances": ["a"]} for _ in range(4)]
    items[0]["id"] = "2"
    items[2]["id"] = "x"
    assert [dialogue.id for dialogue in read(json.dumps(items))] == ["2", "#2", "x", "4"]


def test_language_is_a_default_only() -> None:
    text = '[{"utterances": ["a"]}, {"language": "es", "utterances": ["b"]}]'
    read_ones = read_dialogues(stream=io.BytesIO(text.encode()), language="en-GB")
    assert [dialogue.language for dialogue in read_ones] == ["en", "es"]


def test_malformed_json_names_line_and_column() -> None:
    error = refusal('{\n  "utterances": [\n    "a" "b"\n  ]\n}')
    assert error.message == (
        "standard input, line 3, column 9: this is not valid JSON (Expecting ',' delimiter)."
    )


def test_malformed_jsonl_names_the_line_of_the_file() -> None:
    error = refusal('{"utterances": ["a"]}\n\n{"utterances": ["b"}\n', "jsonl")
    assert error.message.startswith("standard input, line 3, column 20: this is not valid JSON")
    assert "--format json" in (error.hint or "")


def test_lines_in_a_json_file_are_explained() -> None:
    error = refusal('{"utterances": ["a"]}\n{"utterances": ["b"]}')
    assert "line 2, column 1" in error.message
    assert "--format jsonl" in (error.hint or "")


TWO = [{"utterances": ["a"]}]
CASES: list[tuple[object, str, str | None]] = [
    ({"utterances": ["a"], "langage": "en"}, "the key 'langage' is unknown.", "'language'?"),
    ({"messages": ["a"]}, "the key 'messages' is unknown.", "Did you mean 'utterances'?"),
    ({"id": "a"}, "'utterances' is missing.", "id, language, group, utterances"),
    ({"utterances": []}, "'utterances' is empty.", None),
    ({"utterances": "a"}, "'utterances' should be a list.", None),
    ({"id": "", "utterances": ["a"]}, "'id' is empty.", None),
    ({"id": True, "utterances": ["a"]}, "'id' should be text", None),
    ({"id": "a\nb", "utterances": ["a"]}, "'id' holds a line break (\\n).", None),
    ({"language": "english", "utterances": ["a"]}, "'language' should be a language code", None),
    ("5", 'the dialogue should be {"utterances": [...]}.', None),
    ("[]", "the list holds no dialogue.", None),
    (
        [*TWO, {"utterances": ["a", {"txt": "b"}]}],
        "standard input, dialogue 2, utterance 2: the key 'txt' is unknown.",
        "Did you mean 'text'?",
    ),
    ([*TWO, {"utterances": ["a", "  "]}], "dialogue 2, utterance 2: the text is empty.", None),
    ([*TWO, {"utterances": ["a", ""]}], "dialogue 2, utterance 2: the text is empty.", None),
    ([*TWO, {"utterances": ["a", 5]}], "utterance 2: the turn should be text or an object.", None),
    ([*TWO, "b"], "standard input, dialogue 2: the dialogue should be", None),
    ({"utterances": [{"text": ""}]}, "standard input, utterance 1: 'text' is empty.", None),
    ({"utterances": [{"text": "a\0"}]}, "utterance 1: 'text' holds a NUL character.", None),
    ({"utterances": [{"text": 5}]}, "utterance 1: 'text' should be text", None),
    ({"utterances": [{"speaker": "A"}]}, "utterance 1: 'text' is missing.", None),
    ({"utterances": ["\ud800"]}, "utterance 1: the text holds half a character", None),
    ({"id": "\ud83d", "utterances": ["a"]}, "'id' holds half a character", None),
    ({"utterances": [{"text": "\udc00"}]}, "'text' holds half a character", None),
    ({"utterances": [{"text": "a", "\ud800": 1}]}, "holds half a character", None),
    ({"utterances": [{"text": "a", "speaker": "A\nB"}]}, "'speaker' holds a line break", None),
    ({"utterances": [{"text": "a", "speaker": "\x1bA"}]}, "holds the control character", None),
    ({"utterances": [{"text": "a", "label": "j\u2028"}]}, "'label' holds a line break", None),
    (
        {"utterances": [{"text": "a", "metadata": {"k": [1]}}]},
        "utterance 1: 'metadata.k' should be text or a finite number.",
        None,
    ),
    ({"utterances": [{"text": "a", "metadata": {"k": True}}]}, "'metadata.k' should be", None),
    ('{"utterances": [{"text": "a", "metadata": {"k": 1e999}}]}', "a finite number", None),
    ('{"utterances": [{"text": "a", "metadata": {"k": NaN}}]}', "NaN is not a number", None),
    ('{"utterances": ["a"], "utterances": ["b"]}', "names the key 'utterances' twice", None),
    ('{"id": ' + "9" * 5000 + "}", "a number has too many digits.", None),
    ('{"utterances": ' + "[" * 200_000, "the JSON is nested too deeply.", None),
]


@pytest.mark.parametrize(("content", "message", "hint"), CASES)
def test_what_does_not_fit_is_named(content: object, message: str, hint: str | None) -> None:
    error = refusal(content)
    assert message in error.message
    assert hint is None or hint in (error.hint or "")


def test_places_in_jsonl_are_lines() -> None:
    error = refusal('{"utterances": ["a"]}\n\n{"utterances": ["b", ""]}', "jsonl")
    assert error.message == "standard input, line 3, utterance 2: the text is empty."


@pytest.mark.parametrize(
    ("text", "format", "message"),
    [
        (
            '{"id": 1, "utterances": ["a"]}\n{"utterances": ["b"]}\n\n'
            '{"id": "1", "utterances": ["c"]}',
            "jsonl",
            "standard input, line 4: the id '1' is already that of line 1.",
        ),
        (
            '[{"id": "x", "utterances": ["a"]}, {"id": "x", "utterances": ["b"]}]',
            "json",
            "standard input, dialogue 2: the id 'x' is already that of dialogue 1.",
        ),
    ],
)
def test_duplicate_ids(text: str, format: str, message: str) -> None:
    assert refusal(text, format).message == message


def test_long_and_hostile_names_are_shown_short_and_safe() -> None:
    error = refusal({"utterances": ["a"], "\x1b[31m" + "k" * 10_000: 1})
    assert len(error.message) < 120
    assert "\\x1b" in error.message


def test_ten_thousand_turns() -> None:
    turns = [{"text": f"line {n}", "speaker": "A"} for n in range(10_000)]
    (dialogue,) = read(json.dumps({"utterances": turns}))
    assert len(dialogue) == 10_000


visible = st.text(st.characters(exclude_characters="\0", codec="utf-8"), min_size=1).filter(
    lambda text: not is_blank(text)
)
names = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Zl", "Zp"]), min_size=1
).filter(lambda name: not is_blank(name))
numbers = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
utterances = st.builds(
    Utterance,
    text=visible,
    speaker=st.none() | names,
    gold=st.none() | names,
    id=st.none() | names,
    metadata=st.dictionaries(names, names | numbers, max_size=3),
)
dialogues = st.builds(
    Dialogue,
    id=names,
    utterances=st.lists(utterances, min_size=1, max_size=5).map(tuple),
    language=st.none() | st.sampled_from(["en", "zh", "ar", "yue"]),
    group=st.none() | names,
)
files = st.lists(dialogues, min_size=1, max_size=4, unique_by=lambda dialogue: dialogue.id)


@given(files, st.booleans(), st.sampled_from([None, 2]))
def test_any_dialogues_written_as_json_read_back_equal(
    written: list[Dialogue], ascii_only: bool, indent: int | None
) -> None:
    objects = [dialogue_object(dialogue) for dialogue in written]
    assert read(json.dumps(objects, ensure_ascii=ascii_only, indent=indent)) == written
    assert read(json.dumps(objects, ensure_ascii=ascii_only, indent=indent), "auto") == written


@given(files, st.booleans())
def test_any_dialogues_written_as_jsonl_read_back_equal(
    written: list[Dialogue], ascii_only: bool
) -> None:
    lines = [json.dumps(dialogue_object(dialogue), ensure_ascii=ascii_only) for dialogue in written]
    assert read("\n".join(lines), "jsonl") == written
    assert read("\n".join(lines), "auto") == written


def test_schema_names_every_key_and_forbids_others() -> None:
    schema = input_schema()
    one, several = schema["anyOf"]
    dialogue, turn = (schema["$defs"][f"{kind}Object"] for kind in ("Dialogue", "Utterance"))
    assert several["items"] == one == {"$ref": "#/$defs/DialogueObject"}
    assert list(dialogue["properties"]) == ["id", "language", "group", "utterances"]
    assert dialogue["required"] == ["utterances"]
    assert list(turn["properties"]) == ["text", "speaker", "id", "label", "labels", "metadata"]
    assert turn["required"] == ["text"]
    assert dialogue["additionalProperties"] is turn["additionalProperties"] is False
    assert {"type": "string", "minLength": 1} in dialogue["properties"]["utterances"]["items"][
        "oneOf"
    ]
    json.dumps(schema)
