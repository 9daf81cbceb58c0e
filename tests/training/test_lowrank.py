"""Low-rank differences: exact where they can be, the best where not, readable by everyone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest
import torch

from sentixrl.engines.local._hf import load_model
from sentixrl.engines.local.adapters import merge_lora
from sentixrl.engines.local.checkpoint import read_weights
from sentixrl.training.finishing import trained_matrices
from sentixrl.training.lowrank import difference, write_adapter
from sentixrl.training.model import TrainableModel, load_trainable

from ..conftest import MakeModel
from .small import recipe

Matrices = dict[str, torch.Tensor]
NAME = "model.layers.0.mlp.up_proj.weight"


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def product(pair: tuple[torch.Tensor, torch.Tensor]) -> torch.Tensor:
    down, up = pair
    return up @ down


@pytest.mark.parametrize("shape", [(90, 60), (60, 90), (40, 40)])
def test_a_difference_of_that_rank_is_exact(shape: tuple[int, int]) -> None:
    delta = noise(shape[0], 5) @ noise(5, shape[1], seed=1)
    base = noise(*shape, seed=2)
    (pair,) = difference({NAME: base}, [(NAME, base + delta)], 5).values()
    down, up = pair
    assert (down.shape, up.shape) == ((5, shape[1]), (shape[0], 5))
    assert down.dtype == up.dtype == torch.float32
    torch.testing.assert_close(product(pair), delta, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("rank", [1, 4, 16, 50])
def test_else_it_is_as_near_as_can_be(rank: int) -> None:
    """The error of the best approximation is known: the singular values left out."""
    delta = noise(120, 80) * torch.logspace(0, -2, 80)
    base = noise(120, 80, seed=1)
    (pair,) = difference({NAME: base}, [(NAME, base + delta)], rank).values()
    values = torch.linalg.svdvals(delta)
    best = values[rank:].square().sum().sqrt()
    error = (product(pair) - delta).norm()
    assert best * 0.999 <= error <= best * 1.02
    # Both halves carry the same weight, so that rounding hurts neither more.
    assert pair[0].norm() == pytest.approx(pair[1].norm().item(), rel=1e-3)


def test_the_same_difference_gives_the_same_pair_and_leaves_the_dice_alone() -> None:
    base, trained = noise(50, 50), noise(50, 50, seed=1)
    torch.manual_seed(7)
    expected = torch.rand(3)
    torch.manual_seed(7)
    first = difference({NAME: base}, [(NAME, trained)], 4)[NAME]
    assert torch.equal(torch.rand(3), expected)
    second = difference({NAME: base}, [(NAME, trained)], 4)[NAME]
    assert all(torch.equal(left, right) for left, right in zip(first, second, strict=True))


class Far(torch.Tensor):
    """A tensor on a device: a product or sum with one of the CPU's is refused there."""

    brought: ClassVar[list[str]] = []

    def cpu(self, *arguments: object) -> torch.Tensor:
        self.brought.append("matrix")
        return self.as_subclass(torch.Tensor)

    def __sub__(self, other: object) -> torch.Tensor:
        raise RuntimeError("Expected all tensors to be on the same device")


def test_matrices_come_from_their_device_one_at_a_time() -> None:
    base = {str(n): noise(9, 7, seed=n) for n in range(3)}
    met: list[int] = []

    def trained() -> Iterator[tuple[str, torch.Tensor]]:
        for name, value in base.items():
            met.append(len(Far.brought))
            yield name, (value + 1).as_subclass(Far)

    pairs = difference(base, trained(), 2)
    assert met == [0, 1, 2]
    for pair in pairs.values():
        torch.testing.assert_close(product(pair), torch.ones(9, 7), rtol=1e-4, atol=1e-4)


def moved(folder: Path, rank: int) -> tuple[Matrices, Matrices]:
    """Base weights, and the layers' matrices moved by differences of a rank."""
    base = read_weights(folder)
    trained = {
        name: value + 0.1 * noise(value.shape[0], rank, seed=n) @ noise(rank, value.shape[1])
        for n, (name, value) in enumerate(base.items())
        if name.startswith("model.layers.") and value.dim() == 2
    }
    return base, trained


@pytest.mark.parametrize("rank", [3, 16])
def test_an_adapter_loads_through_peft_and_through_our_own_merge(
    make_model: MakeModel, tmp_path: Path, rank: int
) -> None:
    """Rank 16 is more than the 8 rows that the keys' projections have here."""
    folder = make_model(seed=2, num_hidden_layers=2, num_key_value_heads=1)
    base, trained = moved(folder, 3)
    pairs = difference(base, trained.items(), rank)
    size = write_adapter(pairs, tmp_path / "adapter", str(folder))
    assert size == (tmp_path / "adapter" / "adapter_model.safetensors").stat().st_size
    # Whoever may read the one may read the other.
    modes = {path.stat().st_mode for path in (tmp_path / "adapter").iterdir()}
    assert len(modes) == 1
    config = json.loads((tmp_path / "adapter" / "adapter_config.json").read_text())
    assert (config["r"], config["lora_alpha"]) == (rank, rank)
    ours = read_weights(folder)
    assert merge_lora(ours, tmp_path / "adapter")
    model = load_model(folder, torch.float32, torch.device("cpu"), adapter=tmp_path / "adapter")
    theirs = model.state_dict()
    for name, value in ours.items():
        torch.testing.assert_close(theirs[name], value, rtol=1e-5, atol=1e-5)
        if name in trained:
            delta = trained[name] - base[name]
            error = (value - base[name] - delta).norm() / delta.norm()
            assert error < 0.01, name  # bfloat16's rounding of both halves
        else:
            assert torch.equal(value, base[name])


def spread(trainable: TrainableModel, size: float) -> None:
    """Move what is trained, as training would."""
    with torch.no_grad():
        for number, parameter in enumerate(trainable.trained.values()):
            parameter.add_(size * noise(*parameter.shape, seed=number).to(parameter.dtype))


def test_a_lora_trained_in_bfloat16_is_shipped_as_it_is(
    make_model: MakeModel, bfloat16: None, tmp_path: Path
) -> None:
    """Its difference is far below bfloat16's spacing of the weights it is added to."""
    folder = make_model(seed=2, num_hidden_layers=2)
    trainable = load_trainable(recipe(folder, method="lora", rank=4, alpha=8.0))
    spread(trainable, 0.003)
    factors = {name: value.detach().float() for name, value in trainable.trained.items()}
    base = read_weights(folder)
    pairs = difference(base, trained_matrices(trainable), 4)
    assert len(pairs) == 2 * 7
    for name, pair in pairs.items():
        stem = f"base_model.model.{name.removesuffix('.weight')}"
        down = factors[f"{stem}.lora_A.default.weight"]
        up = factors[f"{stem}.lora_B.default.weight"]
        delta = 2.0 * up @ down
        kept = base[name].bfloat16().float() - base[name]  # what the model computed with
        assert (product(pair) - delta - kept).norm() <= 1.01 * (
            torch.linalg.svdvals(delta + kept)[4:].square().sum().sqrt() + 1e-6
        ), name


def test_full_training_in_bfloat16_is_shipped_from_its_weights(
    make_model: MakeModel, bfloat16: None
) -> None:
    folder = make_model(seed=2, num_hidden_layers=2)
    trainable = load_trainable(recipe(folder))
    spread(trainable, 0.05)
    found = dict(trained_matrices(trainable))
    assert found.keys() == trainable.trained.keys()
    assert all(torch.equal(found[n], p.detach()) for n, p in trainable.trained.items())
