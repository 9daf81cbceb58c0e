"""The model under training: weights, what of them is trained, and the engine that reads it.

Contract: ``full`` trains the matrices of all linear layers but the vocabulary's; embeddings and
norms stay, so that the difference to the base is a set of matrices that a low-rank adapter can
hold. ``lora`` and ``qlora`` train an adapter on the same layers: a new one, or that of the model
they start from.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from sentixrl.bundle import RELEASE_NAMES, ModelBundle, canonical_base, release_folder
from sentixrl.engines.local._hf import TransformersDecoder, load_model, quiet, steer
from sentixrl.engines.local.adapters import read_lora
from sentixrl.engines.local.checkpoint import read_weights
from sentixrl.engines.local.engine import LocalEngine
from sentixrl.engines.local.hardware import choose_dtype
from sentixrl.engines.local.loading import engine_around, locate
from sentixrl.engines.local.memory import keep_memory
from sentixrl.engines.local.prompt_format import PromptFormat
from sentixrl.engines.protocol import Engine
from sentixrl.errors import ConfigError, MissingDependencyError, ModelError
from sentixrl.training.processes import on_main, own_device
from sentixrl.training.recipe import Recipe

CPU = torch.device("cpu")
MERGE_FIRST = "Set 'method: full', which merges it first."


@dataclass(slots=True)
class TrainableModel:
    """A model under training, and the engine that answers with it.

    Attributes:
        model: What the trainer steps: a transformers model, or a PEFT model around one.
        decoder: The model under training, as packs are run through it.
        engine: Answers with the model as it is now; ask it inside :meth:`evaluating`.
        prompt_format: How prompts become tokens.
        folder: The base model's folder.
        dtype: Number format of weights and activations.
        device: Where it runs.
    """

    model: Any
    decoder: TransformersDecoder
    engine: LocalEngine
    prompt_format: PromptFormat
    folder: Path
    dtype: torch.dtype
    device: torch.device

    @property
    def trained(self) -> dict[str, torch.nn.Parameter]:
        """The parameters that are trained, by checkpoint name."""
        return {name: p for name, p in self.model.named_parameters() if p.requires_grad}

    @contextmanager
    def evaluating(self) -> Iterator[Engine]:
        """The engine, with the model in evaluation mode; in training mode again afterwards."""
        self.model.eval()
        try:
            yield self.engine
        finally:
            self.engine.preambles.clear()  # the weights will change
            self.model.train()

    def move(self, device: torch.device) -> None:
        """Move the model to another device, for as long as it waits; a quantised one stays."""
        if not getattr(_inner(self.model), "is_quantized", False):
            self.model.to(device)


def load_trainable(recipe: Recipe, device: str | None = None) -> TrainableModel:
    """Load the model that a recipe starts from and mark the parameters to train.

    Raises:
        ModelError: The base or the start cannot be loaded, or not be trained.
        ConfigError: The method needs another machine, or the device cannot be used.
    """
    chosen = own_device(device)
    if recipe.method == "qlora" and chosen.type != "cuda":
        raise ConfigError(
            f"The method 'qlora' needs a CUDA device; this would run on {chosen.type}.",
            hint="Set 'method: lora' in the recipe.",
        )
    dtype = on_main(lambda: choose_dtype(chosen))  # measured, and all must have the same
    if chosen.type == "cpu":
        keep_memory()
    name, folder = locate(recipe.base)
    adapter = start_adapter(recipe)
    if recipe.method == "full":
        # An adapter is merged in float32 and rounded once.
        first = dtype if adapter is None else torch.float32
        model = load_model(folder, first, chosen, adapter=adapter).to(dtype)
        _mark_matrices(model)
    else:
        bits = 4 if recipe.method == "qlora" else None
        model = _with_lora(load_model(folder, dtype, chosen, bits=bits), recipe, dtype)
        if adapter is not None:
            _go_on_from(model, adapter, recipe)
    steer(_inner(model))
    if recipe.method != "qlora":  # whose adapter is shipped as PEFT writes it
        _check_names(model, folder)
    model.train()
    # The weights are held once: the engine answers with the model under training itself.
    decoder = TransformersDecoder(_inner(model))
    engine = engine_around(decoder, name, folder, recipe.prompt_format)
    return TrainableModel(model, decoder, engine, engine.prompt_format, folder, dtype, chosen)


def start_folder(recipe: Recipe) -> Path | None:
    """The folder of the bundle that training starts from."""
    if recipe.start is None:
        return None
    return release_folder(recipe.start) if recipe.start in RELEASE_NAMES else Path(recipe.start)


def start_adapter(recipe: Recipe) -> Path | None:
    """The adapter that training starts from, which must fit the recipe's base.

    Raises:
        ConfigError: It is one of another base.
        ModelError: The start is no bundle.
    """
    folder = start_folder(recipe)
    if folder is None:
        return None
    bundle = ModelBundle.load(folder)
    if bundle.base is None or canonical_base(bundle.base) != canonical_base(recipe.base):
        raise ConfigError(
            f"The recipe starts from '{bundle.name}', which has the base '{bundle.base}', but "
            f"names the base '{recipe.base}'.",
            hint="Give both the same base.",
        )
    return bundle.adapter


def _inner(model: Any) -> Any:  # noqa: ANN401
    """The transformers model, without PEFT's wrapping around it."""
    return model.get_base_model() if hasattr(model, "get_base_model") else model


