"""Write the parts of the docs that are made from the program: the commands' help.

With ``--check``, nothing is written; a difference is an error.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "docs" / "commands.md"
COMMANDS = (
    ("classify",),
    ("evaluate",),
    ("compare",),
    ("train",),
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
    ("doctor",),
    ("schema",),
)


def help_text(command: tuple[str, ...]) -> str:
    """What ``sentixrl COMMAND --help`` prints, at a fixed width and without colour."""
    from typer.testing import CliRunner

    from sentixrl.cli.main import app

    result = CliRunner().invoke(app, [*command, "--help"], prog_name="sentixrl")
    if result.exit_code:
        raise SystemExit(f"sentixrl {' '.join(command)} --help failed: {result.output}")
    return "\n".join(line.rstrip() for line in result.output.strip().splitlines())


def page() -> str:
    """The page of all commands."""
    parts = [
        "# Commands",
        "This page is made from the program's own help: `python scripts/build_docs.py`.",
    ]
    for command in COMMANDS:
        parts.append(f"## `sentixrl {' '.join(command)}`\n\n```text\n{help_text(command)}\n```")
    return "\n\n".join(parts) + "\n"


def main() -> int:
    """Write the page, or check it."""
    os.environ.update(COLUMNS="100", TERMINAL_WIDTH="100", NO_COLOR="1", TERM="dumb")
    text = page()
    if "--check" not in sys.argv[1:]:
        TARGET.write_text(text, "utf-8")
        return 0
    current = TARGET.read_text("utf-8") if TARGET.is_file() else ""
    if current != text:
        print(f"{TARGET.relative_to(ROOT)} is out of date: run python scripts/build_docs.py")
        return 1
    print("docs: command help is up to date")
    return 0


if __name__ == "__main__":
    sys.exit(main())
