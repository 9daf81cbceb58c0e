"""What a classifier is made from, as plain data that travels between processes and machines.

Contract: a :class:`ClassifierSpec` is frozen, can be pickled, and goes into JSON and back. Loaded
by a fresh process it answers the same. What is ``None`` in it is as the model's bundle says;
:meth:`ClassifierSpec.resolved` writes that out without loading the model. The command line, the
service, batch jobs and runs all build on it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from sentixrl.bundle import BUNDLE_FILE, RELEASE_NAMES, RELEASES, ModelBundle, release_folder
from sentixrl.classifier import Classifier
from sentixrl.context.building import ContextOptions
from sentixrl.engines.local.bundled import SMOLLM
from sentixrl.engines.options import EngineOptions, RemoteOptions
from sentixrl.engines.protocol import Engine
from sentixrl.engines.remote.address import is_remote, parse_address
from sentixrl.engines.roles import TwoEngines
from sentixrl.errors import (
    ConfigError,
    LabelError,
    MissingDependencyError,
    ModelError,
    fault_words,
)
from sentixrl.formats.characters import shown
from sentixrl.hub import hub_bundle, is_hub_name
from sentixrl.labels import Label, LabelSet, resolve_labels
from sentixrl.negotiation.options import NegotiationOptions
from sentixrl.untrusted import boundary, read_bounded

if TYPE_CHECKING:
    from sentixrl.engines.local.engine import LocalEngine

SCHEMA = 1
MAX_FILE_BYTES = 1 << 20
"""The largest specification that is read."""


@dataclass(frozen=True, slots=True)
class ClassifierSpec:
    """A model, a label set and all options.

    Attributes:
        model: A bundle's or model's folder, a bundled model's name, a hub id, or the address of a
            model on a server, such as ``vllm:http://127.0.0.1:8000``; ``None`` for the trained
            model that comes along.
        labels: A label set, a scheme's name, a YAML file, or names with commas.
        context: What prompts show.
        negotiation: How the roles negotiate, and which model judges if it is another one.
        engine: How the model is loaded. An adapter named here is taken for a trained one, without
            calibration and with the policy of the model it adapts; adapter and prompt format are
            the generator's alone.
    """

    model: str | None = None
    labels: str | LabelSet | None = None
    context: ContextOptions | None = None
    negotiation: NegotiationOptions | None = None
    engine: EngineOptions = field(default_factory=EngineOptions)

    def load(self) -> Classifier:
        """Load the classifier.

        Raises:
            ModelError: The model is missing or unusable.
            LabelError: The label set is unusable.
        """
        bundle = self.bundle()
        label_set = resolve_labels(bundle.labels if self.labels is None else self.labels)
        named = (self.negotiation or bundle.negotiation).discriminator
        judge = None if named is None else bundle_of(named)
        _check_options(self.engine, bundle, judge)
        engine: Engine = _open(bundle, self.engine)
        if judge is not None:
            same = judge == bundle
            own = replace(self.engine, adapter=None, prompt_format=None)
            engine = TwoEngines(engine, engine if same else _open(judge, own))
        options = (self.context, self.negotiation)
        return Classifier(engine, label_set, *options, bundle, discriminator=judge)

    def bundle(self) -> ModelBundle:
        """The model's bundle, with the engine options on top.

        Raises:
            ModelError: It is missing or unusable.
        """
        return _with_options(bundle_of(self.model), self.engine)

    def resolved(self) -> ClassifierSpec:
        """The same with everything written out that the model's bundle decides.

        Labels that were a file of one's own are in it whole.
        """
        bundle = self.bundle()
        labels = bundle.labels if self.labels is None else self.labels
        if isinstance(labels, str) and labels.lower().endswith((".yaml", ".yml")):
            labels = resolve_labels(labels)
        return replace(
            self,
            labels=labels,
            context=self.context or bundle.context,
            negotiation=self.negotiation or bundle.negotiation,
        )

    def judged_by(self, discriminator: str) -> ClassifierSpec:
        """The same with another model as the discriminator; unless told otherwise, they negotiate.

        Raises:
            ModelError: The bundle is missing or unusable.
        """
        negotiation = self.negotiation or replace(self.bundle().negotiation, enabled=True)
        return replace(self, negotiation=replace(negotiation, discriminator=discriminator))

    def as_dict(self) -> dict[str, Any]:
        """As plain data; :meth:`of` takes it back."""
        content = _SpecFile.model_construct(
            schema_version=SCHEMA,
            **{part.name: getattr(self, part.name) for part in fields(self)},
        )
        if isinstance(self.labels, LabelSet):
            content.labels = _LabelsFile.of(self.labels)
        plain: dict[str, Any] = content.model_dump(mode="json", by_alias=True)
        return plain

    @classmethod
    def of(cls, content: Mapping[str, Any], name: str = "The specification") -> ClassifierSpec:
        """A specification from plain data.

        Args:
            content: What :meth:`as_dict` gave.
            name: What errors call it.

        Raises:
            ConfigError: A key is unknown, a value does not fit, or it is of another version.
            LabelError: Its label set is unusable.
        """
        version = content.get("schema")
        if version != SCHEMA:
            raise ConfigError(
                f"{name} is of version {json.dumps(version, default=str)[:40]}; this sentixrl "
                f"reads version {SCHEMA}.",
                hint="Write it again with this version of sentixrl.",
            )
        try:
            parsed = _SPEC.validate_python(dict(content))
        except ValidationError as error:
            fault = error.errors()[0]
            place = ".".join(str(part) for part in fault["loc"]) or "the top level"
            raise ConfigError(
                f"{name} cannot be used: at '{place}': {fault_words(fault['type'], fault['msg'])}."
            ) from None
        except ConfigError as error:
            raise ConfigError(f"{name} cannot be used: {error.message}", hint=error.hint) from None
        values = {part.name: getattr(parsed, part.name) for part in fields(cls)}
        if isinstance(parsed.labels, _LabelsFile):
            try:
                values["labels"] = parsed.labels.label_set()
            except LabelError as error:
                raise LabelError(
                    f"{name} cannot be used: {error.message}", hint=error.hint
                ) from None
        return cls(**values)

    def save(self, path: Path) -> None:
        """Write it to a JSON file."""
        text = json.dumps(self.as_dict(), indent=1, ensure_ascii=False)
        path.write_text(text + "\n", "utf-8")

    @classmethod
    def read(cls, path: Path) -> ClassifierSpec:
        """Read it from a JSON file.

        Raises:
            ConfigError: It cannot be read, or as :meth:`of`.
        """
        try:
            content = json.loads(read_bounded(path, MAX_FILE_BYTES))
        except OSError as error:
            raise ConfigError(f"{path} cannot be read: {error.strerror}.") from None
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict):
            raise ConfigError(
                f"{path} is not a specification: it holds no JSON object of ordinary size.",
                hint="ClassifierSpec.save writes one.",
            )
        return cls.of(content, str(path))


def load(
    model: str | Path | Engine | None = None,
    *,
    labels: str | Sequence[str] | LabelSet | None = None,
    context: ContextOptions | None = None,
    negotiation: NegotiationOptions | None = None,
    engine: EngineOptions | None = None,
    discriminator: str | Path | Engine | None = None,
) -> Classifier:
    """Load a classifier.

    Args:
        model: A bundle's or model's folder, a bundled model's name, a hub id, the address of a
            model on a server, or an engine made by hand; default: the trained model that comes
            along.
        labels: A label set, a scheme's name, a YAML file, names with commas or a list of names;
            default: the bundle's own.
        context: What prompts show; default: as the bundle says. To change one thing, load first
            and give :meth:`Classifier.replace` a ``dataclasses.replace`` of the classifier's own.
        negotiation: How the roles negotiate; default: the bundle's policy.
        engine: How a local model is loaded, and how a server is asked.
        discriminator: Another model that judges what the first proposes, named in the same way;
            the two then negotiate, unless ``negotiation`` says otherwise.

    Raises:
        ModelError: The model is missing or unusable.
        ConfigError: It is nothing of the kind.
        LabelError: The label set is unusable.
    """
    for one in (model, discriminator):
        if not (isinstance(one, str | Path | None) or hasattr(one, "session")):
            raise ConfigError(
                f"A model is a folder, a name or an engine, not of type '{type(one).__name__}'.",
                hint='For example: sentixrl.load("runs/mine/bundle")',
            )
    label_set = None if labels is None else resolve_labels(labels)
    options = engine or EngineOptions()
    if isinstance(model, str | Path | None) and isinstance(discriminator, str | Path | None):
        name = None if model is None else str(model)
        spec = ClassifierSpec(name, label_set, context, negotiation, options)
        return (spec if discriminator is None else spec.judged_by(str(discriminator))).load()
    proposing, bundle = _engine_of(model, options)
    if discriminator is None:
        found = label_set or resolve_labels(bundle.labels)
        return Classifier(proposing, found, context, negotiation, bundle)
    judging, judge = _engine_of(discriminator, options)
    named = replace(
        negotiation or replace(bundle.negotiation, enabled=True),
        discriminator=judge.base or judge.name,
    )
    found = label_set or resolve_labels(bundle.labels)
    engines = TwoEngines(proposing, judging)
    return Classifier(engines, found, context, named, bundle, discriminator=judge)


def _engine_of(
    model: str | Path | Engine | None, options: EngineOptions
) -> tuple[Engine, ModelBundle]:
    """One model's engine, loaded if it is a name, and what it was loaded from."""
    if model is None or isinstance(model, str | Path):
        bundle = _with_options(bundle_of(None if model is None else str(model)), options)
        _check_options(options, bundle)
        return _open(bundle, options), bundle
    return model, ModelBundle(model.name, context=ContextOptions(deduction="auto"))


