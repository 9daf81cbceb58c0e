"""What reaches a terminal is text: no markup, no emoji code, nothing that steers it."""

from __future__ import annotations

import ast
import io
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from rich.text import Text

import sentixrl.cli
from sentixrl.batch.meter import Meter
from sentixrl.cli import batch, progress
from sentixrl.cli.console import (
    Screen,
    answers,
    errors,
    headed,
    new_table,
    note,
    printable,
    short_names,
    styled,
)
from sentixrl.cli.table import LAYOUTS, SHOWN, TEXT_WIDTH, dialogue_table, item_errors
from sentixrl.cli.table import negotiation_view as negotiation
from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.labels import LabelSet
from sentixrl.prediction import (
    DialoguePrediction,
    ItemError,
    Judgement,
    Prediction,
    Proposal,
    Round,
    Status,
    Verdict,
)

from .shell import Shell, make_shell

__all__ = ["make_shell"]

HOSTILE = "[bold]:joy:[/] [x] [/nope] \x1b]0;pwn\x07\x1b[2J\r\u202ea\u2066b\x9bc\u2028d"
STEERING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]")
ODD = st.text(
    st.sampled_from("ab [x]:joy:\\/\x00\x07\x1b\t\n\r\x85\x9b\u200f\u202e\u2068\u2069客é")
)


def printed(*things: object, width: int = 100) -> str:
    screen = Screen()
    screen.file, screen.width = io.StringIO(), width
    screen.print(*things)
    found = screen.file.getvalue()
    assert not STEERING.search(found), found
    return found


@pytest.mark.parametrize("make", [answers, errors])
def test_text_is_printed_as_text(make: type[Screen], capsys: pytest.CaptureFixture[str]) -> None:
    make().print("a/:train:/b [x] [/] \\[y] [link=z]")
    caught = capsys.readouterr()
    assert (caught.out + caught.err).strip() == "a/:train:/b [x] [/] \\[y] [link=z]"


@given(ODD)
def test_nothing_that_is_printed_steers(text: str) -> None:
    table = new_table()
    table.add_column(text)
    table.add_row(text)
    table.add_row(styled((text, "bold"), text))
    printed(text, styled(text), note(text), headed(text, table, text), Text(text))
    assert printable(text) == printable(printable(text))
    assert not STEERING.search(printable(text))


@pytest.mark.parametrize("said", ["runs/{a}/bundle", "models[/old]", "a[bold]b", "{task.id}"])
def test_what_is_waited_for_is_text(
    said: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # a terminal
    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.0)
    monkeypatch.setattr(progress, "_PAUSE", 0.0)
    with progress.waiting(said):
        time.sleep(0.2)
    assert said in capsys.readouterr().err


def test_what_a_job_tells_is_text(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setattr(batch, "_REFRESH", 0.01)
    meter = Meter(9, 3)
    meter.working(2, "worker[/b] {a}")
    with batch._shown(meter, None, str):
        time.sleep(0.3)
    assert "worker[/b] {a}" in capsys.readouterr().err


def test_overrides_are_shown_and_not_obeyed() -> None:
    assert printable("gr\u202eeen\x1b[0m") == r"gr\u202eeen" + "\ufffd[0m"
    assert printable("a\r\n  b\tc\x85d") == "a b c d"
    assert printable("x  y") == "x  y"


def test_only_the_console_prints() -> None:
    """Whoever prints by other means goes round the one place that makes text printable."""
    folder = Path(sentixrl.cli.__file__).parent
    borrowed = {"Console", "ConsoleOptions", "Group", "RenderableType", "RenderResult"}
    for path in folder.glob("*.py"):
        if path.name == "console.py":
            continue
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom):
                assert node.module not in {"rich", "rich.markup"}, path.name
                if node.module == "rich.console":
                    assert {name.name for name in node.names} <= borrowed, path.name
            if isinstance(node, ast.Call):
                called = ast.unparse(node.func)
                assert called not in {
                    "print",
                    "Console",
                    "Text",
                    "Text.assemble",
                    "Text.from_markup",
                }, f"{path.name}:{node.lineno}"
                keywords = {keyword.arg for keyword in node.keywords}
                assert not keywords & {"markup", "emoji", "highlight"}, f"{path.name}:{node.lineno}"


LABELS = LabelSet("set " + "[x]\u202e", ["jo[y]", ":sob:", "an\u202eger"])


