"""A model with everything that decides its answers, in one folder.

Contract: ``bundle.json`` names the base model, the prompt format, the templates by hash, the label
set and calibrations, and holds what prompts show and how the roles negotiate, whole; ``adapter/``
holds the trained difference and ``labels.yaml`` a label set of one's own, if any. A bundle is
saved and loaded whole; one that lacks a part or was written for other templates says so instead
of answering wrongly.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict, dataclass, field, replace
from importlib import resources
from pathlib import Path

import yaml

from sentixrl.bundle_file import read_bundle_file
from sentixrl.calibration.posterior import Calibration
from sentixrl.context.building import ContextOptions
from sentixrl.context.templates import SEVERAL, digest_of
from sentixrl.engines.local.bundled import BUNDLED, GEMMA, SMOLLM
from sentixrl.engines.options import PromptFormatName
from sentixrl.errors import ModelError
from sentixrl.formats.characters import shown
from sentixrl.labels import (
    LabelSet,
    canonical_order,
    identity,
    is_file,
    of_ones_own,
    read_label_file,
    resolve_labels,
    scheme,
    scheme_names,
)
from sentixrl.negotiation.options import NegotiationOptions

BUNDLE_FILE = "bundle.json"
ADAPTER_FOLDER = "adapter"
LABELS_FILE = "labels.yaml"
CARD_FILE = "README.md"
COMPANIONS = (
    *(CARD_FILE, "training.json", "TERMS.txt", "NOTICE.txt"),
    *("NOTICE", "LICENSE", "LICENSE.txt", "LICENSE.md"),
)
"""Files beside a bundle's own parts that come along with it: card, record, terms and notices."""
SCHEMA = 2
RELEASES = {"sentixrl-270m": GEMMA, "sentixrl-135m": SMOLLM}
"""The trained models that come along, the default first, each with its base."""
RELEASE = next(iter(RELEASES))
RELEASE_NAMES = ("default", *RELEASES)
"""What they may be called."""


def release_folder(name: str = "default") -> Path:
    """The bundle of a trained model that comes along."""
    folder = RELEASE if name == "default" else name
    return Path(str(resources.files("sentixrl"))) / "releases" / folder


def canonical_base(base: str) -> str:
    """A base's name as bundles keep it: a folder is found again from anywhere.

    The name of a model that can be installed is that model's, whatever folders are called so.
    """
    return str(Path(base).resolve()) if base not in BUNDLED and Path(base).is_dir() else base


def calibration_key(label_set: LabelSet, *, several: bool = False) -> str:
    """Under what a bundle keeps the calibration for some labels: what they are, not their names.

    Args:
        label_set: The labels.
        several: Whether each is judged by itself.
    """
    return f"{SEVERAL}: {identity(label_set)}" if several else identity(label_set)


def _digest(label_set: LabelSet, *, several: bool) -> str:
    """The key that the first versions of bundles used."""
    return f"{label_set.digest}/{SEVERAL}" if several else label_set.digest


