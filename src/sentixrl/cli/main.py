"""The ``sentixrl`` command: its subcommands, and errors as sentences.

Contract: exit code 0 when all went well, 2 for anything a user can mend (one sentence, no
traceback), 130 after Ctrl-C. Heavy imports happen inside the commands that need them.
"""

from __future__ import annotations

import contextlib
import io
import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer
import typer.main

from sentixrl import __version__
from sentixrl.cli.batch import batch
from sentixrl.cli.calibrate import calibrate
from sentixrl.cli.classify import classify
from sentixrl.cli.compare import compare
from sentixrl.cli.completion import PROGRAM, answer_shell, completion
from sentixrl.cli.console import errors, note
from sentixrl.cli.datasets import app as datasets_app
from sentixrl.cli.doctor import doctor
from sentixrl.cli.evaluate import evaluate
from sentixrl.cli.exits import EXIT_INTERRUPTED
from sentixrl.cli.experiment import experiment
from sentixrl.cli.hints import command_of, fitting, options_of
from sentixrl.cli.labels import labels
from sentixrl.cli.mcp import mcp
from sentixrl.cli.models import app as models_app
from sentixrl.cli.open import open_page
from sentixrl.cli.read import read
from sentixrl.cli.schema import schema
from sentixrl.cli.serve import serve
from sentixrl.cli.train import train
from sentixrl.errors import SentixError

EXIT_USER = 2
_DENIED = "Give yourself the right to read and write there, or name another place."

app = typer.Typer(
    name="sentixrl",
    help="Tell the emotion of every turn of a conversation, and show how the model got there.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
)
app.command()(classify)
app.command()(batch)
app.command()(read)
app.command()(evaluate)
app.command()(compare)
app.command()(calibrate)
app.command()(train)
app.command()(experiment)
app.command()(labels)
app.add_typer(models_app, name="models")
app.add_typer(datasets_app, name="datasets")
app.command()(serve)
app.command("open")(open_page)
app.command()(mcp)
app.command()(doctor)
app.command()(schema)
app.command()(completion)


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
    if sys.stdout is None:  # closed: answers would be lost, or go into a file opened later
        if sys.stderr is not None:
            _complain("Standard output is closed.", "Let it go to a file or to /dev/null.")
        sys.exit(EXIT_USER)
    if sys.stderr is None:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123  (until the process ends)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # a mark that it cannot show is no reason to stop
            stream.reconfigure(errors="replace")
    code = run(arguments)
    sys.exit(_flushed(code))


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        answer_shell()
        result = app(words, standalone_mode=False, obj=words, prog_name=PROGRAM)
    except SentixError as error:
        _complain(error.message, _hint(error.hint, words))
        return EXIT_USER
    except (KeyboardInterrupt, typer.Abort):
        result = EXIT_INTERRUPTED
    except BrokenPipeError:
        return _nobody_reads()
    except OSError as error:
        where = f": {error.filename}" if error.filename else ""
        denied = isinstance(error, PermissionError)
        _complain(
            f"The system refused: {error.strerror or error}{where}.", _DENIED if denied else None
        )
        return EXIT_USER
    except SystemExit as left:  # what typer makes of a pipe that nobody reads, or of a shell
        if not left.code:
            return 0
        return _nobody_reads() if left.code == 1 else EXIT_USER
    except Exception as error:
        shown = getattr(error, "format_message", None)
        if shown is None:
            raise
        _complain(_sentence(shown()))
        return EXIT_USER
    if result == EXIT_INTERRUPTED:  # what typer makes of Ctrl-C
        errors().print("Stopped.")
    return result if isinstance(result, int) else 0


def _hint(hint: str | None, words: Sequence[str]) -> str | None:
    """What of a hint holds for the command that was called."""
    if not hint:
        return None
    known = options_of(typer.main.get_command(app))
    return fitting(hint, command_of(words, known), known)


def _flushed(code: int) -> int:
    """The exit code, once all that was printed has arrived."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        return _nobody_reads()
    except OSError as error:
        _nobody_reads()
        _complain(f"Standard output cannot be written: {error.strerror or error}.")
        return EXIT_USER
    return code


def _nobody_reads() -> int:
    """Let what is still to be printed go nowhere: who read it, such as ``head``, has left."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)
    return EXIT_USER


def _sentence(usage_error: str) -> str:
    text = usage_error.strip().replace("Value error, ", "")
    return text if not text or text.endswith((".", "?", "!", ")")) else f"{text}."


def _complain(message: str, hint: str | None = None) -> None:
    """Print an error; a group of commands called without one has shown its help instead."""
    for name, style, text in (("Error:", "bold red", message), ("Hint:", "bold", hint or "")):
        if text.strip():
            errors().print(note(text, name, style))
