"""Attention over a pack's rows: each range of tokens against its own keys.

Contract: ``attend`` gives what dense attention under the trie's visibility would give. On the CPU
rows of like shape are padded into one batched product under an additive mask, and little more
than their own pairs is computed; on CUDA the pack is one row for FlexAttention, whose blocks
without a visible pair are skipped.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from sentixrl.engines.local.store import KeyValueStore
from sentixrl.trie import Pack, Row

# A batch of rows may compute this much more than its rows alone: calls cost too.
PADDING = 1.4


@dataclass(slots=True)
class RowBatch:
    """Rows that attend in one call, padded to the same shape.

    Attributes:
        rows: The rows, at most ``queries`` tokens and ``keys`` keys each.
        gather: Token of the pack at each place of the padded batch, ``[batch * queries]``.
        places: Where each of the rows' tokens stands in the padded batch, ``[n_tokens]``.
        tokens: Which tokens of the pack those are, ``[n_tokens]``.
        slots: Slot of each key, padded with slot 0, ``[batch * keys]``.
        queries: Padded number of tokens.
        keys: Padded number of keys.
        dtype: Format of additive masks.
        sparse: Whether masks are FlexAttention's block masks.
    """

    rows: Sequence[Row]
    gather: torch.Tensor
    places: torch.Tensor
    tokens: torch.Tensor
    slots: torch.Tensor
    queries: int
    keys: int
    dtype: torch.dtype
    sparse: bool
    _masks: dict[int | None, Any] = field(default_factory=dict)

    @classmethod
    def of(
        cls, rows: Sequence[Row], dtype: torch.dtype, device: torch.device, sparse: bool
    ) -> RowBatch:
        """Lay rows out side by side."""
        queries = max(row.stop - row.start for row in rows)
        keys = max(len(row.keys) for row in rows)
        gather = np.zeros((len(rows), queries), np.int64)
        slots = np.zeros((len(rows), keys), np.int64)
        for place, row in enumerate(rows):
            gather[place, : row.stop - row.start] = np.arange(row.start, row.stop)
            slots[place, : len(row.keys)] = row.keys
        tokens = np.concatenate([np.arange(row.start, row.stop) for row in rows])
        places = np.concatenate(
            [n * queries + np.arange(row.stop - row.start) for n, row in enumerate(rows)]
        )
        on_device = (torch.from_numpy(a).to(device) for a in (gather, places, tokens, slots))
        first, second, third, fourth = on_device
        return cls(
            rows, first.flatten(), second, third, fourth.flatten(), queries, keys, dtype, sparse
        )

    def mask(self, window: int | None) -> Any:  # noqa: ANN401 - a tensor or a block mask
        """The rows' mask, for layers that look back ``window`` tokens or all the way."""
        if window not in self._masks:
            build = self._block_mask if self.sparse else self._additive
            self._masks[window] = build(window)
        return self._masks[window]

    def _additive(self, window: int | None) -> torch.Tensor:
        """0 where a key is seen, -inf where not, ``[batch, 1, queries, keys]``."""
        hidden = np.ones((len(self.rows), self.queries, self.keys), np.bool_)
        for place, row in enumerate(self.rows):
            seen = row.visible()
            if window is not None:
                seen &= row.distance() < window
            hidden[place, : seen.shape[0], : seen.shape[1]] = ~seen
            hidden[place, seen.shape[0] :, 0] = False  # padding sees something, or it is NaN
        bias = torch.zeros(hidden.shape, dtype=self.dtype, device=self.slots.device)
        bias.masked_fill_(torch.from_numpy(hidden).to(self.slots.device), float("-inf"))
        return bias[:, None]

    def _block_mask(self, window: int | None) -> Any:  # noqa: ANN401 - FlexAttention's BlockMask
        from torch.nn.attention.flex_attention import create_block_mask

        (row,) = self.rows
        device = self.slots.device
        order, end, query, depth, back = (
            torch.from_numpy(values).to(device)
            for values in (row.order, row.end, row.queries, row.key_depth, row.query_depth)
        )

        def visible(
            batch: torch.Tensor, head: torch.Tensor, q: torch.Tensor, k: torch.Tensor
        ) -> torch.Tensor:
            seen = (order[k] <= query[q]) & (query[q] < end[k])
            return seen if window is None else seen & (back[q] - depth[k] < window)

        return create_block_mask(visible, None, None, self.queries, self.keys, device=str(device))


