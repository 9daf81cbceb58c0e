"""What decisions are about: a text, a conversation, or any JSON.

Contract: what looks like a conversation is read as one: our own JSON, or a list of messages with
``role`` or ``speaker`` and ``content`` or ``text``. Other JSON is shown as JSON, on one line.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.formats.values import dialogue_of

_SPEAKERS, _TEXTS = ("speaker", "role", "name"), ("text", "content")


def dialogue_of_state(state: object) -> Dialogue:
    """The dialogue that a state is; of one utterance for what is no conversation.

    Raises:
        InputError: There is nothing to be seen, or it holds what no text may hold.
    """
    if isinstance(state, Mapping):
        if "utterances" in state:
            return dialogue_of(state)
        if set(state) == {"messages"}:
            state = state["messages"]
    turns = _messages(state)
    return dialogue_of(Dialogue("1", turns) if turns else text_of(state))


def text_of(content: object) -> str:
    """A text as it is, anything else as JSON on one line; nothing for ``None``."""
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    return json.dumps(content, ensure_ascii=False)


def _messages(state: object) -> tuple[Utterance, ...] | None:
    """The turns of a list of messages; ``None`` where it is none."""
    if not isinstance(state, Sequence) or isinstance(state, str) or not state:
        return None
    turns = [_message(item) for item in state]
    return None if None in turns else tuple(turn for turn in turns if turn is not None)


def _message(item: Any) -> Utterance | None:  # noqa: ANN401 - JSON
    if not isinstance(item, Mapping):
        return None
    speaker = next((item[key] for key in _SPEAKERS if key in item), None)
    text = next((item[key] for key in _TEXTS if key in item), None)
    if not isinstance(text, str) or not isinstance(speaker, str):
        return None
    return Utterance(text, speaker)
