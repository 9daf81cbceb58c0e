"""The ``--json`` object: its exact shape, and that results reopen as they were."""

from __future__ import annotations

import csv
import io
import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.errors import InputError
from sentixrl.formats import (
    csv_header,
    dialogue_csv,
    dialogue_json,
    output_schema,
    read_dialogue_json,
)
from sentixrl.formats.characters import unix_lines
from sentixrl.formats.ledger import Ledger
from sentixrl.formats.results import DialogueResult
from sentixrl.prediction import (
    DialoguePrediction,
    Evidence,
    ItemError,
    Judgement,
    Prediction,
    Proposal,
    Round,
    Status,
    Verdict,
)

DIALOGUE = Dialogue(
    "d1", (Utterance("You came back!", "Anna", gold="joy", id="u7"), Utterance("…", None))
)
ROUNDS = (
    Round(
        1,
        Proposal("anger", "A is loud.", {"anger": -0.1}),
        Judgement(Verdict.DISAGREE, "joy", "It is a welcome.", -2.0, {"joy": -0.2}),
    ),
    Round(2, Proposal(None, "?")),
    Round(3, Proposal("joy"), Judgement(Verdict.AGREE)),
)
PREDICTION = DialoguePrediction(
    "d1",
    "en",
    "scripted",
    "1-abc",
    (
        Prediction(
            0,
            Status.CONSENSUS,
            label="joy",
            fallback="joy",
            probabilities={"joy": 2 / 3, "anger": 1 / 3},
            confidence=0.12345678,
            dropped_turns=4,
            rounds=ROUNDS,
        ),
        Prediction(1, Status.ERROR, error=ItemError("too_long", "Too long.", "Shorten it.")),
    ),
)


def test_the_object_is_exactly_the_published_one() -> None:
    expected = {
        "schema": 1,
        "id": "d1",
        "language": "en",
        "model": "scripted",
        "template": "1-abc",
        "utterances": [
            {
                "index": 0,
                "id": "u7",
                "speaker": "Anna",
                "text": "You came back!",
                "label": "joy",
                "status": "consensus",
                "confidence": 0.123457,
                "calibrated": False,
                "probabilities": {"joy": 0.666667, "anger": 0.333333},
                "fallback": "joy",
                "dropped_turns": 4,
                "error": None,
                "negotiation": [
                    {
                        "round": 1,
                        "generator": {"label": "anger", "analysis": "A is loud."},
                        "discriminator": {
                            "verdict": "disagree",
                            "counter_label": "joy",
                            "assessment": "It is a welcome.",
                        },
                    },
                    {
                        "round": 2,
                        "generator": {"label": None, "analysis": "?"},
                        "discriminator": None,
                    },
                    {
                        "round": 3,
                        "generator": {"label": "joy", "analysis": None},
                        "discriminator": {
                            "verdict": "agree",
                            "counter_label": None,
                            "assessment": None,
                        },
                    },
                ],
            },
            {
                "index": 1,
                "id": None,
                "speaker": None,
                "text": "…",
                "label": None,
                "status": "error",
                "confidence": None,
                "calibrated": None,
                "probabilities": None,
                "fallback": None,
                "dropped_turns": 0,
                "error": {"code": "too_long", "message": "Too long.", "hint": "Shorten it."},
                "negotiation": [],
            },
        ],
    }
    # Compared as text: the order of keys is part of the format.
    assert json.dumps(dialogue_json(DIALOGUE, PREDICTION)) == json.dumps(expected)


def test_the_schema_model_writes_the_same_keys_in_the_same_order() -> None:
    first = replace(PREDICTION.items[0], label=None, labels=("joy",), candidates=("joy", "anger"))
    asked_for_all = replace(PREDICTION, items=(first, PREDICTION.items[1]))
    written = dialogue_json(DIALOGUE, asked_for_all, Ledger("text"))
    modelled = DialogueResult.model_validate(written).model_dump(
        mode="json", by_alias=True, exclude_unset=True
    )
    assert json.dumps(modelled) == json.dumps(written)


def test_schema_requires_every_key() -> None:
    schema = output_schema()
    written = dialogue_json(DIALOGUE, PREDICTION)
    assert schema["required"] == list(written)
    keys = list(written["utterances"][0])
    keys.remove("calibrated")  # results of the first version lack it, and can be read
    assert schema["$defs"]["UtteranceResult"]["required"] == keys
    assert schema["$defs"]["Status"]["enum"] == [status.value for status in Status]
    json.dumps(schema)


def test_prediction_of_another_dialogue_is_refused() -> None:
    with pytest.raises(ValueError, match="'d2' has 2 utterances"):
        dialogue_json(Dialogue("d2", DIALOGUE.utterances), PREDICTION)
    with pytest.raises(ValueError, match="'d1' has 1 utterances"):
        dialogue_json(Dialogue("d1", DIALOGUE.utterances[:1]), PREDICTION)


