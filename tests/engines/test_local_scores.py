"""Packed scores are those of plain transformers, one prompt and one choice at a time."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sentixrl.context.prompt import Prompt
from sentixrl.engines.local._hf import TransformersDecoder, load_model
from sentixrl.engines.local.attention import PackPlan
from sentixrl.engines.local.decoder import BlockDecoder
from sentixrl.engines.local.engine import LocalEngine, LocalSession
from sentixrl.engines.local.head import Head
from sentixrl.engines.local.loading import open_engine
from sentixrl.engines.local.prompt_format import branches
from sentixrl.engines.options import EngineOptions
from sentixrl.engines.protocol import Failure, GenerateRequest, ScoreRequest, Scores
from sentixrl.trie import PackBudget

from ..conftest import MakeModel

CHOICES = ("joy", "anger", "anger management", "deep melancholy", "calm", "sadness")
BASE = Prompt().then("system", "Name the emotion.", "\nEmotions: joy, anger.")
LAYOUTS: dict[str, dict[str, Any]] = {
    "grouped": {},
    "multi-head": {"num_key_value_heads": 4},
    "multi-query": {"num_key_value_heads": 1},
    "untied": {"tie_word_embeddings": False},
    "wide heads": {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 24},
    "llama 3 rotation": {
        "rope_scaling": {
            "rope_type": "llama3",
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 64,
        },
        "rope_theta": 500000.0,
    },
}
HEADS: dict[str, dict[str, Any]] = {
    "Cohere": {"logit_scale": 0.125},
    "Granite": {"logits_scaling": 8.0},
    "HyperCLOVAX": {"logits_scaling": 0.125},
    "Phi": {"num_key_value_heads": 4},  # has a bias
    "Gemma3Text": {"head_dim": 8, "final_logit_softcapping": 3.0},
}

SLIDING, FULL = "sliding_attention", "full_attention"
GEMMA: dict[str, Any] = {
    "head_dim": 16,
    "query_pre_attn_scalar": 24,
    "sliding_window": 6,
    "num_hidden_layers": 3,
    "layer_types": [SLIDING, FULL, SLIDING],
}
GEMMAS: dict[str, dict[str, Any]] = {
    "plain": {},
    "multi-query": {"num_key_value_heads": 1},
    "untied": {"tie_word_embeddings": False},
    "full layers alone": {"layer_types": [FULL] * 3},
    "other rotations": {
        "rope_parameters": {
            FULL: {"rope_type": "linear", "factor": 8.0, "rope_theta": 5e5},
            SLIDING: {"rope_type": "default", "rope_theta": 500.0},
        }
    },
}


def write_foreign(make_model: MakeModel, architecture: str, **settings: Any) -> Path:  # noqa: ANN401
    """A tiny random model of another architecture than Llama's."""
    import transformers

    folder = make_model(seed=5)
    shape = {
        "vocab_size": 420, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "num_key_value_heads": 2, "max_position_embeddings": 1024,
        "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 0,
    }  # fmt: skip
    config = getattr(transformers, f"{architecture}Config")(**{**shape, **settings})
    model = transformers.AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    torch.manual_seed(0)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.dim() > 1 or name.endswith("bias"):
                parameter.normal_(0, 0.3)
            else:
                parameter.add_(torch.randn(parameter.shape), alpha=0.2)  # norms
    model.save_pretrained(folder)
    return folder


def open_tiny(folder: Path, **options: Any) -> LocalEngine:  # noqa: ANN401
    return open_engine(folder, EngineOptions(**{"dtype": "float32", **options}))


def reference(model: Any, engine: LocalEngine, request: ScoreRequest) -> list[float]:  # noqa: ANN401
    """Normalised log-likelihoods from whole sequences, computed without any of our machinery.

    A choice that another one extends is ended with the prompt_format's end token.
    """
    prompt = engine.prompt_format.encode(request.prompt).tolist()
    answers = engine.prompt_format.answers(request.prompt, request.choices)
    sums = []
    for answer in answers:
        extended = any(o[: len(answer)] == answer and o != answer for o in answers)
        tail = [*answer, engine.prompt_format.end] if extended else list(answer)
        with torch.no_grad():
            logits = model(torch.tensor([prompt + tail])).logits[0].log_softmax(-1)
        sums.append(sum(float(logits[len(prompt) - 1 + i, t]) for i, t in enumerate(tail)))
    total = np.logaddexp.reduce(sums)
    return [value - total for value in sums]


