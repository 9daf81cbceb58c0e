"""Write the parts of the docs that are made from the program: commands' help, keys of a recipe.

With ``--check``, nothing is written; a difference is an error.
"""

from __future__ import annotations

import inspect
import os
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, get_args, get_origin

if TYPE_CHECKING:
    from pydantic import BaseModel
    from pydantic.fields import FieldInfo

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
MADE = "This page is made from the program itself: `python scripts/build_docs.py`."
COMMANDS = (
    ("classify",),
    ("batch",),
    ("evaluate",),
    ("compare",),
    ("calibrate",),
    ("train",),
    ("experiment",),
    ("labels",),
    ("models",),
    ("models", "list"),
    ("models", "install"),
    ("models", "show"),
    ("datasets",),
    ("datasets", "list"),
    ("datasets", "show"),
    ("datasets", "check"),
    ("datasets", "fetch"),
    ("datasets", "overlap"),
    ("serve",),
    ("open",),
    ("mcp",),
    ("doctor",),
    ("schema",),
    ("completion",),
)


def help_text(command: tuple[str, ...]) -> str:
    """What ``sentixrl COMMAND --help`` prints, at a fixed width and without colour."""
    from typer.testing import CliRunner

    from sentixrl.cli.main import app

    result = CliRunner().invoke(app, [*command, "--help"], prog_name="sentixrl")
    if result.exit_code:
        raise SystemExit(f"sentixrl {' '.join(command)} --help failed: {result.output}")
    return "\n".join(line.rstrip() for line in result.output.strip().splitlines())


def commands_page() -> str:
    """The page of all commands."""
    parts = ["# Commands", MADE]
    for command in COMMANDS:
        parts.append(f"## `sentixrl {' '.join(command)}`\n\n```text\n{help_text(command)}\n```")
    return "\n\n".join(parts) + "\n"


def recipes_page() -> str:
    """The page of all keys of a recipe."""
    from sentixrl.training import recipe
    from sentixrl.training.sections import DataPart, TrainPart

    parts = [
        "# Keys of a recipe",
        f"{MADE} [Training](training.md) explains how to write one.",
        "Keys without a default are required.",
        keys(recipe.Recipe),
        "## A part of `dev` and `holdout`",
        keys(DataPart),
        "## A part of `train`",
        "The same, and:",
        keys(TrainPart, but=DataPart),
    ]
    for name, section in recipe.SECTIONS.items():
        if not issubclass(section, DataPart):
            parts += [f"## `{name}`", keys(section)]
    return "\n\n".join(parts) + "\n"


def keys(model: type[BaseModel], but: type[BaseModel] | None = None) -> str:
    """A table of a section's keys: what they take, their default, what they mean."""
    meanings = _meanings(model)
    rows = ["| key | takes | default | what it is |", "| --- | --- | --- | --- |"]
    for name, field in model.model_fields.items():
        if but is None or name not in but.model_fields:
            rows.append(f"| `{name}` | {_takes(field)} | {_default(field)} | {meanings[name]} |")
    return "\n".join(rows)


def _meanings(model: type[BaseModel]) -> dict[str, str]:
    """Attribute → what the class's docstring says of it, in one line of Markdown."""
    _, _, listed = inspect.cleandoc(model.__doc__ or "").partition("Attributes:\n")
    found = re.findall(r"^    (\w+): (.+(?:\n {8}.+)*)", listed, re.MULTILINE)
    return {name: " ".join(text.split()).replace("``", "`") for name, text in found}


def _takes(field: FieldInfo) -> str:
    from sentixrl.training.sections import LARGEST

    kind: Any = field.annotation
    rules = list(field.metadata)
    if type(None) in get_args(kind):
        kind = get_args(kind)[0]
    if get_origin(kind) is Annotated:
        kind, *more = get_args(kind)
        rules += [rule for one in more for rule in getattr(one, "metadata", [one])]
    if get_origin(kind) is Literal:
        return " or ".join(f"`{value}`" for value in get_args(kind))
    if get_origin(kind) is list:
        return "parts"
    if get_origin(kind) is dict:
        return "name: value"
    words = {str: "text", bool: "`true` or `false`", int: "whole number", float: "number"}
    if kind not in words:
        return "keys, below"
    bounds = {"ge": "≥", "gt": ">", "le": "≤"}
    found = [
        f"{sign} {getattr(rule, name):g}"
        for rule in rules
        for name, sign in bounds.items()
        if getattr(rule, name, None) not in {None, LARGEST}  # a bound that no number comes near
    ]
    return " ".join([words[kind], *([", ".join(found)] if found else [])])


def _default(field: FieldInfo) -> str:
    value: Any = field.default
    if field.is_required():
        return ""
    if value is None or value == "" or value == [] or value == {} or hasattr(value, "model_dump"):
        return "–"
    return f"`{str(value).lower() if isinstance(value, bool) else value}`"


def sanm_prompts_page() -> str:
    """The prompts of every turn of SANM."""
    from sanm_specification import prompts_page

    return prompts_page()


PAGES = {
    "commands.md": commands_page,
    "recipes.md": recipes_page,
    "sanm-prompts.md": sanm_prompts_page,
}


def main() -> int:
    """Write the pages, or check them."""
    os.environ.update(COLUMNS="100", TERMINAL_WIDTH="100", NO_COLOR="1", TERM="dumb")
    stale = []
    for name, make in PAGES.items():
        path, text = DOCS / name, make()
        current = path.read_text("utf-8") if path.is_file() else ""
        if "--check" not in sys.argv[1:]:
            path.write_text(text, "utf-8")
        elif current != text:
            stale.append(name)
    if stale:
        print(f"docs: {', '.join(stale)} out of date: run python scripts/build_docs.py")
        return 1
    print("docs: commands and recipe keys are up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
