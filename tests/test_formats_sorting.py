"""Rows are put together by key on disk, as they would be in memory."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentixrl.errors import InputError
from sentixrl.formats import sorting
from sentixrl.formats.sorting import Groups

ROWS = st.lists(st.tuples(st.text(max_size=3), st.text(max_size=5)), max_size=60)


def together(rows: list[tuple[str, str]]) -> list[list[str]]:
    found: dict[str, list[str]] = {}
    for key, value in rows:
        found.setdefault(key, []).append(value)
    return [[key, value] for key, values in found.items() for value in values]


@given(ROWS)
def test_groups_come_in_the_order_in_which_keys_came_up(rows: list[tuple[str, str]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sorting, "RUN_BYTES", 700)  # three rows
        patch.setattr(sorting, "MOST_RUNS", 3)
        groups = Groups()
        for key, value in rows:
            groups.add(key, [key, value])
        assert [list(row) for row in groups.members()] == together(rows)
        groups.close()


def test_a_full_disk_is_one_sentence(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sorting, "RUN_BYTES", 100)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))
    groups = Groups()
    with pytest.raises(InputError, match="temporary files"):
        groups.add("a", ["b"])
