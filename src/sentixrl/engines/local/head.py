"""From hidden states to logits: the vocabulary matrix, and what a model does to its product.

Contract: logits and normalisers are float32 whatever the weights are in, so that a choice's
log-probability is never above 0 by more than float32 rounds. The whole vocabulary's logits are
never held at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F

# Rows of the vocabulary matrix that stand in float32 at a time, and logits made from them.
ROWS = 8192
LOGITS = 1 << 22


@dataclass(frozen=True, slots=True)
class Head:
    """A language model's output: ``cap(scale · (hidden · weightᵀ + bias))``.

    Attributes:
        weight: The vocabulary matrix, ``[vocabulary, hidden]``.
        bias: Added to its product, ``[vocabulary]``.
        scale: What that is multiplied by; positive.
        softcap: Logits are bent to stay within ± this: ``softcap · tanh(logit / softcap)``.
    """

    weight: torch.Tensor
    bias: torch.Tensor | None = None
    scale: float = 1.0
    softcap: float | None = None

    def logits(self, hidden: torch.Tensor, tokens: torch.Tensor | slice) -> torch.Tensor:
        """Logits of some tokens.

        Args:
            hidden: Final hidden states, ``[n, hidden]``.
            tokens: Which tokens, ``[n_tokens]``.

        Returns:
            ``[n, n_tokens]``, float32.
        """
        bias = None if self.bias is None else self.bias[tokens].float()
        logits = self.scale * F.linear(hidden.float(), self.weight[tokens].float(), bias)
        return logits if self.softcap is None else self.softcap * (logits / self.softcap).tanh()

    def normalisers(self, hidden: torch.Tensor) -> torch.Tensor:
        """Log Σ exp of the whole vocabulary's logits, ``[n]``, from hidden states ``[n, hidden]``.

        A product kept in bfloat16 would round logits near 20 by a sixteenth.
        """
        parts = [self.logits(hidden, block).logsumexp(-1) for block in self._blocks(len(hidden))]
        return torch.stack(parts).logsumexp(0)

    def likeliest(self, hidden: torch.Tensor) -> torch.Tensor:
        """The token with the highest logit, ``[n]``, from hidden states ``[n, hidden]``.

        Scale and cap keep the order, so the product in the model's own format is enough.
        """
        step = max(1, LOGITS // len(self.weight))
        rows = (hidden[start : start + step] for start in range(0, len(hidden), step))
        return torch.cat([F.linear(part, self.weight, self.bias).argmax(-1) for part in rows])

    def _blocks(self, count: int) -> Iterator[slice]:
        """The vocabulary in parts whose logits for ``count`` states stay small."""
        step = max(1, min(ROWS, LOGITS // count))
        for start in range(0, len(self.weight), step):
            yield slice(start, start + step)