def bundle_of(model: str | None) -> ModelBundle:
    """The bundle a model's name stands for; one of our making where it has none.

    Raises:
        ModelError: It is a bundle's folder that cannot be read.
    """
    if model is None or model in RELEASE_NAMES:
        return ModelBundle.load(release_folder(model or "default"))
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
    with boundary(f"The model '{shown(model, 80)}' cannot be looked for", kind=ModelError):
        if (folder / BUNDLE_FILE).is_file():
            return ModelBundle.load(folder)
        if is_hub_name(model) and (found := hub_bundle(model)) is not None:
            return found
    return ModelBundle(
        name=folder.resolve().name if folder.is_dir() else model,
        base=model,
        context=ContextOptions(deduction="auto"),
        negotiation=untrained,
    )


def _with_options(bundle: ModelBundle, options: EngineOptions) -> ModelBundle:
    """The bundle with what was asked for on top: prompt format, and an adapter with its name."""
    bundle = replace(bundle, prompt_format=options.prompt_format or bundle.prompt_format)
    if options.adapter is None or bundle.base is None:
        return bundle
    # What was fitted on another adapter's answers says nothing about this one's.
    unfitted = bundle_of(bundle.base)
    return replace(
        bundle,
        name=f"{bundle.name}+{options.adapter.resolve().name}",
        adapter=options.adapter,
        trained=True,
        calibrations=unfitted.calibrations,
        fallbacks=unfitted.fallbacks,
        negotiation=replace(unfitted.negotiation, correct_priors=False),
    )


