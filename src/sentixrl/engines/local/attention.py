"""Attention over a pack's rows: each range of tokens against its own keys.

Contract: ``attend`` gives what dense attention under the trie's visibility would give. On the CPU,
rows of similar shape are padded into one batched product under an additive mask, and few other
pairs than their own are computed; on CUDA the pack is one row for FlexAttention, whose blocks
without a visible pair are skipped.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache

import torch

from sentixrl.engines.local.batches import RowBatch, group_rows
from sentixrl.engines.local.store import KeyValueStore
from sentixrl.trie import Pack


class Workspace:
    """Buffers that all layers and batches of a pack write into.

    Otherwise every layer's results would be fresh memory pages from the system, and faulting them
    in takes longer than the products themselves.
    """

    def __init__(self) -> None:
        self._held: dict[str, torch.Tensor] = {}
        # Layer after layer asks for the same shapes; a view costs as much as a small operation.
        self._views: dict[str, dict[tuple[int, ...], torch.Tensor]] = {}

    def take(self, name: str, like: torch.Tensor, *shape: int) -> torch.Tensor:
        """The buffer ``name`` in this shape, holding whatever was last written there."""
        views = self._views.setdefault(name, {})
        view = views.get(shape)
        if view is None:
            size = math.prod(shape)
            held = self._held.get(name)
            if held is None or held.shape[0] < size:
                held = self._held[name] = like.new_empty(size)
                views.clear()
            view = views[shape] = held[:size].view(shape)
        return view


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
        space: What attention writes into.
    """

    tokens: torch.Tensor
    positions: torch.Tensor
    slots: torch.Tensor
    batches: list[RowBatch]
    reads: torch.Tensor
    store: KeyValueStore
    space: Workspace = field(default_factory=Workspace)
    _places: dict[int, torch.Tensor] = field(default_factory=dict)

    @classmethod
    def of(
        cls, pack: Pack, store: KeyValueStore, dtype: torch.dtype, device: torch.device
    ) -> PackPlan:
        """Move a pack to the device."""
        sparse = uses_flex(device)
        groups = [[row] for row in pack.rows] if sparse else group_rows(pack.rows)
        return cls(
            tokens=torch.from_numpy(pack.tokens).to(device),
            positions=torch.from_numpy(pack.positions).to(device),
            slots=torch.from_numpy(pack.slots).to(device),
            batches=[RowBatch.of(rows, dtype, device, sparse) for rows in groups],
            reads=torch.from_numpy(pack.reads).to(device),
            store=store,
        )

    def places(self, heads: int) -> torch.Tensor:
        """Places of each token's heads in the padded batches' results, ``[length * heads]``.

        The results are ``[heads, places]`` for each batch, one batch after the other.
        """
        if heads not in self._places:
            found = torch.empty(
                len(self.tokens), heads, dtype=torch.long, device=self.tokens.device
            )
            at = 0
            for batch in self.batches:
                steps = at + len(batch.gather) * torch.arange(heads, device=found.device)
                found[batch.tokens] = batch.places[:, None] + steps
                at += heads * len(batch.gather)
            self._places[heads] = found.flatten()
        return self._places[heads]

    def attend(
        self,
        layer: int,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        scale: float,
        window: int | None,
    ) -> torch.Tensor:
        """Store the pack's keys and values and attend; transformers' models call this.

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
    if plan.batches and plan.batches[0].sparse:
        _sparse(queries, plan, layer, scale, out, window)
    else:
        _dense(queries, plan, layer, scale, out, window)


def _dense(
    queries: torch.Tensor,
    plan: PackPlan,
    layer: int,
    scale: float,
    out: torch.Tensor,
    window: int | None,
) -> None:
    """Two batched products around a softmax for each batch of rows.

    Query heads that share a key head are rows of one product, so that no key is repeated for
    them. Scores are kept in the model's own number format, as transformers' eager attention does.
    """
    keys, values = plan.store.layer(layer)
    shared, width = keys.shape[0], out.shape[-1] * out.shape[1] // keys.shape[0]
    # Laid out once: gathering from any other layout copies all of it, batch after batch.
    heads_first = queries.reshape(queries.shape[0], shared, -1).transpose(0, 1)
    by_head = plan.space.take("by_head", queries, *heads_first.shape).copy_(heads_first)
    padded = sum(batch.places_padded for batch in plan.batches)
    mixed = plan.space.take("mixed", values, shared * padded, width)
    at = 0
    for batch in plan.batches:
        weights = _weights(by_head, keys, plan.space, batch, scale, window)
        value = _gathered("value", values, plan.space, batch.slots)
        end = at + shared * batch.places_padded
        place = mixed[at:end].view(*weights.shape[:2], -1)
        torch.bmm(weights, value.view(weights.shape[0], batch.keys, -1), out=place)
        at = end
    torch.index_select(mixed, 0, plan.places(shared), out=out.view(-1, width))


def _weights(
    queries: torch.Tensor,
    keys: torch.Tensor,
    space: Workspace,
    batch: RowBatch,
    scale: float,
    window: int | None,
) -> torch.Tensor:
    """The attention weights of a batch.

    Args:
        queries: ``[key_heads, length, group * head_dim]``.
        keys: ``[key_heads, capacity, head_dim]``.
        space: Where everything is written.
        batch: The rows.
        scale: What scores are multiplied by.
        window: How far the layer looks back.

    Returns:
        ``[key_heads * batch, queries * group, keys]``.
    """
    shared, count = keys.shape[0], len(batch.rows)
    query = _gathered("query", queries, space, batch.gather).view(
        shared * count, -1, keys.shape[-1]
    )
    key = _gathered("key", keys, space, batch.slots).view(shared * count, batch.keys, -1)
    scores = space.take("scores", query, *query.shape[:2], batch.keys)
    torch.bmm(query, key.transpose(1, 2), out=scores)
    grid = scores.view(shared, count, batch.queries, -1, batch.keys)
    torch.add(batch.mask(window)[None, :, :, None], grid, alpha=scale, out=grid)
    return torch.softmax(scores, -1, out=space.take("weights", scores, *scores.shape))


def _gathered(
    name: str, source: torch.Tensor, space: Workspace, index: torch.Tensor
) -> torch.Tensor:
    """``source``'s second dimension at ``index``, in the buffer ``name``."""
    buffer = space.take(name, source, source.shape[0], index.shape[0], source.shape[-1])
    return torch.index_select(source, 1, index, out=buffer)


