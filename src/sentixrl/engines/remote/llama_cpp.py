"""llama.cpp's server.

Contract: two requests give exact log-probabilities of the tokens one names, in a few hundred bytes,
whatever the vocabulary. In the first, the tokens are lifted above all others and the probabilities
after sampling are asked for: their softmax. The second asks for one token's probability before
sampling: its share of the whole vocabulary. The server says nothing at all where the token that it
samples is the end of the text or the beginning of a character, as those of Arabic or Hindi labels
often are. So a plain letter is lifted above the rest, and is what is sampled.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from functools import cached_property
from pathlib import PurePosixPath, PureWindowsPath

import numpy as np

from sentixrl.engines.protocol import Completion, Cost
from sentixrl.engines.remote.backend import Model, count_of, item, log_prob, text_of, used
from sentixrl.engines.remote.backend import another_model as another
from sentixrl.engines.remote.exact import Branching, Reading
from sentixrl.engines.remote.refusals import ServerError, bad_reply
from sentixrl.engines.remote.transport import Json, Server

LIFT = 60
"""What lifts tokens above all others, in nats."""
_SETTINGS = {"n_predict": 1, "samplers": ["temperature"], "temperature": 1, "cache_prompt": True}
_WANTED = ["completion_probabilities", "model", "timings/prompt_n", "tokens_predicted"]
_SUM_SLACK = 1e-3
_LEAD = 40.0
"""By how much the letter is lifted above the tokens at first, in nats."""
_FAINT = -60.0
"""Below this, single precision begins to lose digits of what comes back."""
_TRIES = 4


def softmax_request(
    before: Sequence[int], tokens: Sequence[int], sampled: tuple[int, float] | None = None
) -> dict[str, Json]:
    """A request for the softmax over some tokens.

    Args:
        before: The prompt.
        tokens: One or more, each once.
        sampled: A token that is to be sampled, and by how much it is lifted above the others.
    """
    lifts = dict.fromkeys(tokens, float(LIFT))
    if sampled is not None:
        lifts[sampled[0]] = LIFT + sampled[1]
    return {
        **_SETTINGS,
        "prompt": list(before),
        "logit_bias": [[token, lift] for token, lift in lifts.items()],
        "n_probs": len(lifts),
        "post_sampling_probs": True,
    }


def softmax_of(reply: Json) -> dict[int, float]:
    """Token → probability, from the answer to a :func:`softmax_request`."""
    found = reply["completion_probabilities"][0]["top_probs"]
    return {entry["id"]: float(entry["prob"]) for entry in found}


def whole_request(before: Sequence[int], token: int) -> dict[str, Json]:
    """A request for one token's log-probability over the whole vocabulary."""
    return {
        **_SETTINGS,
        "prompt": list(before),
        "logit_bias": [[token, 3 * LIFT]],
        "n_probs": 1,
        "post_sampling_probs": False,
    }


