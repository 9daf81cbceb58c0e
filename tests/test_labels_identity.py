"""What the labels of a set are, by whatever names and in whatever order."""

from __future__ import annotations

import pytest

from sentixrl.labels import Label, LabelSet, canonical_order, concepts, identity, scheme

EKMAN = "anger; disgust; fear; joy; neutral; sadness; surprise"


@pytest.mark.parametrize(
    "labels",
    [
        scheme("ekman-7"),
        scheme("meld-7"),
        scheme("dailydialog-7"),
        scheme("emotiontalk-7"),
        scheme("goemotions-7"),
        LabelSet("mine", ["Sad", "HAPPY", "none", "angry", "afraid", "surprised", "disgusted"]),
        LabelSet("mine", ["愤怒", "厌恶", "恐惧", "快乐", "悲伤", "惊讶", "中性"]),
        LabelSet("mine", ["enojo", "asco", "miedo", "alegría", "tristeza", "sorpresa", "neutral"]),
        LabelSet("mine", ["غضب", "اشمئزاز", "خوف", "فرح", "حزن", "دهشة", "محايد"]),
    ],
    ids=lambda labels: labels.names[0],
)
def test_ekmans_seven_are_these_by_any_name(labels: LabelSet) -> None:
    assert identity(labels) == EKMAN


def test_a_known_word_among_the_spellings_tells_an_unknown_name() -> None:
    coded = LabelSet("coded", [Label("E1", display={"en": "joy"}), Label("E2", aliases=("anger",))])
    assert concepts(coded) == ("joy", "anger")


def test_other_labels_are_themselves_without_case() -> None:
    one, other = LabelSet("a", ["Wistful", "calm"]), LabelSet("b", ["calm", "wistful"])
    assert identity(one) == identity(other) == "calm; wistful"
    assert identity(one) != identity(LabelSet("c", ["calm", "wistful", "bored"]))


def test_labels_that_would_fall_together_keep_their_names() -> None:
    both = LabelSet("both", ["joy", "happiness", "anger"])
    assert concepts(both) == ("joy", "happiness", "anger")
    assert identity(both) != identity(LabelSet("one", ["joy", "anger"]))


def test_no_two_labels_of_a_scheme_are_one_concept() -> None:
    for name in ("goemotions-28", "cped-13", "emorynlp-7", "plutchik-8"):
        assert len(set(concepts(scheme(name)))) == len(scheme(name))


def test_sets_of_one_identity_share_an_order() -> None:
    for labels in (scheme("meld-7"), scheme("dailydialog-7")):
        found = concepts(labels)
        assert "; ".join(found[place] for place in canonical_order(labels)) == EKMAN
