"""The options that several commands share, declared once."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from sentixrl.errors import ConfigError


class ModeChoice(StrEnum):
    """How the roles answer."""

    AUTO = "auto"
    SCORED = "scored"
    WRITTEN = "written"


class DeductionChoice(StrEnum):
    """How often the model describes the situation first."""

    AUTO = "auto"
    OFF = "off"
    ANCHOR = "anchor"
    UTTERANCE = "utterance"


class PromptFormatChoice(StrEnum):
    """How prompts become text."""

    PLAIN = "plain"
    CHAT = "chat"


SwitchOption = Annotated[
    list[str] | None,
    typer.Option(help="A switch of the loader, name=value; may be given several times."),
]


SeveralOption = Annotated[
    bool | None,
    typer.Option(
        "--several/--no-several",
        help="Any number of labels a turn, each judged by itself; default: as the labels say.",
    ),
]


GlossesOption = Annotated[
    bool | None,
    typer.Option(
        "--glosses/--no-glosses",
        help="Show the model each label's description; default: if a label file of yours has some.",
    ),
]


def read_switches(given: list[str] | None) -> dict[str, str]:
    """Switches by name.

    Raises:
        ConfigError: One is not of the form ``name=value``.
    """
    return dict(_pair(text) for text in given or [])


def _pair(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals:
        raise ConfigError(f"'{text}' is not a switch.", hint="Write --switch name=value.")
    return name.strip(), value.strip()
