"""Prompts as messages of segments, without chat markup.

Contract: a segment is tokenised on its own, so two prompts that share their first segments share
their first tokens. Prompts are values: :meth:`Prompt.then` returns a longer one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

Role = Literal["system", "user", "assistant"]

# White space, opening quotes, and the scripts written without spaces between words: Chinese and
# Japanese characters with their full-width punctuation.
_NO_SPACE_AFTER = re.compile(r"[\s“‘\u3000-\u30ff\u3400-\u9fff\uf900-\ufaff\uff00-\uffef]")


def lead(text: str) -> str:
    """What stands between ``text`` and the word that continues it: a space or nothing."""
    return "" if not text or _NO_SPACE_AFTER.match(text[-1]) else " "


@dataclass(frozen=True, slots=True)
class Message:
    """A message of one role: its text cut into segments."""

    role: Role
    segments: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Prompt:
    """A conversation with the model, up to where its next words belong.

    If the last message is the assistant's, the model continues it; otherwise the engine opens an
    assistant turn.
    """

    messages: tuple[Message, ...] = ()

    def then(self, role: Role, *segments: str) -> Prompt:
        """Append segments, to the last message if it has this role, else as a new message."""
        if self.messages and self.messages[-1].role == role:
            last = Message(role, self.messages[-1].segments + segments)
            return Prompt((*self.messages[:-1], last))
        return Prompt((*self.messages, Message(role, segments)))

    def line(self, role: Role, text: str) -> Prompt:
        """Append a line, to the last message if it has this role, else as a new message."""
        continues = bool(self.messages) and self.messages[-1].role == role
        return self.then(role, f"\n{text}" if continues else text)

    def answer(self, text: str) -> Prompt:
        """Append what the assistant says next, spaced as engines space the choices they score."""
        if self.messages and self.messages[-1].role == "assistant":
            return self.then("assistant", lead(self.messages[-1].segments[-1]) + text)
        return self.then("assistant", text)

    @property
    def text(self) -> str:
        """The words as the plain format lays them out: answers follow on the question's line."""
        text = ""
        for position, message in enumerate(self.messages):
            if position:
                own_line = begins_line(self.messages[position - 1], message)
                text += "\n" if own_line else lead(text)
            text += "".join(message.segments)
        return text


def begins_line(before: Message, message: Message) -> bool:
    """Whether plain text gives a message a line of its own.

    An answer follows its question on the same line, and after a one-line answer the next question
    continues that line. Every round asks a few words about every utterance, so a line break would
    be one token in three.
    """
    if message.role == "assistant":
        return False
    return before.role != "assistant" or any("\n" in segment for segment in before.segments)
