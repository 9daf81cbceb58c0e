"""Requests to a server: bounded in number, time and size, repeated where that may help.

Contract: what comes back is a JSON value, whatever the server sends; everything else is a
:class:`ServerError` that holds the :class:`~sentixrl.engines.protocol.Failure` to report. Redirects
are not followed. The key goes into one header and nowhere else: no error and no log has it.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sentixrl import __version__
from sentixrl.engines.options import RemoteOptions
from sentixrl.engines.protocol import Failure
from sentixrl.engines.remote.address import Address
from sentixrl.engines.remote.refusals import (
    ServerError,
    bad_reply,
    refusal,
    unreachable,
)
from sentixrl.errors import MissingDependencyError

if TYPE_CHECKING:
    import httpx2

Json = Any
MAX_BODY = 16 << 20
"""Bytes of the longest answer that is read."""
CONNECT_SECONDS = 10.0
IDLE_SECONDS = 60.0
"""For how long an unused connection is kept."""
_FIRST_WAIT, _LONGEST_WAIT, _JITTER = 0.5, 20.0, 0.5

# Without a handler of its own, each of its warnings would be printed.
logging.getLogger("stamina").addHandler(logging.NullHandler())


class Server:
    """A server to which requests go. May be used from many threads.

    Args:
        address: Where it is.
        options: Bounds on requests.

    Raises:
        MissingDependencyError: The libraries for it are not installed.
        ModelError: The key cannot be sent.
    """

    def __init__(self, address: Address, options: RemoteOptions) -> None:
        try:
            import httpx2
            import stamina
        except ImportError as error:
            raise MissingDependencyError.of(error.name or "httpx2", "remote") from None
        self.address = address
        self.options = options
        key = address.key()
        self._key = key
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "User-Agent": f"sentixrl/{__version__}",
        }
        self._client = httpx2.Client(
            headers=headers | ({"Authorization": f"Bearer {key}"} if key else {}),
            timeout=httpx2.Timeout(
                options.timeout, connect=min(CONNECT_SECONDS, options.timeout), pool=None
            ),
            limits=httpx2.Limits(
                max_connections=None, max_keepalive_connections=64, keepalive_expiry=IDLE_SECONDS
            ),
            follow_redirects=False,
            trust_env=not address.loopback,  # within this machine, texts go through no proxy
        )
        self._retries = stamina.retry_context
        self._places = threading.BoundedSemaphore(options.concurrency)
        self._counting = threading.Lock()
        self._requests = self._tokens = 0
        self._interruptions = self._connections = 0

    def __repr__(self) -> str:
        return f"<Server {self.address}>"

    @property
    def sends_key(self) -> bool:
        """Whether requests carry a key."""
        return self._key is not None

    @property
    def requests(self) -> int:
        """Calls that computed something, repeated ones included."""
        return self._requests

    @property
    def tokens(self) -> int:
        """Tokens that were read and written."""
        return self._tokens

    @property
    def interruptions(self) -> int:
        """How often a connection failed: what answers afterwards may be another server."""
        return self._interruptions

    @property
    def connections(self) -> int:
        """How often a connection was made."""
        return self._connections

    def spend(self, tokens: int) -> None:
        """Note tokens that were read or written."""
        with self._counting:
            self._tokens += tokens

    def get(self, path: str) -> Json:
        """What is at a path.

        Raises:
            ServerError: There is no JSON value to be had.
        """
        return self._ask("GET", path, None)

    def post(self, path: str, body: Mapping[str, Json], *, computes: bool = True) -> Json:
        """The answer to a request.

        Args:
            path: Such as ``/v1/completions``.
            body: The request.
            computes: Whether it counts against the budget.

        Raises:
            ServerError: There is no JSON value to be had, or the budget is used up.
        """
        return self._ask("POST", path, body, computes=computes)

    def _ask(
        self, method: str, path: str, body: Mapping[str, Json] | None, *, computes: bool = False
    ) -> Json:
        # Who only asks what a server is does not wait for one that is not there.
        most = self.options.attempts if method == "POST" else min(2, self.options.attempts)
        attempts = self._retries(
            on=_wait_before_next,
            attempts=most,
            timeout=None,
            wait_initial=_FIRST_WAIT,
            wait_max=_LONGEST_WAIT,
            wait_jitter=_JITTER,
        )
        for attempt in attempts:
            with attempt, self._places:
                if computes:
                    self._reserve()
                return self._once(method, path, body)
        raise AssertionError("attempts end in an answer or an error")

    def _reserve(self) -> None:
        """Take a call from the budget."""
        most, tokens = self.options.max_requests, self.options.max_tokens
        with self._counting:
            if most is not None and self._requests >= most:
                raise _spent(f"{most:,} requests", "--max-requests")
            if tokens is not None and self._tokens >= tokens:
                raise _spent(f"{tokens:,} tokens", "--max-tokens")
            self._requests += 1

    def _once(self, method: str, path: str, body: Mapping[str, Json] | None) -> Json:
        until = time.monotonic() + self.options.timeout
        content = None if body is None else json.dumps(body, allow_nan=False).encode()
        kind = {} if content is None else {"Content-Type": "application/json"}
        with (
            self._failing(),
            self._client.stream(
                *(method, self.address.url + path),
                content=content,
                headers=kind,
                extensions={"trace": self._traced},
            ) as reply,
        ):
            raw = self._read(reply, until)
            status, headers = reply.status_code, reply.headers
        if status != 200:
            raise refusal(self.address, status, headers, self._without_key(raw))
        return self._parsed(raw, headers.get("content-type", ""))

    def _read(self, reply: httpx2.Response, until: float) -> bytes:
        """The body, as far as it is of ordinary size and comes in time."""
        if reply.headers.get("content-encoding", "identity") != "identity":
            raise bad_reply(self.address, "it is compressed, which was not asked for")
        chunks: list[bytes] = []
        left = MAX_BODY
        for chunk in reply.iter_raw():
            left -= len(chunk)
            if left < 0:
                raise bad_reply(self.address, f"it is longer than {MAX_BODY >> 20} MB")
            if time.monotonic() > until:
                raise unreachable(self.address, "took too long", slow=True)
            chunks.append(chunk)
        return b"".join(chunks)

    def _parsed(self, raw: bytes, kind: str) -> Json:
        try:
            return json.loads(raw)
        except (ValueError, RecursionError):
            html = "html" in kind or raw.lstrip()[:1] == b"<"
            raise bad_reply(self.address, "it is a web page" if html else "it is no JSON") from None

    def _without_key(self, raw: bytes) -> bytes:
        """An error's text: some servers repeat the key in it."""
        return raw.replace(self._key.encode(), b"[key]") if self._key else raw

    @contextmanager
    def _failing(self) -> Iterator[None]:
        """Turn the library's errors into ours."""
        import httpx2

        try:
            yield
        except httpx2.TimeoutException as error:
            if isinstance(error, httpx2.ConnectTimeout):
                self._interrupted()
            raise unreachable(self.address, "took too long", slow=True) from None
        except httpx2.ConnectError:
            self._interrupted()
            raise unreachable(self.address, "cannot be reached") from None
        except httpx2.TransportError:
            self._interrupted()
            raise unreachable(self.address, "cut the connection") from None
        except (httpx2.InvalidURL, httpx2.HTTPError):
            raise unreachable(self.address, "cannot be asked") from None

    def _traced(self, event: str, _: Mapping[str, object]) -> None:
        """What the library tells of its connections."""
        if event == "connection.connect_tcp.complete":
            with self._counting:
                self._connections += 1

    def _interrupted(self) -> None:
        with self._counting:
            self._interruptions += 1


def _wait_before_next(error: Exception) -> bool | float:
    """Whether a request is sent again, and if the server says so, after how many seconds."""
    if not isinstance(error, ServerError):
        return False
    return error.again if error.wait is None else error.again and error.wait


def _spent(what: str, option: str) -> ServerError:
    return ServerError(
        Failure(
            "budget",
            f"The budget of {what} is used up.",
            hint=f"What is answered is kept. Allow more with {option}.",
            retryable=True,
        )
    )
