"""A line of ``items.jsonl``: one dialogue, what was answered, and what that took.

Contract: a line is the ``--json`` object of the dialogue (:mod:`sentixrl.formats.results`) with
what evaluation needs added beside its keys, so that whoever reads the one reads the other:

- the dialogue's ``group`` (and ``cluster``, the unit of resampling) and ``dialogue_language``;
- an utterance's ``gold`` and ``metadata``, where it has them;
- ``log_probs`` of each proposal and judgement, ``agree_log_prob``: lists in the order of the
  line's ``labels``, ``null`` where there is none, ``"-inf"`` for a probability of zero;
- ``chunk``: which dialogues were computed together, in how many seconds and tokens.

Reading a line and writing it again gives the same line.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.errors import InputError
from sentixrl.formats.results import DECIMALS, dialogue_json, read_dialogue_json
from sentixrl.prediction import DialoguePrediction, Prediction, Round

LogProbs = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Dialogues that were negotiated together.

    Attributes:
        number: Position in the log of the chunk's first dialogue.
        seconds: How long the whole chunk took; stands at its first dialogue alone.
        tokens: How many tokens the engine computed for it, likewise.
    """

    number: int
    seconds: float | None = None
    tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Entry:
    """One dialogue of a run."""

    dialogue: Dialogue
    prediction: DialoguePrediction
    chunk: Chunk | None = None


def entry_json(entry: Entry) -> dict[str, Any]:
    """The object of one line."""
    dialogue, prediction = entry.dialogue, entry.prediction
    line = dialogue_json(dialogue, prediction)
    labels = _labels(prediction)
    for written, turn, item in zip(line["utterances"], dialogue, prediction.items, strict=True):
        written |= _facts(turn)
        for entry_, exchange in zip(written["negotiation"], item.rounds, strict=True):
            _add_scores(entry_, exchange, labels)
    line["group"], line["cluster"] = dialogue.group, dialogue.cluster
    line["dialogue_language"] = dialogue.language
    if labels:
        line["labels"] = list(labels)
    if (chunk := entry.chunk) is not None:
        seconds = None if chunk.seconds is None else round(chunk.seconds, 4)
        line["chunk"] = {"number": chunk.number, "seconds": seconds, "tokens": chunk.tokens}
    return line


def read_entry(line: Mapping[str, Any]) -> Entry:
    """The inverse of :func:`entry_json`.

    Raises:
        InputError: It is not such an object.
    """
    dialogue, prediction = read_dialogue_json(line)
    try:
        return _read(line, dialogue, prediction)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"Dialogue '{dialogue.id}' is not a line of a run: {type(error).__name__}: {error}."
        ) from None


def _read(line: Mapping[str, Any], dialogue: Dialogue, prediction: DialoguePrediction) -> Entry:
    labels = line.get("labels") or ()
    written = line["utterances"]
    turns = tuple(_turn(turn, raw) for turn, raw in zip(dialogue, written, strict=True))
    items = tuple(
        _with_scores(item, raw["negotiation"], labels)
        for item, raw in zip(prediction.items, written, strict=True)
    )
    chunk = line.get("chunk")
    return Entry(
        replace(
            dialogue,
            utterances=turns,
            group=line.get("group"),
            language=line.get("dialogue_language"),
        ),
        replace(prediction, items=items),
        Chunk(chunk["number"], chunk["seconds"], chunk["tokens"]) if chunk else None,
    )


def _labels(prediction: DialoguePrediction) -> tuple[str, ...]:
    for item in prediction.items:
        for exchange in item.rounds:
            if exchange.proposal.log_probs:
                return tuple(exchange.proposal.log_probs)
    return ()


def _facts(turn: Utterance) -> dict[str, Any]:
    facts: dict[str, Any] = {"gold": turn.gold}
    if turn.metadata:
        facts["metadata"] = dict(turn.metadata)
    return facts


def _turn(turn: Utterance, raw: Mapping[str, Any]) -> Utterance:
    return replace(
        turn,
        gold=raw.get("gold"),
        metadata=dict(raw.get("metadata") or {}),
    )


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


def _with_scores(
    item: Prediction, written: Sequence[Mapping[str, Any]], labels: Sequence[str]
) -> Prediction:
    rounds = [
        _scored(exchange, raw, labels) for exchange, raw in zip(item.rounds, written, strict=True)
    ]
    return replace(item, rounds=tuple(rounds))


def _scored(exchange: Round, raw: Mapping[str, Any], labels: Sequence[str]) -> Round:
    proposal = replace(
        exchange.proposal, log_probs=_named(raw["generator"].get("log_probs"), labels)
    )
    judgement, judged = exchange.judgement, raw["discriminator"]
    if judgement is not None:
        agree = judged.get("agree_log_prob")
        judgement = replace(
            judgement,
            log_probs=_named(judged.get("log_probs"), labels),
            agree_log_prob=None if agree is None else float(agree),
        )
    return replace(exchange, proposal=proposal, judgement=judgement)


def _named(values: Sequence[Any] | None, labels: Sequence[str]) -> dict[str, float] | None:
    if values is None:
        return None
    pairs = zip(labels, values, strict=True)
    return {name: float(value) for name, value in pairs if value is not None}
