"""Dialogues as JSON objects: their shape, what may stand in it, and the way back.

Contract: an object with an unknown key, an empty text or a name of several lines does not fit;
nothing is ignored. :func:`dialogue_object` is the inverse of :meth:`DialogueObject.dialogue`.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    PlainValidator,
    Tag,
    TypeAdapter,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.formats.characters import is_blank, name_fault, text_fault, unreadable
from sentixrl.formats.language import language_tag


def _visible(text: str) -> str:
    if fault := text_fault(text):
        raise PydanticCustomError("text", "{fault}", {"fault": fault})
    return text


def _one_line(name: str) -> str:
    if fault := name_fault(name):
        raise PydanticCustomError("name", "{fault}", {"fault": fault})
    return name


def _number_as_text(value: object) -> object:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _text_or_number(value: object) -> str | float:
    if isinstance(value, str):
        if fault := unreadable(value):
            raise PydanticCustomError("metadata", "{fault}", {"fault": fault})
        return value
    if isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < math.inf:
        return value
    raise PydanticCustomError("metadata", "should be text or a finite number")


def _seen(name: str | None) -> str | None:
    return None if name is None or is_blank(name) else name


def _language(tag: str) -> str:
    known = language_tag(tag)
    if known is None:
        raise PydanticCustomError("language", "should be a language code such as 'en' or 'zh'")
    return known


_Text = Annotated[str, Field(min_length=1), AfterValidator(_visible)]
_Name = Annotated[str, AfterValidator(_one_line)]
_Id = Annotated[
    str,
    BeforeValidator(_number_as_text),
    Field(min_length=1),
    AfterValidator(_one_line),
    WithJsonSchema({"type": ["string", "integer"], "minLength": 1}),
]
_Value = Annotated[
    str | float, PlainValidator(_text_or_number), WithJsonSchema({"type": ["string", "number"]})
]
# Speakers and labels are often numbers in other people's files.
_NameOrNumber = Annotated[
    str,
    BeforeValidator(_number_as_text),
    AfterValidator(_one_line),
    WithJsonSchema({"type": ["string", "integer"]}),
]
_Language = Annotated[
    str,
    AfterValidator(_language),
    WithJsonSchema({"type": "string", "pattern": "^[A-Za-z]{2,3}([-_][A-Za-z0-9]+)*$"}),
]


class UtteranceObject(BaseModel):
    """One turn. A turn that is a text alone may stand as that text."""

    model_config = ConfigDict(extra="forbid", title="Utterance")

    text: _Text = Field(description="What was said; any Unicode text, on one or several lines.")
    speaker: _NameOrNumber | None = Field(None, description="Who said it: one line.")
    id: _Id | None = Field(None, description="The source's own identifier of this turn.")
    label: _NameOrNumber | None = Field(
        None, description="Annotated label; never shown to a model."
    )
    labels: list[_NameOrNumber] | None = Field(
        None, description="All annotated labels, where there may be several or none."
    )
    metadata: dict[_Name, _Value] = Field({}, description="Further fields, kept but not used.")

    def utterance(self) -> Utterance:
        """The utterance this object describes; a blank speaker or label is none."""
        golds = None if self.labels is None else tuple(self.labels)
        return Utterance(
            self.text, _seen(self.speaker), _seen(self.label), self.id, dict(self.metadata), golds
        )


def _form(turn: object) -> str:
    return "text" if isinstance(turn, str) else "object"


_Turn = Annotated[
    Annotated[_Text, Tag("text")] | Annotated[UtteranceObject, Tag("object")],
    Discriminator(_form),
]


class DialogueObject(BaseModel):
    """One dialogue."""

    model_config = ConfigDict(extra="forbid", title="Dialogue")

    id: _Id | None = Field(None, description="Unique in the file; its position if left out.")
    language: _Language | None = Field(None, description="Language code of the text: en, zh, …")
    group: _Name | None = Field(
        None, description="What is drawn as a whole when results are resampled: a show, a video."
    )
    utterances: list[_Turn] = Field(min_length=1, description="The turns, oldest first.")

    def dialogue(self, id: str) -> Dialogue:
        """The dialogue this object describes, under ``id``."""
        turns = (
            Utterance(turn) if isinstance(turn, str) else turn.utterance()
            for turn in self.utterances
        )
        return Dialogue(id, tuple(turns), self.language, self.group)


InputDocument: TypeAdapter[DialogueObject | list[DialogueObject]] = TypeAdapter(
    DialogueObject | Annotated[list[DialogueObject], Field(min_length=1)]
)
"""What a JSON file holds: one dialogue or a list of them."""


def dialogue_object(dialogue: Dialogue) -> dict[str, Any]:
    """The input object that reads back as ``dialogue``, ready for :func:`json.dumps`."""
    turns = [_turn_object(utterance) for utterance in dialogue]
    fields = {"id": dialogue.id, "language": dialogue.language, "group": dialogue.group}
    return {key: value for key, value in fields.items() if value is not None} | {
        "utterances": turns
    }


def _turn_object(utterance: Utterance) -> str | dict[str, Any]:
    fields = {
        "speaker": utterance.speaker,
        "id": utterance.id,
        "label": utterance.gold,
        "labels": None if utterance.golds is None else list(utterance.golds),
        "metadata": dict(utterance.metadata) or None,
    }
    given = {key: value for key, value in fields.items() if value is not None}
    return {"text": utterance.text} | given if given else utterance.text
