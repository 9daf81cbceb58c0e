"""Several processes that train one model, as ``torchrun`` and ``accelerate launch`` start them.

Contract: every process holds the whole model and takes its share of a step's packs. Only the main
process writes, prints and evaluates dev; the others wait for its results. With a single process
nothing here has any effect.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import timedelta
from typing import Any, TypeVar

import torch
import torch.distributed as dist

from sentixrl.engines.local.hardware import check_device, choose_device
from sentixrl.errors import ConfigError, SentixError
from sentixrl.untrusted import whole_number

T = TypeVar("T")

PATIENCE = timedelta(days=1)
"""How long the others wait for the main process, which may have much to evaluate."""
SPLITTING = {"ACCELERATE_USE_FSDP": "FSDP", "ACCELERATE_USE_DEEPSPEED": "DeepSpeed"}
"""What accelerate's launcher sets → what would then split the model."""


def world_size() -> int:
    """How many processes train together.

    Raises:
        ConfigError: The environment gives it as something other than a number.
    """
    if "LOCAL_RANK" not in os.environ:
        return 1
    for name in ("LOCAL_RANK", "RANK"):  # libraries read them too, and take them for numbers
        whole_number(name, 0)
    return max(whole_number("WORLD_SIZE", 1), 1)


def is_main() -> bool:
    """Whether this process is the one that writes and talks."""
    return world_size() == 1 or whole_number("RANK", 0) == 0


def own_device(device: str | None = None) -> torch.device:
    """The device that this process trains on; it also joins the other processes here.

    Args:
        device: The device that was asked for; the best there is if not given.

    Raises:
        ConfigError: It cannot be used, or is not this process's own, or the launcher was told to
            split the model.
    """
    for key, name in SPLITTING.items():
        if os.environ.get(key, "").lower() in ("true", "1"):
            raise ConfigError(
                f"{name} would split the model, and training needs the whole of it in every "
                "process.",
                hint="Start it with 'accelerate launch --multi_gpu' or 'torchrun'; 'method: lora' "
                "and 'method: qlora' take less memory.",
            )
    if device is not None:
        check_device(device)
    chosen = choose_device(device)
    if chosen.type == "cuda":
        chosen = _own_cuda(chosen)
    if world_size() > 1 and not dist.is_initialized():
        dist.init_process_group("nccl" if chosen.type == "cuda" else "gloo", timeout=PATIENCE)
    return chosen


def _own_cuda(asked: torch.device) -> torch.device:
    place = whole_number("LOCAL_RANK", 0) if world_size() > 1 else 0
    if asked.index not in (None, place):
        raise ConfigError(
            f"This process trains on 'cuda:{place}', not on '{asked}'.",
            hint="Say '--device cuda', and with CUDA_VISIBLE_DEVICES which devices are to be used.",
        )
    own = torch.device("cuda", place)
    check_device(str(own))
    torch.cuda.set_device(own)
    return own


def on_main(action: Callable[[], T]) -> T:
    """Run ``action`` in the main process and return its result in all of them.

    Raises:
        SentixError: What it raised there, in all processes.
    """
    if world_size() == 1:
        return action()
    told: list[Any] = [None, None]
    if is_main():
        try:
            told[0] = action()
        except SentixError as error:
            told[1] = error
    dist.broadcast_object_list(told, src=0)
    found: T = told[0]
    if told[1] is not None:
        raise told[1]
    return found


def all_gather(value: T) -> list[T]:
    """The ``value`` of every process, in the order of their ranks."""
    if world_size() == 1:
        return [value]
    found: list[Any] = [None] * world_size()
    dist.all_gather_object(found, value)
    return found


def shutdown() -> None:
    """Leave the process group, however the training ended."""
    if dist.is_initialized():
        dist.destroy_process_group()
