"""Scores by letters, from servers that show only their likeliest tokens.

Contract: the choices are listed with letters and the model is asked for one. Letters are what is
scored, so the answers depend on the letters' order and are marked inexact. A letter that is not
among the tokens shown has at most the smallest share shown: that bound stands for it. If no
letter is shown, there are no scores.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from string import ascii_uppercase
from typing import Protocol

import numpy as np

from sentixrl.context.prompt import Prompt
from sentixrl.engines.options import PromptFormatName
from sentixrl.engines.protocol import (
    Completion,
    Cost,
    Failure,
    GenerateRequest,
    ScoreRequest,
    Scores,
)
from sentixrl.engines.remote.backend import Model, Way, about_tokens
from sentixrl.engines.remote.refusals import ServerError, bad_reply
from sentixrl.engines.remote.transport import Server

SHOWN = 20
"""Most tokens that such servers show."""
PROBE = ScoreRequest(
    Prompt().then("user", "Which of the two comes first in the alphabet?"), ("the A", "the B")
)
_ASKED = "Reply with one letter, {} or {}, and nothing else."
_THINKING = re.compile(r"\A\s*<think>.*?(?:</think>|\Z)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Likeliest:
    """The likeliest first tokens of a reply.

    Attributes:
        log_probs: The token's text → its log-probability.
        cost: What it took.
    """

    log_probs: Mapping[str, float]
    cost: Cost


class TextServer(Protocol):
    """A server that takes messages or text and shows its likeliest tokens."""

    server: Server
    model: Model

    def likeliest(self, prompt: Prompt) -> Likeliest:
        """The likeliest first tokens of the reply.

        Raises:
            ServerError: It shows none.
        """
        ...

    def write(self, prompt: Prompt, max_tokens: int, stop: Sequence[str]) -> Completion:
        """A reply."""
        ...


class CodedBackend:
    """Scores by letters.

    Args:
        server: Where the model is.
        rotations: How many orders of the letters are asked, each a request of its own. Their
            probabilities are averaged, which takes out what a letter's place does (Zheng et al.
            2024, cyclic permutations).
    """

    way: Way = "letter codes"
    prompt_format: PromptFormatName | None = None

    def __init__(self, server: TextServer, rotations: int = 1) -> None:
        self._server = server
        self.rotations = rotations
        self.model = server.model

    def tokens_digest(self) -> str | None:
        """Such servers show no tokens."""
        return None

    def count_tokens(self, text: str) -> int:
        """About how many tokens a text has."""
        return about_tokens(text)

    def probe(self) -> Sequence[float]:
        """The shares of two letters in an easy question; both must be there and differ."""
        found = _letters(self._server.likeliest(_coded(PROBE)).log_probs, 2)
        if len(found) < 2 or found[0] == found[1]:
            raise bad_reply(self._server.server.address, "it does not show the likeliest tokens")
        return [found[0], found[1]]

    def score(self, request: ScoreRequest) -> Scores:
        """Log-probabilities of the choices' letters, bounds included."""
        count = len(request.choices)
        if count > len(ascii_uppercase):
            raise ServerError(
                Failure(
                    "too_many_choices",
                    f"{count} choices are more than there are letters to ask for them by.",
                    hint="Use fewer labels, --mode written, or a server with exact scores.",
                )
            )
        return _together([self._in_order(request, by) for by in range(min(self.rotations, count))])

    def _in_order(self, request: ScoreRequest, by: int) -> Scores:
        """The scores of the choices where the list begins with another one."""
        count = len(request.choices)
        moved = replace(request, choices=request.choices[by:] + request.choices[:by])
        likeliest = self._server.likeliest(_coded(moved))
        found = _letters(likeliest.log_probs, count)
        if not found:
            raise ServerError(
                Failure(
                    "no_scores",
                    "None of the letters asked for is among the model's likeliest tokens.",
                    hint="It may write its thoughts first: switch that off at the server, or use "
                    "--mode written.",
                )
            )
        bound = _bound(likeliest.log_probs)
        values = np.array([found.get((place - by) % count, bound) for place in range(count)])
        log_probs = tuple((values - np.logaddexp.reduce(values)).tolist())
        mass = min(1.0, math.fsum(map(math.exp, found.values())))
        return Scores(log_probs, False, mass, likeliest.cost)

    def generate(self, request: GenerateRequest) -> Completion:
        """A reply, without what it thought before and without repeating what it was to continue.

        Such servers cannot be held to choices: the reply may be anything.
        """
        reply = self._server.write(request.prompt, request.max_tokens, request.stop)
        return Completion(continuation(request, reply.text), reply.tokens, reply.cost)


def _together(orders: Sequence[Scores]) -> Scores:
    """The mean distribution of several orders, and how often another order decides otherwise."""
    if len(orders) == 1:
        return orders[0]
    first, *others = (int(np.argmax(one.log_probs)) for one in orders)
    logs = np.array([one.log_probs for one in orders])
    return Scores(
        tuple((np.logaddexp.reduce(logs, axis=0) - math.log(len(orders))).tolist()),
        False,
        math.fsum(one.mass or 0.0 for one in orders) / len(orders),
        sum((one.cost for one in orders), Cost()),
        flips=sum(other != first for other in others) / len(others),
    )


class WrittenBackend(CodedBackend):
    """The same server where it shows no likeliest tokens: it only writes."""

    way: Way = "written"


def continuation(request: GenerateRequest, text: str) -> str:
    """What of a chat's reply continues the prompt."""
    text = _THINKING.sub("", text).lstrip()
    last = request.prompt.messages[-1] if request.prompt.messages else None
    if last is not None and last.role == "assistant":
        begun = "".join(last.segments).strip()
        text = text.removeprefix(begun).lstrip()
    for stop in request.stop:
        text = text.split(stop)[0]
    return text


def messages_of(prompt: Prompt) -> list[dict[str, str]]:
    """A prompt as chat messages."""
    return [{"role": one.role, "content": "".join(one.segments)} for one in prompt.messages]


def _coded(request: ScoreRequest) -> Prompt:
    """The prompt, the choices with letters, and the question for one."""
    letters = ascii_uppercase[: len(request.choices)]
    listed = [
        f"{letter}. {choice}" for letter, choice in zip(letters, request.choices, strict=True)
    ]
    asked = _ASKED.format(", ".join(letters[:-1]), letters[-1])
    return request.prompt.line("user", "\n".join([*listed, asked]))


def _letters(log_probs: Mapping[str, float], count: int) -> dict[int, float]:
    """The letters that were shown, by place; ``A`` and `` A`` are the same letter."""
    found: dict[int, float] = {}
    for text, value in log_probs.items():
        letter = text.strip(" .:)\n▁Ġ")
        if len(letter) == 1 and letter in ascii_uppercase[:count]:
            place = ascii_uppercase.index(letter)
            found[place] = float(np.logaddexp(found.get(place, -np.inf), value))
    return found


def _bound(log_probs: Mapping[str, float]) -> float:
    """The most that a token which is not shown can have."""
    rest = 1 - math.fsum(map(math.exp, log_probs.values()))
    least = min(log_probs.values())
    return min(least, math.log(rest)) if rest > 0 else least - math.log(1e6)
