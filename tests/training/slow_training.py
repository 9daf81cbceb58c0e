"""A training in a process of its own, to be killed: ``python -m tests.training.slow_training``.

Arguments: the model's folder, the data's, the training's.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Any

import torch
import yaml

from sentixrl.cli.main import run
from sentixrl.engines.local import loading
from sentixrl.training import model, trainer
from sentixrl.training.recipe import Recipe, as_plain
from tests.training.small import recipe

SECONDS = 0.02
"""What each step takes longer."""


def slow_recipe(base: Path) -> Recipe:
    how = {"learning_rate": 3e-3, "pack_tokens": 128, "warmup": 0.1, "ema": 0.8}
    return recipe(base, epochs=1, checks_per_epoch=2, optimiser=how)


def float32(device: torch.device) -> torch.dtype:
    return torch.float32


def main(base: Path, data: Path, folder: Path) -> int:
    torch.set_num_threads(1)
    trainer.SAVE_SECONDS = 0.0  # a checkpoint every step
    for room in (model, loading):
        vars(room)["choose_dtype"] = float32
    compute = trainer.TrieTrainer.compute_loss

    def slowly(self: trainer.TrieTrainer, *arguments: Any, **more: Any) -> Any:  # noqa: ANN401
        sys.stdout.write(f"step {self.state.global_step}\n")
        sys.stdout.flush()
        time.sleep(SECONDS)
        return compute(self, *arguments, **more)

    trainer.TrieTrainer.compute_loss = slowly  # type: ignore[method-assign]
    path = folder.with_suffix(".yaml")
    path.write_text(yaml.safe_dump(as_plain(slow_recipe(base))), "utf-8")
    return run(["train", str(path), "--data", str(data), "--out", str(folder)])


if __name__ == "__main__":
    sys.exit(main(*map(Path, sys.argv[1:])))
