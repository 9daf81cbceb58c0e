"""What each role is asked, and that it is what negotiation asks at inference."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentixrl.context.building import ContextBuilder, ContextOptions
from sentixrl.context.prompt import Prompt
from sentixrl.engines.protocol import ScoreRequest
from sentixrl.engines.scripted import ScriptedEngine
from sentixrl.labels import Label, LabelSet, scheme, scheme_names
from sentixrl.negotiation.negotiator import Negotiator
from sentixrl.negotiation.options import NegotiationOptions
from sentixrl.negotiation.protocol import Rules
from sentixrl.negotiation.scheduling import Scheduler
from sentixrl.training.questions import ROLES, OutOfFold, Question

from .small import LABELS, OUT_OF_FOLD, TALK, ask, dialogue

WORDED = LabelSet(
    "worded",
    [Label("JOY", display={"en": "gladness"}), Label("ANG", display={"en": "fury"}), "calm"],
)


def one(gold: str, out_of_fold: OutOfFold | None = None, challenge: bool = False) -> list[Question]:
    return ask(
        dialogue(("We walked home.", gold)),
        WORDED,
        {0: out_of_fold} if out_of_fold else {},
        challenge,
    )


def spoken(prompt: Prompt) -> list[str]:
    """What the model itself is shown to have said, piece by piece."""
    return [
        segment.strip() for m in prompt.messages if m.role == "assistant" for segment in m.segments
    ]


def roles(asked: Sequence[Question]) -> list[str]:
    return [question.role for question in asked]


def test_without_a_proposal_the_generator_alone_is_asked() -> None:
    (question,) = one("ANG")
    assert question.role == "generator"
    assert question.choices == ("gladness", "fury", "calm")
    assert question.names == ("JOY", "ANG", "calm")
    assert question.target == 1
    assert question.label == "ANG"
    assert question.prompt.text.endswith("Ann feels")
    assert "We walked home." in question.prompt.text


def test_a_right_proposal_is_agreed_with() -> None:
    first, verdict = one("JOY", OutOfFold("JOY", "calm"))
    assert verdict.role == "verdict"
    assert verdict.choices == ("yes", "no")
    assert verdict.target == 0
    assert verdict.names == ()
    assert verdict.label == "JOY"
    assert verdict.prompt.text == f"{first.prompt.text} gladness Right"


def test_a_right_proposal_that_is_objected_to_is_stood_by() -> None:
    asked = one("JOY", OutOfFold("JOY", "calm"), challenge=True)
    assert roles(asked) == ["generator", "verdict", "again"]
    again = asked[-1]
    assert again.target == again.names.index("JOY") == 0
    assert again.prompt.text == f"{asked[1].prompt.text} no, calm So"


def test_a_wrong_proposal_is_objected_to_countered_and_mended() -> None:
    asked = one("ANG", OutOfFold("JOY", "calm"))
    assert roles(asked) == list(ROLES)
    _, verdict, counter, again = asked
    assert verdict.target == 1
    assert counter.choices == ("fury", "calm")
    assert counter.names == ("ANG", "calm")
    assert counter.target == 0
    assert counter.prompt.text == f"{verdict.prompt.text} no,"
    assert again.choices == ("gladness", "fury", "calm")
    assert again.target == 1
    assert again.prompt.text == f"{counter.prompt.text} fury So"


def test_beliefs_go_with_the_first_question_over_the_labels_shown() -> None:
    found = OutOfFold.of(WORDED.names, [0.5, 0.1, 0.4])
    assert (found.proposal, found.runner_up) == ("JOY", "calm")
    asked = one("ANG", found)
    assert asked[0].beliefs == (0.5, 0.1, 0.4)
    assert not any(question.beliefs for question in asked[1:])
    two = WORDED.only(["calm", "JOY"])
    (first, *_) = ask(dialogue(("We walked home.", "JOY")), two, {0: found})
    assert dict(zip(first.names, first.beliefs, strict=True)) == {
        "JOY": pytest.approx(5 / 9), "calm": pytest.approx(4 / 9)
    }  # fmt: skip
    (first, *_) = ask(dialogue(("We walked home.", "JOY")), two, {0: OutOfFold("JOY", "calm")})
    assert first.beliefs == ()


def test_a_proposal_that_the_pack_does_not_show_is_not_judged() -> None:
    two = WORDED.only(["JOY", "ANG"])
    asked = ask(dialogue(("We walked home.", "ANG")), two, {0: OutOfFold("JOY", "calm")})
    assert roles(asked) == ["generator"]


names = st.sampled_from(LABELS.names)
texts = st.sampled_from(["We walked home.", "You kept it?", "Years!", "No word of it."])
turns = st.lists(st.tuples(texts, st.none() | names), min_size=1, max_size=5)


@st.composite
def pairs(draw: st.DrawFn) -> OutOfFold:
    first, second = draw(st.lists(names, min_size=2, max_size=2, unique=True))
    return OutOfFold(first, second)


@given(turns, st.lists(pairs(), min_size=5, max_size=5), st.booleans())
def test_targets_are_right_and_golds_stay_out_of_prompts(
    said: list[tuple[str, str | None]], proposals: list[OutOfFold], challenge: bool
) -> None:
    out_of_fold = dict(enumerate(proposals))
    asked = ask(dialogue(*said), LABELS, out_of_fold, challenge)
    assert roles(asked).count("generator") == sum(gold is not None for _, gold in said)
    turn = -1
    for question in asked:
        if question.role == "generator":
            turn = next(n for n in range(turn + 1, len(said)) if said[n][1] is not None)
        gold, found = said[turn][1], out_of_fold[turn]
        assert question.label == gold
        right = found.proposal == gold
        if question.role == "verdict":
            assert question.choices[question.target] == ("yes" if right else "no")
        else:
            assert question.names[question.target] == gold
            assert question.choices == tuple(LABELS[name].word("en") for name in question.names)
        assert (found.proposal in question.names) == (question.role not in ("counter", "verdict"))
        objection = found.runner_up if right else gold
        words = {
            "generator": [],
            "verdict": [found.proposal],
            "counter": [found.proposal, "no,"],
            "again": [found.proposal, "no,", objection],
        }[question.role]
        assert " ".join(spoken(question.prompt)).replace("no ,", "no,") == " ".join(words)
        shown = "\n".join(
            segment for m in question.prompt.messages if m.role != "assistant"
            for segment in m.segments
        )  # fmt: skip
        # The label statement aside, no label's name stands in what the roles are asked.
        statement = f"Emotions: {', '.join(LABELS.words('en'))}."
        assert statement in shown
        rest = shown.replace(statement, "").casefold()
        assert not [name for name in LABELS.names if name in rest]


@given(turns, turns)
def test_other_golds_change_targets_and_nothing_else(
    said: list[tuple[str, str | None]], others: list[tuple[str, str | None]]
) -> None:
    """Relabel every labelled turn: the generator's prompts stay as they are."""
    golds = [gold for _, gold in others if gold] or ["joy"]
    relabelled = [
        (text, golds[place % len(golds)] if gold else None)
        for place, (text, gold) in enumerate(said)
    ]
    before, after = ask(dialogue(*said)), ask(dialogue(*relabelled))
    assert [q.prompt for q in before] == [q.prompt for q in after]
    assert [q.choices for q in before] == [q.choices for q in after]


