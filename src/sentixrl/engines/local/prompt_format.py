"""From prompts to token sequences: chat markup or plain text, segment by segment.

Contract: prompts that share their first segments share their first tokens. What users wrote is
tokenised as bare text; special tokens come only from the format itself. So text that imitates chat
markup stays text.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property, lru_cache
from itertools import chain, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np

from sentixrl.context.prompt import Message, Prompt, begins_line, lead
from sentixrl.engines.local.chat_template import HINT, UNUSABLE, render
from sentixrl.engines.local.piece_tokenizer import PieceTokenizer
from sentixrl.engines.local.tokenizer_table import read_table
from sentixrl.engines.options import PromptFormatName
from sentixrl.errors import ModelError
from sentixrl.trie.trie import Tokens
from sentixrl.untrusted import boundary, read_bounded

if TYPE_CHECKING:
    from tokenizers import Tokenizer

    AnyTokenizer = Tokenizer | PieceTokenizer

_FAILS = "The model's tokenizer fails"
PREAMBLE_SEGMENTS = 2
"""Instruction and labels; demonstrations, which follow, may be each dialogue's own."""
_MARK = "\ue000{}\ue001"  # private-use characters: no chat template writes them
MAX_BYTES = 1 << 28
"""Bound on a ``tokenizer.json``; those of the largest vocabularies have 30 MB."""
# Repeated texts are short; long ones would fill the cache.
_CACHED_TEXTS = 20_000
_CACHED_CHARACTERS = 400


class Tokeniser(Protocol):
    """What a prompt format needs of a model's tokenisation."""

    @property
    def begin_ids(self) -> tuple[int, ...]:
        """Tokens every text begins with."""
        ...

    @property
    def end_ids(self) -> frozenset[int]:
        """Tokens with which the model ends a text; at least one."""
        ...

    def bare(self, text: str) -> tuple[int, ...]:
        """Tokens of text in which nothing is markup."""
        ...

    def markup(self, text: str) -> tuple[int, ...]:
        """Tokens of markup, with special tokens read as such."""
        ...


class Text:
    """Tokenises bare text and the format's own markup.

    Args:
        tokenizer: The model's tokenizer.
        end_ids: Tokens with which the model ends a text; at least one.
        begin_ids: Tokens every text begins with.
        context_tokens: How many the model reads. Of texts that are surely longer, only enough is
            tokenised to show it. ``None`` to tokenise all of any text.
    """

    def __init__(
        self,
        tokenizer: AnyTokenizer,
        end_ids: frozenset[int],
        begin_ids: tuple[int, ...] = (),
        context_tokens: int | None = None,
    ) -> None:
        self._tokenizer = tokenizer
        self._context = context_tokens
        with boundary(_FAILS, kind=ModelError):
            self._unmarked, self._markers = _without_markers(tokenizer)
        self.end_ids = end_ids
        self.begin_ids = begin_ids
        self._prefix = self._dummy_prefix()
        self._short = lru_cache(maxsize=_CACHED_TEXTS)(self._bare)
        self.markup = lru_cache(maxsize=1_000)(self._markup)

    def bare(self, text: str) -> tuple[int, ...]:
        """Tokens of text in which nothing is markup."""
        if len(text) <= _CACHED_CHARACTERS:
            return self._short(text)
        if self._context is not None and len(text) > self._context:
            beginning = self._bare(text[: (self._context + 1) * self._longest_token])
            if len(beginning) > self._context:
                return beginning
        return self._bare(text)

    @cached_property
    def _longest_token(self) -> int:
        """Characters of the longest token, apart from the unknown token."""
        return max(map(len, self._tokenizer.get_vocab()))

    def decode(self, tokens: Sequence[int]) -> str:
        """The text of generated tokens."""
        with boundary(_FAILS, kind=ModelError):
            return self._tokenizer.decode(list(tokens), skip_special_tokens=True)

    def _bare(self, text: str) -> tuple[int, ...]:
        with boundary(_FAILS, kind=ModelError):
            encoded = self._unmarked.encode(self._prefix + text, add_special_tokens=False)
        taken = len(self._prefix)
        ids = encoded.ids[taken:]
        if self._markers.isdisjoint(ids):
            return tuple(ids)
        # Some vocabularies hold their markers as words too (Unigram does): such words are cut.
        cuts = [
            start + 1 - taken
            for token, (start, stop) in zip(ids, encoded.offsets[taken:], strict=True)
            if token in self._markers and stop - start > 1
        ]
        if not cuts:
            return tuple(ids)
        ends = pairwise((0, *cuts, len(text)))
        return tuple(chain.from_iterable(self._bare(text[start:stop]) for start, stop in ends))

    def _markup(self, text: str) -> tuple[int, ...]:
        """Tokens of markup, with special tokens read as such."""
        with boundary(_FAILS, kind=ModelError):
            return tuple(self._tokenizer.encode(text, add_special_tokens=False).ids)

    def _dummy_prefix(self) -> str:
        """Keeps a SentencePiece tokenizer from putting a space before every segment.

        Such tokenizers put ``▁`` before the first word of any text. A line break, which is a token
        of its own, is put first to take it, and is dropped again.
        """
        alone = self._unmarked.encode("a", add_special_tokens=False)
        if not (alone.tokens and alone.tokens[0].startswith("▁")):
            return ""
        for sentinel in ("\n", "^"):
            marked = self._unmarked.encode(sentinel + "a", add_special_tokens=False).ids
            bare = self._unmarked.encode(sentinel, add_special_tokens=False).ids
            if len(bare) == 1 and marked[:1] == bare:
                return sentinel
        return ""


