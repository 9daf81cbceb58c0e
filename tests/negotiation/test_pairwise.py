"""A verifier's question: two labels and neither, in both orders, in every language."""

from __future__ import annotations

import pytest

from sentixrl.classifier import Classifier
from sentixrl.context.building import ContextBuilder, ContextOptions, Demonstration
from sentixrl.context.prompt import Prompt
from sentixrl.context.templates import template_languages, templates
from sentixrl.dialogue import Dialogue
from sentixrl.engines.protocol import Failure, ScoreRequest
from sentixrl.engines.scripted import Scorer, ScriptedEngine
from sentixrl.errors import ConfigError, LabelError
from sentixrl.labels import LabelSet, scheme
from sentixrl.negotiation.options import NegotiationOptions
from sentixrl.negotiation.pairwise import Between, PairAnswer, PairQuestion, pair_question

LABELS = scheme("meld-7")
TALK = Dialogue.from_texts(
    [("Ann", "We walked home."), ("Bob", "Without a word?"), ("Ann", "Yes.")], language="en"
)
SHOWN = (
    Demonstration("Not one word!", "anger", "Cleo"),
    Demonstration("You never said that.", "surprise"),
)


def asked(language: str = "en", names: tuple[str, str] = ("anger", "surprise")) -> PairQuestion:
    builder = ContextBuilder(LABELS, ContextOptions(language=language), len)
    return pair_question(builder, builder.build(TALK)[1], templates(language), names, SHOWN)


def test_the_question_reads_as_english() -> None:
    question = asked()
    assert question.prompt.text.splitlines()[-5:] == [
        "Bob: Without a word?",
        "Example. Cleo: Not one word! Emotion: anger.",
        "Example. Someone: You never said that. Emotion: surprise.",
        "Emotions: anger, surprise, neither.",
        "Bob feels",
    ]
    assert question.choices == ("anger", "surprise", "neither")


@pytest.mark.parametrize("language", template_languages())
def test_both_orders_share_everything_before_the_statement(language: str) -> None:
    one, other = asked(language), asked(language, ("surprise", "anger"))
    (first,), (second,) = (
        [message.segments for message in each.prompt.messages if message.role == "user"]
        for each in (one, other)
    )
    alike = [left == right for left, right in zip(first, second, strict=True)]
    assert alike == [True] * (len(alike) - 2) + [False, True]
    assert one.choices[:2] == other.choices[1::-1]
    assert one.choices[2] == other.choices[2]
    assert one.choices[2] not in LABELS.words(language)


def verifier(score: Scorer | None, labels: LabelSet = LABELS, **options: object) -> Classifier:
    engine = ScriptedEngine(score, write=lambda prompt: "")
    return Classifier(
        engine, labels, ContextOptions(language="en"), NegotiationOptions(**options)  # type: ignore[arg-type]
    )  # fmt: skip


def test_what_is_read_first_has_no_advantage() -> None:
    """A model that only prefers what stands first finds both labels alike."""
    model = verifier(lambda prompt, choices: [6, 3, 1])
    (answers,) = model.between([(TALK, [Between(1, ("anger", "surprise"))])])
    (answer,) = answers
    assert isinstance(answer, PairAnswer)
    assert answer.shares == pytest.approx((0.45, 0.45, 0.1))
    assert answer.cost.tokens > 0


def test_answers_come_as_they_are_asked_and_both_orders_in_one_call() -> None:
    def score(prompt: Prompt, choices: tuple[str, ...]) -> list[float] | Failure:
        if "Yes." in prompt.text:
            return Failure("too_long", "It does not fit.")
        return [7 if choice == "anger" else 1 for choice in choices]

    model = verifier(score)
    questions = [
        Between(0, ("joy", "anger")), Between(2, ("joy", "fear")), Between(1, ("anger", "joy"))
    ]  # fmt: skip
    first, second = model.between([(TALK, questions), (TALK, [])])
    assert second == []
    one, failed, other = first
    assert isinstance(one, PairAnswer)
    assert one.shares == pytest.approx((1 / 9, 7 / 9, 1 / 9))
    assert isinstance(other, PairAnswer)
    assert other.shares == pytest.approx((7 / 9, 1 / 9, 1 / 9))
    assert isinstance(failed, Failure)
    engine = model.engine
    assert isinstance(engine, ScriptedEngine)
    assert [len(batch) for batch in engine.batches] == [6]
    assert all(isinstance(call, ScoreRequest) for call in engine.calls)


def test_a_label_that_reads_as_neither_is_refused() -> None:
    model = verifier(lambda prompt, choices: [1, 1, 1], LabelSet("odd", ["calm", "neither"]))
    with pytest.raises(LabelError, match="A label is called 'neither'"):
        list(model.between([(TALK, [Between(0, ("calm", "neither"))])]))


def test_a_verifier_needs_scores_and_one_label_a_turn() -> None:
    with pytest.raises(ConfigError, match="gives no scores"):
        list(verifier(None).between([(TALK, [])]))
    several = verifier(lambda prompt, choices: [1, 1], kind="several")
    with pytest.raises(ConfigError, match="one label a turn"):
        list(several.between([(TALK, [])]))
