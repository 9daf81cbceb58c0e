"""A folder that belongs to one piece of work: what that is, and one writer at a time.

Contract: the record, a JSON file, is made with the folder. Work goes on only under the identity the
folder was made with; what changed is named. Run folders and batch jobs are built on it.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from sentixrl.errors import ConfigError, InputError
from sentixrl.runs.identity import Json, differences, number_format, plain
from sentixrl.runs.lock import LOCK_FILE, FolderLock
from sentixrl.runs.storage import storage_error, write_json
from sentixrl.untrusted import boundary, read_bounded

MAX_BYTES = 1 << 26
"""The largest JSON file of such a folder that is read as a whole."""


class RecordFolder:
    """A folder with a record, which this process alone may write to; a context manager.

    Args:
        path: The folder; created if it is not there.
        file: The record's name.
        noun: What the work is called, such as ``run``.

    Attributes:
        path: The folder.
        record: The record's content, once it is opened.

    Raises:
        ConfigError: Another process is writing to it, or it is a file.
        SentixError: It cannot be written to.
    """

    def __init__(self, path: Path, file: str, noun: str) -> None:
        self.path = path
        self._file = path / file
        self._noun = noun
        self.record: Json = {}
        _make(path, noun)
        self._lock = FolderLock(path)

    @property
    def fresh(self) -> bool:
        """Whether there is no record yet."""
        return not self._file.exists()

    def check_own(self, own: Iterable[str] = ()) -> None:
        """Refuse to begin where other things lie.

        Args:
            own: Names of ours that may lie there already, left by a crash.

        Raises:
            ConfigError: Other things do.
        """
        ours = {LOCK_FILE, f".{self._file.name}.new", *own}
        strange = sorted(item.name for item in self.path.iterdir() if item.name not in ours)
        if strange:
            article = "an" if self._noun[0] in "aeiou" else "a"
            raise ConfigError(
                f"{self.path} is not empty and not {article} {self._noun} folder: it holds "
                f"'{strange[0]}'.",
                hint="Name a new folder.",
            )

    def create(self, record: Mapping[str, Any], own: Iterable[str] = ()) -> None:
        """Begin a record of work that has not been begun.

        Args:
            record: What it holds besides its name and its date.
            own: As :meth:`check_own`.

        Raises:
            ConfigError: Other things lie there.
        """
        self.check_own(own)
        now = datetime.now(UTC)
        self.write(
            {
                **plain(record),
                "run": f"{now:%Y%m%dT%H%M%S}-{secrets.token_hex(4)}",
                "date": now.isoformat(timespec="seconds"),
                "command": None,
                "sessions": [],
            }
        )

    def go_on(self, record: Json) -> None:
        """Go on with work whose record was read."""
        self.record = record

    def compare(self, identity: Json) -> None:
        """Refuse to go on under another identity.

        Raises:
            ConfigError: It names what changed.
        """
        with boundary(f"{self._file} cannot be compared with the {self._noun}"):
            changed = differences(self.record["identity"], identity)
        if changed:
            before = number_format(self.record["identity"])
            same = before == number_format(identity)
            raise self.refusal("settings", changed, dtype=None if same else before)

    def refusal(self, what: str, changed: list[str], *, dtype: str | None = None) -> ConfigError:
        """What to tell somebody whose folder holds other work.

        Args:
            what: What of it is other.
            changed: A clause for each change.
            dtype: The number format it was begun in, if another is used now: it is measured anew at
                each start, so that the same command may choose another.
        """
        shown = "; ".join(changed[:4]) + (f"; {len(changed) - 4} more" * (len(changed) > 4))
        command = self.record.get("command")
        own = f" ({command})" if command else ""
        format = f"Say --dtype {dtype} for the number format it began in. " if dtype else ""
        own_command = f"repeat the {self._noun}'s own command{own} to go on with it."
        return ConfigError(
            f"{self.path} holds a {self._noun} with other {what}: {shown}.",
            hint=f"{format}Name a new folder, or {own_command}",
            code="other_run",
        )

    def begin_session(self, facts: Mapping[str, Any]) -> None:
        """Note in the record when, where and by which command it was worked on."""
        sessions = [*self.record["sessions"], plain(facts)]
        self.write({**self.record, "command": facts.get("command"), "sessions": sessions})

    def write(self, record: Json) -> None:
        """Replace the record.

        Raises:
            SentixError: The disk is full or refuses.
        """
        write_json(self._file, record)
        self.record = record

    def release(self) -> None:
        """Let others write to the folder."""
        self._lock.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.release()


def read_object(path: Path, missing: str) -> Json:
    """The JSON object that a file of such a folder holds.

    Args:
        path: The file.
        missing: The sentence to say if it is not there.

    Raises:
        InputError: It is not there, or holds something else.
    """
    if not path.exists():
        raise InputError(missing)
    with boundary(f"{path} cannot be read"):
        content = json.loads(read_bounded(path, MAX_BYTES))
    if not isinstance(content, dict):
        raise InputError(f"{path} is not a JSON object.")
    return content


def _make(path: Path, noun: str) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        raise ConfigError(f"{path} is a file; a {noun} needs a folder.") from None
    except OSError as error:
        raise storage_error(path, error) from None
