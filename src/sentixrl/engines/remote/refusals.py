"""What servers answer instead of an answer, as sentences.

Contract: a :class:`ServerError` says whether the same request may be sent again at once, after how
many seconds, and what to report if it is not. An exhausted quota, a refused key and a request that
is wrong in itself are never sent again.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

from sentixrl.engines.protocol import Failure
from sentixrl.engines.remote.address import Address
from sentixrl.formats.characters import shown

MOST_PATIENCE = 120.0
"""Seconds: a server that asks for a longer wait is not asked again in this call."""
TOO_LONG = ("context_length_exceeded", "exceed_context_size_error", "maximum context length")
"""How servers say that a prompt is too long."""
_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})
_SHOWN = 200


class ServerError(Exception):
    """A request that was not answered.

    Args:
        failure: What to report.
        again: Whether sending it again at once may help.
        wait: After how many seconds, if the server says so.
        status: The server's status, if it gave one.
    """

    def __init__(
        self,
        failure: Failure,
        *,
        again: bool = False,
        wait: float | None = None,
        status: int | None = None,
    ) -> None:
        super().__init__(failure.message)
        self.failure = failure
        self.again = again
        self.wait = wait
        self.status = status


def bad_reply(address: Address, why: str) -> ServerError:
    """For answers that are none."""
    return ServerError(
        Failure(
            "bad_reply",
            f"The answer of {address.host} cannot be used: {why}.",
            hint=f"See what the server is: sentixrl doctor {address}",
            retryable=True,
        )
    )


def unreachable(address: Address, what: str, *, slow: bool = False) -> ServerError:
    """For servers that do not answer.

    Args:
        address: Where it is.
        what: What happened, as the end of a sentence that begins with the host.
        slow: Whether it was reached but took too long.
    """
    hint = (
        "Allow more time with --timeout, or fewer requests at once with --concurrency."
        if slow
        else "Check the address, and whether the server is running."
    )
    failure = Failure(
        "timeout" if slow else "unreachable",
        f"The server at {address.host} {what}.",
        hint=hint,
        retryable=True,
    )
    return ServerError(failure, again=True)


def refusal(address: Address, status: int, headers: Mapping[str, str], body: bytes) -> ServerError:
    """For answers with another status than 200.

    Args:
        address: Where they come from.
        status: The status.
        headers: Looked up without regard to case.
        body: What came with it, without any key.
    """
    if 300 <= status < 400:
        return _lasting(
            *(address, status, "redirect", "wants to send the request on to another address"),
            "Redirects are not followed, as texts and keys would go there: name the right address.",
        )
    said = _Said.of(body)
    if status in {401, 403}:
        return _lasting(address, status, "unauthorized", "does not accept the key", _key(address))
    if status == 402 or said.about("insufficient_quota"):
        what = "says that the account's quota is used up"
        return _lasting(address, status, "quota", what, "Raise the quota, or use another server.")
    if status in {400, 413, 422} and said.about(*TOO_LONG):
        return ServerError(
            Failure(
                "too_long",
                f"The prompt is longer than the model at {address.host} reads.",
                hint="Shorten the utterance or the history window, or use a model that reads more.",
            ),
            status=status,
        )
    again = _again(status, headers)
    wait = _wait(headers)
    failure = Failure(
        "busy" if status in {429, 503, 529} else "refused",
        f"The server at {address.host} answers with status {status}{said.quoted()}.",
        hint="Use fewer requests at once with --concurrency, or ask again later."
        if status in _AGAIN
        else f"See what the server is: sentixrl doctor {address}",
        retryable=status in _AGAIN or status == 404,
    )
    patient = wait is None or wait <= MOST_PATIENCE
    return ServerError(failure, again=again and patient, wait=wait, status=status)


class _Said:
    """What a body says of an error."""

    def __init__(self, message: str, marks: tuple[str, ...]) -> None:
        self._message, self._marks = message, marks

    @classmethod
    def of(cls, body: bytes) -> _Said:
        try:
            content = json.loads(body)
        except (ValueError, RecursionError):
            return cls("", ())
        error = content.get("error", content) if isinstance(content, dict) else content
        if not isinstance(error, dict):
            return cls(error if isinstance(error, str) else "", ())
        message = error.get("message", error.get("detail", ""))
        marks = tuple(str(error[name]) for name in ("code", "type") if name in error)
        return cls(message if isinstance(message, str) else "", marks)

    def about(self, *words: str) -> bool:
        """Whether it is about one of these."""
        text = " ".join((self._message, *self._marks))
        return any(word in text for word in words)

    def quoted(self) -> str:
        """The message, as part of a sentence."""
        return f" (“{shown(self._message.strip(), _SHOWN)}”)" if self._message.strip() else ""


def _lasting(address: Address, status: int, code: str, what: str, hint: str) -> ServerError:
    """An error that only a person can mend."""
    message = f"The server at {address.host} {what} (status {status})."
    return ServerError(Failure(code, message, hint=hint, retryable=True), status=status)


def _key(address: Address) -> str:
    if not address.secure:
        return (
            "No key is sent over plain http beyond this machine: use https, or a tunnel to "
            "127.0.0.1."
        )
    return f"Set the environment variable {address.key_variable} to the server's key."


def _again(status: int, headers: Mapping[str, str]) -> bool:
    """Whether a request may be sent again: the server's word counts."""
    told = headers.get("x-should-retry", "").strip().lower()
    if told in {"true", "false"}:
        return told == "true"
    return status in _AGAIN


def _wait(headers: Mapping[str, str]) -> float | None:
    """After how many seconds the server wants to be asked again."""
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        text = headers.get(name, "").strip()
        try:
            seconds = float(text) * unit
        except ValueError:
            seconds = _until(text) if name == "retry-after" else math.nan
        if 0 <= seconds < math.inf:
            return seconds
    return None


def _until(date: str) -> float:
    """Seconds until a date."""
    try:
        return max(0.0, parsedate_to_datetime(date).timestamp() - time.time())
    except (ValueError, TypeError, OverflowError):
        return math.nan