def dialogue_prompts(turns: Sequence[str]) -> list[Prompt]:
    """A question after every turn, each prompt extending the turns before."""
    prompts = []
    for end in range(1, len(turns) + 1):
        lines = tuple(f"\n{turn}" for turn in turns[:end])
        prompts.append(BASE.then("user", *lines).line("user", "Emotion of Ann:"))
    return prompts


@pytest.mark.parametrize("prompt_format", ["plain", "chat"])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_scores_equal_full_sequence_likelihoods(
    make_model: MakeModel, layout: str, prompt_format: str
) -> None:
    folder = make_model(seed=3, **LAYOUTS[layout])
    model = load_model(folder, torch.float32, torch.device("cpu"))
    engine = open_tiny(folder, prompt_format=prompt_format)
    turns = ["Ann: I kept the letter.", "Bob: All these years?", "Ann: Every word of it."]
    requests = [ScoreRequest(prompt, CHOICES) for prompt in dialogue_prompts(turns)]
    with engine.session() as session:
        answers = session.score(requests)
    for request, scores in zip(requests, answers, strict=True):
        assert isinstance(scores, Scores)
        assert scores.log_probs == pytest.approx(reference(model, engine, request), abs=1e-4)


def test_choices_take_one_to_six_tokens(tiny_model: Path) -> None:
    engine = open_tiny(tiny_model, prompt_format="plain")
    model = load_model(tiny_model, torch.float32, torch.device("cpu"))
    words = ("joy", "river", "melancholy", "deep sorrow", "walked home", "xylophone")
    request = ScoreRequest(dialogue_prompts(["Bob: yes"])[0], words)
    lengths = {len(answer) for answer in engine.prompt_format.answers(request.prompt, words)}
    assert min(lengths) == 1
    assert max(lengths) >= 6
    with engine.session() as session:
        (scores,) = session.score([request])
    assert isinstance(scores, Scores)
    assert scores.log_probs == pytest.approx(reference(model, engine, request), abs=1e-4)


def test_both_decoders_agree(tiny_model: Path) -> None:
    requests = [ScoreRequest(p, CHOICES) for p in dialogue_prompts(["Ann: no", "Bob: why?"])]
    results = []
    for decoder in ("own", "transformers"):
        with open_tiny(tiny_model, decoder=decoder).session() as session:
            results.append(session.score(requests))
    for own, other in zip(*results, strict=True):
        assert isinstance(own, Scores)
        assert isinstance(other, Scores)
        assert own.log_probs == pytest.approx(other.log_probs, abs=1e-4)


def assert_equals_transformers(folder: Path) -> None:
    """Scores and greedy text are those of the model under its own attention."""
    model = load_model(folder, torch.float32, torch.device("cpu"))
    engine = open_tiny(folder, prompt_format="plain")
    prompts = dialogue_prompts(["Ann: no", "Bob: why not?"])
    requests = [ScoreRequest(prompt, CHOICES) for prompt in prompts]
    with engine.session() as session:
        answers = session.score(requests)
        replies = session.generate([GenerateRequest(prompt, 6) for prompt in prompts])
    for request, scores in zip(requests, answers, strict=True):
        assert isinstance(scores, Scores)
        assert scores.log_probs == pytest.approx(reference(model, engine, request), abs=1e-4)
    for prompt, reply in zip(prompts, replies, strict=True):
        assert not isinstance(reply, Failure)
        assert reply.text == greedy(model, engine, prompt, 6)


@pytest.mark.parametrize("architecture", HEADS)
def test_scaled_biased_and_capped_logits_are_the_models_own(
    make_model: MakeModel, architecture: str
) -> None:
    assert_equals_transformers(write_foreign(make_model, architecture, **HEADS[architecture]))


@pytest.mark.parametrize("tied", [True, False])
def test_our_own_decoder_adds_the_biases_of_qwen(make_model: MakeModel, tied: bool) -> None:
    folder = write_foreign(make_model, "Qwen2", tie_word_embeddings=tied)
    assert isinstance(open_tiny(folder).decoder, BlockDecoder)
    assert_equals_transformers(folder)


