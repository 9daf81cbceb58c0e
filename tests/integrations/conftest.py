"""Fixtures: a stand-in instead of models, and none that stays in memory between tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from sentixrl import loaded
from sentixrl.spec import ClassifierSpec

from .stand_in import stand_in_for_models


@pytest.fixture
def loads(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[ClassifierSpec]]:
    """What was loaded, while every specification loads the stand-in."""
    loaded.release()
    yield stand_in_for_models(monkeypatch)
    loaded.release()
