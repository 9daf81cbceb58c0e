"""A decoder for models of Llama's architecture, written for packs.

Contract: the same numbers as transformers' ``LlamaForCausalLM`` on the same weights, or its
``Qwen2ForCausalLM``, which is Llama with biases on queries, keys and values. It exists for two
reasons: it starts without importing transformers' modelling code (three seconds), and it computes
a pack with fused projections and only the hidden states that are read.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F

from sentixrl.engines.local.attention import PackPlan, attend
from sentixrl.engines.local.head import Head
from sentixrl.errors import ModelError

LLAMA, QWEN2 = "LlamaForCausalLM", "Qwen2ForCausalLM"


@dataclass(frozen=True, slots=True)
class LlamaShape:
    """The numbers of a model's ``config.json`` that its computation needs."""

    layers: int
    heads: int
    kv_heads: int
    head_dim: int
    hidden: int
    intermediate: int
    vocabulary: int
    context: int
    epsilon: float
    tied: bool
    biased: bool
    rope: Mapping[str, Any]

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> LlamaShape | None:
        """Read a ``config.json``; ``None`` if the model is not of this architecture."""
        kind = config.get("architectures")
        plain = (
            kind in ([LLAMA], [QWEN2])
            and config.get("hidden_act") == "silu"
            and not config.get("attention_bias")
            and not config.get("mlp_bias")
            and not (kind == [QWEN2] and config.get("use_sliding_window"))
            and config.get("quantization_config") is None
        )
        if not plain:
            return None
        try:
            return cls._read(config)
        except (KeyError, TypeError, ValueError, ZeroDivisionError, RuntimeError) as error:
            raise ModelError(
                f"The model's config.json does not fit a Llama model: {error!r}.",
                hint="Get the model's folder again.",
            ) from None

    @classmethod
    def _read(cls, config: Mapping[str, Any]) -> LlamaShape | None:
        rope = dict(config.get("rope_parameters") or config.get("rope_scaling") or {})
        rope.setdefault("rope_theta", config.get("rope_theta", 10_000.0))
        if rope.get("rope_type", rope.get("type", "default")) not in ("default", "llama3"):
            return None
        heads = config["num_attention_heads"]
        shape = cls(
            layers=config["num_hidden_layers"],
            heads=heads,
            kv_heads=config.get("num_key_value_heads") or heads,
            head_dim=config.get("head_dim") or config["hidden_size"] // heads,
            hidden=config["hidden_size"],
            intermediate=config["intermediate_size"],
            vocabulary=config["vocab_size"],
            context=config["max_position_embeddings"],
            epsilon=config["rms_norm_eps"],
            tied=bool(config.get("tie_word_embeddings")),
            biased=config["architectures"] == [QWEN2],
            rope=rope,
        )
        _frequencies(shape)  # what they lack is said here too
        return shape


@dataclass(slots=True)
class _Layer:
    """One layer's weights: projections of one input stand in one matrix."""

    norm_in: torch.Tensor
    qkv: torch.Tensor
    qkv_bias: torch.Tensor | None
    out: torch.Tensor
    norm_mlp: torch.Tensor
    gate_up: torch.Tensor
    down: torch.Tensor


