"""Print the requirements of the project and of the extras named as arguments, one a line."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path


def requirements(extras: list[str]) -> list[str]:
    """The project's own requirements, then those of each extra."""
    text = (Path(__file__).parent.parent / "pyproject.toml").read_text("utf-8")
    project = tomllib.loads(text)["project"]
    optional = project["optional-dependencies"]
    return [*project["dependencies"], *(item for extra in extras for item in optional[extra])]


if __name__ == "__main__":
    print("\n".join(requirements(sys.argv[1:])))
