"""Recipes as files: YAML or plain data in, a checked :class:`Recipe` out.

Contract: an unknown key is refused with the nearest known one. Keys that had another name in an
earlier version are read under that name too.
"""

from __future__ import annotations

from pathlib import Path

import yaml
from pydantic import ValidationError

from sentixrl.errors import ConfigError, fault_words
from sentixrl.formats.characters import nearest
from sentixrl.plain_yaml import MAX_FILE_BYTES, PlainYaml
from sentixrl.training.former_keys import current_recipe
from sentixrl.training.recipe import SECTIONS, Recipe
from sentixrl.untrusted import read_bounded


class _Loader(PlainYaml, yaml.SafeLoader):
    """Plain YAML, with numbers read as numbers."""


def read_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        ConfigError: It cannot be read, or does not fit.
    """
    try:
        text = read_bounded(path, MAX_FILE_BYTES).decode("utf-8-sig")
        content = yaml.load(text, Loader=_Loader)  # a SafeLoader
    except OSError as error:
        raise ConfigError(f"The recipe {path} cannot be read: {error.strerror}.") from None
    except RecursionError:
        raise ConfigError(f"The recipe {path} is nested too deeply.") from None
    # Of bytes that are no text, dates that are none, values that do not fit their tags.
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        what = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise ConfigError(f"The recipe {path} is not valid YAML{where}: {what}.") from None
    return parse_recipe(content, str(path))


def parse_recipe(content: object, origin: str) -> Recipe:
    """Check a recipe's content.

    Raises:
        ConfigError: It does not fit; an unknown key is named with the nearest known one.
    """
    try:
        return Recipe.model_validate(current_recipe(content, origin))
    except ValidationError as error:
        first = error.errors()[0]
        where = _place(first["loc"])
        if first["type"] == "extra_forbidden":
            key = str(first["loc"][-1])
            close = nearest(key, _keys_beside(first["loc"][:-1]))
            raise ConfigError(
                f"The recipe {origin} has an unknown key {where}.",
                hint=f"Did you mean '{close}'?" if close else None,
            ) from None
        cause = first.get("ctx", {}).get("error")
        plainly = fault_words(first["type"], first["msg"])
        said, *hint = cause.args if isinstance(cause, ValueError) else (plainly,)
        at = f" at {where}" if where else ""
        raise ConfigError(
            f"The recipe {origin} does not fit{at}: {said}.", hint=hint[0] if hint else None
        ) from None


def _place(location: tuple[int | str, ...]) -> str:
    """``('train', 0, 'split')`` → ``'split' in part 1 of 'train'``."""
    steps = (
        f"part {step + 1} of" if isinstance(step, int) else f"'{step}' in"
        for step in reversed(location)
    )
    return " ".join(steps).removesuffix(" in")


def _keys_beside(location: tuple[int | str, ...]) -> tuple[str, ...]:
    """The keys that are known where an unknown one stands."""
    section = SECTIONS.get(str(location[0]), Recipe) if location else Recipe
    return tuple(section.model_fields)
