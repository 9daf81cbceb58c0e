"""What holds of every negotiation, whatever the engine says."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentixrl.context.building import ContextOptions, DeductionMode
from sentixrl.context.window import HistoryWindow
from sentixrl.negotiation.options import NegotiationOptions
from sentixrl.prediction import Judgement, Prediction, Round, Status

from .worlds import (
    AGREE,
    DISAGREE,
    NAMES,
    chaotic_engine,
    failing,
    kinds,
    many_dialogues,
    many_options,
    run,
    seeds,
)

ANSWERED = {Status.CONSENSUS, Status.SINGLE}


@given(st.data(), kinds, seeds, failing)
def test_every_turn_has_one_result_and_every_result_makes_sense(
    data: st.DataObject, kind: str, seed: int, failing: int
) -> None:
    engine = chaotic_engine(seed, kind, failing)
    options = data.draw(many_options(scores=engine.capabilities.score))
    dialogues = data.draw(many_dialogues())
    answers = run(engine, dialogues, options)
    assert [answer.dialogue_id for answer in answers] == [one.id for one in dialogues]
    for one, answer in zip(dialogues, answers, strict=True):
        assert [item.index for item in answer.items] == list(range(len(one)))
        for item in answer.items:
            check(item, options, scores=engine.capabilities.score, free=kind == "free")
            assert failing or item.status is not Status.ERROR
            assert kind == "free" or item.status is not Status.INVALID


@given(
    st.data(),
    kinds,
    seeds,
    failing,
    st.sampled_from(["off", "off", "utterance", "anchor"]),
    st.booleans(),
)
def test_sharing_sessions_never_changes_a_scripted_result(
    data: st.DataObject,
    kind: str,
    seed: int,
    failing: int,
    deduction: DeductionMode,
    short: bool,
) -> None:
    options = data.draw(many_options(scores=kind in ("scores", "zeros")))
    dialogues = data.draw(many_dialogues())
    window = HistoryWindow(1, 0) if short else HistoryWindow()
    context = ContextOptions(language="en", deduction=deduction, window=window)
    alone = run(chaotic_engine(seed, kind, failing), dialogues, options, context)
    shared = replace(options, reproducible=False)
    for room, workers, batches in ((1, 1, True), (300, 1, True), (None, 3, True), (None, 2, False)):
        engine = chaotic_engine(seed, kind, failing)
        engine.session_tokens = room
        engine.capabilities = replace(engine.capabilities, workers=workers, batches=batches)
        assert run(engine, dialogues, shared, context) == alone


def check(item: Prediction, options: NegotiationOptions, *, scores: bool, free: bool) -> None:
    assert {item.label, item.fallback} <= {None, *NAMES}
    assert (item.label is not None) == (item.status in ANSWERED)
    assert (item.error is not None) == (item.status is Status.ERROR)
    if item.label is not None:
        assert item.fallback == item.label
    for place, one in enumerate(item.rounds, 1):
        assert one.number == place
        check_round(one, options, scores=scores, free=free, failed=item.status is Status.ERROR)
    assert len(item.rounds) <= options.rules.max_rounds
    if not options.enabled:
        assert item.rounds == ()
        assert item.status in {Status.SINGLE, Status.INVALID, Status.ERROR}
    check_ending(item, options)
    check_numbers(item, scores=scores)


def check_round(
    one: Round, options: NegotiationOptions, *, scores: bool, free: bool, failed: bool
) -> None:
    proposal, judged = one.proposal, one.judgement
    assert proposal.label in (None, *NAMES)
    assert free or proposal.label is not None
    written = options.mode == "written" or not scores
    assert (proposal.analysis is not None) == written
    if judged is None:
        assert proposal.label is None or failed
        return
    assert proposal.label is not None
    assert (judged.assessment is not None) == written
    assert judged.counter_label in (None, *NAMES)
    assert judged.counter_label != proposal.label
    if not free:
        assert judged.verdict is not None
        assert (judged.counter_label is not None) == (judged.verdict is DISAGREE)
    if scores:
        check_view(judged, proposal.label, options)


def check_view(judged: Judgement, proposed: str, options: NegotiationOptions) -> None:
    assert judged.agree_log_prob is not None
    assert judged.log_probs is not None
    assert tuple(judged.log_probs) == NAMES
    assert math.fsum(map(math.exp, judged.log_probs.values())) == pytest.approx(1)
    assert judged.log_probs[proposed] == judged.agree_log_prob
    agrees = math.exp(judged.agree_log_prob) >= options.agree_threshold
    assert (judged.verdict is AGREE) == agrees


def check_ending(item: Prediction, options: NegotiationOptions) -> None:
    needed = options.rules.agreements_needed

    def agreed(end: int) -> bool:
        last = item.rounds[end - needed : end]
        verdicts = {one.judgement.verdict if one.judgement else None for one in last}
        return verdicts == {AGREE} and len({one.proposal.label for one in last}) == 1

    ends = [end for end in range(needed, len(item.rounds) + 1) if agreed(end)]
    if item.status is Status.CONSENSUS:
        assert ends == [len(item.rounds)]
        assert item.rounds[-1].proposal.label == item.label
        return
    assert ends == []
    named = {one.proposal.label for one in item.rounds} - {None}
    if item.status is Status.OUTLIER:
        assert len(item.rounds) == options.rules.max_rounds
        assert named
        assert item.fallback is not None
    if item.status is Status.INVALID:
        assert not named
        assert item.fallback is None
    if item.status is Status.ERROR and named:
        assert item.fallback is not None


def check_numbers(item: Prediction, *, scores: bool) -> None:
    if item.probabilities is not None:
        assert tuple(item.probabilities) == NAMES
        assert all(0 <= value <= 1 for value in item.probabilities.values())
        assert math.fsum(item.probabilities.values()) == pytest.approx(1)
    assert (item.confidence is not None) == (scores and item.label is not None)
    if item.confidence is not None:
        assert 0 <= item.confidence <= 1
    if item.status is not Status.ERROR:
        assert (item.probabilities is not None) == scores
