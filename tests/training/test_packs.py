"""Packed losses and gradients are those of one question at a time through plain transformers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from sentixrl.engines.local._hf import load_model, steer
from sentixrl.engines.local.engine import LocalEngine
from sentixrl.engines.local.loading import open_engine
from sentixrl.engines.local.prompt_format import PromptFormat
from sentixrl.engines.options import EngineOptions
from sentixrl.engines.protocol import ScoreRequest, Scores
from sentixrl.training.losses import Focal, Variant
from sentixrl.training.model import load_trainable
from sentixrl.training.objective import Objective
from sentixrl.training.packs import pack_questions
from sentixrl.training.questions import OutOfFold, Question

from ..conftest import MakeModel
from ..engines.test_local_scores import write_foreign
from .small import OUT_OF_FOLD, TALK, all_questions, ask, dialogue, recipe, run_alone, run_packed

CPU = torch.device("cpu")
LAYOUTS: dict[str, dict[str, Any]] = {
    "grouped": {},
    "multi-head": {"num_key_value_heads": 4},
    "multi-query untied": {"num_key_value_heads": 1, "tie_word_embeddings": False},
    "wide heads": {"num_attention_heads": 2, "num_key_value_heads": 1, "head_dim": 24},
}
ROLE_WEIGHT = 0.5


def plain(folder: Path) -> Any:  # noqa: ANN401
    """The model as transformers runs it, whatever is trained of it."""
    return load_model(folder, torch.float32, CPU).requires_grad_(True)


def engine_of(folder: Path, prompt_format: Any = "plain") -> LocalEngine:  # noqa: ANN401
    return open_engine(folder, EngineOptions(dtype="float32", prompt_format=prompt_format))


def loss_alone(
    model: Any,  # noqa: ANN401
    prompt_format: PromptFormat,
    asked: Sequence[Question],
    focal: Focal,
) -> torch.Tensor:
    total = torch.zeros(())
    for question in asked:
        scores, steps = run_alone(model, prompt_format, question.prompt, question.choices)
        target = scores[question.target] if focal.variant == "closed" else steps[question.target]
        weight = 1.0 if question.role == "generator" else ROLE_WEIGHT
        total = total + weight * focal(target).sum()
    return total


def gradients(model: Any) -> dict[str, torch.Tensor]:  # noqa: ANN401
    return {n: p.grad for n, p in model.named_parameters() if p.requires_grad}


def assert_same(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        assert gradient.norm() > 0, name
        error = (found[name] - gradient).norm() / gradient.norm()
        assert error < 1e-4, f"{name}: {error:.2e}"


def compare(
    folder: Path, prompt_format: str = "plain", focal: Focal | None = None
) -> dict[str, torch.Tensor]:
    """Check loss and gradients of a pack of all roles; the gradients."""
    focal = focal or Focal(1.5)
    engine = engine_of(folder, prompt_format)
    asked = all_questions()
    pack = pack_questions(asked, engine.prompt_format)
    alone, packed = plain(folder), plain(folder)
    steer(packed)
    expected = loss_alone(alone, engine.prompt_format, asked, focal)
    expected.backward()  # type: ignore[no-untyped-call]
    loss = Objective(focal, second=ROLE_WEIGHT)(pack, run_packed(packed, pack))
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == pytest.approx(expected.item(), rel=1e-4)
    assert_same(gradients(packed), gradients(alone))
    return gradients(packed)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_packed_gradients_equal_summed_single_ones(make_model: MakeModel, layout: str) -> None:
    folder = make_model(seed=3, num_hidden_layers=2, **LAYOUTS[layout])
    found = compare(folder)
    assert len(found) == (22 if "untied" in layout else 21) - 1  # 9 a layer, the ends


def test_so_they_do_with_chat_markup(make_model: MakeModel) -> None:
    compare(make_model(seed=4, num_hidden_layers=2), prompt_format="chat")


@pytest.mark.parametrize("variant", ["closed", "vocabulary"])
def test_so_they_do_in_both_variants(base: Path, variant: Variant) -> None:
    compare(base, focal=Focal(0.0, variant))
    compare(base, focal=Focal(2.0, variant))


def test_so_they_do_where_layers_look_back_a_few_tokens(make_model: MakeModel) -> None:
    compare(write_foreign(make_model, "Mistral", head_dim=8, sliding_window=6))


def test_so_they_do_where_values_are_narrower_than_keys(make_model: MakeModel) -> None:
    narrow = {"qk_rope_head_dim": 4, "qk_nope_head_dim": 8, "v_head_dim": 6}
    ranks = {"q_lora_rank": 12, "kv_lora_rank": 10, "num_key_value_heads": 4}
    dense = {"first_k_dense_replace": 2}
    compare(write_foreign(make_model, "DeepseekV3", **narrow, **ranks, **dense))


def test_so_they_do_through_an_adapter(make_model: MakeModel, float32: None) -> None:
    from peft import LoraConfig, get_peft_model

    folder = make_model(seed=6, num_hidden_layers=2)
    trainable = load_trainable(recipe(folder, method="lora", rank=4, alpha=8.0))
    other = get_peft_model(
        plain(folder),
        LoraConfig(r=4, lora_alpha=8.0, target_modules="all-linear", task_type="CAUSAL_LM"),
    )
    generator = torch.Generator().manual_seed(0)
    same = dict(other.named_parameters())
    with torch.no_grad():
        for name, parameter in trainable.trained.items():
            parameter.copy_(0.2 * torch.randn(parameter.shape, generator=generator))
            same[name].copy_(parameter)
    asked = all_questions()
    pack = pack_questions(asked, trainable.prompt_format)
    loss_alone(other, trainable.prompt_format, asked, Focal(1.0)).backward()  # type: ignore[no-untyped-call]
    objective = Objective(Focal(1.0), second=ROLE_WEIGHT)
    objective(pack, run_packed(trainable.model, pack)).backward()  # type: ignore[no-untyped-call]
    found = gradients(trainable.model)
    assert len(found) == 2 * 7 * 2
    assert all(".lora_" in name for name in found)
    assert_same(found, gradients(other))


def test_full_training_moves_the_layers_matrices_alone(base: Path, float32: None) -> None:
    trained = set(load_trainable(recipe(base)).trained)
    kinds = {"q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"}
    assert {name.split(".")[-2] for name in trained} == kinds
    assert len(trained) == 2 * 7


def test_bfloat16_gradients_point_the_same_way(base: Path) -> None:
    engine = engine_of(base)
    pack = pack_questions(all_questions(), engine.prompt_format)
    found = []
    for dtype in (torch.float32, torch.bfloat16):
        model = load_model(base, dtype, CPU).requires_grad_(True)
        steer(model)
        loss = Objective(Focal())(pack, run_packed(model, pack))
        loss.backward()  # type: ignore[no-untyped-call]
        found.append(torch.cat([g.float().flatten() for g in gradients(model).values()]))
    assert torch.cosine_similarity(found[0], found[1], dim=0) > 0.99


def log_probs(folder: Path, asked: Sequence[Question]) -> list[list[float]]:
    engine = engine_of(folder)
    model = plain(folder)
    steer(model)
    pack = pack_questions(asked, engine.prompt_format)
    rows: torch.Tensor = pack.log_probs(run_packed(model, pack))
    return [row[: len(q.choices)].tolist() for row, q in zip(rows, asked, strict=True)]


@pytest.mark.parametrize("prompt_format", ["plain", "chat"])
def test_log_probs_are_what_the_engine_scores(make_model: MakeModel, prompt_format: str) -> None:
    folder = make_model(seed=7)
    engine = engine_of(folder, prompt_format)
    model = plain(folder)
    steer(model)
    asked = all_questions()
    pack = pack_questions(asked, engine.prompt_format)
    rows = pack.log_probs(run_packed(model, pack))
    with engine.session() as session:
        answers = session.score([ScoreRequest(q.prompt, q.choices) for q in asked])
    for row, question, answer in zip(rows, asked, answers, strict=True):
        assert isinstance(answer, Scores)
        assert row[: len(question.choices)].tolist() == pytest.approx(answer.log_probs, abs=3e-5)
        assert torch.isinf(row[len(question.choices) :]).all()


def test_a_later_turn_leaks_into_nothing_before_it(base: Path) -> None:
    turns = [(turn.text, turn.gold) for turn in TALK]
    changed = dialogue(*turns[:3], ("Burn it, but home is better!", "joy"))
    other = {**OUT_OF_FOLD, 3: OutOfFold("joy", "anger")}
    before, after = ask(TALK, out_of_fold=OUT_OF_FOLD), ask(changed, out_of_fold=other)
    kept = len(ask(dialogue(*turns[:3]), out_of_fold=OUT_OF_FOLD))
    assert before[:kept] == after[:kept]
    assert before[kept].prompt != after[kept].prompt
    found, expected = log_probs(base, after), log_probs(base, before)
    for row, other_row in zip(found[:kept], expected[:kept], strict=True):
        assert row == pytest.approx(other_row, abs=1e-5)
    assert found[kept] != pytest.approx(expected[kept], abs=1e-3)


def test_a_sibling_branch_leaks_into_nothing(base: Path) -> None:
    """What is said in the talk about one turn stays in it."""
    before = ask(TALK, out_of_fold=OUT_OF_FOLD)
    after = ask(TALK, out_of_fold={**OUT_OF_FOLD, 1: OutOfFold("sadness", "calm")})
    assert len(before) == len(after)
    found, expected = log_probs(base, after), log_probs(base, before)
    moved = 0
    for new, old, row, other_row in zip(after, before, found, expected, strict=True):
        if new.prompt == old.prompt:
            assert row == pytest.approx(other_row, abs=1e-5)
        else:
            moved += 1
    assert moved == 3  # verdict, counter and again of the second turn


def test_a_pack_computes_shared_tokens_once(base: Path) -> None:
    engine = engine_of(base)
    asked = all_questions()
    pack = pack_questions(asked, engine.prompt_format)
    unique: set[tuple[int, ...]] = set()
    for question in asked:
        start = tuple(engine.prompt_format.encode(question.prompt).tolist())
        for answer in engine.prompt_format.answers(question.prompt, question.choices):
            extended = any(
                other[: len(answer)] == answer and other != answer
                for other in engine.prompt_format.answers(question.prompt, question.choices)
            )
            whole = (*start, *(answer if extended else answer[:-1]))
            unique.update(whole[:length] for length in range(1, len(whole) + 1))
    assert len(pack.pack) == len(unique)


def test_one_question_makes_a_pack(base: Path) -> None:
    asked = ask(dialogue(("Home.", "calm")))
    assert len(asked) == 1
    (row,) = log_probs(base, asked)
    assert sum(torch.tensor(row).exp().tolist()) == pytest.approx(1, abs=1e-5)
