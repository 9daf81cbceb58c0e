"""A specification travels, as JSON or as a pickle, and answers the same elsewhere."""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import FrozenInstanceError, fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentixrl import (
    Calibration,
    ClassifierSpec,
    ContextOptions,
    Demonstration,
    EngineOptions,
    HistoryWindow,
    Label,
    LabelSet,
    ModelBundle,
    NegotiationOptions,
    Rules,
    load,
    scheme,
)
from sentixrl.context.templates import template_languages
from sentixrl.engines.options import RemoteOptions
from sentixrl.errors import ConfigError, LabelError, ModelError
from sentixrl.named_models import PYTHON_ONLY
from sentixrl.spec import MAX_FILE_BYTES
from sentixrl.trie import PackBudget

OWN = LabelSet(
    "mine",
    [
        Label("calm, quiet", {"en": "at rest"}, "positive", {"es": "calma"}, ("ease",)),
        Label("no", display={"en": "1"}),
    ],
    multi_label=True,
)
FULL = ClassifierSpec(
    "some/model",
    OWN,
    ContextOptions(
        history=False,
        glosses=True,
        deduction="anchor",
        demonstrations=(Demonstration("You came back!", "no", "Ann"),),
        window=HistoryWindow(9, 2, 300),
        language="es",
        anonymous=True,
    ),
    NegotiationOptions(
        enabled=False,
        rules=Rules(4, 2),
        mode="written",
        confidence_threshold=0.9,
        agree_threshold=0.25,
        calibration=Calibration(0.5, (0.5, -0.5), fitted=True),
        correct_priors=True,
        reproducible=False,
    ),
    EngineOptions(
        device="cpu",
        dtype="float32",
        threads=1,
        prompt_format="plain",
        adapter=Path("some/adapter"),
        bits=4,
        budget=PackBudget(pack=100, row=10, waste=5),
        decoder="own",
    ),
)

shares = st.floats(0, 1)
contexts = st.builds(
    ContextOptions,
    instruction=st.booleans(),
    history=st.booleans(),
    glosses=st.booleans(),
    deduction=st.sampled_from(["off", "anchor", "utterance", "auto"]),
    demonstrations=st.lists(
        st.builds(Demonstration, st.text(), st.text(), st.none() | st.text())
    ).map(tuple),
    window=st.builds(HistoryWindow, st.integers(5, 9), st.integers(0, 5), st.integers(1, 1000)),
    language=st.sampled_from([*template_languages(), "auto"]),
)
calibrations = st.builds(
    Calibration,
    st.floats(0.01, 100),
    st.lists(st.floats(-9, 9)).map(tuple),
    st.booleans(),
)
negotiations = st.builds(
    NegotiationOptions,
    enabled=st.booleans(),
    rules=st.builds(Rules, st.integers(3, 9), st.integers(1, 3)),
    mode=st.sampled_from(["auto", "scored", "written"]),
    confidence_threshold=st.none() | shares,
    agree_threshold=shares,
    calibration=calibrations,
    reproducible=st.booleans(),
)
engines = st.builds(
    EngineOptions,
    device=st.none() | st.text(),
    threads=st.none() | st.integers(),
    prompt_format=st.sampled_from([None, "plain", "chat"]),
    adapter=st.none() | st.just(Path("a/b")),
    bits=st.sampled_from([None, 4, 8]),
    decoder=st.sampled_from([None, "own", "transformers"]),
)
specs = st.builds(
    ClassifierSpec,
    model=st.none() | st.text(),
    labels=st.none() | st.just("meld-7") | st.sampled_from([OWN, scheme("cped-13")]),
    context=st.none() | contexts,
    negotiation=st.none() | negotiations,
    engine=engines,
)


def whole(labels: object) -> object:
    """Label sets are equal where prompts show them alike; here, every part counts."""
    return (
        (labels.name, labels.labels, labels.multi_label) if isinstance(labels, LabelSet) else labels
    )


