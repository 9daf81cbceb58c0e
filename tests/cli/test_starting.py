"""Starting without the collector: off within, on again afterwards, whatever happens."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from sentixrl.cli.starting import uncollected


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    """What was taken out of the collector is given back to it."""
    yield
    gc.enable()
    gc.unfreeze()


def test_it_is_off_within_and_what_was_made_there_is_not_walked_over_again() -> None:
    with uncollected():
        assert not gc.isenabled()
        made: list[list[int]] = [[] for _ in range(1000)]
    assert gc.isenabled()
    assert gc.get_freeze_count() >= len(made)


def test_it_is_on_again_after_an_error() -> None:
    with pytest.raises(KeyboardInterrupt), uncollected():
        raise KeyboardInterrupt
    assert gc.isenabled()


def test_who_turned_it_off_finds_it_off() -> None:
    gc.disable()
    with uncollected():
        pass
    assert not gc.isenabled()
