"""From a negotiation that is over to the prediction it stands for.

Contract: a label where the roles agreed or none was needed, else ``None``; the forced answer
whenever anything was readable, even if the negotiation failed later; the record as far as it goes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from sentixrl.calibration.confidence import confidence
from sentixrl.negotiation.protocol import forced_answer, spoken
from sentixrl.negotiation.state import NegotiationState
from sentixrl.prediction import Prediction, Proposal, Round, Status


def predict(state: NegotiationState, names: Sequence[str]) -> Prediction:
    """What a negotiation that is over says of its utterance.

    Args:
        state: It ended, failed, or stands at a first proposal that nobody is to judge.
        names: The label set, in order.
    """
    record = state.record
    status, label = _ending(state)
    first = record[0].proposal if record else None
    return Prediction(
        index=state.context.index,
        status=status,
        label=label,
        fallback=label if label is not None else forced_answer(record, names),
        probabilities=_posterior(first),
        confidence=_confidence(label, record),
        dropped_turns=state.context.dropped_turns,
        # A proposal that stands unjudged was no negotiation.
        rounds=state.state.rounds if state.error is None else record,
        error=state.error,
        exact=all(exchange.proposal.exact for exchange in record),
        label_mass=first.label_mass if first else None,
    )


def _ending(state: NegotiationState) -> tuple[Status, str | None]:
    if state.error is not None:
        return Status.ERROR, None
    if state.state.status is not None:
        return state.state.status, state.state.label
    return (Status.INVALID if state.proposed is None else Status.SINGLE), state.proposed


def _posterior(first: Proposal | None) -> dict[str, float] | None:
    """The first round's."""
    if first is None or first.log_probs is None:
        return None
    return {name: math.exp(value) for name, value in first.log_probs.items()}


def _confidence(label: str | None, record: Sequence[Round]) -> float | None:
    """How sure both roles' turns are of the label; of a single proposal, its probability."""
    opinions = spoken(record)
    return confidence(opinions, label) if label is not None and opinions else None
