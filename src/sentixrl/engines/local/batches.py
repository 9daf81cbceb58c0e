"""Rows of similar shape side by side, which attention computes in one call.

Contract: a batch pads its rows to one shape. Its mask hides the padding and what a token may not
see.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch

from sentixrl.trie import Row

# A batch may compute this much more than its rows alone, because calls cost time too. This and the
# next bound hold before sizes are rounded.
PADDING = 1.4
# Query-key pairs of a batch: with some ten heads its scores still fit a core's cache.
BATCH_PAIRS = 1 << 17
# Sizes are rounded up to these steps: for every new shape the library makes a product anew, and
# keeps it, in about a megabyte.
EVEN_QUERIES, EVEN_KEYS = 8, 32


@dataclass(slots=True)
class RowBatch:
    """Rows that attend in one call, padded to the same shape.

    Attributes:
        rows: The rows, at most ``queries`` tokens and ``keys`` keys each.
        gather: Token of the pack at each place of the padded batch, ``[batch * queries]``.
        places: Place of each of the rows' tokens in the padded batch, ``[n_tokens]``.
        tokens: Which tokens of the pack those are, ``[n_tokens]``.
        slots: Slot of each key, padded with a key of the row, ``[batch * keys]``.
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
        if not sparse:
            # Fewer queries are few shapes anyway.
            queries = queries if queries < EVEN_QUERIES else rounded_up(queries, EVEN_QUERIES)
            keys = rounded_up(keys, EVEN_KEYS)
        gather = np.zeros((len(rows), queries), np.int64)
        slots = np.empty((len(rows), keys), np.int64)
        for place, row in enumerate(rows):
            gather[place, : row.stop - row.start] = np.arange(row.start, row.stop)
            slots[place, : len(row.keys)] = row.keys
            # Padding repeats a key of the row: a slot not yet written may hold anything.
            slots[place, len(row.keys) :] = row.keys[0]
        tokens = np.concatenate([np.arange(row.start, row.stop) for row in rows])
        places = np.concatenate(
            [n * queries + np.arange(row.stop - row.start) for n, row in enumerate(rows)]
        )
        on_device = (torch.from_numpy(a).to(device) for a in (gather, places, tokens, slots))
        first, second, third, fourth = on_device
        return cls(
            rows, first.flatten(), second, third, fourth.flatten(), queries, keys, dtype, sparse
        )

    @property
    def places_padded(self) -> int:
        """Places of the padded batch, those that hold no token included."""
        return len(self.rows) * self.queries

    def mask(self, window: int | None) -> Any:  # noqa: ANN401 - a tensor or a block mask
        """The rows' mask, for layers that look back ``window`` tokens or all the way."""
        if window is not None and self._reach() < window:
            window = None  # the same mask, which exists already
        if window not in self._masks:
            build = self._block_mask if self.sparse else self._additive
            self._masks[window] = build(window)
        return self._masks[window]

    def _reach(self) -> int:
        """How many tokens back any of the rows has a key, seen or not."""
        return max(int(row.query_depth.max() - row.key_depth.min()) for row in self.rows)

    def _additive(self, window: int | None) -> torch.Tensor:
        """0 where a key is seen, -inf where not, ``[batch, queries, keys]``."""
        hidden = np.ones((len(self.rows), self.queries, self.keys), np.bool_)
        for place, row in enumerate(self.rows):
            seen = row.visible()
            if window is not None:
                seen &= row.distance() < window
            hidden[place, : seen.shape[0], : seen.shape[1]] = ~seen
            hidden[place, seen.shape[0] :, 0] = False  # padding must see something, or it is NaN
        bias = torch.zeros(hidden.shape, dtype=self.dtype, device=self.slots.device)
        bias.masked_fill_(torch.from_numpy(hidden).to(self.slots.device), float("-inf"))
        return bias

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


def rounded_up(size: int, step: int) -> int:
    """The next multiple of ``step``."""
    return -(-size // step) * step


def group_rows(rows: Sequence[Row]) -> Iterator[list[Row]]:
    """Group rows so that padding each group to one shape costs little."""
    group: list[Row] = []
    area = 0
    for row in sorted(rows, key=lambda row: (len(row.keys), row.stop - row.start)):
        own = (row.stop - row.start) * len(row.keys)
        widest = max(other.stop - other.start for other in [*group, row])
        padded = (len(group) + 1) * widest * len(row.keys)
        if group and padded > min(PADDING * (area + own), BATCH_PAIRS):
            yield group
            group, area = [], 0
        group.append(row)
        area += own
    if group:
        yield group
