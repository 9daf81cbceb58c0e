"""A neighbour that keeps a processor busy: products of matrices on one thread, until stopped.

Contract: a script, run by path, with its priority (``nice``, 0 to 19) as its argument. It says
``busy`` when it is, and ends by itself when whoever started it is gone.
"""

from __future__ import annotations

import os
import sys

import torch

SIZE = 768


def main(nice: int) -> None:
    """Multiply."""
    os.nice(nice)
    torch.set_num_threads(1)
    parent = os.getppid()
    left, out = torch.randn(SIZE, SIZE), torch.empty(SIZE, SIZE)
    torch.mm(left, left, out=out)
    print("busy", flush=True)
    while os.getppid() == parent:
        torch.mm(left, left, out=out)


if __name__ == "__main__":
    main(int(sys.argv[1]))
