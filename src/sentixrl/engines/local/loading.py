"""From a model's name or folder to a local engine.

Contract: a folder, a bundled model's name, or a hub id. GGUF files are not read here: installing
converts them. Llama, Qwen2 and Gemma 3 use our own decoder; all other models, and quantised ones,
use transformers.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from sentixrl.engines.fingerprint import fingerprint
from sentixrl.engines.local import bundled
from sentixrl.engines.local.adapters import check_adapter, merge_lora
from sentixrl.engines.local.architecture import Architecture
from sentixrl.engines.local.attention import uses_flex
from sentixrl.engines.local.chat_template import HINT
from sentixrl.engines.local.checkpoint import (
    MAX_SETTINGS,
    read_config,
    read_object,
    read_weights,
)
from sentixrl.engines.local.computing import Decoder
from sentixrl.engines.local.decoder import BlockDecoder
from sentixrl.engines.local.engine import LocalEngine
from sentixrl.engines.local.hardware import choose_device, choose_dtype
from sentixrl.engines.local.prompt_format import (
    ChatFormat,
    PlainFormat,
    PromptFormat,
    Text,
    read_tokenizer,
)
from sentixrl.engines.local.threads import Threading, choose_threading
from sentixrl.engines.options import EngineOptions, PromptFormatName
from sentixrl.engines.protocol import Facts
from sentixrl.errors import ConfigError, MissingDependencyError, ModelError
from sentixrl.formats.characters import shown
from sentixrl.trie import PackBudget
from sentixrl.untrusted import boundary, read_bounded

MOST_TOKENS = 1 << 31
"""No vocabulary has more tokens."""
DEFAULT_CONTEXT = 2048
"""The context length of a model that does not say it."""


def open_engine(model: str | Path, options: EngineOptions | None = None) -> LocalEngine:
    """Load a model.

    Args:
        model: A folder, a bundled model's name, or a hub id.
        options: How to load it.

    Raises:
        ModelError: There is no such model, or it cannot be used.
    """
    options = options or EngineOptions()
    name, folder = locate(model)
    config = read_config(folder)
    if options.adapter is not None:
        check_adapter(options.adapter)
    device = choose_device(options.device)
    dtype = _dtype(options.dtype) if options.dtype else choose_dtype(device)
    threading = choose_threading(device, dtype, options.threads)
    decoder = _decoder(folder, config, dtype, device, options)
    return engine_around(
        *(decoder, name, folder, options.prompt_format, options.budget),
        threading=threading,
        facts=lambda: _facts(folder, options),
    )


def _facts(folder: Path, options: EngineOptions) -> Facts:
    """Hashes of what was loaded, and how its weights are kept."""
    adapter = options.adapter
    return {
        "weights": fingerprint(folder),
        "adapter": None if adapter is None else fingerprint(adapter),
        "bits": options.bits,
    }


def engine_around(
    decoder: Decoder,
    name: str,
    folder: Path,
    prompt_format: PromptFormatName | None = None,
    budget: PackBudget | None = None,
    threading: Threading | None = None,
    facts: Callable[[], Facts] | None = None,
) -> LocalEngine:
    """An engine around a decoder that is loaded already.

    Args:
        decoder: The model.
        name: The model's name in results.
        folder: The model's folder: its tokenisation, prompt format and context length.
        prompt_format: How prompts become text; ``None`` for the model's own.
        budget: Bounds on packs; ``None`` for the default of the decoder's device.
        threading: How many sessions compute at once; ``None`` for one, on all threads.
        facts: Gives what is known about the weights.

    Raises:
        ModelError: The folder lacks what is needed.
    """
    config = read_config(folder)
    settings = read_object(folder / "tokenizer_config.json") or {}
    text = _text(folder, config, settings)
    return LocalEngine(
        name,
        decoder,
        text,
        _prompt_format(folder, settings, text, prompt_format),
        context_tokens(config),
        budget or _budget(decoder.device),
        threading,
        facts,
    )


def context_tokens(config: Mapping[str, Any]) -> int:
    """The longest sequence that a model with this configuration reads correctly."""
    if isinstance(config.get("text_config"), Mapping):  # one of several parts
        config = config["text_config"]
    rope = config.get("rope_parameters") or config.get("rope_scaling")
    rope = rope if isinstance(rope, Mapping) else {}
    if "longrope" in (rope.get("rope_type"), rope.get("type")):
        # Beyond this its frequencies change for the whole pack, including shorter prompts.
        for place in (config, rope):
            if length := _length(place, "original_max_position_embeddings"):
                return length
    return (
        _length(config, "max_position_embeddings")
        or _length(config, "n_positions")
        or DEFAULT_CONTEXT
    )


def _length(config: Mapping[str, Any], key: str) -> int | None:
    """A number from a configuration, which may hold anything.

    Raises:
        ModelError: It is not.
    """
    value = config.get(key)
    if value is None:
        return None
    if type(value) in {int, float} and 0 <= value < math.inf:
        return int(value)
    raise ModelError(f"The model's config.json says '{key}: {shown(str(value))}', no length.")


def locate(model: str | Path) -> tuple[str, Path]:
    """A model's name for results, and its folder.

    Raises:
        ModelError: There is no such model.
    """
    if str(model) in bundled.BUNDLED:
        known = bundled.BUNDLED[str(model)]
        return known.name, bundled.require(known)
    folder = Path(model)
    if folder.is_dir():
        return folder.resolve().name, folder
    if folder.exists() or folder.suffix or str(model).count("/") != 1:
        raise ModelError(
            f"'{model}' is not a model: neither a folder nor a bundled model "
            f"({', '.join(bundled.BUNDLED)}) nor a hub id like 'owner/name'.",
            hint="'sentixrl models list' shows what there is.",
        )
    return str(model), _from_hub(str(model))


def _from_hub(name: str) -> Path:
    try:
        from huggingface_hub import snapshot_download
        from huggingface_hub.errors import (
            GatedRepoError,
            HfHubHTTPError,
            HFValidationError,
            RepositoryNotFoundError,
        )
    except ImportError:
        raise MissingDependencyError.of("huggingface_hub", "local") from None
    wanted = ["*.json", "*.safetensors", "*.jinja", "tokenizer.model"]
    try:
        return Path(snapshot_download(name, allow_patterns=wanted))
    except (HfHubHTTPError, HFValidationError, OSError, ValueError) as error:
        hint = "Check the name and the network, or give the folder of a saved model."
        if isinstance(error, GatedRepoError):
            why = "it asks for its licence to be accepted"
            hint = "Accept it on the model's page and log in with 'hf auth login'."
        elif isinstance(error, RepositoryNotFoundError):
            why = "the hub knows none of this name, or shows it to its members alone"
        elif isinstance(error, HFValidationError):
            why = "that is no name of a model"
        else:
            why = "the hub cannot be reached"
        raise ModelError(
            f"The model '{name}' is not a folder here and could not be had from the hub: {why}.",
            hint=hint,
            retryable=True,
        ) from None


def _decoder(
    folder: Path,
    config: dict[str, Any],
    dtype: torch.dtype,
    device: torch.device,
    options: EngineOptions,
) -> Decoder:
    architecture = Architecture.of(config)
    own = options.decoder != "transformers" and options.bits is None and architecture is not None
    if options.decoder == "own" and not own:
        raise ConfigError("This model does not fit our own decoder; use transformers'.")
    if own and architecture is not None:
        weights = read_weights(folder)
        if options.adapter is None or merge_lora(weights, options.adapter, dtype):
            return BlockDecoder(architecture, weights, dtype, device)
    from sentixrl.engines.local._hf import TransformersDecoder, load_model

    model = load_model(folder, dtype, device, adapter=options.adapter, bits=options.bits)
    return TransformersDecoder(model)


def _text(folder: Path, config: dict[str, Any], settings: dict[str, Any]) -> Text:
    tokenizer = read_tokenizer(folder)
    ends: set[int] = set()
    generation = read_object(folder / "generation_config.json") or {}
    for source, file in ((generation, "generation_config.json"), (config, "config.json")):
        ends.update(_ends(source.get("eos_token_id"), file))
    token = tokenizer.token_to_id(_content(settings.get("eos_token")))
    if token is not None:
        ends.add(token)
    if not ends:
        raise ModelError(f"{folder} does not say which token ends a text (eos_token_id).")
    begin = _begin(tokenizer, settings)
    return Text(tokenizer, frozenset(ends), begin, context_tokens(config))


def _ends(declared: object, file: str) -> list[int]:
    """The tokens that a configuration says end a text.

    Raises:
        ModelError: Something is no number of a token.
    """
    if declared is None:
        return []
    ends: list[int] = []
    for end in declared if isinstance(declared, list) else [declared]:
        if not isinstance(end, int) or isinstance(end, bool) or not 0 <= end < MOST_TOKENS:
            raise ModelError(
                f"The model's {file} says 'eos_token_id: {shown(str(declared))}', no token."
            )
        ends.append(end)
    return ends


def _begin(tokenizer: Any, settings: dict[str, Any]) -> tuple[int, ...]:  # noqa: ANN401
    """The tokens that this tokenizer puts before every text."""
    ids = tokenizer.encode("a", add_special_tokens=True).ids
    bare = tokenizer.encode("a", add_special_tokens=False).ids
    if len(ids) > len(bare) and ids[len(ids) - len(bare) :] == bare:
        return tuple(ids[: len(ids) - len(bare)])
    if settings.get("add_bos_token"):
        token = tokenizer.token_to_id(_content(settings.get("bos_token")))
        return () if token is None else (token,)
    return ()


def _prompt_format(
    folder: Path, settings: dict[str, Any], text: Text, wanted: PromptFormatName | None
) -> PromptFormat:
    template = None if wanted == "plain" else _template(folder, settings)
    if template is None and wanted == "chat":
        raise ModelError("This model has no chat template.", hint=HINT)
    if template is None:
        return PlainFormat(text)
    special = {
        name: _content(settings.get(name)) for name in ("bos_token", "eos_token", "unk_token")
    }
    return ChatFormat(text, template, special)


def _template(folder: Path, settings: Mapping[str, Any]) -> str | None:
    """The model's chat template; ``None`` if it has none.

    Raises:
        ModelError: It cannot be read, or is neither a text nor a list with a default one.
    """
    file = folder / "chat_template.jinja"
    if file.is_file():
        with boundary(f"{file} cannot be read", kind=ModelError):
            return read_bounded(file, MAX_SETTINGS).decode("utf-8")
    found = settings.get("chat_template")
    if isinstance(found, list):  # named ones, as older versions of transformers saved them
        named = [one for one in found if isinstance(one, dict) and one.get("name") == "default"]
        found = named[0].get("template") if named else found
    if found is None or isinstance(found, str):
        return found
    raise ModelError(
        f"{folder / 'tokenizer_config.json'} has a 'chat_template' that is neither a text nor a "
        "list with one that is named default.",
        hint=HINT,
    )


def _dtype(name: str) -> torch.dtype:
    known = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if name not in known:
        raise ConfigError(f"'{name}' is not a number format; there are {', '.join(known)}.")
    return known[name]


def _budget(device: torch.device) -> PackBudget:
    if not uses_flex(device):
        return PackBudget()
    # One row per pack: FlexAttention itself skips what a row cannot see.
    return PackBudget(pack=16_384, row=16_384, waste=16_384)


def _content(token: object) -> str:
    """A special token's text, which configurations give as text or as a mapping."""
    if isinstance(token, dict):
        return str(token.get("content", ""))
    return token if isinstance(token, str) else ""
