"""How sessions and threads are shared out: as asked for, else by measurement."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from threading import Thread

import pytest
import torch

from sentixrl.engines.local import threads
from sentixrl.engines.local.loading import open_engine
from sentixrl.engines.local.threads import Threading, choose_threading, compute_on
from sentixrl.engines.options import EngineOptions
from sentixrl.errors import ConfigError

CPU, FLOAT32 = torch.device("cpu"), torch.float32


@pytest.fixture(autouse=True)
def own_threads() -> Iterator[None]:
    """What a test says of this thread is taken back."""
    before = torch.get_num_threads()
    yield
    threads._here.__dict__.clear()
    torch.set_num_threads(before)


@pytest.fixture
def four_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "available_cores", lambda: 4)


@pytest.mark.usefixtures("four_cores")
@pytest.mark.parametrize("asked", [0, -1, 5, 10_000])
def test_more_threads_than_cores_are_refused(asked: int) -> None:
    with pytest.raises(ConfigError, match=f"{asked} threads were asked for, .* 4 core") as caught:
        choose_threading(CPU, FLOAT32, asked)
    assert caught.value.hint is not None
    assert "1 to 4" in caught.value.hint


@pytest.mark.usefixtures("four_cores")
@pytest.mark.parametrize("win", [True, False])
@pytest.mark.parametrize("asked", [2, 3, 4])
def test_threads_are_workers_where_those_are_faster(
    asked: int, win: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[tuple[int, torch.dtype]] = []

    def measure(threads: int, dtype: torch.dtype) -> bool:
        measured.append((threads, dtype))
        return win

    monkeypatch.setattr(threads, "_workers_win", measure)
    expected = Threading(asked, 1) if win else Threading(1, asked)
    assert choose_threading(CPU, FLOAT32, asked) == expected
    assert measured == [(asked, FLOAT32)]


@pytest.mark.usefixtures("four_cores")
def test_one_thread_and_an_accelerator_are_not_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_workers_win", None)
    assert choose_threading(CPU, FLOAT32, 1) == Threading(1, 1)
    assert choose_threading(torch.device("meta"), FLOAT32) == Threading(1, None)
    assert choose_threading(torch.device("meta"), FLOAT32, 3) == Threading(1, 3)


def test_the_measurement_ends_and_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "PASSES", 1)
    assert threads._workers_win.__wrapped__(2, FLOAT32) in (True, False)


def test_a_session_computes_on_its_engine_s_threads_and_no_other_s(tiny_model: Path) -> None:
    engine = open_engine(tiny_model, EngineOptions(dtype="float32", threads=1))
    assert engine.threading == Threading(1, 1)
    assert engine.machine()["threads"] == 1
    torch.set_num_threads(2)
    seen: list[int] = []

    def work() -> None:
        with engine.session():
            seen.append(torch.get_num_threads())

    worker = Thread(target=work)
    worker.start()
    worker.join()
    assert seen == [1]
    assert torch.get_num_threads() == 2
    compute_on(None)
    assert torch.get_num_threads() == 2