@pytest.mark.parametrize("layout", GEMMAS)
def test_our_own_decoder_computes_gemma(make_model: MakeModel, layout: str) -> None:
    """Prompts are longer than the windows, and the layers' rotations differ."""
    folder = write_foreign(make_model, "Gemma3Text", **{**GEMMA, **GEMMAS[layout]})
    assert isinstance(open_tiny(folder).decoder, BlockDecoder)
    assert_equals_transformers(folder)


@pytest.mark.parametrize(
    "settings", [{"attention_bias": True}, {"hidden_activation": "silu"}], ids=str
)
def test_other_gemmas_are_left_to_transformers(
    make_model: MakeModel, settings: dict[str, Any]
) -> None:
    folder = write_foreign(make_model, "Gemma3Text", **{**GEMMA, **settings})
    assert isinstance(open_tiny(folder).decoder, TransformersDecoder)
    assert_equals_transformers(folder)


def test_qwen_with_a_sliding_window_is_left_to_transformers(make_model: MakeModel) -> None:
    windows = {"use_sliding_window": True, "sliding_window": 6, "max_window_layers": 1}
    folder = write_foreign(make_model, "Qwen2", **windows)
    assert isinstance(open_tiny(folder).decoder, TransformersDecoder)
    assert_equals_transformers(folder)


def test_sliding_windows_are_kept(make_model: MakeModel) -> None:
    """Mistral's layers look back a few tokens only; the packed rows must too."""
    assert_equals_transformers(write_foreign(make_model, "Mistral", head_dim=8, sliding_window=6))


def test_windows_told_by_the_mask_alone_are_kept(make_model: MakeModel) -> None:
    experts = {"num_experts": 4, "moe_intermediate_size": 16, "shared_expert_intermediate_size": 16}
    windows = {"use_sliding_window": True, "sliding_window": 6, "max_window_layers": 2}
    assert_equals_transformers(write_foreign(make_model, "Qwen2Moe", **experts, **windows))


class Peaked:
    """A model in bfloat16 that is nearly sure of the next token, which the last one decides."""

    def __init__(self, vocabulary: int, width: int = 64) -> None:
        generator = torch.Generator().manual_seed(0)
        weight = torch.randn(vocabulary, width, generator=generator)
        after = torch.randperm(vocabulary, generator=generator)
        self.states = (weight[after] * 22 / width).bfloat16()  # logits near 22
        self.head = Head(weight.bfloat16())
        self.dtype, self.device, self.parameters = torch.bfloat16, torch.device("cpu"), 0

    def hidden(self, plan: PackPlan) -> torch.Tensor:
        return self.states[plan.tokens[plan.reads]]


def test_bfloat16_weights_give_float32_log_probs(tiny_model: Path) -> None:
    whole = open_tiny(tiny_model, prompt_format="plain")
    model = Peaked(len(whole.decoder.head.weight))
    engine = LocalEngine("peaked", model, whole.text, whole.prompt_format, 1024)
    exact = (model.states.float() @ model.head.weight.float().t()).log_softmax(-1)
    rounded = (model.states @ model.head.weight.t()).float().logsumexp(-1)
    best = (model.states.float() @ model.head.weight.float().t()).amax(-1)
    assert (best - rounded).max() > 0.02  # kept in bfloat16, probabilities would exceed 1
    normalisers = model.head.normalisers(model.states)
    assert (best - normalisers).max() < 1e-5
    (prompt,) = dialogue_prompts(["Ann: I kept the letter."])
    with engine.session() as session:
        (scores,) = session.score([ScoreRequest(prompt, CHOICES)])
    assert isinstance(scores, Scores)
    last = int(engine.prompt_format.encode(prompt)[-1])
    sums = []
    for answer in branches(engine.prompt_format, prompt, CHOICES):
        steps = zip((last, *answer), answer, strict=False)
        sums.append(sum(float(exact[before, token]) for before, token in steps))
    expected = np.array(sums) - np.logaddexp.reduce(sums)
    assert scores.log_probs == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize("count", [1, 3000])
