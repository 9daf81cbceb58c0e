"""How a model is loaded, or asked where it is served, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

from sentixrl.errors import ConfigError
from sentixrl.trie import PackBudget

PromptFormatName = Literal["plain", "chat"]
MOST_AT_ONCE = 1024


@dataclass(frozen=True, slots=True)
class RemoteOptions:
    """How a model on a server is asked.

    Attributes:
        concurrency: Most requests under way at once.
        timeout: Seconds after which a request is given up.
        attempts: How often a request is sent before it counts as unanswered.
        max_requests: Most calls that compute something, repeated ones included; ``None`` for any
            number.
        max_tokens: No call is begun once so many tokens were read and written; ``None`` for any
            number.
        rotations: How many orders of the letters are asked, where choices are asked for by letters.

    Raises:
        ConfigError: A number is too small.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 (pydantic declares it so)

    concurrency: int = 8
    timeout: float = 120.0
    attempts: int = 5
    max_requests: int | None = None
    max_tokens: int | None = None
    rotations: int = 1

    def __post_init__(self) -> None:
        for part in fields(self):
            value = getattr(self, part.name)
            if value is not None and not value > 0:
                raise ConfigError(f"'{part.name}' is {value}; it must be above 0.")
        if self.concurrency > MOST_AT_ONCE:
            raise ConfigError(
                f"'concurrency' is {self.concurrency}; at most {MOST_AT_ONCE} requests are under "
                "way at once."
            )


@dataclass(frozen=True, slots=True)
class EngineOptions:
    """How a model is loaded.

    ``None`` is chosen by the model's folder or by measuring the machine. All but ``prompt_format``
    and ``remote`` are for local models.

    Attributes:
        device: ``cpu``, ``cuda``, ``cuda:1``, …
        dtype: ``float32``, ``bfloat16`` or ``float16``.
        threads: How many threads compute, in all.
        prompt_format: ``chat`` or ``plain``; chat if the model has a chat template.
        adapter: Folder of a PEFT adapter.
        bits: 8 or 4 to quantise on CUDA.
        budget: Bounds on packs.
        decoder: ``own`` or ``transformers`` to require one of the two.
        remote: How a model on a server is asked.
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
    remote: RemoteOptions = field(default_factory=RemoteOptions)