class LlamaCpp:
    """A model on llama.cpp's server.

    Args:
        server: Where it is.
        props: What the server says of itself at ``/props``.
        listed: What it says of its model at ``/v1/models``.
    """

    reads_markers = False

    def __init__(self, server: Server, props: Mapping[str, Json], listed: Json) -> None:
        self.server = server
        meta = listed.get("meta") if isinstance(listed, Mapping) else None
        meta = meta if isinstance(meta, Mapping) else {}
        path = props.get("model_path")
        self._path = listed.get("id") if isinstance(listed, Mapping) else None
        shown = str(props.get("model_alias") or self._path or path or "model")
        settings = props.get("default_generation_settings")
        weights = [
            str(meta[key]) for key in ("n_params", "size", "ftype", "n_vocab") if key in meta
        ]
        self.model = Model(
            name=_file_name(shown),
            context_tokens=count_of(settings, "n_ctx") or None,
            parameters=count_of(meta, "n_params") or None,
            weights=" ".join(weights) or None,
            version=props["build_info"] if isinstance(props.get("build_info"), str) else None,
            slots=count_of(props, "total_slots") or None,
        )
        self.chat_template = _text(props.get("chat_template"))
        self.special = {name: _text(props.get(name)) or "" for name in ("bos_token", "eos_token")}
        self._silent: set[int] = set()

    def tokenise(self, text: str, *, markup: bool, begin: bool = False) -> tuple[int, ...]:
        """Token ids of a text."""
        body = {"content": text, "add_special": begin, "parse_special": markup}
        return token_ids(self.server, self.server.post("/tokenize", body, computes=False))

    @cached_property
    def _letter(self) -> int:
        """A token that is a whole character and ends no text."""
        return self.tokenise("A", markup=False)[-1]

    def read(self, branchings: Sequence[Branching]) -> Reading:
        """Log-probabilities, in one request or two for each branching."""
        found, computed = list[dict[int, float]](), 0
        for branching in branchings:
            values, more = self._read_one(branching)
            found.append(values)
            computed += more
        return Reading(found, computed)

    def _read_one(self, branching: Branching) -> tuple[dict[int, float], int]:
        before, tokens = branching.before, branching.tokens
        if len(tokens) == 1 and not branching.whole:
            return {tokens[0]: 0.0}, 0
        computed = 0
        if len(tokens) == 1 and tokens[0] not in self._silent:
            alone, computed = self._whole(before, tokens[0])
            if alone is not None:
                return {tokens[0]: alone}, computed
            self._silent.add(tokens[0])
        logs, more = self._softmax(before, tokens)
        computed += more
        if not branching.whole:
            total = float(np.logaddexp.reduce([logs[token] for token in tokens]))
            return {token: logs[token] - total for token in tokens}, computed
        letter, more = self._whole(before, self._letter)
        if letter is None:
            raise bad_reply(self.server.address, "it has no probabilities")
        shift = letter - logs[self._letter]
        return {token: min(0.0, logs[token] + shift) for token in tokens}, computed + more

    def _whole(self, before: Sequence[int], token: int) -> tuple[float | None, int]:
        """A token's log-probability over the whole vocabulary, and what was computed.

        ``None`` for tokens of which the server says nothing.
        """
        reply, computed = self._complete(whole_request(before, token))
        if not reply.get("completion_probabilities"):
            return None, computed
        entry = item(self.server, reply, "completion_probabilities", 0)
        if item(self.server, entry, "id") != token:
            raise bad_reply(self.server.address, "it does not take the token that is lifted")
        return log_prob(self.server, item(self.server, entry, "logprob")), computed

    def _softmax(
        self, before: Sequence[int], tokens: Sequence[int]
    ) -> tuple[dict[int, float], int]:
        """Log-odds of the tokens and the letter, up to a constant, and what was computed."""
        lead, computed = _LEAD, 0
        for _ in range(_TRIES):
            reply, more = self._complete(softmax_request(before, tokens, (self._letter, lead)))
            computed += more
            if not reply.get("completion_probabilities"):
                lead += _LEAD  # another token was sampled, of which nothing is said
                continue
            shares = self._shares(reply, {*tokens, self._letter})
            logs = {token: math.log(p) if p > 0 else -math.inf for token, p in shares.items()}
            loudest = max((logs[token] for token in tokens if token != self._letter), default=0.0)
            if loudest < _FAINT:
                lead += max(loudest, 2 * _FAINT) - _FAINT / 2
                continue
            logs[self._letter] -= lead
            return logs, computed
        raise bad_reply(self.server.address, "it has no probabilities")

    def _shares(self, reply: Json, tokens: Set[int]) -> dict[int, float]:
        try:
            found = softmax_of(reply)
        except (KeyError, IndexError, TypeError, ValueError, OverflowError):
            raise bad_reply(self.server.address, "it has no probabilities") from None
        if found.keys() != tokens or not all(0 <= p <= 1 for p in found.values()):
            raise bad_reply(self.server.address, "its probabilities are not those of the tokens")
        if not abs(math.fsum(found.values()) - 1) < _SUM_SLACK:
            raise bad_reply(self.server.address, "its probabilities do not add up to 1")
        return found

    def write(self, before: Sequence[int], max_tokens: int, stop: Sequence[str]) -> Completion:
        """Continue a prompt by the likeliest tokens."""
        body = {
            "prompt": list(before),
            "n_predict": max_tokens,
            "temperature": 0,
            "stop": list(stop),
            "cache_prompt": True,
        }
        reply = self.server.post("/completion", body)
        self._check_model(reply)
        cost = self._used(before, reply)
        written = count_of(reply, "tokens_predicted")
        return Completion(text_of(self.server, reply, "content"), written, cost)

    def _complete(self, body: Mapping[str, Json]) -> tuple[Mapping[str, Json], int]:
        """A reply, and how many tokens were computed for it."""
        reply = self.server.post("/completion", {**body, "response_fields": _WANTED})
        self._check_model(reply)
        if not isinstance(reply, Mapping):
            raise bad_reply(self.server.address, "it is no object")
        return reply, self._used(body["prompt"], reply).tokens

    def _used(self, prompt: Sequence[int], reply: Json) -> Cost:
        read, written = len(prompt), count_of(reply, "tokens_predicted")
        computed = count_of(reply, "timings", "prompt_n") or count_of(reply, "timings/prompt_n")
        return used(self.server, read, written, cached=read - computed)

    def _check_model(self, reply: Json) -> None:
        said = reply.get("model") if isinstance(reply, Mapping) else None
        if isinstance(said, str) and said and self._path and said != self._path:
            raise another(self.server)


def token_ids(server: Server, reply: Json) -> tuple[int, ...]:
    """The ids in a reply of ``/tokenize`` to a text that is not empty.

    Raises:
        ServerError: There are none.
    """
    found = item(server, reply, "tokens")
    if not isinstance(found, list) or not all(type(token) is int and token >= 0 for token in found):
        raise bad_reply(server.address, "its 'tokens' are no token ids")
    if not found:
        raise bad_reply(server.address, "it has no tokens for a text")
    return tuple(found)


def read_props(server: Server) -> tuple[Mapping[str, Json], Json] | None:
    """What llama.cpp's server says of itself and of its model; ``None`` if it is another server.

    Raises:
        ServerError: It cannot be asked.
    """
    try:
        props = server.get("/props")
    except ServerError as error:
        if error.status == 404:
            return None
        raise
    if not isinstance(props, Mapping) or "default_generation_settings" not in props:
        return None
    listed = server.get("/v1/models")
    return props, item(server, listed, "data", 0)


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None


def _file_name(path: str) -> str:
    """The name of a file on the server's machine; where it lies there is nobody's business."""
    return PureWindowsPath(PurePosixPath(path).name).name.removesuffix(".gguf") or path
