"""What a model's ``config.json`` says about its computation, for our decoder's architectures.

Contract: Llama, Qwen2 and Gemma 3 differ in a few choices (biases, norms, the activation, windows,
rotations, scales). Each is a field here; the decoder knows no model names. A model with any other
choice is not computed by our decoder (``None``), and a configuration that cannot be right is
refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from operator import index
from typing import Any, Literal

import torch

from sentixrl.errors import ModelError

Activation = Literal["silu", "gelu_tanh"]
LLAMA, QWEN2, GEMMA3 = "LlamaForCausalLM", "Qwen2ForCausalLM", "Gemma3ForCausalLM"
_SLIDING = "sliding_attention"
# The errors that wrong or missing numbers cause.
_WRONG = (KeyError, TypeError, ValueError, AttributeError, ZeroDivisionError, RuntimeError)
_LAYERS = ("full_attention", _SLIDING)


@dataclass(frozen=True, slots=True)
class Llama3Scaling:
    """Llama 3's scaling of slow rotations, for contexts longer than in pre-training.

    Attributes:
        factor: By how much the slowest rotations are slowed.
        low: Turns within the original context below which a rotation is slow.
        high: Turns above which it is left unchanged.
        context: The original context, in tokens.
    """

    factor: float
    low: float
    high: float
    context: int


@dataclass(frozen=True, slots=True)
class Rotary:
    """How positions turn queries and keys.

    Attributes:
        theta: The base of the frequencies.
        scaling: How they are slowed: one number for all, or Llama 3's scaling.
    """

    theta: float
    scaling: float | Llama3Scaling = 1.0

    def frequencies(self, head_dim: int) -> torch.Tensor:
        """Radians per token, ``[head_dim / 2]``."""
        steps = torch.arange(0, head_dim, 2, dtype=torch.float32) / head_dim
        frequencies = 1.0 / (self.theta**steps)
        if not isinstance(self.scaling, Llama3Scaling):
            return frequencies / self.scaling if self.scaling != 1 else frequencies
        turns = self.scaling.context / (2 * math.pi / frequencies)
        low, high = self.scaling.low, self.scaling.high
        blend = ((turns - low) / (high - low)).clamp(0, 1)
        stretched: torch.Tensor = (
            1 - blend
        ) * frequencies / self.scaling.factor + blend * frequencies
        return stretched


@dataclass(frozen=True, slots=True)
class LayerKind:
    """What may differ from layer to layer.

    Attributes:
        rotary: Its rotation.
        window: How many tokens back it looks; ``None`` for all.
    """

    rotary: Rotary
    window: int | None = None


@dataclass(frozen=True, slots=True)
class Architecture:
    """The numbers and choices of a model that its computation needs.

    Attributes:
        layers: Each layer's kind.
        heads: Query heads.
        kv_heads: Key and value heads.
        head_dim: Width of each.
        hidden: Width of hidden states.
        intermediate: Width inside the feed-forward network.
        vocabulary: Tokens.
        context: The longest sequence, in tokens.
        epsilon: Added to mean squares before their root is taken.
        tied: Whether the output matrix is the embedding.
        activation: Of the feed-forward network's gate.
        attention_scale: What products of queries and keys are multiplied by.
        qkv_bias: Whether queries, keys and values have biases.
        head_norms: Whether each head of queries and keys is normed before it is turned.
        branch_norms: Whether the results of a layer's two branches are normed before they are
            added.
        centred_norms: Whether norms' weights are stored as their difference from one.
        embedding_scale: What embeddings are multiplied by.
        softcap: The bound that logits are squashed to.
    """

    layers: tuple[LayerKind, ...]
    heads: int
    kv_heads: int
    head_dim: int
    hidden: int
    intermediate: int
    vocabulary: int
    context: int
    epsilon: float
    tied: bool
    activation: Activation
    attention_scale: float
    qkv_bias: bool = False
    head_norms: bool = False
    branch_norms: bool = False
    centred_norms: bool = False
    embedding_scale: float | None = None
    softcap: float | None = None

    @property
    def rotated(self) -> int:
        """Heads that are rotated by position: those of queries and keys."""
        return self.heads + self.kv_heads

    @classmethod
    def of(cls, config: Mapping[str, Any]) -> Architecture | None:
        """Read a ``config.json``; ``None`` if our decoder does not compute the model.

        Raises:
            ModelError: It is one of them by name, and its numbers cannot be right.
        """
        kinds = config.get("architectures")
        name, read = next(
            ((name, read) for name, read in _READERS.items() if kinds == [name]), (None, None)
        )
        if read is None or config.get("quantization_config") is not None:
            return None
        try:
            found = read(config)
            if found is not None:
                for kind in found.layers:  # what they lack is reported here too
                    kind.rotary.frequencies(found.head_dim)
        except _WRONG as error:
            raise ModelError(
                f"The model's config.json does not fit a {name}: {error!r}.",
                hint="Get the model's folder again.",
            ) from None
        return found


def _sizes(config: Mapping[str, Any]) -> dict[str, Any]:
    """What all configurations name in the same way."""
    heads = config["num_attention_heads"]
    return {
        "heads": heads,
        "kv_heads": config.get("num_key_value_heads") or heads,
        "head_dim": config.get("head_dim") or config["hidden_size"] // heads,
        "hidden": config["hidden_size"],
        "intermediate": config["intermediate_size"],
        "vocabulary": config["vocab_size"],
        "context": config["max_position_embeddings"],
        "epsilon": config["rms_norm_eps"],
        "tied": bool(config.get("tie_word_embeddings")),
    }


def _llama(config: Mapping[str, Any]) -> Architecture | None:
    """Llama, and Qwen2, which is Llama with biases on queries, keys and values."""
    qwen = config["architectures"] == [QWEN2]
    rope = dict(config.get("rope_parameters") or config.get("rope_scaling") or {})
    rotary = _rotary(rope, config.get("rope_theta", 10_000.0))
    plain = (
        config.get("hidden_act") == "silu"
        and not config.get("attention_bias")
        and not config.get("mlp_bias")
        and not (qwen and config.get("use_sliding_window"))
    )
    if rotary is None or not plain:
        return None
    sizes = _sizes(config)
    return Architecture(
        layers=(LayerKind(rotary),) * config["num_hidden_layers"],
        activation="silu",
        attention_scale=1 / math.sqrt(sizes["head_dim"]),
        qkv_bias=qwen,
        **sizes,
    )


# transformers' defaults for what a configuration leaves out.
_GEMMA3 = {
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "head_dim": 256,
    "vocab_size": 262_208,
    "max_position_embeddings": 131_072,
    "rms_norm_eps": 1e-6,
    "tie_word_embeddings": True,
    "hidden_activation": "gelu_pytorch_tanh",
    "query_pre_attn_scalar": 256,
    "sliding_window": 4096,
    "sliding_window_pattern": 6,
}
_GLOBAL_THETA, _LOCAL_THETA = 1_000_000.0, 10_000.0


def _gemma3(config: Mapping[str, Any]) -> Architecture | None:
    """Gemma 3's text models."""
    config = {**_GEMMA3, **config}
    kinds = _gemma3_layers(config)
    plain = (
        config["hidden_activation"] == "gelu_pytorch_tanh"
        and not config.get("attention_bias")
        and config.get("attn_logit_softcapping") is None
        and not config.get("use_bidirectional_attention")
    )
    if kinds is None or not plain:
        return None
    sizes = _sizes(config)
    return Architecture(
        layers=kinds,
        activation="gelu_tanh",
        attention_scale=config["query_pre_attn_scalar"] ** -0.5,
        head_norms=True,
        branch_norms=True,
        centred_norms=True,
        embedding_scale=math.sqrt(sizes["hidden"]),
        softcap=config.get("final_logit_softcapping"),
        **sizes,
    )


