"""A line of ``items.jsonl``: one dialogue, its answers, and their cost.

Contract: a line is the ``--json`` object of the dialogue (:mod:`sentixrl.formats.results`) plus
what evaluation needs, so that one reader reads both:

- the dialogue's ``group`` (and ``cluster``, the unit of resampling) and ``dialogue_language``;
- an utterance's ``gold``, ``golds`` and ``metadata``, if it has them;
- ``log_probs`` of each proposal and judgement, ``agree_log_prob``: lists in the order of the
  line's ``labels``, ``null`` if there is none, ``"-inf"`` for a probability of zero; - an
utterance's ``cost`` in ``tokens`` and ``seconds``, if it was computed.

Reading a line and writing it again gives the same line. A line may have been written by others:
types and ranges are checked, and :func:`difference` compares an entry with the data.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.errors import InputError, fault_words
from sentixrl.formats.characters import shown
from sentixrl.formats.results import DECIMALS, dialogue_json, read_dialogue_json
from sentixrl.prediction import DialoguePrediction, Prediction, Round

LogProbs = Mapping[str, float]
LOG_SLACK = 1e-3
"""How far above 0 a log-probability may be by rounding."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One dialogue of a run."""

    dialogue: Dialogue
    prediction: DialoguePrediction


def entry_json(entry: Entry) -> dict[str, Any]:
    """The object of one line."""
    dialogue, prediction = entry.dialogue, entry.prediction
    line = dialogue_json(dialogue, prediction)
    labels = _labels(prediction)
    for written, turn, item in zip(line["utterances"], dialogue, prediction.items, strict=True):
        written |= _facts(turn)
        if item.tokens or item.seconds:
            written["cost"] = {"tokens": item.tokens, "seconds": round(item.seconds, 6)}
        for entry_, exchange in zip(written["negotiation"], item.rounds, strict=True):
            _add_scores(entry_, exchange, labels)
    line["group"], line["cluster"] = dialogue.group, dialogue.cluster
    line["dialogue_language"] = dialogue.language
    if labels:
        line["labels"] = list(labels)
    return line


def read_entry(line: Mapping[str, Any]) -> Entry:
    """The inverse of :func:`entry_json`.

    Raises:
        InputError: It is not such an object.
    """
    dialogue, prediction = read_dialogue_json(line)
    try:
        facts = _Line.model_validate(line)
    except ValidationError as error:
        detail = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(shown(str(part)) for part in detail["loc"])
        said = fault_words(detail["type"], detail["msg"][:1].lower() + detail["msg"][1:])
        raise _no_line(dialogue, f"at '{place}', {said}") from None
    turns = tuple(map(_turn, dialogue, facts.utterances))
    try:
        items = tuple(
            _with_cost(_with_scores(item, turn.negotiation, facts.labels), turn.cost)
            for item, turn in zip(prediction.items, facts.utterances, strict=True)
        )
    except ValueError:
        raise _no_line(
            dialogue, f"its log-probabilities are not those of its {len(facts.labels)} labels"
        ) from None
    return Entry(
        replace(dialogue, utterances=turns, group=facts.group, language=facts.dialogue_language),
        replace(prediction, items=items),
    )


def _no_line(dialogue: Dialogue, why: str) -> InputError:
    return InputError(f"Dialogue '{shown(dialogue.id)}' is not a line of a run: {why}.")


def difference(entry: Entry, dialogue: Dialogue, labels: Container[str]) -> str | None:
    """Why an entry is no answer to ``dialogue``, as the end of a sentence.

    Args:
        entry: What a log holds under the dialogue's name.
        dialogue: The dialogue as in the data.
        labels: The task's labels; an answer is one of them.
    """
    stored = entry.dialogue
    if len(stored) != len(dialogue):
        return f"it has {len(stored):,} utterances, in the data {len(dialogue):,}"
    for number, (before, now) in enumerate(zip(stored, dialogue, strict=True), start=1):
        for name in ("text", "speaker", "gold", "golds", "id", "metadata"):
            one, other = getattr(before, name), getattr(now, name)
            if one != other:
                kind = {"gold": "gold label", "golds": "list of gold labels"}.get(name, name)
                return (
                    f"the {kind} of utterance {number} is {_quoted(one)}, in the data "
                    f"{_quoted(other)}"
                )
    for name in ("group", "language"):
        if getattr(stored, name) != getattr(dialogue, name):
            return f"its {name} is another in the data"
    for item in entry.prediction.items:
        for label in _answers(item):
            if label not in labels:
                return f"utterance {item.index + 1} is answered '{shown(label)}', which is no label"
    return None


