"""A radix trie over token sequences that grows while it is read.

Contract: inserting a sequence returns the node that ends with its last token; tokens already there
are shared. Every token has a *slot*, its place in the model's key–value store, which never changes.
Tokens inserted since the last :meth:`PromptTrie.take_pending` are *pending*: their keys
and values still have to be computed.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

Tokens = NDArray[np.int64]


class Node:
    """A run of tokens without branches.

    Attributes:
        parent: The node before it; ``None`` for the root.
        tokens: The run, shape ``[length]``.
        slot: Slot of its first token; the run's slots are consecutive.
        start: Depth of its first token, which is that token's position in the model.
        pending: Whether its keys and values still have to be computed.
        children: First token → the node that begins with it.
    """

    __slots__ = ("children", "parent", "pending", "slot", "start", "tokens")

    def __init__(
        self, parent: Node | None, tokens: Tokens, slot: int, start: int, pending: bool
    ) -> None:
        self.parent = parent
        self.tokens = tokens
        self.slot = slot
        self.start = start
        self.pending = pending
        self.children: dict[int, Node] = {}

    @property
    def depth(self) -> int:
        """Tokens from the root up to and including this run."""
        return self.start + len(self.tokens)

    def path(self) -> Iterator[Node]:
        """This node and its ancestors below the root, deepest first."""
        node: Node | None = self
        while node is not None and node.parent is not None:
            yield node
            node = node.parent


class PromptTrie:
    """Token sequences with their shared prefixes stored once."""

    def __init__(self) -> None:
        self.root = Node(None, np.empty(0, np.int64), slot=0, start=0, pending=False)
        self.slots = 0
        self._pending: list[Node] = []

    def insert(self, tokens: Tokens, below: Node | None = None) -> Node:
        """Add a sequence and return the node that ends with its last token.

        Args:
            tokens: The sequence, shape ``[length]``.
            below: Where it begins: a node returned earlier (default: the root).
        """
        node = below or self.root
        at = 0
        while at < len(tokens):
            child = node.children.get(int(tokens[at]))
            if child is None:
                return self._append(node, tokens[at:])
            shared = _common_prefix(child.tokens, tokens[at:])
            node = child if shared == len(child.tokens) else self._split(child, shared)
            at += shared
        return node

    def missing(self, tokens: Tokens) -> int:
        """How many slots inserting a sequence would take.

        Args:
            tokens: The sequence, shape ``[length]``.
        """
        node, at = self.root, 0
        while at < len(tokens):
            child = node.children.get(int(tokens[at]))
            if child is None:
                break
            shared = _common_prefix(child.tokens, tokens[at:])
            at += shared
            if shared < len(child.tokens):
                break
            node = child
        return len(tokens) - at

    def take_pending(self) -> list[Node]:
        """The nodes still to be computed, which from now on count as computed."""
        taken = self._pending
        self._pending = []
        for node in taken:
            node.pending = False
        return taken

    def _append(self, parent: Node, tokens: Tokens) -> Node:
        node = Node(parent, tokens, self.slots, parent.depth, pending=True)
        self.slots += len(tokens)
        parent.children[int(tokens[0])] = node
        self._pending.append(node)
        return node

    def _split(self, node: Node, length: int) -> Node:
        """Cut ``node`` after ``length`` tokens; returns the new upper half.

        The lower half keeps the node's identity, so that nodes handed out earlier still end with
        the token they were handed out for.
        """
        parent = node.parent
        assert parent is not None, "the root is never split"
        upper = Node(parent, node.tokens[:length], node.slot, node.start, node.pending)
        parent.children[int(upper.tokens[0])] = upper
        node.parent = upper
        node.tokens = node.tokens[length:]
        node.slot += length
        node.start += length
        upper.children[int(node.tokens[0])] = node
        if upper.pending:
            self._pending.append(upper)
        return upper


def _common_prefix(left: Tokens, right: Tokens) -> int:
    length = min(len(left), len(right))
    # Nearly always a whole run is shared, and comparing bytes is by far the fastest check.
    if left[:length].tobytes() == right[:length].tobytes():
        return length
    return int((left[:length] != right[:length]).argmax())
