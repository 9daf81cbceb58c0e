"""The key–value store of a session: one slot per trie token, in every layer.

Contract: slots are written once per computation and read by any number of rows. The store grows by
doubling; closing the session drops it. Heads are the first dimension, so that gathered keys can go
into one product per head.
"""

from __future__ import annotations

import torch

# Room beyond the request: three rounds of objections double a session. Untouched memory pages cost
# nothing, and copying a store costs as much as computing a hundred tokens.
GROWTH = 2


class KeyValueStore:
    """Keys and values of computed tokens; a layer's first write sets its shape."""

    def __init__(self) -> None:
        self._capacity = 0
        self._keys: dict[int, torch.Tensor] = {}
        self._values: dict[int, torch.Tensor] = {}

    def reserve(self, slots: int) -> None:
        """Make room for ``slots`` slots in all."""
        if slots <= self._capacity:
            return
        self._capacity = GROWTH * slots
        for layers in (self._keys, self._values):
            for layer, old in layers.items():
                heads, length, width = old.shape
                layers[layer] = old.new_empty(heads, self._capacity, width)
                layers[layer][:, :length] = old

    def adopt(self, other: KeyValueStore, slots: int) -> None:
        """Copy the first ``slots`` slots of another store to this one.

        There is room for them here, and nothing is held yet.
        """
        for own, its in ((self._keys, other._keys), (self._values, other._values)):
            for layer, found in its.items():
                heads, _, width = found.shape
                own[layer] = found.new_empty(heads, self._capacity, width)
                own[layer][:, :slots] = found[:, :slots]

    def write(
        self, layer: int, slots: torch.Tensor, keys: torch.Tensor, values: torch.Tensor
    ) -> None:
        """Store keys and values, each ``[length, heads, head_dim]``, at ``slots`` ``[length]``."""
        if layer not in self._keys:
            for layers, like in ((self._keys, keys), (self._values, values)):
                _, heads, width = like.shape
                layers[layer] = like.new_empty(heads, self._capacity, width)
        self._keys[layer].index_copy_(1, slots, keys.transpose(0, 1))
        self._values[layer].index_copy_(1, slots, values.transpose(0, 1))

    def layer(self, layer: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values of all slots, each ``[heads, capacity, head_dim]``."""
        return self._keys[layer], self._values[layer]

    @property
    def nbytes(self) -> int:
        """Memory held, in bytes."""
        return sum(t.nbytes for part in (self._keys, self._values) for t in part.values())
