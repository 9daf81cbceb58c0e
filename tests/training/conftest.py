"""Models, data and number formats that the training tests share."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from ..conftest import MakeModel
from .small import Noted, Trained, recipe, train, write_meld


@pytest.fixture(scope="package", autouse=True)
def one_thread() -> Iterator[None]:
    """Models this small are slower on several threads, and far slower on a busy machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def float32(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train and answer in float32, whatever this machine multiplies fastest."""
    for room in ("training.model", "engines.local.loading"):
        monkeypatch.setattr(f"sentixrl.{room}.choose_dtype", lambda device: torch.float32)


@pytest.fixture
def bfloat16(monkeypatch: pytest.MonkeyPatch) -> None:
    """Train and answer in bfloat16, whatever this machine multiplies fastest."""
    for room in ("training.model", "engines.local.loading"):
        monkeypatch.setattr(f"sentixrl.{room}.choose_dtype", lambda device: torch.bfloat16)


@pytest.fixture(scope="session")
def meld(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that has our own words in MELD's layout."""
    return write_meld(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def base(make_model: MakeModel) -> Path:
    """A tiny random Llama of two layers."""
    return make_model(seed=1, num_hidden_layers=2)


@pytest.fixture(scope="session")
def trained(base: Path, meld: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    """A full training, done once."""
    noted = Noted()
    folder = tmp_path_factory.mktemp("full") / "out"
    with pytest.MonkeyPatch.context() as patch:
        for room in ("training.model", "engines.local.loading"):
            patch.setattr(f"sentixrl.{room}.choose_dtype", lambda device: torch.float32)
        found = train(recipe(base), meld, folder, noted)
    assert found is not None
    return folder, found, noted