@given(specs)
def test_a_specification_goes_into_json_and_back(spec: ClassifierSpec) -> None:
    found = ClassifierSpec.of(json.loads(json.dumps(spec.as_dict())))
    assert found == spec
    assert whole(found.labels) == whole(spec.labels)
    assert pickle.loads(pickle.dumps(spec)) == spec
    assert ClassifierSpec.of(found.as_dict()) == spec


def test_everything_stands_in_the_file(tmp_path: Path) -> None:
    FULL.save(tmp_path / "spec.json")
    assert ClassifierSpec.read(tmp_path / "spec.json") == FULL
    content = json.loads((tmp_path / "spec.json").read_text("utf-8"))
    assert content["schema"] == 1
    for part in ("context", "negotiation", "engine"):
        options = getattr(FULL, part)
        assert set(content[part]) == set(options.__slots__)


def test_it_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        FULL.model = "other"  # type: ignore[misc]


def broken(*path: str, to: object) -> Callable[[dict[str, Any]], None]:
    def change(content: dict[str, Any]) -> None:
        *steps, last = path
        for step in steps:
            content = content[step]
        content[last] = to

    return change


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (broken("colour", to="red"), r"at 'colour': there is no such key"),
        (broken("context", "colour", to="red"), r"at 'context.colour': there is no such key"),
        (broken("negotiation", "rules", "turns", to=3), r"'negotiation.rules.turns'"),
        (broken("engine", "gpu", to=1), r"'engine.gpu'"),
        (broken("labels", "colour", to="red"), r"'labels"),
        (broken("engine", "threads", to="many"), r"'engine.threads'"),
        (broken("engine", "prompt_format", to="verse"), r"'engine.prompt_format'"),
        (broken("negotiation", "mode", to="sung"), r"'negotiation.mode'"),
        (broken("model", to=3), r"'model'"),
        (broken("negotiation", "agree_threshold", to=1.5), "'agree_threshold' is 1.5"),
        (broken("negotiation", "rules", "max_rounds", to=0), "cannot be met"),
        (broken("schema", to=2), "is of version 2; this sentixrl reads version 1"),
        (broken("schema", to="one"), 'is of version "one"'),
        (broken("schema", to=None), "is of version null"),
    ],
)
def test_what_does_not_fit_is_one_sentence_that_names_file_and_place(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], says: str
) -> None:
    content = FULL.as_dict()
    change(content)
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(content))
    with pytest.raises(ConfigError, match=says) as caught:
        ClassifierSpec.read(path)
    assert str(path) in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b"{", b"\xff\xfe", b"7", b"[" * 100_000, b" " * (MAX_FILE_BYTES + 1)],
    ids=["empty", "list", "cut", "bytes", "number", "deep", "large"],
)
def test_what_is_no_specification_at_all(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "spec.json"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"is not a specification|is larger than"):
        ClassifierSpec.read(path)
    with pytest.raises(ConfigError, match="cannot be read"):
        ClassifierSpec.read(tmp_path / "nowhere.json")


def test_what_is_not_said_is_as_the_bundle_says(tmp_path: Path) -> None:
    bundle = ModelBundle(
        "mood",
        base="x/y",
        labels="meld-7",
        context=ContextOptions(language="zh"),
        negotiation=NegotiationOptions(enabled=False),
    )
    bundle.save(tmp_path / "bundle")
    spec = ClassifierSpec(str(tmp_path / "bundle")).resolved()
    assert (spec.labels, spec.context, spec.negotiation) == (
        "meld-7",
        bundle.context,
        bundle.negotiation,
    )
    assert spec.resolved() == spec
    own = replace(spec, labels="calm, upset", context=ContextOptions(history=False))
    assert own.resolved() == own


