"""The application: all routes of a service, and what surrounds them.

Contract: every route is described in ``/openapi.json``; nothing is loaded from elsewhere, and no
page of another origin can read an answer.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import logging
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from fastapi import APIRouter, FastAPI, Response
from fastapi.responses import FileResponse, JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from sentixrl import __version__, pages
from sentixrl.context.templates import template_languages
from sentixrl.labels import scheme, scheme_names
from sentixrl.serve import classifying, decisions, reading_inputs
from sentixrl.serve.guard import BODIES, TOKEN_PATH, Guard
from sentixrl.serve.journal import log
from sentixrl.serve.metrics import states_of
from sentixrl.serve.refusals import RefusedError, handle_errors
from sentixrl.serve.served import ServedModel
from sentixrl.serve.service import Service, Serving

PAGE = Path(__file__).parent / "page"
SHARED = Path(pages.__file__).parent
_SHARED_FILES = ("looks.css", "emotions.json")
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".svg": "image/svg+xml",
    ".json": "application/json",
    ".webmanifest": "application/manifest+json",
}
_FILES = {
    path.name: path
    for path in (*PAGE.iterdir(), *(SHARED / name for name in _SHARED_FILES))
    if path.suffix in _KINDS
}
"""All that is served of the disk."""
_ROUTES = frozenset(
    {
        *BODIES, "/", "/v1/models", "/v1/opened", "/health", "/ready", "/metrics", "/openapi.json",
    }
)  # fmt: skip

router = APIRouter()


class Told(BaseModel):
    """Why a request is not answered."""

    model_config = ConfigDict(title="Refusal")

    error: str = Field(description="One sentence.")
    hint: str | None = Field(description="What to do about it.")


_ASKED = {
    400: "The body is not JSON, or ended before its end.",
    403: "The request comes from another site's page.",
    404: "There is no such model here.",
    408: "The body did not arrive in time.",
    413: "The request is larger than is taken at once.",
    415: "The body is not 'application/json'.",
    422: "The body is JSON, but does not say what is needed.",
    429: "The service has as much to do as it takes on; Retry-After says when to ask again.",
    500: "The service failed.",
    503: "The service is stopping, or its model cannot answer now.",
}
_ALWAYS = {
    401: "A token is needed, and the request carries none or another.",
    421: "The request is for another host.",
}


def _responses(kinds: dict[int, str]) -> dict[int | str, dict[str, Any]]:
    return {status: {"model": Told, "description": said} for status, said in kinds.items()}


def make_app(service: Service) -> ASGIApp:
    """The application that answers for a service."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        watching = asyncio.create_task(service.batcher.watch())
        yield
        watching.cancel()
        with contextlib.suppress(asyncio.CancelledError, Exception):
            await watching

    app = FastAPI(
        title="sentixrl",
        version=__version__,
        description="Emotions of texts and conversations, and typed decisions about them.",
        docs_url=None,
        redoc_url=None,
        lifespan=lifespan,
        responses=_responses(_ALWAYS),
    )
    app.state.service = service
    handle_errors(app)
    for asked in (classifying.router, decisions.router, reading_inputs.router):
        app.include_router(asked, responses=_responses(_ASKED))
    app.include_router(router)
    return Observed(Guard(app, service.access), service)


class Observed:
    """Counts and logs every request.

    Args:
        app: What answers.
        service: Whose metrics count.
    """

    def __init__(self, app: ASGIApp, service: Service) -> None:
        self._app, self._service = app, service

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on, and note how it ended."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began, status = time.monotonic(), 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        scope["state"] = {**scope.get("state", {})}
        try:
            await self._app(scope, receive, sending)
        finally:
            self._note(scope, status, time.monotonic() - began)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = route_of(scope["path"])
        method = scope["method"] if scope["method"] in {"GET", "HEAD", "POST"} else "other"
        self._service.metrics.request(route, method, status, seconds)
        facts = scope["state"].get("facts", {})
        level = logging.ERROR if status == 500 else logging.INFO
        log(
            "request", level, route=route, method=method, status=status,
            seconds=round(seconds, 4), **facts,
        )  # fmt: skip


def route_of(path: str) -> str:
    """A path as metrics and logs name it: one of few."""
    if path.startswith("/page/"):
        return "/page"
    return path if path in _ROUTES else "other"


