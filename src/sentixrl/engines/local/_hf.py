"""Everything that uses transformers: its causal language models as decoders over packs.

Contract: the model's own modules run; only their attention is replaced, through transformers'
attention interface, by attention over the pack's rows. A model whose packs would not give its own
log-probabilities is refused when it is loaded. Remote code is never trusted and weights are read
from safetensors alone.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Protocol

import torch

from sentixrl.engines.local.agreement import disagreement
from sentixrl.engines.local.attention import PackPlan
from sentixrl.engines.local.head import Head
from sentixrl.errors import MissingDependencyError, ModelError
from sentixrl.untrusted import boundary

ATTENTION = "sentixrl_trie"

# Layers that packs can use: they keep keys and values, and nothing else.
LAYERS = {"full_attention", "sliding_attention"}
# What models pass to attention besides switches; packs replace it.
NEEDLESS = {"dropout", "position_ids", "cache_position"}
# Names for refused arguments whose own names in transformers say little.
SPOKEN = {"s_aux": "attention sinks", "softcap": "capped scores"}
ELSE = "Use a model of plain full or sliding attention, like Llama, Qwen3, Mistral or Gemma 3."


class AttentionPlan(Protocol):
    """The current pack's attention, to compute or to train on."""

    def attend(
        self,
        layer: int,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        scale: float,
        window: int | None,
    ) -> torch.Tensor:
        """Attention of every token, ``[length, heads, value_dim]``, from heads in that layout."""
        ...


_current: ContextVar[AttentionPlan] = ContextVar("pack")


@contextlib.contextmanager
def attending(plan: AttentionPlan) -> Iterator[None]:
    """Within the block, models attend as ``plan`` says."""
    token = _current.set(plan)
    try:
        yield
    finally:
        _current.reset(token)


class TransformersDecoder:
    """A transformers model over packs.

    Args:
        model: A causal language model whose attention goes through the attention interface.

    Raises:
        ModelError: Packs would not give the model's own log-probabilities.
    """

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - transformers has no useful base type
        steer(model)
        self.model = model
        self.head = _head(model)
        self.parameters = model.num_parameters()
        self.dtype = self.head.weight.dtype
        self.device = self.head.weight.device
        self._check()

    def hidden(self, plan: PackPlan) -> torch.Tensor:
        """Compute a pack.

        Returns:
            The final hidden states of the tokens that are read, ``[n_reads, hidden]``.
        """
        with attending(plan):
            state = self.model.base_model(
                input_ids=plan.tokens[None], position_ids=plan.positions[None], use_cache=False
            ).last_hidden_state
        read: torch.Tensor = state[0].index_select(0, plan.reads)
        return read

    @torch.no_grad()
    def _check(self) -> None:
        """Refuse a model whose packed log-probabilities are not its own."""
        training = self.model.training
        self.model.eval()  # dropout would make a difference
        apart = disagreement(self, self._own)
        self.model.train(training)
        # Number formats round every layer; a different computation is off by tenths.
        allowed = max(0.01, torch.finfo(self.dtype).eps ** 0.5)
        if not apart <= allowed:  # nor if it is not a number
            raise ModelError(
                f"{type(self.model).__name__} computes otherwise than the prompt trie assumes: its "
                f"log-probabilities differ by {apart:.1%} of their spread, where {allowed:.1%} "
                "would be rounding.",
                hint=ELSE,
            )

    def _own(self, rows: torch.Tensor) -> torch.Tensor:
        """The model's logits after each row, ``[n, vocabulary]``, by its own attention."""
        self.model.set_attn_implementation("eager")
        logits: torch.Tensor = self.model(input_ids=rows, use_cache=False).logits[:, -1]
        self.model.set_attn_implementation(ATTENTION)
        return logits


def _head(model: Any) -> Head:  # noqa: ANN401
    """How a model makes logits of its hidden states; configurations name it differently."""
    output, config = model.get_output_embeddings(), _text_config(model)
    scale = float(getattr(config, "logit_scale", None) or 1.0)
    scaling = float(getattr(config, "logits_scaling", None) or 1.0)
    # Granite and its kin divide by what HyperCLOVA X multiplies with.
    scale *= scaling if config.model_type.startswith("hyperclovax") else 1 / scaling
    return Head(
        output.weight,
        getattr(output, "bias", None),
        scale,
        getattr(config, "final_logit_softcapping", None),
    )


def _text_config(model: Any) -> Any:  # noqa: ANN401
    """The language model's part of a configuration that may have others."""
    return model.config.get_text_config(decoder=True)


def steer(model: Any) -> None:  # noqa: ANN401 - transformers has no useful base type
    """Make a model attend as the current pack says.

    Raises:
        ModelError: The model does not use the attention interface, or keeps more than keys and
            values.
    """
    name = type(model).__name__
    if not getattr(model, "_supports_attention_backend", False):
        raise ModelError(
            f"{name} does its attention in its own way, which the prompt trie cannot steer.",
            hint=ELSE,
        )
    odd = set(getattr(_text_config(model), "layer_types", None) or ()) - LAYERS
    if odd or getattr(model, "_is_stateful", False):
        what = f"layers of the kind {', '.join(sorted(odd))}" if odd else "a state between tokens"
        raise ModelError(
            f"{name} has {what}, and the prompt trie shares keys and values of full and sliding "
            "attention alone.",
            hint=ELSE,
        )
    _register()
    model.set_attn_implementation(ATTENTION)


