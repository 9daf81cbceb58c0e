"""From a command's options to a classifier; what ``classify`` and ``evaluate`` share."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Literal

import typer

from sentixrl.classifier import Classifier, load
from sentixrl.cli.console import errors, note
from sentixrl.context.templates import templates
from sentixrl.errors import MissingDependencyError
from sentixrl.negotiation.negotiator import VoiceName
from sentixrl.negotiation.protocol import Rules

NEGOTIATING = ("rounds", "agreements", "gate")
"""Options that say how a model negotiates."""


def say_notes(classifier: Classifier, context: typer.Context) -> None:
    """Tell what a user should know of how options and model meet."""
    for found in _notes(classifier, context):
        errors().print(note(found))


def _notes(classifier: Classifier, context: typer.Context) -> list[str]:
    if classifier.negotiation.enabled:
        own = classifier.bundle
        if own.trained and not own.negotiate:
            return [
                "this model's own policy is not to negotiate (its discriminator was not trained, "
                "or was no help on its development data): expect outliers."
            ]
        return []
    return [
        f"--{name} has no effect, as nothing is negotiated here; --negotiate makes the model "
        "negotiate all the same."
        for name in NEGOTIATING
        if given(context, name)
    ]


def given(context: typer.Context, name: str) -> bool:
    """Whether an option stands on the command line."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def build_classifier(
    *,
    model: str | None,
    labels: str | None,
    window: int | None,
    rounds: int,
    agreements: int,
    negotiate: bool | None,
    gate: float | None,
    voice: VoiceName,
    deduction: Literal["auto", "off", "anchor", "utterance"],
    language: str | None,
    framing: Literal["plain", "chat"] | None,
    adapter: Path | None,
    device: str | None,
    dtype: str | None,
    bits: int | None,
    reproducible: bool = False,
) -> Classifier:
    """Load the classifier that a command's options describe; what is ``None`` is the model's own.

    Raises:
        SentixError: An option does not fit.
    """
    rules = Rules(rounds, agreements)
    if language not in {None, "auto"}:
        templates(language)
    try:
        from sentixrl.engines.local.loading import LocalOptions
    except ImportError as error:
        raise MissingDependencyError.of(error.name or "torch", "local") from None
    local = LocalOptions(device=device, dtype=dtype, framing=framing, adapter=adapter, bits=bits)
    classifier = load(model, labels=labels, local=local)
    negotiation = replace(
        classifier.negotiation,
        rules=rules,
        voice=voice,
        reproducible=reproducible,
        enabled=classifier.negotiation.enabled if negotiate is None else negotiate,
        gate=classifier.negotiation.gate if gate is None else gate,
    )
    own = classifier.context.window
    context = replace(
        classifier.context,
        language=language or classifier.context.language,
        window=own if window is None else own.of_turns(window),
        deduction=classifier.context.deduction if deduction == "auto" else deduction,
    )
    return Classifier(
        classifier.engine, classifier.label_set, context, negotiation, classifier.bundle
    )
