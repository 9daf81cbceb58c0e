"""How a model is loaded, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sentixrl.trie import PackBudget

PromptFormatName = Literal["plain", "chat"]


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How a local model is loaded.

    ``None`` is chosen by the model's folder or by measuring the machine.

    Attributes:
        device: ``cpu``, ``cuda``, ``cuda:1``, …
        dtype: ``float32``, ``bfloat16`` or ``float16``.
        threads: How many threads compute, in all.
        prompt_format: ``chat`` or ``plain``; chat if the model has a chat template.
        adapter: Folder of a PEFT adapter.
        bits: 8 or 4 to quantise on CUDA.
        budget: Bounds on packs.
        decoder: ``own`` or ``transformers`` to require one of the two.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 (pydantic declares it so)

    device: str | None = None
    dtype: str | None = None
    threads: int | None = None
    prompt_format: PromptFormatName | None = None
    adapter: Path | None = None
    bits: Literal[4, 8] | None = None
    budget: PackBudget | None = None
    decoder: Literal["own", "transformers"] | None = None
