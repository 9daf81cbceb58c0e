from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentixrl.errors import ConfigError
from sentixrl.negotiation.protocol import Rules, State, advance, forced_answer
from sentixrl.prediction import Judgement, Proposal, Round, Status

from .worlds import AGREE, DISAGREE, NAMES, exchange


@st.composite
def rounds(draw: st.DrawFn) -> Round:
    label = draw(st.sampled_from([None, *NAMES]))
    verdict = draw(st.sampled_from([AGREE, DISAGREE, None]))
    others = [None, *(name for name in NAMES if name != label)]
    return exchange(
        1, label, verdict, draw(st.sampled_from(others)) if verdict == DISAGREE else None
    )


conversations = st.lists(rounds(), min_size=6, max_size=6).map(
    lambda said: [replace(one, number=place) for place, one in enumerate(said, 1)]
)
all_rules = st.integers(1, 6).flatmap(
    lambda most: st.builds(Rules, st.just(most), st.integers(1, most))
)


def play(rules: Rules, said: list[Round]) -> State:
    """Rounds until the negotiation ends or nothing more is said."""
    state = State()
    for one in said:
        if state.status is None:
            state = advance(state, rules, one)
    return state


def agreed(one: Round) -> bool:
    return one.judgement is not None and one.judgement.verdict is AGREE


@given(all_rules, conversations)
def test_it_ends_exactly_when_the_last_rounds_agree_on_one_label(
    rules: Rules, said: list[Round]
) -> None:
    state = play(rules, said)
    needed = rules.agreements_needed
    ends = [
        end
        for end in range(needed, rules.max_rounds + 1)
        if all(map(agreed, said[end - needed : end]))
        and len({one.proposal.label for one in said[end - needed : end]}) == 1
    ]
    if ends:
        assert state.status is Status.CONSENSUS
        assert len(state.rounds) == ends[0]
        assert state.label == said[ends[0] - 1].proposal.label is not None
    else:
        readable = any(one.proposal.label for one in said[: rules.max_rounds])
        assert state.status is (Status.OUTLIER if readable else Status.INVALID)
        assert state.label is None
        assert len(state.rounds) == rules.max_rounds
    assert list(state.rounds) == said[: len(state.rounds)]


@pytest.mark.parametrize(
    ("said", "agreements"),
    [
        ([("joy", AGREE)], 1),
        ([("joy", AGREE), ("joy", AGREE)], 2),
        ([("joy", AGREE), ("anger", AGREE)], 1),
        ([("joy", AGREE), ("joy", DISAGREE)], 0),
        ([("joy", AGREE), ("joy", DISAGREE), ("joy", AGREE)], 1),
        ([("joy", AGREE), ("joy", None)], 0),
        ([("joy", AGREE), (None, None), ("joy", AGREE)], 1),
    ],
)
def test_an_objection_a_new_label_or_silence_starts_the_count_again(
    said: list[tuple[str | None, None]], agreements: int
) -> None:
    state = play(Rules(6, 3), [exchange(n, *one) for n, one in enumerate(said, 1)])
    assert state.status is None
    assert state.agreements == agreements


def test_a_turn_without_a_readable_label_uses_up_its_round() -> None:
    state = play(Rules(2), [exchange(1, None), exchange(2, None)])
    assert (state.status, state.label, len(state.rounds)) == (Status.INVALID, None, 2)
    state = play(Rules(2), [exchange(1, None), exchange(2, "joy", DISAGREE, "anger")])
    assert state.status is Status.OUTLIER


@pytest.mark.parametrize(("most", "needed"), [(0, 1), (3, 0), (3, 4), (-1, -1)])
def test_rules_that_cannot_be_met_are_refused(most: int, needed: int) -> None:
    with pytest.raises(ConfigError, match=f"{needed} agreement.*{most}"):
        Rules(most, needed)


@pytest.mark.parametrize(
    ("one", "why"),
    [
        (exchange(2, "joy", AGREE), "round 2 cannot follow round 0"),
        (exchange(1, "joy", AGREE, "anger"), "only on disagreement"),
        (exchange(1, "joy", None, "anger"), "only on disagreement"),
        (exchange(1, "joy", DISAGREE, "joy"), "differs"),
        (Round(1, Proposal(None), Judgement(AGREE)), "unreadable"),
    ],
)
def test_a_round_that_cannot_be_is_a_bug(one: Round, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        advance(State(), Rules(), one)


def test_nothing_follows_the_end() -> None:
    ended = play(Rules(), [exchange(1, "joy", AGREE)])
    with pytest.raises(ValueError, match="ended"):
        advance(ended, Rules(), exchange(2, "joy", AGREE))


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ([], None),
        ([exchange(1, None)], None),
        ([exchange(1, "anger", DISAGREE, "joy")], "anger"),
        ([exchange(1, "anger", DISAGREE, "joy"), exchange(2, "joy", DISAGREE, "anger")], "anger"),
        ([exchange(1, "anger", DISAGREE, "joy"), exchange(2, "sadness", DISAGREE, "joy")], "joy"),
        ([exchange(1, None), exchange(2, "sadness", DISAGREE, None)], "sadness"),
    ],
)
def test_without_scores_the_most_named_label_is_forced_and_the_earliest_of_equals(
    said: list[Round], answer: str | None
) -> None:
    assert forced_answer(said, NAMES) == answer


def scored(number: int, label: str, generator: list[float], discriminator: list[float]) -> Round:
    proposal = Proposal(label, log_probs=dict(zip(NAMES, generator, strict=True)))
    judgement = Judgement(DISAGREE, log_probs=dict(zip(NAMES, discriminator, strict=True)))
    return Round(number, proposal, judgement)


INF = float("inf")


def test_with_scores_both_roles_add_up() -> None:
    # joy −1 −4, sadness −2 −1, anger −3 −3
    assert forced_answer([scored(1, "joy", [-1, -2, -3], [-4, -1, -3])], NAMES) == "sadness"


def test_with_scores_ties_go_to_the_label_named_earliest_then_to_the_order_of_the_set() -> None:
    assert forced_answer([scored(1, "anger", [-1, -5, -1], [-1, -1, -1])], NAMES) == "anger"
    assert forced_answer([scored(1, "anger", [-1, -1, -9], [-1, -1, -1])], NAMES) == "joy"


def test_labels_that_someone_rules_out_can_still_be_compared() -> None:
    said = [scored(1, "joy", [0, -INF, -INF], [-INF, -2, -1])]
    assert forced_answer(said, NAMES) == "joy"
    # Each label has one zero; what else was said of them decides.
    said = [
        scored(1, "joy", [-2, -1, -INF], [-INF, -INF, 0]),
        scored(2, "joy", [-3, -1, -2], [-1] * 3),
    ]
    assert forced_answer(said, NAMES) == "sadness"


@given(conversations)
def test_the_forced_answer_was_named_by_someone(said: list[Round]) -> None:
    named = {one.proposal.label for one in said}
    named |= {one.judgement.counter_label for one in said if one.judgement}
    answer = forced_answer(said, NAMES)
    assert answer in named - {None} if named - {None} else answer is None
