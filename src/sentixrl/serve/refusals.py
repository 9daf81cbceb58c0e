"""What a service says when it does not answer: a status and one sentence.

Contract: the body is always ``{"error": sentence, "hint": sentence or null}``. Whatever a client
can cause has a status of its own; what is our fault is 500, and says nothing of the inside. Nothing
a client sent is repeated beyond a shortened, printable name.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from sentixrl.engines.protocol import UnansweredError
from sentixrl.errors import ModelError, SentixError, fault_words
from sentixrl.formats.characters import nearest, shown

_OPTION = re.compile(r"(?<![\w-])--[a-z]")
_KEY = re.compile(r"(?<![\w-])--(format|dates)\b(?: (?!or\b)([a-z]+))?")
_SENTENCE = re.compile(r"(?<=[.!?]) +")


class RefusedError(Exception):
    """A request that is not answered.

    Args:
        status: The HTTP status.
        error: What was wrong, in one sentence.
        hint: What to do about it.
        headers: Headers of the response.
    """

    def __init__(
        self,
        status: int,
        error: str,
        hint: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(error)
        self.status, self.error, self.hint = status, error, hint
        self.headers = dict(headers or {})

    @classmethod
    def of(cls, error: BaseException) -> RefusedError:
        """What a client is told of an error."""
        if isinstance(error, RefusedError):
            return error
        if not isinstance(error, SentixError):
            return cls(500, "The service failed at this request.", "Its log says where.")
        if not isinstance(error, ModelError | UnansweredError):
            return cls(422, error.message, without_options(error.hint))
        return cls(503 if error.retryable else 500, error.message, without_options(error.hint))

    def response(self) -> JSONResponse:
        """The response that says it."""
        content = {"error": self.error, "hint": self.hint}
        return JSONResponse(content, self.status, headers=self.headers)


def without_options(hint: str | None) -> str | None:
    """A hint for who sends requests.

    Options that requests have too are named as their keys; sentences with others are left out.
    """
    said = _KEY.sub(_as_key, hint or "")
    kept = [part for part in _SENTENCE.split(said) if not _OPTION.search(part)]
    return " ".join(kept) or None


def _as_key(found: re.Match[str]) -> str:
    return f"'{found[1]}'" + (f": '{found[2]}'" if found[2] else "")


def handle_errors(app: FastAPI) -> None:
    """Let an application answer every error in this shape."""

    @app.exception_handler(RefusedError)
    @app.exception_handler(SentixError)
    async def ours(request: Request, error: Exception) -> JSONResponse:
        return RefusedError.of(error).response()

    @app.exception_handler(Exception)
    async def any_other(request: Request, error: Exception) -> JSONResponse:
        return RefusedError.of(error).response()

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> JSONResponse:
        return _of_faults(error.errors(), request).response()

    @app.exception_handler(HTTPException)
    async def not_found(request: Request, error: HTTPException) -> JSONResponse:
        return _of_status(request, error).response()


def _of_faults(faults: Sequence[Any], request: Request) -> RefusedError:
    """What is wrong with a body, from the first of its faults."""
    # A misspelt key is both missing and unknown; the second tells what to do.
    fault = min(faults, key=lambda one: one["type"] != "extra_forbidden")
    if fault["type"] == "json_invalid":
        return RefusedError(400, "The body is not JSON.", "It may have been cut short.")
    place = [shown(str(part)) for part in fault["loc"][1:] if part != "[key]"]
    if not place:
        return RefusedError(422, "The body needs to be a JSON object.")
    words = fault_words(fault["type"], str(fault["msg"]))
    said = f"At '{'.'.join(place[:8])}': {words.rstrip('.')[:200]}."
    if fault["type"] != "extra_forbidden":
        return RefusedError(422, said)
    keys = _keys(request) if len(place) == 1 else []
    guess = nearest(place[0], keys)
    meant = f"Did you mean '{guess}'? " if guess else ""
    return RefusedError(422, said, f"{meant}The keys are: {', '.join(keys)}." if keys else None)


def _keys(request: Request) -> list[str]:
    """The keys that a request's body may have, as ``/openapi.json`` describes it."""
    described = request.app.openapi()
    route = described["paths"].get(request.url.path, {}).get(request.method.lower())
    if route is None:  # such as the page's own
        return []
    body = route["requestBody"]["content"]["application/json"]["schema"]
    return list(described["components"]["schemas"][body["$ref"].rpartition("/")[2]]["properties"])


def _of_status(request: Request, error: HTTPException) -> RefusedError:
    if error.status_code == 404:
        return RefusedError(
            404, "There is nothing at this address.", "/openapi.json lists what is."
        )
    if error.status_code == 405:
        allowed = (error.headers or {}).get("Allow", "")
        said = f"This address does not take {request.method[:10]}."
        return RefusedError(405, said, f"It takes {allowed}.", error.headers)
    if error.status_code == 400:
        return RefusedError(400, "The body cannot be read as JSON.")
    return RefusedError(error.status_code, "The request cannot be answered.", None, error.headers)
