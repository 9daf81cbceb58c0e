"""The released engine that today's is measured against: a commit of this repository."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.material import ROOT

COMMIT = "283d3bb"
"""The last commit before dialogues were answered by worker threads."""


@contextmanager
def source_of(commit: str) -> Iterator[Path | None]:
    """The package's source at a commit, in a work tree that is removed afterwards.

    Yields:
        The folder to import from; ``None`` where the history is not at hand.
    """
    with tempfile.TemporaryDirectory(prefix="sentixrl-reference-") as scratch:
        tree = Path(scratch).resolve() / "tree"
        found = _git("worktree", "add", "--quiet", "--detach", str(tree), commit)
        try:
            yield tree / "src" if found else None
        finally:
            if found:
                _git("worktree", "remove", "--force", str(tree))


def _git(*arguments: str) -> bool:
    """Run git in this repository; whether it succeeded."""
    try:
        done = subprocess.run(["git", "-C", str(ROOT), *arguments], capture_output=True)
    except FileNotFoundError:  # there is no git here
        return False
    return done.returncode == 0
