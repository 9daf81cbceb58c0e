"""The command line as tests call it, and what came back."""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import Any

import pytest
import typer.main

from sentixrl.cli.hints import command_of, lacking, options_of
from sentixrl.cli.main import app, run

OPTIONS = options_of(typer.main.get_command(app))


@dataclass(frozen=True)
class Answer:
    """Exit code, standard output, standard error."""

    code: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        """Standard output as one JSON object a line."""
        return [json.loads(line) for line in self.out.splitlines()]

    @property
    def flat(self) -> str:
        """Standard output without the terminal's line breaks."""
        return " ".join(self.out.split())


class Shell:
    """Calls commands as a person would, in a terminal without colours.

    Args:
        capsys: Catches what they print.
        monkeypatch: Sets what they read.
    """

    def __init__(self, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
        self._capsys, self._patch = capsys, monkeypatch
        for name in ("FORCE_COLOR", "TTY_COMPATIBLE"):
            monkeypatch.delenv(name, raising=False)
        monkeypatch.setenv("COLUMNS", "110")

    def __call__(self, *arguments: object, stdin: bytes | None = None) -> Answer:
        self._capsys.readouterr()
        if stdin is not None:
            self._patch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(stdin), "utf-8"))
        code = run([str(argument) for argument in arguments])
        caught = self._capsys.readouterr()
        return Answer(code, caught.out, caught.err)

    def refuses(self, *arguments: object, stdin: bytes | None = None) -> str:
        """The sentence with which a call was refused, and its hint."""
        answer = self(*arguments, stdin=stdin)
        assert answer.code == 2, answer
        assert answer.err.startswith("Error: "), answer
        assert "Traceback" not in answer.err
        assert answer.out == ""
        sentence, *hint = answer.err.splitlines()
        assert sentence.endswith((".", "!", "?", ")")), sentence
        assert len(hint) <= 1, answer.err
        assert all(line.startswith("Hint: ") for line in hint)
        assert all(line.isprintable() for line in (sentence, *hint))
        if command := command_of([str(argument) for argument in arguments], OPTIONS):
            assert not lacking(" ".join(hint), command, OPTIONS), hint
        return answer.err


@pytest.fixture(name="shell")
def make_shell(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Shell:
    return Shell(capsys, monkeypatch)
