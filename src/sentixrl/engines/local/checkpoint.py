"""A model folder's files: its ``config.json`` and its safetensors.

Contract: files are read as they are; what is missing or damaged is one sentence. Settings are
read with a bound; weights are memory-mapped and never unpickled. Links are followed, as hubs keep a
model's files behind them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from sentixrl.errors import ModelError
from sentixrl.untrusted import boundary, open_file, read_bounded

MAX_SETTINGS = 1 << 24
"""The largest file of settings that is read, in bytes."""


def read_object(path: Path, what: str = "a model's settings") -> dict[str, Any] | None:
    """The object in a JSON file; ``None`` if there is no such file.

    Args:
        path: The file.
        what: What errors call its content.

    Raises:
        ModelError: It is there and cannot be read, is too large, or holds no object.
    """
    with boundary(f"{path} cannot be read as {what}", kind=ModelError):
        try:
            content = json.loads(read_bounded(path, MAX_SETTINGS))
        except FileNotFoundError:
            return None
        if not isinstance(content, dict):
            raise ValueError("it holds no JSON object")
    return content


def read_config(folder: Path) -> dict[str, Any]:
    """A model folder's ``config.json``.

    Raises:
        ModelError: The folder is not a model, or the file is damaged.
    """
    config = read_object(folder / "config.json")
    if config is None:
        raise ModelError(
            f"{folder} is not a model: it has no config.json.",
            hint="Give a folder saved by transformers, or a hub id.",
        )
    return config


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """A model folder's safetensors, memory-mapped.

    Raises:
        ModelError: There are none.
    """
    weights: dict[str, torch.Tensor] = {}
    for path in _shards(folder):
        weights.update(read_tensors(path))
    return weights


def read_tensors(path: Path) -> dict[str, torch.Tensor]:
    """The tensors of one safetensors file, memory-mapped.

    Raises:
        ModelError: It cannot be read.
    """
    with boundary(f"{path} cannot be read as safetensors", kind=ModelError):
        from safetensors import safe_open

        with open_file(path), safe_open(path, framework="pt") as tensors:
            return {name: tensors.get_tensor(name) for name in tensors.keys()}  # noqa: SIM118


def _shards(folder: Path) -> Iterator[Path]:
    paths = sorted(folder.glob("*.safetensors"))
    if not paths:
        raise ModelError(
            f"{folder} has no safetensors weights.",
            hint="Weights in other formats are not read; save the model as safetensors.",
        )
    yield from paths
