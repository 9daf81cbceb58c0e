"""Options that several commands share, declared once as a group.

Contract: a group is a dataclass whose fields are annotated as typer wants them. A command takes a
parameter of the group's type and is decorated with :func:`with_groups`; on the command line each
field of the group is an option of the command.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable
from dataclasses import MISSING, Field, fields
from typing import Any, ClassVar, TypeVar

Result = TypeVar("Result")


class OptionGroup:
    """Base of the groups.

    Attributes:
        omitted: Fields that a group derived from another does not offer; they keep their defaults.
    """

    omitted: ClassVar[frozenset[str]] = frozenset()

    @classmethod
    def offered(cls) -> list[Field[Any]]:
        """The fields that are options."""
        return [part for part in fields(cls) if part.name not in cls.omitted]  # type: ignore[arg-type]


def with_groups(command: Callable[..., Result]) -> Callable[..., Result]:
    """Give a command the options of the groups it takes, in place of the groups.

    Args:
        command: A function some of whose parameters are of a type that derives from
            :class:`OptionGroup`.
    """
    hints = typing.get_type_hints(command, include_extras=True)
    groups = {name: kind for name, kind in hints.items() if _is_group(kind)}
    parameters: list[inspect.Parameter] = []
    for name, parameter in inspect.signature(command).parameters.items():
        if name in groups:
            parameters += _options_of(groups[name])
        else:
            kind = inspect.Parameter.KEYWORD_ONLY
            parameters.append(parameter.replace(annotation=hints[name], kind=kind))

    @functools.wraps(command)
    def expanded(**given: Any) -> Result:  # noqa: ANN401 - what typer read
        for name, kind in groups.items():
            values = {part.name: given.pop(part.name) for part in kind.offered()}
            given[name] = kind(**values)
        return command(**given)

    returns = hints.get("return")
    expanded.__signature__ = inspect.Signature(parameters, return_annotation=returns)  # type: ignore[attr-defined]
    expanded.__annotations__ = {one.name: one.annotation for one in parameters}
    return expanded


def _is_group(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, OptionGroup)


def _options_of(group: Any) -> list[inspect.Parameter]:  # noqa: ANN401 - a dataclass
    hints = typing.get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            part.name,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if part.default is MISSING else part.default,
            annotation=hints[part.name],
        )
        for part in group.offered()
    ]
