"""Where label sets come from: the named schemes, YAML files, and lists as users type them.

Contract: a file is read with a bound and builds nothing but text; whatever is no label set is one
:class:`~sentixrl.errors.LabelError` that names the file and the place in it.
"""

from __future__ import annotations

import ast
import difflib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib import resources
from os import PathLike
from pathlib import Path
from typing import Annotated

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from sentixrl.errors import LabelError, fault_words
from sentixrl.labels.sets import ANY_LANGUAGE, CUSTOM, Label, LabelSet, Polarity
from sentixrl.plain_yaml import MAX_FILE_BYTES, PlainYaml
from sentixrl.untrusted import read_bounded


class _LabelFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: Annotated[str, Field(min_length=1)]
    description: str = ""
    glosses: dict[str, str] = {}
    polarity: Polarity | None = None
    display: dict[str, str] = {}
    aliases: list[str] = []

    @model_validator(mode="after")
    def _explained_once(self) -> _LabelFile:
        if self.description and self.glosses:
            raise PydanticCustomError(
                "twice",
                "'description' is 'glosses' in one text for all languages; give one of the two",
            )
        return self

    def label(self) -> Label:
        glosses = {ANY_LANGUAGE: self.description} if self.description else self.glosses
        return Label(self.name, glosses, self.polarity, self.display, tuple(self.aliases))


def _as_mapping(item: object) -> object:
    return {"name": item} if isinstance(item, str) else item


