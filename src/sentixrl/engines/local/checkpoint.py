"""A model folder's files: its ``config.json`` and its safetensors.

Contract: files are read as they are; what is missing or damaged is reported in one sentence.
    Weights are
memory-mapped and never unpickled.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch

from sentixrl.errors import ModelError


def read_object(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file; ``None`` if it cannot be read."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def read_config(folder: Path) -> dict[str, Any]:
    """A model folder's ``config.json``.

    Raises:
        ModelError: The folder is not a model.
    """
    config = read_object(folder / "config.json")
    if config is None:
        raise ModelError(
            f"{folder} is not a model: it has no readable config.json.",
            hint="Give a folder saved by transformers, or a hub id.",
        )
    return config


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """A model folder's safetensors, memory-mapped.

    Raises:
        ModelError: There are none.
    """
    from safetensors import SafetensorError, safe_open

    weights: dict[str, torch.Tensor] = {}
    for path in _shards(folder):
        try:
            with safe_open(path, framework="pt") as tensors:
                for name in tensors.keys():  # noqa: SIM118 - not a mapping
                    weights[name] = tensors.get_tensor(name)
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{path} cannot be read as safetensors: {error}.") from None
    return weights


def _shards(folder: Path) -> Iterator[Path]:
    paths = sorted(folder.glob("*.safetensors"))
    if not paths:
        raise ModelError(
            f"{folder} has no safetensors weights.",
            hint="Weights in other formats are not read; save the model as safetensors.",
        )
    yield from paths
