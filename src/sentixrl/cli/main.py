"""The ``sentixrl`` command: its subcommands, and errors as sentences.

Contract: exit code 0 when all went well, 2 for anything a user can mend (one sentence, no
traceback), 130 after Ctrl-C. Heavy imports happen inside the commands that need them.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
from rich.markup import escape

from sentixrl import __version__
from sentixrl.cli.classify import classify
from sentixrl.cli.compare import compare
from sentixrl.cli.console import errors, printable
from sentixrl.cli.datasets import app as datasets_app
from sentixrl.cli.doctor import doctor
from sentixrl.cli.evaluate import evaluate
from sentixrl.cli.labels import labels
from sentixrl.cli.models import app as models_app
from sentixrl.cli.read import read
from sentixrl.cli.schema import schema
from sentixrl.cli.train import train
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
app.command()(read)
app.command()(evaluate)
app.command()(compare)
app.command()(train)
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
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a mark that it cannot show is no reason to stop
            stream.reconfigure(errors="replace")
    sys.exit(run(arguments))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        result = app(words, standalone_mode=False, obj=words)
    except SentixError as error:
        _complain(error.message, error.hint)
        return EXIT_USER
    except (KeyboardInterrupt, typer.Abort):
        result = EXIT_INTERRUPTED
    except BrokenPipeError:
        sys.stderr.close()
        return EXIT_USER
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        _complain(f"The system refused: {error.strerror or error}{where}.")
        return EXIT_USER
    except Exception as error:
        shown = getattr(error, "format_message", None)
        if shown is None:
            raise
        _complain(_sentence(shown()))
        return EXIT_USER
    if result == EXIT_INTERRUPTED:  # what typer makes of Ctrl-C
        errors().print("Stopped.")
    return result if isinstance(result, int) else 0


def _sentence(usage_error: str) -> str:
    text = usage_error.strip().replace("Value error, ", "")
    return text if not text or text.endswith((".", "?", "!", ")")) else f"{text}."


def _complain(message: str, hint: str | None = None) -> None:
    """Print an error; a group of commands called without one has shown its help instead."""
    console = errors()
    for name, text in (("[bold red]Error:[/]", message), ("[bold]Hint:[/]", hint or "")):
        if text.strip():
            console.print(f"{name} {escape(printable(text))}", highlight=False)
