"""The command as a process: its streams closed or broken, stopped while it is only starting."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from sentixrl import __main__ as entry
from sentixrl import __version__

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="descriptors of POSIX")
SENTIXRL = (sys.executable, "-m", "sentixrl")


def environment(*first: Path) -> Mapping[str, str]:
    paths = os.pathsep.join([*map(str, first), *filter(None, sys.path)])
    return {**os.environ, "PYTHONPATH": paths, "COLUMNS": "100"}


def called(*words: str, redirect: str = "", **more: Any) -> subprocess.CompletedProcess[str]:  # noqa: ANN401
    """The command through a shell, which can close and redirect what subprocess cannot."""
    line = f'"$@" {redirect}'
    return subprocess.run(
        ["sh", "-c", line, "sh", *SENTIXRL, *words],
        capture_output=True,
        text=True,
        env=environment(),
        timeout=120,
        check=False,
        **more,
    )


def test_python_dash_m() -> None:
    found = called("--version")
    assert (found.returncode, found.stdout.strip(), found.stderr) == (0, __version__, "")


@pytest.mark.parametrize(
    ("redirect", "says"),
    [
        (">&-", "Error: Standard output is closed.\n"),
        (">/dev/full", "No space left on device.\n"),
    ],
)
def test_answers_that_arrive_nowhere_are_an_error(redirect: str, says: str) -> None:
    found = called("schema", "input", redirect=redirect)
    assert found.returncode == 2
    assert says in found.stderr
    assert "Traceback" not in found.stderr
    assert "ignored" not in found.stderr


@pytest.mark.parametrize("redirect", ["2>&-", ">&- 2>&-"])
def test_without_a_standard_error_nothing_is_said(redirect: str) -> None:
    found = called("labels", "nonsense", redirect=redirect)
    assert (found.returncode, found.stdout, found.stderr) == (2, "", "")


def test_a_reader_that_leaves_is_nothing_to_talk_about() -> None:
    reader, writer = os.pipe()
    os.close(reader)
    found = subprocess.run(
        [*SENTIXRL, "schema", "output"],
        stdout=writer,
        stderr=subprocess.PIPE,
        env=environment(),
        check=False,
    )
    os.close(writer)
    assert (found.returncode, found.stderr) == (2, b"")


def test_standard_input_that_is_closed_is_one_sentence() -> None:
    found = called("classify", "-", redirect="<&-")
    assert found.returncode == 2
    assert found.stderr.startswith("Error: Standard input is closed")
    assert "Traceback" not in found.stderr


SLOW = """
import sys, time
sys.stderr.write("loading")
sys.stderr.flush()
try:
    time.sleep(60)
except KeyboardInterrupt:
    {then}
"""


@pytest.mark.parametrize("package", ["typer", "pydantic"])
@pytest.mark.parametrize("way", ["-m", "command"])
def test_ctrl_c_while_it_starts_is_one_word(tmp_path: Path, package: str, way: str) -> None:
    (tmp_path / f"{package}.py").write_text(SLOW.format(then="raise"))
    start = "from sentixrl.__main__ import main; main()"
    words = SENTIXRL if way == "-m" else (sys.executable, "-c", start)
    process = subprocess.Popen(
        [*words, "classify", "--text", "hi"], stderr=subprocess.PIPE, env=environment(tmp_path)
    )
    assert process.stderr is not None
    assert process.stderr.read(7) == b"loading"
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert (process.returncode, said) == (130, b"Stopped.\n")


def test_the_command_and_the_module_are_one() -> None:
    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text("utf-8"))
    assert project["project"]["scripts"]["sentixrl"] == f"{entry.__name__}:{entry.main.__name__}"
