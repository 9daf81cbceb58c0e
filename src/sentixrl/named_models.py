"""From a model's name to its bundle, and from a bundle to its engine.

Contract: a name is a release, a bundle's or model's folder, a hub id or a server's address. Nothing
is loaded but what is named, and heavy libraries only once a model is opened.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sentixrl.bundle import BUNDLE_FILE, RELEASE_NAMES, RELEASES, ModelBundle, release_folder
from sentixrl.context.building import ContextOptions
from sentixrl.engines.local.bundled import SMOLLM
from sentixrl.engines.options import EngineOptions, RemoteOptions
from sentixrl.engines.protocol import Engine
from sentixrl.engines.remote.address import is_remote, parse_address
from sentixrl.errors import ConfigError, MissingDependencyError, ModelError
from sentixrl.formats.characters import shown
from sentixrl.hub import hub_bundle, is_hub_name
from sentixrl.negotiation.options import NegotiationOptions
from sentixrl.untrusted import boundary

if TYPE_CHECKING:
    from sentixrl.engines.local.engine import LocalEngine

PYTHON_ONLY = frozenset({"attempts", "budget", "decoder"})
"""Options of engines that no command has."""


def bundle_of(model: str | None) -> ModelBundle:
    """The bundle a model's name stands for; one of our making where it has none.

    Raises:
        ModelError: It is a bundle's folder that cannot be read.
    """
    if model is None or model in RELEASE_NAMES:
        return ModelBundle.load(release_folder(model or "default"))
    with boundary(f"The model '{shown(model, 80)}' cannot be looked for", kind=ModelError):
        if (Path(model) / BUNDLE_FILE).is_file():
            return ModelBundle.load(Path(model))
        if is_hub_name(model) and (found := hub_bundle(model)) is not None:
            return found
    return _untrained(model)


def _untrained(model: str) -> ModelBundle:
    """A bundle of our making around a model that has none."""
    untrained = NegotiationOptions(correct_priors=True)
    if model in {base.name for base in RELEASES.values()}:
        # Models this small were never trained to judge, so they negotiate only when asked.
        # SmolLM was taught English above all: on Chinese dev data it does better under English
        # prompts.
        return ModelBundle(
            *(model, model),
            prompt_format="plain",
            context=ContextOptions(language="en" if model == SMOLLM.name else "auto"),
            negotiation=replace(untrained, enabled=False),
        )
    if is_remote(model):
        address = str(parse_address(model))
        return ModelBundle(
            name=address,
            base=address,
            context=ContextOptions(deduction="auto"),
            negotiation=untrained,
        )
    folder = Path(model)
    return ModelBundle(
        name=folder.resolve().name if folder.is_dir() else model,
        base=model,
        context=ContextOptions(deduction="auto"),
        negotiation=untrained,
    )


def with_options(bundle: ModelBundle, options: EngineOptions) -> ModelBundle:
    """The bundle with what was asked for on top: prompt format, and an adapter with its name."""
    bundle = replace(bundle, prompt_format=options.prompt_format or bundle.prompt_format)
    if options.adapter is None or bundle.base is None:
        return bundle
    # What was fitted on another adapter's answers says nothing about this one's.
    unfitted = _untrained(bundle.base)
    return replace(
        bundle,
        name=f"{bundle.name}+{options.adapter.resolve().name}",
        adapter=options.adapter,
        trained=True,
        calibrations=unfitted.calibrations,
        fallbacks=unfitted.fallbacks,
        negotiation=replace(unfitted.negotiation, correct_priors=False),
    )


def open_bundle(bundle: ModelBundle, options: EngineOptions) -> Engine:
    """A bundle's model: from a folder, or on a server."""
    if bundle.base is None or not is_remote(bundle.base):
        return _open_local(bundle, options)
    if bundle.adapter is not None:
        raise ModelError(
            f"'{shown(bundle.name, 80)}' is a model on a server, which takes no adapter from here.",
            hint="Let the server load it.",
        )
    from sentixrl.engines.remote.loading import open_remote

    return open_remote(bundle.base, options.remote, bundle.prompt_format)


def check_options(options: EngineOptions, *bundles: ModelBundle | None) -> None:
    """Refuse options that are for models of another kind than those that are loaded.

    Raises:
        ConfigError: One is.
    """
    bases = [bundle.base or "" for bundle in bundles if bundle is not None]
    if all(map(is_remote, bases)):
        here = ("device", "dtype", "threads", "adapter", "bits", "budget", "decoder")
        _refuse(options, here, EngineOptions(), "for models on this machine")
    elif not any(map(is_remote, bases)):
        there = [part.name for part in fields(RemoteOptions)]
        _refuse(options.remote, there, RemoteOptions(), "for models on a server")


def _refuse(given: object, names: Sequence[str], usual: object, kind: str) -> None:
    for name in names:
        if getattr(given, name) != getattr(usual, name):
            option = f"'{name}'" if name in PYTHON_ONLY else f"--{name.replace('_', '-')}"
            raise ConfigError(f"{option} is {kind}, and there is none.", hint="Leave it out.")


def _open_local(bundle: ModelBundle, options: EngineOptions) -> LocalEngine:
    try:
        from sentixrl.engines.local.hardware import check_device
        from sentixrl.engines.local.loading import open_engine
    except ImportError as error:
        raise MissingDependencyError.of(error.name or "torch", "local") from None
    if options.device is not None:
        check_device(options.device)
    options = replace(options, prompt_format=bundle.prompt_format, adapter=bundle.adapter)
    assert bundle.base is not None  # only bundles around engines made by hand have none
    engine = open_engine(bundle.base, options)
    if bundle.trained:
        engine.name = bundle.name
    return engine
