"""kill -9 at twenty random moments, then the same call: as if nothing had happened."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.batch.small import Scripted, done, results, run, write_table

ROOT = Path(__file__).parents[2]
KILLS = 20


def start(source: Path, out: Path, seconds: float) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "tests.batch.slow_batch", str(source), str(out), str(seconds)]
    paths = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    environment = {**os.environ, "PYTHONPATH": paths}
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)
    assert process.stdout is not None
    assert process.stdout.readline() == "go\n"
    return process


@pytest.mark.skipif(sys.platform == "win32", reason="no kill -9")
def test_a_job_killed_twenty_times_ends_like_an_undisturbed_one(tmp_path: Path) -> None:
    source = write_table(tmp_path / "in.csv", dialogues=120, scattered=True)
    run([source], tmp_path / "whole", Scripted(failing=2))
    out, rng = tmp_path / "killed", random.Random(27)
    progress = []
    for number in range(KILLS):
        process = start(source, out, 0.004)
        # Some moments are in the reading, some between two chunks, some within one.
        until = done(out) + rng.randrange(1 + number % 3)
        deadline = time.monotonic() + rng.random() * 0.5 * (number % 4)
        while process.poll() is None and done(out) < until and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(rng.random() * 0.03)
        process.kill()
        assert not process.communicate()[0], "the job was over before it was killed"
        progress.append(done(out))
    assert progress == sorted(progress)
    assert progress[-1] > 0, "no kill came in the middle"
    process = start(source, out, 0.0)
    assert process.communicate(timeout=120)[0] == "done\n"
    assert results(out) == results(tmp_path / "whole")
    assert not list((out / "work").glob("*.part"))
