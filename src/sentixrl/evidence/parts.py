"""Which turns are hidden together.

Contract: every turn that a target's prompt shows before it is hidden exactly once. Parts depend on
places in the dialogue, not on the target, so that the prompts of neighbouring targets share their
beginnings.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from sentixrl.errors import ConfigError


@dataclass(frozen=True, slots=True)
class HidingPlan:
    """Near turns are hidden one at a time, far ones by windows.

    Attributes:
        alone: How many of the nearest turns are hidden one at a time.
        window: How many earlier ones are hidden together.
    """

    alone: int = 12
    window: int = 4

    def __post_init__(self) -> None:
        if self.alone < 0 or self.window < 1:
            raise ConfigError(
                f"Evidence hides {self.alone} turns alone and {self.window} together; it needs at "
                "least 0 and 1."
            )

    def parts(self, start: int, target: int) -> list[range]:
        """The parts of a target's history, oldest first.

        Args:
            start: The oldest turn that its prompt shows.
            target: The target, which is never hidden.
        """
        near = max(start, target - self.alone)
        # Windows begin at multiples of their length, whatever the target is.
        edges = [start, *range(start - start % self.window, near, self.window)[1:], near]
        far = [range(a, b) for a, b in pairwise(edges) if a < b]
        return [*far, *(range(turn, turn + 1) for turn in range(near, target))]
