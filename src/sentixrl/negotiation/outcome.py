"""From a finished negotiation to its prediction.

Contract: there is a label if the roles agreed or did not negotiate, else ``None``. The forced
answer is there whenever anything was readable, even if the negotiation failed later. The record
holds everything said.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from sentixrl.calibration.confidence import confidence
from sentixrl.negotiation.protocol import forced_answer, spoken
from sentixrl.negotiation.state import NegotiationState
from sentixrl.prediction import Prediction, Proposal, Round, Status


def predict(state: NegotiationState, names: Sequence[str]) -> Prediction:
    """The prediction of a finished negotiation.

    Args:
        state: It ended, failed, or holds a first proposal that will not be judged.
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
        # A proposal that was not judged is no round of negotiation.
        rounds=state.state.rounds if state.error is None else record,
        error=state.error,
        exact=all(
            turn.exact
            for exchange in record
            for turn in (exchange.proposal, exchange.judgement)
            if turn is not None
        ),
        label_mass=first.label_mass if first else None,
        flips=first.flips if first else None,
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
    """The label's confidence over both roles' turns; for a single proposal, its probability."""
    opinions = spoken(record)
    return confidence(opinions, label) if label is not None and opinions else None