def _open(bundle: ModelBundle, options: EngineOptions) -> Engine:
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


def _check_options(options: EngineOptions, *bundles: ModelBundle | None) -> None:
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
            raise ConfigError(
                f"--{name.replace('_', '-')} is {kind}, and there is none.", hint="Leave it out."
            )


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


class _LabelFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    polarity: Literal["positive", "negative", "neutral", "ambiguous"] | None = None
    display: dict[str, str] = {}
    glosses: dict[str, str] = {}
    aliases: tuple[str, ...] = ()


class _LabelsFile(BaseModel):
    """A label set of one's own, whole."""

    model_config = ConfigDict(extra="forbid")

    name: str
    multi_label: bool = False
    labels: list[_LabelFile]

    @classmethod
    def of(cls, label_set: LabelSet) -> _LabelsFile:
        labels = [
            _LabelFile.model_construct(
                name=label.name,
                polarity=label.polarity,
                display=dict(label.display),
                glosses=dict(label.glosses),
                aliases=label.aliases,
            )
            for label in label_set
        ]
        return cls.model_construct(
            name=label_set.name, multi_label=label_set.multi_label, labels=labels
        )

    def label_set(self) -> LabelSet:
        labels = [Label(**label.model_dump()) for label in self.labels]
        return LabelSet(self.name, labels, multi_label=self.multi_label)


class _SpecFile(BaseModel):
    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    schema_version: Literal[1] = Field(alias="schema")
    model: str | None = None
    labels: str | _LabelsFile | None = None
    context: ContextOptions | None = None
    negotiation: NegotiationOptions | None = None
    engine: EngineOptions = Field(default_factory=EngineOptions)


_SPEC = TypeAdapter(_SpecFile)
