"""``sentixrl open``: the page in a browser, with a file in it, on this machine alone.

Contract: the service is bound to loopback and answers this run's token alone. A printed link has
the token in its fragment, which no browser sends and no log holds; the page takes it out at once. A
browser that is started here gets a ticket instead, for which the page gets the token once: others
on this machine can read its command line.
"""

from __future__ import annotations

import secrets
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from sentixrl.cli.console import answers, errors, note, styled
from sentixrl.cli.groups import with_groups
from sentixrl.cli.options import ModelOptions, say_hosts
from sentixrl.cli.progress import waiting
from sentixrl.errors import InputError, MissingDependencyError
from sentixrl.formats.characters import shown
from sentixrl.untrusted import open_file

LARGEST = 60 << 20
"""The largest file that the page takes."""
_BODY = 2 * LARGEST  # in base64, with room for a long conversation as JSON
_QUEUE_TOKENS = 5_000_000  # one person's service: nobody else waits
_LOOPBACK = "127.0.0.1"


@with_groups
def open_page(
    *,
    file: Annotated[str | None, typer.Argument(help="A conversation to show.")] = None,
    labels: Annotated[
        str | None, typer.Option("--labels", "-l", help="A scheme, a YAML file, or names.")
    ] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes any that is free.")] = 0,
    browser: Annotated[
        bool, typer.Option("--browser/--no-browser", help="Open a browser, or print the link.")
    ] = True,
    options: ModelOptions,
) -> None:
    """Open the page in a browser, with a file in it, until it is stopped."""
    try:
        from sentixrl.serve import server
        from sentixrl.serve.guard import Access
        from sentixrl.serve.served import Models, ServedModel
        from sentixrl.serve.service import Service
    except ImportError as error:
        raise MissingDependencyError.of(error.name or "fastapi", "serve") from None
    brought = None if file is None else _read(Path(file))
    token = secrets.token_urlsafe(24)
    with server.bind(_LOOPBACK, port, token) as bound:
        with waiting("loading the model"):
            classifier = options.load(labels)
        say_hosts(classifier)
        models = Models([ServedModel(classifier.bundle.name, classifier, options.glosses)])
        access = Access(_LOOPBACK, token=token, body_bytes=_BODY)
        service = Service(models, access, _QUEUE_TOKENS, brought)

        def link(credential: str) -> str:
            more = "&file=1" if brought else ""
            return f"{server.address_of(bound)}/#{credential}{more}"

        def started() -> None:
            if browser:
                webbrowser.open(link(f"ticket={service.page_ticket()}"))
            # Also beside a browser: none may be there, and another one may be wanted.
            answers().print(styled(link(f"token={token}")), soft_wrap=True)
            errors().print(note("the page is open (Ctrl-C ends it)", "sentixrl:", "bold"))

        server.make_server(service, started).run(sockets=[bound])


def _read(path: Path) -> tuple[str, bytes]:
    """A file's name and content.

    Raises:
        InputError: It cannot be read, or is too large for the page.
    """
    name = shown(str(path), 400)
    try:
        with open_file(path) as stream:
            content = stream.read(LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "there is no such file"
        raise InputError(f"{name} cannot be read: {reason}.") from None
    if len(content) > LARGEST:
        raise InputError(
            f"{name} has more than {LARGEST >> 20} MB, too much for the page.",
            hint="sentixrl classify reads files of any size.",
        )
    return path.name, content
