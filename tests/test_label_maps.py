"""Unified labels: maps that are data, what they lose, and their control."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentixrl.datasets.dataset import Dataset
from sentixrl.datasets.mapped import capped, unified
from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.errors import ConfigError, LabelError
from sentixrl.experiments.merging import random_merge
from sentixrl.labels import (
    LabelSet,
    label_map,
    map_loss,
    merged,
    reason,
    scheme,
    sources_of,
    unified_names,
)

EMORY = {
    "Joyful": 2184, "Mad": 1076, "Peaceful": 900, "Neutral": 3034, "Sad": 671, "Powerful": 784,
    "Scared": 1285,
}  # fmt: skip


def test_the_shared_schemes_are_these() -> None:
    assert unified_names() == ("ekman-7", "instructerc-9", "plutchik-8")


@pytest.mark.parametrize("target", unified_names())
def test_every_map_covers_its_source_and_says_why(target: str) -> None:
    for source in sources_of(target):
        mapping = label_map(scheme(source), target)
        assert set(mapping.mapping) == set(scheme(source).names)
        assert any(mapping(name) is not None for name in scheme(source).names)
        assert reason(source, target).endswith(".")
    for needed in ("meld-7", "emorynlp-7", "iemocap-6", "goemotions-28", "emotiontalk-7"):
        assert needed in sources_of(target)


def test_a_part_of_a_scheme_and_a_scheme_within_the_target_are_mapped() -> None:
    part = scheme("emorynlp-7").only(["Joyful", "Mad", "Sad"])
    assert label_map(part, "ekman-7")("Mad") == "anger"
    own = LabelSet("mine", ["joy", "neutral"])
    assert label_map(own, "ekman-7")("joy") == "joy"


def test_what_is_not_mapped_is_refused() -> None:
    with pytest.raises(LabelError, match="no map from 'cped-13' to 'ekman-7'"):
        label_map(scheme("cped-13"), "ekman-7")
    with pytest.raises(LabelError, match="no maps to 'meld-7'"):
        sources_of("meld-7")


def test_what_a_map_loses_adds_up() -> None:
    found = map_loss(label_map(scheme("emorynlp-7"), "ekman-7"), EMORY)
    total = sum(EMORY.values())
    assert found.merged == pytest.approx((2184 + 900 + 784) / total)
    assert found.dropped == 0
    assert found.lost == pytest.approx(found.before - found.after)
    without = map_loss(label_map(scheme("emorynlp-7"), "plutchik-8"), EMORY)
    assert without.dropped == pytest.approx(3034 / total)


@given(st.lists(st.integers(0, 50), min_size=7, max_size=7).filter(any))
def test_a_map_never_loses_more_than_there_is(counts: list[int]) -> None:
    named = dict(zip(EMORY, counts, strict=True))
    for target in unified_names():
        found = map_loss(label_map(scheme("emorynlp-7"), target), named)
        assert 0 <= found.lost <= math.log2(7) + 1e-9
        assert 0 <= found.merged + found.dropped <= 1 + 1e-9


def test_a_random_merge_has_other_classes_of_nearly_the_same_sizes() -> None:
    mapping = label_map(scheme("emorynlp-7"), "ekman-7")
    control = random_merge(mapping, EMORY, seed=0)
    assert control == random_merge(mapping, EMORY, seed=0)
    together = {one for one in EMORY if control(one) == control("Joyful")}
    assert together != {"Joyful", "Peaceful", "Powerful"}
    assert len(control.target) == 5
    lost = map_loss(mapping, EMORY).lost
    assert map_loss(control, EMORY).lost == pytest.approx(lost, abs=0.2)
    for name in control.target.names:  # a class is called after its commonest label
        inside = [one for one in EMORY if control(one) == name]
        assert max(inside, key=EMORY.__getitem__) == name


def test_a_map_that_merges_nothing_has_no_random_merge() -> None:
    with pytest.raises(LabelError, match="merges no labels"):
        random_merge(label_map(scheme("meld-7"), "ekman-7"), {"joy": 1}, 0)


def data(*golds: str | None) -> Dataset:
    turns = tuple(Utterance(f"Turn {n}", gold=gold) for n, gold in enumerate(golds))
    return Dataset("x", "train", "emotion", scheme("emorynlp-7"), (Dialogue("1", turns),))


def test_a_split_under_shared_labels_keeps_its_turns() -> None:
    found = unified(data("Joyful", "Neutral", None, "Powerful"), "plutchik-8")
    assert [turn.gold for turn in found.utterances] == ["joy", None, None, "anticipation"]
    assert found.label_set.name == "plutchik-8"
    assert found.left_out == {"of a label without a target": 1}


def test_a_map_of_ones_own_keeps_the_words_of_its_labels() -> None:
    source = scheme("emorynlp-7")
    to = {name: "Mad" if name in {"Sad", "Scared"} else name for name in source.names}
    found = merged(source, to)
    assert len(found.target) == 5
    assert found.target["Mad"].word("zh") == source["Mad"].word("zh")
    with pytest.raises(LabelError, match="says nothing about"):
        merged(source, {"Mad": "Mad", "Sad": "Sad"})


def test_several_labels_are_not_mapped() -> None:
    several = data("Joyful")
    turns = (Utterance("a", golds=("Joyful",)),)
    several = Dataset("x", "train", "emotion", several.label_set, (Dialogue("1", turns),))
    with pytest.raises(ConfigError, match="several labels"):
        unified(several, "ekman-7")


def test_at_most_so_many_turns_of_a_label_stay_labelled() -> None:
    found = capped(data(*["Joyful"] * 5, *["Mad"] * 2), 3, seed=0)
    assert (found.label_counts["Joyful"], found.label_counts["Mad"]) == (3, 2)
    assert len(list(found.utterances)) == 7
    assert found == capped(data(*["Joyful"] * 5, *["Mad"] * 2), 3, seed=0)
