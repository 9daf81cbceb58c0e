"""Decoding: where a reply ends, and what of it is kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from sentixrl.context.prompt import Prompt
from sentixrl.engines.local.decoding import Decoding
from sentixrl.engines.local.loading import open_engine
from sentixrl.engines.options import EngineOptions
from sentixrl.engines.protocol import GenerateRequest
from sentixrl.trie import PromptTrie


@pytest.mark.parametrize(("said", "kept"), [("no 你", "no"), ("no 🎈", "no"), ("no yes", "no ye")])
def test_a_reply_cut_at_its_limit_ends_with_a_whole_character(
    tiny_model: Path, said: str, kept: str
) -> None:
    engine = open_engine(tiny_model, EngineOptions(dtype="float32", prompt_format="plain"))
    letters = engine.text.bare(said[:-1])
    tokens = [*letters, *engine.text.bare(said[-1])][:-1]
    trie = PromptTrie()
    prompt = Prompt().then("user", "Ann: hi")
    decoding = Decoding(engine.text, engine.prompt_format)
    end = trie.insert(engine.prompt_format.encode(prompt))
    decoding.add(0, end, GenerateRequest(prompt, max_tokens=len(tokens)), fresh=0)
    for token in tokens:
        decoding.step([token], trie)
    assert decoding.open == []
    assert decoding.completions()[0].text == kept