@dataclass(frozen=True, slots=True)
class ModelBundle:
    """What a classifier needs to know about its model.

    Attributes:
        name: What results say answered them.
        base: A bundled model's name, a folder, a hub id or a server's address; ``None`` for an
            engine made by hand, which cannot be saved.
        trained: Whether an adapter was trained for this task.
        labels: The label set it uses unless told otherwise: itself, a scheme's name, a YAML file
            or a list.
        prompt_format: How prompts become text; ``None`` for the model's own.
        templates: Template language, or ``<language>/several`` → hash of the templates it was made
            with; empty if any will do.
        context: What its prompts show unless told otherwise.
        negotiation: How its roles negotiate unless told otherwise, but for the calibration, which
            goes by label set.
        calibrations: :func:`calibration_key` → the calibration fitted for such labels, in their
            canonical order. Bundles of the first versions have the label set's digest for a key,
            and its own order.
        fallbacks: ``single`` or ``several`` → what is used for labels that none was fitted for: a
            scale, and where each label is judged by itself one threshold for all.
        adapter: Folder of the trained difference.
    """

    name: str
    base: str | None = None
    trained: bool = False
    labels: str | LabelSet = "ekman-7"
    prompt_format: PromptFormatName | None = None
    templates: dict[str, str] = field(default_factory=dict)
    context: ContextOptions = field(default_factory=ContextOptions)
    negotiation: NegotiationOptions = field(default_factory=NegotiationOptions)
    calibrations: dict[str, Calibration] = field(default_factory=dict)
    fallbacks: dict[str, Calibration] = field(default_factory=dict)
    adapter: Path | None = None

    def calibration(self, label_set: LabelSet, *, several: bool = False) -> Calibration:
        """The calibration for some labels, in their own order.

        It is the one fitted for these labels by whatever names; else the fallback, which is not
        ``fitted``; else the identity.

        Args:
            label_set: The labels.
            several: Whether each is judged by itself.
        """
        if (digest := _digest(label_set, several=several)) in self.calibrations:
            return self.calibrations[digest]
        key, own = calibration_key(label_set, several=several), canonical_order(label_set)
        if (found := self._canonical(key)) is not None:
            return found.reordered([own.index(place) for place in range(len(own))])
        fallback = self.fallbacks.get(SEVERAL if several else "single", Calibration())
        return replace(fallback, thresholds=fallback.thresholds * len(label_set))

    def _canonical(self, key: str) -> Calibration | None:
        """What is kept under a key, or by the digest of a scheme that has this key."""
        if key in self.calibrations:
            return self.calibrations[key]
        several = key.startswith(f"{SEVERAL}: ")
        for known in map(scheme, scheme_names()):
            digest = _digest(known, several=several)
            if digest in self.calibrations and calibration_key(known, several=several) == key:
                return self.calibrations[digest].reordered(canonical_order(known))
        return None

    def with_calibration(
        self, label_set: LabelSet, calibration: Calibration, *, several: bool = False
    ) -> ModelBundle:
        """The same bundle with a calibration for some labels, given in their own order."""
        key = calibration_key(label_set, several=several)
        named = [label_set, *map(scheme, scheme_names())]
        replaced = {
            _digest(known, several=several)
            for known in named
            if calibration_key(known, several=several) == key
        }
        kept = {name: fitted for name, fitted in self.calibrations.items() if name not in replaced}
        kept[key] = calibration.reordered(canonical_order(label_set))
        return replace(self, calibrations=kept)

    @property
    def taught_several(self) -> bool:
        """Whether it was trained to judge each label by itself."""
        return any(part.endswith(f"/{SEVERAL}") for part in self.templates)

    def explains(self, label_set: LabelSet) -> bool:
        """Whether prompts explain each label of a set, where nobody says otherwise.

        They do if the model was made so, or if somebody explained labels that are not the model's
        own: these it knows as it was trained and calibrated on them.
        """
        own = resolve_labels(self.labels) == label_set
        return (of_ones_own(label_set) and not own) or self.explained(label_set)

    def explained(self, label_set: LabelSet) -> bool:
        """Whether labels were explained when the model was trained or calibrated on them.

        If its own labels have explanations of somebody's own, they alone were: the other sets that
        its base was calibrated on were not.
        """
        own = resolve_labels(self.labels)
        return self.context.glosses and (own == label_set or not of_ones_own(own))

    def save(self, folder: Path) -> None:
        """Write the bundle to ``folder``, adapter included, in place of one that is there.

        It is written beside its place and then put there, so that what breaks off leaves the old
        one as it was. Other files of the old one stay; its card, record, terms and notices only if
        it was of the same base. Those of the bundle that the adapter came with are copied, unless
        there are some.

        Raises:
            ModelError: The folder holds something else, or there is no model that could be
                loaded again.
            LabelError: The label set is a file that cannot be read.
        """
        if self.base is None:
            raise self.made_by_hand()
        check_free(folder)
        folder = folder.resolve()
        making = folder.with_name(f".{folder.name}.new")
        shutil.rmtree(making, ignore_errors=True)
        making.mkdir(parents=True)
        try:
            if folder.is_dir():
                left = () if _base_in(folder) == canonical_base(self.base) else COMPANIONS
                others = shutil.ignore_patterns(ADAPTER_FOLDER, *left)
                shutil.copytree(folder, making, dirs_exist_ok=True, ignore=others)
            self._write(making, self.base)
            if self.adapter is not None and (self.adapter.parent / BUNDLE_FILE).is_file():
                _copy_companions(self.adapter.parent, making)
            put_in_place(making, folder)
        finally:
            shutil.rmtree(making, ignore_errors=True)

    def made_by_hand(self) -> ModelError:
        """For bundles that name no model that could be loaded again."""
        return ModelError(
            f"'{self.name}' is an engine made by hand; a bundle of it could not be loaded.",
            hint="Load the model by its folder or name instead.",
        )

    def _write(self, folder: Path, base: str) -> None:
        if self.adapter is not None:
            shutil.copytree(self.adapter, folder / ADAPTER_FOLDER)
        content = {
            "schema": SCHEMA,
            "name": self.name,
            "base": canonical_base(base),
            "adapter": self.adapter is not None,
            "trained": self.trained,
            "labels": write_labels(folder / LABELS_FILE, self.labels),
            "prompt_format": self.prompt_format,
            "templates": self.templates,
            "context": asdict(self.context),
            "negotiation": asdict(replace(self.negotiation, calibration=Calibration())),
            "calibrations": {
                key: _calibration_entry(fitted) for key, fitted in self.calibrations.items()
            },
        }
        if self.fallbacks:
            content["fallbacks"] = {
                kind: _calibration_entry(fitted) for kind, fitted in self.fallbacks.items()
            }
        text = json.dumps(content, indent=1, ensure_ascii=False)
        (folder / BUNDLE_FILE).write_text(text + "\n", "utf-8")

    @classmethod
    def load(cls, folder: Path, links_within: Path | None = None) -> ModelBundle:
        """Read the bundle in ``folder``.

        Args:
            folder: Where it lies.
            links_within: A folder that its links may lead to; the bundle's own if not given.

        Raises:
            ModelError: It is not a bundle, lacks its adapter, or was made with other templates.
            LabelError: Its own label set cannot be read.
        """
        parsed = read_bundle_file(folder / BUNDLE_FILE)
        adapter = folder / ADAPTER_FOLDER if parsed.adapter else None
        if adapter is not None and not adapter.is_dir():
            raise ModelError(
                f"The model bundle {folder} lacks its folder '{ADAPTER_FOLDER}'.",
                hint="Copy the bundle's folder whole.",
            )
        own = parsed.labels == LABELS_FILE
        if not own and is_file(parsed.labels):
            raise ModelError(
                f"The model bundle {folder} names the label file '{shown(parsed.labels, 120)}'; "
                f"one of its own is called '{LABELS_FILE}'.",
                hint="Copy the bundle's folder whole.",
            )
        home = links_within or folder
        beside = [*_companions(folder), *([folder / LABELS_FILE] if own else [])]
        _check_inside(folder, home, adapter, *beside)
        bundle = cls(
            name=parsed.name,
            base=parsed.base,
            trained=parsed.trained,
            labels=read_label_file(folder / LABELS_FILE) if own else parsed.labels,
            prompt_format=parsed.prompt_format,
            templates=parsed.templates,
            context=parsed.context,
            negotiation=parsed.negotiation,
            calibrations={
                key: entry.calibration(fitted=True) for key, entry in parsed.calibrations.items()
            },
            fallbacks={
                kind: entry.calibration(fitted=False) for kind, entry in parsed.fallbacks.items()
            },
            adapter=adapter,
        )
        bundle._check_templates()
        return bundle

    def _check_templates(self) -> None:
        for part, digest in self.templates.items():
            if digest_of(part) != digest:
                raise ModelError(
                    f"The model bundle '{self.name}' was made with other '{part}' prompt "
                    f"templates ({digest}) than this version has ({digest_of(part)}).",
                    hint="Use the version of sentixrl it was made with, or train it again.",
                )