def _register() -> None:
    from transformers import AttentionInterface
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS

    AttentionInterface.register(ATTENTION, _attention)
    ALL_MASK_ATTENTION_FUNCTIONS.register(ATTENTION, _window)


def _window(*args: object, local_size: int | None = None, **kwargs: object) -> int | None:
    """Replaces the mask by what packs need of it: how far a layer looks back."""
    return local_size


def _attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: int | torch.Tensor | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **kwargs: object,
) -> tuple[torch.Tensor, None]:
    """Attention over the current pack, as transformers calls it: ``[1, heads, length, dim]``.

    Raises:
        ModelError: The model's attention weighs tokens by more than queries, keys and a window.
    """
    odd = [n for n, v in kwargs.items() if n not in NEEDLESS and not isinstance(v, bool | None)]
    if odd or isinstance(attention_mask, torch.Tensor):
        names = ", ".join(SPOKEN.get(name, name) for name in odd) or "a mask of its own"
        raise ModelError(
            f"{type(module).__name__} attends with {names}, which the prompt trie cannot.",
            hint=ELSE,
        )
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    q, k, v = (tensor[0].transpose(0, 1) for tensor in (query, key, value))
    layer = int(getattr(module, "layer_idx", 0))
    # In some models only the mask says a layer's window.
    window = attention_mask if sliding_window is None else sliding_window
    out = _current.get().attend(layer, q, k, v, scale, window)
    return out[None], None


def load_model(
    folder: Path,
    dtype: torch.dtype,
    device: torch.device,
    *,
    adapter: Path | None = None,
    bits: int | None = None,
) -> Any:  # noqa: ANN401 - a transformers model
    """Load a causal language model from a folder.

    Args:
        folder: A folder saved by transformers.
        dtype: Format of its weights.
        device: Where it runs, whole.
        adapter: A PEFT adapter to merge.
        bits: 8 or 4 to quantise on CUDA.

    Raises:
        ModelError: It is not a causal language model, or it cannot be loaded.
    """
    try:
        from transformers import AutoModelForCausalLM
    except ImportError:
        raise MissingDependencyError.of("transformers", "local") from None
    settings: dict[str, Any] = {"dtype": dtype}
    if device.type == "cuda":
        settings["device_map"] = {"": device}
    if bits is not None:
        settings["quantization_config"] = _quantisation(bits, dtype, device)
    failure = f"{folder} cannot be loaded as a causal language model"
    with boundary(failure, kind=ModelError), quiet():
        model = AutoModelForCausalLM.from_pretrained(
            folder, trust_remote_code=False, use_safetensors=True, **settings
        )
    if device.type != "cuda":
        model = model.to(device)
    if adapter is not None:
        model = _merge(model, adapter)
    return model.eval()


def _merge(model: Any, adapter: Path) -> Any:  # noqa: ANN401
    try:
        from peft import PeftModel
    except ImportError:
        raise MissingDependencyError.of("peft", "local") from None
    with boundary(f"{adapter} cannot be used as an adapter", kind=ModelError), quiet():
        adapted = PeftModel.from_pretrained(model, str(adapter))
        _untie(model)
        return adapted.merge_and_unload()


def _untie(model: Any) -> None:  # noqa: ANN401
    """Keep an adapter merged into one end of the model out of the other.

    PEFT adds it in place, and embedding and head may be one tensor.
    """
    ends = model.get_input_embeddings(), model.get_output_embeddings()
    first, last = (getattr(end, "base_layer", end) for end in ends)
    if first.weight is last.weight and (first, last) != ends:
        last.weight = torch.nn.Parameter(last.weight.detach().clone(), requires_grad=False)


def _quantisation(bits: int, dtype: torch.dtype, device: torch.device) -> object:
    if device.type != "cuda":
        raise ModelError(
            f"{bits}-bit weights need a CUDA device; this model would run on {device.type}.",
            hint="Leave out the bits setting.",
        )
    from transformers import BitsAndBytesConfig

    if bits == 8:
        return BitsAndBytesConfig(load_in_8bit=True)
    if bits == 4:
        return BitsAndBytesConfig(load_in_4bit=True, bnb_4bit_compute_dtype=dtype)
    raise ModelError(f"Weights can be quantised to 8 or 4 bits, not {bits}.")


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep transformers' progress bars and notices off the user's terminal; then all is as before.

    Its switch for bars moves that of the hub's client too.
    """
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )
    from transformers.utils import logging

    level = logging.get_verbosity()
    bars, hub_bars = logging.is_progress_bar_enabled(), not are_progress_bars_disabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
        if bars != hub_bars:
            (enable_progress_bars if hub_bars else disable_progress_bars)()
