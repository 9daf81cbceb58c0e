"""Pages that are executable: their Python runs from top to bottom, asserts included."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sentixrl.engines.local import bundled

DOCS = Path(__file__).parents[1] / "docs"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


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


@pytest.mark.bundled
@pytest.mark.skipif(not bundled.SMOLLM.installed, reason="sentixrl models install")
def test_python_is_what_its_page_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run("python.md", 7)
