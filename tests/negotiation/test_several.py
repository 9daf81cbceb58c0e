"""Questions about several labels: one per label, on one trunk, in every language."""

from __future__ import annotations

import math

import pytest

from sentixrl.context.building import ContextBuilder, ContextOptions, TargetContext
from sentixrl.context.prompt import Prompt
from sentixrl.context.templates import TemplateSet, template_languages, templates
from sentixrl.dialogue import Dialogue
from sentixrl.engines.protocol import Failure, ScoreRequest
from sentixrl.engines.scripted import ScriptedEngine
from sentixrl.labels import LabelSet, scheme
from sentixrl.negotiation.several import LabelQuestion, judge_together, label_questions

LABELS = scheme("brighter-6")


def about(language: str, labels: LabelSet = LABELS) -> tuple[TargetContext, TemplateSet]:
    builder = ContextBuilder(labels, ContextOptions(language=language), len, several=True)
    talk = Dialogue.from_texts([("Ann", "We walked home."), ("Bob", "Without a word?")])
    return builder.build(talk)[1], templates(language)


def asked(language: str) -> tuple[LabelQuestion, ...]:
    return label_questions(*about(language), LABELS)


@pytest.mark.parametrize("language", template_languages())
def test_questions_share_everything_but_the_label(language: str) -> None:
    questions = asked(language)
    assert [question.label for question in questions] == list(LABELS.names)
    segments = [question.prompt.messages[-1].segments for question in questions]
    assert len({parts[:-1] for parts in segments}) == 1
    for label, parts in zip(LABELS, segments, strict=True):
        assert label.word(language) in parts[-1]
    assert len({question.choices for question in questions}) == 1
    assert len(set(questions[0].choices)) == 2


def test_a_question_reads_as_english() -> None:
    first, *_ = asked("en")
    assert first.prompt.text.splitlines()[-1] == "Does Bob feel anger?"
    assert first.choices == ("yes", "no")
    assert "the one emotion" not in first.prompt.text


def test_log_odds_are_those_of_yes_and_failures_stay_in_their_place() -> None:
    def score(prompt: Prompt, choices: tuple[str, ...]) -> list[float] | Failure:
        if prompt.text.endswith("fear?"):
            return Failure("too_long", "It does not fit.")
        return [0.8, 0.2] if prompt.text.endswith("joy?") else [0.5, 0.5]

    engine = ScriptedEngine(score=score)
    with engine.session() as session:
        found = dict(zip(LABELS.names, judge_together(session, asked("en")), strict=True))
    assert found["joy"] == pytest.approx(math.log(4))
    assert found["anger"] == pytest.approx(0.0)
    assert isinstance(found["fear"], Failure)
    calls = [call for call in engine.calls if isinstance(call, ScoreRequest)]
    assert len(calls) == len(LABELS)
