"""Servers in this process that behave as real ones are documented to, or lie in one way.

Their model is a table: the next byte's log-probabilities are drawn from a seed and what is before.
"""

from __future__ import annotations

import json
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from string import ascii_uppercase
from typing import Any

import numpy as np
from numpy.typing import NDArray

Json = Any
VOCABULARY = 256


@dataclass
class Reply:
    """What a fake answers.

    Attributes:
        body: JSON, or bytes as they are.
        status: The status.
        headers: Further headers.
        cut: Whether the connection ends in the middle.
        drip: Seconds between the bytes.
    """

    body: Json = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: bool = False
    drip: float = 0.0


Answer = Callable[[str, str, Json], Reply]
"""Method, path and body → what is answered."""


@dataclass
class Fake:
    """A fake server.

    Attributes:
        url: Where it is.
        seen: Method, path, headers and body of each request, oldest first.
    """

    url: str
    answer: Answer
    seen: list[tuple[str, str, dict[str, str], Json]] = field(default_factory=list)

    def paths(self) -> list[str]:
        """The paths that were asked for."""
        return [path for _, path, _, _ in self.seen]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, fake: Fake, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.fake = fake
        self.connections: list[socket.socket] = []

    def handle_error(self, *_: object) -> None: ...

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        self.connections.append(request)
        super().process_request(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def log_message(self, *_: object) -> None: ...

    def _answer(self, method: str) -> None:
        raw = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        body = json.loads(raw) if raw else None
        self.server.fake.seen.append((method, self.path, dict(self.headers), body))
        self._send(self.server.fake.answer(method, self.path, body))

    def _send(self, reply: Reply) -> None:
        raw = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
        self.send_response(reply.status)
        kind = "text/html" if raw[:1] == b"<" else "application/json"
        for name, value in {"Content-Type": kind, **reply.headers}.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(raw)))
        self.end_headers()
        if reply.cut:
            self.wfile.write(raw[: len(raw) // 2])
            hard = struct.pack("ii", 1, 0)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, hard)
            self.close_connection = True
            return
        try:
            for start in range(0, len(raw), 1 if reply.drip else max(1, len(raw))):
                self.wfile.write(raw[start : start + (1 if reply.drip else len(raw))])
                self.wfile.flush()
                time.sleep(reply.drip)
        except OSError:
            self.close_connection = True

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self._answer("POST")


@contextmanager
def fake_server(answer: Answer, port: int = 0) -> Iterator[Fake]:
    """Serve on loopback until the block ends."""
    fake = Fake("", answer)
    server = _Server(fake, port)
    fake.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        for connection in server.connections:  # those that are kept alive end too
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def next_byte(before: Sequence[int], seed: int = 0) -> NDArray[np.float64]:
    """The table's log-probabilities of the byte that follows, ``[256]``."""
    logits = np.random.default_rng([seed, *before[-24:], 7]).normal(0, 2, VOCABULARY)
    found: NDArray[np.float64] = logits - np.logaddexp.reduce(logits)
    return found


def choice_log_probs(before: bytes, choices: Sequence[bytes], seed: int = 0) -> list[float]:
    """The table's log-probabilities of whole choices, normalised over them: no trie, one by one."""
    sums = []
    for choice in choices:
        whole = before + choice
        steps = range(len(before), len(whole))
        sums.append(sum(float(next_byte(list(whole[:at]), seed)[whole[at]]) for at in steps))
    found: list[float] = (np.array(sums) - np.logaddexp.reduce(sums)).tolist()
    return found


@dataclass
class Vllm:
    """vLLM's server over the table. Each lie changes the log-probabilities of one reply.

    Attributes:
        lie: How it lies, if it does.
        seed: Which table.
        model: What it calls its model.
    """

    lie: str | None = None
    seed: int = 0
    model: str = "table"

    def __call__(self, method: str, path: str, body: Json) -> Reply:
        if path == "/version":
            return Reply({"version": "0.32.0"})
        if path == "/v1/models":
            return Reply({"data": [{"id": self.model, "max_model_len": 4096, "root": "table"}]})
        if path == "/tokenize":
            if "messages" in body:
                return Reply({"error": {"message": "no chat template"}}, 400)
            return Reply({"tokens": list(body["prompt"].encode()), "max_model_len": 4096})
        if path == "/v1/completions":
            return self._complete(body)
        return Reply({"error": {"message": "Not Found"}}, 404)

    def _complete(self, body: Json) -> Reply:
        prompts = body["prompt"]
        if "logprob_token_ids" not in body:
            return Reply(self._around([{"index": 0, "text": "joy"}], len(prompts)))
        named = body["logprob_token_ids"]
        choices = [
            {"index": place, "text": "?", "logprobs": {"top_logprobs": [self._top(prompt, named)]}}
            for place, prompt in enumerate(prompts)
        ]
        if self.lie == "lost prompts":
            choices = choices[:-1]
        if self.lie == "other order":  # allowed: they are numbered
            choices = choices[::-1]
        raw = json.dumps(self._around(choices, sum(map(len, prompts))))
        if self.lie == "nan":
            raw = raw.replace("-99.5", "NaN")
        if self.lie == "no float":
            raw = raw.replace("-99.5", "-" + "9" * 400)
        if self.lie == "odd places":
            raw = raw.replace('"index": 0', '"index": [0]')
        return Reply(raw.encode())

    def _top(self, prompt: Sequence[int], named: Sequence[int]) -> dict[str, float]:
        seen = prompt if self.lie != "constant" else []
        logs = next_byte(seen, self.seed)
        values = [float(logs[token]) for token in named]
        ids = list(named)
        match self.lie:
            case "missing":
                ids, values = ids[:-1], values[:-1]
            case "nan" | "no float":
                values[0] = -99.5
            case "positive":
                values[0] = 0.7
            case "shuffled":
                values = sorted(values, reverse=True)
            case "other tokens":
                ids = [(token + 1) % VOCABULARY for token in ids]
            case "equal":
                values = [-3.0] * len(values)
            case "ignored":
                ids = [int(logs.argmax())]
                values = [float(logs.max())]
        top = {f"token_id:{token}": value for token, value in zip(ids, values, strict=True)}
        if self.lie is None:
            top[f"token_id:{int(logs.argmax())}"] = float(logs.max())
        return top

    def _around(self, choices: Sequence[Json], tokens: int) -> Json:
        return {
            "model": self.model if self.lie != "other model" else "another",
            "choices": choices,
            "usage": {
                "prompt_tokens": tokens,
                "completion_tokens": 1,
                "prompt_tokens_details": {"cached_tokens": min(4, tokens)},
            },
        }


@dataclass
class Sglang(Vllm):
    """SGLang's server over the table."""

    def __call__(self, method: str, path: str, body: Json) -> Reply:
        if path == "/get_model_info":
            return Reply({"model_path": "table", "version": "0.6"})
        if path != "/generate":
            return super().__call__(method, path, body)
        meta = {"prompt_tokens": 9, "completion_tokens": 1, "cached_tokens": 4}
        if "token_ids_logprob" not in body:
            return Reply({"text": "joy", "meta_info": meta})
        replies = []
        for prompt, named in zip(body["input_ids"], body["token_ids_logprob"], strict=True):
            top = self._top(prompt, named)
            entries = [[value, int(name[9:]), None] for name, value in top.items()]
            wanted = [entry for entry in entries if entry[1] in named or self.lie]
            replies.append(
                {"text": "?", "meta_info": {**meta, "output_token_ids_logprobs": [wanted]}}
            )
        return Reply(replies)


@dataclass
class Chat:
    """A chat server that prefers the first letter it is offered.

    Attributes:
        shown: How many letters are among the likeliest tokens it shows; 0 for none at all.
        says: What it writes.
    """

    shown: int = 20
    says: str = "joy"

    def __call__(self, method: str, path: str, body: Json) -> Reply:
        if path == "/v1/models":
            return Reply({"data": [{"id": "small"}, {"id": "large"}]})
        if path == "/v1/chat/completions":
            return self._chat(body)
        if path == "/api/version":
            return Reply({"version": "0.35.1"})
        if path == "/api/tags":
            return Reply({"models": [{"name": "small:latest", "digest": "ab" * 32}]})
        if path == "/api/chat":
            return self._ollama(body)
        if path == "/v1/completions":
            tops = {entry["token"]: entry["logprob"] for entry in self.tops()}
            choice = {"text": f" {self.says}\n", "logprobs": {"top_logprobs": [tops]}}
            return Reply({"model": "small", "choices": [choice]})
        return Reply({"error": "Not Found"}, 404)

    def tops(self) -> list[Json]:
        """Letters, the first the likeliest, and a token that is none."""
        shares = [0.4 * 0.5**place for place in range(self.shown)]
        names = [*ascii_uppercase[: self.shown]]
        pairs = zip([*names, "The"], [*shares, 0.1], strict=True)
        return [{"token": name, "logprob": float(np.log(share))} for name, share in pairs]

    def _chat(self, body: Json) -> Reply:
        choice: Json = {"message": {"role": "assistant", "content": self.says}}
        if body.get("logprobs") and self.shown:
            choice["logprobs"] = {"content": [{"token": "A", "top_logprobs": self.tops()}]}
        usage = {
            "prompt_tokens": 20,
            "completion_tokens": 1,
            "prompt_tokens_details": {"cached_tokens": 4},
        }
        return Reply({"model": f"{body['model']}-2026-11-01", "choices": [choice], "usage": usage})

    def _ollama(self, body: Json) -> Reply:
        reply: Json = {
            "model": body["model"],
            "message": {"role": "assistant", "content": self.says},
            "prompt_eval_count": 20,
            "eval_count": 1,
        }
        if body.get("logprobs") and self.shown:
            reply["logprobs"] = [{"token": "A", "top_logprobs": self.tops()}]
        return Reply(reply)