def _quoted(value: object) -> str:
    return "missing" if value is None else f"'{shown(str(value))}'"


def _answers(item: Prediction) -> Iterator[str]:
    """Every label that an answer names."""
    yield from (name for name in (item.label, item.fallback) if name is not None)
    yield from item.labels or ()
    yield from item.candidates or ()
    yield from item.probabilities or ()
    for exchange in item.rounds:
        judgement = exchange.judgement
        names = (exchange.proposal.label, judgement.counter_label if judgement else None)
        yield from (name for name in names if name is not None)
        yield from exchange.proposal.log_probs or ()


def _log_prob(value: object) -> object:
    """``"-inf"`` is how a probability of zero is written."""
    return -math.inf if value == "-inf" else value


Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
LogProb = Annotated[float, Field(le=LOG_SLACK), BeforeValidator(_log_prob)]


class _Strict(BaseModel):
    """Text does not count as a number, nor a number as text; unknown values are left alone."""

    model_config = ConfigDict(strict=True)


class _Scores(_Strict):
    log_probs: list[LogProb | None] | None = None
    agree_log_prob: LogProb | None = None


class _Exchange(_Strict):
    generator: _Scores
    discriminator: _Scores | None


class _Cost(_Strict):
    tokens: Annotated[int, Field(ge=0)]
    seconds: Annotated[float, Field(ge=0, allow_inf_nan=False)]


class _Turn(_Strict):
    gold: str | None = None
    golds: list[str] | None = None
    metadata: dict[str, str | int | float] = {}
    probabilities: dict[str, Share] | None
    negotiation: list[_Exchange]
    cost: _Cost | None = None


class _Line(_Strict):
    """What a line adds to the ``--json`` object."""

    utterances: Annotated[list[_Turn], Field(min_length=1)]
    group: str | None = None
    dialogue_language: str | None = None
    labels: list[str] = []


def _labels(prediction: DialoguePrediction) -> tuple[str, ...]:
    for item in prediction.items:
        for exchange in item.rounds:
            if exchange.proposal.log_probs:
                return tuple(exchange.proposal.log_probs)
    return ()


def _facts(turn: Utterance) -> dict[str, Any]:
    facts: dict[str, Any] = {"gold": turn.gold}
    if turn.golds is not None:
        facts["golds"] = list(turn.golds)
    if turn.metadata:
        facts["metadata"] = dict(turn.metadata)
    return facts


def _turn(turn: Utterance, facts: _Turn) -> Utterance:
    golds = None if facts.golds is None else tuple(facts.golds)
    return replace(turn, gold=facts.gold, golds=golds, metadata=facts.metadata)


def _add_scores(written: dict[str, Any], exchange: Round, labels: Sequence[str]) -> None:
    if exchange.proposal.log_probs:
        written["generator"]["log_probs"] = _listed(exchange.proposal.log_probs, labels)
    judgement = exchange.judgement
    if judgement is None:
        return
    if judgement.log_probs:
        written["discriminator"]["log_probs"] = _listed(judgement.log_probs, labels)
    if judgement.agree_log_prob is not None:
        written["discriminator"]["agree_log_prob"] = _number(judgement.agree_log_prob)


def _listed(log_probs: LogProbs, labels: Sequence[str]) -> list[float | str | None]:
    return [_number(log_probs[name]) if name in log_probs else None for name in labels]


def _number(value: float) -> float | str:
    return round(value, DECIMALS) if math.isfinite(value) else str(value)


def _with_cost(item: Prediction, cost: _Cost | None) -> Prediction:
    return replace(item, tokens=cost.tokens, seconds=cost.seconds) if cost else item


def _with_scores(
    item: Prediction, written: Sequence[_Exchange], labels: Sequence[str]
) -> Prediction:
    rounds = [
        _scored(exchange, scores, labels)
        for exchange, scores in zip(item.rounds, written, strict=True)
    ]
    return replace(item, rounds=tuple(rounds))


def _scored(exchange: Round, scores: _Exchange, labels: Sequence[str]) -> Round:
    proposal = replace(exchange.proposal, log_probs=_named(scores.generator.log_probs, labels))
    judgement, judged = exchange.judgement, scores.discriminator
    if judgement is not None and judged is not None:
        judgement = replace(
            judgement,
            log_probs=_named(judged.log_probs, labels),
            agree_log_prob=judged.agree_log_prob,
        )
    return replace(exchange, proposal=proposal, judgement=judgement)


def _named(values: Sequence[float | None] | None, labels: Sequence[str]) -> dict[str, float] | None:
    if values is None:
        return None
    pairs = zip(labels, values, strict=True)
    return {name: value for name, value in pairs if value is not None}
