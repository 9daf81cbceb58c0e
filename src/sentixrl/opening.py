"""Packages whose public names are opened when they are first asked for.

Contract: importing such a package takes no time, so that a command can start before what it needs
is loaded.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from importlib import import_module


def opener(package: str, rooms: Mapping[str, str]) -> Callable[[str], object]:
    """A package's ``__getattr__``.

    Args:
        package: Its name.
        rooms: Public name → the module within the package in which it lives.
    """

    def opened(name: str) -> object:
        if name not in rooms:
            raise AttributeError(f"module '{package}' has no attribute '{name}'")
        value: object = getattr(import_module(f"{package}.{rooms[name]}"), name)
        setattr(sys.modules[package], name, value)
        return value

    return opened
