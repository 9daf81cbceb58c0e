"""``sentixrl labels``: the label schemes that come along, and what a label set would be read as."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from sentixrl.cli.console import answers, new_table
from sentixrl.context.templates import template_languages
from sentixrl.errors import ConfigError
from sentixrl.labels import LabelSet, resolve_labels, scheme, scheme_names, scheme_text


def labels(
    spec: Annotated[
        str | None,
        typer.Argument(
            help="A scheme, a YAML file, or names with commas. Without it: all schemes."
        ),
    ] = None,
    yaml: Annotated[
        bool, typer.Option("--yaml", help="Print the scheme's file, a model for your own.")
    ] = False,
) -> None:
    """Show the label schemes, or one label set in detail."""
    if spec is None and yaml:
        raise ConfigError("--yaml prints one scheme, and none is named.", hint="Name it first.")
    if spec is None:
        answers().print(_overview())
    elif yaml:
        typer.echo(scheme_text(spec), nl=False)
    else:
        answers().print(_details(resolve_labels(spec)))


def _overview() -> Table:
    table = new_table()
    table.add_column("scheme", style="bold", no_wrap=True)
    table.add_column("labels", justify="right")
    table.add_column("names")
    for name in scheme_names():
        label_set = scheme(name)
        table.add_row(name, str(len(label_set)), ", ".join(label_set.names))
    return table


def _details(label_set: LabelSet) -> Table:
    columns: dict[str, list[str]] = {"polarity": [label.polarity or "" for label in label_set]}
    for code in template_languages():
        if _shown_in(label_set, code):
            columns[code] = [label.word(code) for label in label_set]
    columns["meaning"] = [label.gloss("en") for label in label_set]
    told = {heading: cells for heading, cells in columns.items() if any(cells)}
    table = new_table()
    table.add_column(label_set.name, style="bold", no_wrap=True)
    for heading in told:
        table.add_column(heading, overflow="fold")
    for label, *cells in zip(label_set, *told.values(), strict=True):
        table.add_row(label.name, *cells)
    return table


def _shown_in(label_set: LabelSet, code: str) -> bool:
    return any(code in label.display for label in label_set)
