"""LoRA adapters merged into weights, in float32.

Contract: ``W + scale · B A`` is computed in float32 and rounded once, to the decoder's format.
Only plain LoRA is merged here; whatever else PEFT merges into weights is left to PEFT, whole. What
trained nothing, or holds numbers that are none, is no adapter.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import torch

from sentixrl.engines.local.checkpoint import read_object, read_tensors
from sentixrl.errors import ModelError
from sentixrl.formats.characters import shown

# What a configuration may set if the adapter is only pairs of matrices added to weights. Options of
# later versions of PEFT are not included.
_KNOWN = {
    *("peft_type", "r", "lora_alpha", "use_rslora", "bias", "init_lora_weights"),
    *("target_modules", "exclude_modules", "layers_to_transform", "layers_pattern"),
    *("task_type", "base_model_name_or_path", "revision", "auto_mapping", "peft_version"),
    *("inference_mode", "lora_dropout", "megatron_core", "qalora_group_size"),
}
# Initialisations that leave the base's weights unchanged.
_STARTS = (True, False, None, "gaussian")
_DOWN, _UP = ".lora_A.weight", ".lora_B.weight"
# Kinds that put something before or beside the layers; nothing of it goes into their weights.
_NOT_WEIGHTS = {
    *("PROMPT_TUNING", "MULTITASK_PROMPT_TUNING", "P_TUNING", "PREFIX_TUNING", "CPT"),
    *("ADAPTION_PROMPT", "XLORA"),
}
_MOST_ALPHA = 1e6
_CONFIG, _WEIGHTS = "adapter_config.json", "adapter_model.safetensors"
_ROWS = 256
"""Rows of a weight that a difference is added to at a time."""
_AGAIN = "Save the adapter anew with PEFT's save_pretrained."

Pairs = dict[str, tuple[torch.Tensor, torch.Tensor]]
"""Checkpoint name → (A, B)."""


def check_adapter(folder: Path) -> None:
    """Refuse what is no adapter, or none that changes a model's weights.

    Raises:
        ModelError: The folder lacks a part, is of another kind, or holds nothing that was trained.
    """
    if not (folder / _CONFIG).is_file():
        raise ModelError(
            f"{folder} is not an adapter: it has no {_CONFIG}.", hint="Give a folder saved by PEFT."
        )
    kind = _config(folder).get("peft_type")
    if kind in _NOT_WEIGHTS:
        raise ModelError(
            f"The adapter {folder} is of the kind {kind}, which changes no weights.",
            hint="Use LoRA, or another kind that PEFT merges into a model.",
        )
    if not (folder / _WEIGHTS).is_file():
        raise ModelError(
            f"{folder} has no {_WEIGHTS}.", hint="Weights in other formats are not read."
        )
    tensors = read_tensors(folder / _WEIGHTS)
    if not any(tensor.numel() for tensor in tensors.values()):
        raise ModelError(f"The adapter {folder} holds no weights, so nothing was trained.")
    for name, tensor in tensors.items():
        if not tensor.is_floating_point():
            fault = f"holds {str(tensor.dtype).removeprefix('torch.')} numbers"
        elif not torch.isfinite(tensor.float()).all():
            fault = "holds a number that is not finite"
        else:
            continue
        raise ModelError(f"The adapter {folder}: '{shown(name, 120)}' {fault}.", hint=_AGAIN)


def _config(adapter: Path) -> dict[str, Any]:
    config = read_object(adapter / _CONFIG, "an adapter's configuration")
    if config is None:
        raise ModelError(f"{adapter} is not an adapter: it has no {_CONFIG}.")
    return config


def merge_lora(
    weights: dict[str, torch.Tensor], adapter: Path, dtype: torch.dtype = torch.float32
) -> bool:
    """Add an adapter's difference to the weights it names.

    Args:
        weights: Checkpoint name → tensor; changed in place.
        adapter: A folder saved by PEFT.
        dtype: The format that each sum is rounded to, once.

    Returns:
        Whether it is plain LoRA; if not, nothing was changed.

    Raises:
        ModelError: The adapter does not fit the weights.
    """
    found = read_lora(adapter)
    if found is None:
        return False
    scale, pairs = found
    for name, (down, up) in pairs.items():
        if name not in weights or weights[name].shape != (up.shape[0], down.shape[1]):
            raise ModelError(
                f"The adapter {adapter} changes '{name}', which the model lacks or has otherwise.",
                hint="It was trained on another base model.",
            )
        weights[name] = _sum(weights[name], up.float(), down.float(), scale, dtype)
    return True


def _sum(
    weight: torch.Tensor,
    up: torch.Tensor,
    down: torch.Tensor,
    scale: float,
    dtype: torch.dtype,
) -> torch.Tensor:
    """A weight and its difference, a few rows at a time: they stay in the processor's cache."""
    whole = torch.empty_like(weight, dtype=dtype)
    difference = torch.empty(_ROWS, weight.shape[1])
    for start in range(0, len(weight), _ROWS):
        rows = slice(start, start + _ROWS)
        part = torch.mm(up[rows], down, out=difference[: len(up[rows])])
        whole[rows] = part.mul_(scale).add_(weight[rows])
    return whole


def read_lora(adapter: Path) -> tuple[float, Pairs] | None:
    """An adapter's scale and matrices; ``None`` if it is not plain LoRA.

    Raises:
        ModelError: Its weights cannot be read.
    """
    config = _config(adapter)
    plain = (
        config.get("peft_type") == "LORA"
        and config.get("bias", "none") == "none"
        and config.get("init_lora_weights") in _STARTS
        and not any(value for key, value in config.items() if key not in _KNOWN)
    )
    pairs = _read_pairs(adapter) if plain else None
    if pairs is None:
        return None
    rank, alpha = config.get("r"), config.get("lora_alpha")
    if not (
        isinstance(rank, int)
        and isinstance(alpha, int | float)
        and not isinstance(alpha, bool)
        and rank > 0
        and 0 < abs(alpha) <= _MOST_ALPHA
    ):
        raise ModelError(
            f"{adapter / _CONFIG} says no rank ('r') and 'lora_alpha' to scale by.", hint=_AGAIN
        )
    wrong = next((name for name, (a, b) in pairs.items() if not _fit(a, b, rank)), None)
    if wrong is not None:
        raise ModelError(f"The adapter {adapter} has matrices for '{wrong}' that do not fit.")
    return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank), pairs


def _fit(down: torch.Tensor, up: torch.Tensor, rank: int) -> bool:
    return down.ndim == up.ndim == 2 and up.shape[1] == down.shape[0] == rank


def _read_pairs(adapter: Path) -> Pairs | None:
    """An adapter's matrices; ``None`` if its file holds anything else."""
    tensors = read_tensors(adapter / _WEIGHTS)
    pairs = {}
    for name in [name for name in tensors if name.endswith(_DOWN)]:
        stem = name.removesuffix(_DOWN)
        up = tensors.pop(stem + _UP, None)
        if up is None:
            return None
        pairs[stem.removeprefix("base_model.model.") + ".weight"] = (tensors.pop(name), up)
    return None if tensors else pairs