def test_a_file_of_labels_is_resolved_into_the_specification(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text("name: own\nlabels:\n  - {name: calm, display: {en: at ease}}\n  - upset\n")
    spec = ClassifierSpec("smollm2-135m", str(path)).resolved()
    path.unlink()
    assert isinstance(spec.labels, LabelSet)
    assert spec.labels["calm"].word("en") == "at ease"
    assert ClassifierSpec.of(spec.as_dict()) == spec
    with pytest.raises(LabelError):
        ClassifierSpec("smollm2-135m", str(path)).resolved()


def test_the_trained_model_s_specification_needs_no_loading() -> None:
    spec = ClassifierSpec().resolved()
    assert spec.labels == "ekman-7"
    assert spec.negotiation == NegotiationOptions(enabled=False)


def test_a_specification_of_nothing_is_one_kind_of_error(tmp_path: Path) -> None:
    (tmp_path / "bundle.json").write_text("{}")
    for spec in (ClassifierSpec(str(tmp_path)), ClassifierSpec(str(tmp_path / "nowhere"))):
        with pytest.raises(ModelError):
            spec.load()


def test_labels_that_make_no_set_are_refused_by_name_of_the_file(tmp_path: Path) -> None:
    content = FULL.as_dict()
    content["labels"]["labels"] *= 2
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(content))
    with pytest.raises(LabelError, match="cannot be used") as caught:
        ClassifierSpec.read(path)
    assert str(path) in caught.value.message


ANSWER = """
import pickle, sys
spec, dialogues = pickle.load(sys.stdin.buffer)
answers = list(spec.load().predict_many(dialogues))
sys.stdout.buffer.write(pickle.dumps(answers))
"""


def test_a_fresh_process_given_the_pickle_answers_the_same(tiny_model: Path) -> None:
    spec = ClassifierSpec(
        str(tiny_model),
        OWN,
        ContextOptions(language="en", window=HistoryWindow(2, 1, 100)),
        NegotiationOptions(rules=Rules(2, 1), correct_priors=True),
        EngineOptions(dtype="float32", threads=1, prompt_format="plain"),
    )
    dialogues: list[list[str | tuple[str, str]]] = [
        [("Ann", "You kept the letter?"), ("Bob", "All these years."), ("Ann", "Why?")],
        ["The rain stopped."],
    ]
    run = subprocess.run(
        [sys.executable, "-c", ANSWER],
        input=pickle.dumps((spec, dialogues)),
        capture_output=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        check=False,
    )
    assert run.returncode == 0, run.stderr.decode()
    there = pickle.loads(run.stdout)
    assert there == list(spec.load().predict_many(dialogues))
    assert there == list(ClassifierSpec.of(spec.as_dict()).load().predict_many(dialogues))


@pytest.mark.parametrize("model", [5, b"x", ["a"], {}])
def test_what_is_no_model_is_refused_by_its_type(model: Any) -> None:  # noqa: ANN401
    with pytest.raises(ConfigError, match=f"not of type '{type(model).__name__}'"):
        load(model)


def test_a_name_that_no_system_takes_is_a_sentence() -> None:
    with pytest.raises(ModelError, match="File name too long"):
        load("a" * 5000)


def test_options_of_another_kind_are_named_as_the_user_knows_them(tiny_model: Path) -> None:
    """As a command's option, or as Python does if no command has it."""
    there = EngineOptions(remote=RemoteOptions(attempts=2))
    with pytest.raises(ConfigError, match=r"^'attempts' is for models on a server"):
        load(tiny_model, engine=there)
    for options in (EngineOptions(decoder="own"), EngineOptions(budget=PackBudget(pack=100))):
        with pytest.raises(ConfigError, match=r"^'(decoder|budget)' is for models on this machine"):
            load("vllm:http://127.0.0.1:9", engine=options)


def test_only_options_that_commands_have_are_named_as_such() -> None:
    commands = (Path(__file__).parents[1] / "docs" / "commands.md").read_text("utf-8")
    parts = {part.name for kind in (EngineOptions, RemoteOptions) for part in fields(kind)}
    named = {part for part in parts if f" --{part.replace('_', '-')} " in commands}
    assert parts - named == PYTHON_ONLY | {"remote"}
