"""Models that a process holds: shared where they are the same, loaded anew where they changed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sentixrl import ClassifierSpec, EngineOptions, ModelBundle, NegotiationOptions, loaded
from sentixrl.engines.roles import roles_of
from sentixrl.engines.scripted import ScriptedEngine
from sentixrl.loaded import classifier_of

LABELS = "calm, annoyed"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """The names of the models that were loaded; a stand-in is loaded instead of each."""
    names: list[str] = []

    def stand_in(bundle: ModelBundle, options: EngineOptions) -> ScriptedEngine:
        names.append(bundle.name)
        return ScriptedEngine(name=bundle.name)

    monkeypatch.setattr("sentixrl.spec.open_bundle", stand_in)
    loaded.release()
    yield names
    loaded.release()


def saved(folder: Path, judge: str | None = None, base: str = "x/y") -> str:
    """A bundle's folder."""
    negotiation = NegotiationOptions(discriminator=judge)
    ModelBundle(folder.name, base, labels="calm, upset", negotiation=negotiation).save(folder)
    return str(folder)


def judge_of(spec: ClassifierSpec) -> str | None:
    """The name of the model that judges, if it is another one."""
    judge = roles_of(classifier_of(spec).engine)[1]
    return None if judge is None else judge.name


def test_options_and_labels_share_a_model(opened: list[str], tmp_path: Path) -> None:
    spec = ClassifierSpec(saved(tmp_path / "mine"), LABELS)
    once = NegotiationOptions(enabled=False)
    engines = [
        classifier_of(one).engine
        for one in (spec, replace(spec, labels=None), replace(spec, negotiation=once), spec)
    ]
    assert opened == ["mine"]
    assert len(set(map(id, engines))) == 1
    assert not classifier_of(replace(spec, negotiation=once)).negotiation.enabled
    assert classifier_of(spec).negotiation.enabled


def test_the_discriminator_is_the_specification_s(opened: list[str], tmp_path: Path) -> None:
    kind, stern = saved(tmp_path / "kind"), saved(tmp_path / "stern")
    alone = ClassifierSpec(saved(tmp_path / "alone"), LABELS)
    assert judge_of(alone) is None
    assert judge_of(alone.judged_by(kind)) == "kind"
    assert judge_of(alone.judged_by(stern)) == "stern"
    judged = ClassifierSpec(saved(tmp_path / "judged", kind), LABELS)
    assert judge_of(judged) == judge_of(judged.judged_by(kind)) == "kind"
    assert judge_of(judged.judged_by(stern)) == "stern"
    assert judge_of(replace(judged, negotiation=NegotiationOptions())) is None
    assert opened.count("judged") == 3
    assert classifier_of(judged.judged_by(stern)).negotiation.discriminator == stern


@pytest.mark.parametrize("changed", ["model", "base", "adapter", "judge", "judge_base"])
def test_what_has_changed_since_is_loaded_anew(
    opened: list[str], tmp_path: Path, changed: str
) -> None:
    places = {name: tmp_path / name for name in ("model", "base", "adapter", "judge", "judge_base")}
    for name in ("base", "adapter", "judge_base"):
        places[name].mkdir()
    judge = saved(places["judge"], base=str(places["judge_base"]))
    model = saved(places["model"], judge, str(places["base"]))
    spec = ClassifierSpec(model, LABELS, engine=EngineOptions(adapter=places["adapter"]))
    negotiating = replace(spec, negotiation=NegotiationOptions(discriminator=judge))
    first = classifier_of(negotiating).engine
    assert classifier_of(negotiating).engine is first
    (places[changed] / "model.safetensors").write_bytes(b"other weights")
    assert classifier_of(negotiating).engine is not first
    assert len(opened) == 4


def test_what_changes_while_it_is_loaded_is_loaded_anew(
    opened: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, load = ClassifierSpec(saved(tmp_path / "mine"), LABELS), ClassifierSpec.load

    def overtaken(spec: ClassifierSpec) -> object:
        (tmp_path / "mine" / "weights").touch()
        return load(spec)

    with monkeypatch.context() as patch:
        patch.setattr(ClassifierSpec, "load", overtaken)
        classifier_of(spec)
    classifier_of(spec)
    assert opened == ["mine", "mine"]