def _sparse(
    queries: torch.Tensor,
    plan: PackPlan,
    layer: int,
    scale: float,
    out: torch.Tensor,
    window: int | None,
) -> None:
    """FlexAttention, one batch of one row at a time."""
    keys, values = plan.store.layer(layer)
    for batch in plan.batches:
        mixed = flex_attention(queries.device)(
            queries.index_select(0, batch.tokens).transpose(0, 1)[None],
            keys.index_select(1, batch.slots)[None],
            values.index_select(1, batch.slots)[None],
            block_mask=batch.mask(window),
            scale=scale,
            enable_gqa=queries.shape[1] != len(keys),
        )
        out.index_copy_(0, batch.tokens, mixed[0].transpose(0, 1))


def uses_flex(device: torch.device) -> bool:
    """Whether packs on this device go to FlexAttention."""
    if device.type != "cuda":
        return False
    # The compiled kernel needs Triton; without it dense rows are better.
    return importlib.util.find_spec("triton") is not None


@cache
def flex_attention(device: torch.device) -> Callable[..., torch.Tensor]:
    """FlexAttention, compiled on CUDA; its uncompiled form is slow and for tests alone."""
    from torch.nn.attention import flex_attention as module

    if device.type != "cuda":
        return module.flex_attention
    return torch.compile(module.flex_attention, dynamic=True)