@router.get("/v1/models", summary="The models and label schemes of this service")
async def models(serving: Serving) -> dict[str, Any]:
    """What may be asked, and of whom."""
    default = serving.models.default
    return {
        "object": "list",
        # What clients of OpenAI's API need to list models.
        "data": [
            {"id": name, "object": "model", "created": 0, "owned_by": "sentixrl"}
            for name in serving.models.names
        ],
        "models": [_model(model, default=model is default) for model in serving.models],
        "labels": [
            {
                "name": name,
                "labels": [
                    {
                        "name": label.name,
                        "words": {code: label.word(code) for code in template_languages()},
                        "polarity": label.polarity,
                    }
                    for label in scheme(name)
                ],
            }
            for name in scheme_names()
        ],
    }


def _model(model: ServedModel, *, default: bool) -> dict[str, Any]:
    classifier, host = model.classifier, model.remote_host
    parameters = model.engine.capabilities.parameters
    size = f", {parameters / 1e6:,.0f} million parameters" if parameters else ""
    where = f"; texts are sent to {host}" if host else ""
    return {
        "name": model.name,
        "default": default,
        "parameters": parameters,
        "remote_host": host,
        "negotiates": classifier.negotiation.enabled,
        "labels": classifier.label_set.name,
        # What clients of /v1/systemone need to list models.
        "description": f"{classifier.engine.name}{size}{where}",
        "release_date": "1970-01-01",  # nobody says when a model was made
    }


@router.get(
    "/health",
    summary="Whether the workers live",
    responses={503: {"description": "A worker is dead, or does not come to an end."}},
)
async def health(serving: Serving) -> Response:
    """200 while every worker is idle or busy; 503 if one is dead or does not come to an end."""
    states = {model.name: states_of(model) for model in serving.models}
    ill = any(state in {"dead", "stalled"} for found in states.values() for state in found)
    content = {
        "status": "ill" if ill else "ok",
        "models": [
            {"name": name, "workers": found, "waiting": model.classifier.scheduler.waiting}
            for (name, found), model in zip(states.items(), serving.models, strict=True)
        ],
        "queue_tokens": serving.batcher.tokens,
    }
    return JSONResponse(content, 503 if ill else 200)


@router.get(
    "/ready",
    summary="Whether requests are taken",
    responses={503: {"description": "The service is stopping."}},
)
async def ready(serving: Serving) -> Response:
    """200 while requests are taken, 503 once the service is stopping."""
    stopping = serving.batcher.draining
    return JSONResponse({"ready": not stopping}, 503 if stopping else 200)


@router.get("/metrics", summary="Counters for Prometheus", response_class=Response)
async def metrics(serving: Serving) -> Response:
    """The text format of Prometheus."""
    kind = "text/plain; version=0.0.4; charset=utf-8"
    return Response(serving.metrics.text(), media_type=kind)


@router.get("/v1/opened", include_in_schema=False)
async def opened(serving: Serving) -> dict[str, str]:
    """The file that ``sentixrl open`` was given, for its page."""
    if serving.opened is None:
        raise RefusedError(404, "This service was started without a file.")
    name, content = serving.opened
    return {"name": name, "content": base64.b64encode(content).decode()}


class PageTicket(BaseModel):
    """What a page was opened with."""

    model_config = ConfigDict(extra="forbid")

    ticket: str = Field(max_length=100)


@router.post(TOKEN_PATH, include_in_schema=False)
async def token(asked: PageTicket, serving: Serving) -> dict[str, str]:
    """The token, once, for the page that this machine's browser was opened with."""
    return {"token": serving.redeem(asked.ticket)}


@router.get("/", include_in_schema=False)
async def index() -> Response:
    """The page."""
    return _page_file("index.html")


@router.get("/page/{name:path}", include_in_schema=False)
async def page(name: str) -> Response:
    """A file of the page."""
    return _page_file(name)


def _page_file(name: str) -> Response:
    path = _FILES.get(name)
    if path is None:
        raise RefusedError(404, "There is nothing at this address.")
    headers = {"Cache-Control": "no-cache"}
    return FileResponse(path, media_type=_KINDS[path.suffix], headers=headers)
