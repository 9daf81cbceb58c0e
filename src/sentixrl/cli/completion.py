"""``sentixrl completion``: what a shell needs to complete the command's words."""

from __future__ import annotations

import os
from enum import StrEnum
from typing import Annotated

import typer
from typer._completion_classes import completion_init
from typer._completion_shared import get_completion_script

PROGRAM = "sentixrl"
VARIABLE = "_SENTIXRL_COMPLETE"
"""The environment variable by which a shell asks what could come next."""


class Shell(StrEnum):
    """The shells."""

    BASH = "bash"
    ZSH = "zsh"
    FISH = "fish"


def completion(shell: Annotated[Shell, typer.Argument(help="Your shell.")]) -> None:
    """Print a script that completes commands and options in your shell."""
    typer.echo(get_completion_script(prog_name=PROGRAM, complete_var=VARIABLE, shell=shell.value))


def answer_shell() -> None:
    """Get ready to answer a shell that asks what could come next, if one does."""
    if VARIABLE in os.environ:
        completion_init()
