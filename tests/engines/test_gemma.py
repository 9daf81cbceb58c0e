"""Gemma 3 as it is installed: our decoder against transformers', beyond a window's length."""

from __future__ import annotations

from typing import Literal

import pytest
import torch

from sentixrl.context.prompt import Prompt
from sentixrl.engines.local.bundled import GEMMA
from sentixrl.engines.local.decoder import BlockDecoder
from sentixrl.engines.local.loading import open_engine
from sentixrl.engines.options import EngineOptions
from sentixrl.engines.protocol import ScoreRequest, Scores

pytestmark = [
    pytest.mark.bundled,
    pytest.mark.skipif(not GEMMA.installed, reason="sentixrl models install gemma-3-270m"),
]

SAID = (
    "Ann: I kept the letter all these years.",
    "Ben: ¿Y nunca me dijiste nada? No me lo puedo creer.",
    "Ann: 我不敢说，怕你生气。",
    "Ben: لست غاضبًا، أنا فقط حزين.",
    "Ann: तो फिर हम घर चलें?",
)
LABELS = ("neutral", "joy", "sadness", "anger", "surprise", "fear", "quiet regret")
WINDOW = 512
# bfloat16 rounds: answers this near each other may change places.
NEAR = 0.05


def requests() -> list[ScoreRequest]:
    """One question after each of so many turns that the last prompts outgrow the window."""
    lines = [f"\n{turn}" for turn in SAID * 9]
    prompts = [
        Prompt().then("user", *lines[:end]).line("user", "Emotion:") for end in (1, 5, 17, 43, 45)
    ]
    return [ScoreRequest(prompt, LABELS) for prompt in prompts]


def log_probs(dtype: str, decoder: Literal["own", "transformers"]) -> torch.Tensor:
    engine = open_engine(GEMMA.name, EngineOptions(dtype=dtype, decoder=decoder))
    assert (decoder == "own") == isinstance(engine.decoder, BlockDecoder)
    asked = requests()
    assert len(engine.prompt_format.encode(asked[-1].prompt)) > WINDOW + 50
    with engine.session() as session:
        answers = session.score(asked)
    assert all(isinstance(answer, Scores) for answer in answers)
    return torch.tensor([a.log_probs for a in answers if isinstance(a, Scores)])


def test_float32_scores_are_transformers() -> None:
    torch.testing.assert_close(
        log_probs("float32", "own"), log_probs("float32", "transformers"), rtol=0, atol=1e-4
    )


def test_bfloat16_answers_are_float32s() -> None:
    exact, rounded = log_probs("float32", "own"), log_probs("bfloat16", "own")
    best, second = exact.topk(2).values.unbind(-1)
    sure = best - second > NEAR
    assert torch.equal(rounded.argmax(-1)[sure], exact.argmax(-1)[sure])
    assert (rounded - exact).abs().mean() < NEAR
