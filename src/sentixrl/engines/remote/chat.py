"""Servers of OpenAI's chat and completions, and Ollama.

Contract: what is asked goes out as messages or as text; what comes back is a reply and, where the
server shows them, its likeliest first tokens.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sentixrl.context.prompt import Prompt
from sentixrl.engines.protocol import Completion, Cost
from sentixrl.engines.remote.backend import (
    Model,
    check_model,
    count_of,
    item,
    log_prob,
    text_of,
    usage_of,
    used,
)
from sentixrl.engines.remote.codes import SHOWN, Likeliest, messages_of
from sentixrl.engines.remote.refusals import ServerError, bad_reply
from sentixrl.engines.remote.transport import Json, Server

_LEAST_TOKENS = 16
"""The fewest tokens that some servers agree to write."""


class Chat:
    """A model behind ``/v1/chat/completions``.

    Args:
        server: Where it is.
        model: What the server says of it.
    """

    def __init__(self, server: Server, model: Model) -> None:
        self.server = server
        self.model = model
        self._limit = "max_tokens"
        self._settings: dict[str, Json] = {"temperature": 0}

    def likeliest(self, prompt: Prompt) -> Likeliest:
        """The likeliest first tokens of the reply."""
        more = {"logprobs": True, "top_logprobs": SHOWN}
        reply = self._ask(prompt, 1, more)
        content = item(self.server, reply, "choices", 0, "logprobs", "content", 0)
        return Likeliest(shown_tokens(self.server, content), usage_of(self.server, reply))

    def write(self, prompt: Prompt, max_tokens: int, stop: Sequence[str]) -> Completion:
        """A reply; stop words are applied later, as a line break may come before any word."""
        reply = self._ask(prompt, max(max_tokens, _LEAST_TOKENS), {})
        text = text_of(self.server, reply, "choices", 0, "message", "content")
        tokens = count_of(reply, "usage", "completion_tokens")
        return Completion(text, tokens, usage_of(self.server, reply))

    def _ask(self, prompt: Prompt, max_tokens: int, more: Mapping[str, Json]) -> Json:
        body = {**self.model.named(), "messages": messages_of(prompt), **more}
        while True:
            limits = {self._limit: max_tokens, **self._settings}
            try:
                reply = self.server.post("/v1/chat/completions", {**body, **limits})
            except ServerError as error:
                if not self._without(error, limits):
                    raise
            else:
                check_served(self.server, reply, self.model)
                return reply

    def _without(self, error: ServerError, sent: Mapping[str, Json]) -> bool:
        """Whether a refusal names a setting that was sent and can be done without.

        From now on it is. Another thread may have found that out meanwhile.
        """
        if error.status != 400:
            return False
        message = error.failure.message
        if "max_completion_tokens" in message and "max_tokens" in sent:
            self._limit = "max_completion_tokens"
            return True
        if "temperature" in message and "temperature" in sent:
            self._settings = {}
            return True
        return False


class Completions:
    """A model behind ``/v1/completions``: plain text in, text out.

    Args:
        server: Where it is.
        model: What the server says of it.
    """

    def __init__(self, server: Server, model: Model) -> None:
        self.server = server
        self.model = model

    def likeliest(self, prompt: Prompt) -> Likeliest:
        """The likeliest first tokens of the reply."""
        reply = self._ask(prompt.text, 1, {"logprobs": SHOWN})
        logprobs = item(self.server, reply, "choices", 0, "logprobs")
        if isinstance(logprobs, Mapping) and "content" in logprobs:  # as in chat
            found = shown_tokens(self.server, item(self.server, logprobs, "content", 0))
        else:
            top = item(self.server, logprobs, "top_logprobs", 0)
            if not isinstance(top, Mapping) or not top:
                raise bad_reply(self.server.address, "it shows no likeliest tokens")
            found = {str(token): log_prob(self.server, value) for token, value in top.items()}
        return Likeliest(found, usage_of(self.server, reply))

    def write(self, prompt: Prompt, max_tokens: int, stop: Sequence[str]) -> Completion:
        """A continuation."""
        reply = self._ask(prompt.text, max_tokens, {"stop": list(stop)} if stop else {})
        text = text_of(self.server, reply, "choices", 0, "text")
        tokens = count_of(reply, "usage", "completion_tokens")
        return Completion(text, tokens, usage_of(self.server, reply))

    def _ask(self, text: str, max_tokens: int, more: Mapping[str, Json]) -> Json:
        body = {"prompt": text, "max_tokens": max_tokens, "temperature": 0, **more}
        reply = self.server.post("/v1/completions", {**self.model.named(), **body})
        check_served(self.server, reply, self.model)
        return reply


class Ollama:
    """A model on Ollama's server, from version 0.12.11.

    Args:
        server: Where it is.
        model: What the server says of it.
    """

    def __init__(self, server: Server, model: Model) -> None:
        self.server = server
        self.model = model

    def likeliest(self, prompt: Prompt) -> Likeliest:
        """The likeliest first tokens of the reply."""
        reply = self._ask(prompt, 1, {"logprobs": True, "top_logprobs": SHOWN})
        found = shown_tokens(self.server, item(self.server, reply, "logprobs", 0))
        return Likeliest(found, self._used(reply))

    def write(self, prompt: Prompt, max_tokens: int, stop: Sequence[str]) -> Completion:
        """A reply; stop words are applied later, as a line break may come before any word."""
        reply = self._ask(prompt, max_tokens, {})
        text = text_of(self.server, reply, "message", "content")
        return Completion(text, count_of(reply, "eval_count"), self._used(reply))

    def _ask(self, prompt: Prompt, max_tokens: int, more: Mapping[str, Json]) -> Json:
        options = {"num_predict": max_tokens, "temperature": 0}
        body = {"messages": messages_of(prompt), "stream": False, "think": False}
        reply = self.server.post(
            "/api/chat", {**self.model.named(), **body, "options": options, **more}
        )
        check_model(self.server, reply, self.model.name)
        return reply

    def _used(self, reply: Json) -> Cost:
        read, written = count_of(reply, "prompt_eval_count"), count_of(reply, "eval_count")
        return used(self.server, read, written)


def shown_tokens(server: Server, entry: Json) -> dict[str, float]:
    """The likeliest tokens in an entry of a chat's log-probabilities.

    Raises:
        ServerError: There are none, or they are no log-probabilities.
    """
    top = item(server, entry, "top_logprobs")
    if not isinstance(top, list) or not top:
        raise bad_reply(server.address, "it shows no likeliest tokens")
    found = {
        text_of(server, one, "token"): log_prob(server, item(server, one, "logprob")) for one in top
    }
    if len(found) > SHOWN + 1:
        raise bad_reply(server.address, "it shows more tokens than were asked for")
    return found


def check_served(server: Server, reply: Json, model: Model) -> None:
    """Refuse another model's reply; hosted servers answer an alias by a dated name.

    Raises:
        ServerError: It is another's.
    """
    said = reply.get("model") if isinstance(reply, Mapping) else None
    if isinstance(said, str) and model.name and said.startswith(f"{model.name}-"):
        return
    check_model(server, reply, model.name)
