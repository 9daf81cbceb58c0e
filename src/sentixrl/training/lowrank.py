"""A trained model as a low-rank difference to its base: what a bundle ships.

Contract: the best approximation of each matrix's difference at the given rank (Eckart and Young
1936), written as a plain LoRA adapter that PEFT and our own loader read. Differences that are of
that rank already, as a LoRA adapter's are, are kept but for rounding.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

OVERSAMPLING = 24
ITERATIONS = 4


def difference(
    base: Mapping[str, torch.Tensor], trained: Iterable[tuple[str, torch.Tensor]], rank: int
) -> dict[str, tuple[torch.Tensor, torch.Tensor]]:
    """Checkpoint name → (A, B) with ``B A`` nearest to the difference.

    Args:
        base: Checkpoint name → weights of the base model, in memory of the CPU.
        trained: (Checkpoint name, the same after training), for the matrices that were trained;
            on any device, and one at a time, so that there is never a second model.
        rank: Of the approximation.

    Returns:
        A of shape ``[rank, inputs]`` and B of shape ``[outputs, rank]``, float32 on the CPU.
    """
    generator = torch.random.get_rng_state()
    torch.manual_seed(0)  # svd_lowrank draws its first guess
    pairs = {}
    for name, weight in trained:
        delta = weight.cpu().float() - base[name].float()
        size = min(rank + OVERSAMPLING, *delta.shape)
        left, values, right = torch.svd_lowrank(delta, q=size, niter=ITERATIONS)
        root = values[:rank].sqrt()
        down, up = (right[:, :rank] * root).t(), left[:, :rank] * root
        # A matrix of fewer rows than the rank is filled up: an adapter has one rank throughout.
        missing = rank - len(down)
        pairs[name] = (F.pad(down, (0, 0, 0, missing)), F.pad(up, (0, missing)))
    torch.random.set_rng_state(generator)
    return pairs


def write_adapter(
    pairs: Mapping[str, tuple[torch.Tensor, torch.Tensor]], folder: Path, base: str
) -> int:
    """Write pairs as a PEFT adapter in bfloat16.

    Args:
        pairs: What :func:`difference` gives.
        folder: Made if it is not there.
        base: The base model's name, for the reader.

    Returns:
        The size of the weights' file in bytes.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    tensors = {}
    for name, (down, up) in pairs.items():
        stem = f"base_model.model.{name.removesuffix('.weight')}"
        tensors[f"{stem}.lora_A.weight"] = down.to(torch.bfloat16).contiguous()
        tensors[f"{stem}.lora_B.weight"] = up.to(torch.bfloat16).contiguous()
    path = folder / "adapter_model.safetensors"
    save_file(tensors, path, metadata={"format": "pt"})
    rank = next(iter(pairs.values()))[0].shape[0]
    modules = sorted({name.split(".")[-2] for name in pairs})
    config: dict[str, Any] = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "base_model_name_or_path": base,
        "r": rank,
        "lora_alpha": rank,
        "lora_dropout": 0.0,
        "target_modules": modules,
        "bias": "none",
        "inference_mode": True,
    }
    described = folder / "adapter_config.json"
    described.write_text(json.dumps(config, indent=1) + "\n", "utf-8")
    shutil.copymode(described, path)  # safetensors writes for the owner alone
    return path.stat().st_size
