"""JSON and JSONL text to dialogues, with the place of whatever is wrong.

Contract: malformed JSON is an error with line and column, a repeated key or dialogue id is an
error too, and an object that does not fit :class:`DialogueObject` says at which utterance.
"""

from __future__ import annotations

import json
from collections.abc import Container, Iterable, Sequence

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sentixrl.dialogue import Dialogue
from sentixrl.errors import InputError
from sentixrl.formats.characters import nearest, shown
from sentixrl.formats.objects import DialogueObject, UtteranceObject
from sentixrl.formats.strict_json import DECODER, RefusedError


def parse_json(text: str, name: str) -> list[Dialogue]:
    """Read one JSON value: a dialogue or a list of dialogues.

    Raises:
        InputError: The text is not JSON (with line and column), or not dialogues (with which).
    """
    value = _load(text, name, hint="If every line is an object of its own, use --format jsonl.")
    if value == []:
        raise InputError(f"{name}: the list holds no dialogue.", hint="Give at least one.")
    if not isinstance(value, list):
        return _collect([(name, value)])
    return _collect((f"{name}, dialogue {n}", item) for n, item in enumerate(value, start=1))


def parse_jsonl(text: str, name: str) -> list[Dialogue]:
    """Read a dialogue a line; blank lines are left out.

    Raises:
        InputError: As for :func:`parse_json`; places are lines of the file.
    """
    hint = "Each line needs one whole object; for one spread over lines use --format json."
    return _collect(
        (f"{name}, line {n}", _load(line, name, hint=hint, line=n))
        for n, line in enumerate(text.split("\n"), start=1)
        if line.strip()
    )


def _load(text: str, name: str, *, hint: str, line: int | None = None) -> object:
    place = name if line is None else f"{name}, line {line}"
    try:
        return DECODER.decode(text)
    except json.JSONDecodeError as error:
        raise InputError(
            f"{name}, line {line or error.lineno}, column {error.colno}: "
            f"this is not valid JSON ({error.msg}).",
            hint=hint,
        ) from None
    except RefusedError as error:
        raise InputError(f"{place}: {error}.", hint="Remove or replace it.") from None
    except RecursionError:
        raise InputError(f"{place}: the JSON is nested too deeply.") from None
    except ValueError:  # Python converts no whole number of more than some thousand digits
        raise InputError(f"{place}: a number has too many digits.") from None


def _collect(placed: Iterable[tuple[str, object]]) -> list[Dialogue]:
    found = [(place, _validate(value, place)) for place, value in placed]
    taken: dict[str, str] = {}
    for place, item in found:
        if item.id is None:
            continue
        if item.id in taken:
            raise InputError(
                f"{place}: the id '{shown(item.id)}' is already that of {taken[item.id]}.",
                hint="Give every dialogue an id of its own, or leave all ids out.",
            )
        taken[item.id] = place.rpartition(", ")[2]
    return [
        item.dialogue(item.id or _free_id(position, taken))
        for position, (_, item) in enumerate(found, start=1)
    ]


def _free_id(position: int, taken: Container[str]) -> str:
    """The position, with as many ``#`` before it as keep it apart from ids the file gives."""
    id = str(position)
    while id in taken:
        id = f"#{id}"
    return id


def _validate(value: object, place: str) -> DialogueObject:
    try:
        return DialogueObject.model_validate(value)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        # A misspelt key is both missing and unknown; the second tells what to do.
        details.sort(key=lambda detail: detail["type"] != "extra_forbidden")
        raise _refusal(details[0], place) from None


def _refusal(detail: ErrorDetails, place: str) -> InputError:
    kind, parts = detail["type"], list(detail["loc"])
    model: type[BaseModel] = DialogueObject
    subject = "the dialogue"
    if len(parts) > 1 and parts[0] == "utterances":
        model = UtteranceObject
        place = f"{place}, utterance {int(parts[1]) + 1}"
        subject = "the text" if parts[2:3] == ["text"] else "the turn"
        parts = parts[3:]  # behind 'utterances', the position and the form
    keys = list(model.model_fields)
    if kind == "extra_forbidden":
        return _unknown_key(str(parts[-1]), keys, place)
    if parts:
        keys_down = [shown(str(part)) for part in parts if part != "[key]"]
        subject = f"'{'.'.join(keys_down)}'"
    hint = f"The keys are: {', '.join(keys)}." if kind in {"missing", "model_type"} else None
    return InputError(f"{place}: {subject} {_complaint(detail)}.", hint=hint)


def _unknown_key(key: str, keys: Sequence[str], place: str) -> InputError:
    guess = nearest(key, keys)
    meant = f"Did you mean '{guess}'? " if guess else ""
    return InputError(
        f"{place}: the key '{shown(key)}' is unknown.",
        hint=f"{meant}The keys are: {', '.join(keys)}.",
    )


def _complaint(detail: ErrorDetails) -> str:
    """What is wrong, as the end of a sentence: in our words where pydantic's are for developers."""
    wanted = {
        "too_short": "is empty",
        "string_too_short": "is empty",
        "missing": "is missing",
        "string_type": "should be text in quotation marks",
        "list_type": "should be a list",
        "dict_type": "should be an object",
        "string_unicode": "holds half a character (a lone surrogate)",
    }
    if detail["type"] == "model_type":
        is_turn = detail["loc"][:1] == ("utterances",)
        return "should be text or an object" if is_turn else 'should be {"utterances": [...]}'
    return wanted.get(detail["type"], detail["msg"])
