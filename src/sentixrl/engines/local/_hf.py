"""Everything that touches transformers: any causal language model as a decoder over packs.

Contract: the model's own modules run; only their attention is replaced, through transformers'
attention interface, by attention over the pack's rows. Remote code is never trusted and weights
are read from safetensors alone.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Protocol

import torch

from sentixrl.engines.local.attention import PackPlan
from sentixrl.errors import MissingDependencyError, ModelError

ATTENTION = "sentixrl_trie"


class AttentionPlan(Protocol):
    """Who attends to whom in the pack under way, to compute or to train on."""

    def attend(
        self,
        layer: int,
        query: torch.Tensor,
        key: torch.Tensor,
        value: torch.Tensor,
        scale: float,
        window: int | None,
    ) -> torch.Tensor:
        """Attention of every token, ``[length, heads, value_dim]``, from heads laid out so."""
        ...


_current: ContextVar[AttentionPlan] = ContextVar("pack")


@contextlib.contextmanager
def attending(plan: AttentionPlan) -> Iterator[None]:
    """Within the block, the models' attention is that of ``plan``."""
    token = _current.set(plan)
    try:
        yield
    finally:
        _current.reset(token)


class TransformersDecoder:
    """A transformers model over packs.

    Args:
        model: A causal language model whose attention goes through the attention interface.
    """

    def __init__(self, model: Any) -> None:  # noqa: ANN401 - transformers has no useful base type
        steer(model)
        self.model = model
        self.head = model.get_output_embeddings().weight
        self.parameters = model.num_parameters()
        self.dtype = self.head.dtype
        self.device = model.get_input_embeddings().weight.device

    def hidden(self, plan: PackPlan) -> torch.Tensor:
        """Compute a pack.

        Returns:
            The final hidden states of the tokens that are read, ``[n_reads, hidden]``.
        """
        with attending(plan):
            state = self.model.base_model(
                input_ids=plan.tokens[None], position_ids=plan.positions[None], use_cache=False
            ).last_hidden_state
        read: torch.Tensor = state[0].index_select(0, plan.reads.to(state.device))
        return read.to(self.head.device)


def steer(model: Any) -> None:  # noqa: ANN401 - transformers has no useful base type
    """Let the pack under way decide a model's attention.

    Raises:
        ModelError: The model does its attention in its own way.
    """
    _register()
    if not getattr(model, "_supports_attention_backend", False):
        raise ModelError(
            f"{type(model).__name__} does its attention in its own way, which the prompt "
            "trie cannot steer.",
            hint="Use a model that supports transformers' attention interface.",
        )
    if getattr(model.config, "attn_logit_softcapping", None):
        raise ModelError(
            f"{type(model).__name__} caps its attention scores, which is not supported."
        )
    model.set_attn_implementation(ATTENTION)


def _register() -> None:
    from transformers import AttentionInterface
    from transformers.masking_utils import ALL_MASK_ATTENTION_FUNCTIONS

    AttentionInterface.register(ATTENTION, _attention)
    ALL_MASK_ATTENTION_FUNCTIONS.register(ATTENTION, lambda *args, **kwargs: None)


def _attention(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **kwargs: object,
) -> tuple[torch.Tensor, None]:
    """Attention over the current pack, as transformers calls it: ``[1, heads, length, dim]``."""
    scale = query.shape[-1] ** -0.5 if scaling is None else scaling
    q, k, v = (tensor[0].transpose(0, 1) for tensor in (query, key, value))
    layer = int(getattr(module, "layer_idx", 0))
    out = _current.get().attend(layer, q, k, v, scale, sliding_window)
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
        device: Where it runs; on CUDA large models are spread over what there is.
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
        settings["device_map"] = "auto"
    if bits is not None:
        settings["quantization_config"] = _quantisation(bits, dtype, device)
    try:
        with quiet():
            model = AutoModelForCausalLM.from_pretrained(
                folder, trust_remote_code=False, use_safetensors=True, **settings
            )
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(
            f"{folder} cannot be loaded as a causal language model: {_first(error)}"
        ) from None
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
    try:
        with quiet():
            return PeftModel.from_pretrained(model, str(adapter)).merge_and_unload()
    except (OSError, ValueError, KeyError, RuntimeError) as error:
        raise ModelError(f"{adapter} cannot be used as an adapter: {_first(error)}") from None


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


def _first(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__


@contextlib.contextmanager
def quiet() -> Any:  # noqa: ANN401 - a context manager
    """Keep transformers' progress bars and notices off the user's terminal."""
    from transformers.utils import logging

    level = logging.get_verbosity()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.set_verbosity(level)
        logging.enable_progress_bar()
