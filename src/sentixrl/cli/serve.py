"""``sentixrl serve``: models of this machine, or elsewhere, behind HTTP."""

from __future__ import annotations

import os
import re
import webbrowser
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Annotated

import typer

from sentixrl.classifier import Classifier
from sentixrl.cli.console import errors, note
from sentixrl.cli.groups import with_groups
from sentixrl.cli.options import ModelOptions
from sentixrl.cli.progress import waiting
from sentixrl.engines.roles import remote_engines
from sentixrl.errors import ConfigError, MissingDependencyError

if TYPE_CHECKING:
    from sentixrl.serve.served import Models, ServedModel


@dataclass(frozen=True)
class ServedOptions(ModelOptions):
    """How models are loaded and asked; requests say themselves what --fast says elsewhere."""

    omitted = frozenset({"model", "fast"})


TOKEN = "SENTIXRL_TOKEN"
_LEAST_TOKEN = 16
_NAMED = re.compile(r"([A-Za-z0-9][\w.-]{0,63})=(.+)", re.DOTALL)


@with_groups
def serve(
    *,
    models: Annotated[
        list[str] | None,
        typer.Option(
            "--model",
            "-m",
            help="A bundle, a model folder, a bundled name or a hub id, or NAME=ONE OF THESE; "
            "may be repeated. The first answers requests that name none.",
        ),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option("--labels", "-l", help="Where a request names none; default: the model's."),
    ] = None,
    host: Annotated[
        str, typer.Option(help=f"Address to bind; other than this machine's own needs {TOKEN}.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any that is free.")] = 8000,
    open_page: Annotated[bool, typer.Option("--open", help="Open the page in a browser.")] = False,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(help="A further name the service is reached by; may be repeated."),
    ] = None,
    queue_tokens: Annotated[
        int, typer.Option(min=1000, help="Tokens that may wait or be computed at once.")
    ] = 200_000,
    body_bytes: Annotated[int, typer.Option(min=1000, help="The largest request.")] = 4 << 20,
    body_seconds: Annotated[
        float, typer.Option(min=0.1, help="How long a request may take to arrive.")
    ] = 30.0,
    options: ServedOptions,
) -> None:
    """Answer requests over HTTP until it is stopped."""
    try:
        from sentixrl.serve import journal, server
        from sentixrl.serve.guard import Access, host_names
        from sentixrl.serve.service import Service
    except ImportError as error:
        raise MissingDependencyError.of(error.name or "fastapi", "serve") from None
    token = _token()
    names = host_names(allow_host or [])
    access = Access(host, names, token, body_bytes, body_seconds)
    with server.bind(host, port, token) as bound:
        served = _load(models or [], labels, options)
        address = server.address_of(bound)
        for model in served:
            _say_of(model)
        errors().print(note(f"listening on {address} (Ctrl-C stops)", "sentixrl:", "bold"))
        journal.begin()
        service = Service(served, access, queue_tokens)

        def started() -> None:
            journal.log("listening", address=address, models=list(served.names))
            if open_page:
                webbrowser.open(f"{address}/#ticket={service.page_ticket()}" if token else address)

        server.make_server(service, started).run(sockets=[bound])
        journal.log("stopped")


def _say_of(model: ServedModel) -> None:
    """Tell where a model sends texts, and how its server is asked."""
    if model.remote_host:
        errors().print(note(f"{model.name}: texts are sent to {model.remote_host}"))
    for engine in remote_engines(model.engine):
        for found in engine.notes:
            errors().print(note(f"{model.name}: {found}"))


def _token() -> str | None:
    """What requests have to carry.

    Raises:
        ConfigError: It is too short to be worth anything.
    """
    token = os.environ.get(TOKEN, "").strip()
    if token and (len(token) < _LEAST_TOKEN or not token.isascii() or not token.isprintable()):
        raise ConfigError(
            f"{TOKEN} holds a token of {len(token)} characters, or one that is not plain ASCII.",
            hint=f"Use {_LEAST_TOKEN} or more random letters and digits, or 'unset {TOKEN}'.",
        )
    return token or None


def _load(wanted: list[str], labels: str | None, options: ModelOptions) -> Models:
    """The models, each under its own name or the one it was given."""
    from sentixrl.serve.served import Models, ServedModel

    served: list[ServedModel] = []
    entries: list[str | None] = [*wanted] or [None]
    for entry in entries:
        given = _NAMED.fullmatch(entry or "")
        name, model = (given[1], given[2]) if given else (None, entry)
        with waiting(f"loading {model or 'the model'}"):
            classifier: Classifier = replace(options, model=model).load(labels)
        served.append(ServedModel(name or classifier.bundle.name, classifier, options.glosses))
    return Models(served)
