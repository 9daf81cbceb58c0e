"""Downloading data sets whose licences allow it, checked and resumable.

Contract: a file appears under its name only whole and with the checksum the registry pins; until
then it is ``<name>.part``, which the next call continues. A file that is there and differs is
never overwritten. Checksums are those of our own copies. Where our copy was converted, the data set
is not offered (its entry says where to get it).
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from http.client import HTTPResponse
from pathlib import Path
from typing import BinaryIO

from sentixrl.datasets.download import NO_SUCH_RANGE, ask, chunks, failed
from sentixrl.datasets.info import DatasetInfo, Remote
from sentixrl.errors import ConfigError, InputError, MissingDependencyError, SentixError


@dataclass(frozen=True, slots=True)
class Fetched:
    """One file after a fetch; ``new`` if it was downloaded now, not there already."""

    path: Path
    size: int
    new: bool


def fetch(
    entry: DatasetInfo,
    folder: str | Path,
    *,
    mirror: str | None = None,
    report: Callable[[Fetched], None] | None = None,
) -> tuple[Fetched, ...]:
    """Download a data set's files into a folder.

    Args:
        entry: The registry entry.
        folder: Where to put them; created if it is not there.
        mirror: An address that has the same files under the same relative paths, to be used
            instead of the pinned ones.
        report: Called after every file.

    Raises:
        InputError: The data set is not offered, a different file is in the way, a checksum does
            not fit, or the disk cannot be written.
        ConfigError: The mirror is not an address.
        SentixError: The server cannot be reached or fails (``retryable``).
        MissingDependencyError: pooch is not installed.
    """
    if not entry.remotes:
        raise InputError(
            f"{entry.title} cannot be downloaded from here. {entry.not_fetched}",
            hint=f"Get it from {entry.source}; its licence: {entry.licence}.",
        )
    if mirror is not None and not _is_address(mirror):
        raise ConfigError(
            f"The mirror '{mirror}' is not an address that begins with https://.",
            hint="For example: --mirror https://example.org/copy",
        )
    done: list[Fetched] = []
    for remote in entry.remotes:
        if mirror is not None:
            remote = replace(remote, url=f"{mirror.rstrip('/')}/{remote.path}")
        try:
            fetched = _fetch_file(remote, Path(folder))
        except OSError as error:
            raise InputError(
                f"{Path(folder) / remote.path} cannot be written: {error.strerror or error}.",
                hint="Make room or choose another folder; the same command continues.",
            ) from None
        done.append(fetched)
        if report is not None:
            report(fetched)
    return tuple(done)


def _is_address(text: str) -> bool:
    return text.startswith(("https://", "http://")) and text.isprintable() and " " not in text


def _fetch_file(remote: Remote, folder: Path) -> Fetched:
    target = folder / remote.path
    if target.exists():
        if sha256(target) == remote.sha256:
            return Fetched(target, remote.size, new=False)
        raise InputError(
            f"{target} is there already and is not the file to be downloaded.",
            hint="Move it away, or fetch into another folder.",
        )
    target.parent.mkdir(parents=True, exist_ok=True)
    _retrieve(remote, target)
    return Fetched(target, remote.size, new=True)


def sha256(path: Path) -> str:
    """The SHA-256 checksum of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _retrieve(remote: Remote, target: Path) -> None:
    try:
        import pooch
    except ImportError:
        raise MissingDependencyError.of("pooch", "eval") from None
    pooch.get_logger().setLevel(logging.WARNING)
    try:
        pooch.retrieve(
            url=remote.url,
            known_hash=f"sha256:{remote.sha256}",
            fname=target.name,
            path=target.parent,
            downloader=Resuming(target.with_name(target.name + ".part"), remote.size),
        )
    except ValueError:
        raise InputError(
            f"{remote.url} is not the file that was expected: its checksum differs.",
            hint="It was changed at its source, or on the way. Nothing was kept; try once more, "
            "then report it.",
        ) from None


class Resuming:
    """A pooch downloader that continues a partial file by an HTTP range request.

    Args:
        part: The partial file; it stays when a download breaks off.
        size: The whole file's size in bytes; nothing longer is accepted.
    """

    def __init__(self, part: Path, size: int) -> None:
        self.part = part
        self.size = size

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        """Download ``url`` to ``output_file``."""
        if self._have() > self.size:
            self.part.unlink()
        if self._have() < self.size:
            self._continue(url)
        if self._have() < self.size:
            raise failed(url, f"it broke off after {self._have():,} of {self.size:,} bytes")
        self.part.replace(output_file)

    def _have(self) -> int:
        return self.part.stat().st_size if self.part.exists() else 0

    def _continue(self, url: str) -> None:
        have = self._have()
        headers = {"User-Agent": "sentixrl", "Accept-Encoding": "identity"}
        if have:
            headers["Range"] = f"bytes={have}-"
        try:
            response = ask(url, headers)
        except SentixError as error:
            if not have or error.code != f"status_{NO_SUCH_RANGE}":
                raise
            self.part.unlink()  # the partial file is not the beginning of the server's
            self._continue(url)
            return
        with response:
            continued = response.status == 206 and _starts_at(response, have)
            self._check_length(response, url, have if continued else 0)
            with self.part.open("ab" if continued else "wb") as stream:
                self._copy(response, stream, url)

    def _check_length(self, response: HTTPResponse, url: str, have: int) -> None:
        """Refuse another file, such as a login page, before it is written."""
        said = response.headers.get("Content-Length", "")
        if not said.isdecimal() or len(said) > 18 or have + int(said) == self.size:
            return
        if have + int(said) > self.size:
            raise self._longer(url)
        kind = response.headers.get("Content-Type", "an unknown kind")
        raise InputError(
            f"{url} is not the file that was expected: the server answers with {int(said):,} bytes "
            f"({kind}), and {self.size - have:,} are needed.",
            hint="It may be a page that asks to log in; look at it in a browser, or use another "
            "--mirror.",
        )

    def _copy(self, response: HTTPResponse, stream: BinaryIO, url: str) -> None:
        for chunk in chunks(response, url):
            stream.write(chunk)
            if stream.tell() > self.size:
                stream.truncate(0)
                raise self._longer(url)

    def _longer(self, url: str) -> InputError:
        return InputError(
            f"{url} is longer than the {self.size:,} bytes that were expected.",
            hint="It was changed at its source. Nothing was kept; report it.",
        )


def _starts_at(response: HTTPResponse, position: int) -> bool:
    return response.headers.get("Content-Range", "").startswith(f"bytes {position}-")
