"""The options that say which model answers and how it is asked, for every command that asks one.

Contract: what is not given is as the model's bundle says.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Annotated, Any, Literal, cast

import typer

from sentixrl.classifier import Classifier
from sentixrl.cli.arguments import (
    DeductionChoice,
    GlossesOption,
    ModeChoice,
    PromptFormatChoice,
)
from sentixrl.cli.console import errors, note
from sentixrl.cli.groups import OptionGroup
from sentixrl.cli.starting import uncollected
from sentixrl.context.templates import templates
from sentixrl.engines.options import EngineOptions, RemoteOptions
from sentixrl.engines.roles import hosts_of, remote_engines
from sentixrl.errors import ConfigError
from sentixrl.formats.characters import shown
from sentixrl.labels import LabelSet
from sentixrl.negotiation.options import KindName
from sentixrl.spec import ClassifierSpec

NEGOTIATING = ("rounds", "agreements", "confidence_threshold")
"""Options that say how a model negotiates."""
REMOTE = ("concurrency", "timeout", "max_requests", "max_tokens", "rotations")
"""Options that say how a server is asked."""


@dataclass(frozen=True)
class ModelOptions(OptionGroup):
    """A model and how it is asked, as a command line says it."""

    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            "-m",
            help="A bundle, a model folder, a bundled name, a hub id, or a server: KIND:URL#MODEL.",
        ),
    ] = None
    discriminator: Annotated[
        str | None,
        typer.Option(help="Another model that judges what the first proposes; named as --model."),
    ] = None
    window: Annotated[
        int | None,
        typer.Option(
            min=0, help="Most earlier turns a prompt shows, where its bound on tokens allows."
        ),
    ] = None
    negotiate: Annotated[
        bool | None, typer.Option("--negotiate/--no-negotiate", help="Default: the model's policy.")
    ] = None
    rounds: Annotated[int | None, typer.Option(help="Most rounds of negotiation.")] = None
    agreements: Annotated[int | None, typer.Option(help="Agreements in a row that end it.")] = None
    confidence_threshold: Annotated[
        float | None, typer.Option(help="No negotiation from this confidence on (0 to 1).")
    ] = None
    mode: Annotated[
        ModeChoice | None, typer.Option(help="Answers by probabilities, or written out.")
    ] = None
    prior: Annotated[
        str | None,
        typer.Option(help='The labels\' shares, where you know them: "neutral=0.6, joy=0.4".'),
    ] = None
    sets: Annotated[
        float | None,
        typer.Option(
            help="Give each turn a set of labels, too, small but holding the true one in this "
            "share of turns, such as 0.9."
        ),
    ] = None
    deduction: Annotated[
        DeductionChoice | None, typer.Option(help="Let the model describe the situation first.")
    ] = None
    glosses: GlossesOption = None
    language: Annotated[
        str | None,
        typer.Option(
            help="Language of the prompt templates; 'auto' follows the text; default: the model's."
        ),
    ] = None
    prompt_format: Annotated[
        PromptFormatChoice | None,
        typer.Option(help="Chat markup or plain text; default: the model's."),
    ] = None
    adapter: Annotated[Path | None, typer.Option(help="Folder of a PEFT adapter.")] = None
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1 …")] = None
    dtype: Annotated[
        str | None, typer.Option(help="float32, bfloat16 or float16; default: the faster one.")
    ] = None
    bits: Annotated[
        int | None, typer.Option(help="8 or 4: quantised weights on CUDA, with bitsandbytes.")
    ] = None
    threads: Annotated[
        int | None, typer.Option(help="How many threads compute; default: one per core.")
    ] = None
    concurrency: Annotated[
        int | None, typer.Option(min=1, help="Most requests to a server at once; default: 8.")
    ] = None
    timeout: Annotated[
        float | None, typer.Option(help="Seconds a server may take to answer; default: 120.")
    ] = None
    max_requests: Annotated[
        int | None, typer.Option(min=1, help="Most requests to a server that compute something.")
    ] = None
    max_tokens: Annotated[
        int | None, typer.Option(min=1, help="Ask a server no more once it has used so many.")
    ] = None
    rotations: Annotated[
        int | None,
        typer.Option(
            min=1, help="Orders of the letters, at servers that are asked by letters; default: 1."
        ),
    ] = None
    fast: Annotated[
        bool,
        typer.Option(
            "--fast",
            help="Compute dialogues together: faster for short ones, but a label may differ where "
            "the top two are nearly equal.",
        ),
    ] = False

    def spec(
        self, labels: str | LabelSet | None = None, *, several: bool | None = None
    ) -> ClassifierSpec:
        """The classifier they describe.

        Args:
            labels: The labels; default: the model's.
            several: Whether an utterance may get several of them; default: as they say.

        Raises:
            SentixError: An option does not fit, or there is no such model.
        """
        if self.language not in {None, "auto"}:
            templates(str(self.language))
        if self.bits not in {None, 4, 8}:
            raise ConfigError(f"--bits is {self.bits}; weights can be quantised to 8 or 4 bits.")
        engine = EngineOptions(
            device=self.device,
            dtype=self.dtype,
            threads=self.threads,
            prompt_format=self.prompt_format.value if self.prompt_format else None,
            adapter=self.adapter,
            bits=cast(Literal[4, 8] | None, self.bits),
            remote=RemoteOptions(**_given({name: getattr(self, name) for name in REMOTE})),
        )
        spec = ClassifierSpec(self.model, labels, engine=engine)
        if self.discriminator is not None:
            spec = spec.judged_by(self.discriminator)
        spec = spec.explaining(self.glosses)
        assert spec.context is not None
        assert spec.negotiation is not None
        window = spec.context.window
        context = {
            "language": self.language,
            "window": None if self.window is None else window.of_turns(self.window),
            "deduction": self.deduction and self.deduction.value,
        }
        limits = {"max_rounds": self.rounds, "agreements_needed": self.agreements}
        rules = replace(spec.negotiation.rules, **_given(limits))
        negotiation = {
            "enabled": self.negotiate,
            "confidence_threshold": self.confidence_threshold,
            "mode": self.mode and self.mode.value,
            "reproducible": False if self.fast else None,
            "kind": None if several is None else kind_of(several),
            "prior": None if self.prior is None else read_shares(self.prior),
            "sets": self.sets,
        }
        return replace(
            spec,
            context=replace(spec.context, **_given(context)),
            negotiation=replace(spec.negotiation, rules=rules, **_given(negotiation)),
        )

    def load(
        self, labels: str | LabelSet | None = None, *, several: bool | None = None
    ) -> Classifier:
        """Load the classifier they describe; see :meth:`spec`.

        Raises:
            SentixError: An option does not fit, or there is no such model.
        """
        with uncollected():
            return self.spec(labels, several=several).load()


MODEL_OPTIONS = tuple(part.name for part in fields(ModelOptions))
"""The names of the options."""


def say_notes(classifier: Classifier, context: typer.Context) -> None:
    """Tell what a user should know of how options and model meet."""
    say_hosts(classifier)
    for found in (*_notes(classifier, context), *_notes_on_letters(classifier, context)):
        errors().print(note(found))


def say_sent(hosts: Iterable[str]) -> None:
    """Tell where texts are sent."""
    for host in hosts:
        errors().print(note(f"texts are sent to {host}."))


def say_hosts(classifier: Classifier) -> None:
    """Tell where texts are sent, before the first one is, and how a server is asked."""
    say_sent(hosts_of(classifier.engine))
    for engine in remote_engines(classifier.engine):
        for found in engine.notes:
            errors().print(note(found))


def spent(classifier: Classifier) -> str:
    """What was asked of servers so far, in a few words; nothing if there is none."""
    return "; ".join(
        f"{engine.host}: {engine.server.requests:,} requests, {engine.server.tokens:,} tokens"
        for engine in remote_engines(classifier.engine)
    )


def say_spent(classifier: Classifier) -> None:
    """Tell what was asked of servers in all."""
    if said := spent(classifier):
        errors().print(note(f"{said}.", "Asked of"))


def given(context: typer.Context, name: str) -> bool:
    """Whether an option stands on the command line."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _notes(classifier: Classifier, context: typer.Context) -> list[str]:
    if classifier.several:
        return _notes_on_several(classifier, context)
    if classifier.negotiation.enabled:
        own = classifier.bundle
        if own.trained and not own.negotiation.enabled:
            return [
                "this model's own policy is not to negotiate (its discriminator was not trained, "
                "or was no help on its development data): expect outliers."
            ]
        return []
    return [
        f"--{name.replace('_', '-')} has no effect, as nothing is negotiated here; --negotiate "
        "makes the model negotiate all the same."
        for name in NEGOTIATING
        if given(context, name)
    ]


