"""The object that ``--json`` prints for a dialogue, and the way back from it.

Contract: keys and their order are those of :class:`DialogueResult`, published by
:func:`sentixrl.formats.schema.output_schema`. Probabilities are rounded to six decimals. The
log-probabilities inside proposals and judgements and the gold labels are not part of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, TypeGuard

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.errors import InputError, fault_words
from sentixrl.formats.characters import shown
from sentixrl.formats.ledger import Ledger
from sentixrl.prediction import (
    DialoguePrediction,
    Evidence,
    ItemError,
    Judgement,
    Prediction,
    Proposal,
    Round,
    Status,
    Verdict,
)

SCHEMA_VERSION = 1
DECIMALS = 6

_ANSWERED = {Status.CONSENSUS, Status.SINGLE}


class ErrorResult(BaseModel):
    """Why an utterance has no answer."""

    model_config = ConfigDict(title="Error")

    code: str = Field(description="A short machine-readable name, such as too_long.")
    message: str = Field(description="What was wrong, in one sentence.")
    hint: str | None = Field(description="What to do about it.")


class GeneratorResult(BaseModel):
    """The generator's turn."""

    model_config = ConfigDict(title="Generator")

    label: str | None = Field(description="The proposed label; null if none could be read.")
    analysis: str | None = Field(description="The written reasoning; null in the scored mode.")
    model: str | None = Field(None, description="Who spoke, where the roles are two models.")


class DiscriminatorResult(BaseModel):
    """The discriminator's turn."""

    model_config = ConfigDict(title="Discriminator")

    verdict: Verdict | None = Field(description="Null if none could be read.")
    counter_label: str | None = Field(description="On disagreement, its own label.")
    assessment: str | None = Field(description="The written reasoning; null in the scored mode.")
    model: str | None = Field(None, description="Who spoke, where the roles are two models.")


class RoundResult(BaseModel):
    """One exchange of the two roles."""

    model_config = ConfigDict(title="Round")

    round: int = Field(ge=1, description="Counted from 1.")
    generator: GeneratorResult
    discriminator: DiscriminatorResult | None = Field(
        description="Null if there was no proposal to judge."
    )


class EvidenceResult(BaseModel):
    """How far an earlier turn moved the model's answer."""

    model_config = ConfigDict(title="Evidence")

    turn: int = Field(ge=0, description="The turn that was hidden; of several, the first.")
    turns: int = Field(1, ge=1, description="How many in a row were hidden together.")
    log_odds: float = Field(
        description="The answer's log-odds with the turn less those without it, in nats."
    )
    towards: str = Field(description="The label that the turn moved the model towards.")


class UtteranceResult(BaseModel):
    """The answer for one utterance."""

    model_config = ConfigDict(title="Utterance")

    index: int = Field(ge=0, description="Position in the dialogue, counted from 0.")
    id: str | None = Field(description="The source's own identifier; null if it has none.")
    speaker: str | None
    text: str
    label: str | None = Field(
        description="Null for the statuses outlier, invalid and error, and where there are labels."
    )
    labels: list[str] | None = Field(
        None, description="All labels that apply, where several were asked for; may be empty."
    )
    status: Status
    confidence: float | None = Field(
        ge=0, le=1, description="Probability that the label is right; null without scores."
    )
    calibrated: bool | None = Field(
        None,
        description="Whether the probabilities were calibrated on data with these labels; null "
        "without probabilities.",
    )
    candidates: list[str] | None = Field(
        None, description="With --sets: the labels that hold the true one, likeliest first."
    )
    probabilities: dict[str, float] | None = Field(
        description="Posterior of the first round over all labels; with labels, the probability "
        "that each applies; null without scores."
    )
    fallback: str | None = Field(
        description="The forced answer at full coverage; null only if nothing was readable."
    )
    dropped_turns: int = Field(ge=0, description="Earlier turns the history window left out.")
    error: ErrorResult | None = Field(description="Set exactly if the status is error.")
    negotiation: list[RoundResult] = Field(description="Oldest first; empty if there was none.")
    exact: bool = Field(True, description="False if the probabilities are not the model's own.")
    label_mass: float | None = Field(
        None, ge=0, le=1, description="The labels' share of the model's probability, if measured."
    )
    flips: float | None = Field(
        None,
        ge=0,
        le=1,
        description="With --rotations: the share of other orders of the letters that gave another "
        "label.",
    )
    evidence: list[EvidenceResult] | None = Field(
        None, description="Which earlier turns moved the answer; not there if not measured."
    )


