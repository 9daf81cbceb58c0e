"""The trained parameters alone, as safetensors: kept at the best look at dev, loaded at the end.

Weights of several trainings that began at the same place may be averaged: a *model soup* (Wortsman
et al. 2022, arXiv 2203.05482).
"""

from __future__ import annotations

from collections.abc import Sequence
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


def load_weights(trainee: Trainee, folder: Path) -> None:
    """Put kept weights back into the model."""
    load_mean(trainee, [folder])


@torch.no_grad()
def load_mean(trainee: Trainee, folders: Sequence[Path]) -> None:
    """Put the mean of the weights kept in several folders into the model."""
    from safetensors.torch import load_file

    kept = [load_file(folder / FILE) for folder in folders]
    for name, parameter in trainee.trained.items():
        parameter.copy_(torch.stack([one[name].float() for one in kept]).mean(0))