def _notes_on_letters(classifier: Classifier, context: typer.Context) -> list[str]:
    ways = {engine.backend.way for engine in remote_engines(classifier.engine)}
    if not given(context, "rotations") or "letter codes" in ways:
        return []
    return ["--rotations has no effect: no model here is asked by letters."]


def _notes_on_several(classifier: Classifier, context: typer.Context) -> list[str]:
    found = [
        f"--{name.replace('_', '-')} has no effect: each label is judged by itself, and nothing is "
        "negotiated."
        for name in ("negotiate", *NEGOTIATING)
        if given(context, name)
    ]
    if classifier.bundle.trained and not classifier.bundle.taught_several:
        found.append(
            "this model was never trained to judge labels one by one: expect too many of them."
        )
    return found


def read_shares(text: str) -> dict[str, float]:
    """Shares by name, from ``neutral=0.6, joy=0.4``.

    Raises:
        ConfigError: It is not of that form, or a name stands there twice.
    """
    found: dict[str, float] = {}
    for part in text.split(","):
        name, _, share = (side.strip() for side in part.rpartition("="))
        try:
            value = float(share.removesuffix("%")) / (100 if share.endswith("%") else 1)
        except ValueError:
            value = math.nan
        if not name or math.isnan(value):
            raise ConfigError(
                f"'{shown(part.strip())}' in the prior is no label with its share.",
                hint='Write --prior "neutral=0.6, joy=0.4".',
            )
        if name in found:
            raise ConfigError(f"The prior names the label '{shown(name)}' twice.")
        found[name] = value
    return found


def kind_of(several: bool) -> KindName:
    """What ``--several`` and ``--no-several`` ask for."""
    return "several" if several else "single"


def _given(changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in changes.items() if value is not None}
