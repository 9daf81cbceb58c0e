"""The public names: each is there, told to type checkers as it is loaded, and costs no import."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import sentixrl


@pytest.mark.parametrize("name", sentixrl.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(sentixrl, name) is not None
    assert name in dir(sentixrl)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = sentixrl.nothing


def test_type_checkers_are_told_what_is_loaded() -> None:
    tree = ast.parse(Path(sentixrl.__file__).read_text("utf-8"))
    [block] = [node for node in tree.body if isinstance(node, ast.If)]
    told = {
        name.name: str(node.module).removeprefix("sentixrl.")
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for name in node.names
    }
    assert told == sentixrl._ROOMS
    assert {*told, "__version__"} == set(sentixrl.__all__)


def test_importing_the_package_imports_nothing_heavy() -> None:
    heavy = "{'numpy', 'pydantic', 'torch', 'yaml'}"
    code = f"import sys, sentixrl; print(sorted({heavy} & set(sys.modules)))"
    found = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=True,
        env={"PYTHONPATH": ":".join(filter(None, sys.path))},
    )
    assert found.stdout.strip() == "[]"
