"""What becomes of freed memory: kept for a training's next step, returned by who only answers.

Contract: both are settings of the C library, and change speed and memory alone. Where it is not
glibc, nothing is done.
"""

from __future__ import annotations

import ctypes
import platform
from functools import cache
from threading import Event, Lock

from sentixrl.engines.local.hardware import memory_bytes

# glibc's mallopt(3): parameters and values.
_TRIM_THRESHOLD, _NEVER = -1, -1
_MMAP_MAX, _NONE = -4, 0
# Linux' madvise(2).
_HUGE_PAGE, _LARGE_PAGE_BYTES = 14, 2 << 20

RETURN_AFTER = 400 << 20
"""So many bytes are freed before memory is returned, which takes some 30 ms."""
_keeping = Event()


def keep_memory() -> bool:
    """Have this process keep the memory it frees, where the C library is glibc.

    A training step allocates and frees gigabytes. By default glibc returns blocks of megabytes to
    the system at once. The system hands them out again page by page, each cleared by one thread
    while the others wait, which takes a third of a training step's time. Kept memory is requested
    in pages of megabytes, which need fewer address look-ups.

    Returns:
        Whether there was something to set.
    """
    if platform.libc_ver()[0] != "glibc":
        return False
    libc = ctypes.CDLL(None)
    kept = bool(libc.mallopt(_TRIM_THRESHOLD, _NEVER) and libc.mallopt(_MMAP_MAX, _NONE))
    if kept:
        _keeping.set()
        _widen_pages()
    return kept


@cache
def _widen_pages() -> None:
    """Have the heap grow into large pages.

    A block of half the memory is allocated and freed untouched. This costs nothing; the heap keeps
    the addresses, and the system has been told to use large pages for them.
    """
    libc, size = ctypes.CDLL(None), (memory_bytes() or 0) // 2
    libc.malloc.argtypes, libc.malloc.restype = [ctypes.c_size_t], ctypes.c_void_p
    libc.free.argtypes = [ctypes.c_void_p]
    libc.madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    block = libc.malloc(size) if size else None
    if block is None:  # failure only costs speed
        return
    start = -(-block // _LARGE_PAGE_BYTES) * _LARGE_PAGE_BYTES
    length = (block + size - start) // _LARGE_PAGE_BYTES * _LARGE_PAGE_BYTES
    libc.madvise(start, length, _HUGE_PAGE)
    libc.free(block)


class FreedMemory:
    """Memory that sessions freed, returned to the system now and then. May be told by any thread.

    glibc keeps blocks of some megabytes in its heaps, where blocks of other sizes leave gaps. A
    process that answered one session after another grew by two thirds in the first minute.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._freed = 0

    def add(self, nbytes: int) -> None:
        """Count what a session freed."""
        with self._lock:
            self._freed += nbytes
            if self._freed < RETURN_AFTER:
                return
            self._freed = 0
        return_memory()


def return_memory() -> None:
    """Give the system back what is free, unless this process keeps memory."""
    if platform.libc_ver()[0] == "glibc" and not _keeping.is_set():
        ctypes.CDLL(None).malloc_trim(0)
