"""From a trie's pending tokens to packs a model can compute.

Contract: a pack lists tokens so that every token's ancestors stand before it, in this pack, in an
earlier one, or among those computed before. A pack's *rows* say which keys a range of its tokens
attends to. In depth-first order token ``k`` is visible to token ``q`` exactly if
``k <= q < end[k]``, where ``end[k]`` is the end of the subtree of ``k``. One integer per token is
the whole attention mask.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sentixrl.trie.trie import Node, PromptTrie

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
ROW_SHORTEST = 16  # shorter rows are not worth a call of their own


@dataclass(frozen=True, slots=True)
class PackBudget:
    """Bounds on the shape of packs and rows, in tokens.

    Attributes:
        pack: Most tokens computed in one forward pass.
        row: Most tokens that attend together.
        waste: A row ends where the next token would not see this many of its keys. Longer rows
            compute more pairs that are masked; shorter rows need more calls.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 (pydantic declares it so)

    pack: int = 2048
    row: int = 128
    waste: int = 64


@dataclass(frozen=True, slots=True)
class Row:
    """A range of a pack's tokens and the keys it attends to.

    Attributes:
        start: First token of the range in the pack.
        stop: One past the last.
        keys: Slots of the keys, shape ``[n_keys]``.
        order: Depth-first index of each key, shape ``[n_keys]``, ascending.
        end: Depth-first index where each key's subtree ends, shape ``[n_keys]``.
        queries: Depth-first index of each token of the range, shape ``[stop - start]``.
        key_depth: Depth of each key, shape ``[n_keys]``.
        query_depth: Depth of each token of the range, shape ``[stop - start]``.
    """

    start: int
    stop: int
    keys: Ints
    order: Ints
    end: Ints
    queries: Ints
    key_depth: Ints
    query_depth: Ints

    def visible(self) -> Bools:
        """Which keys each token sees, shape ``[stop - start, n_keys]``."""
        query = self.queries[:, None]
        return (self.order[None, :] <= query) & (query < self.end[None, :])

    def distance(self) -> Ints:
        """How far back each key lies from each token, shape ``[stop - start, n_keys]``."""
        return self.query_depth[:, None] - self.key_depth[None, :]


@dataclass(frozen=True, slots=True)
class Pack:
    """What one forward pass computes.

    Attributes:
        tokens: Token ids, shape ``[length]``.
        positions: Their depths in the trie, shape ``[length]``.
        slots: Where their keys and values go, shape ``[length]``.
        rows: What attends to what.
        reads: Tokens of the pack whose hidden states are wanted, shape ``[n_reads]``.
        read_ids: Which of the caller's reads each of them answers, shape ``[n_reads]``.
    """

    tokens: Ints
    positions: Ints
    slots: Ints
    rows: tuple[Row, ...]
    reads: Ints
    read_ids: Ints

    def __len__(self) -> int:
        return len(self.tokens)

    @property
    def visible_pairs(self) -> int:
        """Query–key pairs that carry attention."""
        return int((self.positions + 1).sum())


def plan(trie: PromptTrie, reads: Sequence[Node], budget: PackBudget) -> list[Pack]:
    """Packs that compute every pending token and yield the hidden state at the end of each read.

    A read node that was computed before has its last token computed again, since hidden states
    are not kept.

    Args:
        trie: The trie; its pending tokens count as computed afterwards.
        reads: Nodes at whose last token a hidden state is wanted, in the caller's order.
        budget: Bounds on packs and rows.
    """
    pending = trie.take_pending()
    again = {id(node): node for node in reads} if reads else {}
    for node in pending:
        again.pop(id(node), None)
    layout = _Layout(trie.root, pending, list(again.values()))
    return _cut(layout, reads, budget)


class _Layout:
    """Depth-first token order of the part of a trie that a plan touches."""

    def __init__(self, root: Node, pending: Sequence[Node], again: Sequence[Node]) -> None:
        self.first: dict[int, int] = {}  # node → depth-first index of its first token
        nodes = _depth_first(root, [*pending, *again])
        lengths = np.array([len(node.tokens) for node in nodes], np.int64)
        starts = np.concatenate([[0], np.cumsum(lengths)[:-1]]) if nodes else lengths
        depths = np.array([node.depth for node in nodes], np.int64)
        self.first = {id(node): int(start) for node, start in zip(nodes, starts, strict=True)}
        ends = _subtree_ends(nodes, starts, lengths)
        total = int(lengths.sum())
        within = np.arange(total) - np.repeat(starts, lengths)
        self.end = np.repeat(ends, lengths)
        self.position = within + np.repeat(depths - lengths, lengths)
        self.slot = within + np.repeat(np.array([n.slot for n in nodes], np.int64), lengths)
        self.token = (
            np.concatenate([node.tokens for node in nodes]) if nodes else np.empty(0, np.int64)
        )
        wanted = np.zeros(total, np.bool_)
        for node in pending:
            start = self.first[id(node)]
            wanted[start : start + len(node.tokens)] = True
        for node in again:
            wanted[self.last(node)] = True
        self.queries = np.flatnonzero(wanted)

    def shared_depths(self) -> list[int]:
        """How many ancestors each query shares with the query before it, shape ``[n_queries]``.

        Between one query and the next, depth-first order enters some nodes. The shallowest of them
        is a child of the two queries' deepest common ancestor.
        """
        entered = np.append(self.position, 0)
        inside = np.ones(len(entered), np.bool_)
        inside[list(self.first.values())] = False
        entered[inside] = np.iinfo(np.int64).max
        queries = self.queries
        if len(queries) < 2:
            return [0] * len(queries)
        bounds = np.stack([queries[:-1] + 1, queries[1:] + 1], axis=1).ravel()
        lowest = np.minimum.reduceat(entered, bounds)[::2]
        within = self.position[queries[:-1]] + 1
        return [0, *np.minimum(lowest, within).tolist()]

    def last(self, node: Node) -> int:
        """Depth-first index of a node's last token."""
        return self.first[id(node)] + len(node.tokens) - 1


