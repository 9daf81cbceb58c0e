"""``POST /v1/classify``: the emotion of every turn, whole or as the answers come.

Contract: a request has exactly one of ``text``, ``dialogue`` and ``dialogues``. The answer is what
``--json`` prints, with the labels' names beside it; with ``Accept: application/x-ndjson`` it comes
as lines, a turn as soon as it is known. A dialogue that fails is an error in its place.
"""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal, cast

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, model_validator

from sentixrl.classifier import Classifier
from sentixrl.dialogue import Dialogue
from sentixrl.errors import InputError
from sentixrl.evidence.task import EvidenceTask
from sentixrl.formats import dialogue_json, utterance_json
from sentixrl.formats.characters import shown
from sentixrl.formats.objects import DialogueObject
from sentixrl.formats.results import SCHEMA_VERSION, DialogueResult
from sentixrl.formats.values import dialogue_of
from sentixrl.labels import ANY_LANGUAGE, Label, LabelSet, scheme, scheme_names
from sentixrl.labels.sets import CUSTOM, MAX_LABELS
from sentixrl.negotiation.tasks import DialogueTask, Told
from sentixrl.prediction import DialoguePrediction, Prediction
from sentixrl.serve.batcher import Cancellable, Part, Ticket, estimated_tokens
from sentixrl.serve.refusals import RefusedError
from sentixrl.serve.served import Asking, ServedModel
from sentixrl.serve.service import MAX_TURNS, Service, Serving

LINES = "application/x-ndjson"
MAX_DIALOGUES = 10_000
_LONGEST_DESCRIPTION = 500
EVIDENCE_TIMES = 12
"""About how many times as much is computed where evidence is measured."""

router = APIRouter()


class LabelObject(BaseModel):
    """A label of one's own."""

    model_config = ConfigDict(extra="forbid", title="Label")

    name: str
    description: str | None = Field(
        None, max_length=_LONGEST_DESCRIPTION, description="What prompts explain it with."
    )
    polarity: Literal["positive", "negative", "neutral", "ambiguous"] | None = None


class LabelsObject(BaseModel):
    """A label set of one's own."""

    model_config = ConfigDict(extra="forbid", title="Labels")

    name: Annotated[str, Field(min_length=1, max_length=64)] = CUSTOM
    labels: list[LabelObject] = Field(min_length=2, max_length=MAX_LABELS)
    multi_label: StrictBool = False


class ClassifyRequest(BaseModel):
    """What is to be classified, and how."""

    model_config = ConfigDict(extra="forbid", title="Classify")

    text: str | None = Field(None, min_length=1, description="One message, as it is.")
    dialogue: DialogueObject | None = Field(None, description="One conversation.")
    dialogues: list[DialogueObject] | None = Field(
        None, min_length=1, max_length=MAX_DIALOGUES, description="Several conversations."
    )
    model: str | None = Field(None, description="A name of GET /v1/models; default: its first.")
    labels: str | list[str] | LabelsObject | None = Field(
        None, description="A scheme's name, a list of names, or a set; default: the model's own."
    )
    negotiation: StrictBool | None = Field(
        None, description="Negotiate, or take the generator's first word; default: as the model."
    )
    reproducible: StrictBool = Field(
        False, description="Compute each dialogue alone: numbers depend on it alone, but cost more."
    )
    explain: StrictBool = Field(False, description="Measured evidence per turn.")
    schema_version: StrictInt = Field(
        SCHEMA_VERSION, alias="schema", description="The version of the answer's format."
    )

    @model_validator(mode="after")
    def _one_input(self) -> ClassifyRequest:
        given = [self.text is not None, self.dialogue is not None, self.dialogues is not None]
        if sum(given) != 1:
            raise InputError(
                f"The body has {sum(given)} of 'text', 'dialogue' and 'dialogues'.",
                hint="It needs exactly one.",
            )
        return self

    def conversations(self) -> list[Dialogue]:
        """What is to be classified, each with an id.

        Raises:
            InputError: A text has nothing to be seen, or holds what no text may hold.
        """
        if self.text is not None:
            return [dialogue_of(self.text)]
        described = [self.dialogue] if self.dialogue is not None else self.dialogues or []
        return [one.dialogue(one.id or str(place)) for place, one in enumerate(described, start=1)]

    def asking(self) -> Asking:
        """How the model is to be asked.

        Raises:
            LabelError: There is no such scheme, or the labels make no set.
        """
        return Asking(requested_labels(self.labels), self.negotiation, self.reproducible)


