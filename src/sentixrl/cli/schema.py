"""``sentixrl schema``: the JSON Schemas of what is read and written."""

from __future__ import annotations

import json
from enum import StrEnum
from typing import Annotated

import typer

from sentixrl.formats import input_schema, output_schema


class Which(StrEnum):
    """The two schemas."""

    INPUT = "input"
    OUTPUT = "output"


def schema(which: Annotated[Which, typer.Argument(help="Which of the two.")]) -> None:
    """Print the JSON Schema of the dialogues that are read, or of what --json writes."""
    chosen = input_schema() if which is Which.INPUT else output_schema()
    typer.echo(json.dumps(chosen, indent=2, ensure_ascii=False))
