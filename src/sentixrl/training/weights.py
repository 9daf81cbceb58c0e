"""The trained parameters alone, as safetensors: kept at the best check, loaded at the end.

Weights of several trainings that began at the same place may be averaged: a *model soup* (Wortsman
et al. 2022, arXiv 2203.05482).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from sentixrl.runs.storage import storage_error, sync_file, sync_folder
from sentixrl.training.checkpoints import damaged
from sentixrl.training.model import TrainableModel

FILE = "trained.safetensors"


def keep_weights(trainable: TrainableModel, folder: Path) -> None:
    """Write what is trained, in place of what is there only once it is whole and on the disk.

    Raises:
        SentixError: The disk is full or refuses.
    """
    from safetensors import SafetensorError
    from safetensors.torch import save_file

    tensors = {name: value.detach().contiguous() for name, value in trainable.trained.items()}
    unfinished = folder / f"{FILE}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        save_file(tensors, unfinished)
        sync_file(unfinished)
        unfinished.replace(folder / FILE)
        sync_folder(folder)
    except (OSError, SafetensorError) as error:
        raise storage_error(folder / FILE, error) from None


def load_weights(trainable: TrainableModel, folder: Path) -> None:
    """Put kept weights back into the model."""
    load_mean(trainable, [folder])


@torch.no_grad()
def load_mean(trainable: TrainableModel, folders: Sequence[Path]) -> None:
    """Put the mean of the weights kept in several folders into the model.

    Raises:
        InputError: One of them does not hold them.
    """
    kept = [_read(folder / FILE) for folder in folders]
    for name, parameter in trainable.trained.items():
        found = [one.get(name) for one in kept]
        for folder, value in zip(folders, found, strict=True):
            if value is None or value.shape != parameter.shape:
                raise damaged(folder / FILE)
        parameter.copy_(
            torch.stack([value.float() for value in found if value is not None]).mean(0)
        )


def _read(path: Path) -> dict[str, torch.Tensor]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        found: dict[str, torch.Tensor] = load_file(path)
    except (OSError, SafetensorError):
        raise damaged(path) from None
    return found
