"""Downloading a file from a server, without waiting for ever.

Contract: only ``http`` and ``https`` addresses are opened, also after redirects. A download is
given up if the server does not answer within :data:`TIMEOUT` seconds, or sends less than
:data:`SLOWEST` bytes a second over a minute. Every failure is one
:class:`~sentixrl.errors.SentixError`, ``retryable``.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from threading import Timer
from urllib.parse import urljoin, urlsplit

from sentixrl.errors import SentixError

TIMEOUT = 60.0
"""Seconds without an answer after which a download is given up."""
SLOWEST = 1024
"""Bytes a second, over :data:`TIMEOUT` seconds; a slower download would never end."""
REDIRECTS = 5
"""How many redirects are followed."""
NO_SUCH_RANGE = 416

_CHUNK = 64 * 1024
_ELSEWHERE = frozenset({301, 302, 303, 307, 308})


class _Waiting(HTTPConnection):
    """A connection that waits a bounded time for the whole head of the answer."""

    def connect(self) -> None:
        """Connect, the handshake of https included."""
        with self._in_time():
            super().connect()

    def getresponse(self) -> HTTPResponse:
        """The head of the answer."""
        with self._in_time():
            return super().getresponse()

    @contextlib.contextmanager
    def _in_time(self) -> Iterator[None]:
        """A socket's own timeout starts anew with every byte; this one does not."""
        timer = Timer(TIMEOUT, self._hang_up)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _hang_up(self) -> None:
        line: socket.socket | None = self.sock
        if line is not None:
            with contextlib.suppress(OSError):
                line.shutdown(socket.SHUT_RDWR)


class _WaitingSecurely(_Waiting, HTTPSConnection):
    """The same over TLS."""


class _Http(urllib.request.HTTPHandler):
    def http_open(self, request: urllib.request.Request) -> HTTPResponse:
        """Open an ``http`` address."""
        return self.do_open(_Waiting, request)


class _Https(urllib.request.HTTPSHandler):
    def https_open(self, request: urllib.request.Request) -> HTTPResponse:
        """Open an ``https`` address."""
        return self.do_open(_WaitingSecurely, request, context=ssl.create_default_context())


def _opener() -> urllib.request.OpenerDirector:
    """An opener without any other scheme; it follows no redirects by itself."""
    opener = urllib.request.OpenerDirector()
    for handler in (
        urllib.request.ProxyHandler(),
        _Http(),
        _Https(),
        urllib.request.HTTPErrorProcessor(),
        urllib.request.HTTPDefaultErrorHandler(),
    ):
        opener.add_handler(handler)
    return opener


def ask(url: str, headers: Mapping[str, str]) -> HTTPResponse:
    """The server's answer, its head read.

    Raises:
        SentixError: There is none, or it is an error; a status' code is ``status_`` and its number.
    """
    opener, here = _opener(), url
    for _ in range(REDIRECTS + 1):
        try:
            if urlsplit(here).scheme not in {"http", "https"}:
                raise failed(url, f"the server sends to '{here[:200]}', which is no web address")
            request = urllib.request.Request(here, headers=dict(headers))
            response: HTTPResponse = opener.open(request, timeout=TIMEOUT)
        except urllib.error.HTTPError as error:
            error.close()
            target = error.headers.get("Location") if error.code in _ELSEWHERE else None
            if target is None:
                reason = f"the server answers {error.code} {error.reason}"
                raise failed(url, reason, f"status_{error.code}") from None
            here = _joined(here, target)
        # ValueError: the address is not valid, for example its port is no number.
        except (urllib.error.URLError, HTTPException, OSError, ValueError) as error:
            raise failed(url, str(getattr(error, "reason", error)) or "no answer") from None
        else:
            return response
    raise failed(url, f"the server sends elsewhere more than {REDIRECTS} times")


def _joined(here: str, target: str) -> str:
    try:
        return urljoin(here, target)
    except ValueError:  # reported when it is opened
        return target


def chunks(response: HTTPResponse, url: str) -> Iterator[bytes]:
    """The content of an answer, piece by piece as it arrives.

    Raises:
        SentixError: It breaks off, or comes too slowly.
    """
    since, got = time.monotonic(), 0
    while True:
        try:
            chunk = response.read1(_CHUNK)
        except (HTTPException, OSError) as error:
            raise failed(url, str(error) or type(error).__name__) from None
        if not chunk:
            return
        yield chunk
        got += len(chunk)
        passed = time.monotonic() - since
        if passed >= TIMEOUT:
            if got < SLOWEST * passed:
                raise failed(url, f"it came too slowly, {got:,} bytes in {passed:.0f} seconds")
            since, got = time.monotonic(), 0


def failed(url: str, reason: str, code: str = "download_failed") -> SentixError:
    """What to tell a user whose download failed."""
    return SentixError(
        f"The download of {url} failed: {reason.rstrip('.')}.",
        hint="What has arrived is kept: give the same command again to continue.",
        code=code,
        retryable=True,
    )
