"""Writing deductions for an experiment: each once, side by side, and going on where it stopped."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from sentixrl.classifier import Classifier
from sentixrl.context.building import ContextOptions
from sentixrl.context.prompt import Prompt
from sentixrl.dialogue import Dialogue
from sentixrl.engines.protocol import Failure
from sentixrl.engines.scripted import ScriptedEngine
from sentixrl.errors import ConfigError
from sentixrl.experiments import deducing
from sentixrl.experiments.deducing import write_deductions
from sentixrl.experiments.plan import Writer
from sentixrl.labels import scheme
from sentixrl.runs.deductions import dialogue_digest, read_lines

WRITER = Writer(by="a model", mode="utterance")


def dialogues(number: int) -> list[Dialogue]:
    return [Dialogue.from_texts([f"Is it day {n}?", "It is."], id=f"d{n}") for n in range(number)]


def model_of(engine: ScriptedEngine) -> Classifier:
    return Classifier(engine, scheme("meld-7"), ContextOptions(language="en"))


def written(
    path: Path, wanted: Sequence[Dialogue], engine: ScriptedEngine, said: list[str] | None = None
) -> None:
    write_deductions(
        *(path, wanted, WRITER, lambda: model_of(engine)),
        say=(said if said is not None else []).append,
    )


@pytest.fixture
def pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(deducing, "TOGETHER", 2)


@pytest.mark.usefixtures("pairs")
def test_each_turn_has_its_own_and_what_is_known_is_not_asked_again(tmp_path: Path) -> None:
    path, wanted, said = tmp_path / "deep" / "d.jsonl", dialogues(3), list[str]()
    engine = ScriptedEngine(write=lambda prompt: f"scene {prompt.text.count('It is.')}")
    written(path, wanted, engine, said)
    found = read_lines(path)
    assert list(found) == [dialogue_digest(one) for one in wanted]
    for turns in found.values():
        assert [one and one.scenario for one in turns] == ["scene 0", "scene 1"]
    assert [line.partition(" dialogues")[0] for line in said[1:]] == [
        "deductions of 2/3",
        "deductions of 3/3",
    ]
    asked = len(engine.batches)
    written(path, wanted, engine)
    assert len(engine.batches) == asked
    written(path, dialogues(4), engine)
    assert len(read_lines(path)) == 4


@pytest.mark.usefixtures("pairs")
def test_dialogues_are_asked_side_by_side(tmp_path: Path) -> None:
    engine = ScriptedEngine(write=lambda prompt: "a garden")
    written(tmp_path / "d.jsonl", dialogues(2), engine)
    assert {len(batch) for batch in engine.batches} == {4}  # two turns of each


@pytest.mark.usefixtures("pairs")
def test_what_was_written_before_it_was_stopped_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "d.jsonl"

    def stopping(prompt: Prompt) -> str:
        if "day 2" in prompt.text:
            raise KeyboardInterrupt
        return "a garden"

    with pytest.raises(KeyboardInterrupt):
        written(path, dialogues(4), ScriptedEngine(write=stopping))
    assert len(read_lines(path)) == 2
    engine = ScriptedEngine(write=lambda prompt: "a garden")
    written(path, dialogues(4), engine)
    assert len(read_lines(path)) == 4
    assert not any("day 0" in request.prompt.text for batch in engine.batches for request in batch)


def test_a_deduction_that_fails_names_its_dialogue(tmp_path: Path) -> None:
    def failing(prompt: Prompt) -> str | Failure:
        return Failure("too_long", "It is too long.") if "day 1" in prompt.text else "a garden"

    with pytest.raises(ConfigError, match="A deduction of dialogue 'd1' failed: It is too"):
        written(tmp_path / "d.jsonl", dialogues(3), ScriptedEngine(write=failing))
