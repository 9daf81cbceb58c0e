"""Groups of options: declared once, given to any command, read as one object."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from sentixrl import ClassifierSpec, EngineOptions, ModelBundle, NegotiationOptions, Rules
from sentixrl.cli.arguments import DeductionChoice, ModeChoice, PromptFormatChoice
from sentixrl.cli.classify import classify
from sentixrl.cli.data import DataOptions
from sentixrl.cli.evaluate import evaluate
from sentixrl.cli.groups import OptionGroup, with_groups
from sentixrl.cli.options import MODEL_OPTIONS, ModelOptions
from sentixrl.context.building import ContextOptions
from sentixrl.context.window import HistoryWindow
from sentixrl.engines.options import RemoteOptions
from sentixrl.errors import ConfigError, SentixError
from sentixrl.labels import read_label_file

from .shell import Shell, make_shell

__all__ = ["make_shell"]


@dataclass(frozen=True)
class Paint(OptionGroup):
    """How something is painted."""

    colour: Annotated[str, typer.Option(help="Which colour.")]
    coats: Annotated[int, typer.Option("--coats", "-c", min=1)] = 2


@dataclass(frozen=True)
class Place(OptionGroup):
    """Where something stands."""

    room: Annotated[str | None, typer.Option()] = None


def invoke(*arguments: str) -> tuple[int, str, list[Any]]:
    seen: list[Any] = []

    @with_groups
    def build(
        name: Annotated[str, typer.Argument()], *, paint: Paint, loud: bool = False, place: Place
    ) -> None:
        """Build it."""
        seen.extend([name, paint, loud, place])

    app = typer.Typer()
    app.command()(build)
    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, result.output, seen


def test_a_command_gets_its_groups_whole() -> None:
    code, output, seen = invoke("chair", "--colour", "red", "--loud", "-c", "3", "--room", "hall")
    assert (code, output) == (0, "")
    assert seen == ["chair", Paint("red", 3), True, Place("hall")]
    assert invoke("chair", "--colour", "red")[2] == ["chair", Paint("red"), False, Place()]


def test_what_a_group_requires_and_bounds_is_checked_as_any_option() -> None:
    code, output, seen = invoke("chair")
    assert (code, seen) == (2, [])
    assert "--colour" in output
    code, output, seen = invoke("chair", "--colour", "red", "--coats", "0")
    assert (code, seen) == (2, [])
    assert "--coats" in output


def test_help_names_the_options_of_all_groups() -> None:
    code, output, _ = invoke("--help")
    assert code == 0
    for part in ("--colour", "Which colour.", "--coats", "--room", "--loud", "Build it."):
        assert part in output


@pytest.mark.parametrize(
    ("command", "groups"), [(classify, [ModelOptions]), (evaluate, [ModelOptions, DataOptions])]
)
def test_commands_have_all_options_of_their_groups(command: Any, groups: list[Any]) -> None:  # noqa: ANN401
    names = list(inspect.signature(command).parameters)
    assert len(names) == len(set(names))
    for group in groups:
        assert {part.name for part in fields(group)} <= set(names)
        assert group not in inspect.signature(command).parameters.values()


def test_no_option_leaves_the_specification_as_the_bundle_says(tmp_path: Path) -> None:
    bundle = ModelBundle(
        "mood",
        base="x/y",
        labels="meld-7",
        context=ContextOptions(language="zh", glosses=True, window=HistoryWindow(9, 3, 300)),
        negotiation=NegotiationOptions(enabled=False, rules=Rules(5, 2), agree_threshold=0.25),
    )
    bundle.save(tmp_path / "bundle")
    plain = ModelOptions(str(tmp_path / "bundle")).spec()
    assert plain == ClassifierSpec(str(tmp_path / "bundle")).resolved()
    assert plain.context == bundle.context
    assert plain.negotiation == bundle.negotiation


def test_every_option_stands_in_the_specification(tmp_path: Path) -> None:
    ModelBundle("mood", base="x/y").save(tmp_path / "bundle")
    options = ModelOptions(
        model=str(tmp_path / "bundle"),
        window=5,
        negotiate=False,
        rounds=4,
        agreements=2,
        confidence_threshold=0.75,
        mode=ModeChoice.WRITTEN,
        deduction=DeductionChoice.ANCHOR,
        language="es",
        prompt_format=PromptFormatChoice.PLAIN,
        adapter=tmp_path / "adapter",
        device="cpu",
        dtype="float32",
        bits=8,
        threads=1,
        discriminator="another",
        concurrency=3,
        rotations=2,
        timeout=9.5,
        max_requests=100,
        max_tokens=1000,
        prior="calm=0.75, upset=0.25",
        sets=0.9,
        glosses=True,
        fast=True,
    )
    assert all(getattr(options, name) is not None for name in MODEL_OPTIONS)
    spec = options.spec("calm, upset")
    assert spec.labels == "calm, upset"
    assert spec.engine == EngineOptions(
        device="cpu",
        dtype="float32",
        threads=1,
        prompt_format="plain",
        adapter=tmp_path / "adapter",
        bits=8,
        remote=RemoteOptions(
            concurrency=3, timeout=9.5, max_requests=100, max_tokens=1000, rotations=2
        ),
    )
    assert spec.context == ContextOptions(
        deduction="anchor", glosses=True, language="es", window=HistoryWindow().of_turns(5)
    )
    assert spec.negotiation is not None
    assert spec.negotiation == NegotiationOptions(
        enabled=False,
        rules=Rules(4, 2),
        mode="written",
        confidence_threshold=0.75,
        reproducible=False,
        discriminator="another",
        prior={"calm": 0.75, "upset": 0.25},
        sets=0.9,
    )
    assert ClassifierSpec.of(spec.as_dict()) == spec


def test_labels_of_ones_own_are_explained_unless_the_model_knows_them(tmp_path: Path) -> None:
    own = tmp_path / "own.yaml"
    own.write_text("name: own\nlabels: [{name: calm, description: at ease}, upset]\n", "utf-8")
    ModelBundle("mood", base="x/y").save(tmp_path / "plain")
    ModelBundle("mood", base="x/y", labels=read_label_file(own)).save(tmp_path / "taught")

    def explained(model: str, labels: str | None, glosses: bool | None = None) -> bool:
        context = ModelOptions(str(tmp_path / model), glosses=glosses).spec(labels).context
        assert context is not None
        return context.glosses

    assert explained("plain", str(own))
    assert not explained("plain", str(own), glosses=False)
    assert not explained("plain", "meld-7")
    assert explained("plain", "meld-7", glosses=True)
    assert not explained("taught", str(own))  # it was trained on them without
    assert not explained("taught", None)
    assert not explained("plain", "calm, upset")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"bits": 3}, "--bits is 3"),
        ({"language": "tlh"}, "tlh"),
        ({"rounds": 1, "agreements": 2}, "cannot be met"),
        ({"confidence_threshold": 1.5}, "'confidence_threshold' is 1.5"),
    ],
)
def test_options_that_do_not_fit_are_refused_before_anything_is_loaded(
    options: dict[str, Any], says: str
) -> None:
    with pytest.raises(SentixError, match=says):
        ModelOptions(**options).spec()


def test_more_threads_than_cores_is_one_sentence(
    shell: Shell, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sentixrl.engines.local.threads.available_cores", lambda: 2)
    command = ("classify", "--text", "Well.", "-m", tiny_model, "--dtype", "float32", "--json")
    said = shell.refuses(*command, "--threads", "3")
    assert "3 threads were asked for, and this process may use 2 core(s)." in said
    assert "--threads" in said
    assert shell(*command, "--threads", "1").code == 0
    with pytest.raises(ConfigError, match="0 threads"):
        ModelOptions(str(tiny_model), threads=0).load()


def test_fast_computes_dialogues_together(shell: Shell, tiny_model: Path) -> None:
    command = ("classify", "-", "-m", tiny_model, "--dtype", "float32", "--threads", "1", "--json")
    talk = b"Ann: You kept it?\n\nBob: No.\n\nAnn: All these years.\n"
    alone, together = (shell(*command, *more, stdin=talk) for more in ((), ("--fast",)))
    assert (alone.code, together.code) == (0, 0)
    for one, other in zip(alone.objects, together.objects, strict=True):
        assert one["id"] == other["id"]
        for mine, theirs in zip(one["utterances"], other["utterances"], strict=True):
            assert theirs["probabilities"] == pytest.approx(mine["probabilities"], abs=1e-4)
    assert ModelOptions(str(tiny_model), fast=True).load().negotiation.reproducible is False
    assert ModelOptions(str(tiny_model)).load().negotiation.reproducible is True
