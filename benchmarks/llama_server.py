"""llama.cpp's server in a process of its own.

Contract: a script, run by path, with the arguments of :func:`main`. It says where it
listens, and serves until standard input ends.
"""

from __future__ import annotations

import os
import sys

import xllamacpp

CONTEXT = 8192


def main(gguf: str, threads: int, port: int, cache: str) -> None:
    """Serve one slot.

    Args:
        gguf: The model.
        threads: On how many threads it computes.
        port: Where it listens; 0 for any port that is free.
        cache: ``f16``, the server's default, or ``f32`` to round no keys and values; its flash
            attention rounds them whatever the cache is.
    """
    address = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # the library logs to standard output
    settings = xllamacpp.CommonParams()
    settings.model.path = gguf
    settings.n_ctx, settings.n_parallel, settings.port = CONTEXT, 1, port
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = threads
    if cache == "f32":
        full = xllamacpp.ggml_type.GGML_TYPE_F32
        settings.cache_type_k = settings.cache_type_v = full
        disabled = xllamacpp.llama_flash_attn_type.LLAMA_FLASH_ATTN_TYPE_DISABLED
        settings.flash_attn_type = disabled
    server = xllamacpp.Server(settings)
    print(server.listening_address, file=address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