def changed(path: list[str | int], value: object) -> dict[str, Any]:
    """A good object with one value replaced, or removed if it is ``...``."""
    payload = json.loads(json.dumps(dialogue_json(DIALOGUE, PREDICTION)))
    place = payload
    for step in path[:-1]:
        place = place[step]
    if value is ...:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return payload  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["schema"], 2, "at 'schema', input should be 1"),
        (["model"], ..., "at 'model', it is missing"),
        (["utterances", 0, "status"], "sure", "at 'utterances.0.status', input should be"),
        (["utterances", 1, "text"], 5, "at 'utterances.1.text'"),
        (["utterances", 1, "index"], 0, "Entry 1 .* its index is 0, not 1"),
        (["utterances", 0, "label"], None, "its status is consensus, yet it has no label"),
        (["utterances", 1, "label"], "joy", "its status is error, yet it has the label 'joy'"),
        (["utterances", 1, "error"], None, "its status is error, yet it has no error"),
        (
            ["utterances", 0, "error"],
            {"code": "x", "message": "y", "hint": None},
            "its status is consensus, yet it has an error",
        ),
    ],
)
def test_what_is_not_a_result_is_refused(
    path: list[str | int], value: object, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read_dialogue_json(changed(path, value))


def test_keys_of_later_versions_are_left_alone() -> None:
    read_dialogue_json(changed(["utterances", 0, "seconds"], 0.5))


names = st.text(st.characters(codec="utf-8"), min_size=1, max_size=8)
maybe = st.none() | names
shares = st.integers(0, 10**6).map(lambda millionths: millionths / 10**6)
judgements = st.builds(
    Judgement, verdict=st.none() | st.sampled_from(Verdict), counter_label=maybe, assessment=maybe
)
rounds = st.lists(
    st.tuples(st.builds(Proposal, label=maybe, analysis=maybe), st.none() | judgements), max_size=3
).map(lambda turns: tuple(Round(n, *turn) for n, turn in enumerate(turns, start=1)))


@st.composite
def results(draw: st.DrawFn) -> tuple[Dialogue, DialoguePrediction]:
    turns = tuple(
        draw(st.lists(st.builds(Utterance, text=names, speaker=maybe, id=maybe), max_size=4))
    )
    items = []
    for index in range(len(turns)):
        status = draw(st.sampled_from(Status))
        answered = status in {Status.CONSENSUS, Status.SINGLE}
        items.append(
            Prediction(
                index,
                status,
                label=draw(names) if answered else None,
                fallback=draw(maybe),
                probabilities=draw(st.none() | st.dictionaries(names, shares, max_size=3)),
                confidence=draw(st.none() | shares),
                dropped_turns=draw(st.integers(0, 99)),
                rounds=draw(rounds),
                error=ItemError(draw(names), draw(names), draw(maybe))
                if status is Status.ERROR
                else None,
            )
        )
    id = draw(names)
    return Dialogue(id, turns), DialoguePrediction(
        id, draw(names), draw(names), draw(names), tuple(items)
    )


@given(results())
def test_results_reopen_as_they_were(result: tuple[Dialogue, DialoguePrediction]) -> None:
    stored = json.dumps(dialogue_json(*result), ensure_ascii=False)
    assert read_dialogue_json(json.loads(stored)) == result


@given(results())
def test_rows_of_csv_read_back_as_the_turns_they_are(
    result: tuple[Dialogue, DialoguePrediction],
) -> None:
    dialogue, prediction = result
    texts = ("said\rand left", "one,\r\ntwo", 'a "word"', "\u2028 x", "plain")
    turns = tuple(replace(turn, text=text) for turn, text in zip(dialogue, texts, strict=False))
    rows = csv_header() + dialogue_csv(replace(dialogue, utterances=turns), prediction)
    found = list(csv.DictReader(io.StringIO(unix_lines(rows), newline="")))
    assert [row["text"] for row in found] == [unix_lines(turn.text) for turn in turns]
    assert [row["speaker"] for row in found] == [unix_lines(turn.speaker or "") for turn in turns]
    assert [row["status"] for row in found] == [item.status.value for item in prediction.items]


def test_reopening_keeps_what_the_object_holds() -> None:
    dialogue, prediction = read_dialogue_json(dialogue_json(DIALOGUE, PREDICTION))
    assert [turn.gold for turn in dialogue] == [None, None]
    assert prediction.items[0].rounds[0].proposal == Proposal("anger", "A is loud.")
    assert dialogue_json(dialogue, prediction) == dialogue_json(DIALOGUE, PREDICTION)


def test_evidence_stands_with_its_turn_and_comes_back() -> None:
    evidence = (Evidence(0, -0.1234567, "anger"), Evidence(2, 1.5, "joy", turns=3))
    explained = replace(PREDICTION.items[0], evidence=evidence)
    prediction = replace(PREDICTION, items=(explained, PREDICTION.items[1]))
    written = dialogue_json(DIALOGUE, prediction)
    assert written["utterances"][0]["evidence"] == [
        {"turn": 0, "turns": 1, "log_odds": -0.123457, "towards": "anger"},
        {"turn": 2, "turns": 3, "log_odds": 1.5, "towards": "joy"},
    ]
    assert "evidence" not in written["utterances"][1]
    _, read = read_dialogue_json(json.loads(json.dumps(written)))
    assert [one.towards for one in read.items[0].evidence or ()] == ["anger", "joy"]
    assert read.items[1].evidence is None