class SeveralResults(BaseModel):
    """The answers for several dialogues, in order."""

    model_config = ConfigDict(title="Results", validate_by_name=True)

    version: Literal[1] = Field(alias="schema")
    model: str
    labels: list[str]
    dialogues: list[DialogueResult]


class OneResult(DialogueResult):
    """The answers for one dialogue, with the labels' names."""

    model_config = ConfigDict(title="ResultWithLabels", validate_by_name=True)

    labels: list[str]


def requested_labels(wanted: str | Sequence[str] | LabelsObject | None) -> LabelSet | None:
    """The label set that a request describes.

    A text is only ever the name of a scheme: nothing a request says is looked for on the disk.

    Raises:
        LabelError: There is no such scheme, or the labels make no set.
    """
    if wanted is None:
        return None
    if isinstance(wanted, str):
        if wanted not in scheme_names():
            raise RefusedError(
                422,
                f"There is no label scheme called '{shown(wanted)}'.",
                f"There are: {', '.join(scheme_names())}. A set of one's own is a list of names.",
            )
        return scheme(wanted)
    if not isinstance(wanted, LabelsObject):
        return LabelSet(CUSTOM, list(wanted))
    labels = [described(one.name, one.description, one.polarity) for one in wanted.labels]
    return LabelSet(wanted.name, labels, multi_label=wanted.multi_label)


def described(
    name: str,
    description: str | None,
    polarity: Literal["positive", "negative", "neutral", "ambiguous"] | None = None,
) -> Label:
    """A label with an explanation that prompts of every language show."""
    glosses = {ANY_LANGUAGE: description} if description else {}
    return Label(name, glosses, polarity)


@dataclass(frozen=True, slots=True)
class Question:
    """A request that can be answered.

    Attributes:
        model: Who answers.
        classifier: The model with the request's labels and options.
        dialogues: What is to be classified.
        explain: Whether evidence is measured.
    """

    model: ServedModel
    classifier: Classifier
    dialogues: Sequence[Dialogue]
    explain: bool = False

    @property
    def turns(self) -> int:
        """How many answers there will be."""
        return sum(map(len, self.dialogues))

    @property
    def labels(self) -> list[str]:
        """The labels' names."""
        return list(self.classifier.label_set.names)

    def parts(self) -> list[Part]:
        """The dialogues as the batcher takes them."""
        return [self._part(dialogue) for dialogue in self.dialogues]

    def _part(self, dialogue: Dialogue) -> Part:
        submit, tokens = partial(self.classifier.submit, dialogue), estimated_tokens(dialogue)
        if not self.explain:
            return Part(submit, len(dialogue), tokens)

        def measure(task: Cancellable, told: Told) -> EvidenceTask:
            answered = cast(DialogueTask, task).outcome()
            return self.classifier.submit_evidence(dialogue, answered, told)

        return Part(submit, len(dialogue), EVIDENCE_TIMES * tokens, measure)


@router.post(
    "/v1/classify",
    response_model=OneResult | SeveralResults,
    summary="The emotion of every turn",
    description=f"With 'Accept: {LINES}' the answer comes as lines of JSON, as it is computed.",
)
async def classify(body: ClassifyRequest, request: Request, serving: Serving) -> Response:
    """Answer a request of ``POST /v1/classify``."""
    question = _understood(body, serving)
    request.state.facts = {"model": question.model.name, "turns": question.turns}
    if LINES in request.headers.get("accept", ""):
        parts = question.parts()
        ticket = serving.batcher.accept(question.classifier.scheduler, parts)
        return StreamingResponse(_lines(question, ticket, serving), media_type=LINES)
    async with serving.asked(question.model, question.parts()) as ticket:
        await serving.finished(request, ticket)
        documents = _documents(question, ticket, serving)
    if body.dialogues is None:
        return JSONResponse(documents[0] | {"labels": question.labels})
    facts = {"schema": SCHEMA_VERSION, "model": question.model.name}
    return JSONResponse(facts | {"labels": question.labels, "dialogues": documents})


