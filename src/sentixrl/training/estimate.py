"""What a training will cost, before it starts: tokens, minutes, memory.

Contract: tokens come from the packs themselves, minutes from a few steps' products measured on
this machine, memory from the sizes of what will be held. All three are estimates and said so.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from sentixrl.engines.local.bundled import BUNDLED
from sentixrl.engines.local.hardware import matmul_rate, memory_bytes
from sentixrl.errors import ConfigError
from sentixrl.training.model import TrainableModel
from sentixrl.training.neutral import neutral_shares
from sentixrl.training.plans import HEAD_TOKENS, dialogue_sizes, verifier_tokens
from sentixrl.training.recipe import Recipe
from sentixrl.training.second_role import Verifier
from sentixrl.training.setting import Setting

USEFUL = 0.62
"""The share of the matrix-product rate that a training step reaches, as measured on a CPU."""
STATE_BYTES = 16
"""Master, both moments and the step's gradient of a trained parameter in float32."""
AVERAGE_BYTES = 4
"""Its moving average."""
LIBRARY_BYTES = 1 << 30
"""What Python and its libraries take."""
SECOND_TOKENS = 4
"""What the second role adds to a turn, measured on MELD: most of its questions is shared."""
ACTIVATION_FACTOR = 60
"""Numbers kept for the backward pass, a layer and token, in units of the hidden size."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a training will cost.

    Attributes:
        tokens: To be computed, for all roles.
        fold_tokens: Those of the fold models that come before; 0 without a second role.
        folds: How many these are.
        steps: Optimiser steps.
        minutes: On this machine, without the checks on dev; ``None`` on accelerators, where it is
            not known.
        gibibytes: Of memory.
        available: Gibibytes of this machine or device; ``None`` if unknown.
        neutral: Language → share of the training's answers that are neutral or none.
    """

    tokens: int
    fold_tokens: int
    folds: int
    steps: int
    minutes: float | None
    gibibytes: float
    available: float | None
    neutral: Mapping[str, float]


def estimate(setting: Setting) -> Estimate:
    """Work out what a training will cost."""
    recipe, trainable, packs = setting.recipe, setting.trainable, setting.packs
    window, count = setting.context.window, trainable.engine.count_tokens
    sizes = [dialogue_sizes(source.data, window, count) for source in setting.sources]
    spoken = [sum(sizes[pack.source][index] for index in pack.dialogues) for pack in packs]
    tokens = sum(spoken) + HEAD_TOKENS * len(packs)
    second, fold_tokens = recipe.second, 0
    if second:
        # Each fold's model goes through the other folds, in packs as full as these.
        epochs = [second.epochs or source.epochs for source in setting.sources]
        once = sum(sum(of) * times for of, times in zip(sizes, epochs, strict=True))
        fold_tokens = round((second.folds - 1) * once * tokens / sum(spoken))
        added = verifier_tokens(second) if isinstance(second, Verifier) else SECOND_TOKENS
        turns = [
            sum(len(setting.sources[pack.source].data.dialogues[index]) for index in pack.dialogues)
            for pack in packs
        ]
        spoken = [own + added * asked for own, asked in zip(spoken, turns, strict=True)]
        tokens += added * sum(turns)
    model = trainable.model
    every = sum(p.numel() for p in model.parameters())
    trained = sum(p.numel() for p in trainable.trained.values())
    config = model.config.get_text_config(decoder=True)
    layers, hidden = config.num_hidden_layers, config.hidden_size
    width = torch.finfo(trainable.dtype).bits // 8
    state = STATE_BYTES + (AVERAGE_BYTES if recipe.optimiser.ema else 0)
    training = trained * (state + width)
    training += ACTIVATION_FACTOR * layers * hidden * (HEAD_TOKENS + max(spoken)) * width
    # The model waits while folds are trained and while the bundle is judged; on other devices than
    # the CPU, it is moved away.
    waiting = every * width if trainable.device.type == "cpu" else 0
    held = LIBRARY_BYTES + every * width
    held += training + waiting if second else max(training, waiting)
    available = _available(trainable.device)
    return Estimate(
        tokens=tokens,
        fold_tokens=fold_tokens,
        folds=second.folds if second else 0,
        steps=setting.steps,
        minutes=_minutes(
            trainable, tokens + round(fold_tokens * _fold_size(recipe, every)), every, trained
        ),
        gibibytes=held / 2**30,
        available=available / 2**30 if available else None,
        neutral=neutral_shares(setting.sources),
    )


def check_memory(found: Estimate) -> None:
    """Refuse a training that will not fit.

    Raises:
        ConfigError: It will not.
    """
    if found.available is not None and found.gibibytes > found.available:
        raise ConfigError(
            f"The training needs about {found.gibibytes:.1f} GiB of memory; there are "
            f"{found.available:.1f}.",
            hint="Lower 'optimiser.pack_tokens', or set 'method: lora' (or 'qlora' on CUDA).",
        )


def _fold_size(recipe: Recipe, every: int) -> float:
    """The size of a fold's model beside the trained one's, as far as it is known."""
    base = recipe.verifier.base if recipe.verifier else None
    return BUNDLED[base].parameters / every if base in BUNDLED else 1.0


def _minutes(trainable: TrainableModel, tokens: int, every: int, trained: int) -> float | None:
    if trainable.device.type != "cpu":
        return None
    embedded: int = trainable.model.get_input_embeddings().weight.numel()
    # Forward and the gradient of activations touch every matrix, the third product the trained.
    whole = trained if trained > 0.5 * (every - embedded) else 0
    operations = 2.0 * tokens * (2 * (every - embedded) + whole)
    return operations / (USEFUL * matmul_rate(trainable.dtype)) / 60


def _available(device: torch.device) -> int | None:
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    return memory_bytes()
