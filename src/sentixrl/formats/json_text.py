"""JSON and JSONL to dialogues, with the place of whatever is wrong.

Contract: malformed JSON is an error with line and column, a repeated key or dialogue id is an
error too, and an object that does not fit :class:`DialogueObject` says at which utterance. What
:mod:`~sentixrl.formats.results` writes is read as well. Objects that each hold one text are the
rows of a table. One dialogue at a time is in memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from sentixrl.dialogue import Dialogue
from sentixrl.errors import InputError
from sentixrl.formats.characters import nearest, shown
from sentixrl.formats.json_elements import Element, json_elements, load_json
from sentixrl.formats.language import language_tag
from sentixrl.formats.ledger import Ledger, NoDialogueError
from sentixrl.formats.objects import DialogueObject, UtteranceObject, dialogue_object
from sentixrl.formats.on_disk import Register
from sentixrl.formats.results import is_result, read_dialogue_json
from sentixrl.formats.source import InputSource

_LINES_HINT = "Each line needs one whole object; for one spread over lines use --format json."
_DOCUMENT_HINT = "If every line is an object of its own, use --format jsonl."


class JsonDialogues:
    """The dialogues of a JSON document or of lines of JSON.

    Args:
        source: The input.
        lines: Whether each line is a document.

    Attributes:
        spot: What errors call an element's place.
    """

    def __init__(self, source: InputSource, *, lines: bool) -> None:
        self._source = source
        self._lines = lines
        self.spot = "line" if lines else "dialogue"

    def elements(self, ledger: Ledger | None = None) -> Iterator[Element]:
        """The objects; blank lines and what stands between objects is told to the ledger."""
        if not self._lines:
            yield from json_elements(self._source, _DOCUMENT_HINT)
            return
        for line in self._source.lines(tolerant=True):
            if line.text.strip():
                try:
                    if line.fault is not None:
                        raise line.fault
                    value = load_json(line.text, self._source.name, _LINES_HINT, line.number)
                except InputError as error:
                    (ledger or Ledger("")).fault(error, line.number, line.size)
                    continue
                yield Element(value, line.number, line.size)
            elif ledger:
                ledger.markup(line.size)

    def dialogues(self, ledger: Ledger) -> Iterator[Dialogue]:
        """The dialogues, one at a time.

        Raises:
            InputError: Something is not JSON, or no dialogue.
        """
        with closing(Register()) as ids:
            self._note_ids(ids, ledger.rehearsal())
            number = 0
            for number, element in enumerate(self.elements(ledger), start=1):
                try:
                    dialogue = self._dialogue(element, number, ids)
                except InputError as error:
                    ledger.fault(error, element.number, element.size)
                    continue
                for size in (element.size, *[0] * (len(dialogue) - 1)):
                    ledger.turn(size)
                yield dialogue
        if not number:
            raise NoDialogueError(
                f"{self._source.name}: the list holds no dialogue.", hint="Give at least one."
            )
        self.account_rest(ledger)

    def account_rest(self, ledger: Ledger) -> None:
        """Tell the ledger of what stands between the elements of a document."""
        if not self._lines:
            ledger.markup(max(0, self._source.size() - ledger.size))

    def place(self, element: Element) -> str:
        """What errors call an element."""
        name = self._source.name
        return f"{name}, {self.spot} {element.number}" if element.number else name

    def _note_ids(self, ids: Register, ahead: Ledger) -> None:
        """Note the ids that the input gives, so that none is given twice."""
        for element in self.elements(ahead):
            id = element.value.get("id") if isinstance(element.value, dict) else None
            if not isinstance(id, str | int) or isinstance(id, bool):
                continue
            before = ids.add(str(id), element.number)
            if before is not None:
                raise InputError(
                    f"{self.place(element)}: the id '{shown(str(id))}' is already that of "
                    f"{self.spot} {before}.",
                    hint="Give every dialogue an id of its own, or leave all ids out.",
                )

    def _dialogue(self, element: Element, number: int, ids: Register) -> Dialogue:
        free = "" if _has_id(element.value) else _free_id(number, ids)
        return dialogue_of_json(element.value, self.place(element), free)


def dialogue_of_json(value: object, place: str, free_id: str, *, alone: bool = False) -> Dialogue:
    """The dialogue that a JSON value describes: an input object, or a result.

    Args:
        value: What JSON gave, or a Python value of the same shape.
        place: What errors call it.
        free_id: Its id if it has none of its own.
        alone: Whether its one utterance is all that ``place`` speaks of.

    Raises:
        InputError: It is no dialogue; the message says at which utterance.
    """
    if is_result(value):
        return _from_result(value, place)
    item = validated(value, place, alone=alone)
    return item.dialogue(item.id or free_id)


def _has_id(value: object) -> bool:
    return isinstance(value, Mapping) and bool(value.get("id"))


def _from_result(value: Mapping[str, Any], place: str) -> Dialogue:
    """The dialogue of a result, its answers taken for annotated labels."""
    try:
        dialogue, prediction = read_dialogue_json(value)
    except InputError as error:
        raise InputError(f"{place}: {error.message}", hint=error.hint) from None
    turns = [
        replace(turn, gold=item.label, golds=item.labels)
        for turn, item in zip(dialogue, prediction.items, strict=True)
    ]
    made = replace(dialogue, utterances=tuple(turns))
    # The rules of what may stand in a dialogue hold here, too.
    checked = dialogue_object(replace(made, language=language_tag(prediction.language)))
    return validated(checked, place).dialogue(made.id)


def _free_id(position: int, ids: Register) -> str:
    """The position, with as many ``#`` before it as keep it apart from ids the file gives."""
    id = str(position)
    while id in ids:
        id = f"#{id}"
    return id


def validated(value: object, place: str, *, alone: bool = False) -> DialogueObject:
    """The dialogue that an object describes.

    Args:
        value: What JSON gave.
        place: What errors call it.
        alone: Whether its one utterance is all that ``place`` speaks of.

    Raises:
        InputError: It is none; the message says at which utterance.
    """
    try:
        return DialogueObject.model_validate(value)
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
        # A misspelt key is both missing and unknown; the second tells what to do.
        details.sort(key=lambda detail: detail["type"] != "extra_forbidden")
        raise _refusal(details[0], place, alone) from None


def _refusal(detail: ErrorDetails, place: str, alone: bool) -> InputError:
    kind, parts = detail["type"], list(detail["loc"])
    model: type[BaseModel] = DialogueObject
    subject = "the dialogue"
    if len(parts) > 1 and parts[0] == "utterances":
        model = UtteranceObject
        place = place if alone else f"{place}, utterance {int(parts[1]) + 1}"
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
