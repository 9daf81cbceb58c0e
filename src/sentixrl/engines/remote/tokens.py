"""A server's own tokens: what prompts and labels are made of where it takes token ids.

Contract: as for local models, text is tokenised segment by segment, and what users wrote is never
read as markup. A server that would read markers anywhere is given such text in pieces. Every text
has tokens; a server that says otherwise is not believed.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

from sentixrl.engines.local.prompt_format import ChatFormat, Tokeniser
from sentixrl.engines.options import PromptFormatName
from sentixrl.engines.remote.refusals import bad_reply
from sentixrl.engines.remote.transport import Server

_CACHED_TEXTS = 20_000
_CACHED_CHARACTERS = 400
_MARKER = re.compile(r"<[^<>\s]{1,60}>|\[[A-Z_/]{1,30}\]")
"""What the markers of known vocabularies look like."""


class TokenSource(Protocol):
    """A server that shows its tokens."""

    server: Server
    reads_markers: bool
    """Whether it takes markers for such anywhere in a text, even where it is told not to."""

    def tokenise(self, text: str, *, markup: bool, begin: bool = False) -> tuple[int, ...]:
        """Token ids of a text.

        Args:
            text: The text.
            markup: Whether special tokens in it are such.
            begin: Whether to add what every text begins with.

        Raises:
            ServerError: The server makes no tokens of it.
        """
        ...


class ServerText:
    """Tokenises by asking a server; what it said is kept.

    Args:
        source: The server.
        end_token: The text of the token that ends a text; ``None`` if the server does not say.
    """

    def __init__(self, source: TokenSource, end_token: str | None = None) -> None:
        self._source = source
        self._short = lru_cache(maxsize=_CACHED_TEXTS)(self._bare)
        self.markup = lru_cache(maxsize=1_000)(self._markup)
        self._prefix = self._dummy_prefix()
        bare, begun = self._markup("a"), source.tokenise("a", markup=True, begin=True)
        added = len(begun) - len(bare)
        self.begin_ids = begun[:added] if added > 0 and begun[added:] == bare else ()
        ends = self._markup(end_token) if end_token else ()
        self.end_ids = frozenset(ends if len(ends) == 1 else self.bare("\n")[-1:])

    def bare(self, text: str) -> tuple[int, ...]:
        """Tokens of text in which nothing is markup."""
        return self._short(text) if len(text) <= _CACHED_CHARACTERS else self._bare(text)

    def _bare(self, text: str) -> tuple[int, ...]:
        if not text:
            return ()
        if self._source.reads_markers:
            cuts = [found.start() + 1 for found in _MARKER.finditer(text)]
            if cuts:
                ends = zip([0, *cuts], [*cuts, len(text)], strict=True)
                return tuple(token for a, b in ends for token in self._bare(text[a:b]))
        sentinel, taken = self._prefix
        tokens = self._source.tokenise(sentinel + text, markup=False)[taken:]
        if not tokens:
            raise bad_reply(self._source.server.address, "it has no tokens for a text")
        return tokens

    def _markup(self, text: str) -> tuple[int, ...]:
        return self._source.tokenise(text, markup=True) if text else ()

    def _dummy_prefix(self) -> tuple[str, int]:
        """Keeps a SentencePiece tokeniser from putting a space before every segment.

        Such tokenisers put a space before the first word of any text. A line break is put first to
        take it; its tokens are dropped again.

        Returns:
            What is put first, and how many tokens it takes.
        """
        alone = self._source.tokenise("a", markup=False)
        for sentinel in ("\n", "^"):
            head = self._source.tokenise(sentinel, markup=False)
            marked = self._source.tokenise(sentinel + "a", markup=False)
            if marked[: len(head)] == head and head:
                return ("", 0) if marked[len(head) :] == alone else (sentinel, len(head))
        return "", 0


Render = Callable[[tuple[str, ...], tuple[str, ...]], str]
"""Roles and contents of messages → the text that the server's chat template makes of them."""


class ServerChatFormat(ChatFormat):
    """A chat template that its server renders.

    Args:
        text: The server's tokenisation.
        rendered: Asks the server.
    """

    name: PromptFormatName = "chat"

    def __init__(self, text: Tokeniser, rendered: Render) -> None:
        self._ask = rendered
        super().__init__(text, "", {})

    def _rendered(self, roles: tuple[str, ...], contents: tuple[str, ...]) -> str:
        return self._ask(roles, contents)

    def _turn_end(self) -> int:
        """The token that ends the assistant's turn: servers do not say which tokens end a text."""
        closing = self._markup_around(("user", "assistant"))[-1]
        first = self._text.markup(closing.strip())[:1]
        return first[0] if first else min(self._text.end_ids)


def has_markers(chat: ChatFormat, text: Tokeniser) -> bool:
    """Whether a chat template's markers are tokens of the model, and not another model's."""
    joints = chat._markup_around(("user", "assistant"))
    markers = {marker for joint in joints for marker in _MARKER.findall(joint)}
    return all(len(text.markup(marker)) == 1 for marker in markers if marker[0] == "<")
