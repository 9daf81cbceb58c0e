"""Attention over one pack with gradients: keys and values come from the pack itself.

Contract: the same rows and masks as the engine's attention, computed and differentiated batch by
batch. Scores of a group of heads that share keys are one product, so that keys and values are
never repeated; the probabilities are kept for the backward pass, nothing else is.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from sentixrl.engines.local.attention import flex_attention, uses_flex
from sentixrl.engines.local.batches import RowBatch, alike
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
        sparse = uses_flex(device)
        groups = [[row] for row in pack.rows] if sparse else list(alike(pack.rows))
        place = np.empty(int(pack.slots.max()) + 1, np.int64)
        place[pack.slots] = np.arange(len(pack))
        self.tokens = torch.from_numpy(pack.tokens)[None].to(device)
        self.positions = torch.from_numpy(pack.positions)[None].to(device)
        self._places = torch.from_numpy(place).to(device)
        self._batches = [RowBatch.of(rows, dtype, device, sparse) for rows in groups]

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
            value: ``[length, key_heads, head_dim]``.
            scale: What scores are multiplied by.
            window: How many tokens back a layer with a sliding window looks.

        Returns:
            ``[length, heads, head_dim]``.
        """
        out = torch.zeros_like(query)
        for batch in self._batches:
            keys = self._places[batch.slots]
            mask = batch.mask(window)
            mixed = (
                _flex(query, key, value, batch, keys, mask, scale)
                if batch.sparse
                else _Rows.apply(query, key, value, batch, keys, mask, scale)  # type: ignore[no-untyped-call]
            )
            out = out.index_copy(0, batch.tokens, mixed)
        return out


def _flex(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    batch: RowBatch,
    keys: torch.Tensor,
    mask: Any,  # noqa: ANN401 - FlexAttention's BlockMask
    scale: float,
) -> torch.Tensor:
    parts = ((query, batch.gather), (key, keys), (value, keys))
    q, k, v = (part.index_select(0, at).transpose(0, 1)[None] for part, at in parts)
    grouped = query.shape[1] != key.shape[1]
    mixed = flex_attention(query.device)(q, k, v, block_mask=mask, scale=scale, enable_gqa=grouped)
    return mixed[0].transpose(0, 1).index_select(0, batch.places)


class _Rows(torch.autograd.Function):
    """Attention of one batch of rows; ``[n_tokens, heads, head_dim]``."""

    @staticmethod
    def forward(
        ctx: Any,  # noqa: ANN401 - autograd's context
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        batch: RowBatch,
        keys: torch.Tensor,
        mask: torch.Tensor,
        scale: float,
    ) -> torch.Tensor:
        shape = _Shape(query, key, batch)
        scores = torch.bmm(
            shape.queries(query.index_select(0, batch.gather)),
            shape.keys(key.index_select(0, keys)).transpose(1, 2),
        )
        scores = scores.view(shape.rows, shape.groups, shape.share, batch.queries, batch.keys)
        weights = scores.mul_(scale).add_(mask[:, None, None]).softmax(-1)
        weights = weights.view(shape.rows * shape.groups, -1, batch.keys)
        mixed = torch.bmm(weights, shape.keys(value.index_select(0, keys)))
        ctx.save_for_backward(query, key, value, weights)
        ctx.batch, ctx.keys, ctx.scale = batch, keys, scale
        return shape.tokens(mixed).index_select(0, batch.places)

    @staticmethod
    def backward(ctx: Any, *grads: torch.Tensor) -> tuple[Any, ...]:  # noqa: ANN401
        (grad,) = grads
        query, key, value, weights = ctx.saved_tensors
        batch, keys = ctx.batch, ctx.keys
        shape = _Shape(query, key, batch)
        spread = grad.new_zeros(shape.rows * batch.queries, *grad.shape[1:])
        spread.index_copy_(0, batch.places, grad)
        mixed = shape.queries(spread)
        gathered = shape.keys(value.index_select(0, keys))
        scores = torch._softmax_backward_data(
            torch.bmm(mixed, gathered.transpose(1, 2)), weights, -1, weights.dtype
        ).mul_(ctx.scale)
        asked = torch.bmm(scores, shape.keys(key.index_select(0, keys)))
        to_query = torch.zeros_like(query)
        to_query.index_copy_(0, batch.tokens, shape.tokens(asked).index_select(0, batch.places))
        found = shape.queries(query.index_select(0, batch.gather))
        to_key = _scatter(key, keys, shape.spread(torch.bmm(scores.transpose(1, 2), found)))
        to_value = _scatter(value, keys, shape.spread(torch.bmm(weights.transpose(1, 2), mixed)))
        return to_query, to_key, to_value, None, None, None, None


class _Shape:
    """Folds heads that share keys into the queries of a batched product, and back."""

    def __init__(self, query: torch.Tensor, key: torch.Tensor, batch: RowBatch) -> None:
        self.rows = len(batch.rows)
        self.heads, self.dim = query.shape[1:]
        self.groups = key.shape[1]
        self.share = self.heads // self.groups

    def queries(self, gathered: torch.Tensor) -> torch.Tensor:
        """``[rows * queries, heads, dim]`` to ``[rows * groups, share * queries, dim]``."""
        split = gathered.view(self.rows, -1, self.groups, self.share, self.dim)
        return split.permute(0, 2, 3, 1, 4).reshape(self.rows * self.groups, -1, self.dim)

    def tokens(self, folded: torch.Tensor) -> torch.Tensor:
        """``[rows * groups, share * queries, dim]`` to ``[rows * queries, heads, dim]``."""
        split = folded.view(self.rows, self.groups, self.share, -1, self.dim)
        return split.permute(0, 3, 1, 2, 4).reshape(-1, self.heads, self.dim)

    def keys(self, gathered: torch.Tensor) -> torch.Tensor:
        """``[rows * keys, groups, dim]`` to ``[rows * groups, keys, dim]``."""
        split = gathered.view(self.rows, -1, self.groups, self.dim)
        return split.transpose(1, 2).reshape(self.rows * self.groups, -1, self.dim)

    def spread(self, folded: torch.Tensor) -> torch.Tensor:
        """``[rows * groups, keys, dim]`` to ``[rows * keys, groups, dim]``."""
        split = folded.view(self.rows, self.groups, -1, self.dim)
        return split.transpose(1, 2).reshape(-1, self.groups, self.dim)


def _scatter(like: torch.Tensor, index: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Sum ``values`` into the places they were gathered from, in float32."""
    total = torch.zeros(like.shape, dtype=torch.float32, device=like.device)
    return total.index_add_(0, index, values.float()).to(like.dtype)
