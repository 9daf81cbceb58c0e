"""One process of several that train together: ``python -m tests.training.together``.

Arguments: the recipe, the data's folder, the training's. Which process it is stands in the
environment, where ``torchrun`` puts it.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch
from safetensors.torch import save_file
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.utils.hooks import RemovableHandle

from sentixrl.cli.main import run
from sentixrl.engines.local import loading
from sentixrl.training import model

from .slow_training import float32


def note_gradients(path: Path) -> RemovableHandle:
    """Write down every step's gradients; those of the last stay."""

    def note(optimizer: torch.optim.Optimizer, *rest: object) -> None:
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        save_file({str(n): p.grad.clone() for n, p in enumerate(parameters)}, path)

    return register_optimizer_step_pre_hook(note)


def main(recipe: Path, data: Path, folder: Path) -> int:
    torch.set_num_threads(1)
    note_gradients(folder.with_suffix(f".{os.environ['RANK']}"))
    for room in (model, loading):
        vars(room)["choose_dtype"] = float32
    return run(["train", str(recipe), "--data", str(data), "--out", str(folder)])


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
