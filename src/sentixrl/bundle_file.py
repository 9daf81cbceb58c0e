"""What ``bundle.json`` says, in every version that was released.

Contract: a file is read with a bound, unknown keys and numbers out of range are refused, and what
is returned is in today's words whatever the version.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sentixrl.calibration.posterior import Calibration
from sentixrl.context.building import ContextOptions
from sentixrl.context.window import HistoryWindow
from sentixrl.engines.options import PromptFormatName
from sentixrl.errors import ConfigError, ModelError, fault_words
from sentixrl.negotiation.options import NegotiationOptions
from sentixrl.untrusted import read_bounded

MAX_FILE_BYTES = 1 << 20
"""The largest ``bundle.json`` that is read."""
_MOST_SCALE, _MOST_BIAS = 1e4, 1e4
"""Bounds on a calibration's numbers: what is fitted stays far within, and nothing overflows."""
Share = Annotated[float, Field(ge=0, le=1)]


class CalibrationFile(BaseModel):
    """A calibration's numbers."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    scale: Annotated[float, Field(gt=0, le=_MOST_SCALE)] = 1.0
    bias: tuple[Annotated[float, Field(ge=-_MOST_BIAS, le=_MOST_BIAS)], ...] = ()
    thresholds: tuple[Share, ...] = ()
    shares: tuple[Share, ...] = ()
    truths: tuple[Share, ...] = ()

    def calibration(self, *, fitted: bool) -> Calibration:
        """The calibration.

        Args:
            fitted: Whether it was fitted for the labels it is used with.
        """
        return Calibration(self.scale, self.bias, fitted, self.thresholds, self.shares, self.truths)


class _File(BaseModel):
    """What bundles of every version say."""

    model_config = ConfigDict(extra="forbid", allow_inf_nan=False)

    name: str
    base: str
    adapter: bool
    trained: bool
    labels: str
    templates: dict[str, str]
    calibrations: dict[str, CalibrationFile]


class BundleFile(_File):
    """What ``bundle.json`` says today."""

    schema_version: Literal[2] = Field(alias="schema")
    prompt_format: PromptFormatName | None
    context: ContextOptions
    negotiation: NegotiationOptions
    fallbacks: dict[Literal["single", "several"], CalibrationFile] = {}


class _WindowFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    history_max: int
    history_min: int
    max_tokens: int


class _FirstBundleFile(_File):
    """The first version, which kept less of what prompts show and how the roles negotiate."""

    schema_version: Literal[1] = Field(alias="schema")
    framing: PromptFormatName | None
    language: str = "auto"
    window: _WindowFile | None = None
    negotiate: bool
    gate: float | None
    agree_threshold: float

    def today(self) -> BundleFile:
        """The same in today's words."""
        window = HistoryWindow(**self.window.model_dump()) if self.window else HistoryWindow()
        return BundleFile.model_construct(
            **{name: getattr(self, name) for name in _File.model_fields},
            schema_version=2,
            prompt_format=self.framing,
            context=ContextOptions(language=self.language, window=window),
            negotiation=NegotiationOptions(
                enabled=self.negotiate,
                confidence_threshold=self.gate,
                agree_threshold=self.agree_threshold,
                correct_priors=not self.trained,
            ),
            fallbacks={},
        )


def read_bundle_file(path: Path) -> BundleFile:
    """What a ``bundle.json`` says, in today's words.

    Raises:
        ModelError: It cannot be read, or is none.
    """
    try:
        return _parse_file(read_bounded(path, MAX_FILE_BYTES))
    except OSError as error:
        raise ModelError(
            f"{path} cannot be read: {error.strerror}.",
            hint="Name a folder that 'sentixrl train' has written (OUT/bundle).",
        ) from None
    except (ValidationError, RecursionError) as error:
        fault = error.errors()[0] if isinstance(error, ValidationError) else None
        place = ".".join(map(str, fault["loc"])) if fault else ""
        words = fault_words(fault["type"], fault["msg"]) if fault else "it nests too deeply"
        raise ModelError(
            f"{path} is not a model bundle: at '{place or 'the top level'}': {words}."
        ) from None
    except ConfigError as error:
        raise ModelError(f"{path} is not a model bundle: {error.message}") from None


def _parse_file(raw: bytes) -> BundleFile:
    version = _Version.model_validate_json(raw).schema_version
    if version == 1:
        return _FirstBundleFile.model_validate_json(raw).today()
    return BundleFile.model_validate_json(raw)


class _Version(BaseModel):
    schema_version: Literal[1, 2] = Field(alias="schema")
