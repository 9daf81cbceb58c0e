"""Running a model over what a trie has not computed yet, and what every prompt begins with.

Contract: a preamble (instruction and labels) is computed by itself, once, in a pass of its own. A
session takes over that of its first prompt; what it makes of it depends neither on which session
came first nor on what came with it.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from threading import Lock
from typing import Protocol

import numpy as np
import torch

from sentixrl.engines.local.attention import PackPlan
from sentixrl.engines.local.head import Head
from sentixrl.engines.local.store import KeyValueStore
from sentixrl.engines.protocol import Usage
from sentixrl.trie import Node, PackBudget, PromptTrie, plan
from sentixrl.trie.trie import Tokens

SHORTEST_PREAMBLE = 8
"""Fewer tokens are not worth a pass of their own."""
PREAMBLE_TOKENS = 8_192
"""How many tokens of preambles an engine keeps, those used last: some 190 MB at 135M parameters,
and as much again of room that is reserved."""


class Decoder(Protocol):
    """A language model that computes packs. May be used from many threads."""

    dtype: torch.dtype
    device: torch.device
    head: Head
    """Makes logits of its hidden states."""
    parameters: int
    """How many the model has."""

    def hidden(self, plan: PackPlan) -> torch.Tensor:
        """Final hidden states of the tokens a pack reads, ``[n_reads, hidden]``."""
        ...


def compute(
    decoder: Decoder,
    trie: PromptTrie,
    store: KeyValueStore,
    reads: Sequence[Node],
    budget: PackBudget,
) -> tuple[torch.Tensor, Usage]:
    """Compute a trie's pending tokens.

    Args:
        decoder: The model.
        trie: The prompts.
        store: Keys and values of what was computed before; grows.
        reads: Nodes at whose ends hidden states are wanted.
        budget: Bounds on packs.

    Returns:
        Hidden states ``[n_reads, hidden]``, and what was computed.
    """
    packs = plan(trie, reads, budget)
    store.reserve(trie.slots)
    width = decoder.head.weight.shape[1]
    hidden = torch.empty((len(reads), width), dtype=decoder.dtype, device=decoder.device)
    for pack in packs:
        tensors = PackPlan.of(pack, store, decoder.dtype, decoder.device)
        ids = torch.from_numpy(pack.read_ids).to(decoder.device)
        hidden.index_copy_(0, ids, decoder.hidden(tensors))
    return hidden, Usage(
        tokens=sum(map(len, packs)),
        passes=len(packs),
        visible_pairs=sum(pack.visible_pairs for pack in packs),
    )


class Preambles:
    """The preambles of one engine. May be asked from many threads.

    Args:
        decoder: The model.
        budget: Bounds on packs.
        count: Is told what was computed.
    """

    def __init__(
        self, decoder: Decoder, budget: PackBudget, count: Callable[[Usage], None]
    ) -> None:
        self._decoder, self._budget, self._count = decoder, budget, count
        self._kept: OrderedDict[bytes, Future[KeyValueStore]] = OrderedDict()
        self._lock = Lock()

    def of(self, tokens: Tokens) -> tuple[KeyValueStore, int]:
        """A preamble's keys and values, at its own slots; and how many tokens were computed now.

        Args:
            tokens: The preamble, shape ``[length]``.
        """
        key = tokens.tobytes()
        with self._lock:
            found = self._kept.get(key)
            mine = found is None
            if found is None:
                found = self._kept[key] = Future()
                while len(self._kept) > 1 and self.tokens > PREAMBLE_TOKENS:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(key)
        if mine:  # outside the lock: others take what is there already
            try:
                found.set_result(self._computed(tokens))
            except BaseException as error:
                found.set_exception(error)
                with self._lock:
                    self._kept.pop(key, None)
        return found.result(), len(tokens) if mine else 0

    def _computed(self, tokens: Tokens) -> KeyValueStore:
        trie, store = PromptTrie(), KeyValueStore()
        end = trie.insert(tokens)
        _, used = compute(self._decoder, trie, store, [end], self._budget)
        self._count(used)
        return store

    def clear(self) -> None:
        """Forget them: the model is not what it was."""
        with self._lock:
            self._kept.clear()

    @property
    def tokens(self) -> int:
        """How many tokens are kept."""
        return sum(map(len, self._kept)) // np.dtype(np.int64).itemsize