def _gemma3_layers(config: Mapping[str, Any]) -> tuple[LayerKind, ...] | None:
    """Layers with a sliding window, and every few of them one with full attention."""
    count, every = config["num_hidden_layers"], config["sliding_window_pattern"]
    window = index(config["sliding_window"])
    names = config.get("layer_types") or [_LAYERS[bool((n + 1) % every)] for n in range(count)]
    ropes = config.get("rope_parameters")
    if ropes is None:  # in older configurations
        local = {"rope_theta": config.get("rope_local_base_freq", _LOCAL_THETA)}
        whole = {
            "rope_theta": config.get("rope_theta", _GLOBAL_THETA),
            **(config.get("rope_scaling") or {}),
        }
        ropes = dict(zip(_LAYERS, (whole, local), strict=True))
    thetas = dict(zip(_LAYERS, (_GLOBAL_THETA, _LOCAL_THETA), strict=True))
    kinds = {name: _rotary(ropes.get(name) or {}, thetas[name]) for name in _LAYERS}
    if not set(names) <= set(_LAYERS) or len(names) != count:
        return None
    layers = []
    for name in names:
        rotary = kinds[name]
        if rotary is None:
            return None
        layers.append(LayerKind(rotary, window if name == _SLIDING else None))
    return tuple(layers)


def _rotary(rope: Mapping[str, Any], theta: float) -> Rotary | None:
    """A configuration's rotation; ``None`` if it is of another kind than those above."""
    theta = float(rope.get("rope_theta", theta))
    kind = rope.get("rope_type", rope.get("type", "default"))
    if kind == "default":
        return Rotary(theta)
    if kind == "linear":
        return Rotary(theta, float(rope["factor"]))
    if kind != "llama3":
        return None
    return Rotary(
        theta,
        Llama3Scaling(
            rope["factor"],
            rope["low_freq_factor"],
            rope["high_freq_factor"],
            rope["original_max_position_embeddings"],
        ),
    )


_READERS: dict[str, Callable[[Mapping[str, Any]], Architecture | None]] = {
    LLAMA: _llama,
    QWEN2: _llama,
    GEMMA3: _gemma3,
}