class _SetFile(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: str
    description: str = ""
    source: str = ""
    multi_label: bool = False
    labels: list[Annotated[_LabelFile, BeforeValidator(_as_mapping)]]


class _Loader(PlainYaml, yaml.BaseLoader):
    """Takes every scalar as the text it is (``no`` is a language and a label, not False)."""


# For the schemes that come along, which tests read by the other one too: ten times as fast.
_OwnLoader = getattr(yaml, "CBaseLoader", yaml.BaseLoader)


def _place(location: tuple[int | str, ...]) -> str:
    parts = (f"#{part + 1}" if isinstance(part, int) else part for part in location)
    return " ".join(parts) or "the top level"


def _fault(error: yaml.YAMLError | RecursionError) -> str:
    mark = getattr(error, "problem_mark", None)
    where = f", line {mark.line + 1}, column {mark.column + 1}" if mark else ""
    problem = getattr(error, "problem", None)
    return where + (f": {problem}" if problem else "")


def _parse_set(text: str, origin: str, loader: type = _Loader) -> LabelSet:
    try:
        parsed = _SetFile.model_validate(yaml.load(text, Loader=loader))
    except (yaml.YAMLError, RecursionError) as error:
        raise LabelError(f"The label file {origin} is not valid YAML{_fault(error)}.") from None
    except ValidationError as error:
        first = error.errors()[0]
        complaint = fault_words(first["type"], first["msg"])
        raise LabelError(
            f"The label file {origin} does not fit at '{_place(first['loc'])}': {complaint}.",
            hint="It needs 'name' and 'labels'; 'sentixrl labels meld-7 --yaml' prints an example.",
        ) from None
    labels = [item.label() for item in parsed.labels]
    return LabelSet(parsed.name, labels, multi_label=parsed.multi_label)


@cache
def scheme_names() -> tuple[str, ...]:
    """The names of the label schemes that come with the library, sorted."""
    folder = resources.files("sentixrl") / "schemes"
    return tuple(sorted(item.name[:-5] for item in folder.iterdir() if item.name.endswith(".yaml")))


def scheme_text(name: str) -> str:
    """The YAML text of a named scheme.

    Raises:
        LabelError: There is no such scheme.
    """
    if name not in scheme_names():
        raise LabelError(
            f"There is no label scheme called '{name}'.",
            hint=f"There are: {', '.join(scheme_names())}.",
        )
    return (resources.files("sentixrl") / "schemes" / f"{name}.yaml").read_text("utf-8")


def of_ones_own(label_set: LabelSet) -> bool:
    """Whether labels come with explanations of somebody's own, not with those of a scheme."""
    return any(label.glosses and label not in _listed() for label in label_set)


@cache
def _listed() -> tuple[Label, ...]:
    """The labels of all schemes."""
    return tuple(label for name in scheme_names() for label in scheme(name))


def is_file(spec: str) -> bool:
    """Whether what ``--labels`` takes is a file's name."""
    return spec.lower().endswith((".yaml", ".yml"))


@cache
def scheme(name: str) -> LabelSet:
    """The named scheme, for example ``meld-7``.

    Raises:
        LabelError: There is no such scheme.
    """
    return _parse_set(scheme_text(name), f"of the scheme '{name}'", _OwnLoader)


def read_label_file(path: Path) -> LabelSet:
    """Read a label set from YAML: ``name`` and ``labels`` (names, or mappings with glosses …).

    Raises:
        LabelError: The file is missing, too large, not YAML, or not a label set.
    """
    try:
        text = read_bounded(path, MAX_FILE_BYTES).decode("utf-8-sig")
    except FileNotFoundError:
        raise LabelError(
            f"There is no label file {path}.", hint="Paths are relative to where the command runs."
        ) from None
    except (OSError, ValueError) as error:  # ValueError: not UTF-8, or a path no system takes
        reason = getattr(error, "strerror", None) or str(error)
        raise LabelError(f"The label file {path} cannot be read as UTF-8 text: {reason}.") from None
    return _parse_set(text, str(path))


def resolve_labels(spec: str | PathLike[str] | LabelSet | Sequence[Label | str]) -> LabelSet:
    """Read what ``--labels`` takes: a scheme's name, a YAML file, or names with commas.

    Args:
        spec: One of these; a list may be typed as in Python or YAML, ``['joy', 'anger']``. From
            Python also a label set, a path, or a list of names or labels.

    Raises:
        LabelError: It is none of these, or the set is not usable.
    """
    if isinstance(spec, LabelSet):
        return spec
    if isinstance(spec, PathLike):
        return read_label_file(Path(spec))
    if not isinstance(spec, str):
        return _of_list(spec)
    spec = spec.strip()
    if spec in scheme_names():
        return scheme(spec)
    if is_file(spec):
        return read_label_file(Path(spec))
    if (typed := _typed_list(spec)) is not None:
        return LabelSet(CUSTOM, typed)
    if "," not in spec and "،" not in spec and "，" not in spec and "、" not in spec:
        close = difflib.get_close_matches(spec.casefold()[:100], scheme_names(), n=1)
        meant = f"Did you mean '{close[0]}'? " if close else ""
        raise LabelError(
            f"{spec[:60]!r} is neither a label scheme, nor a YAML file, nor a list of labels, "
            "which has two or more.",
            hint=f'{meant}Schemes: {", ".join(scheme_names())}. Lists: "calm, curious, annoyed".',
        )
    for mark in "،，、":
        spec = spec.replace(mark, ",")
    names = [name.strip() for name in spec.split(",")]
    if explained := next((name for name in names if ": " in name), None):
        raise LabelError(
            f"{explained[:40]!r} holds a colon: a list has the labels' names alone.",
            hint="Write descriptions into a label file, --labels mine.yaml ('sentixrl labels "
            "meld-7 --yaml' prints an example). If the colon belongs to the name, write a list: "
            "\"['mood: high', 'mood: low']\".",
        )
    return LabelSet(CUSTOM, names)


def _of_list(labels: object) -> LabelSet:
    if not isinstance(labels, Sequence) or isinstance(labels, bytes | bytearray):
        raise LabelError(
            f"Labels are a scheme's name, a YAML file or a list, not {type(labels).__name__}.",
            hint='For example: labels="meld-7", or labels=["calm", "annoyed"]',
        )
    return LabelSet(CUSTOM, labels)


def _typed_list(spec: str) -> list[str] | None:
    """The names of a list as Python or YAML write it; ``None`` where it is no such list.

    Raises:
        LabelError: It is a mapping, of which nobody can tell which side the labels are.
    """
    if spec[:1] + spec[-1:] not in {"[]", "()", "{}"} or len(spec) > MAX_FILE_BYTES:
        return None
    for read in (ast.literal_eval, _yaml_list):
        try:
            value = read(spec)
        except (ValueError, SyntaxError, MemoryError, RecursionError, TypeError, yaml.YAMLError):
            continue
        if isinstance(value, Mapping):
            raise LabelError(
                "The labels are typed as a mapping, not as a list.",
                hint='Write the names alone: "calm, curious, annoyed".',
            )
        names = list(value) if isinstance(value, list | tuple) else []
        if names and all(isinstance(name, str) for name in names):
            return names
    return None


def _yaml_list(spec: str) -> object:
    """What stands in brackets, every name as it is written."""
    return yaml.load(spec, Loader=_Loader) if spec.startswith("[") else None
