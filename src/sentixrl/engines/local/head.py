"""From hidden states to logits: the vocabulary matrix, and the model's scale and cap.

Contract: logits and normalisers are float32 whatever the weights' format, so a choice's
log-probability exceeds 0 at most by float32's rounding, or by that of a wide vocabulary's two-part
sums (2⁻¹⁸ of a logit). The whole vocabulary's logits are never held at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from sentixrl.engines.local.blocks import packs_weights

# Rows of the vocabulary matrix held in float32 at a time, and logits made from them.
ROWS = 8192
LOGITS = 1 << 22
# With at least this many rows, normalisers are most of a choice's cost and are made of two parts
# each.
WIDE = 200_000


@dataclass(frozen=True, slots=True)
class Head:
    """A language model's output: ``cap(scale · (hidden · weightᵀ + bias))``.

    Attributes:
        weight: The vocabulary matrix, ``[vocabulary, hidden]``.
        bias: Added to its product, ``[vocabulary]``.
        scale: The factor of that; positive.
        softcap: Logits are squashed to stay within ± this: ``softcap · tanh(logit / softcap)``.
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
        return self._bent(F.linear(hidden.float(), self.weight[tokens].float(), bias))

    def paired(self, hidden: torch.Tensor, tokens: torch.Tensor) -> torch.Tensor:
        """The logit of one token per hidden state, ``[n]`` from ``[n, hidden]`` and ``[n]``."""
        products = (hidden.float() * self.weight[tokens].float()).sum(-1)
        return self._bent(products if self.bias is None else products + self.bias[tokens].float())

    def normalisers(self, hidden: torch.Tensor) -> torch.Tensor:
        """Log Σ exp of the whole vocabulary's logits, ``[n]``, from hidden states ``[n, hidden]``.

        A bfloat16 product would round logits near 20 by up to a sixteenth.
        """
        make = self._sums_of_two if self._wide(hidden) else self.logits
        parts = [make(hidden, block).logsumexp(-1) for block in self._blocks(len(hidden))]
        return torch.stack(parts).logsumexp(0)

    def likeliest(self, hidden: torch.Tensor) -> torch.Tensor:
        """The token with the highest logit, ``[n]``, from hidden states ``[n, hidden]``.

        Scale and cap keep the order, so the product in the model's own format is enough.
        """
        step = max(1, LOGITS // len(self.weight))
        rows = (hidden[start : start + step] for start in range(0, len(hidden), step))
        return torch.cat([F.linear(part, self.weight, self.bias).argmax(-1) for part in rows])

    def _wide(self, hidden: torch.Tensor) -> bool:
        """Whether the vocabulary is wide, and bfloat16 products are the fast ones here."""
        like = packs_weights(hidden.device, hidden.dtype) and hidden.dtype == self.weight.dtype
        return like and self.bias is None and len(self.weight) >= WIDE

    def _sums_of_two(self, hidden: torch.Tensor, block: slice) -> torch.Tensor:
        """Logits as products in bfloat16 plus the remainder of their rounding.

        oneDNN sums a product in float32 and subtracts the rounded product before it rounds again.
        Two such products cost half of one in float32.
        """
        weight = self.weight[block].t()
        rounded = hidden @ weight
        left = torch.addmm(rounded, hidden, weight, beta=-1)
        return self._bent(rounded.float().add_(left))

    def _bent(self, products: torch.Tensor) -> torch.Tensor:
        """Logits of products: scaled, then capped."""
        logits = self.scale * products
        return logits if self.softcap is None else self.softcap * (logits / self.softcap).tanh()

    def _blocks(self, count: int) -> Iterator[slice]:
        """The vocabulary in parts, so that logits of ``count`` states stay small."""
        step = max(1, min(ROWS, LOGITS // count))
        for start in range(0, len(self.weight), step):
            yield slice(start, start + step)
