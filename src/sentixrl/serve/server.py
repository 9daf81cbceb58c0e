"""A service as a process: bound, announced, and ended without losing anything it accepted.

Contract: the address is bound before a model is loaded, so that one in use is told at once. The
first SIGTERM or SIGINT ends the service in order: it is not ready any more, takes nothing more,
answers what it accepted, and its exit code is 0. A second one ends it at once.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from types import FrameType

import uvicorn

from sentixrl.errors import ConfigError
from sentixrl.serve.app import make_app
from sentixrl.serve.guard import is_loopback
from sentixrl.serve.journal import log
from sentixrl.serve.service import Service

_BACKLOG = 2048
_LAST_SECONDS = 30  # for answers that are written to slow readers
_SIGNALS = (signal.SIGINT, signal.SIGTERM)


def bind(host: str, port: int, token: str | None) -> socket.socket:
    """The address, bound but not yet listening.

    Raises:
        ConfigError: It cannot be bound, or it is open to others and no token is set.
    """
    if token is None and not is_loopback(host):
        raise ConfigError(
            f"At the address {host} others could ask too, and no token is set.",
            hint="Set SENTIXRL_TOKEN to a long random text, or leave --host out.",
        )
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM
        )[0]
        bound = socket.socket(family, kind, protocol)
    except OSError as error:
        raise ConfigError(f"The address {host} cannot be used: {error.strerror}.") from None
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind(address)
    except OSError as error:
        bound.close()
        raise ConfigError(
            f"Port {port} of {host} cannot be used: {error.strerror}.",
            hint="Choose another with --port; 0 takes any that is free.",
        ) from None
    return bound


def address_of(bound: socket.socket) -> str:
    """The address as a browser takes it."""
    host, port = bound.getsockname()[:2]
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def make_server(service: Service, started: Callable[[], None]) -> uvicorn.Server:
    """What answers at an address; its ``run`` takes the bound socket and returns at the end.

    Args:
        service: What answers.
        started: Called once requests are taken.
    """
    config = uvicorn.Config(
        make_app(service),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        backlog=_BACKLOG,
        timeout_graceful_shutdown=_LAST_SECONDS,
    )
    return _Server(config, service, started)


class _Server(uvicorn.Server):
    """A server that takes leave in order."""

    def __init__(
        self, config: uvicorn.Config, service: Service, started: Callable[[], None]
    ) -> None:
        super().__init__(config)
        self._service, self._started = service, started
        self._draining: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to listen."""
        await super().startup(sockets)
        if self.started:
            self._started()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals within the block; the process goes on after it."""
        if threading.current_thread() is not threading.main_thread():  # which alone gets them
            yield
            return
        loop = asyncio.get_running_loop()

        def handle(number: int, frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(self._stop, signal.Signals(number).name)

        before = {number: signal.signal(number, handle) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _stop(self, name: str) -> None:
        log("stopping", signal=name, requests=self._service.batcher.requests)
        if self._draining is not None:
            self.should_exit = self.force_exit = True
            return
        self._draining = asyncio.get_running_loop().create_task(self._drain())

    async def _drain(self) -> None:
        await self._service.batcher.drain()
        self.should_exit = True
