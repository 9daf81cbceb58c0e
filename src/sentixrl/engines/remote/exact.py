"""Exact scores from servers that take token ids: the labels' trie, read off node by node.

Contract: labels are the server's own tokens, with the space that leads to them; a label that begins
another gets a token that ends it. Log-probabilities over the whole vocabulary are summed along each
path below the root and normalised once, over whole labels. What the server returns must be a
log-probability for every token that was asked for; otherwise there are no scores.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from sentixrl.context.prompt import Prompt
from sentixrl.engines.local.prompt_format import PromptFormat, branches
from sentixrl.engines.options import PromptFormatName
from sentixrl.engines.protocol import (
    Completion,
    Cost,
    Failure,
    GenerateRequest,
    ScoreRequest,
    Scores,
)
from sentixrl.engines.remote.backend import Model, Way
from sentixrl.engines.remote.refusals import ServerError, bad_reply
from sentixrl.engines.remote.tokens import ServerText
from sentixrl.engines.remote.transport import Server
from sentixrl.trie import Node, PromptTrie, ReadOut, totals

PROBE = Prompt().then("user", "Which number is next: one, two, three?")
PROBED = ("four", "blue", "seven", "nothing", "because")
"""Words of different first tokens, none of them a model's certain answer."""
AGREEMENT = 0.05
"""Nats by which two ways of asking for the same log-probability may differ."""
_SAMPLE = (
    "Ana: You kept my letter? 你还留着那封信？ ما زلت تحتفظ برسالتي؟ मेरी चिट्ठी। ¿Aún la tienes?"
)


@dataclass(frozen=True, slots=True)
class Branching:
    """A place where labels part: what stands before, and which tokens may follow.

    Attributes:
        before: All token ids up to it.
        tokens: The tokens asked for, each once.
        whole: Whether their log-probabilities must be over the whole vocabulary. If not, a softmax
            over these tokens will do.
    """

    before: tuple[int, ...]
    tokens: tuple[int, ...]
    whole: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """What a server says of some branchings.

    Attributes:
        log_probs: For each branching, token → log-probability.
        computed: Tokens that were computed for it.
    """

    log_probs: list[dict[int, float]]
    computed: int


class TokenServer(Protocol):
    """A server that takes token ids and tells log-probabilities of tokens one names."""

    server: Server
    model: Model

    def read(self, branchings: Sequence[Branching]) -> Reading:
        """The log-probabilities at some branchings of one prompt.

        Raises:
            ServerError: Not every one of them came back.
        """
        ...

    def write(self, before: Sequence[int], max_tokens: int, stop: Sequence[str]) -> Completion:
        """Continue a prompt by the likeliest tokens."""
        ...