def _mark_matrices(model: Any) -> None:  # noqa: ANN401
    head = model.get_output_embeddings()
    model.requires_grad_(False)
    for module in model.modules():
        if isinstance(module, torch.nn.Linear) and module is not head:
            module.weight.requires_grad_(True)


def adapted_layers(model: Any) -> dict[str, Any]:  # noqa: ANN401
    """Checkpoint name of a matrix → PEFT's layer around it; none where there is no adapter."""
    return {
        f"{name.removeprefix('base_model.model.')}.weight": module
        for name, module in model.named_modules()
        if hasattr(module, "lora_A")
    }


def _check_names(model: Any, folder: Path) -> None:  # noqa: ANN401
    """Refuse a model whose difference to its base could not be written down in the end."""
    layers = adapted_layers(model)
    names = list(layers) or [name for name, p in model.named_parameters() if p.requires_grad]
    others = [m for m in layers.values() if not isinstance(m.base_layer, torch.nn.Linear)]
    if not names or others:
        raise ModelError(
            f"{type(_inner(model)).__name__} has layers of its own kind in place of linear ones, "
            "which cannot be trained.",
            hint="Name another base.",
        )
    held = read_weights(folder)
    missing = next((name for name in names if name not in held), None)
    if missing is not None:
        raise ModelError(
            f"{folder} has no '{missing}', which would be trained: its weights are stored under "
            "other names than the model's.",
            hint="Load it with transformers, save it anew with save_pretrained, and name that "
            "folder as the base.",
        )


def _with_lora(model: Any, recipe: Recipe, dtype: torch.dtype) -> Any:  # noqa: ANN401
    try:
        from peft import LoraConfig, get_peft_model, prepare_model_for_kbit_training
    except ImportError:
        raise MissingDependencyError.of("peft", "local") from None
    if recipe.method == "qlora":
        model = prepare_model_for_kbit_training(model, use_gradient_checkpointing=False)
    config = LoraConfig(
        r=recipe.rank,
        lora_alpha=recipe.alpha,
        lora_dropout=recipe.dropout,
        target_modules="all-linear",
        task_type="CAUSAL_LM",
    )
    torch.manual_seed(recipe.seed)
    with quiet():
        # The optimiser keeps float32 masters; the adapter computes in the model's own format.
        return get_peft_model(model, config, autocast_adapter_dtype=False).to(dtype)


@torch.no_grad()
def _go_on_from(model: Any, adapter: Path, recipe: Recipe) -> None:  # noqa: ANN401
    """Put a start's adapter in place of the new one, rescaled to the recipe's alpha."""
    found = read_lora(adapter)
    if found is None:
        raise ConfigError(f"The adapter {adapter} is not plain LoRA.", hint=MERGE_FIRST)
    held, pairs = found
    for name, module in adapted_layers(model).items():
        pair = pairs.get(name)
        if pair is None:
            raise ConfigError(f"The adapter {adapter} has nothing for {name}.", hint=MERGE_FIRST)
        down, up = pair
        if len(down) != recipe.rank:
            raise ConfigError(
                f"The recipe goes on training an adapter of rank {len(down)}, but says 'rank: "
                f"{recipe.rank}'.",
                hint=f"Set 'rank: {len(down)}', or 'method: full', which merges it first.",
            )
        module.lora_A["default"].weight.copy_(down)
        module.lora_B["default"].weight.copy_(up.float() * (held / module.scaling["default"]))