def answered(
    *labels: str | None, speakers: list[str], texts: list[str]
) -> tuple[Dialogue, DialoguePrediction]:
    turns = tuple(
        Utterance(text, speaker=speaker) for text, speaker in zip(texts, speakers, strict=True)
    )
    judged = Judgement(Verdict.DISAGREE, ":sob:", HOSTILE)
    rounds = (Round(1, Proposal("jo[y]", HOSTILE), judged),)
    items = tuple(
        Prediction(
            index,
            Status.SINGLE if label else Status.ERROR,
            label,
            confidence=0.87 if label else None,
            rounds=rounds,
            error=None if label else ItemError("odd", f"Odd {HOSTILE}.", f"Try {HOSTILE}."),
        )
        for index, label in enumerate(labels)
    )
    name = f"d{HOSTILE}"
    return Dialogue(name, turns), DialoguePrediction(name, "en", "m", "1", items)


def test_every_view_of_a_dialogue_is_text() -> None:
    pair = answered(
        *("jo[y]", ":sob:", "an\u202eger", None),
        speakers=[HOSTILE, ":train:", "[/]", "Ann"],
        texts=[HOSTILE, "[red]hi[/red]", ":joy:", "a\u2068b\u2069c"],
    )
    for view in (dialogue_table, negotiation):
        for width in (20, 40, 60, 100, 200):
            printed(view(*pair, LABELS), width=width)
        wide = printed(view(*pair, LABELS), width=200)
        for text in ("jo[y]", ":sob:", r"an\u202eger", "[red]hi[/red]", ":joy:", "abc", ":train:"):
            assert text in wide
    [line] = item_errors(pair[1])
    assert "[bold]:joy:[/] [x] [/nope]" in printed(line, width=1000)


@pytest.mark.parametrize("width", range(20, 120, 4))
def test_a_narrow_terminal_keeps_the_text(width: int) -> None:
    pair = answered("jo[y]", ":sob:", speakers=["Annabella", "Bo"], texts=["seven words", "more"])
    shown = printed(dialogue_table(*pair, LABELS), width=width)
    rows = [line for line in shown.splitlines() if line.strip()]
    assert all(len(line) <= width for line in rows)
    assert "text" in shown
    assert "jo[y]" in shown
    assert "more" in shown
    assert ("█" in shown) >= (width >= 80)
    assert ("█" in shown) <= (width >= 68)


def test_bars_go_first_and_the_text_never() -> None:
    assert [layout.bars for layout in LAYOUTS] == [True, *[False] * (len(LAYOUTS) - 1)]
    pair = answered("jo[y]", speakers=["Ann"], texts=["x" * 300])
    for width in range(TEXT_WIDTH + 16, 140, 3):
        shown = printed(dialogue_table(*pair, LABELS), width=width)
        assert max(map(len, re.findall("x+", shown))) >= TEXT_WIDTH - 2, shown


def test_a_turn_of_megabytes_is_cut() -> None:
    pair = answered("jo[y]", speakers=["s" * 3_000_000], texts=["word " * 600_000])
    for view in (dialogue_table, negotiation):
        shown = printed(view(*pair, LABELS))
        assert len(shown) < 8 * SHOWN
        assert "2,998,000 more characters" in " ".join(shown.split())


def test_speakers_that_differ_are_shown_apart() -> None:
    names = [
        "Customer Service Agent 1", "Customer Service Agent 2", "Service Robot Number 1 of 9",
        "Service Robot Number 2 of 9", "x" * 40, "x" * 41, "客" * 30, "客" * 31,
        "Zo\u00e9", "Zoe\u0301", "Ann", "Ann\u200b", "Ann\x1b", "Ann\x07",
    ]  # fmt: skip
    shown = short_names(names, 18)
    assert len(set(shown.values())) == len(names)
    assert shown["Ann"] == "Ann"
    assert all(cell_len(name) <= 18 for name in shown.values())
    assert shown[names[0]].endswith("Agent 1")


@given(st.lists(ODD, max_size=8), st.integers(9, 20))
def test_names_are_short_and_apart(names: list[str], width: int) -> None:
    shown = short_names(names, width)
    assert len(set(shown.values())) == len(set(names))
    assert all(cell_len(name) <= width for name in shown.values())


def test_names_of_label_sets_files_and_folders(shell: Shell, tmp_path: Path) -> None:
    answer = shell("labels", ":joy:, [x], [/], \\[b]")
    assert answer.code == 0
    for name in (":joy:", "[x]", "[/]", "\\[b]"):
        assert name in answer.out
    folder = tmp_path / "a:train:[x]\x1b[31m\u202e"
    folder.mkdir()
    for command in (
        ("classify", folder / "talk.txt"),
        ("labels", folder / "own.yaml"),
        ("train", folder / "recipe.yaml", "--out", folder),
        ("datasets", "check", "meld", folder),
        ("compare", folder, folder / "b"),
    ):
        answer = shell(*command)
        said = answer.out + answer.err
        assert answer.code == 2
        assert "Traceback" not in said
        assert re.search(r":train:\[x\](\ufffd|\\x1b)\[31m\\u202e", said), said
        assert "\u202e" not in said
