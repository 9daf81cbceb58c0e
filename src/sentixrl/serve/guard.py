"""What is checked of a request before the application sees it, and what every response carries.

Contract: a request for another host is not answered (so that no name that is pointed at this
machine can be used from a browser); a POST from another site's page, or of anything but JSON, is
refused; where a token is set, everything but the health checks, the page and its ticket needs it. A
body is read here, up to a bound and within a time, so that neither a long nor a slow one holds
anything up.
"""

from __future__ import annotations

import asyncio
import hmac
import ipaddress
import zlib
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sentixrl.formats.characters import shown
from sentixrl.serve.refusals import RefusedError

BODY_BYTES = 4 << 20
BODY_SECONDS = 30.0
_LOOPBACK_NAMES = frozenset({"localhost", "127.0.0.1", "::1"})
_PAGE = "/page/"
TOKEN_PATH = "/v1/token"
"""Where the page exchanges its ticket for the token."""
_TICKET_BYTES = 1024
BODIES = frozenset({"/v1/classify", "/v1/read", "/v1/systemone", "/v1/decisions", TOKEN_PATH})
"""Where a POST is answered; anywhere else it is refused whatever it brings."""
_OPEN_PATHS = frozenset({"/", "/health", "/ready", "/favicon.ico", TOKEN_PATH})
_LINGER_SECONDS = 1.0
_HEADERS = {
    "Content-Security-Policy": "default-src 'self'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'; object-src 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}


@dataclass(frozen=True, slots=True)
class Access:
    """Who may ask, and how much at once.

    Attributes:
        host: The address the service is bound to.
        names: Further names it is reached by, such as a proxy's.
        token: What requests have to carry; ``None`` for nothing.
        body_bytes: The largest body.
        body_seconds: How long a body may take to arrive.
    """

    host: str = "127.0.0.1"
    names: frozenset[str] = frozenset()
    token: str | None = field(default=None, repr=False)
    body_bytes: int = BODY_BYTES
    body_seconds: float = BODY_SECONDS

    def knows(self, host: str) -> bool:
        """Whether a Host header's name is one of this service's.

        An address is no name that somebody else could point here, so any will do unless the
        service is bound to this machine alone.
        """
        name = host.casefold().rstrip(".")
        if name in _LOOPBACK_NAMES or name == self.host.casefold() or name in self.names:
            return True
        return not is_loopback(self.host) and _is_address(name)


def is_loopback(host: str) -> bool:
    """Whether an address to bind to is reached from this machine alone."""
    if host.casefold() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


class Guard:
    """The outermost part of the application.

    Args:
        app: What answers.
        access: Who may ask.
    """

    def __init__(self, app: ASGIApp, access: Access) -> None:
        self._app, self._access = app, access

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request, and hand it on with its body."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        send = _with_headers(send)
        try:
            headers = Headers(scope=scope)
            self._check(scope, headers)
            if scope["method"] == "POST" and scope["path"] in BODIES:
                # Whoever asks for the token has not shown it: nothing large is read of them.
                ticket = scope["path"] == TOKEN_PATH
                most = _TICKET_BYTES if ticket else self._access.body_bytes
                receive = await self._read(headers, receive, most)
        except RefusedError as refusal:
            await refusal.response()(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _check(self, scope: Scope, headers: Headers) -> None:
        host = headers.get("host", "")
        if not self._access.knows(_name_of(host)):
            raise _closing(
                421,
                f"The service is not called '{shown(host)}'.",
                "Ask it by its address; 'sentixrl serve --allow-host NAME' adds a name.",
            )
        self._check_token(scope["path"], headers)
        if scope["method"] != "POST":
            return
        origin = headers.get("origin")
        if origin is not None and origin.partition("://")[2] != host:
            raise _closing(403, "The request comes from another site's page.")
        if headers.get("sec-fetch-site", "same-origin") not in {"same-origin", "none"}:
            raise _closing(403, "The request comes from another site's page.")
        if scope["path"] not in BODIES:
            return
        kind = headers.get("content-type", "").split(";")[0].strip().casefold()
        if kind != "application/json":
            raise _closing(
                415,
                f"The body's content type is '{shown(kind)}', not application/json.",
                "Send JSON with 'Content-Type: application/json'.",
            )

    def _check_token(self, path: str, headers: Headers) -> None:
        token = self._access.token
        if token is None or path in _OPEN_PATHS or path.startswith(_PAGE):
            return
        scheme, _, given = headers.get("authorization", "").partition(" ")
        same = hmac.compare_digest(given.strip().encode(), token.encode())
        if scheme.casefold() != "bearer" or not same:
            said = "another token" if given else "no token"
            raise _closing(
                401,
                f"The request carries {said}.",
                "Send the header 'Authorization: Bearer TOKEN'.",
                {"WWW-Authenticate": "Bearer"},
            )

    async def _read(self, headers: Headers, receive: Receive, most: int) -> Receive:
        """Read the body; returns what hands it on, and after it what comes from the client."""
        length = headers.get("content-length", "")
        try:
            async with asyncio.timeout(self._access.body_seconds):
                announced = length.isdecimal() and int(length[:20]) > most
                body = None if announced else await _body(receive, most)
        except TimeoutError:
            raise _closing(
                408, f"The body did not arrive within {self._access.body_seconds:g} seconds."
            ) from None
        if body is None:
            await _linger(receive, most)
            raise _too_large(most)
        body = _unpacked(body, headers.get("content-encoding", "identity"), most)
        handed = False

        async def replay() -> Message:
            nonlocal handed
            if handed:
                return await receive()
            handed = True
            return {"type": "http.request", "body": body, "more_body": False}

        return replay


def _name_of(host: str) -> str:
    """The name in a Host header, without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _closing(
    status: int, error: str, hint: str | None = None, headers: dict[str, str] | None = None
) -> RefusedError:
    """A refusal of a request whose body was not read, so that the connection is of no more use."""
    return RefusedError(status, error, hint, {"Connection": "close", **(headers or {})})


def _too_large(most: int) -> RefusedError:
    return _closing(413, f"The body has more than {most:,} bytes.", "Send it in several requests.")


async def _body(receive: Receive, most: int) -> bytes | None:
    """The body; ``None`` once it has more than so many bytes."""
    chunks: list[bytes] = []
    left = most
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _closing(400, "The body ended before its end.")
        left -= len(message.get("body", b""))
        if left < 0:
            return None
        chunks.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(chunks)


async def _linger(receive: Receive, most: int) -> None:
    """Take a little more, so that who is still sending gets to read the answer."""
    try:
        async with asyncio.timeout(_LINGER_SECONDS):
            while most > 0:
                message = await receive()
                if not message.get("more_body", False):
                    return
                most -= len(message["body"])
    except TimeoutError:
        return


def _unpacked(body: bytes, encoding: str, most: int) -> bytes:
    """The body without its compression.

    Raises:
        RefusedError: It is compressed in a way that is not read here, badly, or to too little.
    """
    kind = encoding.strip().casefold()
    if kind == "identity":
        return body
    try:
        if kind == "gzip":
            unpacking = zlib.decompressobj(16 + zlib.MAX_WBITS)
            found, whole = unpacking.decompress(body, most + 1), unpacking.eof
        elif kind == "zstd" and (zstd := _zstd()) is not None:
            unpacker = zstd.ZstdDecompressor()
            found, whole = unpacker.decompress(body, most + 1), unpacker.eof
        else:
            raise _closing(
                415,
                f"The body's content encoding '{shown(encoding)}' is not read here.",
                "Send it as it is, or with gzip.",
            )
    except RefusedError:
        raise
    except Exception:
        raise RefusedError(400, f"The body is no {kind} data.") from None
    if len(found) > most:
        raise _too_large(most)
    if not whole:
        raise RefusedError(400, f"The body's {kind} data is cut short.")
    return bytes(found)


def _zstd() -> Any:  # noqa: ANN401  (a module)
    """The library for Zstandard: Python's own from 3.14 on, its backport before."""
    try:
        from compression import zstd
    except ImportError:
        try:
            from backports import zstd
        except ImportError:
            return None
    return zstd


def _with_headers(send: Send) -> Send:
    async def sending(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            for name, value in _HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("Cache-Control", "no-store")
        await send(message)

    return sending


def host_names(names: Iterable[str]) -> frozenset[str]:
    """Names as Host headers are compared with them."""
    return frozenset(name.casefold().rstrip(".") for name in names)