def _without_markers(tokenizer: AnyTokenizer) -> tuple[AnyTokenizer, frozenset[int]]:
    """A copy that reads markers as the text they are, and the markers' ids.

    Every added token counts as a marker, special or not, since chat markers are often not declared
    special. Exceptions are single characters, which some vocabularies add for missing letters, and
    the unknown token. It is a copy because reading markup needs the original.
    """
    if isinstance(tokenizer, PieceTokenizer):
        return tokenizer.unmarked()
    from tokenizers import Tokenizer

    content = json.loads(tokenizer.to_str())
    for token in content["added_tokens"]:
        token["special"] = token["special"] or len(token["content"]) > 1
    copy = Tokenizer.from_str(json.dumps(content))
    copy.encode_special_tokens = True
    model = content["model"]
    unknown = model.get("unk_id", copy.token_to_id(model.get("unk_token") or ""))
    added = {token["id"] for token in content["added_tokens"] if token["special"]}
    return copy, frozenset(added - {unknown})


class PlainFormat:
    """Messages as :attr:`Prompt.text` lays them out.

    Args:
        text: The model's tokenisation.
    """

    name: PromptFormatName = "plain"

    def __init__(self, text: Tokeniser) -> None:
        self._text = text
        # A line break ends an answer in plain text, or the end token if it is not one token.
        line = text.bare("\n")
        self.end = line[0] if len(line) == 1 else min(text.end_ids)

    def encode(self, prompt: Prompt) -> Tokens:
        """Token ids of a prompt, shape ``[length]``."""
        ids = list(self._text.begin_ids)
        for position, message in enumerate(prompt.messages):
            segments = list(message.segments)
            if position and begins_line(prompt.messages[position - 1], message):
                ids += self._text.bare("\n")
            elif position and segments:
                segments[0] = lead(_tail(prompt.messages[:position])) + segments[0]
            for segment in segments:
                ids += self._text.bare(segment)
        return np.array(ids, np.int64)

    def preamble(self, prompt: Prompt) -> int:
        """How many tokens a prompt begins with that all prompts of a task share."""
        own = _instruction(self._text, prompt)
        return len(self._text.begin_ids) + own if own else 0

    def answers(self, prompt: Prompt, choices: Sequence[str]) -> list[tuple[int, ...]]:
        """Token ids of each choice as it would continue the prompt."""
        space = lead(_tail(prompt.messages))
        return [self._text.bare(space + choice) for choice in choices]