def test_normalisers_are_those_of_the_whole_vocabulary(count: int) -> None:
    generator = torch.Generator().manual_seed(0)
    weight, bias, hidden = (torch.randn(shape, generator=generator)
                            for shape in ((9001, 8), (9001,), (count, 8)))  # fmt: skip
    head = Head(weight, bias, scale=2.0, softcap=5.0)
    logits = 5 * torch.tanh(2 * (hidden[:40] @ weight.t() + bias) / 5)
    found = head.normalisers(hidden)
    assert found.shape == (count,)
    torch.testing.assert_close(found[:40], logits.logsumexp(-1))
    assert torch.equal(head.likeliest(hidden[:40]), (hidden[:40] @ weight.t() + bias).argmax(-1))


words = st.sampled_from(
    ["joy", "calm", "anger", "rain", "the river", "Ann: home", "no, but", "é中"]
)


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.lists(words, min_size=1, max_size=6), st.integers(1, 40), st.integers(1, 16))
def test_packing_never_changes_a_score(
    tiny_model: Path, turns: list[str], pack: int, row: int
) -> None:
    requests = [ScoreRequest(prompt, CHOICES) for prompt in dialogue_prompts(turns)]
    whole = open_tiny(tiny_model)
    cut = LocalEngine(
        "cut", whole.decoder, whole.text, whole.prompt_format, 1024, PackBudget(pack, row, 1)
    )
    with cut.session() as session:
        packed = session.score(requests)
    for request, scores in zip(requests, packed, strict=True):
        with whole.session() as session:
            (alone,) = session.score([request])
        assert isinstance(scores, Scores)
        assert isinstance(alone, Scores)
        assert scores.log_probs == pytest.approx(alone.log_probs, abs=1e-4)


def test_later_turns_and_sibling_branches_leak_nothing(tiny_model: Path) -> None:
    engine = open_tiny(tiny_model)
    first = dialogue_prompts(["Ann: I kept it.", "Bob: You did?"])
    other = dialogue_prompts(["Ann: I kept it.", "Bob: Burn it, the rain is better!"])
    with engine.session() as session:
        alone = session.score([ScoreRequest(first[0], CHOICES)])
    for prompts in (first, other):
        with engine.session() as session:
            together = session.score([ScoreRequest(prompt, CHOICES) for prompt in prompts])
        assert isinstance(together[0], Scores)
        assert isinstance(alone[0], Scores)
        assert together[0].log_probs == pytest.approx(alone[0].log_probs, abs=1e-5)


def test_a_session_computes_shared_tokens_once(tiny_model: Path) -> None:
    engine = open_tiny(tiny_model, prompt_format="plain")
    prompts = dialogue_prompts([f"Ann: the rain stopped {n}" for n in range(8)])
    with engine.session() as session:
        session.score([ScoreRequest(prompt, ("yes", "no")) for prompt in prompts])
        first = engine.usage.tokens
        longer = [p.answer("yes").line("user", "Right?") for p in prompts]
        session.score([ScoreRequest(prompt, ("yes", "no")) for prompt in longer])
        second = engine.usage.tokens - first
    unique = len({tuple(e[:n]) for p in prompts for e in [engine.prompt_format.encode(p).tolist()]
                  for n in range(1, len(e) + 1)})  # fmt: skip
    assert first == unique
    added = len(engine.prompt_format.encode(longer[0])) - len(
        engine.prompt_format.encode(prompts[0])
    )
    assert second == added * len(prompts)


def test_rounds_on_kept_keys_equal_a_fresh_session(tiny_model: Path) -> None:
    engine = open_tiny(tiny_model)
    prompts = dialogue_prompts(["Ann: no", "Bob: why?", "Ann: the letter"])
    longer = [p.answer("joy").line("user", "Is that right?") for p in prompts]
    with engine.session() as session:
        session.score([ScoreRequest(prompt, CHOICES) for prompt in prompts])
        kept = session.score([ScoreRequest(prompt, ("yes", "no")) for prompt in longer])
    for prompt, scores in zip(longer, kept, strict=True):
        with engine.session() as session:
            (fresh,) = session.score([ScoreRequest(prompt, ("yes", "no"))])
        assert isinstance(scores, Scores)
        assert isinstance(fresh, Scores)
        assert scores.log_probs == pytest.approx(fresh.log_probs, abs=1e-4)


