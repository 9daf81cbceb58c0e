"""The anchored window: its bounds, its jumps and what they cost."""

from __future__ import annotations

from math import ceil

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sentixrl.context.window import HistoryWindow
from sentixrl.errors import ConfigError

modestly = settings(deadline=None)


@st.composite
def windows(draw: st.DrawFn) -> HistoryWindow:
    most = draw(st.integers(0, 12))
    return HistoryWindow(most, draw(st.integers(0, most)), draw(st.integers(1, 200)))


turn_lengths = st.lists(st.integers(0, 120), max_size=60)


@modestly
@given(windows(), turn_lengths)
def test_starts_hold_the_bounds_and_never_go_back(window: HistoryWindow, tokens: list[int]) -> None:
    starts = window.starts(tokens)
    assert len(starts) == len(tokens)
    assert starts == sorted(starts)
    for target, start in enumerate(starts):
        assert 0 <= start <= target
        assert target - start <= window.history_max
        held = sum(tokens[start : target + 1])
        assert held <= window.max_tokens or start == target


@modestly
@given(windows(), turn_lengths)
def test_the_start_moves_only_where_a_bound_would_break(
    window: HistoryWindow, tokens: list[int]
) -> None:
    before = 0
    for target, start in enumerate(window.starts(tokens)):
        kept = sum(tokens[before : target + 1])
        fits = target - before <= window.history_max and kept <= window.max_tokens
        assert start == before or not fits
        before = start


@modestly
@given(windows(), turn_lengths, turn_lengths)
def test_later_turns_change_nothing(
    window: HistoryWindow, tokens: list[int], later: list[int]
) -> None:
    assert window.starts(tokens + later)[: len(tokens)] == window.starts(tokens)


@modestly
@given(windows(), turn_lengths)
def test_a_jump_keeps_at_most_the_minimum_of_turns(
    window: HistoryWindow, tokens: list[int]
) -> None:
    starts = window.starts(tokens)
    for target, (before, start) in enumerate(zip([0, *starts], starts, strict=False)):
        assert start == before or target - start <= window.history_min


def encodings(starts: list[int]) -> set[tuple[int, int]]:
    """Which turns are computed for which start: what a cache of prefixes must hold."""
    return {
        (start, turn) for target, start in enumerate(starts) for turn in range(start, target + 1)
    }


@modestly
@given(st.integers(1, 30), st.data(), st.integers(1, 400))
def test_turns_of_like_length_are_computed_as_often_as_the_contract_says(
    most: int, data: st.DataObject, turns: int
) -> None:
    least = data.draw(st.integers(0, most))
    starts = HistoryWindow(most, least, max_tokens=10**6).starts([7] * turns)
    assert len(encodings(starts)) <= turns * (most + 1) / (most + 1 - least) + most


@modestly
@given(windows(), st.lists(st.integers(1, 120), max_size=120))
def test_no_turn_is_computed_over_and_over_whatever_the_lengths(
    window: HistoryWindow, tokens: list[int]
) -> None:
    share = window.history_min / window.history_max if window.history_max else 0.0
    assume(share <= 0.75)
    jumps_in_turns = ceil(window.history_min / (window.history_max + 1 - window.history_min))
    jumps_in_tokens = 1 + 1 / (1 - share) ** 2
    computed = encodings(window.starts(tokens))
    for turn in range(len(tokens)):
        times = sum(1 for _, computed_turn in computed if computed_turn == turn)
        assert times <= 2 + jumps_in_turns + jumps_in_tokens


def test_growing_and_jumping() -> None:
    assert HistoryWindow(4, 2).starts([1] * 9) == [0, 0, 0, 0, 0, 3, 3, 3, 6]


def test_equal_bounds_slide() -> None:
    assert HistoryWindow(2, 2).starts([1] * 6) == [0, 0, 0, 1, 2, 3]


def test_no_history_is_the_target_alone() -> None:
    assert HistoryWindow(0, 0).starts([5, 5, 5]) == [0, 1, 2]


def test_a_long_target_keeps_the_history_that_fits_beside_it() -> None:
    starts = HistoryWindow(20, 10, max_tokens=100).starts([8] * 5 + [80])
    assert starts[-1] == 4  # 20 tokens are left, half of which the jump keeps


def test_a_target_longer_than_the_window_stands_alone() -> None:
    assert HistoryWindow(20, 10, max_tokens=100).starts([10, 10, 101, 10]) == [0, 0, 2, 3]


@pytest.mark.parametrize(
    ("window", "turns", "made"),
    [
        (HistoryWindow(24, 8, 768), 12, HistoryWindow(12, 4, 768)),
        (HistoryWindow(100, 16, 2048), 50, HistoryWindow(50, 8, 2048)),
        (HistoryWindow(100, 16, 2048), 3, HistoryWindow(3, 0, 2048)),
        (HistoryWindow(4, 4), 7, HistoryWindow(7, 7)),
        (HistoryWindow(0, 0, 99), 30, HistoryWindow(30, 10, 99)),
        (HistoryWindow(24, 8), 0, HistoryWindow(0, 0)),
    ],
)
def test_another_length_keeps_the_rest(
    window: HistoryWindow, turns: int, made: HistoryWindow
) -> None:
    assert window.of_turns(turns) == made


def test_a_negative_length_is_refused() -> None:
    with pytest.raises(ConfigError, match="-1"):
        HistoryWindow().of_turns(-1)


@pytest.mark.parametrize(
    ("most", "least", "tokens", "named"),
    [(3, 4, 768, "4"), (3, -1, 768, "-1"), (-1, -1, 768, "-1"), (3, 2, 0, "0")],
)
def test_impossible_bounds_are_refused(most: int, least: int, tokens: int, named: str) -> None:
    with pytest.raises(ConfigError, match=named):
        HistoryWindow(most, least, tokens)
