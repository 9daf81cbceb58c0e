"""Unified labels: maps from the schemes of data sets into shared ones, as data.

``schemes/maps/TARGET.yaml`` says for each source scheme where its labels go, ``null`` to leave such
utterances out, and why. :func:`map_loss` says in numbers what a map loses on given data.

Contract: every label of a source is mapped, or said to be left out. A scheme maps to itself
unchanged.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

import yaml
from pydantic import BaseModel, ConfigDict, Field

from sentixrl.errors import LabelError
from sentixrl.labels.files import scheme, scheme_names
from sentixrl.labels.sets import LabelMap, LabelSet
from sentixrl.plain_yaml import PlainYaml


class _Loader(PlainYaml, yaml.SafeLoader):
    """Takes ``null`` for nothing."""


class _Source(BaseModel):
    model_config = ConfigDict(extra="forbid")

    why: str
    map: dict[str, str | None]


class _File(BaseModel):
    model_config = ConfigDict(extra="forbid")

    target: str
    about: str
    sources: dict[str, _Source] = Field(alias="from")


@cache
def unified_names() -> tuple[str, ...]:
    """The schemes that others are mapped to."""
    folder = resources.files("sentixrl") / "schemes" / "maps"
    return tuple(
        sorted(
            entry.name.removesuffix(".yaml")
            for entry in folder.iterdir()
            if entry.name.endswith(".yaml")
        )
    )


@cache
def _read(target: str) -> _File:
    path = resources.files("sentixrl") / "schemes" / "maps" / f"{target}.yaml"
    return _File.model_validate(yaml.load(path.read_text("utf-8"), Loader=_Loader))


def sources_of(target: str) -> tuple[str, ...]:
    """The schemes that are mapped to a shared one.

    Raises:
        LabelError: It is not one that others are mapped to.
    """
    if target not in unified_names():
        raise LabelError(
            f"There are no maps to '{target}'.",
            hint=f"There are maps to: {', '.join(unified_names())}.",
        )
    return tuple(_read(target).sources)


def reason(source: str, target: str) -> str:
    """Why the map is as it is, in a sentence."""
    return _read(target).sources[source].why


def label_map(source: LabelSet, target: str) -> LabelMap:
    """The map from a label set into a shared scheme.

    Args:
        source: A scheme, or a part of one (some data sets have no utterance of a label).
        target: The shared scheme's name.

    Raises:
        LabelError: There is no such map.
    """
    shared = scheme(target) if target in scheme_names() else None
    if shared is not None and set(source.names) <= set(shared.names):
        return LabelMap(source, shared, {name: name for name in source.names})
    for name in sources_of(target):
        mapping = _read(target).sources[name].map
        if set(source.names) <= set(mapping) and _is(source, name):
            return LabelMap(source, scheme(target), {one: mapping[one] for one in source.names})
    raise LabelError(
        f"There is no map from '{source.name}' to '{target}'.",
        hint=f"There are maps from: {', '.join(sources_of(target))}.",
    )


def _is(source: LabelSet, name: str) -> bool:
    """Whether a label set is a named scheme, or what a loader makes of it."""
    return source.name == name or source.name.startswith(f"{name}-")


def merged(source: LabelSet, mapping: Mapping[str, str | None]) -> LabelMap:
    """A map of one's own: labels that share a target become one.

    Args:
        source: The labels.
        mapping: Label → what it becomes, ``None`` to leave it out. A target that is the name of a
            label of the source keeps its words in all languages.

    Raises:
        LabelError: A label is missing, unknown, or fewer than two classes remain.
    """
    names = dict.fromkeys(name for name in mapping.values() if name is not None)
    own = {label.name: label for label in source}
    content = sorted((one, to or "") for one, to in mapping.items())
    mark = hashlib.sha256(repr(content).encode()).hexdigest()[:8]
    target = LabelSet(f"{source.name}-merged-{mark}", [own.get(name, name) for name in names])
    return LabelMap(source, target, dict(mapping))


@dataclass(frozen=True, slots=True)
class MapLoss:
    """What a map loses on given data.

    Attributes:
        utterances: With a label.
        before: Entropy of the labels, in bits.
        after: Entropy of the mapped labels of what is kept, in bits.
        lost: Bits per kept utterance that the mapped label no longer tells: the entropy of the
            label given the mapped one.
        merged: Share of the utterances whose label shares its target with another that occurs.
        dropped: Share of the utterances that are left out.
    """

    utterances: int
    before: float
    after: float
    lost: float
    merged: float
    dropped: float


def map_loss(mapping: LabelMap, counts: Mapping[str, int]) -> MapLoss:
    """What a map loses on data of given label counts.

    Args:
        mapping: The map.
        counts: Label of the source → how many utterances have it.

    Raises:
        LabelError: No utterance has a label.
    """
    total = sum(counts.values())
    if not total:
        raise LabelError("What a map loses cannot be told: no utterance has a label.")
    there = {name: number for name, number in counts.items() if number}
    kept = {name: number for name, number in there.items() if mapping(name) is not None}
    sizes: Counter[str | None] = Counter()
    members = Counter(mapping(name) for name in kept)
    for name, number in kept.items():
        sizes[mapping(name)] += number
    merged = sum(number for name, number in kept.items() if members[mapping(name)] > 1)
    inside, after = entropy(kept.values()), entropy(sizes.values())
    return MapLoss(
        utterances=total,
        before=entropy(there.values()),
        after=after,
        lost=max(0.0, inside - after),
        merged=merged / total,
        dropped=1 - sum(kept.values()) / total,
    )


def entropy(counts: Iterable[int]) -> float:
    """The entropy of a distribution given by counts, in bits."""
    numbers = [number for number in counts if number]
    total = sum(numbers)
    return -sum(number / total * math.log2(number / total) for number in numbers)
