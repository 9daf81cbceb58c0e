"""Greedy decoding of many prompts at once, over the trie.

Contract: each request ends at its stop string, its token limit, or the model's end token,
whichever comes first; its text never holds the stop string.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from sentixrl.engines.local.prompt_format import PromptFormat, Text
from sentixrl.engines.protocol import Completion, Cost, GenerateRequest
from sentixrl.trie import Node, PromptTrie


@dataclass(slots=True)
class _Stream:
    index: int
    end: Node
    request: GenerateRequest
    computed: int
    tokens: list[int] = field(default_factory=list)
    text: str = ""


class Decoding:
    """The requests of one ``generate`` call.

    Args:
        text: The model's tokenisation.
        prompt_format: Whose end token ends a reply.
    """

    def __init__(self, text: Text, prompt_format: PromptFormat) -> None:
        self._text = text
        self._ends = (
            {*text.end_ids, prompt_format.end} if prompt_format.name == "chat" else text.end_ids
        )
        self.open: list[_Stream] = []
        self._done: dict[int, Completion] = {}

    def add(self, index: int, end: Node, request: GenerateRequest, fresh: int) -> None:
        """Open a stream at the end of a prompt that has this many tokens to compute."""
        alike = any(other.end is end for other in self.open)
        again = not (end.pending or alike)  # its last token is
        self.open.append(_Stream(index, end, request, fresh + again))

    def ends(self) -> list[Node]:
        """The nodes that predict each open stream's next token."""
        return [stream.end for stream in self.open]

    def step(self, tokens: list[int], trie: PromptTrie) -> None:
        """Append one token to each open stream and close those that it ends."""
        going = []
        reached: set[int] = set()
        for stream, token in zip(self.open, tokens, strict=True):
            if self._advance(stream, token):
                stream.end = trie.insert(np.array([token], np.int64), below=stream.end)
                going.append(stream)
                stream.computed += id(stream.end) not in reached
                reached.add(id(stream.end))
        self.open = going

    def completions(self) -> dict[int, Completion]:
        """The finished replies by request, with how many tokens were computed for each."""
        return self._done

    def _advance(self, stream: _Stream, token: int) -> bool:
        """Take one token; returns whether the stream goes on."""
        ended = token in self._ends
        if not ended:
            stream.tokens.append(token)
            stream.text = self._text.decode(stream.tokens)
        found = [at for stop in stream.request.stop if (at := stream.text.find(stop)) >= 0]
        if found:
            stream.text = stream.text[: min(found)]
        if not (ended or found):
            if len(stream.tokens) < stream.request.max_tokens:
                return True
            stream.text = stream.text.rstrip("\ufffd")  # a character that was cut in half
        self._done[stream.index] = Completion(
            stream.text.strip(), len(stream.tokens), Cost(stream.computed)
        )
        return False
