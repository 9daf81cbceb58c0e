"""Services to ask: scripted engines and tiny models, in this process or on loopback."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx2

from sentixrl import Classifier
from sentixrl.context.building import ContextOptions
from sentixrl.context.prompt import Prompt
from sentixrl.engines.protocol import Failure
from sentixrl.engines.scripted import ScriptedEngine
from sentixrl.labels import scheme
from sentixrl.negotiation.options import NegotiationOptions
from sentixrl.serve.app import make_app
from sentixrl.serve.guard import Access
from sentixrl.serve.served import Models, ServedModel
from sentixrl.serve.server import address_of, bind, make_server
from sentixrl.serve.service import Service

PATIENCE = 60.0
BASE = "http://127.0.0.1:8000"
LINES = {"Accept": "application/x-ndjson"}
Weigh = Callable[[Prompt, tuple[str, ...]], Sequence[float] | Failure]


def likes_the_first(prompt: Prompt, choices: tuple[str, ...]) -> Sequence[float] | Failure:
    """Weights that fall with the place; texts with 'too long' fail, with 'poison' break."""
    if "poison" in prompt.text:
        raise RuntimeError("CUDA out of memory")
    if "too long" in prompt.text:
        return Failure("too_long", "The prompt takes 9 tokens; the model reads 8.")
    return [1 / (place + 1) for place in range(len(choices))]


@dataclass
class Gate:
    """Holds an engine up until it is opened; a few questions may pass before."""

    opened: threading.Event
    reached: threading.Semaphore
    free: int = 0

    def __call__(self, prompt: Prompt, choices: tuple[str, ...]) -> Sequence[float] | Failure:
        if self.free:
            self.free -= 1
            return likes_the_first(prompt, choices)
        self.reached.release()
        assert self.opened.wait(PATIENCE)
        return likes_the_first(prompt, choices)

    def await_a_step(self) -> None:
        assert self.reached.acquire(timeout=PATIENCE)


def gate(free: int = 0) -> Gate:
    return Gate(threading.Event(), threading.Semaphore(0), free)


def scripted(weigh: Weigh = likes_the_first, **more: Any) -> Classifier:  # noqa: ANN401
    engine = ScriptedEngine(weigh, **more)
    options = NegotiationOptions(enabled=False)
    return Classifier(engine, scheme("meld-7"), ContextOptions(language="en"), options)


def service(
    classifier: Classifier | None = None,
    access: Access | None = None,
    **more: Any,  # noqa: ANN401
) -> Service:
    return Service(Models([ServedModel("tiny", classifier or scripted())]), access, **more)


class Client:
    """Asks an application; answers are those of httpx.

    Args:
        asked: The service.
        headers: Sent with every request.
    """

    def __init__(self, asked: Service, headers: dict[str, str] | None = None) -> None:
        self._app, self._headers = make_app(asked), headers or {}

    def ask(self, method: str, path: str, **more: Any) -> httpx2.Response:  # noqa: ANN401
        async def asking() -> httpx2.Response:
            transport = httpx2.ASGITransport(app=self._app, raise_app_exceptions=False)
            async with httpx2.AsyncClient(
                transport=transport, base_url=BASE, headers=self._headers
            ) as asker:
                return await asker.request(method, path, **more)

        return asyncio.run(asking())

    def get(self, path: str, **more: Any) -> httpx2.Response:  # noqa: ANN401
        return self.ask("GET", path, **more)

    def post(self, path: str, body: object = None, **more: Any) -> httpx2.Response:  # noqa: ANN401
        if body is not None:
            more["json"] = body
        return self.ask("POST", path, **more)

    def refuses(self, status: int, *asked: Any, **more: Any) -> tuple[str, str | None]:  # noqa: ANN401
        """The sentence and hint with which a POST is refused."""
        found = self.post(*asked, **more)
        assert found.status_code == status, found.text
        return refusal(found)


def refusal(found: httpx2.Response) -> tuple[str, str | None]:
    said = found.json()
    assert said.keys() == {"error", "hint"}, said
    for sentence in filter(None, said.values()):
        assert sentence.endswith((".", "!", "?")), sentence
        assert sentence.isprintable()
    assert len(said["error"]) < 400
    return said["error"], said["hint"]


def lines_of(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@contextmanager
def live(asked: Service) -> Iterator[str]:
    """The address of a service on loopback."""
    up = threading.Event()
    with bind("127.0.0.1", 0, None) as bound:
        server = make_server(asked, up.set)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True)
        thread.start()
        assert up.wait(PATIENCE)
        address = address_of(bound)
        try:
            yield address
        finally:
            server.should_exit = True
            thread.join(PATIENCE)
            assert not thread.is_alive()
