"""Content-free priors: they take off what a model prefers whatever was said, and nothing else."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest

from sentixrl.context.building import ContextOptions
from sentixrl.context.prompt import Prompt
from sentixrl.engines.protocol import Failure
from sentixrl.engines.scripted import Scorer, ScriptedEngine
from sentixrl.negotiation.options import NegotiationOptions
from sentixrl.negotiation.priors import EMPTY_TURNS, Prior
from sentixrl.prediction import Prediction

from .worlds import NAMES, asks_for_label, dialogue, run, target

RAW = NegotiationOptions()
CORRECTED = NegotiationOptions(correct_priors=True)
TALK = dialogue("joy and joy", "sadness", "anger, no, anger, no sadness", "joy, no, sadness, joy")


def opinion(prompt: Prompt, choices: Sequence[str]) -> list[float]:
    """A model without preferences: it counts words; about nothing it has no opinion."""
    said = target(prompt)
    if asks_for_label(choices):
        return [1.0 + 2 * said.count(choice) for choice in choices]
    return [1.0 + said.count("joy"), 1.0 + said.count("no")]


def preferring(labels: Sequence[float], agree: float) -> Scorer:
    """The same model with a constant preference for some labels and for a verdict."""

    def score(prompt: Prompt, choices: tuple[str, ...]) -> Sequence[float]:
        if asks_for_label(choices):
            taste = dict(zip(NAMES, labels, strict=True))
            factors = [taste[choice] for choice in choices]
        else:
            factors = [agree, 1.0]
        return [w * f for w, f in zip(opinion(prompt, choices), factors, strict=True)]

    return score


def answers(score: Scorer, options: NegotiationOptions) -> tuple[Prediction, ...]:
    return run(ScriptedEngine(score), [TALK], options)[0].items


def close(left: Sequence[Prediction], right: Sequence[Prediction]) -> None:
    for one, other in zip(left, right, strict=True):
        assert (one.status, one.label, one.fallback) == (other.status, other.label, other.fallback)
        assert one.probabilities == pytest.approx(other.probabilities)
        assert one.confidence == pytest.approx(other.confidence)
        for a, b in zip(one.rounds, other.rounds, strict=True):
            assert a.judgement is not None
            assert b.judgement is not None
            assert a.judgement.agree_log_prob == pytest.approx(b.judgement.agree_log_prob)


def test_a_model_without_preference_is_left_as_it_is() -> None:
    close(answers(opinion, CORRECTED), answers(opinion, RAW))


@pytest.mark.parametrize(
    ("labels", "agree"), [((8.0, 1.0, 0.5), 1.0), ((1.0, 1.0, 1.0), 6.0), ((1e-4, 1.0, 50.0), 0.02)]
)
def test_a_constant_preference_is_taken_off_exactly(labels: Sequence[float], agree: float) -> None:
    partial = preferring(labels, agree)
    close(answers(partial, CORRECTED), answers(opinion, RAW))
    raw = [item.probabilities for item in answers(partial, RAW)]
    unbiased = [item.probabilities for item in answers(opinion, RAW)]
    assert (raw != unbiased) == (len(set(labels)) > 1)


def test_a_label_the_model_never_says_is_no_crash() -> None:
    def never(prompt: Prompt, choices: tuple[str, ...]) -> Sequence[float]:
        return [0.0 if choice in ("anger", "yes") else 1.0 for choice in choices]

    items = answers(never, CORRECTED)
    assert all(item.probabilities and item.probabilities["anger"] == 0 for item in items)
    assert all(item.fallback in ("joy", "sadness") for item in items)


def asked_about_nothing(engine: ScriptedEngine) -> int:
    return sum("N/A" in request.prompt.text for batch in engine.batches for request in batch)


def test_each_language_is_asked_once() -> None:
    engine = ScriptedEngine(opinion)
    dialogues = [
        dialogue("Well, this is what she told me about the letter.", id="1"),
        dialogue("¿Todavía guardas la carta de la abuela?", id="2"),
        dialogue("And this is what he said when he came back.", id="3"),
    ]
    options = NegotiationOptions(correct_priors=True)
    found = run(engine, dialogues, options, ContextOptions())
    assert [answer.language for answer in found] == ["en", "es", "en"]
    a_language = len(EMPTY_TURNS) + len(NAMES)
    assert asked_about_nothing(engine) == 2 * a_language


def test_the_written_mode_and_the_uncorrected_ask_nothing() -> None:
    for options in (RAW, NegotiationOptions(correct_priors=True, mode="written")):
        engine = ScriptedEngine(opinion, lambda prompt: "because")
        run(engine, [TALK], options)
        assert asked_about_nothing(engine) == 0


def test_a_measurement_that_fails_is_not_tried_again() -> None:
    """Else an utterance's answer would depend on how much was read before it."""
    tries = 0

    def score(prompt: Prompt, choices: tuple[str, ...]) -> Sequence[float] | Failure:
        nonlocal tries
        if "N/A" in prompt.text and tries < len(EMPTY_TURNS):
            tries += 1
            return Failure("timeout", "No answer in time.")
        return preferring((8.0, 1.0, 0.5), 1.0)(prompt, choices)

    pair = [TALK, dialogue(*(turn.text for turn in TALK), id="2")]
    engine = ScriptedEngine(score)
    options = NegotiationOptions(correct_priors=True)
    first, second = run(engine, pair, options)
    assert first.items == second.items
    close(first.items, answers(preferring((8.0, 1.0, 0.5), 1.0), RAW))


def test_agreement_in_numbers() -> None:
    prior = Prior({"joy": math.log(0.8), "sadness": math.log(0.2)}, {"joy": math.log(4.0)})
    assert prior.label({"joy": math.log(0.8), "sadness": math.log(0.2)}) == pytest.approx(
        {"joy": math.log(0.5), "sadness": math.log(0.5)}
    )
    # Odds 4 to 1 about nothing; 4 to 1 here says nothing, 16 to 1 says 4 to 1.
    assert math.exp(prior.agreement("joy", math.log(0.8))) == pytest.approx(0.5)
    assert math.exp(prior.agreement("joy", math.log(16 / 17))) == pytest.approx(0.8)
    assert prior.agreement(None, -0.3) == -0.3
    for sure in (0.0, -math.inf):
        assert not math.isnan(prior.agreement("joy", sure))
        assert prior.agreement("joy", sure) <= 0
