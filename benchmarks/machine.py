"""What the machine could do at best, and how much of it the work needs."""

from __future__ import annotations

import time

import torch

from benchmarks.material import Material
from sentixrl.engines.local.decoder import BlockDecoder
from sentixrl.engines.local.engine import LocalEngine
from sentixrl.trie import PromptTrie


def matmul_peak(dtype: torch.dtype, device: torch.device) -> float:
    """The best matrix-product rate over a few large shapes, in FLOP/s."""
    best = 0.0
    for size in (1024, 1536, 2048):
        left = torch.randn(size, size, device=device).to(dtype)
        out = torch.empty_like(left)
        for _ in range(8):
            start = time.perf_counter()
            torch.mm(left, left, out=out)
            if device.type == "cuda":
                torch.cuda.synchronize()
            best = max(best, 2 * size**3 / (time.perf_counter() - start))
    return best


def unique_tokens(engine: LocalEngine, material: Material) -> int:
    """Tokens of the trie of all prompts."""
    trie = PromptTrie()
    for prompt in material.prompts:
        trie.insert(engine.prompt_format.encode(prompt))
    return trie.slots


def useful_flops(engine: LocalEngine, tokens: int, pairs: int) -> float:
    """2·N for every unique token, N without embeddings, and 4·d for every visible pair."""
    decoder = engine.decoder
    assert isinstance(decoder, BlockDecoder)
    model = decoder.architecture
    weights = decoder.parameters - decoder.embedding.numel() * (1 if model.tied else 2)
    attention = 4 * model.heads * model.head_dim * len(model.layers)
    return 2.0 * weights * tokens + float(attention) * pairs
