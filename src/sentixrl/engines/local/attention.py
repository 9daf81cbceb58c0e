"""Attention over a pack's rows: each range of tokens against its own keys.

Contract: ``attend`` gives what dense attention under the trie's visibility would give; it
computes only the pairs of each row. On CUDA all rows go to one block-sparse kernel instead.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from sentixrl.engines.local.store import KeyValueStore
from sentixrl.trie import Pack


@dataclass(frozen=True, slots=True)
class RowPlan:
    """One row's tensors.

    Attributes:
        start: First query in the pack.
        stop: One past the last.
        keys: Slots of its keys, ``[n_keys]``.
        bias: 0 where a key is seen, -inf where not, ``[1, 1, queries, n_keys]``.
        distance: How far back each key lies from each query, ``[queries, n_keys]``.
    """

    start: int
    stop: int
    keys: torch.Tensor
    bias: torch.Tensor
    distance: torch.Tensor


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
        rows = []
        for row in pack.rows:
            seen = torch.from_numpy(row.visible()).to(device)
            bias = torch.zeros(seen.shape, dtype=dtype, device=device)
            bias.masked_fill_(~seen, float("-inf"))
            keys = torch.from_numpy(row.keys).to(device)
            distance = torch.from_numpy(row.distance()).to(device)
            rows.append(RowPlan(row.start, row.stop, keys, bias[None, None], distance))
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
        bias = row.bias
        if window is not None:
            bias = bias.masked_fill(row.distance >= window, float("-inf"))
        mixed = F.scaled_dot_product_attention(
            query, key, value, attn_mask=bias, scale=scale, enable_gqa=grouped
        )
        out[row.start : row.stop] = mixed[0].transpose(0, 1)
