"""Names of models elsewhere: a kind of server, its address, and which of its models.

Contract: ``KIND:URL`` or ``KIND:URL#MODEL``, such as ``vllm:http://127.0.0.1:8000#qwen``. An
address holds no key and no password: keys come from environment variables, one per host, so that no
server is ever sent the key of another.
"""

from __future__ import annotations

import ipaddress
import os
import re
from dataclasses import dataclass
from typing import Literal, cast, get_args
from urllib.parse import SplitResult, urlsplit

from sentixrl.errors import ModelError
from sentixrl.formats.characters import shown

Kind = Literal[
    "llama.cpp", "vllm", "sglang", "ollama", "openai", "completions", "systemone", "decisions"
]
KINDS: tuple[Kind, ...] = get_args(Kind)
SUPPORTED: tuple[Kind, ...] = ("llama.cpp", "vllm")
"""Kinds that were run against a real server; the others follow their documentation."""
PROVIDER_KEYS = {"api.openai.com": "OPENAI_API_KEY", "api.typesafe.ai": "TYPESAFE_API_KEY"}
"""Hosts whose keys have a usual name."""
EXAMPLE = "llama.cpp:http://127.0.0.1:8080 or vllm:http://127.0.0.1:8000#MODEL"
_NAME = re.compile(rf"({'|'.join(map(re.escape, KINDS))}):(.*)", re.DOTALL | re.IGNORECASE)
_URL = re.compile(r"https?://", re.IGNORECASE)
_PATHS = ("/v1/chat/completions", "/v1/completions", "/v1/systemone", "/v1/decisions", "/v1")


@dataclass(frozen=True, slots=True)
class Address:
    """Where a model is.

    Attributes:
        kind: What the server speaks.
        url: The server's address without ``/v1`` and without a slash at its end.
        host: Host and port, as people are told where their texts go.
        hostname: The host alone, in lower case.
        model: Which of the server's models; ``None`` if it has one.
    """

    kind: Kind
    url: str
    host: str
    hostname: str
    model: str | None = None

    @property
    def secure(self) -> bool:
        """Whether a key may be sent there: by https, or within this machine."""
        return self.url.startswith("https://") or self.loopback

    @property
    def loopback(self) -> bool:
        """Whether it is this machine."""
        if self.hostname == "localhost":
            return True
        try:
            return ipaddress.ip_address(self.hostname).is_loopback
        except ValueError:
            return False

    @property
    def key_variable(self) -> str:
        """The environment variable that holds the host's key."""
        usual = PROVIDER_KEYS.get(self.hostname)
        if usual is not None:
            return usual
        # One sign for a dot, two for a hyphen, three for an underscore: no two hosts share one,
        # unless a hyphen touches an underscore, which names of hosts do not do.
        signs = self.hostname.upper().replace("_", "___").replace("-", "__")
        spelt = re.sub(r"[^A-Z0-9]", "_", signs)
        return f"SENTIXRL_KEY_{spelt}"

    def key(self) -> str | None:
        """The host's key, if there is one and it may be sent.

        Raises:
            ModelError: It holds what no header can hold.
        """
        key = os.environ.get(self.key_variable, "").strip()
        if not key or not self.secure:
            return None
        if not (key.isascii() and key.isprintable()):
            raise ModelError(
                f"The environment variable {self.key_variable} holds no key: a key is of printable "
                "ASCII characters.",
                hint="Set it again.",
            )
        return key

    def __str__(self) -> str:
        return f"{self.kind}:{self.url}" + (f"#{self.model}" if self.model else "")


def is_remote(name: str) -> bool:
    """Whether a model's name is meant to lead to a server."""
    return _NAME.fullmatch(name.strip()) is not None


def parse_address(name: str) -> Address:
    """What a name says.

    Raises:
        ModelError: It is no address that can be used.
    """
    found = _NAME.fullmatch(name.strip())
    if found is None or not _URL.match(found[2]):
        raise ModelError(
            f"'{_without_password(name)}' is not the address of a server.",
            hint=f"Kinds are {', '.join(KINDS)}; for example {EXAMPLE}.",
        )
    kind = cast(Kind, found[1].lower())
    try:
        parts = urlsplit(found[2])
        hostname, port = (parts.hostname or "").lower(), parts.port
    except ValueError:
        hostname, port, parts = "", None, SplitResult("", "", "", "", "")
    if not hostname or not found[2].isascii() or not found[2].isprintable() or " " in parts.netloc:
        raise ModelError(
            f"'{_without_password(name)}' is not the address of a server.",
            hint=f"For example: {EXAMPLE}.",
        )
    _check_plain(parts, hostname)
    spelt = f"[{hostname}]" if ":" in hostname else hostname
    host = spelt if port is None else f"{spelt}:{port}"
    url = f"{parts.scheme.lower()}://{host}{_path(parts.path)}"
    return Address(kind, url, host, hostname, parts.fragment or None)


def _check_plain(parts: SplitResult, hostname: str) -> None:
    """Refuse addresses that carry secrets or questions."""
    if parts.username is not None or parts.password is not None:
        raise ModelError(
            f"The address of {shown(hostname, 80)} holds a user name or a password.",
            hint="Leave it out; keys are read from environment variables ('sentixrl doctor "
            "KIND:URL' says which).",
        )
    if parts.query:
        raise ModelError(
            f"The address of {shown(hostname, 80)} holds a question mark.",
            hint="Give the server's address alone; which model comes after '#'.",
        )


def _path(path: str) -> str:
    path = path.rstrip("/")
    known = next((end for end in _PATHS if path.endswith(end)), "")
    return path.removesuffix(known)


def _without_password(name: str) -> str:
    """A name as an error may show it."""
    return shown(re.sub(r"//[^/@#]*@", "//…@", name), 120)
