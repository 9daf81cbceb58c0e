"""The options that several commands share, declared once."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sentixrl.errors import ConfigError


class VoiceChoice(StrEnum):
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


class FramingChoice(StrEnum):
    """How prompts become text."""

    PLAIN = "plain"
    CHAT = "chat"


WindowOption = Annotated[
    int | None,
    typer.Option(
        min=0, help="Most earlier turns a prompt shows, where its bound on tokens allows."
    ),
]
RoundsOption = Annotated[int, typer.Option(help="Most rounds of negotiation.")]
AgreementsOption = Annotated[int, typer.Option(help="Agreements in a row that end it.")]
NegotiateOption = Annotated[
    bool | None, typer.Option("--negotiate/--no-negotiate", help="Default: the model's policy.")
]
GateOption = Annotated[
    float | None, typer.Option(help="No negotiation from this confidence on (0 to 1).")
]
VoiceOption = Annotated[VoiceChoice, typer.Option(help="Answers by probabilities, or written out.")]
DeductionOption = Annotated[
    DeductionChoice, typer.Option(help="Let the model describe the situation first.")
]
LanguageOption = Annotated[
    str | None,
    typer.Option(
        help="Language of the prompt templates; 'auto' follows the text; default: the model's."
    ),
]
FramingOption = Annotated[
    FramingChoice | None, typer.Option(help="Chat markup or plain text; default: the model's.")
]
AdapterOption = Annotated[Path | None, typer.Option(help="Folder of a PEFT adapter.")]
DeviceOption = Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1 …")]
DtypeOption = Annotated[
    str | None, typer.Option(help="float32, bfloat16 or float16; default: the faster one.")
]
BitsOption = Annotated[
    int | None, typer.Option(help="8 or 4: quantised weights on CUDA, with bitsandbytes.")
]
SwitchOption = Annotated[
    list[str] | None,
    typer.Option(help="A switch of the loader, name=value; may be given several times."),
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