class TokenBackend:
    """Scores by the labels' trie.

    Args:
        server: Where the model is.
        text: Its tokenisation.
        prompt_format: How prompts become tokens.
    """

    way: Way = "exact"

    def __init__(self, server: TokenServer, text: ServerText, prompt_format: PromptFormat) -> None:
        self._server = server
        self._text = text
        self._format = prompt_format
        self.model = server.model
        self.prompt_format: PromptFormatName | None = prompt_format.name

    def tokens_digest(self) -> str | None:
        """A hash of how a text in several scripts is tokenised."""
        return hashlib.sha256(repr(self._text.bare(_SAMPLE)).encode()).hexdigest()[:16]

    def count_tokens(self, text: str) -> int:
        """How many tokens a text has."""
        return len(self._text.bare(text))

    def probe(self) -> Sequence[float]:
        """Log-probabilities of a few words, asked for in two ways that must agree.

        Together and in another order, and each alone: a server that ignores what it is asked, or
        answers about other tokens, does not agree with itself.
        """
        before = tuple(map(int, self._format.encode(PROBE)))
        words = [self._text.bare(word)[0] for word in PROBED]
        tokens = tuple(dict.fromkeys(words))
        together = self._read_one(Branching(before, tokens, whole=True))
        again = self._read_one(Branching(before, tokens[::-1], whole=True))
        alone = {token: self._read_one(Branching(before, (token,), True)) for token in tokens[:2]}
        other = self._read_one(Branching(before[:-1], tokens, whole=True))
        values = [together[token] for token in tokens]
        if len({round(value, 6) for value in values}) < len(tokens):
            raise self._lie("tokens that were asked for share a log-probability")
        if sum(map(math.exp, values)) > 1 + AGREEMENT:
            raise self._lie("its log-probabilities add up to more than 1")
        if any(abs(again[token] - together[token]) > AGREEMENT for token in tokens) or any(
            abs(found[token] - together[token]) > AGREEMENT for token, found in alone.items()
        ):
            raise self._lie("it gives other log-probabilities when asked in another order")
        if all(abs(other[token] - together[token]) < 1e-6 for token in tokens):
            raise self._lie("it gives the same log-probabilities whatever the prompt")
        return values

    def score(self, request: ScoreRequest) -> Scores:
        """Exact log-probabilities of whole choices."""
        before = self._format.encode(request.prompt)
        choices = branches(self._format, request.prompt, request.choices)
        self._check_length(len(before) + max(map(len, choices)))
        out = ReadOut(PromptTrie())
        out.add(before, choices)
        steps = out.steps()
        root = out.ends[0]
        asked = [
            Branching(
                _sequence(node),
                tuple(dict.fromkeys(steps.token[steps.read == place].tolist())),
                whole=place != root or request.mass,
            )
            for place, node in enumerate(out.nodes)
        ]
        found = self._server.read(asked)
        self._check(asked, found.log_probs)
        pairs = zip(steps.read.tolist(), steps.token.tolist(), strict=True)
        values = np.array([found.log_probs[place][token] for place, token in pairs])
        (log_probs,) = totals(values, steps.choice, out.sizes)
        mass = None
        if asked[root].whole:
            mass = min(1.0, math.fsum(map(math.exp, found.log_probs[root].values())))
        return Scores(tuple(log_probs), True, mass, Cost(found.computed))

    def generate(self, request: GenerateRequest) -> Completion:
        """The likeliest of the choices, or the likeliest continuation."""
        if request.choices:
            scores = self.score(ScoreRequest(request.prompt, request.choices))
            best = max(range(len(request.choices)), key=scores.log_probs.__getitem__)
            word = request.choices[best]
            return Completion(word, self.count_tokens(word), scores.cost)
        before = self._format.encode(request.prompt)
        self._check_length(len(before) + request.max_tokens)
        return self._server.write(before.tolist(), request.max_tokens, request.stop)

    def _read_one(self, branching: Branching) -> Mapping[int, float]:
        found = self._server.read([branching]).log_probs
        self._check([branching], found)
        return found[0]

    def _check(self, asked: Sequence[Branching], found: Sequence[Mapping[int, float]]) -> None:
        """Every token that was asked for has its log-probability, and no other place's."""
        for branching, values in zip(asked, found, strict=True):
            if set(branching.tokens) != set(values):
                raise self._lie("it lacks log-probabilities that were asked for")

    def _lie(self, why: str) -> ServerError:
        return bad_reply(self._server.server.address, why)

    def _check_length(self, length: int) -> None:
        limit = self.model.context_tokens
        if limit is not None and length > limit:
            raise ServerError(
                Failure(
                    "too_long",
                    f"The prompt takes {length:,} tokens; the model reads {limit:,}.",
                    hint="Shorten the utterance or the history window, or use a model that reads "
                    "more.",
                )
            )


class WrittenTokens(TokenBackend):
    """The same server where its log-probabilities cannot be trusted: it only writes."""

    way: Way = "written"


def _sequence(node: Node) -> tuple[int, ...]:
    """All token ids from the root to a node's end."""
    runs = [run.tokens for run in node.path()][::-1]
    return tuple(np.concatenate(runs).tolist()) if runs else ()
