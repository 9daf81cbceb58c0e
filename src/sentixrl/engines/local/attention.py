"""Attention over a pack's rows: each range of tokens against its own keys.

Contract: ``attend`` gives what dense attention under the trie's visibility would give. On the CPU
a row is a small dense product under an additive mask, and only its pairs are computed; on CUDA
the pack is one row for FlexAttention, whose blocks without a visible pair are skipped.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F

from sentixrl.engines.local.store import KeyValueStore
from sentixrl.trie import Pack, Row


@dataclass(slots=True)
class RowPlan:
    """One row's tensors on the device.

    Attributes:
        start: First query in the pack.
        stop: One past the last.
        keys: Slots of its keys, ``[n_keys]``.
        row: Whose visibility its masks carry.
        dtype: Format of additive masks.
        sparse: Whether masks are FlexAttention's block masks.
    """

    start: int
    stop: int
    keys: torch.Tensor
    row: Row
    dtype: torch.dtype
    sparse: bool
    _masks: dict[int | None, Any] = field(default_factory=dict)

    def mask(self, window: int | None) -> Any:  # noqa: ANN401 - a tensor or a block mask
        """The row's mask, for layers that look back ``window`` tokens or all the way."""
        if window not in self._masks:
            build = self._block_mask if self.sparse else self._additive
            self._masks[window] = build(window)
        return self._masks[window]

    def _additive(self, window: int | None) -> torch.Tensor:
        """0 where a key is seen, -inf where not, ``[1, 1, queries, n_keys]``."""
        seen = self.row.visible()
        if window is not None:
            seen &= self.row.distance() < window
        hidden = torch.from_numpy(~seen).to(self.keys.device)
        bias = torch.zeros(hidden.shape, dtype=self.dtype, device=self.keys.device)
        return bias.masked_fill_(hidden, float("-inf"))[None, None]

    def _block_mask(self, window: int | None) -> Any:  # noqa: ANN401 - FlexAttention's BlockMask
        from torch.nn.attention.flex_attention import create_block_mask

        device, row = self.keys.device, self.row
        order, end, query, depth, back = (
            torch.from_numpy(values).to(device)
            for values in (row.order, row.end, row.queries, row.key_depth, row.query_depth)
        )

        def visible(
            batch: torch.Tensor, head: torch.Tensor, q: torch.Tensor, k: torch.Tensor
        ) -> torch.Tensor:
            seen = (order[k] <= query[q]) & (query[q] < end[k])
            return seen if window is None else seen & (back[q] - depth[k] < window)

        return create_block_mask(
            visible, None, None, self.stop - self.start, len(row.order), device=str(device)
        )


@dataclass(slots=True)
class PackPlan:
    """A pack as tensors on the device, with the store its attention reads and writes.

    Attributes:
        tokens: ``[length]``.
        positions: ``[length]``.
        slots: ``[length]``.
        rows: One plan a row.
        reads: ``[n_reads]``.
        store: The session's keys and values.
    """

    tokens: torch.Tensor
    positions: torch.Tensor
    slots: torch.Tensor
    rows: list[RowPlan]
    reads: torch.Tensor
    store: KeyValueStore

    @classmethod
    def of(
        cls, pack: Pack, store: KeyValueStore, dtype: torch.dtype, device: torch.device
    ) -> PackPlan:
        """Move a pack to the device."""
        sparse = uses_flex(device)
        rows = [
            RowPlan(
                row.start, row.stop, torch.from_numpy(row.keys).to(device), row, dtype, sparse
            )
            for row in pack.rows
        ]
        return cls(
            tokens=torch.from_numpy(pack.tokens).to(device),
            positions=torch.from_numpy(pack.positions).to(device),
            slots=torch.from_numpy(pack.slots).to(device),
            rows=rows,
            reads=torch.from_numpy(pack.reads).to(device),
            store=store,
        )


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
    for row in plan.rows:
        key = keys.index_select(0, row.keys).transpose(0, 1)[None]
        value = values.index_select(0, row.keys).transpose(0, 1)[None]
        query = queries[row.start : row.stop].transpose(0, 1)[None]
        mask = row.mask(window)
        if row.sparse:
            mixed = flex_attention(queries.device)(
                query, key, value, block_mask=mask, scale=scale, enable_gqa=grouped
            )
        else:
            mixed = F.scaled_dot_product_attention(
                query, key, value, attn_mask=mask, scale=scale, enable_gqa=grouped
            )
        out[row.start : row.stop] = mixed[0].transpose(0, 1)


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
