"""The pipeline call gives the shapes of transformers' own, and of its own labels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import sentixrl
from sentixrl.errors import ConfigError, InputError, ModelError
from sentixrl.pipelines import TextPipeline
from sentixrl.spec import ClassifierSpec

from ..conftest import MakeModel
from .stand_in import LABELS, classifier

TEXTS = ["so calm", "annoyed, me?"]


def shape(value: Any) -> object:  # noqa: ANN401
    """What of an answer does not depend on the model: nesting, keys, types, order, sums."""
    if isinstance(value, list) and value and "score" in value[0]:
        scores = [one["score"] for one in value]
        assert scores == sorted(scores, reverse=True)
        return [sorted(one) for one in value]
    return [shape(one) for one in value] if isinstance(value, list) else type(value)


@pytest.fixture(scope="module")
def theirs(make_model: MakeModel) -> Any:  # noqa: ANN401  (transformers has no types)
    """transformers' pipeline over a tiny random classifier."""
    transformers = pytest.importorskip("transformers")
    folder = make_model()
    config = json.loads((folder / "config.json").read_text())
    names = {str(at): name.strip() for at, name in enumerate(LABELS.split(","))}
    made = transformers.LlamaForSequenceClassification(
        transformers.LlamaConfig(**config, id2label=names, pad_token_id=1)
    )
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    return transformers.pipeline("text-classification", model=made, tokenizer=tokenizer, top_k=None)


@pytest.mark.parametrize(
    ("inputs", "options"),
    [
        (TEXTS[0], {}),
        (TEXTS, {}),
        (TEXTS[0], {"top_k": 2}),
        (TEXTS, {"top_k": 1}),
        ({"text": TEXTS[0]}, {}),
        ({"text": TEXTS[0]}, {"top_k": 2}),
        ([{"text": TEXTS[0]}, {"text": TEXTS[1]}], {}),
    ],
)
def test_the_shapes_are_those_of_transformers(
    inputs: Any,  # noqa: ANN401
    options: dict[str, int],
    theirs: Any,  # noqa: ANN401
) -> None:
    ours: Any = sentixrl.pipeline("text", classifier())
    assert shape(ours(inputs, **options)) == shape(theirs(inputs, **options))


def test_labels_are_ranked_and_scores_are_probabilities(loads: list[ClassifierSpec]) -> None:
    pipe = sentixrl.pipeline("text-classification", labels=LABELS)
    [first, second] = pipe(TEXTS)
    assert (first[0]["label"], second[0]["label"]) == ("calm", "annoyed")
    assert sum(one["score"] for one in first) == pytest.approx(1)
    assert len(first) == 3
    assert sentixrl.pipeline(labels=LABELS)("calm") == [pipe("calm", top_k=None)]
    assert len(loads) == 1


def test_an_iterator_is_read_as_answers_are_taken() -> None:
    pipe = TextPipeline(classifier(), top_k=1)
    assert [[one["label"] for one in ranked] for ranked in pipe(iter(TEXTS))] == [
        ["calm"],
        ["annoyed"],
    ]


def test_what_it_does_not_do_is_said(loads: list[ClassifierSpec]) -> None:
    with pytest.raises(ConfigError, match="no task 'I am happy'"):
        sentixrl.pipeline("I am happy")
    with pytest.raises(ConfigError, match="'top_k' is 0"):
        sentixrl.pipeline(top_k=0)
    pipe = sentixrl.pipeline()
    with pytest.raises(ConfigError, match="no option 'truncation'"):
        pipe("x", truncation=True)  # type: ignore[call-overload]
    with pytest.raises(InputError, match="takes texts, not a value of type 'int'"):
        pipe([3])  # type: ignore[arg-type]
    for wrong in ({"text": "x", "text_pair": "y"}, {"utterance": "x"}, {}):
        with pytest.raises(InputError, match="takes a text alone, not a dict with the keys"):
            pipe(wrong)
    assert loads


@pytest.mark.parametrize(("given", "meant"), [(-1, "cpu"), (1, "cuda:1"), ("cpu", "cpu")])
def test_devices_may_be_numbers(
    given: str | int, meant: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[ClassifierSpec] = []

    def noted(spec: ClassifierSpec) -> sentixrl.Classifier:
        asked.append(spec)
        return classifier()

    monkeypatch.setattr("sentixrl.pipelines.classifier_of", noted)
    sentixrl.pipeline(device=given)
    assert asked[0].engine.device == meant


def test_a_model_without_scores_says_so(tmp_path: Path) -> None:
    from sentixrl.engines.scripted import ScriptedEngine

    written = sentixrl.load(ScriptedEngine(write=lambda prompt: "calm"), labels=LABELS)
    with pytest.raises(ModelError, match="no probabilities"):
        sentixrl.pipeline(model=written)("x")
