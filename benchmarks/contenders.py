"""What the trie is measured against: the same weights, one prompt an utterance.

Contract: each contender answers every prompt of the material and says how many tokens it fed the
model, padding included.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch

from sentixrl.context.prompt import Prompt
from sentixrl.engines.local.engine import LocalEngine

BATCH = 16
NEW_TOKENS = 4


def batches(engine: LocalEngine, prompts: Sequence[Prompt]) -> Iterator[list[list[int]]]:
    """Token sequences in batches of 16, sorted by length."""
    encoded = sorted((engine.prompt_format.encode(p).tolist() for p in prompts), key=len)
    for start in range(0, len(encoded), BATCH):
        yield encoded[start : start + BATCH]


def padded(batch: Sequence[Sequence[int]], fill: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Left-padded ids and their mask, each ``[batch, length]``."""
    length = max(map(len, batch))
    ids = torch.tensor([[fill] * (length - len(row)) + list(row) for row in batch])
    mask = torch.tensor([[0] * (length - len(row)) + [1] * len(row) for row in batch])
    return ids, mask


@torch.inference_mode()
def generate(model: Any, engine: LocalEngine, prompts: Sequence[Prompt]) -> tuple[float, int]:  # noqa: ANN401
    """Transformers' ``generate``: greedy, four new tokens. Seconds, and tokens computed."""
    fill = min(engine.text.end_ids)
    start, tokens = time.perf_counter(), 0
    for batch in batches(engine, prompts):
        ids, mask = padded(batch, fill)
        model.generate(
            input_ids=ids, attention_mask=mask, max_new_tokens=NEW_TOKENS,
            min_new_tokens=NEW_TOKENS, do_sample=False, pad_token_id=fill,
        )  # fmt: skip
        tokens += ids.numel() + len(batch) * (NEW_TOKENS - 1)
    return time.perf_counter() - start, tokens


@torch.inference_mode()
def unshared(
    model: Any,  # noqa: ANN401
    engine: LocalEngine,
    prompts: Sequence[Prompt],
    words: Sequence[str],
) -> tuple[float, int]:
    """One forward pass a prompt, reading the first token of each label. Seconds, tokens."""
    fill = min(engine.text.end_ids)
    firsts = torch.tensor([answer[0] for answer in engine.prompt_format.answers(prompts[0], words)])
    start, tokens = time.perf_counter(), 0
    for batch in batches(engine, prompts):
        ids, mask = padded(batch, fill)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        state = model.base_model(input_ids=ids, attention_mask=mask, position_ids=positions)
        last = state.last_hidden_state[:, -1]
        (last @ model.get_output_embeddings().weight[firsts].t()).argmax(-1)
        tokens += ids.numel()
    return time.perf_counter() - start, tokens


def llama_cpp(
    gguf: Path | None, engine: LocalEngine, prompts: Sequence[Prompt]
) -> tuple[float, int] | None:
    """llama.cpp with its prompt cache, in the dialogues' order, if it is installed."""
    if gguf is None or importlib.util.find_spec("llama_cpp") is None:
        return None
    from llama_cpp import Llama

    model = Llama(str(gguf), n_ctx=4096, verbose=False)
    start, tokens = time.perf_counter(), 0
    previous: list[int] = []
    for prompt in prompts:
        ids = engine.prompt_format.encode(prompt).tolist()
        shared = next(
            (i for i, (a, b) in enumerate(zip(ids, previous, strict=False)) if a != b),
            min(len(ids), len(previous)),
        )
        model.create_completion(ids, max_tokens=1, temperature=0.0)
        tokens += len(ids) - shared
        previous = ids
    return time.perf_counter() - start, tokens