class ChatFormat:
    """The model's own chat template around bare segments.

    Args:
        text: The model's tokenisation.
        template: The Jinja chat template that comes with the model.
        special: Names such as ``bos_token`` that the template may use.

    Raises:
        ModelError: The template is not valid, or takes too long or too much memory.
    """

    name: PromptFormatName = "chat"

    def __init__(self, text: Tokeniser, template: str, special: dict[str, str]) -> None:
        self._text = text
        self._template = template
        self._special = special
        self._joints = lru_cache(maxsize=500)(self._read_joints)
        self.end = self._turn_end()

    def encode(self, prompt: Prompt) -> Tokens:
        """Token ids of a prompt, shape ``[length]``."""
        messages = prompt.messages
        joints = self._joints(tuple(message.role for message in messages))
        ids = list(self._text.markup(joints[0]))
        for message, joint in zip(messages, joints[1:], strict=True):
            for segment in message.segments:
                ids += self._text.bare(segment)
            ids += self._text.markup(joint) if joint else ()
        return np.array(ids, np.int64)

    def preamble(self, prompt: Prompt) -> int:
        """How many tokens a prompt begins with that all prompts of a task share."""
        joints = self._joints(tuple(message.role for message in prompt.messages))
        own = _instruction(self._text, prompt)
        return len(self._text.markup(joints[0])) + own if own else 0

    def answers(self, prompt: Prompt, choices: Sequence[str]) -> list[tuple[int, ...]]:
        """Token ids of each choice as it would continue the prompt."""
        continues = bool(prompt.messages) and prompt.messages[-1].role == "assistant"
        space = lead(_tail(prompt.messages)) if continues else ""
        return [self._text.bare(space + choice) for choice in choices]

    def _turn_end(self) -> int:
        """Among the tokens that may end a text, the one that ends the assistant's turn."""
        try:
            closing = self._markup_around(("user", "assistant"))[-1]
        except ModelError as error:
            if error.code == UNUSABLE:
                raise
            closing = ""  # reported when such a conversation is really used
        ends = self._text.end_ids
        known = (closing, self._special.get("eos_token", ""))
        first = [token for markup in known for token in self._text.markup(markup)[:1]]
        return next((token for token in first if token in ends), min(ends))

    def _read_joints(self, roles: tuple[str, ...]) -> tuple[str, ...]:
        """The markup before, between and after messages of these roles."""
        *joints, closing = self._markup_around(roles)
        # An unfinished assistant message is left open.
        return (*joints, "" if roles and roles[-1] == "assistant" else closing)

    def _rendered(self, roles: tuple[str, ...], contents: tuple[str, ...]) -> str:
        """The text that the template makes of messages."""
        special = tuple(sorted(self._special.items()))
        return render(self._template, roles, contents, special)

    def _markup_around(self, roles: tuple[str, ...]) -> list[str]:
        """What the template writes around messages of these roles, the last one ended."""
        marks = [_MARK.format(position) for position in range(len(roles))]
        rendered = self._rendered(roles, tuple(marks))
        joints = []
        for mark in marks:
            before, found, rendered = rendered.partition(mark)
            if not found:
                raise ModelError(
                    f"The model's chat template drops messages of roles {', '.join(roles)}.",
                    hint=HINT,
                )
            joints.append(before)
        return [*joints, rendered]


PromptFormat = PlainFormat | ChatFormat


def branches(
    prompt_format: PromptFormat, prompt: Prompt, choices: Sequence[str]
) -> list[tuple[int, ...]]:
    """Token ids of each choice, with an end token only if another choice extends it."""
    answers = prompt_format.answers(prompt, choices)
    starts = {answer[:length] for answer in answers for length in range(1, len(answer))}
    return [(*answer, prompt_format.end) if answer in starts else answer for answer in answers]


def _instruction(text: Tokeniser, prompt: Prompt) -> int:
    """The tokens of what the system says first, if another message follows."""
    first, *further = prompt.messages or (Message("user", ()),)
    if first.role != "system" or not further:
        return 0
    return sum(len(text.bare(segment)) for segment in first.segments[:PREAMBLE_SEGMENTS])


def _tail(messages: Sequence[Message]) -> str:
    for message in reversed(messages):
        if message.segments:
            return message.segments[-1]
    return ""


def read_tokenizer(folder: Path) -> AnyTokenizer:
    """A model folder's ``tokenizer.json``, or the table made from it.

    Raises:
        ModelError: There is none, or it cannot be read.
    """
    table = read_table(folder)
    if table is not None:
        return PieceTokenizer(table)
    from tokenizers import Tokenizer

    path = folder / "tokenizer.json"
    with boundary(
        f"{path} cannot be read as a tokenizer",
        kind=ModelError,
        hint="Save the model's fast tokenizer beside it (tokenizer.json).",
    ):
        content = read_bounded(path, MAX_BYTES).decode("utf-8")
        tokenizer = Tokenizer.from_str(content)
        tokenizer.no_truncation()
        tokenizer.no_padding()
        tokenizer.encode("a\n", add_special_tokens=True)
    return tokenizer
