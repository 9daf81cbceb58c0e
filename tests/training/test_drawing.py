"""Drawn label sets: names stay, needed labels stay, words stay apart."""

from __future__ import annotations

import random
from collections import Counter
from importlib import resources

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sentixrl.context.templates import template_languages
from sentixrl.labels import Label, LabelSet, scheme, scheme_names
from sentixrl.training.drawing import LabelDraw

FREE = LabelDraw(shuffle=True, subset=1.0, wording=1.0)
shares = st.floats(0, 1)
draws = st.builds(LabelDraw, shuffle=st.booleans(), subset=shares, wording=shares)
seeds = st.integers(0, 2**32)


@st.composite
def needs(draw: st.DrawFn) -> tuple[LabelSet, frozenset[str]]:
    labels = scheme(draw(st.sampled_from(scheme_names())))
    return labels, draw(st.frozensets(st.sampled_from(labels.names), max_size=5))


@given(draws, needs(), seeds, st.sampled_from(template_languages()))
def test_a_draw_keeps_names_and_needed_labels_and_words_apart(
    drawn: LabelDraw, asked: tuple[LabelSet, frozenset[str]], seed: int, language: str
) -> None:
    labels, needed = asked
    found = drawn(labels, needed, language, random.Random(seed))
    assert set(found.names) <= set(labels.names)
    assert needed <= set(found.names)
    assert len(found) >= 2
    assert found.name == labels.name
    assert found.multi_label == labels.multi_label
    words = [word.casefold() for word in found.words(language)]
    assert len(set(words)) == len(words)
    assert drawn(labels, needed, language, random.Random(seed)) == found
    if not drawn.shuffle:
        assert list(found.names) == [name for name in labels.names if name in found]
    if not drawn.subset:
        assert set(found.names) == set(labels.names)
    if not drawn.wording:
        assert all(label.word(language) == labels[label.name].word(language) for label in found)
    for other in set(template_languages()) - {language}:
        assert all(label.word(other) == labels[label.name].word(other) for label in found)


@pytest.mark.parametrize("name", scheme_names())
def test_no_draw_of_a_shipped_scheme_clashes(name: str) -> None:
    labels = scheme(name)
    for seed in range(300):
        FREE(labels, (), "en", random.Random(seed))


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["joy", "glad", "anger", "other", "none", "worry", "pride"]),
            st.sampled_from(["joy", "anger", "neutral", "worry", "powerful", "busy", "tired"]),
            st.lists(
                st.sampled_from(["Happiness", "mad", "RAGE", "anxious", "proud", "no emotion"]),
                max_size=2,
            ),
        ),
        min_size=2,
        max_size=5,
    ),
    seeds,
)
def test_words_also_keep_apart_from_aliases_and_other_languages(
    rows: list[tuple[str, str, list[str]]], seed: int
) -> None:
    taken: set[str] = set()
    labels = []
    for name, word, aliases in rows:
        said = {name, word, *(alias.casefold() for alias in aliases)}
        if taken & said:
            continue
        taken |= said
        labels.append(Label(name, display={"en": word}, aliases=tuple(aliases)))
    if len(labels) < 2:
        return
    some = LabelDraw(shuffle=True, wording=0.5)
    found = some(LabelSet("own", labels), (), "en", random.Random(seed))
    assert set(found.names) == {label.name for label in labels}


def test_a_fixed_draw_is_the_set_itself() -> None:
    labels = scheme("meld-7")
    assert LabelDraw().fixed
    assert LabelDraw()(labels, (), "en", random.Random(0)) is labels
    assert not FREE.fixed


def test_draws_differ_in_order_subset_and_words() -> None:
    labels = scheme("meld-7")
    found = [FREE(labels, ("joy",), "en", random.Random(seed)) for seed in range(200)]
    assert len({each.names for each in found}) > 150
    assert len({len(each) for each in found}) >= 5
    words = Counter(each["joy"].word("en") for each in found)
    assert set(words) == {"happiness", "happy", "joyful", "delight"}
    assert min(words.values()) > 20


def test_half_the_words_are_reworded_at_one_half() -> None:
    half = LabelDraw(wording=0.5)
    found = [half(scheme("meld-7"), (), "en", random.Random(seed)) for seed in range(400)]
    assert 160 < sum(each["joy"].word("en") == "joy" for each in found) < 240


def test_a_subset_for_free_lines_has_three_or_more_and_is_in_order() -> None:
    drawn, labels = LabelDraw(subset=0.5), scheme("goemotions-28")
    sizes = Counter(len(drawn.needed(labels, random.Random(seed))) for seed in range(400))
    assert min(sizes) >= 3
    assert 150 < sizes[28] < 250
    names = drawn.needed(labels, random.Random(3))
    assert list(names) == [name for name in labels.names if name in names]
    assert (
        LabelDraw(subset=1.0).needed(scheme("sentiment-3"), random.Random(0))
        == scheme("sentiment-3").names
    )


def test_a_languages_words_are_groups_of_two_or_more() -> None:
    text = (resources.files("sentixrl") / "training" / "wordings.yaml").read_text("utf-8")
    groups = yaml.safe_load(text)
    assert set(groups) <= set(template_languages())
    for language, found in groups.items():
        for group in found:
            assert len(group) == len(set(group)) >= 2, group
            assert all(isinstance(word, str) and word == word.strip() for word in group), group
        counts = Counter(word for group in found for word in group)
        several = {word for word, count in counts.items() if count > 1}
        heads = {label.word(language) for name in scheme_names() for label in scheme(name)}
        # A word of two groups is fine as an answer; as a label's own word it would have no one
        # group to be drawn from.
        assert not several & heads, f"{language}: {several & heads}"
