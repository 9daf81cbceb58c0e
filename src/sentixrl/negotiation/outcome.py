"""From a talk that is over to the prediction it stands for.

Contract: a label where the roles agreed or none was needed, else ``None``; the forced answer
whenever anything was readable, even if the talk failed later; the record as far as it goes.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from sentixrl.calibration.confidence import confidence
from sentixrl.negotiation.protocol import forced_answer, spoken
from sentixrl.negotiation.talk import Talk
from sentixrl.prediction import Prediction, Round, Status


def predict(talk: Talk, names: Sequence[str]) -> Prediction:
    """What a talk that is over says of its utterance.

    Args:
        talk: It ended, failed, or stands at a first proposal that nobody is to judge.
        names: The label set, in order.
    """
    record = talk.record
    status, label = _ending(talk)
    return Prediction(
        index=talk.context.index,
        status=status,
        label=label,
        fallback=label if label is not None else forced_answer(record, names),
        probabilities=_first_posterior(record),
        confidence=_confidence(label, record),
        dropped_turns=talk.context.dropped_turns,
        # A proposal that stands unjudged was no negotiation.
        rounds=talk.state.rounds if talk.error is None else record,
        error=talk.error,
    )


def _ending(talk: Talk) -> tuple[Status, str | None]:
    if talk.error is not None:
        return Status.ERROR, None
    if talk.state.status is not None:
        return talk.state.status, talk.state.label
    return (Status.INVALID if talk.proposed is None else Status.SINGLE), talk.proposed


def _first_posterior(record: Sequence[Round]) -> dict[str, float] | None:
    log_probs = record[0].proposal.log_probs if record else None
    if log_probs is None:
        return None
    return {name: math.exp(value) for name, value in log_probs.items()}


def _confidence(label: str | None, record: Sequence[Round]) -> float | None:
    """How sure both roles' turns are of the label; of a single proposal, its probability."""
    opinions = spoken(record)
    return confidence(opinions, label) if label is not None and opinions else None
