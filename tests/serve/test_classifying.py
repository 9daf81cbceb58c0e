"""``/v1/classify``: whole and in lines, what it refuses, and what fails alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from sentixrl.context.prompt import Prompt
from sentixrl.engines.protocol import Failure, UnansweredError
from sentixrl.formats import read_dialogue_json
from sentixrl.labels import Label, LabelSet
from sentixrl.serve.classifying import OneResult, SeveralResults
from sentixrl.serve.refusals import RefusedError
from sentixrl.serve.served import KEPT_CLASSIFIERS as KEPT
from sentixrl.serve.served import Asking, Models, ServedModel
from sentixrl.serve.service import Service

from .services import LINES, Client, likes_the_first, lines_of, scripted, service

PATH = "/v1/classify"
TALK = {"id": "t", "utterances": [{"speaker": "Ann", "text": "You kept it?"}, "I did."]}


def test_a_text_is_answered_as_the_command_line_answers_it() -> None:
    found = Client(service()).post(PATH, {"text": "Ann: it is one text, as it is."})
    assert found.status_code == 200
    result = found.json()
    OneResult.model_validate(result)
    assert result["labels"][0] == "neutral"
    dialogue, answer = read_dialogue_json({k: v for k, v in result.items() if k != "labels"})
    assert [turn.text for turn in dialogue] == ["Ann: it is one text, as it is."]
    assert answer.items[0].label == "neutral"


def test_answers_carry_the_name_that_the_model_is_served_by() -> None:
    models = Models([ServedModel("first", scripted()), ServedModel("second", scripted())])
    asked = Client(Service(models))
    talk = {"utterances": ["Well."]}
    for name in ("first", "second"):
        one = asked.post(PATH, {"text": "Well.", "model": name}).json()
        many = asked.post(PATH, {"dialogues": [talk, talk], "model": name}).json()
        start = lines_of(asked.post(PATH, {"text": "A", "model": name}, headers=LINES).text)[0]
        found = [one, many, *many["dialogues"], start]
        assert {each["model"] for each in found} == {name}


def test_a_key_that_is_not_there_is_answered_with_those_that_are() -> None:
    said, hint = Client(service()).refuses(422, PATH, {"txt": "Well."})
    assert said == "At 'txt': there is no such key."
    assert hint is not None
    assert hint.startswith("Did you mean 'text'? The keys are: text, dialogue, dialogues, model,")


def test_labels_of_the_command_are_explained_and_those_of_a_scheme_are_not() -> None:
    own = LabelSet("own", [Label("calm", {"*": "at ease"}), "cross"])
    classifier = scripted().replace(labels=own)
    loaded = classifier.replace(context=replace(classifier.context, glosses=True))
    asked = Client(service(loaded))
    for labels, shown in ((None, "calm (at ease); cross."), ("ekman-7", "anger, disgust")):
        asked.post(PATH, {"text": "Well."} | ({"labels": labels} if labels else {}))
        assert shown in loaded.engine.calls[-1].prompt.text  # type: ignore[attr-defined]


@pytest.mark.parametrize(("glosses", "shown"), [(True, "anger (strong"), (False, "anger, disgust")])
def test_a_service_that_was_told_explains_all_labels_or_none(glosses: bool, shown: str) -> None:
    model = ServedModel("m", scripted(), glosses)
    Client(Service(Models([model]))).post(PATH, {"text": "Well.", "labels": "ekman-7"})
    assert shown in model.engine.calls[-1].prompt.text  # type: ignore[attr-defined]


def test_dialogues_are_answered_in_order() -> None:
    asked = {"dialogues": [TALK, {"utterances": ["Well."]}], "labels": ["calm", "cross"]}
    result = Client(service()).post(PATH, asked).json()
    SeveralResults.model_validate(result)
    assert result["labels"] == ["calm", "cross"]
    assert [(one["id"], len(one["utterances"])) for one in result["dialogues"]] == [
        ("t", 2),
        ("2", 1),
    ]


def test_lines_come_as_the_contract_says() -> None:
    asked = {"dialogues": [TALK, {"utterances": ["Well."]}]}
    found = Client(service()).post(PATH, asked, headers=LINES)
    assert found.headers["content-type"].startswith("application/x-ndjson")
    start, *events, end = lines_of(found.text)
    assert (start["type"], start["dialogues"], start["turns"], start["sent_to"]) == (
        "start", 2, 3, None,
    )  # fmt: skip
    assert (end["type"], end["turns"]) == ("end", 3)
    turns = [(one["dialogue"], one["turn"]) for one in events if one["type"] == "turn"]
    assert sorted(turns) == [(0, 0), (0, 1), (1, 0)]
    assert [one["id"] for one in events if one["type"] == "dialogue"] == ["t", "2"]
    assert {one["label"] for one in events if one["type"] == "turn"} == {"neutral"}


def test_negotiation_and_reproducibility_are_the_requests() -> None:
    asked = Client(service())
    for wanted in (True, False):
        item = asked.post(PATH, {"text": "Well.", "negotiation": wanted}).json()["utterances"][0]
        assert bool(item["negotiation"]) is wanted
    whole = asked.post(PATH, {"dialogue": TALK, "reproducible": True})
    assert whole.status_code == 200


def test_descriptions_are_shown_to_the_model() -> None:
    classifier = scripted()
    labels = {"labels": [{"name": "calm", "description": "at ease"}, {"name": "cross"}]}
    Client(service(classifier)).post(PATH, {"text": "Well.", "labels": labels})
    assert "calm (at ease); cross." in classifier.engine.calls[-1].prompt.text  # type: ignore[attr-defined]


@pytest.mark.parametrize("lines", [False, True])
def test_one_poisoned_dialogue_fails_alone(lines: bool) -> None:
    many = [{"utterances": ["Well.", "poison" if n == 2 else "Fine."]} for n in range(5)]
    found = Client(service()).post(PATH, {"dialogues": many}, headers=LINES if lines else {})
    assert found.status_code == 200
    if lines:
        events = lines_of(found.text)
        [error] = [one for one in events if one["type"] == "error"]
        assert error["dialogue"] == 2
        assert "failed while it computed" in error["error"]
        assert sorted(one["dialogue"] for one in events if one["type"] == "dialogue") == [
            0, 1, 3, 4,
        ]  # fmt: skip
        return
    statuses = [{item["status"] for item in one["utterances"]} for one in found.json()["dialogues"]]
    assert [one == {"single"} for one in statuses] == [True, True, False, True, True]
    assert "error" in statuses[2]


@pytest.mark.parametrize("lines", [False, True])
def test_evidence_that_cannot_be_measured_fails_alone(lines: bool) -> None:
    def weigh(prompt: Prompt, choices: tuple[str, ...]) -> Sequence[float] | Failure:
        if "Second of 1" in prompt.text and "First of 1" not in prompt.text:
            raise RuntimeError("CUDA out of memory")
        return likes_the_first(prompt, choices)

    talks = [{"utterances": [f"First of {n}.", f"Second of {n}."]} for n in range(3)]
    asked = Client(service(scripted(weigh)))
    body = {"dialogues": talks, "explain": True}
    found = asked.post(PATH, body, headers=LINES if lines else {})
    assert found.status_code == 200
    if lines:
        [error] = [one for one in lines_of(found.text) if one["type"] == "error"]
        assert error["dialogue"] == 1
        told = [one for one in lines_of(found.text) if one["type"] == "turn"]
        assert sorted(one["dialogue"] for one in told if "evidence" in one) == [0, 0, 2, 2]
    else:
        items = [one["utterances"] for one in found.json()["dialogues"]]
        assert [["evidence" in item for item in one] for one in items] == [
            [True, True], [False, False], [True, True],
        ]  # fmt: skip
        assert {item["label"] for one in items for item in one} == {"neutral"}
        asked.refuses(503, PATH, {"dialogue": talks[1], "explain": True})


def test_a_turn_that_fails_is_an_error_in_its_place() -> None:
    asked = {"utterances": ["Well.", "This is too long."]}
    items = Client(service()).post(PATH, {"dialogue": asked}).json()["utterances"]
    assert [item["status"] for item in items] == ["single", "error"]
    assert items[1]["error"]["code"] == "too_long"


def test_a_request_of_which_nothing_is_answered_says_so() -> None:
    error, _ = Client(service()).refuses(503, PATH, {"text": "poison"})
    assert "out of memory" in error


def test_a_server_behind_that_does_not_answer_is_no_fault_of_the_request() -> None:
    """Evidence needs a server's count of tokens, for which no turn is to blame."""
    lost = Failure("unreachable", "The server at far:80 cannot be reached.", retryable=True)
    assert RefusedError.of(UnansweredError(lost)).status == 503
    assert RefusedError.of(UnansweredError(replace(lost, retryable=False))).status == 500


