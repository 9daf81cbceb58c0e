"""Whether packs give a model's own log-probabilities, on a prompt of ten tokens.

Contract: two sequences that differ in their last token go through the trie one after the other,
the second from the first one's keys, and both through the model's own forward pass. The two differ
if a model keeps a state besides keys and values, has its own kind of attention, or makes its logits
in another way.
"""

from __future__ import annotations

from collections.abc import Callable

import torch

from sentixrl.engines.local.computing import Decoder, compute
from sentixrl.engines.local.store import KeyValueStore
from sentixrl.trie import PackBudget, PromptTrie

TOKENS = 10

# Tokens whose logits are compared: enough to decide, without copying a large vocabulary.
SAMPLE = 4096


def disagreement(decoder: Decoder, own: Callable[[torch.Tensor], torch.Tensor]) -> float:
    """How far packed log-probabilities are from a model's own, relative to their spread.

    Args:
        decoder: The model over packs.
        own: Token ids ``[n, length]`` to the model's own logits after each, ``[n, vocabulary]``.
    """
    vocabulary = len(decoder.head.weight)
    *trunk, left, right = (vocabulary * (n + 1) // (TOKENS + 2) for n in range(TOKENS))
    rows = torch.tensor([[*trunk, left], [*trunk, right]])
    tokens = torch.linspace(0, vocabulary - 1, min(SAMPLE, vocabulary)).long().to(decoder.device)
    trie, store = PromptTrie(), KeyValueStore()
    hidden = [
        compute(decoder, trie, store, [trie.insert(row)], PackBudget())[0] for row in rows.numpy()
    ]
    packed = decoder.head.logits(torch.cat(hidden), tokens).log_softmax(-1)
    expected = own(rows.to(decoder.device))[:, tokens].float().log_softmax(-1)
    spread = (expected - expected.mean(-1, keepdim=True)).norm()
    return float((packed - expected).norm() / spread.clamp_min(torch.finfo(spread.dtype).tiny))
