"""SANM's specification: frozen, and printed beside its page."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parents[1]
FROZEN = {1: "b11a94056235ccbdad17e54d205e750e234ced8f782515ec77850653fea2f2ac"}
"""Version → hash. A changed hash is a new version: add it, and say in docs/sanm.md what changed."""


@pytest.fixture(scope="module")
def script() -> ModuleType:
    path = ROOT / "scripts/sanm_specification.py"
    spec = importlib.util.spec_from_file_location("sanm_specification", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["sanm_specification"] = module
    spec.loader.exec_module(module)
    return module


def test_the_version_is_frozen_and_its_page_says_so(script: ModuleType) -> None:
    assert script.digest() == FROZEN[script.VERSION]
    page = (ROOT / "docs/sanm.md").read_text("utf-8")
    assert f"version {script.VERSION}." in page
    assert f"`{FROZEN[script.VERSION]}`" in page


def test_the_prompts_beside_it_are_those_of_the_program(script: ModuleType) -> None:
    page = script.prompts_page()
    assert (ROOT / "docs/sanm-prompts.md").read_text("utf-8") == page
    for language in ("English", "Chinese"):
        for mode in ("scored", "written"):
            assert f"## {language}, {mode} mode" in page
    assert page.count("answered *fear*") == page.count("answered *恐惧*") == 4
