"""kill -9 at ten random moments, then resume: as if nothing had happened."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path

import pytest

from sentixrl.evaluation.running import answer_all
from sentixrl.runs import ITEMS_FILE, Entry, RunFolder, read_entries, read_run
from tests.runs.slow_run import DIALOGUES
from tests.runs.small import classifier, dataset, identity

ROOT = Path(__file__).parents[2]
KILLS = 10


def start(folder: Path, seconds: float) -> subprocess.Popen[str]:
    """The run in a process of its own, at the moment it opens the folder."""
    command = [sys.executable, "-m", "tests.runs.slow_run", str(folder), str(seconds)]
    paths = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    environment = {**os.environ, "PYTHONPATH": paths}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    assert process.stdout.readline() == "go\n"
    return process


def lines(folder: Path) -> int:
    log = folder / ITEMS_FILE
    return log.read_bytes().count(b"\n") if log.exists() else 0


def kill_in_the_middle(process: subprocess.Popen[str], folder: Path, rng: random.Random) -> str:
    """Wait for up to three further dialogues and a random moment more; what it had said."""
    until = lines(folder) + rng.randrange(4)
    while lines(folder) < until and process.poll() is None:
        time.sleep(0.001)
    time.sleep(rng.random() * 0.03)
    process.kill()
    return process.communicate()[0]


def tokens(entries: Iterable[Entry]) -> list[int]:
    return [item.tokens for entry in entries for item in entry.prediction.items]


@pytest.mark.skipif(sys.platform == "win32", reason="no kill -9")
def test_a_run_killed_ten_times_ends_like_an_undisturbed_one(tmp_path: Path) -> None:
    data, model = dataset(DIALOGUES), classifier()
    with RunFolder(tmp_path / "whole", identity(model, data)) as run:
        answer_all(model, data.dialogues, run)

    folder, rng = tmp_path / "killed", random.Random(20)
    for _ in range(KILLS):
        said = kill_in_the_middle(start(folder, 0.003), folder, rng)
        assert not said, "the run was over before it was killed"
    progress = [session["dialogues_before"] for session in read_run(folder)["sessions"]]
    assert progress == sorted(progress)
    assert progress[-1] > 0, "no kill came in the middle"

    process = start(folder, 0.0)
    said, _ = process.communicate(timeout=60)
    assert (process.returncode, said) == (0, "done\n")
    found, expected = read_entries(folder), read_entries(tmp_path / "whole")
    assert found == expected
    assert tokens(found) == tokens(expected)
