"""The calls on the page "Serve" run as they stand."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from .services import PATIENCE, live, service

PAGE = (Path(__file__).parents[2] / "docs" / "serve.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(sh|python|js)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
STATUSES = {
    status
    for row in re.findall(r"^\| (\d{3}(?:, \d{3})*) \|", PAGE, re.MULTILINE)
    for status in row.split(", ")
}


@pytest.fixture(name="address", scope="module")
def make_address() -> Iterator[str]:
    with live(service()) as address:
        yield address


def names(block: tuple[str, str]) -> str:
    found = re.search(r"^(?:import|from) (\w+)", block[1], re.MULTILINE)
    return found[1] if found else block[0]


@pytest.mark.parametrize("block", BLOCKS, ids=names)
def test_calls_run(block: tuple[str, str], address: str, tmp_path: Path) -> None:
    language, text = block
    text = text.replace("http://127.0.0.1:8000", address)
    if language == "python":
        pytest.importorskip(names(block))
        exec(compile(text, "docs/serve.md", "exec"), {"__name__": "serve"})
        return
    program = {"sh": "curl", "js": "node"}[language]
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not installed")
    script = tmp_path / f"call.{'mjs' if language == 'js' else 'sh'}"
    script.write_text(text, "utf-8")
    runner = "node" if language == "js" else "bash"
    found = subprocess.run(
        [runner, str(script)], capture_output=True, text=True, timeout=PATIENCE, check=True
    )
    assert "neutral" in found.stdout
    if language == "js":
        assert sorted(found.stdout.split("\n")) == ["", "0 0 neutral", "0 1 neutral", "1 0 neutral"]


def test_every_status_is_told() -> None:
    assert len(BLOCKS) == 6
    source = Path(__file__).parents[2] / "src" / "sentixrl" / "serve"
    given = {
        status
        for path in source.rglob("*.py")
        for status in re.findall(r"(?:RefusedError|_closing)\(\s*(\d{3})", path.read_text("utf-8"))
    }
    assert given - {"499"} == STATUSES - {"500"}
