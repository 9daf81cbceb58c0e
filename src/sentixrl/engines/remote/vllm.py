"""vLLM's server, from version 0.32.

Contract: one request carries a prompt for each place where labels part, and names the tokens whose
log-probabilities are wanted. They are over the whole vocabulary.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sentixrl.engines.protocol import Completion
from sentixrl.engines.remote.backend import (
    Model,
    check_model,
    count_of,
    item,
    log_prob,
    text_of,
    usage_of,
)
from sentixrl.engines.remote.exact import Branching, Reading
from sentixrl.engines.remote.llama_cpp import token_ids
from sentixrl.engines.remote.refusals import bad_reply
from sentixrl.engines.remote.transport import Json, Server

MOST_NAMED = 128
"""Tokens that one request may name."""


class Vllm:
    """A model on vLLM's server.

    Args:
        server: Where it is.
        model: What the server says of it.
    """

    reads_markers = True

    def __init__(self, server: Server, model: Model) -> None:
        self.server = server
        self.model = model

    def tokenise(self, text: str, *, markup: bool, begin: bool = False) -> tuple[int, ...]:
        """Token ids of a text; markers in it are read as such whatever ``markup`` says."""
        body = {**self.model.named(), "prompt": text, "add_special_tokens": begin}
        return token_ids(self.server, self.server.post("/tokenize", body, computes=False))

    def rendered(self, roles: tuple[str, ...], contents: tuple[str, ...]) -> str:
        """What the server's chat template makes of messages.

        Raises:
            ServerError: It has no template, or it refuses them.
        """
        messages = [{"role": r, "content": c} for r, c in zip(roles, contents, strict=True)]
        body = {
            **self.model.named(),
            "messages": messages,
            "add_generation_prompt": not roles or roles[-1] != "assistant",
            "add_special_tokens": False,
        }
        ids = token_ids(self.server, self.server.post("/tokenize", body, computes=False))
        back = {**self.model.named(), "tokens": list(ids)}
        return text_of(self.server, self.server.post("/detokenize", back, computes=False), "prompt")

    def read(self, branchings: Sequence[Branching]) -> Reading:
        """Log-probabilities, in one request if they name few enough tokens."""
        named = list(dict.fromkeys(token for one in branchings for token in one.tokens))
        found: list[dict[int, float]] = [{} for _ in branchings]
        computed = 0
        for start in range(0, len(named), MOST_NAMED):
            part = named[start : start + MOST_NAMED]
            places = [n for n, one in enumerate(branchings) if set(part) & set(one.tokens)]
            answers, more = self._ask([branchings[n].before for n in places], part)
            computed += more
            for n, values in zip(places, answers, strict=True):
                wanted = set(branchings[n].tokens)
                found[n] |= {token: p for token, p in values.items() if token in wanted}
        return Reading(found, computed)

    def _ask(
        self, prompts: Sequence[Sequence[int]], named: Sequence[int]
    ) -> tuple[list[dict[int, float]], int]:
        """The log-probabilities of the named tokens after each prompt, and what was computed."""
        body = {
            **self.model.named(),
            "prompt": [list(prompt) for prompt in prompts],
            "max_tokens": 1,
            "temperature": 0,
            "logprobs": 1,
            "logprob_token_ids": list(named),
            "return_tokens_as_token_ids": True,
        }
        reply = self.server.post("/v1/completions", body)
        check_model(self.server, reply, self.model.name)
        choices = item(self.server, reply, "choices")
        if not isinstance(choices, list) or len(choices) != len(prompts):
            raise bad_reply(self.server.address, "it does not answer every prompt")
        places = [item(self.server, choice, "index") for choice in choices]
        by_place = {n: one for n, one in zip(places, choices, strict=True) if type(n) is int}
        answers = [
            self._values(item(self.server, by_place, place), named) for place in range(len(prompts))
        ]
        return answers, usage_of(self.server, reply).tokens

    def _values(self, choice: Json, named: Sequence[int]) -> dict[int, float]:
        """The log-probabilities of the tokens that were named, as far as they are there."""
        top = item(self.server, choice, "logprobs", "top_logprobs", 0)
        if not isinstance(top, Mapping):
            raise bad_reply(self.server.address, "it has no log-probabilities")
        found = {token: f"token_id:{token}" for token in named}
        return {
            token: log_prob(self.server, top[name]) for token, name in found.items() if name in top
        }

    def write(self, before: Sequence[int], max_tokens: int, stop: Sequence[str]) -> Completion:
        """Continue a prompt by the likeliest tokens."""
        body = {
            **self.model.named(),
            "prompt": list(before),
            "max_tokens": max_tokens,
            "temperature": 0,
            "stop": list(stop) or None,
        }
        reply = self.server.post("/v1/completions", body)
        check_model(self.server, reply, self.model.name)
        text = text_of(self.server, reply, "choices", 0, "text")
        written = count_of(reply, "usage", "completion_tokens")
        return Completion(text, written, usage_of(self.server, reply))
