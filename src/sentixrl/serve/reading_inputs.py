"""``POST /v1/read``: how a file or a paste is understood, without a model.

Contract: nothing is looked for on the disk; a name is only its ending. Reading happens in a few
threads of its own, so that a long input holds nothing else up; few wait for them.
"""

from __future__ import annotations

import base64
import binascii
from datetime import timedelta
from itertools import islice
from typing import Annotated, Any, Literal

import anyio
from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StrictBool

from sentixrl.dialogue import Dialogue
from sentixrl.formats import DialogueReader, dialogue_object, open_bytes, open_text
from sentixrl.formats.characters import is_blank
from sentixrl.formats.objects import DialogueObject
from sentixrl.formats.plans import ReadingOptions
from sentixrl.formats.pseudonyms import PseudonymReader, Pseudonyms
from sentixrl.formats.results import LedgerResult
from sentixrl.serve.refusals import RefusedError
from sentixrl.serve.service import MAX_TURNS

_READERS, _MOST_WAITING = 2, 32
_PASTE = "the input"
_MOST_HOURS = 240_000.0

router = APIRouter()
_limiters: list[anyio.CapacityLimiter] = []


class ReadRequest(BaseModel):
    """A file or a paste."""

    model_config = ConfigDict(extra="forbid", title="Read", allow_inf_nan=False)

    content: str = Field(min_length=1, description="The text, or the bytes of a file in base64.")
    encoding: Literal["base64"] | None = Field(None, description="How 'content' is written.")
    name: Annotated[str, Field(max_length=255)] | None = Field(
        None, description="The file's name; null for a paste."
    )
    format: Annotated[str, Field(max_length=40)] = Field(
        "auto", description="The format's name; 'auto' goes by content, then by ending."
    )
    gap: Annotated[float, Field(gt=0, le=_MOST_HOURS)] | Literal["none"] = Field(
        8.0, description="Hours of silence that end a dialogue of a chat, or 'none'."
    )
    dates: Literal["dmy", "mdy", "ymd"] | None = Field(
        None, description="The order of a chat's dates, where they do not tell."
    )
    pseudonyms: StrictBool = Field(
        False, description="Replace speakers' names, also in texts; the answer says who is who."
    )


class ReadResult(BaseModel):
    """How it is understood."""

    model_config = ConfigDict(title="Understood")

    format: str
    dialogues: list[DialogueObject]
    ledger: LedgerResult
    notes: list[str] = Field(description="What a person should know of how it is read.")
    pseudonyms: dict[str, str] | None = Field(
        None, description="Name → pseudonym, where names were replaced."
    )


@router.post("/v1/read", response_model=None, responses={200: {"model": ReadResult}})
async def read(body: ReadRequest) -> dict[str, Any]:
    """How a file or a paste is understood."""
    if not _limiters:
        _limiters.append(anyio.CapacityLimiter(_READERS))
    limiter = _limiters[0]
    if limiter.statistics().tasks_waiting >= _MOST_WAITING:
        raise RefusedError(
            429,
            "The service has as much to read as it takes on.",
            "Ask again in 2 seconds.",
            {"Retry-After": "2"},
        )
    return await anyio.to_thread.run_sync(_read, body, limiter=limiter)


def _read(body: ReadRequest) -> dict[str, Any]:
    names = Pseudonyms()
    reader = _opened(body)
    if body.pseudonyms:
        reader = PseudonymReader(reader, names)
    dialogues: list[Dialogue] = []
    turns = 0
    for dialogue in reader:
        turns += len(dialogue)
        if turns > MAX_TURNS:
            raise RefusedError(
                413,
                f"The input has more than {MAX_TURNS:,} turns.",
                "Classify it with the command line, or send it in parts.",
            )
        dialogues.append(dialogue)
    found = {
        "format": reader.format,
        "dialogues": [dialogue_object(dialogue) for dialogue in dialogues],
        "ledger": reader.ledger.as_dict(),
        "notes": list(islice(reader.notes, 20)),
    }
    return found | {"pseudonyms": names.names} if body.pseudonyms else found


def _opened(body: ReadRequest) -> DialogueReader:
    options: ReadingOptions = {
        "format": body.format,
        "dates": body.dates,
        "gap": None if body.gap == "none" else timedelta(hours=body.gap),
    }
    if body.encoding is None and body.name is None:
        if is_blank(body.content):
            raise RefusedError(422, "The input is empty.")
        return open_text(body.content, name=_PASTE, **options)
    if body.encoding is None:
        raw = body.content.encode("utf-8", "surrogatepass")
    else:
        try:
            raw = base64.b64decode(body.content, validate=True)
        except (binascii.Error, ValueError):
            raise RefusedError(422, "The content is not base64.") from None
    return open_bytes(raw, _file_name(body.name), **options)


def _file_name(name: str | None) -> str:
    """The name without folders, as errors show it."""
    return (name or "").replace("\\", "/").rsplit("/", 1)[-1] or _PASTE
