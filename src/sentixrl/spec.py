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
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from sentixrl.bundle import ModelBundle
from sentixrl.classifier import Classifier
from sentixrl.context.building import ContextOptions
from sentixrl.engines.options import EngineOptions
from sentixrl.engines.protocol import Engine
from sentixrl.engines.roles import TwoEngines
from sentixrl.errors import ConfigError, LabelError, fault_words
from sentixrl.labels import Label, LabelSet, is_file, resolve_labels
from sentixrl.named_models import bundle_of, check_options, open_bundle, with_options
from sentixrl.negotiation.options import NegotiationOptions
from sentixrl.untrusted import read_bounded

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
        check_options(self.engine, bundle, judge)
        engine: Engine = open_bundle(bundle, self.engine)
        if judge is not None:
            same = judge == bundle
            own = replace(self.engine, adapter=None, prompt_format=None)
            engine = TwoEngines(engine, engine if same else open_bundle(judge, own))
        options = (self.context, self.negotiation)
        return Classifier(engine, label_set, *options, bundle, discriminator=judge)

    def bundle(self) -> ModelBundle:
        """The model's bundle, with the engine options on top.

        Raises:
            ModelError: It is missing or unusable.
        """
        return with_options(bundle_of(self.model), self.engine)

    def resolved(self) -> ClassifierSpec:
        """The same with everything written out that the model's bundle decides.

        Labels that were a file of one's own are in it whole.
        """
        return self._resolved(self.bundle())

    def _resolved(self, bundle: ModelBundle) -> ClassifierSpec:
        labels = bundle.labels if self.labels is None else self.labels
        if isinstance(labels, str) and is_file(labels):
            labels = resolve_labels(labels)
        return replace(
            self,
            labels=labels,
            context=self.context or bundle.context,
            negotiation=self.negotiation or bundle.negotiation,
        )

    def explaining(self, glosses: bool | None = None) -> ClassifierSpec:
        """The same, resolved, with labels explained in prompts or not.

        Args:
            glosses: Whether they are; default: as :meth:`ModelBundle.explains` says of the labels,
                and as the model's bundle does where no labels are named.
        """
        bundle = self.bundle()
        spec = self._resolved(bundle)
        assert spec.context is not None
        if glosses is None and self.labels is not None and spec.labels is not None:
            glosses = bundle.explains(resolve_labels(spec.labels))
        if glosses is None:
            return spec
        return replace(spec, context=replace(spec.context, glosses=glosses))

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
        negotiation: How the roles negotiate; default: the bundle's policy. To change one thing, do
            as for ``context``: a new :class:`NegotiationOptions` has negotiation on.
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
        bundle = with_options(bundle_of(None if model is None else str(model)), options)
        check_options(options, bundle)
        return open_bundle(bundle, options), bundle
    return model, ModelBundle(model.name, context=ContextOptions(deduction="auto"))


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