def _check_inside(folder: Path, home: Path, *parts: Path | None) -> None:
    """Refuse a bundle whose parts are links out of ``home``.

    Raises:
        ModelError: One is.
    """
    home = home.resolve()
    for part in filter(None, parts):
        for file in (part, *(part.rglob("*") if part.is_dir() else ())):
            if not file.resolve().is_relative_to(home):
                name = shown(str(file.relative_to(folder)), 120)
                raise ModelError(
                    f"The model bundle {folder}: '{name}' is a link that leads out of it.",
                    hint="Copy the bundle with what the link leads to (cp -L).",
                )


def _companions(folder: Path) -> list[Path]:
    """Those of :data:`COMPANIONS` that stand in a bundle's folder."""
    return [folder / name for name in COMPANIONS if (folder / name).is_file()]


def _base_in(folder: Path) -> str | None:
    """The base of the bundle in a folder, if there is one that can be read."""
    try:
        return read_bundle_file(folder / BUNDLE_FILE).base
    except ModelError:
        return None


def _copy_companions(source: Path, folder: Path) -> None:
    """Copy what comes along with one bundle beside another made from it, unless it is there."""
    for file in _companions(source):
        if not (folder / file.name).exists():
            shutil.copyfile(file, folder / file.name)


def check_free(folder: Path) -> None:
    """Refuse to write a bundle where something else is.

    Raises:
        ModelError: The folder holds something else.
    """
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


def _calibration_entry(fitted: Calibration) -> dict[str, float | list[float]]:
    entry: dict[str, float | list[float]] = {"scale": fitted.scale, "bias": list(fitted.bias)}
    more = {name: list(getattr(fitted, name)) for name in ("thresholds", "shares", "truths")}
    return entry | {name: values for name, values in more.items() if values}


def write_labels(path: Path, labels: str | LabelSet) -> str:
    """What ``bundle.json`` says of the labels; a set of one's own goes into a file.

    Args:
        path: That file; none stays there if the labels need none.
        labels: A scheme's name, names with commas, a YAML file, or a set.
    """
    if isinstance(labels, str) and is_file(labels):
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
