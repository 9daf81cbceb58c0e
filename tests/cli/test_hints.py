"""No hint names an option that the command at hand lacks."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import sentixrl
from sentixrl.cli.hints import command_of, fitting, lacking
from sentixrl.errors import InputError

from .shell import OPTIONS, Shell, make_shell

__all__ = ["make_shell"]

ROOT = Path(sentixrl.__file__).parent
OTHERS = frozenset(
    {"--no-deps", "--dest", "--quiet", "--upgrade", "--multi_gpu", "--disable-pip-version-check"}
)
"""Options of pip and of accelerate."""


def _words(node: ast.AST) -> str:
    """A text's words, what is filled in left out."""
    parts = (part.value for part in ast.walk(node) if isinstance(part, ast.Constant))
    return "".join(part for part in parts if isinstance(part, str))


def hints() -> Iterator[tuple[str, str]]:
    """Place and text of every hint in the package, written where it is raised or as a constant."""
    for path in sorted(ROOT.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            for keyword in node.keywords if isinstance(node, ast.Call) else ():
                if keyword.arg == "hint":
                    yield f"{path.name}:{keyword.value.lineno}", _words(keyword.value)
            if isinstance(node, ast.Assign) and "HINT" in ast.unparse(node.targets[0]).upper():
                yield f"{path.name}:{node.lineno}", _words(node.value)


HINTS = dict(hints())
NAMING = {place: text for place, text in HINTS.items() if "--" in text}


def test_the_walk_finds_them() -> None:
    assert len(HINTS) > 150
    assert len(NAMING) > 15


@pytest.mark.parametrize("place", NAMING)
def test_every_option_that_a_hint_names_exists(place: str) -> None:
    named = set(re.findall(r"--[a-z][\w-]*", NAMING[place]))
    assert named <= frozenset().union(OTHERS, *OPTIONS.values()), named


@pytest.mark.parametrize("command", OPTIONS)
def test_no_hint_shown_names_an_option_that_the_command_lacks(command: str) -> None:
    for place, text in NAMING.items():
        assert not lacking(fitting(text, command, OPTIONS), command, OPTIONS), place


@pytest.mark.parametrize(
    ("hint", "command", "shown"),
    [
        (
            "Check the path; '-' reads standard input, and --text takes the text itself.",
            "compare",
            "Check the path; '-' reads standard input.",
        ),
        (
            "Remove it. A file full of NULs is often UTF-16: try --encoding utf-16.",
            "labels",
            "Remove it.",
        ),
        ("Name it: --columns text=NAME.", "models list", ""),
        ("Try --encoding utf-16.", "classify", "Try --encoding utf-16."),
        ("Install it: sentixrl models install --source X.", "classify", None),
        ("Upgrade it: pip install --upgrade torch.", "classify", None),
        ("Leave --labels out; it is for others.", "classify", None),
        ("Use --adapter.", None, None),
        (
            "Name them with --labels joy,anger.",
            "train",
            "Name them with 'labels: joy,anger' in the recipe.",
        ),
        ("Leave --split out.", "train", "Leave 'split' in the recipe out."),
    ],
)
def test_what_is_shown(hint: str, command: str | None, shown: str | None) -> None:
    assert fitting(hint, command, OPTIONS) == (hint if shown is None else shown)


def test_which_command_is_called() -> None:
    assert command_of(["classify", "models"], OPTIONS) == "classify"
    assert command_of(["datasets", "fetch", "meld"], OPTIONS) == "datasets fetch"
    assert command_of(["--version"], OPTIONS) is None
    assert command_of(["nothing", "here"], OPTIONS) is None


def test_the_command_line_shows_what_fits(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: object) -> None:
        raise InputError("No.", hint="Try --encoding utf-16. Or look at it.")

    monkeypatch.setattr("sentixrl.cli.labels.resolve_labels", fail)
    assert shell.refuses("labels", "x").splitlines()[1] == "Hint: Or look at it."
