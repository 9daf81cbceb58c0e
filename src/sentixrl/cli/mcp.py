"""``sentixrl mcp``: emotions as tools of the Model Context Protocol, over standard streams."""

from __future__ import annotations

from typing import Annotated

import typer

from sentixrl.cli.console import errors
from sentixrl.cli.groups import with_groups
from sentixrl.cli.options import ModelOptions, say_hosts


@with_groups
def mcp(
    *,
    labels: Annotated[
        str | None,
        typer.Option("--labels", "-l", help="A scheme, a YAML file, or names with commas."),
    ] = None,
    options: ModelOptions,
) -> None:
    """Offer the model to an assistant: a Model Context Protocol server on standard input."""
    from sentixrl.mcp import make_server, require_mcp

    require_mcp()  # before the model is loaded, which takes longer
    classifier = options.load(labels)
    say_hosts(classifier)
    server = make_server(classifier, options.glosses)
    errors().print("Listening on standard input; Ctrl-C ends it.")
    server.run("stdio")
