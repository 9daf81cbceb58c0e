"""AdamW over float32 masters against torch's own."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
import torch

from sentixrl.training.optimizer import MasterAdamW

SHAPES = ((7, 5), (5,), (3, 2, 4))


def parameters(dtype: torch.dtype = torch.float32, seed: int = 0) -> list[torch.nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    values = [torch.randn(shape, generator=generator) for shape in SHAPES]
    # Values that bfloat16 holds exactly, so that both formats begin at the same place.
    return [torch.nn.Parameter(value.bfloat16().to(dtype)) for value in values]


def push(params: Sequence[torch.nn.Parameter], step: int) -> None:
    """The same gradients whatever the number format."""
    generator = torch.Generator().manual_seed(100 + step)
    for parameter in params:
        gradient = torch.randn(parameter.shape, generator=generator).bfloat16()
        parameter.grad = gradient.to(parameter.dtype)


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_on_float32_it_is_torchs(decay: float) -> None:
    ours, theirs = parameters(), parameters()
    how = {"lr": 3e-3, "betas": (0.8, 0.95), "eps": 1e-6, "weight_decay": decay}
    one = MasterAdamW(ours, **how)  # type: ignore[arg-type]
    other = torch.optim.AdamW(theirs, **how)  # type: ignore[arg-type]
    for step in range(25):
        for found in (ours, theirs):
            push(found, step)
        for optimizer in (one, other):
            optimizer.param_groups[0]["lr"] = 3e-3 * (1 - step / 30)  # a schedule steers both
            optimizer.step()
    for left, right in zip(ours, theirs, strict=True):
        torch.testing.assert_close(left, right, rtol=1e-5, atol=1e-7)
    assert "master" not in one.state[ours[0]]


def test_bfloat16_follows_the_float32_trajectory_through_tiny_steps() -> None:
    half, whole = parameters(torch.bfloat16), parameters()
    rate = 2e-5  # far below bfloat16's spacing at 1
    ours, theirs = MasterAdamW(half, lr=rate), torch.optim.AdamW(whole, lr=rate, weight_decay=0.0)
    start = [p.detach().clone() for p in half]
    for step in range(400):
        for found in (half, whole):
            push(found, 0 if step % 2 else step)  # a common pull, so that it gets somewhere
        ours.step()
        theirs.step()
    for parameter, right, before in zip(half, whole, start, strict=True):
        master = ours.state[parameter]["master"]
        assert master.dtype == torch.float32
        torch.testing.assert_close(master, right.detach(), rtol=1e-5, atol=1e-6)
        torch.testing.assert_close(parameter.detach(), master.bfloat16(), rtol=0, atol=0)
        assert parameter.dtype == torch.bfloat16
        assert (parameter != before).any()
    # Without masters not one of these steps would have moved a weight near 1.
    assert torch.tensor(1.0).bfloat16() - rate == torch.tensor(1.0).bfloat16()


def test_parameters_without_a_gradient_stay() -> None:
    params = parameters(torch.bfloat16)
    before = [p.detach().clone() for p in params]
    optimizer = MasterAdamW(params, lr=0.1, weight_decay=0.5)
    push(params[:1], 0)
    optimizer.step()
    moved = [bool((p != old).any()) for p, old in zip(params, before, strict=True)]
    assert moved == [True, False, False]


def test_groups_have_their_own_settings() -> None:
    params = parameters()
    before = [p.detach().clone() for p in params]
    groups = [{"params": params[:1], "lr": 0.0}, {"params": params[1:], "lr": 0.1}]
    optimizer = MasterAdamW(groups)
    push(params, 0)
    optimizer.step()
    assert [bool((p != b).any()) for p, b in zip(params, before, strict=True)] == [
        False,
        True,
        True,
    ]


def test_a_closure_gives_the_loss() -> None:
    (parameter, *_) = params = parameters()
    optimizer = MasterAdamW(params, lr=0.01)

    def closure() -> float:
        optimizer.zero_grad()
        loss = (parameter**2).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss.item()

    losses = [optimizer.step(closure) for _ in range(5)]
    assert all(b < a for a, b in pairwise(loss for loss in losses if loss is not None))
    assert None not in losses


@pytest.mark.parametrize("first", [torch.float32, torch.bfloat16])
def test_a_saved_state_goes_on_in_another_format(first: torch.dtype) -> None:
    """Another machine, or another measurement on the same, may choose another number format."""
    second = torch.bfloat16 if first == torch.float32 else torch.float32
    before = parameters(first)
    begun = MasterAdamW(before, lr=1e-3, ema=0.9)
    for step in range(6):
        push(before, step)
        begun.step()
    state = copy.deepcopy(begun.state_dict())
    after = [torch.nn.Parameter(p.detach().to(second)) for p in before]
    resumed = MasterAdamW(after, lr=1e-3, ema=0.9)
    resumed.load_state_dict(state)
    for step in range(6, 40):
        for found, optimizer in ((before, begun), (after, resumed)):
            push(found, step)
            optimizer.step()
    for one, other in zip(before, after, strict=True):
        assert other.dtype == second
        left = begun.state[one].get("master", one)
        right = resumed.state[other].get("master", other)
        assert right.dtype == torch.float32
        # No more apart than by the rounding in between: the small steps since are not lost.
        torch.testing.assert_close(right, left, rtol=2**-8, atol=1e-4)
        moved = (left - parameters(first)[0]).abs() if left.shape == SHAPES[0] else None
        assert moved is None or moved.max() > 1e-2


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_saved_state_goes_on_as_if_never_stopped(dtype: torch.dtype) -> None:
    whole, first = parameters(dtype), parameters(dtype)
    how: dict[str, Any] = {"lr": 1e-3, "ema": 0.9}
    straight, begun = MasterAdamW(whole, **how), MasterAdamW(first, **how)
    for step in range(10):
        push(whole, step)
        straight.step()
    for step in range(6):
        push(first, step)
        begun.step()
    state = copy.deepcopy(begun.state_dict())
    second = [torch.nn.Parameter(p.detach().clone()) for p in first]
    resumed = MasterAdamW(second, **how)
    resumed.load_state_dict(state)
    for parameter, old in zip(second, first, strict=True):
        for name, value in resumed.state[parameter].items():
            assert value.dtype == torch.float32, name
            torch.testing.assert_close(value, begun.state[old][name], rtol=0, atol=0)
        assert ("master" in resumed.state[parameter]) == (dtype == torch.bfloat16)
    for step in range(6, 10):
        push(second, step)
        resumed.step()
    for left, right in zip(second, whole, strict=True):
        torch.testing.assert_close(left, right, rtol=0, atol=0)
        averages = (resumed.state[left]["ema"], straight.state[right]["ema"])
        torch.testing.assert_close(*averages, rtol=0, atol=0)
        if dtype == torch.bfloat16:
            torch.testing.assert_close(
                resumed.state[left]["master"], straight.state[right]["master"], rtol=0, atol=0
            )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_the_average_is_looked_at_and_the_weights_come_back(dtype: torch.dtype) -> None:
    params = parameters(dtype)
    optimizer = MasterAdamW(params, lr=1e-2, ema=0.5)
    expected = [p.detach().float().clone() for p in params]
    for step in range(1, 7):
        push(params, step)
        optimizer.step()
        share = 1 - min(0.5, (1 + step) / (10 + step))
        for mean, parameter in zip(expected, params, strict=True):
            master = optimizer.state[parameter].get("master", parameter.detach())
            mean += share * (master - mean)
    before = [p.detach().clone() for p in params]
    with optimizer.ema_weights():
        for mean, parameter, own in zip(expected, params, before, strict=True):
            torch.testing.assert_close(parameter.detach(), mean.to(dtype), rtol=1e-2, atol=1e-6)
            assert (parameter != own).any()
    for parameter, own in zip(params, before, strict=True):
        assert (parameter == own).all()


def test_without_an_average_the_weights_are_looked_at() -> None:
    params = parameters()
    optimizer = MasterAdamW(params, lr=1e-2)
    push(params, 1)
    optimizer.step()
    before = [p.detach().clone() for p in params]
    with optimizer.ema_weights():
        assert all((p == own).all() for p, own in zip(params, before, strict=True))
    assert set(optimizer.state[params[0]]) == {"step", "exp_avg", "exp_avg_sq"}
