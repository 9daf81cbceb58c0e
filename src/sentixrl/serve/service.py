"""One service: its models, what waits for them, and waiting for an answer as long as somebody does.

Contract: an application has one of these in its state. A request's work ends with the request: if
the client leaves, what is not computed yet is dropped.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated, cast

from fastapi import Depends, Request

from sentixrl.serve.batcher import QUEUE_TOKENS, Batcher, Part, Ticket
from sentixrl.serve.guard import Access
from sentixrl.serve.metrics import Metrics
from sentixrl.serve.refusals import RefusedError
from sentixrl.serve.served import Models, ServedModel

TICKET_SECONDS = 60.0
"""How long a browser may take to open the page."""
MAX_TURNS = 20_000
"""The turns that a request may have; far fewer fit the queue, unless it is made larger."""


class Service:
    """What an application answers with.

    Args:
        models: By name.
        access: Who may ask, and how much at once.
        queue_tokens: How many tokens may wait or be computed at once.
        opened: Name and content of a file for the page, where there is one.
    """

    def __init__(
        self,
        models: Models,
        access: Access | None = None,
        queue_tokens: int = QUEUE_TOKENS,
        opened: tuple[str, bytes] | None = None,
    ) -> None:
        self.models, self.opened = models, opened
        self._page_ticket: tuple[str, float] | None = None
        self.access = access or Access()
        schedulers = [model.classifier.scheduler for model in models]
        self.batcher = Batcher(schedulers, queue_tokens)
        self.metrics = Metrics(models, self.batcher)

    def page_ticket(self) -> str:
        """What one page gets the token for: once, and within a minute.

        A browser's command line can be read by everybody on the machine, so the token itself must
        not stand there. A ticket is worth nothing once the page has opened.
        """
        ticket = secrets.token_urlsafe(24)
        self._page_ticket = ticket, time.monotonic() + TICKET_SECONDS
        return ticket

    def redeem(self, ticket: str) -> str:
        """The token, for the page's ticket.

        Raises:
            RefusedError: It is another ticket, or was used, or is too old.
        """
        known, end = self._page_ticket or ("", 0.0)
        token = self.access.token
        same = hmac.compare_digest(ticket.encode(), known.encode())
        if not known or token is None or not same or time.monotonic() > end:
            raise RefusedError(401, "The ticket is not known, was used already, or is too old.")
        self._page_ticket = None
        return token

    @asynccontextmanager
    async def asked(self, model: ServedModel, parts: Sequence[Part]) -> AsyncIterator[Ticket]:
        """A request's ticket; what is not answered when the block is left is dropped.

        Raises:
            RefusedError: There is no room.
        """
        ticket = self.batcher.accept(model.classifier.scheduler, parts)
        try:
            yield ticket
        finally:
            ticket.cancel()

    async def finished(self, request: Request, ticket: Ticket) -> None:
        """Wait until all of a request is answered.

        Raises:
            RefusedError: The client left, so that nobody will read this.
        """
        waiting = asyncio.create_task(ticket.finished())
        leaving = asyncio.create_task(_gone(request))
        try:
            await asyncio.wait({waiting, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if not waiting.done():
                raise RefusedError(499, "The client left.")
        finally:
            for task in (waiting, leaving):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task


async def _gone(request: Request) -> None:
    """Wait until the client leaves."""
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _of(request: Request) -> Service:  # async: a plain function would cost a thread
    return cast(Service, request.app.state.service)


Serving = Annotated[Service, Depends(_of)]
"""An endpoint's way to its service."""
