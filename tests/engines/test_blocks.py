"""Blocks give what the plain operations give; packed matrices bit for bit."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from sentixrl.engines.local.attention import Workspace
from sentixrl.engines.local.blocks import CentredNorm, Linear, Norm, gate_of, packs_weights

CPU = torch.device("cpu")
packing = pytest.mark.skipif(
    not packs_weights(CPU, torch.bfloat16), reason="oneDNN has no bfloat16 on this machine"
)


def drawn(*shape: int, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape))).to(dtype)


@packing
@pytest.mark.parametrize("length", [1, 2, 7, 16, 33, 130])
@pytest.mark.parametrize("shape", [(96, 64), (576, 576), (70, 130)])
def test_packed_products_are_the_plain_ones_bit_for_bit(
    length: int, shape: tuple[int, int]
) -> None:
    weight, states = drawn(*shape, dtype=torch.bfloat16), drawn(length, shape[1]).bfloat16()
    total, bias = drawn(length, shape[0]).bfloat16(), drawn(shape[0]).bfloat16()
    linear = Linear(weight)
    assert linear.packed
    assert torch.equal(linear(states, Workspace(), "out"), states @ weight.t())
    assert torch.equal(
        Linear(weight, bias)(states, Workspace(), "out"), (states @ weight.t()) + bias
    )
    expected = total.clone().addmm_(states, weight.t())
    assert torch.equal(linear.added(total, states), expected)


@pytest.mark.parametrize("dtype", [torch.float32, pytest.param(torch.bfloat16, marks=packing)])
@pytest.mark.parametrize("activation", ["silu", "gelu_tanh"])
def test_gates_are_activation_times_product(dtype: torch.dtype, activation: str) -> None:
    gate, up, states = drawn(48, 32), drawn(48, 33)[:, :32], drawn(9, 32)
    rounded = [tensor.to(dtype) for tensor in (gate, up, states)]
    left, right, exact = (tensor.float() for tensor in rounded)
    inner = exact @ left.t()
    bent = F.silu(inner) if activation == "silu" else F.gelu(inner, approximate="tanh")
    found = gate_of(rounded[0], rounded[1], activation)(rounded[2], Workspace())  # type: ignore[arg-type]
    tolerance = 1e-5 if dtype == torch.float32 else 0.02
    torch.testing.assert_close(
        found.float(), bent * (exact @ right.t()), rtol=tolerance, atol=tolerance
    )


def test_norms_are_root_mean_square_norms() -> None:
    states, weight = drawn(5, 3, 16), drawn(16)
    expected = F.rms_norm(states, (16,), weight, 1e-6)
    torch.testing.assert_close(Norm(weight, 1e-6)(states, torch.empty_like(states)), expected)
    centred = CentredNorm(weight - 1, 1e-6)
    torch.testing.assert_close(centred(states, torch.empty_like(states)), expected)
    torch.testing.assert_close(centred(states, states), expected)  # in place


def test_a_centred_norm_rounds_once() -> None:
    """One plus a small weight is not one, though bfloat16 has no number between."""
    states = torch.full((1, 4), 1.0, dtype=torch.bfloat16)
    weight = torch.full((4,), 2.0**-8 * 1.02, dtype=torch.bfloat16)
    exact = (1 + weight.double()).to(torch.bfloat16)
    found = CentredNorm(weight, 0.0)(states, torch.empty_like(states))[0]
    assert torch.equal(found, exact)
    assert found[0] > 1
