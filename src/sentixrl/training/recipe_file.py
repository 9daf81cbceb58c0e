"""Recipes as files: YAML or plain data in, a checked :class:`Recipe` out.

Contract: an unknown key is refused with the nearest known one. Keys that had another name in an
earlier version are read under that name too.
"""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import yaml
from pydantic import ValidationError

from sentixrl.errors import ConfigError, fault_words
from sentixrl.formats.characters import nearest
from sentixrl.plain_yaml import MAX_FILE_BYTES, PlainYaml
from sentixrl.training.former_keys import current_recipe
from sentixrl.training.recipe import SECTIONS, Recipe
from sentixrl.training.sections import Section
from sentixrl.untrusted import read_bounded

Checked = TypeVar("Checked", bound=Section)


class _Loader(PlainYaml, yaml.SafeLoader):
    """Plain YAML, with numbers read as numbers."""


def read_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        ConfigError: It cannot be read, or does not fit.
    """
    return parse_recipe(read_yaml(path, "recipe"), str(path))


def read_yaml(path: Path, what: str) -> object:
    """Read a YAML file of plain data.

    Args:
        path: The file.
        what: What errors call it.

    Raises:
        ConfigError: It cannot be read.
    """
    try:
        text = read_bounded(path, MAX_FILE_BYTES).decode("utf-8-sig")
        found: object = yaml.load(text, Loader=_Loader)  # a SafeLoader
    except OSError as error:
        raise ConfigError(f"The {what} {path} cannot be read: {error.strerror}.") from None
    except RecursionError:
        raise ConfigError(f"The {what} {path} is nested too deeply.") from None
    # Of bytes that are no text, dates that are none, values that do not fit their tags.
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        said = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise ConfigError(f"The {what} {path} is not valid YAML{where}: {said}.") from None
    return found


def parse_recipe(content: object, origin: str) -> Recipe:
    """Check a recipe's content.

    Raises:
        ConfigError: It does not fit; an unknown key is named with the nearest known one.
    """
    return checked(Recipe, current_recipe(content, origin), "recipe", origin)


def checked(kind: type[Checked], content: object, what: str, origin: str) -> Checked:
    """Check content against its sections.

    Args:
        kind: What it should be.
        content: Plain data.
        what: What errors call it.
        origin: Where it is from.

    Raises:
        ConfigError: It does not fit; an unknown key of a recipe is named with the nearest known
            one.
    """
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = _place(first["loc"])
        if first["type"] == "extra_forbidden":
            key = str(first["loc"][-1])
            close = nearest(key, _keys_beside(kind, first["loc"][:-1]))
            raise ConfigError(
                f"The {what} {origin} has an unknown key {where}.",
                hint=f"Did you mean '{close}'?" if close else None,
            ) from None
        cause = first.get("ctx", {}).get("error")
        plainly = fault_words(first["type"], first["msg"])
        said, *hint = cause.args if isinstance(cause, ValueError) else (plainly,)
        at = f" at {where}" if where else ""
        raise ConfigError(
            f"The {what} {origin} does not fit{at}: {said}.", hint=hint[0] if hint else None
        ) from None


def _place(location: tuple[int | str, ...]) -> str:
    """``('train', 0, 'split')`` → ``'split' in part 1 of 'train'``."""
    steps = (
        f"part {step + 1} of" if isinstance(step, int) else f"'{step}' in"
        for step in reversed(location)
    )
    return " ".join(steps).removesuffix(" in")


def _keys_beside(kind: type[Section], location: tuple[int | str, ...]) -> tuple[str, ...]:
    """The keys that are known where an unknown one stands."""
    if kind is not Recipe:
        return () if location else tuple(kind.model_fields)
    section = SECTIONS.get(str(location[0]), Recipe) if location else Recipe
    return tuple(section.model_fields)