def test_too_long_fails_alone(tiny_model: Path) -> None:
    engine = open_tiny(tiny_model)
    short = ScoreRequest(dialogue_prompts(["Ann: no"])[0], CHOICES)
    long = ScoreRequest(dialogue_prompts(["Ann: " + "no " * 2000])[0], CHOICES)
    with engine.session() as session:
        answers = session.score([long, short])
        generated = session.generate([GenerateRequest(long.prompt), GenerateRequest(short.prompt)])
    for failure, fine in (answers, generated):
        assert isinstance(failure, Failure)
        assert failure.code == "too_long"
        assert "1,024" in failure.message
        assert not isinstance(fine, Failure)


def greedy(model: Any, engine: LocalEngine, prompt: Prompt, length: int) -> str:  # noqa: ANN401
    """Text from whole sequences, a token at a time."""
    ids = torch.tensor(engine.prompt_format.encode(prompt).tolist())[None]
    expected: list[int] = []
    with torch.no_grad():
        for _ in range(length):
            token = int(model(ids).logits[0, -1].argmax())
            if token in engine.text.end_ids:
                break
            expected.append(token)
            ids = torch.cat([ids, torch.tensor([[token]])], dim=1)
    text = engine.text.decode(expected)
    # The limit may cut a character in half.
    return (text.rstrip("\ufffd") if len(expected) == length else text).strip()


def test_greedy_generation_equals_transformers(tiny_model: Path) -> None:
    engine = open_tiny(tiny_model, prompt_format="plain")
    model = load_model(tiny_model, torch.float32, torch.device("cpu"))
    prompts = dialogue_prompts(["Ann: I kept the letter.", "Bob: All these years?"])
    with engine.session() as session:
        replies = session.generate([GenerateRequest(prompt, 12) for prompt in prompts])
    for prompt, reply in zip(prompts, replies, strict=True):
        assert not isinstance(reply, Failure)
        assert reply.text == greedy(model, engine, prompt, 12)


def test_generation_stops_before_the_stop_string_and_at_the_limit(tiny_model: Path) -> None:
    engine = open_tiny(tiny_model)
    prompt = dialogue_prompts(["Ann: I kept the letter."])[0]
    with engine.session() as session:
        (free,) = session.generate([GenerateRequest(prompt, 10)])
        assert not isinstance(free, Failure)
        stop = free.text[2:4]
        (cut,) = session.generate([GenerateRequest(prompt, 10, stop=(stop,))])
    assert not isinstance(cut, Failure)
    assert free.tokens <= 10
    assert stop not in cut.text
    assert free.text.startswith(cut.text)


def test_a_closed_generation_is_one_of_its_choices(tiny_model: Path) -> None:
    engine = open_tiny(tiny_model)
    prompts = dialogue_prompts(["Ann: no", "Bob: yes"])
    with engine.session() as session:
        replies = session.generate([GenerateRequest(p, 4, choices=CHOICES) for p in prompts])
        scores = session.score([ScoreRequest(p, CHOICES) for p in prompts])
    for reply, scored in zip(replies, scores, strict=True):
        assert isinstance(scored, Scores)
        assert not isinstance(reply, Failure)
        assert reply.text == CHOICES[int(np.argmax(scored.log_probs))]


def test_closing_a_session_frees_its_keys(tiny_model: Path) -> None:
    engine = open_tiny(tiny_model)
    with LocalSession(engine) as session:
        session.score([ScoreRequest(dialogue_prompts(["Ann: no"])[0], CHOICES)])
        assert session.nbytes > 0
    assert session.nbytes == 0


def test_block_masks_give_what_dense_rows_give(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The CUDA path's masks, run through FlexAttention's uncompiled form on the CPU."""
    from sentixrl.engines.local import attention

    requests = [ScoreRequest(p, CHOICES) for p in dialogue_prompts(["Ann: no", "Bob: why not?"])]
    with open_tiny(tiny_model).session() as session:
        dense = session.score(requests)
    monkeypatch.setattr(attention, "uses_flex", lambda device: True)
    whole = PackBudget(pack=4096, row=4096, waste=4096)
    with open_tiny(tiny_model, budget=whole).session() as session:
        sparse = session.score(requests)
    for left, right in zip(dense, sparse, strict=True):
        assert isinstance(left, Scores)
        assert isinstance(right, Scores)
        assert left.log_probs == pytest.approx(right.log_probs, abs=1e-4)