def _understood(body: ClassifyRequest, serving: Service) -> Question:
    if body.schema_version != SCHEMA_VERSION:
        raise RefusedError(
            422,
            f"The answer is wanted in version {body.schema_version} of its format; this service "
            f"writes version {SCHEMA_VERSION}.",
            f"Say 'schema': {SCHEMA_VERSION}, or leave it out.",
        )
    model = serving.models.named(body.model)
    classifier = model.asked(body.asking())
    if body.explain:
        classifier.check_explainable()
    question = Question(model, classifier, body.conversations(), body.explain)
    if question.turns > MAX_TURNS:
        raise RefusedError(
            413,
            f"The request has {question.turns:,} turns; at most {MAX_TURNS:,} are taken.",
            "Send it in several requests.",
        )
    return question


def _documents(question: Question, ticket: Ticket, serving: Service) -> list[dict[str, Any]]:
    """Each dialogue's answers; a dialogue whose evidence cannot be measured has none of it.

    Raises:
        BaseException: What broke the request, if nothing of it was answered, or no evidence was
            measured.
    """
    tasks = [cast(DialogueTask, task) for task in ticket.tasks]
    outcomes = [task.outcome() for task in tasks]
    for outcome in outcomes:
        for item in outcome.items:
            serving.metrics.turn(question.model.name, item.status)
    broken = [task.error for task in tasks if task.error is not None]
    if len(broken) == len(tasks):
        raise broken[0]
    measured = [cast(EvidenceTask, task) for task in ticket.further if task is not None]
    failed = [task.error for task in measured if task.error is not None]
    if failed and len(failed) == len(measured):
        raise failed[0]
    named = {"model": question.model.name}  # as it was asked for
    return [
        dialogue_json(dialogue, _explained(ticket, place) or outcome) | named
        for place, (dialogue, outcome) in enumerate(zip(question.dialogues, outcomes, strict=True))
    ]


def _explained(ticket: Ticket, place: int) -> DialoguePrediction | None:
    """A dialogue's answers with their evidence, where that was measured."""
    task = cast(EvidenceTask | None, ticket.further[place])
    return None if task is None or task.error is not None else task.outcome()


async def _lines(question: Question, ticket: Ticket, serving: Service) -> AsyncIterator[bytes]:
    """The answer as lines, each as soon as it is known."""
    began = time.monotonic()
    answered = 0
    try:
        yield _line(
            type="start",
            schema=SCHEMA_VERSION,
            labels=question.labels,
            model=question.model.name,
            dialogues=len(question.dialogues),
            turns=question.turns,
            sent_to=question.model.remote_host,
            calibrated=question.classifier.negotiation.calibration.fitted,
        )
        async for place, answer in ticket.answers():
            if answer is not None:
                answered += 1
                serving.metrics.turn(question.model.name, answer.status)
                yield _turn_line(question, place, answer)
            else:
                for line in _evidence_lines(question, ticket, place):
                    yield line
                yield _end_of_dialogue(question, ticket, place)
        seconds = round(time.monotonic() - began, 3)
        yield _line(type="end", turns=answered, seconds=seconds)
    finally:
        ticket.cancel()


def _evidence_lines(question: Question, ticket: Ticket, place: int) -> Iterator[bytes]:
    """Each turn of a dialogue once more, now with its evidence, where that is asked for."""
    task = ticket.further[place]
    if task is not None and task.error is not None:
        yield _error_line(place, task.error)
    elif (explained := _explained(ticket, place)) is not None:
        for item in explained.items:
            yield _turn_line(question, place, item)


def _turn_line(question: Question, place: int, answer: Prediction) -> bytes:
    utterance = question.dialogues[place].utterances[answer.index]
    item = utterance_json(utterance, answer)
    return _line(type="turn", dialogue=place, turn=answer.index, **item)


def _end_of_dialogue(question: Question, ticket: Ticket, place: int) -> bytes:
    task = cast(DialogueTask, ticket.tasks[place])
    if task.error is not None:
        return _error_line(place, task.error)
    found = task.outcome()
    return _line(
        type="dialogue",
        dialogue=place,
        id=found.dialogue_id,
        language=found.language,
        template=found.template,
    )


def _error_line(place: int, error: BaseException) -> bytes:
    told = RefusedError.of(error)
    return _line(type="error", dialogue=place, turn=None, error=told.error, hint=told.hint)


def _line(**content: object) -> bytes:
    return json.dumps(content, ensure_ascii=False, allow_nan=False).encode() + b"\n"
