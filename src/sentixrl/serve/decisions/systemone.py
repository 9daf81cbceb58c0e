"""``POST /v1/systemone``: decisions in TypeSafe's format, as ``transformers serve`` answers it too.

Contract: ``state``, and ``questions`` by name, of the types ``choice``, ``score`` and ``noul``; an
answer of each question's type under its name. ``negotiation``, of a choice or of the whole request,
is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, JsonValue, StrictBool

from sentixrl.prediction import Status
from sentixrl.serve.decisions.asking import Interview
from sentixrl.serve.decisions.questions import (
    MOST_LEVELS,
    MOST_OPTIONS,
    MOST_QUESTIONS,
    Answer,
    Kind,
    Option,
    Question,
)
from sentixrl.serve.decisions.states import dialogue_of_state, text_of
from sentixrl.serve.refusals import RefusedError
from sentixrl.serve.service import Service, Serving

Content = str | dict[str, JsonValue] | list[JsonValue]

router = APIRouter()


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NoulCriteria(_Strict):
    """What counts as yes and as no."""

    true: Content | None = None
    false: Content | None = None


class Noul(_Strict):
    """A yes/no question or statement."""

    type: Literal["noul"]
    instructions: Content | None = None
    criteria: NoulCriteria | None = None

    def question(self, name: str, negotiation: bool | None) -> Question:
        """The question."""
        meant = self.criteria or NoulCriteria()
        options = Option("true", text_of(meant.true)), Option("false", text_of(meant.false))
        return Question(name, Kind.YES_NO, text_of(self.instructions), options)


class Choice(_Strict):
    """A choice between named options."""

    type: Literal["choice"]
    instructions: Content | None = None
    criteria: dict[str, Content | None] = Field(min_length=1, max_length=MOST_OPTIONS)
    negotiation: StrictBool | None = Field(None, description="Let the two roles negotiate.")

    def question(self, name: str, negotiation: bool | None) -> Question:
        """The question."""
        options = tuple(Option(word, text_of(said)) for word, said in self.criteria.items())
        own = negotiation if self.negotiation is None else self.negotiation
        return Question(name, Kind.CHOICE, text_of(self.instructions), options, own)


class Score(_Strict):
    """A rating on levels, from the lowest, which is 0."""

    type: Literal["score"]
    instructions: Content | None = None
    criteria: list[Content] = Field(min_length=1, max_length=MOST_LEVELS)

    def question(self, name: str, negotiation: bool | None) -> Question:
        """The question."""
        options = tuple(Option(str(n), text_of(said)) for n, said in enumerate(self.criteria))
        return Question(name, Kind.SCORE, text_of(self.instructions), options)


class SystemOneRequest(_Strict):
    """Questions about a state."""

    model: str | None = Field(None, description="A name of GET /v1/models; default: its first.")
    state: Content = Field(description="A text, a conversation, or any JSON.")
    questions: dict[str, Annotated[Noul | Choice | Score, Field(discriminator="type")]] = Field(
        min_length=1, max_length=MOST_QUESTIONS
    )
    assets: dict[str, JsonValue] | None = Field(None, description="Images, which are refused.")
    negotiation: StrictBool | None = Field(None, description="As in a choice, for all of them.")


class Usage(BaseModel):
    """What the answer took."""

    input_tokens: int = Field(description="Tokens that were computed; what is shared counts once.")
    output_tokens: int


class SystemOneResult(BaseModel):
    """The answers by the questions' names."""

    model: str
    answers: dict[str, dict[str, Any]]
    usage: Usage


@router.post(
    "/v1/systemone", response_model=SystemOneResult, summary="Typed decisions (System One)"
)
async def systemone(body: SystemOneRequest, request: Request, serving: Serving) -> Response:
    """Answer a request of ``POST /v1/systemone``."""
    if body.assets:
        raise RefusedError(422, "The models of this service read texts, no images.")
    questions = [one.question(name, body.negotiation) for name, one in body.questions.items()]
    model, answers = await answered(body.model, body.state, questions, request, serving)
    tokens = sum(answer.tokens for answer in answers)
    content = {
        "model": model,
        "answers": {answer.question.name: _plain(answer) for answer in answers},
        "usage": {"input_tokens": tokens, "output_tokens": 0},
    }
    return JSONResponse(content)


async def answered(
    name: str | None,
    state: object,
    questions: Sequence[Question],
    request: Request,
    serving: Service,
) -> tuple[str, list[Answer]]:
    """The model's name, and an answer for each question.

    Raises:
        RefusedError: There is no such model, no room, or a question that cannot be answered.
    """
    model = serving.models.named(name)
    interview = Interview(model, dialogue_of_state(state), questions)
    request.state.facts = {"model": model.name, "questions": len(questions)}
    async with serving.asked(model, interview.parts) as ticket:
        await serving.finished(request, ticket)
        answers = interview.answers(ticket.tasks)
    for answer in answers:
        serving.metrics.turn(model.name, Status(answer.record.get("status", Status.SINGLE)))
    return model.name, answers


def _plain(answer: Answer) -> dict[str, Any]:
    question, probabilities = answer.question, answer.probabilities
    words = [option.word for option in question.options]
    if question.kind is Kind.YES_NO:
        return {"type": "noul", "noul": probabilities[0]}
    by_word = dict(zip(words, probabilities, strict=True))
    common = {"confidence": answer.confidence, "probabilities": by_word}
    if question.kind is Kind.CHOICE:
        return {"type": "choice", "choice": words[answer.chosen], **common, **answer.record}
    legend = {option.word: option.description for option in question.options}
    return {"type": "score", "score": answer.score, "legend": legend, **common}
