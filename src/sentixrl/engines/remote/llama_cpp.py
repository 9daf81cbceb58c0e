"""llama.cpp's server.

Contract: two requests give exact log-probabilities of the tokens one names, in a few hundred bytes,
whatever the vocabulary. In the first, the tokens are lifted above all others and the probabilities
after sampling are asked for: their softmax. In the second, one of them is lifted and the
probabilities before sampling are asked for: its share of the whole vocabulary.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import PurePosixPath, PureWindowsPath

from sentixrl.engines.protocol import Completion, Cost
from sentixrl.engines.remote.backend import Model, count_of, item, log_prob, text_of
from sentixrl.engines.remote.backend import another_model as another
from sentixrl.engines.remote.exact import Branching, Reading
from sentixrl.engines.remote.refusals import ServerError, bad_reply
from sentixrl.engines.remote.transport import Json, Server

LIFT = 60
"""What lifts tokens above all others, in nats."""
_SETTINGS = {"n_predict": 1, "samplers": ["temperature"], "temperature": 1, "cache_prompt": True}
_WANTED = ["completion_probabilities", "model", "timings/prompt_n", "tokens_evaluated"]
_SUM_SLACK = 1e-3


def softmax_request(before: Sequence[int], tokens: Sequence[int]) -> dict[str, Json]:
    """A request for the softmax over some tokens.

    Args:
        before: The prompt.
        tokens: Two or more, each once.
    """
    return {
        **_SETTINGS,
        "prompt": list(before),
        "logit_bias": [[token, LIFT] for token in tokens],
        "n_probs": len(tokens),
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
        "logit_bias": [[token, 2 * LIFT]],
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
        weights = [str(meta[key]) for key in ("n_params", "size", "ftype", "n_vocab") if key in meta]
        self.model = Model(
            name=_file_name(shown),
            context_tokens=count_of(settings, "n_ctx") or None,
            parameters=count_of(meta, "n_params") or None,
            weights=" ".join(weights) or None,
            version=props["build_info"] if isinstance(props.get("build_info"), str) else None,
            slots=count_of(props, "total_slots") or None,
        )
        self.chat_template = _text(props.get("chat_template"))
        self.special = {
            name: _text(props.get(name)) or "" for name in ("bos_token", "eos_token")
        }
        self.end_ids: frozenset[int] = frozenset()

    def tokenise(self, text: str, *, markup: bool, begin: bool = False) -> tuple[int, ...]:
        """Token ids of a text."""
        body = {"content": text, "add_special": begin, "parse_special": markup}
        return token_ids(self.server, self.server.post("/tokenize", body, computes=False))

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
        shares, computed = {tokens[0]: 1.0}, 0
        if len(tokens) > 1:
            reply = self._complete(softmax_request(before, tokens))
            shares, computed = self._shares(reply, tokens), _computed(reply)
        logs = {token: math.log(p) if p > 0 else -math.inf for token, p in shares.items()}
        if not branching.whole:
            return logs, computed
        # A token that ends the text is not sampled on every version: another one is lifted.
        lifted = max((t for t in tokens if t not in self.end_ids), key=logs.__getitem__)
        reply = self._complete(whole_request(before, lifted))
        entry = item(self.server, reply, "completion_probabilities", 0)
        if item(self.server, entry, "id") != lifted:
            raise bad_reply(self.server.address, "it does not take the token that is lifted")
        shift = log_prob(self.server, item(self.server, entry, "logprob")) - logs[lifted]
        whole = {token: min(0.0, value + shift) for token, value in logs.items()}
        return whole, computed + _computed(reply)

    def _shares(self, reply: Json, tokens: Sequence[int]) -> dict[int, float]:
        try:
            found = softmax_of(reply)
        except (KeyError, IndexError, TypeError, ValueError):
            raise bad_reply(self.server.address, "it has no probabilities") from None
        total = math.fsum(found.values())
        if set(found) != set(tokens) or not all(0 <= p <= 1 for p in found.values()):
            raise bad_reply(self.server.address, "its probabilities are not those of the tokens")
        if not abs(total - 1) < _SUM_SLACK:
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
        written = count_of(reply, "tokens_predicted")
        read = _computed(reply) + written
        self.server.spend(count_of(reply, "tokens_evaluated") + written)
        return Completion(text_of(self.server, reply, "content"), written, Cost(read))

    def _complete(self, body: Mapping[str, Json]) -> Json:
        reply = self.server.post("/completion", {**body, "response_fields": _WANTED})
        self._check_model(reply)
        self.server.spend(count_of(reply, "tokens_evaluated") + 1)
        return reply

    def _check_model(self, reply: Json) -> None:
        said = reply.get("model") if isinstance(reply, Mapping) else None
        if isinstance(said, str) and said and self._path and said != self._path:
            raise another(self.server)


def token_ids(server: Server, reply: Json) -> tuple[int, ...]:
    """The ids in a reply of ``/tokenize``.

    Raises:
        ServerError: There are none.
    """
    found = item(server, reply, "tokens")
    if not isinstance(found, list) or not all(type(token) is int and token >= 0 for token in found):
        raise bad_reply(server.address, "its 'tokens' are no token ids")
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


def _computed(reply: Json) -> int:
    return count_of(reply, "timings", "prompt_n") or count_of(reply, "timings/prompt_n")


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None


def _file_name(path: str) -> str:
    """The name of a file on the server's machine; where it lies there is nobody's business."""
    return PureWindowsPath(PurePosixPath(path).name).name.removesuffix(".gguf") or path