@dataclass(slots=True)
class PackPlan:
    """A pack as tensors on the device, with the store its attention reads and writes.

    Attributes:
        tokens: ``[length]``.
        positions: ``[length]``.
        slots: ``[length]``.
        batches: What attends together.
        reads: ``[n_reads]``.
        store: The session's keys and values.
    """

    tokens: torch.Tensor
    positions: torch.Tensor
    slots: torch.Tensor
    batches: list[RowBatch]
    reads: torch.Tensor
    store: KeyValueStore

    @classmethod
    def of(
        cls, pack: Pack, store: KeyValueStore, dtype: torch.dtype, device: torch.device
    ) -> PackPlan:
        """Move a pack to the device."""
        sparse = uses_flex(device)
        groups = [[row] for row in pack.rows] if sparse else alike(pack.rows)
        return cls(
            tokens=torch.from_numpy(pack.tokens).to(device),
            positions=torch.from_numpy(pack.positions).to(device),
            slots=torch.from_numpy(pack.slots).to(device),
            batches=[RowBatch.of(rows, dtype, device, sparse) for rows in groups],
            reads=torch.from_numpy(pack.reads).to(device),
            store=store,
        )

    def attend(
        self,
        layer: int,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        scale: float,
        window: int | None,
    ) -> torch.Tensor:
        """Store the pack's keys and values and attend: what transformers' models call.

        Args:
            layer: The decoder layer.
            query: ``[length, heads, head_dim]``, rotated.
            key: ``[length, key_heads, head_dim]``, rotated.
            value: ``[length, key_heads, value_dim]``.
            scale: What scores are multiplied by.
            window: How many tokens back a layer with a sliding window looks.

        Returns:
            ``[length, heads, value_dim]``.
        """
        self.store.write(layer, self.slots, key, value)
        out = query.new_empty(*query.shape[:2], value.shape[-1])
        attend(query, self, layer, scale, out, window)
        return out


def attend(
    queries: torch.Tensor,
    plan: PackPlan,
    layer: int,
    scale: float,
    out: torch.Tensor,
    window: int | None = None,
) -> None:
    """Attention of every token of the pack.

    Args:
        queries: ``[length, heads, head_dim]``, rotated.
        plan: The pack; its keys and values of ``layer`` stand in the store.
        layer: The decoder layer.
        scale: What scores are multiplied by.
        out: Where the result goes, ``[length, heads, value_dim]``.
        window: How many tokens back a layer with a sliding window looks.
    """
    keys, values = plan.store.layer(layer)
    grouped = queries.shape[1] != keys.shape[1]
    for batch in plan.batches:
        key, value, query = (
            source.index_select(0, index)
            .view(len(batch.rows), -1, *source.shape[1:])
            .transpose(1, 2)
            for source, index in (
                (keys, batch.slots),
                (values, batch.slots),
                (queries, batch.gather),
            )
        )
        mask = batch.mask(window)
        if batch.sparse:
            mixed = flex_attention(queries.device)(
                query, key, value, block_mask=mask, scale=scale, enable_gqa=grouped
            )
        else:
            mixed = F.scaled_dot_product_attention(
                query, key, value, attn_mask=mask, scale=scale, enable_gqa=grouped
            )
        spread = mixed.transpose(1, 2).flatten(0, 1)
        out.index_copy_(0, batch.tokens, spread.index_select(0, batch.places))


def alike(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Group rows so that padding each group to one shape costs little."""
    group: list[Row] = []
    area = 0
    for row in sorted(rows, key=lambda row: (len(row.keys), row.stop - row.start)):
        own = (row.stop - row.start) * len(row.keys)
        widest = max(other.stop - other.start for other in [*group, row])
        if group and (len(group) + 1) * widest * len(row.keys) > PADDING * (area + own):
            yield group
            group, area = [], 0
        group.append(row)
        area += own
    if group:
        yield group


def uses_flex(device: torch.device) -> bool:
    """Whether packs on this device go to FlexAttention."""
    if device.type != "cuda":
        return False
    # The compiled kernel needs Triton; without it dense rows are the better choice.
    return importlib.util.find_spec("triton") is not None


@cache
def flex_attention(device: torch.device) -> Callable[..., torch.Tensor]:
    """FlexAttention, compiled on CUDA; its uncompiled form is slow and for tests alone."""
    from torch.nn.attention import flex_attention as module

    if device.type != "cuda":
        return module.flex_attention
    return torch.compile(module.flex_attention, dynamic=True)
