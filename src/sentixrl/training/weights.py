"""The trained parameters alone, as safetensors: kept at the best look at dev, loaded at the end."""

from __future__ import annotations

from pathlib import Path

import torch

from sentixrl.training.model import Trainee

FILE = "trained.safetensors"


def keep_weights(trainee: Trainee, folder: Path) -> None:
    """Write what is trained, in place of what is there only once it is whole."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f"{FILE}.part"
    tensors = {name: value.detach().contiguous() for name, value in trainee.trained.items()}
    save_file(tensors, unfinished)
    unfinished.replace(folder / FILE)


@torch.no_grad()
def load_weights(trainee: Trainee, folder: Path) -> None:
    """Put kept weights back into the model."""
    from safetensors.torch import load_file

    kept = load_file(folder / FILE)
    for name, parameter in trainee.trained.items():
        parameter.copy_(kept[name])