WRONG: list[tuple[int, dict[str, Any], str]] = [
    (422, {}, "0 of 'text', 'dialogue' and 'dialogues'"),
    (422, {"text": "a", "dialogue": TALK}, "2 of"),
    (422, {"text": " \u200b"}, "has no text"),
    (422, {"text": "a\x00"}, "NUL"),
    (422, {"text": 3}, "At 'text': it needs text"),
    (422, {"txt": "a"}, "At 'txt': there is no such key"),
    (422, {"dialogue": {"utterances": []}}, "dialogue.utterances"),
    (422, {"dialogue": {"utterances": [{"text": ""}]}}, "text"),
    (422, {"dialogues": []}, "At 'dialogues'"),
    (404, {"text": "a", "model": "smollm"}, "no model called 'smollm'"),
    (404, {"text": "a", "model": "/etc/passwd"}, "no model called"),
    (404, {"text": "a", "model": "http://10.0.0.1"}, "no model called"),
    (422, {"text": "a", "labels": "meld"}, "no label scheme called 'meld'"),
    (422, {"text": "a", "labels": "/tmp/labels.yaml"}, "no label scheme"),
    (422, {"text": "a", "labels": ["joy"]}, "at least 2"),
    (422, {"text": "a", "labels": ["joy", "JOY"]}, "read the same"),
    (422, {"text": "a", "labels": {"labels": [{"name": "joy"}]}}, "labels"),
    (422, {"text": "a", "schema": 2}, "version 2 of its format"),
    (422, {"text": "a", "negotiation": "yes"}, "At 'negotiation': it needs true or false"),
    (
        413,
        {"dialogue": {"utterances": ["Well, what is it now, after all this time?"] * 10_000}},
        "tokens",
    ),
    (413, {"dialogue": {"utterances": ["a"] * 20_001}}, "at most 20,000"),
]


@pytest.mark.parametrize(("status", "body", "says"), WRONG, ids=[one[2][:24] for one in WRONG])
def test_what_cannot_be_answered_is_one_sentence(
    status: int, body: dict[str, Any], says: str
) -> None:
    error, hint = Client(service()).refuses(status, PATH, body)
    assert says in error
    assert "--" not in (hint or "")


@pytest.mark.parametrize("body", [b"", b"{", b'{"text": "Well', b"\xff\xfe", b"[" * 100_000])
def test_what_is_no_json(body: bytes) -> None:
    headers = {"Content-Type": "application/json"}
    found = Client(service()).post(PATH, content=body, headers=headers)
    assert found.status_code in {400, 422}
    assert found.json()["error"].endswith(".")


def test_a_bounded_number_of_classifiers_is_kept() -> None:
    [model] = service().models
    first = model.asked(Asking())
    assert model.asked(Asking()) is first
    assert model.asked(Asking(reproducible=True)) is not first
    for number in range(KEPT):
        labels = LabelSet("mine", ["calm", f"cross {number}"])
        made = model.asked(Asking(labels))
        assert made.scheduler is first.scheduler
    assert model.asked(Asking()) is not first
    assert len(model._ready) == KEPT
