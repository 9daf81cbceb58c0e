"""``POST /v1/decisions``: decisions in OpenAI's format, as ``client.decisions.create`` calls it.

Contract: ``input``, and ``questions`` in a list, of the types ``choice``, ``score`` and
``predicate``; the answers stand in the same order. What only steers a cache or names an end user is
taken and not used. ``negotiation``, of a choice or of the whole request, is ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, JsonValue, StrictBool, StrictStr

from sentixrl.serve.decisions.questions import (
    MOST_LEVELS,
    MOST_OPTIONS,
    MOST_QUESTIONS,
    Answer,
    Kind,
    Option,
    Question,
)
from sentixrl.serve.decisions.states import text_of
from sentixrl.serve.decisions.systemone import answered
from sentixrl.serve.refusals import RefusedError
from sentixrl.serve.service import Serving

router = APIRouter()


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class TextPart(_Strict):
    """A piece of text."""

    type: Literal["input_text", "output_text"]
    text: str
    prompt_cache_breakpoint: JsonValue = None


class JsonPart(_Strict):
    """A piece of JSON."""

    type: Literal["input_json"]
    data: dict[str, JsonValue] | list[JsonValue]


class RefusalPart(_Strict):
    """What an assistant refused with."""

    type: Literal["refusal"]
    refusal: str


class ImagePart(BaseModel):
    """An image, which is refused."""

    type: Literal["input_image"]


_Part = Annotated[TextPart | JsonPart | RefusalPart | ImagePart, Field(discriminator="type")]
Parts = str | list[_Part]


class MessageItem(BaseModel):
    """A message of a conversation."""

    type: Literal["message"] = "message"
    role: Literal["user", "assistant", "system", "developer"]
    content: Parts

    def turn(self) -> tuple[str, str]:
        """Who says what."""
        return self.role, words_of(self.content)


class CallItem(BaseModel):
    """A call of a function or a tool."""

    type: Literal["function_call", "custom_tool_call"]
    name: str
    arguments: str = ""
    input: str = ""

    def turn(self) -> tuple[str, str]:
        """Who says what."""
        return "assistant", f"{self.name}({self.arguments or self.input})"


class OutputItem(BaseModel):
    """What a function or a tool gave."""

    type: Literal["function_call_output", "custom_tool_call_output"]
    output: Parts

    def turn(self) -> tuple[str, str]:
        """Who says what."""
        return "tool", words_of(self.output)


class Predicate(_Strict):
    """A statement that may be true."""

    type: Literal["predicate"]
    name: str | None = None
    instructions: Parts

    def question(self, name: str, negotiation: bool | None) -> Question:
        """The question."""
        options = Option("true"), Option("false")
        return Question(name, Kind.YES_NO, words_of(self.instructions), options)


class ChoiceOption(_Strict):
    """One of the choices."""

    value: StrictStr | StrictBool
    description: str | None = None


class Choice(_Strict):
    """A choice between options."""

    type: Literal["choice"]
    name: str | None = None
    instructions: Parts
    choices: list[ChoiceOption] = Field(min_length=2, max_length=MOST_OPTIONS)
    negotiation: StrictBool | None = Field(None, description="Let the two roles negotiate.")

    def question(self, name: str, negotiation: bool | None) -> Question:
        """The question."""
        options = tuple(Option(text_of(one.value), one.description or "") for one in self.choices)
        own = negotiation if self.negotiation is None else self.negotiation
        return Question(name, Kind.CHOICE, words_of(self.instructions), options, own)


class Level(_Strict):
    """One of the levels."""

    label: str
    description: str | None = None


class Score(_Strict):
    """A rating on levels, from the lowest, which is 0."""

    type: Literal["score"]
    name: str | None = None
    instructions: Parts
    levels: list[Level] = Field(min_length=1, max_length=MOST_LEVELS)

    def question(self, name: str, negotiation: bool | None) -> Question:
        """The question."""
        options = tuple(Option(one.label, _meaning(one)) for one in self.levels)
        return Question(name, Kind.SCORE, words_of(self.instructions), options)


class DecisionsRequest(_Strict):
    """Questions about an input."""

    model: str | None = Field(None, description="A name of GET /v1/models; default: its first.")
    input: str | Annotated[list[MessageItem | CallItem | OutputItem], Field(min_length=1)]
    questions: list[Annotated[Predicate | Choice | Score, Field(discriminator="type")]] = Field(
        min_length=1, max_length=MOST_QUESTIONS
    )
    negotiation: StrictBool | None = Field(None, description="As in a choice, for all of them.")
    prompt_cache_key: str | None = None
    prompt_cache_options: JsonValue = None
    safety_identifier: str | None = None

    def state(self) -> object:
        """What the questions are about."""
        if isinstance(self.input, str):
            return self.input
        turns = [item.turn() for item in self.input]
        if len(turns) == 1 and turns[0][0] == "user":
            return turns[0][1]  # a lone message is how clients send a text
        return [{"role": role, "content": text} for role, text in turns]


class DecisionsResult(BaseModel):
    """The answers, in the order of the questions."""

    model: str
    answers: list[dict[str, Any]]
    usage: dict[str, Any]


@router.post("/v1/decisions", response_model=DecisionsResult, summary="Typed decisions (OpenAI)")
async def decisions(body: DecisionsRequest, request: Request, serving: Serving) -> Response:
    """Answer a request of ``POST /v1/decisions``."""
    questions = [
        one.question(one.name or str(place), body.negotiation)
        for place, one in enumerate(body.questions, start=1)
    ]
    model, answers = await answered(body.model, body.state(), questions, request, serving)
    tokens = sum(answer.tokens for answer in answers)
    usage = {
        "input_tokens": tokens,
        "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
        "output_tokens": 0,
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": tokens,
    }
    shown = [_plain(one, answer) for one, answer in zip(body.questions, answers, strict=True)]
    return JSONResponse({"model": model, "answers": shown, "usage": usage})


def words_of(parts: str | Sequence[TextPart | JsonPart | RefusalPart | ImagePart]) -> str:
    """A content's text.

    Raises:
        RefusedError: It holds an image.
    """
    if isinstance(parts, str):
        return parts
    texts: list[str] = []
    for part in parts:
        if isinstance(part, ImagePart):
            raise RefusedError(422, "The models of this service read texts, no images.")
        if isinstance(part, TextPart):
            texts.append(part.text)
        else:
            texts.append(text_of(part.data) if isinstance(part, JsonPart) else part.refusal)
    return "\n".join(texts)


def _meaning(level: Level) -> str:
    return f"{level.label}: {level.description}" if level.description else level.label


def _plain(asked: Predicate | Choice | Score, answer: Answer) -> dict[str, Any]:
    common: dict[str, Any] = {"type": asked.type, "name": asked.name}
    probabilities = answer.probabilities
    if isinstance(asked, Predicate):
        return common | {"probability": probabilities[0]}
    common["confidence"] = answer.confidence
    if isinstance(asked, Choice):
        values = [one.value for one in asked.choices]
        spread = [
            {"value": value, "probability": p}
            for value, p in zip(values, probabilities, strict=True)
        ]
        return common | {
            "choice": values[answer.chosen],
            "probabilities": spread,
            **answer.record,
        }
    levels = [
        {"label": level.label, "value": value, "probability": p}
        for value, (level, p) in enumerate(zip(asked.levels, probabilities, strict=True))
    ]
    return common | {"score": answer.score, "probabilities": levels}
