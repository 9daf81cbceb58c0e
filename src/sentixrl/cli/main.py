"""The ``sentixrl`` command: its subcommands, and errors as sentences.

Contract: exit code 0 when all went well, 2 for anything a user can mend (one sentence, no
traceback), 130 after Ctrl-C. Heavy imports happen inside the commands that need them.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.markup import escape

from sentixrl import __version__
from sentixrl.cli.classify import classify
from sentixrl.cli.console import errors
from sentixrl.cli.datasets import app as datasets_app
from sentixrl.cli.doctor import doctor
from sentixrl.cli.labels import labels
from sentixrl.cli.models import app as models_app
from sentixrl.cli.schema import schema
from sentixrl.errors import SentixError

EXIT_USER = 2
EXIT_INTERRUPTED = 130

app = typer.Typer(
    name="sentixrl",
    help="Tell the emotion of every turn of a conversation, and show how the model got there.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command()(classify)
app.command()(labels)
app.add_typer(models_app, name="models")
app.add_typer(datasets_app, name="datasets")
app.command()(doctor)
app.command()(schema)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None: ...


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; the process's exit code says how it went."""
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    try:
        result = app(list(arguments) if arguments is not None else None, standalone_mode=False)
    except SentixError as error:
        console = errors()
        console.print(f"[bold red]Error:[/] {escape(error.message)}", highlight=False)
        if error.hint:
            console.print(f"[bold]Hint:[/] {escape(error.hint)}", highlight=False)
        return EXIT_USER
    except KeyboardInterrupt:
        errors().print("Stopped.")
        return EXIT_INTERRUPTED
    except typer.Abort:
        return EXIT_INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return EXIT_USER
    except Exception as error:
        shown = getattr(error, "format_message", None)
        if shown is None:
            raise
        errors().print(f"[bold red]Error:[/] {escape(shown())}", highlight=False)
        return EXIT_USER
    return result if isinstance(result, int) else 0
