"""A model with everything that decides its answers, in one folder.

Contract: ``bundle.json`` names the base model, the framing, the templates by hash, the label set,
calibrations and negotiation policy; ``adapter/`` holds the trained difference and ``labels.yaml``
a label set of one's own, if any. A bundle is saved and loaded whole; one that lacks a part or was
written for other templates says so instead of answering wrongly.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field
from importlib import resources
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sentixrl.calibration.posterior import Calibration
from sentixrl.context.templates import templates
from sentixrl.context.window import HistoryWindow
from sentixrl.engines.local.bundled import BUNDLED
from sentixrl.errors import ModelError, fault_words
from sentixrl.labels import LabelSet, read_label_file

BUNDLE_FILE = "bundle.json"
ADAPTER_FOLDER = "adapter"
LABELS_FILE = "labels.yaml"
SCHEMA = 1
RELEASE = "sentixrl-135m"
"""The trained model that comes along."""
RELEASE_NAMES = ("default", RELEASE)
"""What it may be called."""


def release_folder() -> Path:
    """The bundle of the trained model that comes along."""
    return Path(str(resources.files("sentixrl"))) / "releases" / RELEASE


def settled(base: str) -> str:
    """A base's name as bundles keep it: a folder is found again from anywhere.

    The name of a model that can be installed is that model's, whatever folders are called so.
    """
    return str(Path(base).resolve()) if base not in BUNDLED and Path(base).is_dir() else base


class _CalibrationFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    scale: Annotated[float, Field(gt=0)] = 1.0
    bias: tuple[float, ...] = ()


class _WindowFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    history_max: int
    history_min: int
    max_tokens: int


class _BundleFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    schema_version: Literal[1] = Field(alias="schema")
    name: str
    base: str
    adapter: bool
    trained: bool
    labels: str
    framing: Literal["plain", "chat"] | None
    templates: dict[str, str]
    language: str = "auto"
    window: _WindowFile | None = None
    calibrations: dict[str, _CalibrationFile]
    negotiate: bool
    gate: float | None
    agree_threshold: float


@dataclass(frozen=True, slots=True)
class ModelBundle:
    """What a classifier needs to know about its model.

    Attributes:
        name: What results say answered them.
        base: A bundled model's name, a folder or a hub id; ``None`` for an engine made by hand,
            which cannot be saved.
        trained: Whether an adapter was trained for this task.
        labels: The label set it uses unless told otherwise: itself, a scheme's name, a YAML file
            or a list.
        framing: How prompts become text; ``None`` for the model's own.
        templates: Template language → hash of the templates it was made with; empty if any will do.
        language: The templates' language it was trained with; ``auto`` follows each dialogue.
        window: The history window it was trained with; ``None`` for the usual one.
        calibrations: Label set digest → its fitted calibration.
        negotiate: Whether it negotiates unless told otherwise.
        gate: No negotiation where the first posterior reaches this.
        agree_threshold: The discriminator agrees from this P(agree) on.
        adapter: Folder of the trained difference.
    """

    name: str
    base: str | None = None
    trained: bool = False
    labels: str | LabelSet = "ekman-7"
    framing: Literal["plain", "chat"] | None = None
    templates: dict[str, str] = field(default_factory=dict)
    language: str = "auto"
    window: HistoryWindow | None = None
    calibrations: dict[str, Calibration] = field(default_factory=dict)
    negotiate: bool = True
    gate: float | None = None
    agree_threshold: float = 0.5
    adapter: Path | None = None

    def save(self, folder: Path) -> None:
        """Write the bundle to ``folder``, adapter included, in place of one that is there.

        It is written beside its place and then put there, so that what breaks off leaves the old
        one as it was. Other files of the old one (a card, a record) stay.

        Raises:
            ModelError: The folder holds something else, or there is no model that could be
                loaded again.
            LabelError: The label set is a file that cannot be read.
        """
        if self.base is None:
            raise ModelError(
                f"'{self.name}' is an engine made by hand; a bundle of it could not be loaded.",
                hint="Load the model by its folder or name instead.",
            )
        _check_free(folder)
        folder = folder.resolve()
        making = folder.with_name(f".{folder.name}.new")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        try:
            if folder.is_dir():
                others = shutil.ignore_patterns(ADAPTER_FOLDER)
                shutil.copytree(folder, making, dirs_exist_ok=True, ignore=others)
            self._write(making, self.base)
            put_in_place(making, folder)
        finally:
            shutil.rmtree(making, ignore_errors=True)

    def _write(self, folder: Path, base: str) -> None:
        if self.adapter is not None:
            shutil.copytree(self.adapter, folder / ADAPTER_FOLDER)
        content = {
            "schema": SCHEMA,
            "name": self.name,
            "base": settled(base),
            "adapter": self.adapter is not None,
            "trained": self.trained,
            "labels": _write_labels(folder / LABELS_FILE, self.labels),
            "framing": self.framing,
            "templates": self.templates,
            "language": self.language,
            "window": asdict(self.window) if self.window else None,
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
            ModelError: It is not a bundle, lacks its adapter, or was made with other templates.
            LabelError: Its own label set cannot be read.
        """
        path = folder / BUNDLE_FILE
        try:
            parsed = _BundleFile.model_validate_json(path.read_bytes())
        except OSError as error:
            raise ModelError(
                f"{path} cannot be read: {error.strerror}.",
                hint="Name a folder that 'sentixrl train' has written (OUT/bundle).",
            ) from None
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "the top level"
            raise ModelError(
                f"{path} is not a model bundle: at '{place}': "
                f"{fault_words(first['type'], first['msg'])}."
            ) from None
        adapter = folder / ADAPTER_FOLDER if parsed.adapter else None
        if adapter is not None and not adapter.is_dir():
            raise ModelError(
                f"The model bundle {folder} lacks its folder '{ADAPTER_FOLDER}'.",
                hint="Copy the bundle's folder whole.",
            )
        own = parsed.labels == LABELS_FILE
        bundle = cls(
            name=parsed.name,
            base=parsed.base,
            trained=parsed.trained,
            labels=read_label_file(folder / LABELS_FILE) if own else parsed.labels,
            framing=parsed.framing,
            templates=parsed.templates,
            language=parsed.language,
            window=HistoryWindow(**parsed.window.model_dump()) if parsed.window else None,
            calibrations={
                digest: Calibration(entry.scale, entry.bias, fitted=True)
                for digest, entry in parsed.calibrations.items()
            },
            negotiate=parsed.negotiate,
            gate=parsed.gate,
            agree_threshold=parsed.agree_threshold,
            adapter=adapter,
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


def _check_free(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise ModelError(f"{folder} is a file, not a folder.", hint="Name a new folder.")
    if folder.exists() and any(folder.iterdir()) and not (folder / BUNDLE_FILE).exists():
        raise ModelError(
            f"{folder} is not empty and not a model bundle.", hint="Name a new folder."
        )


def put_in_place(made: Path, folder: Path) -> None:
    """Let a folder that is whole take another's place, which is kept until it has."""
    if not folder.exists():
        made.rename(folder)
        return
    old = folder.with_name(f".{folder.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    folder.rename(old)
    try:
        made.rename(folder)
    except BaseException:
        old.rename(folder)
        raise
    shutil.rmtree(old, ignore_errors=True)


def _write_labels(path: Path, labels: str | LabelSet) -> str:
    """What ``bundle.json`` says of the labels; a set of one's own goes into a file beside it."""
    if isinstance(labels, str) and labels.lower().endswith((".yaml", ".yml")):
        labels = read_label_file(Path(labels))
    if isinstance(labels, str):
        path.unlink(missing_ok=True)
        return labels
    entries = []
    for label in labels:
        entry = {
            "name": label.name,
            "polarity": label.polarity,
            "display": dict(label.display),
            "glosses": dict(label.glosses),
            "aliases": list(label.aliases),
        }
        entries.append({key: value for key, value in entry.items() if value})
    content = {"name": labels.name, "multi_label": labels.multi_label, "labels": entries}
    path.write_text(yaml.safe_dump(content, allow_unicode=True, sort_keys=False), "utf-8")
    return LABELS_FILE
