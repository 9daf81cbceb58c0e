"""Print the requirements of the project and of the extras named as arguments, one a line."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path


def requirements(extras: Sequence[str]) -> list[str]:
    """The project's own requirements, then those of each extra and of the extras it names."""
    text = (Path(__file__).parent.parent / "pyproject.toml").read_text("utf-8")
    project = tomllib.loads(text)["project"]
    own = re.compile(rf"{re.escape(project['name'])}\[(.+)\]")

    def of(names: Sequence[str], optional: Mapping[str, Sequence[str]]) -> Iterator[str]:
        for name in names:
            for item in optional[name]:
                named = own.fullmatch(item)
                if named:
                    yield from of(re.split(r"\s*,\s*", named[1]), optional)
                else:
                    yield item

    return [*project["dependencies"], *of(extras, project["optional-dependencies"])]


if __name__ == "__main__":
    print("\n".join(requirements(sys.argv[1:])))
