"""A model with everything that decides its answers, in one folder.

Contract: ``bundle.json`` names the base model, the framing, the templates by hash, the label set,
calibrations and negotiation policy; ``adapter/`` holds the trained difference, if any. A bundle
is saved and loaded whole; one written for other templates says so instead of answering wrongly.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sentixrl.calibration.posterior import Calibration
from sentixrl.context.templates import templates
from sentixrl.errors import ModelError

BUNDLE_FILE = "bundle.json"
ADAPTER_FOLDER = "adapter"
SCHEMA = 1


class _CalibrationFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    scale: Annotated[float, Field(gt=0)] = 1.0
    bias: tuple[float, ...] = ()


class _BundleFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    schema_version: Literal[1] = Field(alias="schema")
    name: str
    base: str | None
    trained: bool
    labels: str
    framing: Literal["plain", "chat"] | None
    templates: dict[str, str]
    calibrations: dict[str, _CalibrationFile]
    negotiate: bool
    gate: float | None
    agree_threshold: float


@dataclass(frozen=True, slots=True)
class ModelBundle:
    """What a classifier needs to know about its model.

    Attributes:
        name: What results say answered them.
        base: A bundled model's name, a folder or a hub id; ``None`` for the default.
        trained: Whether an adapter was trained for this task.
        labels: The label set it uses unless told otherwise (a scheme's name or a list).
        framing: How prompts become text; ``None`` for the model's own.
        templates: Template language → hash of the templates it was made with; empty if any will do.
        calibrations: Label set digest → its fitted calibration.
        negotiate: Whether it negotiates unless told otherwise.
        gate: No negotiation where the first posterior reaches this.
        agree_threshold: The discriminator agrees from this P(agree) on.
        adapter: Folder of the trained difference.
    """

    name: str
    base: str | None = None
    trained: bool = False
    labels: str = "ekman-7"
    framing: Literal["plain", "chat"] | None = None
    templates: dict[str, str] = field(default_factory=dict)
    calibrations: dict[str, Calibration] = field(default_factory=dict)
    negotiate: bool = True
    gate: float | None = None
    agree_threshold: float = 0.5
    adapter: Path | None = None

    def save(self, folder: Path) -> None:
        """Write the bundle to ``folder``, adapter included.

        Raises:
            ModelError: The folder holds something else.
        """
        if folder.exists() and any(folder.iterdir()) and not (folder / BUNDLE_FILE).exists():
            raise ModelError(
                f"{folder} is not empty and not a model bundle.", hint="Name a new folder."
            )
        folder.mkdir(parents=True, exist_ok=True)
        target = folder / ADAPTER_FOLDER
        if self.adapter is not None and self.adapter.resolve() != target.resolve():
            shutil.copytree(self.adapter, target, dirs_exist_ok=True)
        content = {
            "schema": SCHEMA,
            "name": self.name,
            "base": self.base,
            "trained": self.trained,
            "labels": self.labels,
            "framing": self.framing,
            "templates": self.templates,
            "calibrations": {
                digest: {"scale": fitted.scale, "bias": list(fitted.bias)}
                for digest, fitted in self.calibrations.items()
            },
            "negotiate": self.negotiate,
            "gate": self.gate,
            "agree_threshold": self.agree_threshold,
        }
        text = json.dumps(content, indent=1, ensure_ascii=False)
        (folder / BUNDLE_FILE).write_text(text + "\n", "utf-8")

    @classmethod
    def load(cls, folder: Path) -> ModelBundle:
        """Read the bundle in ``folder``.

        Raises:
            ModelError: It is not a bundle, or was made with other templates.
        """
        path = folder / BUNDLE_FILE
        try:
            parsed = _BundleFile.model_validate_json(path.read_bytes())
        except OSError as error:
            raise ModelError(f"{path} cannot be read: {error.strerror}.") from None
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "the top level"
            raise ModelError(
                f"{path} is not a model bundle: at '{place}': {first['msg']}."
            ) from None
        adapter = folder / ADAPTER_FOLDER
        bundle = cls(
            name=parsed.name,
            base=parsed.base,
            trained=parsed.trained,
            labels=parsed.labels,
            framing=parsed.framing,
            templates=parsed.templates,
            calibrations={
                digest: Calibration(entry.scale, entry.bias, fitted=True)
                for digest, entry in parsed.calibrations.items()
            },
            negotiate=parsed.negotiate,
            gate=parsed.gate,
            agree_threshold=parsed.agree_threshold,
            adapter=adapter if adapter.is_dir() else None,
        )
        bundle._check_templates()
        return bundle

    def _check_templates(self) -> None:
        for language, digest in self.templates.items():
            if templates(language).digest != digest:
                raise ModelError(
                    f"The model bundle '{self.name}' was made with other '{language}' prompt "
                    f"templates ({digest}) than this version has ({templates(language).digest}).",
                    hint="Use the version of sentixrl it was made with, or train it again.",
                )