def _depth_first(root: Node, leaves: Sequence[Node]) -> list[Node]:
    """The touched nodes, parents first, short subtrees before long ones.

    Branches thus stand next to the turn they belong to, and a range of tokens attends to the trunk
    above it and to little else.
    """
    children: dict[int, list[Node]] = {}
    touched: set[int] = set()
    for leaf in leaves:
        for node in leaf.path():
            if id(node) in touched:
                break
            touched.add(id(node))
            children.setdefault(id(node.parent), []).append(node)
    weight: dict[int, int] = {}
    order = _preorder(root, children)
    for node in reversed(order):
        below = children.get(id(node), ())
        weight[id(node)] = len(node.tokens) + sum(weight[id(child)] for child in below)
    for below in children.values():
        below.sort(key=lambda node: weight[id(node)])
    return _preorder(root, children)


def _preorder(root: Node, children: dict[int, list[Node]]) -> list[Node]:
    order: list[Node] = []
    stack = list(reversed(children.get(id(root), ())))
    while stack:
        node = stack.pop()
        order.append(node)
        stack.extend(reversed(children.get(id(node), ())))
    return order


def _subtree_ends(nodes: Sequence[Node], starts: Ints, lengths: Ints) -> Ints:
    """Depth-first index one past each node's subtree, shape ``[n_nodes]``."""
    ends = starts + lengths
    index = {id(node): position for position, node in enumerate(nodes)}
    for position in range(len(nodes) - 1, -1, -1):
        parent = index.get(id(nodes[position].parent))
        if parent is not None:
            ends[parent] = max(ends[parent], ends[position])
    return ends


def _cut(layout: _Layout, reads: Sequence[Node], budget: PackBudget) -> list[Pack]:
    """Group the queries into rows, and consecutive rows into packs."""
    bounds = _row_bounds(layout, budget)
    readers: dict[int, list[int]] = {}
    for read_id, node in enumerate(reads):
        readers.setdefault(layout.last(node), []).append(read_id)
    packs: list[Pack] = []
    begin = 0
    for position in range(len(bounds)):
        following = bounds[position + 1] if position + 1 < len(bounds) else None
        first = bounds[begin][0]
        if following is None or following[1] - first > budget.pack:
            packs.append(_pack(layout, bounds[begin : position + 1], readers))
            begin = position + 1
    return packs


def _row_bounds(layout: _Layout, budget: PackBudget) -> list[tuple[int, int]]:
    """Ranges of ``layout.queries`` that form rows."""
    depths = (layout.position[layout.queries] + 1).tolist()
    bounds: list[tuple[int, int]] = []
    start, keys = 0, 0
    for place, (depth, shared) in enumerate(zip(depths, layout.shared_depths(), strict=True)):
        length = place - start
        far = length >= ROW_SHORTEST and keys - shared >= budget.waste
        if length and (far or length >= min(budget.row, budget.pack)):
            bounds.append((start, place))
            start, keys = place, 0
        # New keys of the row: the path below where it leaves the last token's path.
        keys += depth - (shared if place > start else 0)
    if start < len(depths):
        bounds.append((start, len(depths)))
    return bounds


def _pack(
    layout: _Layout, bounds: Sequence[tuple[int, int]], readers: dict[int, list[int]]
) -> Pack:
    first, last = bounds[0][0], bounds[-1][1]
    queries = layout.queries[first:last]
    rows = tuple(_row(layout, start, stop, first) for start, stop in bounds)
    found = [
        (place, read_id)
        for place, query in enumerate(queries.tolist())
        for read_id in readers.get(query, ())
    ]
    pairs = np.array(found, np.int64).reshape(-1, 2)
    return Pack(
        tokens=layout.token[queries],
        positions=layout.position[queries],
        slots=layout.slot[queries],
        rows=rows,
        reads=pairs[:, 0],
        read_ids=pairs[:, 1],
    )


def _row(layout: _Layout, start: int, stop: int, offset: int) -> Row:
    queries = layout.queries[start:stop]
    low, high = int(queries[0]), int(queries[-1])
    keys = np.flatnonzero(layout.end[: high + 1] > low)
    # The interval of every ancestor overlaps the row's. Keys between the first and the last query
    # that are no query's ancestor (another branch, computed before) are dropped here.
    between = keys > low
    if between.any():
        nearest = queries[np.minimum(np.searchsorted(queries, keys), len(queries) - 1)]
        keys = keys[~between | ((nearest >= keys) & (nearest < layout.end[keys]))]
    return Row(
        start=start - offset,
        stop=stop - offset,
        keys=layout.slot[keys],
        order=keys,
        end=layout.end[keys],
        queries=queries,
        key_depth=layout.position[keys],
        query_depth=layout.position[queries],
    )
