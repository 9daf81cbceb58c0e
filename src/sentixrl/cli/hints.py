"""Hints that fit the command at hand.

Contract: rooms below the command line serve commands that do not have the same options, so what a
hint names is looked up before it is shown: a clause that names an option which the command lacks
is left out. ``train`` takes from its recipe what others take as options: there, the hint names the
recipe's key. Options of other programs, and those behind ``sentixrl COMMAND``, stay as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Options = Mapping[str, frozenset[str]]
"""Command, those of a group with the group's name before theirs → its options."""

_OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*")
_NO_VALUE = r"(?:out|and|or|is|to|as|in|with|again|alone|takes)\b"
_WITH_VALUE = re.compile(rf"(?<![\w-])--([a-z][a-z0-9-]*)(?: (?!{_NO_VALUE})(\S*[^\s,;.:?!)]))?")
_CLAUSE = re.compile(r"(?<=[.!?:;]) +(?=\S)|, (?=and |or )")
_COMMAND = re.compile(r"sentixrl ((?:[a-z-]+ ?)+)")
TRAIN = "train"


def options_of(group: Any) -> Options:  # noqa: ANN401  (typer's groups have no public type)
    """The options of every command of a group."""
    return dict(_options_of(group, ()))


def _options_of(group: Any, path: tuple[str, ...]) -> Iterator[tuple[str, frozenset[str]]]:  # noqa: ANN401
    for name, command in group.commands.items():
        here = (*path, name)
        if hasattr(command, "commands"):
            yield from _options_of(command, here)
        else:
            own = (name for one in command.params for name in (*one.opts, *one.secondary_opts))
            yield " ".join(here), frozenset({*own, "--help"})


def command_of(words: Sequence[str], known: Options) -> str | None:
    """The command that a command line calls; ``None`` where it calls none."""
    names = [word for word in words if not word.startswith("-")][:2]
    return next((name for name in (" ".join(names), *names[:1]) if name in known), None)


def fitting(hint: str, command: str | None, known: Options) -> str:
    """What of a hint holds for a command; all of it where none was called.

    Args:
        hint: One or more sentences.
        command: Such as ``classify`` or ``datasets fetch``.
        known: The options of every command.
    """
    if command is None:
        return hint
    if command == TRAIN:
        hint = in_recipe(hint, known[command])
    clauses = _CLAUSE.split(hint)
    kept: list[str] = []
    for clause in clauses:
        if not lacking(clause, command, known):
            kept.append(clause)
        elif kept and kept[-1].endswith(":"):  # it only led to what is left out
            kept.pop()
    if len(kept) == len(clauses):
        return hint
    text = " ".join(kept).rstrip(" ,;:")
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."


def in_recipe(text: str, options: frozenset[str] = frozenset()) -> str:
    """A text in which options that are a recipe's keys are written as one writes them there.

    Args:
        text: One or more sentences.
        options: What stays an option.
    """
    return _WITH_VALUE.sub(lambda found: _in_recipe(found, options), text)


def lacking(text: str, command: str, known: Options) -> list[str]:
    """The options of ours that a text names and a command has not.

    Options behind ``sentixrl COMMAND`` are looked up there.
    """
    ours = frozenset().union(*known.values())
    found = []
    start, options = 0, known[command]
    for named in [*_COMMAND.finditer(text), None]:
        end = named.start() if named else len(text)
        part = _OPTION.findall(text[start:end])
        found += [option for option in part if option in ours and option not in options]
        if named:
            called = command_of(named[1].split(), known)
            start, options = end, known[called] if called else ours
    return found


def _in_recipe(found: re.Match[str], options: frozenset[str]) -> str:
    """An option that is a recipe's key, as one writes it there."""
    from sentixrl.training.recipe import SECTIONS, Recipe
    from sentixrl.training.sections import DataPart

    key, value = found[1].replace("-", "_"), found[2]
    keys = set(Recipe.model_fields) | set(DataPart.model_fields) - set(SECTIONS)
    if f"--{found[1]}" in options or key not in keys:
        return found[0]
    return f"'{key}: {value}' in the recipe" if value else f"'{key}' in the recipe"