def requests_at_inference(gold: str, found: OutOfFold, label_set: LabelSet) -> list[ScoreRequest]:
    """What a negotiation asks whose roles say what the out_of_fold proposal says they say."""
    right = found.proposal == gold
    counter = found.runner_up if right else gold

    def score(prompt: Prompt, choices: tuple[str, ...]) -> list[float]:
        if choices == ("yes", "no"):
            return [0.1, 0.9]
        already = spoken(prompt)
        name = gold if already else found.proposal
        if already and already[-1] == ",":
            name = counter
        wanted = label_set[name].word("en")
        return [0.9 if choice == wanted else 0.1 for choice in choices]

    engine = ScriptedEngine(score=score)
    builder = ContextBuilder(label_set, ContextOptions(language="en"), engine.count_tokens)
    options = NegotiationOptions(rules=Rules(2, 1))
    of = dialogue(("We walked home.", gold))
    negotiator = Negotiator(engine, label_set, builder, options)
    list(Scheduler(engine).run([negotiator.task(of)]))
    return [call for call in engine.calls if isinstance(call, ScoreRequest)]


def test_training_asks_the_very_words_that_negotiation_asks() -> None:
    for gold, found in (("ANG", OutOfFold("JOY", "calm")), ("JOY", OutOfFold("JOY", "calm"))):
        asked = one(gold, found, challenge=True)
        met = {
            (request.prompt, request.choices)
            for request in requests_at_inference(gold, found, WORDED)
        }
        for question in asked:
            assert (question.prompt, question.choices) in met, question.role


def test_every_role_of_every_scheme_and_language_can_be_asked() -> None:
    for name in scheme_names():
        labels = scheme(name)
        first, second, *_ = labels.names
        asked = ask(dialogue(("We walked.", first)), labels, {0: OutOfFold(second, first)})
        assert roles(asked) == list(ROLES)
        for question in asked:
            assert len(set(question.choices)) == len(question.choices)


def test_the_shared_talk_holds_every_role() -> None:
    assert {
        question.role for question in ask(TALK, out_of_fold=OUT_OF_FOLD, challenge=True)
    } == set(ROLES)
