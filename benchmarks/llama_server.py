"""llama.cpp's server in a process of its own.

Contract: a script, run by path, with a GGUF file, a number of threads and a port (0 for any) as its
arguments. It says where it listens, and serves until standard input ends.
"""

from __future__ import annotations

import os
import sys

import xllamacpp

CONTEXT = 8192


def main(gguf: str, threads: int, port: int) -> None:
    """Serve one slot, with the prompt cache as it is by default."""
    address = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # the library logs to standard output
    settings = xllamacpp.CommonParams()
    settings.model.path = gguf
    settings.n_ctx, settings.n_parallel, settings.port = CONTEXT, 1, port
    settings.cpuparams.n_threads = settings.cpuparams_batch.n_threads = threads
    server = xllamacpp.Server(settings)
    print(server.listening_address, file=address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]))
