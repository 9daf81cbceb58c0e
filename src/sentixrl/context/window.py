"""The anchored history window: how far back a prompt looks.

Contract: a window never drops its target, never looks past it, and drops the oldest turns first.
It is *anchored*: its start stays put while it grows from ``history_min`` to ``history_max``
turns, then jumps, so that neighbouring prompts share their prefix. Jumps caused by the bound in
turns are at least ``history_max + 1 - history_min`` targets apart. Among turns of similar length
each is computed about ``(history_max + 1) / (history_max + 1 - history_min)`` times, however long
the dialogue is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from sentixrl.errors import ConfigError

LARGEST = 1_000_000
"""The largest bound on turns or tokens."""


@dataclass(frozen=True, slots=True)
class HistoryWindow:
    """Bounds on the turns before the target.

    Attributes:
        history_max: Most earlier turns a prompt holds (0: the target alone).
        history_min: Most earlier turns kept when the start jumps. If it equals ``history_max``, the
            window slides, and nothing is shared once it is full.
        max_tokens: Most tokens that earlier turns and target take together, as the engine counts
            them. A longer target stands alone. A jump keeps ``history_min / history_max`` of the
            tokens that the target leaves free.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 (pydantic declares it so)

    history_max: int = 24
    history_min: int = 8
    max_tokens: int = 768

    def __post_init__(self) -> None:
        if self.history_min < 0 or self.history_max < self.history_min:
            raise ConfigError(
                f"The history window has a minimum of {self.history_min} and a maximum of "
                f"{self.history_max} turns; it needs 0 ≤ minimum ≤ maximum."
            )
        if self.max_tokens < 1:
            raise ConfigError(f"The history window allows {self.max_tokens} tokens; it needs ≥ 1.")
        if max(self.history_max, self.max_tokens) > LARGEST:
            raise ConfigError(f"The history window has a bound above {LARGEST:,}.")

    def of_turns(self, history_max: int) -> HistoryWindow:
        """The same window with another length; a jump keeps the same share of it.

        Raises:
            ConfigError: ``history_max`` is below zero.
        """
        share, whole = (self.history_min, self.history_max) if self.history_max else (1, 3)
        return replace(self, history_max=history_max, history_min=history_max * share // whole)

    def starts(self, tokens: Sequence[int]) -> list[int]:
        """Where the window of each target starts.

        Args:
            tokens: The length of each turn, shape ``[n_turns]``.

        Returns:
            The index of the oldest turn each target's prompt holds, shape ``[n_turns]``;
            non-decreasing, and equal to the number of dropped turns.
        """
        starts: list[int] = []
        start = 0
        history = 0  # tokens of the turns from start up to the target
        for target, length in enumerate(tokens):
            if target - start > self.history_max or history + length > self.max_tokens:
                room = self._room(length)
                while start < target and (target - start > self.history_min or history > room):
                    history -= tokens[start]
                    start += 1
            starts.append(start)
            history += length
        return starts

    def _room(self, target_length: int) -> int:
        """Tokens of history that a jump keeps; below zero if the target alone is too long."""
        left = self.max_tokens - target_length
        return left * self.history_min // self.history_max if self.history_max else left
