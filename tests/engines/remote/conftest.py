"""Servers for the tests of remote models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import stamina

from benchmarks.llama_cpp import serving, write_gguf
from tests.conftest import MakeModel


@pytest.fixture(autouse=True)
def no_waiting() -> Iterator[None]:
    """Requests are repeated at once."""
    with stamina.set_testing(True, attempts=5, cap=True):
        yield


@pytest.fixture(scope="session")
def plain_model(make_model: MakeModel) -> Path:
    """A tiny random Llama without a chat template."""
    return make_model(seed=3, chat=False)


@pytest.fixture(scope="session")
def gguf(plain_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Its weights for llama.cpp, in full precision."""
    return as_gguf(plain_model, tmp_path_factory.mktemp("gguf") / "tiny.gguf")


def as_gguf(folder: Path, path: Path) -> Path:
    """A model's folder as one file for llama.cpp."""
    import torch
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)
    write_gguf(model, folder, path, bits=32)
    return path


@pytest.fixture(scope="session")
def llama(gguf: Path) -> Iterator[str]:
    """Where llama.cpp serves them."""
    with serving(gguf, threads=1, cache="f32") as (address, _):
        yield f"llama.cpp:{address}"
