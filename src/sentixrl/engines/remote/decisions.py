"""Servers of typed decisions: ``/v1/systemone`` and ``/v1/decisions``.

Contract: a closed question goes out with all choices, and a probability for each comes back. How
such a server comes to its probabilities is its own affair, so they are marked inexact. It writes
no text.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

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
from sentixrl.engines.remote.backend import Model, Way, about_tokens, count_of, item, used
from sentixrl.engines.remote.chat import check_served
from sentixrl.engines.remote.refusals import ServerError, bad_reply
from sentixrl.engines.remote.transport import Json, Server

NAME = "answer"
PROBE = ScoreRequest(
    Prompt().then("user", "Ana: What a lovely surprise!").line("user", "How does Ana feel?"),
    ("glad", "sad", "indifferent"),
)
_SUM_SLACK = 0.02
"""How far from 1 the probabilities may add up to: some servers round them."""


class DecisionBackend:
    """A decision model.

    Args:
        server: Where it is.
        model: What the server says of it.
    """

    way: Way = "decisions"
    prompt_format: PromptFormatName | None = None

    def __init__(self, server: Server, model: Model) -> None:
        self._server = server
        self.model = model

    def tokens_digest(self) -> str | None:
        """Such servers show no tokens."""
        return None

    def count_tokens(self, text: str) -> int:
        """About how many tokens a text has."""
        return about_tokens(text)

    def probe(self) -> Sequence[float]:
        """The probabilities of an easy question."""
        return self._probabilities(PROBE)[0]

    def score(self, request: ScoreRequest) -> Scores:
        """The log of the server's probabilities, normalised."""
        found, cost = self._probabilities(request)
        with np.errstate(divide="ignore"):  # a probability of 0 is possible
            values = np.log(np.array(found))
        return Scores(tuple((values - np.logaddexp.reduce(values)).tolist()), False, None, cost)

    def generate(self, request: GenerateRequest) -> Completion:
        """No text is written; the likeliest of given choices is chosen.

        Raises:
            ServerError: There are no choices.
        """
        if not request.choices:
            raise ServerError(
                Failure(
                    "no_text",
                    f"The server at {self._server.address.host} decides and writes no text.",
                    hint="Leave --mode written and --deduction out.",
                )
            )
        found, cost = self._probabilities(ScoreRequest(request.prompt, request.choices))
        return Completion(request.choices[found.index(max(found))], 0, cost)

    def _probabilities(self, request: ScoreRequest) -> tuple[list[float], Cost]:
        """A probability for each choice, and what they cost."""
        if self._server.address.kind == "systemone":
            reply = self._server.post("/v1/systemone", self._systemone(request))
            answer = item(self._server, reply, "answers", NAME)
            told = item(self._server, answer, "probabilities")
            pairs = list(told.items()) if isinstance(told, Mapping) else []
        else:
            reply = self._server.post("/v1/decisions", self._decisions(request))
            answer = item(self._server, reply, "answers", 0)
            self._check_refusal(answer)
            told = item(self._server, answer, "probabilities")
            entries = told if isinstance(told, list) else []
            pairs = [
                (item(self._server, one, "value"), item(self._server, one, "probability"))
                for one in entries
            ]
        check_served(self._server, reply, self.model)
        read, written = (count_of(reply, "usage", f"{side}_tokens") for side in ("input", "output"))
        cost = used(self._server, read, written)
        return self._checked(pairs, request.choices), cost

    def _systemone(self, request: ScoreRequest) -> dict[str, Json]:
        state, question = _parts(request.prompt)
        asked = {
            "type": "choice",
            "instructions": question,
            "criteria": dict.fromkeys(request.choices),
        }
        return {**self.model.named(), "state": state, "questions": {NAME: asked}}

    def _decisions(self, request: ScoreRequest) -> dict[str, Json]:
        state, question = _parts(request.prompt)
        asked = {
            "type": "choice",
            "name": NAME,
            "instructions": question,
            "choices": [{"value": choice} for choice in request.choices],
        }
        return {**self.model.named(), "input": state, "questions": [asked]}

    def _check_refusal(self, answer: Json) -> None:
        if isinstance(answer, Mapping) and answer.get("type") == "refusal":
            raise ServerError(
                Failure(
                    "refusal",
                    f"The model at {self._server.address.host} declines to answer this question.",
                )
            )

    def _checked(self, pairs: Sequence[tuple[Json, Json]], choices: Sequence[str]) -> list[float]:
        """Every choice's probability, once."""
        found = {name: value for name, value in pairs if isinstance(name, str)}
        if len(pairs) != len(found) or set(found) != set(choices):
            raise bad_reply(self._server.address, "its choices are not those that were asked for")
        values = [found[choice] for choice in choices]
        if not all(type(p) in {int, float} and 0 <= p <= 1 for p in values):
            raise bad_reply(self._server.address, "a probability in it is none")
        if abs(math.fsum(values) - 1) > _SUM_SLACK:
            raise bad_reply(self._server.address, "its probabilities do not add up to 1")
        return [float(p) for p in values]


def _parts(prompt: Prompt) -> tuple[str, str]:
    """What is asked about, and the question: the line at the prompt's end."""
    if not prompt.messages:
        return "", ""
    *before, last = prompt.messages
    *segments, question = last.segments or ("",)
    shown = (
        Prompt((*before, type(last)(last.role, tuple(segments))))
        if segments
        else Prompt(tuple(before))
    )
    return shown.text, question.strip()
