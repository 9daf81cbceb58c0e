"""One family of errors, each a clear sentence for the person who must act on it.

Contract: whatever a user can cause is raised as a :class:`SentixError`; the command line shows
its message and hint without a traceback and exits with code 2. Anything else is our bug.
"""

from __future__ import annotations

import json
import shlex
from pathlib import Path


class SentixError(Exception):
    """Base of every error a user can cause or act on.

    Args:
        message: What was wrong and where, in one sentence that names file and row if it can.
        hint: What to do about it.
        code: A short machine-readable name; defaults to the class's own.
        retryable: Whether the same call may succeed later without a change.
    """

    code = "error"

    def __init__(
        self,
        message: str,
        *,
        hint: str | None = None,
        code: str | None = None,
        retryable: bool = False,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.code = code or type(self).code
        self.retryable = retryable


_FAULTS = {
    "extra_forbidden": "there is no such key",
    "unexpected_keyword_argument": "there is no such key",
    "missing": "it is missing",
    "missing_argument": "it is missing",
    "model_type": "it needs keys and values",
    "dict_type": "it needs keys and values",
    "dataclass_type": "it needs keys and values",
    "list_type": "it needs a list",
    "tuple_type": "it needs a list",
    "string_type": "it needs text",
    "bool_parsing": "it needs true or false",
    "bool_type": "it needs true or false",
    "float_type": "it needs a number",
    "float_parsing": "it needs a number",
    "int_type": "it needs a whole number",
    "int_parsing": "it needs a whole number",
    "int_from_float": "it needs a whole number",
}


def fault_words(kind: str, otherwise: str) -> str:
    """What is wrong with a value in a file.

    Args:
        kind: The kind of fault, as pydantic calls it.
        otherwise: Pydantic's own words, for kinds where they do not speak of its types.
    """
    return _FAULTS.get(kind, otherwise)


class InputError(SentixError):
    """Text, transcripts, tables or data sets that cannot be read as they are."""

    code = "bad_input"


class LabelError(SentixError):
    """A label set or label map that cannot be used."""

    code = "bad_labels"


class ConfigError(SentixError):
    """Settings that contradict each other or do not exist."""

    code = "bad_config"


class ModelError(SentixError):
    """A model that is missing, is not a model, or cannot do what was asked of it."""

    code = "bad_model"


class MissingDependencyError(SentixError):
    """An optional library that the requested feature needs is not installed."""

    code = "missing_dependency"

    @classmethod
    def of(cls, library: str, extra: str) -> MissingDependencyError:
        """Name the library and the extra that brings it."""
        return cls(
            f"This needs the library '{library}', which is not installed.",
            hint=f"Install it with: {install_command(extra)}",
        )


def install_command(extra: str) -> str:
    """The command that installs an extra of this very package.

    The package index knows another package of this name, so the command names the folder or wheel
    that ours came from.
    """
    source = _source()
    if source is None:
        return f"pip install 'FOLDER[{extra}]', FOLDER being the folder or wheel of sentixrl"
    return f"pip install {shlex.quote(f'{source}[{extra}]')}"


def _source() -> Path | None:
    """The folder or wheel this package came from, if it is still there."""
    import importlib.metadata
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    try:
        noted = importlib.metadata.distribution("sentixrl").read_text("direct_url.json")
        url = urlsplit(json.loads(noted or "{}").get("url", ""))
        installed = Path(url2pathname(url.path)) if url.scheme == "file" else None
    except (importlib.metadata.PackageNotFoundError, ValueError, AttributeError):
        installed = None
    checkout = Path(__file__).parents[2]
    candidates = (installed, checkout if (checkout / "pyproject.toml").is_file() else None)
    return next((path for path in candidates if path is not None and path.exists()), None)
