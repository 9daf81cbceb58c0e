"""What our decoder's layers are made of: matrices, norms, rotations, gates.

Contract: each block writes what it can into the pack's workspace, so that no layer waits for fresh
memory pages. Nothing here depends on a model's name.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Protocol

import torch
import torch.nn.functional as F

from sentixrl.engines.local.architecture import Activation
from sentixrl.engines.local.attention import Workspace

_ONEDNN: Mapping[Activation, tuple[str, str]] = {
    "silu": ("swish", ""),
    "gelu_tanh": ("gelu", "tanh"),
}
"""oneDNN's name and form of each activation."""


@cache
def packs_weights(device: torch.device, dtype: torch.dtype) -> bool:
    """Whether matrices are laid out for oneDNN, whose products equal the plain ones bit for bit.

    With its own layout it need not rearrange a matrix in every product, which saves a tenth of the
    time of wide products and half the time of products with few rows. float32 products go to
    another library anyway.
    """
    return (
        device.type == "cpu"
        and dtype == torch.bfloat16
        and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
        and bool(torch.ops.mkldnn._is_mkldnn_bf16_supported())
    )


class Linear:
    """A matrix that hidden states are multiplied by.

    Args:
        weight: ``[out, in]``.
        bias: ``[out]``.
    """

    def __init__(self, weight: torch.Tensor, bias: torch.Tensor | None = None) -> None:
        self.width = len(weight)
        self.packed = packs_weights(weight.device, weight.dtype)
        self._weight = torch.ops.mkldnn._reorder_linear_weight(weight) if self.packed else weight
        self._bias = bias

    def __call__(self, states: torch.Tensor, space: Workspace, name: str) -> torch.Tensor:
        """The product ``[length, out]`` of ``[length, in]``, in the buffer ``name`` if it can."""
        if self.packed:
            out = self._fused(states, "none", "")
        else:
            out = space.take(name, states, states.shape[0], self.width)
            torch.mm(states, self._weight.t(), out=out)
        return out if self._bias is None else out.add_(self._bias)

    def added(self, total: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        """``total + product``, rounded once; ``total`` may be overwritten."""
        if self.packed:
            return self._paired(states, total, "add")
        total.addmm_(states, self._weight.t())
        return total

    def activated(self, states: torch.Tensor, activation: Activation) -> torch.Tensor:
        """A packed product under an activation, rounded once."""
        return self._fused(states, *_ONEDNN[activation])

    def multiplied(self, gate: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
        """A packed product, times ``gate``."""
        return self._paired(states, gate, "mul")

    def _fused(self, states: torch.Tensor, name: str, form: str) -> torch.Tensor:
        made: torch.Tensor = torch.ops.mkldnn._linear_pointwise(
            states, self._weight, None, name, [], form
        )
        return made

    def _paired(self, states: torch.Tensor, other: torch.Tensor, name: str) -> torch.Tensor:
        made: torch.Tensor = torch.ops.mkldnn._linear_pointwise.binary(
            states, other, self._weight, None, name
        )
        return made


class Norm:
    """Root-mean-square norm over the last dimension, its scale in float32.

    Args:
        weight: ``[..., width]``; what is normed may have dimensions before these.
        epsilon: Added to the mean square.
    """

    def __init__(self, weight: torch.Tensor, epsilon: float) -> None:
        self._weight = weight
        self._epsilon = epsilon

    def __call__(self, states: torch.Tensor, space: Workspace, out: torch.Tensor) -> torch.Tensor:
        """The norm of ``states``, into ``out``, which may be ``states``."""
        scale = self._scale(states).to(states.dtype)
        return torch.mul(states, scale, out=out).mul_(self._weight)

    def _scale(self, states: torch.Tensor) -> torch.Tensor:
        """One over the root of the mean square, ``[..., 1]``, float32."""
        length = torch.linalg.vector_norm(states, dim=-1, keepdim=True, dtype=torch.float32)
        scale: torch.Tensor = length.square_().div_(states.shape[-1]).add_(self._epsilon).rsqrt_()
        return scale


class CentredNorm(Norm):
    """A norm whose weight is stored as its difference from one, rounded once.

    One plus a weight has fewer digits left for the weight, so it is kept in float32. Its input is
    widened into a buffer first: operations on mixed formats take twice as long.
    """

    def __init__(self, weight: torch.Tensor, epsilon: float) -> None:
        super().__init__(1 + weight.float(), epsilon)

    def __call__(self, states: torch.Tensor, space: Workspace, out: torch.Tensor) -> torch.Tensor:
        """The norm of ``states``, into ``out``, which may be ``states``."""
        wide = space.take("wide", self._weight, *states.shape).copy_(states)
        return out.copy_(wide.mul_(self._scale(wide)).mul_(self._weight))


def rotate(heads: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, out: torch.Tensor) -> None:
    """Rotary embedding of ``[length, heads, head_dim]`` by ``[length, 1, head_dim / 2]``."""
    left, right = heads.chunk(2, dim=-1)
    half = left.shape[-1]
    torch.mul(left, cos, out=out[..., :half]).addcmul_(right, sin, value=-1)
    torch.mul(right, cos, out=out[..., half:]).addcmul_(left, sin)


class Gate(Protocol):
    """The first half of a feed-forward network: ``activation(gate · x) ⊙ (up · x)``."""

    def __call__(self, states: torch.Tensor, space: Workspace) -> torch.Tensor:
        """``[length, intermediate]`` from normed states ``[length, hidden]``."""
        ...


def gate_of(gate: torch.Tensor, up: torch.Tensor, activation: Activation) -> Gate:
    """The gate of two matrices ``[intermediate, hidden]``."""
    if packs_weights(gate.device, gate.dtype):
        return _FusedGate(gate, up, activation)
    return _PlainGate(gate, up, activation)


class _PlainGate:
    """One product of both matrices, then the activation."""

    def __init__(self, gate: torch.Tensor, up: torch.Tensor, activation: Activation) -> None:
        self._both = Linear(torch.cat([gate, up]))
        self._activation = activation

    def __call__(self, states: torch.Tensor, space: Workspace) -> torch.Tensor:
        gate, up = self._both(states, space, "gate_up").chunk(2, dim=-1)
        if self._activation == "silu":
            F.silu(gate, inplace=True)
        else:
            torch.ops.aten.gelu_(gate, approximate="tanh")
        return torch.mul(gate, up, out=space.take("gated", states, *gate.shape))


class _FusedGate:
    """The activation within the gate's product, the multiplication within the other's.

    As a separate operation GELU's tanh takes a fifth of the products' time, SiLU a tenth.
    """

    def __init__(self, gate: torch.Tensor, up: torch.Tensor, activation: Activation) -> None:
        self._gate, self._up = Linear(gate), Linear(up)
        self._activation = activation

    def __call__(self, states: torch.Tensor, space: Workspace) -> torch.Tensor:
        return self._up.multiplied(self._gate.activated(states, self._activation), states)