class LlamaDecoder:
    """Llama over packs.

    Args:
        shape: The model's numbers.
        weights: Checkpoint name → tensor, as transformers names them.
        dtype: Format to compute in.
        device: Where to compute.
    """

    def __init__(
        self,
        shape: LlamaShape,
        weights: Mapping[str, torch.Tensor],
        dtype: torch.dtype,
        device: torch.device,
    ) -> None:
        self.shape, self.dtype, self.device = shape, dtype, device
        _check_shapes(shape, weights)

        def take(*names: str) -> torch.Tensor:
            missing = [name for name in names if name not in weights]
            if missing:
                raise ModelError(f"The model's weights lack the tensor '{missing[0]}'.")
            parts = [weights[name].to(device=device, dtype=dtype) for name in names]
            return parts[0] if len(parts) == 1 else torch.cat(parts)

        self.embedding = take("model.embed_tokens.weight")
        self.head = Head(self.embedding if shape.tied else take("lm_head.weight"))
        self.norm = take("model.norm.weight")
        self.layers = []
        for index in range(shape.layers):
            at = f"model.layers.{index}."
            attn, mlp = at + "self_attn.", at + "mlp."
            self.layers.append(
                _Layer(
                    norm_in=take(at + "input_layernorm.weight"),
                    qkv=take(*(f"{attn}{name}_proj.weight" for name in "qkv")),
                    qkv_bias=take(*(f"{attn}{name}_proj.bias" for name in "qkv"))
                    if shape.biased
                    else None,
                    out=take(attn + "o_proj.weight"),
                    norm_mlp=take(at + "post_attention_layernorm.weight"),
                    gate_up=take(mlp + "gate_proj.weight", mlp + "up_proj.weight"),
                    down=take(mlp + "down_proj.weight"),
                )
            )
        self.parameters = sum(tensor.numel() for tensor in weights.values())
        self._frequencies = _frequencies(shape).to(device)

    def hidden(self, plan: PackPlan) -> torch.Tensor:
        """Compute a pack.

        Returns:
            The final hidden states of the tokens that are read, ``[n_reads, hidden]``.
        """
        state = self.embedding.index_select(0, plan.tokens)
        work = _Workspace(self.shape, state)
        cos, sin = self._rotation(plan.positions)
        last = self.shape.layers - 1
        for index, layer in enumerate(self.layers):
            mixed = self._attention(state, layer, plan, index, work, cos, sin)
            if index == last:  # nothing attends to this layer's output: keep what is read
                state = state.index_select(0, plan.reads)
                mixed = mixed.index_select(0, plan.reads)
                work = _Workspace(self.shape, state)
            state.addmm_(mixed, layer.out.t())
            self._norm(state, layer.norm_mlp, work.normed)
            torch.mm(work.normed, layer.gate_up.t(), out=work.gate_up)
            gate, up = work.gate_up.chunk(2, dim=-1)
            torch.mul(F.silu(gate, inplace=True), up, out=work.gated)
            state.addmm_(work.gated, layer.down.t())
        return self._norm(state, self.norm, work.normed)

    def _attention(
        self,
        state: torch.Tensor,
        layer: _Layer,
        plan: PackPlan,
        index: int,
        work: _Workspace,
        cos: torch.Tensor,
        sin: torch.Tensor,
    ) -> torch.Tensor:
        shape = self.shape
        turned = shape.heads + shape.kv_heads
        torch.mm(self._norm(state, layer.norm_in, work.normed), layer.qkv.t(), out=work.qkv)
        if layer.qkv_bias is not None:
            work.qkv += layer.qkv_bias
        qkv = work.qkv.view(len(state), -1, shape.head_dim)
        _rotate(qkv[:, :turned], cos, sin, work.rotated)
        plan.store.write(index, plan.slots, work.rotated[:, shape.heads :], qkv[:, turned:])
        queries = work.rotated[:, : shape.heads]
        attend(queries, plan, index, 1 / math.sqrt(shape.head_dim), work.mixed)
        return work.mixed.view(len(state), -1)

    def _norm(self, state: torch.Tensor, weight: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        """Root-mean-square norm of ``[length, hidden]`` into ``out``, its scale in float32."""
        length = torch.linalg.vector_norm(state, dim=-1, keepdim=True, dtype=torch.float32)
        scale = length.square_().div_(state.shape[-1]).add_(self.shape.epsilon).rsqrt_()
        return torch.mul(state, scale.to(state.dtype), out=out).mul_(weight)

    def _rotation(self, positions: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        angles = positions[:, None].to(torch.float32) * self._frequencies[None]
        return angles.cos()[:, None].to(self.dtype), angles.sin()[:, None].to(self.dtype)


def _check_shapes(shape: LlamaShape, weights: Mapping[str, torch.Tensor]) -> None:
    """Refuse weights of another size than the configuration says."""
    hidden, wide = shape.hidden, shape.intermediate
    queries, keys = shape.heads * shape.head_dim, shape.kv_heads * shape.head_dim
    wanted = {
        "embed_tokens": (shape.vocabulary, hidden),
        "lm_head": (shape.vocabulary, hidden),
        "norm": (hidden,),
        "input_layernorm": (hidden,),
        "post_attention_layernorm": (hidden,),
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


class _Workspace:
    """Buffers that all layers of a pack write into.

    Fresh results of this size would come as untouched pages from the system, layer after layer;
    faulting them in costs a quarter of the matrix products' time.
    """

    def __init__(self, shape: LlamaShape, state: torch.Tensor) -> None:
        length, turned = len(state), shape.heads + shape.kv_heads
        self.normed = torch.empty_like(state)
        self.qkv = state.new_empty(length, (turned + shape.kv_heads) * shape.head_dim)
        self.rotated = state.new_empty(length, turned, shape.head_dim)
        self.mixed = state.new_empty(length, shape.heads, shape.head_dim)
        self.gate_up = state.new_empty(length, 2 * shape.intermediate)
        self.gated = state.new_empty(length, shape.intermediate)


def _rotate(heads: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor, out: torch.Tensor) -> None:
    """Rotary embedding of ``[length, heads, head_dim]`` by ``[length, 1, head_dim / 2]``."""
    left, right = heads.chunk(2, dim=-1)
    half = left.shape[-1]
    torch.mul(left, cos, out=out[..., :half]).addcmul_(right, sin, value=-1)
    torch.mul(right, cos, out=out[..., half:]).addcmul_(left, sin)


def _frequencies(shape: LlamaShape) -> torch.Tensor:
    """Rotary frequencies, ``[head_dim / 2]``, with Llama 3's stretching where configured."""
    rope = shape.rope
    steps = torch.arange(0, shape.head_dim, 2, dtype=torch.float32) / shape.head_dim
    frequencies = 1.0 / (float(rope["rope_theta"]) ** steps)
    if rope.get("rope_type", rope.get("type", "default")) == "default":
        return frequencies
    factor, low, high = rope["factor"], rope["low_freq_factor"], rope["high_freq_factor"]
    wavelengths = 2 * math.pi / frequencies
    turns = rope["original_max_position_embeddings"] / wavelengths
    blend = ((turns - low) / (high - low)).clamp(0, 1)
    stretched: torch.Tensor = (1 - blend) * frequencies / factor + blend * frequencies
    return stretched


def read_object(path: Path) -> dict[str, Any] | None:
    """The object in a JSON file; ``None`` where there is none to be read."""
    try:
        content = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return content if isinstance(content, dict) else None


def read_config(folder: Path) -> dict[str, Any]:
    """A model folder's ``config.json``.

    Raises:
        ModelError: The folder is not a model.
    """
    config = read_object(folder / "config.json")
    if config is None:
        raise ModelError(
            f"{folder} is not a model: it has no readable config.json.",
            hint="Give a folder saved by transformers, or a hub id.",
        )
    return config


def read_weights(folder: Path) -> dict[str, torch.Tensor]:
    """A model folder's safetensors, memory-mapped.

    Raises:
        ModelError: There are none.
    """
    from safetensors import SafetensorError, safe_open

    weights: dict[str, torch.Tensor] = {}
    for path in _shards(folder):
        try:
            with safe_open(path, framework="pt") as tensors:
                for name in tensors.keys():  # noqa: SIM118 - not a mapping
                    weights[name] = tensors.get_tensor(name)
        except (SafetensorError, OSError) as error:
            raise ModelError(f"{path} cannot be read as safetensors: {error}.") from None
    return weights


def _shards(folder: Path) -> Iterator[Path]:
    paths = sorted(folder.glob("*.safetensors"))
    if not paths:
        raise ModelError(
            f"{folder} has no safetensors weights.",
            hint="Weights in other formats are not read; save the model as safetensors.",
        )
    yield from paths