class SkippedResult(BaseModel):
    """A message that is in no dialogue."""

    model_config = ConfigDict(title="Skipped")

    line: int = Field(description="Where it begins, counted from 1.")
    reason: str


class LedgerResult(BaseModel):
    """What became of every message and every byte of an input."""

    model_config = ConfigDict(title="Ledger")

    format: str = Field(description="The format that the input was read as.")
    messages: int = Field(ge=0, description="Turns, merged and skipped messages together.")
    turns: int = Field(ge=0, description="Messages that became an utterance.")
    merged: int = Field(ge=0, description="Messages whose text joined the utterance before.")
    skipped: dict[str, int] = Field(description="Reason → messages left out because of it.")
    bytes: dict[str, int] = Field(description="turn, merged, skipped, header, markup → bytes.")
    splits: int = Field(ge=0, description="How often a dialogue was cut at a pause.")
    first_skipped: list[SkippedResult] = Field(description="The first messages left out.")


class DialogueResult(BaseModel):
    """The answers for one dialogue, in the order of its utterances."""

    model_config = ConfigDict(title="Result", validate_by_name=True)

    version: Literal[1] = Field(alias="schema", description="The version of this format.")
    id: str
    language: str = Field(description="The dialogue's language, as given or as told by its text.")
    model: str
    template: str = Field(description="Language, version and hash of the prompt templates.")
    utterances: list[UtteranceResult]
    ledger: LedgerResult | None = Field(
        None, description="With the last dialogue of an input: what became of the input."
    )


def dialogue_json(
    dialogue: Dialogue, prediction: DialoguePrediction, ledger: Ledger | None = None
) -> dict[str, Any]:
    """The ``--json`` object of one dialogue, ready for :func:`json.dumps`.

    Args:
        dialogue: The dialogue.
        prediction: Its answers.
        ledger: What became of the input, to stand with the last dialogue of it.

    Raises:
        ValueError: ``prediction`` is not that of ``dialogue``.
    """
    if (dialogue.id, len(dialogue)) != (prediction.dialogue_id, len(prediction.items)):
        raise ValueError(
            f"dialogue '{dialogue.id}' has {len(dialogue)} utterances, the prediction for "
            f"'{prediction.dialogue_id}' has {len(prediction.items)}"
        )
    result = {
        "schema": SCHEMA_VERSION,
        "id": dialogue.id,
        "language": prediction.language,
        "model": prediction.model,
        "template": prediction.template,
        "utterances": [
            utterance_json(utterance, item)
            for utterance, item in zip(dialogue, prediction.items, strict=True)
        ],
    }
    return result if ledger is None else result | {"ledger": ledger.as_dict()}


def utterance_json(utterance: Utterance, item: Prediction) -> dict[str, Any]:
    """One entry of ``utterances``."""
    error = item.error
    probabilities = item.probabilities
    result = {
        "index": item.index,
        "id": utterance.id,
        "speaker": utterance.speaker,
        "text": utterance.text,
        "label": item.label,
        **({} if item.labels is None else {"labels": list(item.labels)}),
        "status": item.status.value,
        "confidence": None if item.confidence is None else round(item.confidence, DECIMALS),
        "calibrated": None if probabilities is None else item.calibrated,
        **({} if item.candidates is None else {"candidates": list(item.candidates)}),
        "probabilities": None
        if probabilities is None
        else {label: round(value, DECIMALS) for label, value in probabilities.items()},
        "fallback": item.fallback,
        "dropped_turns": item.dropped_turns,
        "error": error and {"code": error.code, "message": error.message, "hint": error.hint},
        "negotiation": [_round_json(entry) for entry in item.rounds],
        **({} if item.exact else {"exact": False}),
        **({} if item.label_mass is None else {"label_mass": round(item.label_mass, DECIMALS)}),
        **({} if item.flips is None else {"flips": round(item.flips, DECIMALS)}),
    }
    if item.evidence is not None:
        result["evidence"] = [_evidence_json(entry) for entry in item.evidence]
    return result


