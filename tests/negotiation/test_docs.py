"""docs/sanm.md is executable: its Python runs from top to bottom, asserts included."""

from __future__ import annotations

import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "sanm.md"
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_page_runs() -> None:
    text = PAGE.read_text("utf-8")
    blocks = list(BLOCK.finditer(text))
    assert len(blocks) == text.count("```python") > 10
    world: dict[str, object] = {"__name__": "sanm"}
    for block in blocks:
        # Empty lines before a block, so that a failed assert names its line of the page.
        before = "\n" * text.count("\n", 0, block.start(1))
        exec(compile(before + block[1], str(PAGE), "exec"), world)
