"""What tests are skipped without: the shared folder of small inputs, the models that come along."""

from __future__ import annotations

from pathlib import Path

import pytest

from sentixrl.bundle import RELEASES

_FOLDERS = [folder / "shared" / "cases" for folder in Path(__file__).resolve().parents]
CASES = next((folder for folder in _FOLDERS if folder.is_dir()), _FOLDERS[0])

needs_released_models = pytest.mark.skipif(
    not all(base.installed for base in RELEASES.values()),
    reason="; ".join(f"sentixrl models install {name}" for name in RELEASES),
)
"""Marks a test that runs the trained models that come along."""
