"""SGLang's server.

Contract: as vLLM's, but log-probabilities come from its own ``/generate``. It was written from its
documentation and has not been run here; the probe decides whether it is believed.
"""

from __future__ import annotations

from collections.abc import Sequence

from sentixrl.engines.protocol import Completion, Cost
from sentixrl.engines.remote.backend import count_of, item, log_prob, text_of, used
from sentixrl.engines.remote.exact import Branching, Reading
from sentixrl.engines.remote.refusals import bad_reply
from sentixrl.engines.remote.transport import Json
from sentixrl.engines.remote.vllm import Vllm


class Sglang(Vllm):
    """A model on SGLang's server."""

    def read(self, branchings: Sequence[Branching]) -> Reading:
        """Log-probabilities of all branchings, in one request."""
        body = {
            "input_ids": [list(one.before) for one in branchings],
            "sampling_params": {"max_new_tokens": 1, "temperature": 0},
            "return_logprob": True,
            "token_ids_logprob": [list(one.tokens) for one in branchings],
        }
        replies = self.server.post("/generate", body)
        if not isinstance(replies, list) or len(replies) != len(branchings):
            raise bad_reply(self.server.address, "it does not answer every prompt")
        found = [
            self._named(item(self.server, reply, "meta_info", "output_token_ids_logprobs", 0))
            for reply in replies
        ]
        return Reading(found, sum(self._used(reply).tokens for reply in replies))

    def _named(self, entries: Json) -> dict[int, float]:
        if not isinstance(entries, list):
            raise bad_reply(self.server.address, "it has no log-probabilities")
        found: dict[int, float] = {}
        for entry in entries:
            token = item(self.server, entry, 1)
            if type(token) is not int:
                raise bad_reply(self.server.address, "a token in it is no token id")
            found[token] = log_prob(self.server, item(self.server, entry, 0))
        return found

    def write(self, before: Sequence[int], max_tokens: int, stop: Sequence[str]) -> Completion:
        """Continue a prompt by the likeliest tokens."""
        sampling = {"max_new_tokens": max_tokens, "temperature": 0, "stop": list(stop) or None}
        reply = self.server.post(
            "/generate", {"input_ids": list(before), "sampling_params": sampling}
        )
        text = text_of(self.server, reply, "text")
        written = count_of(reply, "meta_info", "completion_tokens")
        return Completion(text, written, self._used(reply))

    def _used(self, reply: Json) -> Cost:
        names = ("prompt_tokens", "completion_tokens", "cached_tokens")
        read, written, cached = (count_of(reply, "meta_info", name) for name in names)
        return used(self.server, read, written, cached)
