"""SANM's rules as a pure state machine.

Contract: :func:`advance` takes one round and returns the next state; it touches no model. A
negotiation ends in consensus once the generator's label has been agreed to often enough in a row.
Otherwise it ends at the round limit: as an outlier, or as invalid if no round held a readable
label.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sentixrl.calibration.confidence import pooled
from sentixrl.errors import ConfigError
from sentixrl.prediction import Round, Status, Verdict

MOST_ROUNDS = 1000


@dataclass(frozen=True, slots=True)
class Rules:
    """When a negotiation ends.

    Attributes:
        max_rounds: The round limit.
        agreements_needed: Agreements in a row on one label that make a consensus.

    Raises:
        ConfigError: Not ``MOST_ROUNDS >= max_rounds >= agreements_needed >= 1``.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 (pydantic declares it so)

    max_rounds: int = 3
    agreements_needed: int = 1

    def __post_init__(self) -> None:
        if self.agreements_needed < 1 or self.max_rounds < self.agreements_needed:
            raise ConfigError(
                f"{self.agreements_needed} agreement(s) are needed in at most {self.max_rounds} "
                "round(s), which cannot be met.",
                hint="Ask for at least 1 agreement and at least as many rounds as agreements.",
            )
        if self.max_rounds > MOST_ROUNDS:
            raise ConfigError(f"A negotiation has at most {MOST_ROUNDS:,} rounds.")


@dataclass(frozen=True, slots=True)
class State:
    """Where a negotiation stands.

    Attributes:
        rounds: What was said, oldest first.
        agreements: Agreements in a row on the label last proposed.
        status: How it ended; ``None`` while it is open.
        label: The consensus; ``None`` otherwise.
    """

    rounds: tuple[Round, ...] = ()
    agreements: int = 0
    status: Status | None = None
    label: str | None = None


def advance(state: State, rules: Rules, exchange: Round) -> State:
    """The state after one more round.

    Args:
        state: An open state.
        rules: When the negotiation ends.
        exchange: The round; its judgement is missing if its proposal was unreadable.

    Raises:
        ValueError: The state is closed, the round is not the next one, an unreadable proposal is
            judged, or a counter-label stands without a disagreement or equals the proposal.
    """
    _check(state, exchange)
    label = exchange.proposal.label
    agreements = 0
    if exchange.judgement is not None and exchange.judgement.verdict is Verdict.AGREE:
        last = state.rounds[-1].proposal.label if state.rounds else None
        agreements = 1 + (state.agreements if label == last else 0)
    rounds = (*state.rounds, exchange)
    if agreements >= rules.agreements_needed:
        return State(rounds, agreements, Status.CONSENSUS, label)
    if len(rounds) < rules.max_rounds:
        return State(rounds, agreements)
    readable = any(past.proposal.label is not None for past in rounds)
    return State(rounds, agreements, Status.OUTLIER if readable else Status.INVALID)


def forced_answer(rounds: Sequence[Round], names: Sequence[str]) -> str | None:
    """The answer at full coverage; ``None`` if no label was readable.

    With scores: the label with the largest sum of log-probabilities over both roles and all rounds.
    Without: the label proposed most often, counter-proposals included. Ties go to the label that
    was named earliest, then to the earlier one in the set.

    Args:
        rounds: What was said, oldest first.
        names: The label set, in order.
    """
    voted = [label for exchange in rounds for label in _named(exchange) if label is not None]
    opinions = spoken(rounds)
    if not voted and not opinions:
        return None
    weight: Mapping[str, float] = pooled(opinions) if opinions else Counter(voted)
    return max(dict.fromkeys([*voted, *names]), key=lambda name: weight[name])


def spoken(rounds: Sequence[Round]) -> list[Mapping[str, float]]:
    """Each turn's log-probabilities over the labels, oldest first, if the engine scores."""
    turns = [turn for exchange in rounds for turn in (exchange.proposal, exchange.judgement)]
    return [turn.log_probs for turn in turns if turn is not None and turn.log_probs is not None]


def _named(exchange: Round) -> tuple[str | None, str | None]:
    judgement = exchange.judgement
    return exchange.proposal.label, judgement.counter_label if judgement else None


def _check(state: State, exchange: Round) -> None:
    if state.status is not None:
        raise ValueError(f"the negotiation has ended ({state.status})")
    if exchange.number != len(state.rounds) + 1:
        raise ValueError(f"round {exchange.number} cannot follow round {len(state.rounds)}")
    judgement = exchange.judgement
    if judgement is None:
        return
    if exchange.proposal.label is None:
        raise ValueError("an unreadable proposal cannot be judged")
    if judgement.counter_label is None:
        return
    if judgement.verdict is not Verdict.DISAGREE:
        raise ValueError("a counter-label exists only on disagreement")
    if judgement.counter_label == exchange.proposal.label:
        raise ValueError("a counter-label differs from the proposal")
