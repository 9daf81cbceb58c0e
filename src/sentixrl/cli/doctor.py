"""``sentixrl doctor``: what this machine has, what would be used, what is missing."""

from __future__ import annotations

import importlib.metadata
import os
import platform
from typing import Annotated

import typer
from rich.table import Table

from sentixrl import __version__
from sentixrl.bundle import RELEASE, RELEASES
from sentixrl.cli.console import answers, styled
from sentixrl.errors import install_command

_EXTRAS = {
    "local": ("torch", "transformers", "tokenizers", "safetensors", "gguf", "peft"),
    "remote": ("httpx2", "stamina"),
    "eval": ("scikit-learn", "scipy", "matplotlib", "pooch"),
    "serve": ("fastapi", "uvicorn", "prometheus-client"),
}


def doctor(
    server: Annotated[
        str | None,
        typer.Argument(
            metavar="[KIND:URL]", help="Show what a model's server is, and how it would be asked."
        ),
    ] = None,
) -> None:
    """Show hardware, number format, engine and model, and how to get what is missing."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    if server is not None:
        from sentixrl.engines.remote.loading import open_remote, told_of

        for name, value in told_of(open_remote(server)).items():
            table.add_row(name, styled(value))
        answers().print(table)
        return
    table.add_row("sentixrl", f"{__version__} on Python {platform.python_version()}")
    table.add_row("system", f"{platform.system()} {platform.machine()}")
    ready = _libraries(table)
    if ready:
        _hardware(table)
    _model(table, ready)
    answers().print(table)


def _libraries(table: Table) -> bool:
    """One row an extra; whether local models can run."""
    complete = {}
    for extra, names in _EXTRAS.items():
        versions = {name: _version(name) for name in names}
        missing = [name for name, version in versions.items() if version is None]
        complete[extra] = not missing
        found = ", ".join(f"{name} {version}" for name, version in versions.items() if version)
        advice = f"missing {', '.join(missing)}: {install_command(extra)}" if missing else ""
        table.add_row(extra, "; ".join(part for part in (found, advice) if part))
    return complete["local"]


def _hardware(table: Table) -> None:
    import torch

    from sentixrl.engines.local import hardware

    machine = hardware.detect()
    memory = hardware.memory_bytes()
    size = f", {memory / 2**30:.0f} GiB" if memory else ""
    table.add_row("processor", f"{machine.name}, {os.cpu_count()} cores{size}")
    gpus = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    table.add_row("CUDA", ", ".join(gpus) if gpus else "none; models run on the CPU")
    if machine.device.type == "cpu":
        rates = ", ".join(
            f"{name} {hardware.matmul_rate(dtype) / 1e9:.0f} GFLOP/s"
            for name, dtype in (("float32", torch.float32), ("bfloat16", torch.bfloat16))
        )
        table.add_row(
            "measured", f"{rates} on {machine.threads} thread{'s' * (machine.threads != 1)}"
        )
    table.add_row("would use", f"{machine.device}, {str(machine.dtype).removeprefix('torch.')}")


def _model(table: Table, ready: bool) -> None:
    model = RELEASES[RELEASE]
    engine = "local: our own decoder over the prompt trie" if ready else "none: see 'local' above"
    table.add_row("engine", engine)
    if model.installed:
        state = f"installed in {model.folder}"
    else:
        state = f"not installed: sentixrl models install ({model.download_megabytes} MB)"
    table.add_row("model", f"{RELEASE}, trained on top of {model.name}, {state}")


def _version(name: str) -> str | None:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None