def _evidence_json(entry: Evidence) -> dict[str, Any]:
    return {
        "turn": entry.turn,
        "turns": entry.turns,
        "log_odds": round(entry.log_odds, DECIMALS),
        "towards": entry.towards,
    }


def _round_json(entry: Round) -> dict[str, Any]:
    proposal, judgement = entry.proposal, entry.judgement
    return {
        "round": entry.number,
        "generator": {
            "label": proposal.label,
            "analysis": proposal.analysis,
            **_speaker(proposal.model),
        },
        "discriminator": judgement
        and {
            "verdict": judgement.verdict and judgement.verdict.value,
            "counter_label": judgement.counter_label,
            "assessment": judgement.assessment,
            **_speaker(judgement.model),
        },
    }


def _speaker(model: str | None) -> dict[str, str]:
    return {} if model is None else {"model": model}


def is_result(value: object) -> TypeGuard[Mapping[str, Any]]:
    """Whether a JSON value is meant as an object of :func:`dialogue_json`."""
    return isinstance(value, Mapping) and {"schema", "template", "utterances"} <= set(value)


def read_dialogue_json(payload: Mapping[str, Any]) -> tuple[Dialogue, DialoguePrediction]:
    """The inverse of :func:`dialogue_json`, for reopening results.

    What the object does not hold comes back empty: gold labels, the dialogue's own language and
    group, log-probabilities. Keys that are not known are left alone.

    Raises:
        InputError: It is not such an object, or an entry contradicts itself.
    """
    try:
        result = DialogueResult.model_validate(payload)
    except ValidationError as error:
        detail = error.errors(include_url=False)[0]
        place = ".".join(shown(str(part)) for part in detail["loc"]) or "the top level"
        said = fault_words(detail["type"], detail["msg"].lower())
        raise InputError(
            f"This is not a result object: at '{place}', {said}.",
            hint=f"Results are what --json prints, with 'schema': {SCHEMA_VERSION}.",
        ) from None
    turns = tuple(
        Utterance(entry.text, speaker=entry.speaker, id=entry.id) for entry in result.utterances
    )
    items = tuple(_prediction(at, entry) for at, entry in enumerate(result.utterances))
    dialogue = Dialogue(result.id, turns)
    return dialogue, DialoguePrediction(
        result.id, result.language, result.model, result.template, items, dialogue
    )


def _prediction(position: int, entry: UtteranceResult) -> Prediction:
    _check(position, entry)
    return Prediction(
        index=entry.index,
        status=entry.status,
        label=entry.label,
        labels=None if entry.labels is None else tuple(entry.labels),
        fallback=entry.fallback,
        probabilities=entry.probabilities,
        calibrated=bool(entry.calibrated),
        candidates=None if entry.candidates is None else tuple(entry.candidates),
        confidence=entry.confidence,
        dropped_turns=entry.dropped_turns,
        rounds=tuple(_round(item) for item in entry.negotiation),
        error=ItemError(**entry.error.model_dump()) if entry.error else None,
        exact=entry.exact,
        label_mass=entry.label_mass,
        flips=entry.flips,
        evidence=None
        if entry.evidence is None
        else tuple(Evidence(**one.model_dump()) for one in entry.evidence),
    )


def _check(position: int, entry: UtteranceResult) -> None:
    problem = None
    if entry.index != position:
        problem = f"its index is {entry.index}, not {position}"
    elif entry.label is not None and entry.labels is not None:
        problem = "it has a label and a list of labels"
    elif (entry.label is None and entry.labels is None) == (entry.status in _ANSWERED):
        held = "no label" if entry.label is None else f"the label '{shown(entry.label)}'"
        held = held if entry.labels is None else "a list of labels"
        problem = f"its status is {entry.status.value}, yet it has {held}"
    elif (entry.error is None) == (entry.status is Status.ERROR):
        held = "no error" if entry.error is None else "an error"
        problem = f"its status is {entry.status.value}, yet it has {held}"
    if problem:
        raise InputError(f"Entry {position} of 'utterances' contradicts itself: {problem}.")


def _round(entry: RoundResult) -> Round:
    said = entry.generator
    proposal = Proposal(said.label, said.analysis, model=said.model)
    if (judged := entry.discriminator) is None:
        return Round(entry.round, proposal)
    judgement = Judgement(
        judged.verdict, judged.counter_label, judged.assessment, model=judged.model
    )
    return Round(entry.round, proposal, judgement)
