"""Our own decoder, written for packs: Llama, Qwen2 and Gemma 3 by configuration.

Contract: the same numbers as transformers' models on the same weights. It exists for two reasons:
it starts without importing transformers' modelling code (three seconds), and it computes a pack
with joined projections and only the hidden states that are read.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F

from sentixrl.engines.local.architecture import Architecture, LayerKind, Rotary
from sentixrl.engines.local.attention import PackPlan, attend
from sentixrl.engines.local.batches import rounded_up
from sentixrl.engines.local.blocks import CentredNorm, Gate, Linear, Norm, gate_of, rotate
from sentixrl.engines.local.head import Head
from sentixrl.errors import ModelError

EVEN = ((256, 8), (1024, 32), (math.inf, 64))
"""Up to which length packs are filled up to which step."""


@dataclass(slots=True)
class _Layer:
    """One layer's blocks: projections of one input are one matrix."""

    kind: LayerKind
    norm_in: Norm
    qkv: Linear
    head_norm: Norm | None
    out: Linear
    norm_out: Norm | None
    norm_mlp: Norm
    gate: Gate
    down: Linear
    norm_down: Norm | None


class BlockDecoder:
    """A model of one of our architectures over packs.

    Args:
        architecture: The model's numbers and choices.
        weights: Checkpoint name → tensor, as transformers names them.
        dtype: Format to compute in.
        device: Where to compute.

    Raises:
        ModelError: The weights are not those of this architecture.
    """

    def __init__(
        self,
        architecture: Architecture,
        weights: Mapping[str, torch.Tensor],
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.architecture, self.dtype, self.device = architecture, dtype, device
        _check_shapes(architecture, weights)
        self.parameters = sum(tensor.numel() for tensor in weights.values())
        read = _Reader(architecture, weights, dtype, device)
        self.embedding = read.tensor("model.embed_tokens.weight")
        output = self.embedding if architecture.tied else read.tensor("lm_head.weight")
        self.head = Head(output, softcap=architecture.softcap)
        self.layers = [
            read.layer(f"model.layers.{index}.", kind)
            for index, kind in enumerate(architecture.layers)
        ]
        self.norm = read.norm("model.norm")
        scale = architecture.embedding_scale
        # Rounded as the weights are: the models were trained with that.
        self._scale = None if scale is None else torch.tensor(scale, dtype=dtype, device=device)
        self._frequencies = {
            kind.rotary: kind.rotary.frequencies(architecture.head_dim).to(device)
            for kind in architecture.layers
        }

    def hidden(self, plan: PackPlan) -> torch.Tensor:
        """Compute a pack.

        Returns:
            The final hidden states of the tokens that are read, ``[n_reads, hidden]``.
        """
        state = self.embedding.index_select(0, _even(plan.tokens))
        if self._scale is not None:
            state.mul_(self._scale)
        turns = {rotary: self._turns(rotary, plan) for rotary in self._frequencies}
        last = len(self.layers) - 1
        for index, layer in enumerate(self.layers):
            mixed = self._attention(state, layer, plan, index, *turns[layer.kind.rotary])
            if index == last:  # nothing attends to this layer's output: keep what is read
                reads = _even(plan.reads)
                state = state.index_select(0, reads)
                mixed = mixed.index_select(0, reads)
            state = _branch(state, mixed, layer.out, layer.norm_out, plan)
            normed = layer.norm_mlp(
                state, plan.space, plan.space.take("normed", state, *state.shape)
            )
            state = _branch(
                state, layer.gate(normed, plan.space), layer.down, layer.norm_down, plan
            )
        return self.norm(state, plan.space, torch.empty_like(state))[: len(plan.reads)]

    def _attention(
        self,
        state: torch.Tensor,
        layer: _Layer,
        plan: PackPlan,
        index: int,
        cos: torch.Tensor,
        sin: torch.Tensor,
    ) -> torch.Tensor:
        """Attention of every token, ``[length, heads * head_dim]``."""
        model, space = self.architecture, plan.space
        normed = layer.norm_in(state, space, space.take("normed", state, *state.shape))
        qkv = layer.qkv(normed, space, "qkv").view(state.shape[0], -1, model.head_dim)
        turning, values = qkv[:, : model.rotated], qkv[:, model.rotated :]
        if layer.head_norm is not None:
            turning = layer.head_norm(turning, space, space.take("heads", state, *turning.shape))
        rotated = space.take("rotated", state, *turning.shape)
        rotate(turning, cos, sin, rotated)
        length = len(plan.tokens)
        plan.store.write(index, plan.slots, rotated[:length, model.heads :], values[:length])
        attended = space.take("attended", state, len(state), model.heads, model.head_dim)
        queries, out = rotated[:length, : model.heads], attended[:length]
        attend(queries, plan, index, model.attention_scale, out, layer.kind.window)
        return attended.view(len(state), -1)

    def _turns(self, rotary: Rotary, plan: PackPlan) -> tuple[torch.Tensor, torch.Tensor]:
        """Cosines and sines of the pack's positions, each ``[length, 1, head_dim / 2]``."""
        angles = _even(plan.positions)[:, None].to(torch.float32) * self._frequencies[rotary][None]
        return angles.cos()[:, None].to(self.dtype), angles.sin()[:, None].to(self.dtype)


def _even(values: torch.Tensor) -> torch.Tensor:
    """What a pack holds, filled up to one of few lengths; whatever becomes of the rest is dropped.

    oneDNN makes a product anew for every length, and keeps it in about a megabyte.
    """
    length = len(values)
    if values.device.type != "cpu":
        return values
    step = next(step for bound, step in EVEN if length <= bound)
    more = rounded_up(length, step) - length
    return F.pad(values, (0, more)) if more else values


def _branch(
    state: torch.Tensor, inner: torch.Tensor, matrix: Linear, norm: Norm | None, plan: PackPlan
) -> torch.Tensor:
    """The hidden states with a branch's result added to them."""
    if norm is None:
        return matrix.added(state, inner)
    made = matrix(inner, plan.space, "branch")
    return state.add_(norm(made, plan.space, made))


class _Reader:
    """A layer's blocks from a checkpoint's tensors."""

    def __init__(
        self,
        architecture: Architecture,
        weights: Mapping[str, torch.Tensor],
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self._model, self._weights = architecture, weights
        self._dtype, self._device = dtype, device

    def tensor(self, *names: str) -> torch.Tensor:
        """A tensor, or several under each other."""
        missing = [name for name in names if name not in self._weights]
        if missing:
            raise ModelError(f"The model's weights lack the tensor '{missing[0]}'.")
        parts = [self._weights[name].to(device=self._device, dtype=self._dtype) for name in names]
        return parts[0] if len(parts) == 1 else torch.cat(parts)

    def norm(self, name: str) -> Norm:
        return self._norm(self.tensor(f"{name}.weight"))

    def layer(self, at: str, kind: LayerKind) -> _Layer:
        model, attn, mlp = self._model, f"{at}self_attn.", f"{at}mlp."
        after = model.branch_norms
        biases = self.tensor(*(f"{attn}{n}_proj.bias" for n in "qkv")) if model.qkv_bias else None
        return _Layer(
            kind,
            norm_in=self.norm(f"{at}input_layernorm"),
            qkv=Linear(self.tensor(*(f"{attn}{n}_proj.weight" for n in "qkv")), biases),
            head_norm=self._head_norm(attn) if model.head_norms else None,
            out=Linear(self.tensor(f"{attn}o_proj.weight")),
            norm_out=self.norm(f"{at}post_attention_layernorm") if after else None,
            norm_mlp=self.norm(f"{at}{'pre_feedforward' if after else 'post_attention'}_layernorm"),
            gate=gate_of(
                self.tensor(f"{mlp}gate_proj.weight"),
                self.tensor(f"{mlp}up_proj.weight"),
                model.activation,
            ),
            down=Linear(self.tensor(f"{mlp}down_proj.weight")),
            norm_down=self.norm(f"{at}post_feedforward_layernorm") if after else None,
        )

    def _head_norm(self, attn: str) -> Norm:
        """One norm for the heads of queries and keys, ``[heads + kv_heads, head_dim]``."""
        model = self._model
        queries, keys = (self.tensor(f"{attn}{name}_norm.weight") for name in "qk")
        return self._norm(
            torch.cat([queries.expand(model.heads, -1), keys.expand(model.kv_heads, -1)])
        )

    def _norm(self, weight: torch.Tensor) -> Norm:
        kind = CentredNorm if self._model.centred_norms else Norm
        return kind(weight, self._model.epsilon)


def _check_shapes(model: Architecture, weights: Mapping[str, torch.Tensor]) -> None:
    """Refuse weights whose sizes do not match the configuration."""
    hidden, wide = model.hidden, model.intermediate
    queries, keys = model.heads * model.head_dim, model.kv_heads * model.head_dim
    wanted = {
        "embed_tokens": (model.vocabulary, hidden),
        "lm_head": (model.vocabulary, hidden),
        "norm": (hidden,),
        "input_layernorm": (hidden,),
        "post_attention_layernorm": (hidden,),
        "pre_feedforward_layernorm": (hidden,),
        "post_feedforward_layernorm": (hidden,),
        "q_norm": (model.head_dim,),
        "k_norm": (model.head_dim,),
        "q_proj": (queries, hidden),
        "k_proj": (keys, hidden),
        "v_proj": (keys, hidden),
        "o_proj": (hidden, queries),
        "gate_proj": (wide, hidden),
        "up_proj": (wide, hidden),
        "down_proj": (hidden, wide),
    }
    for name, tensor in weights.items():
        stem, _, what = name.rpartition(".")
        size = wanted.get(stem.rpartition(".")[2], tensor.shape)
        size = size[:1] if what == "bias" else size
        if what in ("weight", "bias") and size != tensor.shape:
            raise ModelError(
                f"The model's tensor '{name}' has the shape {tuple(tensor.shape)}, where its "
                f"config.json makes it {tuple(size)}.",
                hint="Get the model's folder again.",
            )
