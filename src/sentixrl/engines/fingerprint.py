"""Short hashes that tell models and files apart.

Contract: the hash of a model's folder counts the files that make it that model, and nothing else
that lies there.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

from sentixrl.engines.local.bundled import INSTALLED_FILE
from sentixrl.errors import InputError

BIG_FILE = 64 * 1024 * 1024
"""Larger files are hashed by their length and ``SAMPLES`` blocks of ``BLOCK`` bytes."""
BLOCK, SAMPLES = 1 << 20, 48
MODEL_SUFFIXES = frozenset({".safetensors", ".json", ".jinja", ".model", ".txt"})
"""Suffixes of a model's files: weights, settings, templates, vocabularies."""


def fingerprint(path: Path) -> str:
    """A short hash of a file, or of the files that make a folder a model, with their names.

    Whatever else lies in the folder (run folders, notes, an install's record) does not count. Big
    files count by length and evenly spread blocks: hashing 16 GB would take half a minute,
    and training moves nearly every weight.

    Raises:
        InputError: Something cannot be read.
    """
    files = [path] if path.is_file() else sorted(filter(_is_of_model, path.glob("*")))
    digest = hashlib.sha256()
    try:
        for file in files:
            digest.update(os.fsencode(f"{file.name}\0{file.stat().st_size}\0"))
            for block in _blocks(file):
                digest.update(block)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or error}.") from None
    return digest.hexdigest()[:16]


def _is_of_model(file: Path) -> bool:
    return file.suffix in MODEL_SUFFIXES and file.name != INSTALLED_FILE and file.is_file()


def _blocks(file: Path) -> Iterator[bytes]:
    size = file.stat().st_size
    with file.open("rb") as stream:
        if size < BIG_FILE:
            yield stream.read()
            return
        for number in range(SAMPLES):
            stream.seek((size - BLOCK) * number // (SAMPLES - 1))
            yield stream.read(BLOCK)
