"""Attention over one pack with gradients: keys and values come from the pack itself.

Contract: the same rows and masks as the engine's attention, computed and differentiated batch by
batch. Scores of a group of heads that share keys are one product, so that keys and values are
never repeated; the probabilities are kept for the backward pass, nothing else is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from sentixrl.engines.local.attention import flex_attention, uses_flex
from sentixrl.engines.local.batches import RowBatch, group_rows
from sentixrl.trie import Pack


class TrainingPlan:
    """A pack as tensors on a device, for a forward pass that is differentiated.

    Args:
        pack: All tokens of a trie.
        dtype: Number format of masks.
        device: Where the model computes.

    Attributes:
        tokens: Token ids, ``[1, length]``.
        positions: ``[1, length]``.
    """

    def __init__(self, pack: Pack, dtype: torch.dtype, device: torch.device) -> None:
        self._sparse = uses_flex(device)
        groups = [[row] for row in pack.rows] if self._sparse else group_rows(pack.rows)
        batches = [RowBatch.of(rows, dtype, device, self._sparse) for rows in groups]
        place = np.empty(int(pack.slots.max()) + 1, np.int64)
        place[pack.slots] = np.arange(len(pack))
        places = torch.from_numpy(place).to(device)
        self._batches = [(batch, places[batch.slots]) for batch in batches]
        self.tokens = torch.from_numpy(pack.tokens)[None].to(device)
        self.positions = torch.from_numpy(pack.positions)[None].to(device)

    def attend(
        self,
        layer: int,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        scale: float,
        window: int | None,
    ) -> torch.Tensor:
        """Attention of every token of the pack.

        Args:
            layer: Not needed; the engine's plan, which shares this interface, needs it.
            query: ``[length, heads, head_dim]``.
            key: ``[length, key_heads, head_dim]``.
            value: ``[length, key_heads, value_dim]``.
            scale: What scores are multiplied by.
            window: How many tokens back a layer with a sliding window looks.

        Returns:
            ``[length, heads, value_dim]``.
        """
        if self._sparse:
            return _flex(query, key, value, self._batches, scale, window)
        out: torch.Tensor = _Rows.apply(query, key, value, self._batches, scale, window)  # type: ignore[no-untyped-call]
        return out


Batches = Sequence[tuple[RowBatch, torch.Tensor]]
"""Rows that attend in one call, with the token of the pack that each of their keys is."""


def _flex(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    batches: Batches,
    scale: float,
    window: int | None,
) -> torch.Tensor:
    """FlexAttention, which torch differentiates, a batch of one row at a time."""
    out = query.new_zeros(*query.shape[:2], value.shape[2])
    grouped = query.shape[1] != key.shape[1]
    for batch, keys in batches:
        parts = ((query, batch.gather), (key, keys), (value, keys))
        q, k, v = (part.index_select(0, at).transpose(0, 1)[None] for part, at in parts)
        mixed = flex_attention(query.device)(
            q, k, v, block_mask=batch.mask(window), scale=scale, enable_gqa=grouped
        )
        own = mixed[0].transpose(0, 1).index_select(0, batch.places)
        out = out.index_copy(0, batch.tokens, own)
    return out


class _Rows(torch.autograd.Function):
    """Attention of all batches of rows of a layer.

    One function for all of them, so that their gradients are summed in place: torch would make one
    of the whole pack for each batch.
    """

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - autograd's context
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        batches: Batches,
        scale: float,
        window: int | None,
    ) -> torch.Tensor:
        out = query.new_empty(*query.shape[:2], value.shape[2])  # every token is in one batch
        kept = []
        for batch, keys in batches:
            shape = _Shape(query, key, batch)
            scores = torch.bmm(
                shape.queries(query.index_select(0, batch.gather)),
                shape.keys(key.index_select(0, keys)).transpose(1, 2),
            )
            grid = scores.view(shape.rows, shape.groups, shape.share, batch.queries, batch.keys)
            torch.add(batch.mask(window)[:, None, None], grid, alpha=scale, out=grid)
            weights = scores.softmax(-1)
            mixed = torch.bmm(weights, shape.keys(value.index_select(0, keys)))
            out.index_copy_(0, batch.tokens, shape.tokens(mixed).index_select(0, batch.places))
            kept.append(weights)
        ctx.save_for_backward(query, key, value, *kept)
        ctx.batches, ctx.scale = batches, scale
        return out

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[Any, ...]:  # noqa: ANN401
        (grad,) = grads
        query, key, value, *kept = ctx.saved_tensors
        to_query = torch.empty_like(query)
        # A key's gradient has a term from every row that sees it.
        to_key, to_value = (torch.zeros_like(part, dtype=torch.float32) for part in (key, value))
        for (batch, keys), weights in zip(ctx.batches, kept, strict=True):
            shape = _Shape(query, key, batch)
            spread = grad.new_zeros(shape.rows * batch.queries, *grad.shape[1:])
            spread.index_copy_(0, batch.places, grad.index_select(0, batch.tokens))
            mixed = shape.queries(spread)
            gathered = shape.keys(value.index_select(0, keys))
            scores = torch._softmax_backward_data(
                torch.bmm(mixed, gathered.transpose(1, 2)), weights, -1, weights.dtype
            )
            asked = torch.bmm(scores, shape.keys(key.index_select(0, keys)))
            to_query.index_copy_(0, batch.tokens, shape.tokens(asked).index_select(0, batch.places))
            found = shape.queries(query.index_select(0, batch.gather))
            for total, part in (
                (to_key, torch.bmm(scores.transpose(1, 2), found)),
                (to_value, torch.bmm(weights.transpose(1, 2), mixed)),
            ):
                total.index_add_(0, keys, shape.spread(part).float())
        # The scale of the scores, applied where there are fewer numbers than scores.
        to_query, to_key = to_query.mul_(ctx.scale), to_key.mul_(ctx.scale)
        return to_query, to_key.to(key.dtype), to_value.to(value.dtype), None, None, None


class _Shape:
    """Folds heads that share keys into the queries of a batched product, and back."""

    def __init__(self, query: torch.Tensor, key: torch.Tensor, batch: RowBatch) -> None:
        self.rows = len(batch.rows)
        self.heads = query.shape[1]
        self.groups = key.shape[1]
        self.share = self.heads // self.groups

    def queries(self, gathered: torch.Tensor) -> torch.Tensor:
        """``[rows * queries, heads, dim]`` to ``[rows * groups, share * queries, dim]``."""
        dim = gathered.shape[-1]
        split = gathered.view(self.rows, -1, self.groups, self.share, dim)
        return split.permute(0, 2, 3, 1, 4).reshape(self.rows * self.groups, -1, dim)

    def tokens(self, folded: torch.Tensor) -> torch.Tensor:
        """``[rows * groups, share * queries, dim]`` to ``[rows * queries, heads, dim]``."""
        dim = folded.shape[-1]
        split = folded.view(self.rows, self.groups, self.share, -1, dim)
        return split.permute(0, 3, 1, 2, 4).reshape(-1, self.heads, dim)

    def keys(self, gathered: torch.Tensor) -> torch.Tensor:
        """``[rows * keys, groups, dim]`` to ``[rows * groups, keys, dim]``."""
        dim = gathered.shape[-1]
        split = gathered.view(self.rows, -1, self.groups, dim)
        return split.transpose(1, 2).reshape(self.rows * self.groups, -1, dim)

    def spread(self, folded: torch.Tensor) -> torch.Tensor:
        """``[rows * groups, keys, dim]`` to ``[rows * keys, groups, dim]``."""
        dim = folded.shape[-1]
        split = folded.view(self.rows, self.groups, -1, dim)
        return split.transpose(1, 2).reshape(-1, self.groups, dim)
