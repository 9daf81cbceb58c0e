"""Freed memory is kept for a training's next step, and otherwise given back."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path

import pytest

from sentixrl.engines.local import memory
from sentixrl.engines.local.memory import RETURN_AFTER, FreedMemory, keep_memory

FAULTS = """
import resource, torch
from sentixrl.engines.local.memory import keep_memory

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(64 << 20, dtype=torch.uint8)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

if {keep}:
    assert keep_memory()
faults()
print(min(faults() for _ in range(3)))
"""

HUGE = """
import pathlib, torch
from sentixrl.engines.local.memory import keep_memory

if {keep}:
    assert keep_memory() and keep_memory()
held = [torch.ones(64 << 20, dtype=torch.uint8) for _ in range(4)]
rows = pathlib.Path("/proc/self/smaps_rollup").read_text().splitlines()
print(next(row.split()[1] for row in rows if row.startswith("AnonHugePages:")))
"""

GAPS = """
import psutil, torch
from sentixrl.engines.local.memory import keep_memory, return_memory

def held():
    return psutil.Process().memory_info().rss >> 20

if {keep}:
    assert keep_memory()
pins = []
for _ in range(2):  # once a block was freed, glibc takes the next ones of its size from its heap
    blocks = []
    for _ in range(100):
        blocks.append(torch.ones(4 << 20, dtype=torch.uint8))
        pins.append(bytes(1000))
    del blocks
before = held()
return_memory()
print(before - held())
"""

PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")


def told(script: str, keep: bool) -> int:
    """The number that a script prints in a process of its own."""
    code = script.format(keep=keep)
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(ran.stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_freed_memory_is_kept() -> None:
    assert 2 * told(FAULTS, keep=True) < told(FAULTS, keep=False)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
@pytest.mark.skipif(
    not PAGES.exists() or "[madvise]" not in PAGES.read_text(), reason="the system decides itself"
)
def test_what_is_kept_lies_in_large_pages() -> None:
    assert told(HUGE, keep=True) > told(HUGE, keep=False) + (64 << 10)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_freed_memory_between_blocks_is_returned_unless_it_is_to_be_kept() -> None:
    assert told(GAPS, keep=False) > 200
    assert told(GAPS, keep=True) < 20


def test_memory_is_returned_once_enough_was_freed(monkeypatch: pytest.MonkeyPatch) -> None:
    returned = []
    monkeypatch.setattr(memory, "return_memory", lambda: returned.append(True))
    freed = FreedMemory()
    for _ in range(10):
        freed.add(RETURN_AFTER // 4)
    assert len(returned) == 2


def test_another_c_library_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    assert not keep_memory()
