"""LoRA adapters merged into weights, in float32.

Contract: ``W + scale · B A`` is computed in float32 and handed on for the decoder to round once.
Only plain LoRA is merged here; whatever else PEFT knows is left to PEFT.
"""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch

from sentixrl.errors import ModelError

_PLAIN = {"use_dora": False, "lora_bias": False, "fan_in_fan_out": False, "bias": "none"}
_EMPTY = ("modules_to_save", "rank_pattern", "alpha_pattern", "trainable_token_indices")


Pairs = dict[str, tuple[torch.Tensor, torch.Tensor]]
"""Checkpoint name → (A, B)."""


def merge_lora(weights: dict[str, torch.Tensor], adapter: Path) -> bool:
    """Add an adapter's difference to the weights it names.

    Args:
        weights: Checkpoint name → tensor; changed in place.
        adapter: A folder saved by PEFT.

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
        weights[name] = weights[name].float() + scale * (up.float() @ down.float())
    return True


def read_lora(adapter: Path) -> tuple[float, Pairs] | None:
    """An adapter's scale and matrices; ``None`` where it is not plain LoRA.

    Raises:
        ModelError: Its weights cannot be read.
    """
    config = json.loads((adapter / "adapter_config.json").read_text("utf-8"))
    plain = config.get("peft_type") == "LORA" and not any(config.get(key) for key in _EMPTY)
    if not plain or any(config.get(key, value) != value for key, value in _PLAIN.items()):
        return None
    rank = config["r"]
    scale = config["lora_alpha"] / (math.sqrt(rank) if config.get("use_rslora") else rank)
    return scale, _read_pairs(adapter)


def _read_pairs(adapter: Path) -> Pairs:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = adapter / "adapter_model.safetensors"
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} cannot be read as safetensors: {error}.") from None
    pairs = {}
    for name, down in tensors.items():
        stem, found, _ = name.partition(".lora_A.")
        if found:
            target = stem.removeprefix("base_model.model.") + ".weight"
            pairs[target] = (down, tensors[name.replace(".lora_A.", ".lora_B.")])
    return pairs
