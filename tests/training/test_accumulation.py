"""A step's loss is the mean over its questions, however they are cut into packs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
import torch
from torch.optim.optimizer import register_optimizer_step_pre_hook

from sentixrl.training.examples import PackDataset, Packer
from sentixrl.training.losses import Focal
from sentixrl.training.objective import Objective
from sentixrl.training.plans import PackPlan
from sentixrl.training.setting import Setting, draw_of, prepare
from sentixrl.training.trainer import TrieTrainer

from .small import recipe, run_packed

pytestmark = pytest.mark.usefixtures("float32")
Weights = dict[str, torch.Tensor]


def setting(base: Path, meld: Path, packs_per_step: int, method: str = "full") -> Setting:
    how = {"learning_rate": 1e-2, "warmup": 0.0, "packs_per_step": packs_per_step, "clip": 1e9}
    window = {"history_max": 2, "history_min": 1}
    return prepare(
        recipe(base, optimiser=how, window=window, method=method), meld, lambda text: None
    )


def train(one: Setting, plans: Sequence[PackPlan], folder: Path) -> tuple[Weights, float]:
    """Weights after going through the packs once, and how many tokens were computed."""
    trainable = one.trainable
    packer = Packer(one.sources, one.context, draw_of(one.recipe), trainable.prompt_format,
                    trainable.engine.count_tokens)  # fmt: skip
    trainer = TrieTrainer(trainable, Objective(Focal(1.0)), PackDataset(plans, packer), one.recipe,
                          folder, [])  # fmt: skip
    trainer.train()
    assert trainer.state.global_step == -(-len(plans) // one.recipe.optimiser.packs_per_step)
    return {n: p.detach().clone() for n, p in trainable.trained.items()}, trainer.tokens


def plan(*dialogues: int) -> PackPlan:
    return PackPlan(0, dialogues, (), 0)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_two_packs_of_a_step_are_one_pack(
    base: Path, meld: Path, tmp_path: Path, method: str
) -> None:
    """Of unequal sizes, so that the mean of their means would be something else."""
    one = setting(base, meld, 1, method)
    before = {n: p.detach().clone() for n, p in one.trainable.trained.items()}
    together, _ = train(one, [plan(0, 1, 2, 3)], tmp_path / "a")
    apart, _ = train(setting(base, meld, 2, method), [plan(0), plan(1, 2, 3)], tmp_path / "b")
    assert any((together[n] - before[n]).abs().max() > 1e-3 for n in before)
    for name, value in together.items():
        torch.testing.assert_close(apart[name], value, rtol=1e-3, atol=2e-5)


def test_the_gradient_of_a_step_is_that_of_the_mean(base: Path, meld: Path, tmp_path: Path) -> None:
    """Before the optimiser, whose first step would hide a wrong scale."""
    plans = [plan(0), plan(1, 2, 3), plan(4, 5)]
    one = setting(base, meld, 3)
    caught: list[Weights] = []

    def catch(optimizer: torch.optim.Optimizer, *rest: object) -> None:
        named = one.trainable.trained.items()
        caught.append({n: p.grad.clone() for n, p in named if p.grad is not None})

    hook = register_optimizer_step_pre_hook(catch)
    try:
        train(one, plans, tmp_path)
    finally:
        hook.remove()
    other = setting(base, meld, 1).trainable
    packer = Packer(one.sources, one.context, draw_of(one.recipe), other.prompt_format,
                    other.engine.count_tokens)  # fmt: skip
    objective, count = Objective(Focal(1.0)), 0
    for each in plans:
        pack = packer(each)
        count += len(pack)
        objective(pack, run_packed(other.model, pack)).backward()  # type: ignore[no-untyped-call]
    assert count == 18
    assert len(caught) == 1
    for name, parameter in other.trained.items():
        assert parameter.grad is not None
        torch.testing.assert_close(caught[0][name], parameter.grad / count, rtol=1e-3, atol=1e-5)


def test_packs_left_over_make_a_last_step(base: Path, meld: Path, tmp_path: Path) -> None:
    """Three packs, two a step: the last step is the mean over its own questions alone."""
    three, tokens = train(setting(base, meld, 2), [plan(0), plan(1), plan(2, 3)], tmp_path / "a")
    two, same = train(setting(base, meld, 1), [plan(0, 1), plan(2, 3)], tmp_path / "b")
    for name, value in two.items():
        torch.testing.assert_close(three[name], value, rtol=1e-3, atol=5e-5)
    assert tokens > same  # the head of the prompt once more
