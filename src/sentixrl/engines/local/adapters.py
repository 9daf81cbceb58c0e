"""LoRA adapters merged into weights, in float32.

Contract: ``W + scale · B A`` is computed in float32 and rounded once, to the decoder's format.
Only plain LoRA is merged here; anything else is left to PEFT as a whole.
"""

from __future__ import annotations

import math
from pathlib import Path

import torch

from sentixrl.engines.local.checkpoint import read_object
from sentixrl.errors import ModelError

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


Pairs = dict[str, tuple[torch.Tensor, torch.Tensor]]
"""Checkpoint name → (A, B)."""


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
        whole = weights[name].float() + scale * (up.float() @ down.float())
        weights[name] = whole.to(dtype)
    return True


def read_lora(adapter: Path) -> tuple[float, Pairs] | None:
    """An adapter's scale and matrices; ``None`` if it is not plain LoRA.

    Raises:
        ModelError: Its weights cannot be read.
    """
    path = adapter / "adapter_config.json"
    config = read_object(path)
    if config is None:
        raise ModelError(f"{path} cannot be read as an adapter's configuration.")
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
    if not (type(rank) is int and rank > 0 and isinstance(alpha, int | float)):
        raise ModelError(
            f"{path} says no rank ('r') and 'lora_alpha' to scale by.",
            hint="Save the adapter anew with PEFT's save_pretrained.",
        )
    wrong = next((name for name, (a, b) in pairs.items() if not _fit(a, b)), None)
    if wrong is not None:
        raise ModelError(f"The adapter {adapter} has matrices for '{wrong}' that do not fit.")
    return alpha / (math.sqrt(rank) if config.get("use_rslora") else rank), pairs


def _fit(down: torch.Tensor, up: torch.Tensor) -> bool:
    return down.ndim == up.ndim == 2 and up.shape[1] == down.shape[0]


def _read_pairs(adapter: Path) -> Pairs | None:
    """An adapter's matrices; ``None`` if its file holds anything else."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = adapter / "adapter_model.safetensors"
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} cannot be read as safetensors: {error}.") from None
    pairs = {}
    for name in [name for name in tensors if name.endswith(_DOWN)]:
        stem = name.removesuffix(_DOWN)
        up = tensors.pop(stem + _UP, None)
        if up is None:
            return None
        pairs[stem.removeprefix("base_model.model.") + ".weight"] = (tensors.pop(name), up)
    return None if tensors else pairs
