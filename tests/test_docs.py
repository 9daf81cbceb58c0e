"""Pages that are executable: their Python runs from top to bottom, asserts included."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from .cases import needs_released_models

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
STEP = re.compile(r"^```(?P<kind>sh|python)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
COMMAND = '#!/bin/sh\nexec "{}" -m sentixrl "$@"\n'


def run(page: str, blocks: int) -> None:
    path = DOCS / page
    text = path.read_text("utf-8")
    found = list(BLOCK.finditer(text))
    assert len(found) == text.count("```python") >= blocks
    world: dict[str, object] = {"__name__": path.stem}
    for block in found:
        # Empty lines before a block, so that a failed assert names its line of the page.
        before = "\n" * text.count("\n", 0, block.start(1))
        exec(compile(before + block[1], str(path), "exec"), world)


def test_negotiation_is_what_its_page_says() -> None:
    run("sanm.md", 11)


@pytest.fixture
def beside_the_examples(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the examples in it, as the working directory, and the command on the path."""
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    command = tmp_path / "bin" / "sentixrl"
    command.parent.mkdir()
    command.write_text(COMMAND.format(sys.executable))
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{command.parent}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, sys.path)))
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.bundled
@needs_released_models
def test_batch_recipes_are_what_their_page_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("polars")
    pytest.importorskip("datasets")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_DATASETS_CACHE", str(tmp_path / "cache"))
    run("batch.md", 4)


@pytest.mark.bundled
@needs_released_models
@pytest.mark.parametrize("page", ["integrations.md", "coming-from.md", "confidence.md"])
def test_what_stands_beside_the_examples_runs(page: str, beside_the_examples: Path) -> None:
    walk(DOCS / page, 2)


def walk(page: Path, least: int = 4) -> None:
    """Do what a page says: its shell commands and its Python, in their order."""
    text = page.read_text("utf-8")
    world: dict[str, object] = {"__name__": page.stem}
    steps = list(STEP.finditer(text))
    assert len(steps) >= least
    assert sum(step["kind"] == "python" for step in steps) == text.count("```python")
    for step in steps:
        before = "\n" * text.count("\n", 0, step.start("text"))
        if step["kind"] == "python":
            exec(compile(before + step["text"], str(page), "exec"), world)
            continue
        done = subprocess.run(["bash", "-euc", step["text"]], capture_output=True, text=True)
        assert done.returncode == 0, f"{step['text']}\n{done.stderr}"


@pytest.mark.bundled
@needs_released_models
@pytest.mark.parametrize(
    "page", sorted((DOCS / "tutorials").glob("*.md")), ids=lambda page: page.stem
)
def test_a_tutorial_can_be_followed(page: Path, beside_the_examples: Path) -> None:
    if "curl" in page.read_text("utf-8") and shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    try:
        walk(page)
    finally:  # what a tutorial began and, if a step failed, did not end
        for begun in beside_the_examples.glob("*.pid"):
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(begun.read_text()), signal.SIGTERM)


@pytest.mark.bundled
@needs_released_models
def test_python_is_what_its_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run("python.md", 7)
