"""Files that commands write: whole or not at all, and never where they cannot be."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from sentixrl.errors import InputError
from sentixrl.formats.characters import shown


def check_place(path: Path, *, folder: bool = False) -> None:
    """Refuse a place that could not be written to.

    Args:
        path: What is to be written.
        folder: Whether that is a folder, which may be there already.

    Raises:
        InputError: Its folder is missing, or a file is to be written where a folder is.
    """
    if not path.parent.is_dir():
        raise InputError(
            f"There is no folder {shown(str(path.parent), 400)} to write to.", hint="Make it first."
        )
    if not folder and path.is_dir():
        raise InputError(f"{shown(str(path), 400)} is a folder.", hint="Name a file to write.")


@contextmanager
def writing(path: Path, *, private: bool = False) -> Iterator[TextIO]:
    """A file to write text to, in UTF-8; it appears only once all is written.

    Args:
        path: Where to.
        private: Whether only its owner may read it.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:40]}.")
    try:
        with open(handle, "w", encoding="utf-8", newline="\n") as stream:  # noqa: PTH123
            yield stream
        mask = os.umask(0)
        os.umask(mask)
        Path(name).chmod(0o600 if private else 0o666 & ~mask)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
