"""Batch jobs, measured and put through what ends them.

    python -m benchmarks.batch memory          # a million scripted turns: memory, rate, going on
    python -m benchmarks.batch rate            # 100,000 real turns against predict_many
    python -m benchmarks.batch ray             # two Ray workers against two threads
    python -m benchmarks.batch kills           # kill -9 of the job and of Ray workers, at random
    python -m benchmarks.batch nodes           # a node removed under load
    python -m benchmarks.batch extremes        # a dialogue of 50,000 turns; a column of two types
    python -m benchmarks.batch ray-data        # what Ray Data makes of a bad row and a removed node
    python -m benchmarks.batch --out results/bench_batch.json memory rate …   # whichever parts

Results are printed as JSON, and added to the file that ``--out`` names.
"""

from __future__ import annotations

import argparse
import csv
import hashlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import psutil

from benchmarks.material import ROOT, published_folder
from benchmarks.reading import NAMES, said
from benchmarks.timing import Watch, stamp
from sentixrl.dialogue import Dialogue
from sentixrl.formats import dialogue_object

KILLS = 20
Place = tuple[str, int, int | str]
"""A row's dialogue, turn and region."""
REAL = {"goemotions": "train", "xed": "all", "dailydialog": "train"}
"""Published set → its split."""


def table(path: Path, turns: int) -> Path:
    """A table of dialogues of ten turns, the rows of a hundred of them in turns."""

    def place(row: int) -> Place:
        return f"d{row // 1000 * 100 + row % 100}", row // 100, row % 7

    return write_table(path, turns, place)


def write_table(path: Path, rows: int, place: Callable[[int], Place]) -> Path:
    """A CSV whose rows' dialogue, turn and region ``place`` tells."""
    chance = random.Random(1)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(("dialogue_id", "speaker", "text", "region"))
        for row in range(rows):
            dialogue, turn, region = place(row)
            writer.writerow((dialogue, NAMES[turn % 2], said(chance), region))
    return path


def real_dialogues(turns: int) -> Iterator[Dialogue]:
    """Turns of published sets in equal parts, as far as each goes."""
    left = turns
    for place, (name, split) in enumerate(REAL.items()):
        for dialogue in published(name, split, left // (len(REAL) - place)):
            left -= len(dialogue)
            yield dialogue


def published(name: str, split: str, turns: int, **switches: str | bool) -> Iterator[Dialogue]:
    """The first dialogues of a published set that have so many turns, without their labels."""
    from sentixrl.datasets.registry import load_split

    data = load_split(name, published_folder(name), split, None, switches)
    for number, dialogue in enumerate(data):
        if turns <= 0:
            return
        turns -= len(dialogue)
        said = [(turn.speaker, turn.text) if turn.speaker else turn.text for turn in dialogue]
        yield Dialogue.from_texts(said, id=f"{name}-{number}", language=dialogue.language)


def real(path: Path, turns: int) -> Path:
    """Real turns as our JSON."""
    return write_dialogues(path, real_dialogues(turns))


def write_dialogues(path: Path, dialogues: Iterable[Dialogue]) -> Path:
    """Dialogues as our JSON, a line each."""
    with path.open("w", encoding="utf-8") as stream:
        for dialogue in dialogues:
            stream.write(json.dumps(dialogue_object(dialogue), ensure_ascii=False) + "\n")
    return path


def start(source: str | Path, out: str | Path, *further: str | Path) -> subprocess.Popen[str]:
    """A job in a process of its own."""
    command = [sys.executable, "-m", "benchmarks.batch_job", *map(str, (source, out, *further))]
    paths = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    environment = {**os.environ, "PYTHONPATH": paths, "RAY_USAGE_STATS_ENABLED": "0"}
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=environment)


def result(process: subprocess.Popen[str]) -> dict[str, Any]:
    """What a job says at its end."""
    said_, _ = process.communicate()
    if process.returncode:
        raise SystemExit(f"a job ended with code {process.returncode}")
    found: dict[str, Any] = json.loads(said_.splitlines()[-1])
    return found


def turn_about(*jobs: tuple[float, Sequence[str | Path]]) -> Iterator[dict[str, Any]]:
    """What jobs say at their ends that run in turns, so that what else goes on meets all alike.

    Args:
        jobs: Seconds that one turn of a job takes, its start within the first, and its arguments.

    Yields:
        What each job says; seconds in which it stood still are taken off its own.
    """
    running: dict[int, subprocess.Popen[str]] = {}
    stood: list[list[tuple[float, float]]] = [[] for _ in jobs]
    stopped = [0.0] * len(jobs)
    waiting = deque(range(len(jobs)))
    while waiting:
        place = waiting.popleft()
        seconds, arguments = jobs[place]
        if place in running:
            stood[place].append((stopped[place], time.time() - stopped[place]))
            _signal(running[place].pid, signal.SIGCONT)
        else:
            running[place] = start(*arguments)
        try:
            running[place].wait(seconds)
        except subprocess.TimeoutExpired:
            stopped[place] = time.time()
            _signal(running[place].pid, signal.SIGSTOP)
            waiting.append(place)
    for place, pauses in enumerate(stood):
        found = result(running[place])
        # A process may be stopped once more while it leaves.
        found["seconds"] -= sum(length for began, length in pauses if began < found["ended"])
        yield {**found, "rate": found["turns"] / found["seconds"]}


def _signal(parent: int, what: signal.Signals) -> None:
    """Stop or wake a job and its workers, but not the servers that Ray has beside them."""
    for process in (psutil.Process(parent), *_workers(parent)):
        process.send_signal(what)


def _workers(parent: int) -> list[psutil.Process]:
    below = psutil.Process(parent).children(recursive=True)
    return [one for one in below if "Answerer" in " ".join(one.cmdline())]


def finished(out: Path) -> int:
    """How many chunks are done."""
    log = out / "work" / "done.jsonl"
    return log.read_bytes().count(b"\n") if log.exists() else 0


def digest(out: Path) -> str:
    """SHA-256 of all results and errors."""
    total = hashlib.sha256()
    for path in [*sorted(out.glob("part-*")), out / "errors.jsonl"]:
        if path.exists():
            total.update(path.name.encode() + path.read_bytes())
    return total.hexdigest()


def memory(folder: Path, turns: int) -> dict[str, Any]:
    """Memory at a tenth and at all of the turns, and going on after a kill at 90%."""
    few, many = table(folder / "few.csv", turns // 10), table(folder / "many.csv", turns)
    tenth = result(start(few, folder / "few"))
    whole = result(start(many, folder / "many"))
    process = start(many, folder / "killed")
    chunks = -(-turns // 2000)
    while finished(folder / "killed") < 0.9 * chunks and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    process.communicate()
    resumed = result(start(many, folder / "killed"))
    return {
        "tenth": tenth,
        "whole": whole,
        "memory_ratio": round(whole["peak_mib"] / tenth["peak_mib"], 3),
        "resumed": resumed,
        "same": digest(folder / "killed") == digest(folder / "many"),
    }


def rate(folder: Path, turns: int) -> dict[str, Any]:
    """Real turns with the default model in a job; every fourth dialogue by ``predict_many``."""
    source = real(folder / "real.jsonl", turns)
    fourth = folder / "fourth.jsonl"
    with source.open("rb") as every, fourth.open("wb") as some:
        some.writelines(itertools.islice(every, 0, None, 4))
    default = ("--loader", "default")
    by_job, by_call = turn_about(
        (20.0, (source, folder / "job", *default)),
        (5.0, (fourth, folder / "none", *default, "--plain")),
    )
    share = by_job["rate"] / by_call["rate"]
    work = [one["turns"] / one["cpu_seconds"] for one in (by_job, by_call)]
    return {
        "job": by_job,
        "predict_many": by_call,
        "ratio": round(share, 3),
        "ratio_per_cpu_second": round(work[0] / work[1], 3),
    }


def ray(folder: Path, turns: int) -> dict[str, Any]:
    """Two Ray workers of one thread against two threads in one process."""
    source = real(folder / "real.jsonl", turns)
    default = ("--loader", "default", "--threads")
    workers, threads = turn_about(
        (30.0, (source, folder / "ray", *default, "1", "--ray", "local", "--workers", "2")),
        (30.0, (source, folder / "threads", *default, "2")),
    )
    share = workers["rate"] / threads["rate"]
    return {"ray": workers, "threads": threads, "ratio": round(share, 3)}


def kills(folder: Path, turns: int) -> dict[str, Any]:
    """Kill the job, and then Ray's workers, at twenty random moments each."""
    source, chance = table(folder / "in.csv", turns), random.Random(27)
    result(start(source, folder / "whole"))
    expected = digest(folder / "whole")
    progress = []
    for _ in range(KILLS):
        process = start(source, folder / "job")
        time.sleep(chance.uniform(0.5, 12.0))
        process.kill()
        process.communicate()
        progress.append(finished(folder / "job"))
    result(start(source, folder / "job"))
    killed, starts = _killing_workers(source, folder / "ray", chance)
    again = result(start(source, folder / "ray"))  # what was given up, if anything was
    return {
        "job": {"same": digest(folder / "job") == expected, "done_at_kills": progress},
        "ray": {
            "same": digest(folder / "ray") == expected,
            "killed": killed,
            "starts": starts,
            "again": again,
        },
    }


def _killing_workers(source: Path, out: Path, chance: random.Random) -> tuple[int, int]:
    """Kill workers of a job; if it gives up, as no worker lives long enough, start it again.

    Returns:
        How many were killed, and how often the job was started.
    """
    killed = starts = 0
    while True:
        process, starts = start(source, out, "--ray", "local", "--workers", "2"), starts + 1
        while process.poll() is None and killed < KILLS:
            time.sleep(chance.uniform(0.2, 4.0))
            killed += _kill_one(process.pid, chance)
        process.communicate()
        if process.returncode == 0 or starts == KILLS:
            return killed, starts


def _kill_one(parent: int, chance: random.Random) -> int:
    """Kill one of the workers below a process, if there is one."""
    try:
        if workers := _workers(parent):
            chance.choice(workers).kill()
        return bool(workers)
    except psutil.Error:
        return 0


def nodes(folder: Path, turns: int) -> dict[str, Any]:
    """Remove one of two nodes of a local cluster while both work."""
    _patient()
    from ray.cluster_utils import Cluster

    source = table(folder / "in.csv", turns)
    result(start(source, folder / "whole"))
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    second = cluster.add_node(num_cpus=1)
    removed: list[int] = []

    def remove() -> None:
        while finished(folder / "job") < 5:
            time.sleep(0.01)
        removed.append(finished(folder / "job"))
        cluster.remove_node(second, allow_graceful=False)

    thread = threading.Thread(target=remove, daemon=True)
    thread.start()
    try:
        process = start(source, folder / "job", "--ray", str(cluster.address), "--workers", "2")
        found = result(process)
    finally:
        cluster.shutdown()
    same = digest(folder / "job") == digest(folder / "whole")
    return {"job": found, "removed_after_chunks": removed, "same": same}


def extremes(folder: Path, turns: int) -> dict[str, Any]:
    """One long dialogue, and a column whose values are numbers down to nine tenths of a table."""
    one = write_table(folder / "one.csv", turns // 20, lambda row: ("d", row, 7))
    mixed = write_table(
        folder / "mixed.csv", turns, lambda row: (f"d{row // 10}", row, _region(row, turns))
    )
    long = result(start(one, folder / "long"))
    types = result(start(mixed, folder / "mixed", "--form", "parquet"))
    return {"one_dialogue": long, "two_types": {**types, "kept": _kept(folder / "mixed", turns)}}


def _region(row: int, turns: int) -> int | str:
    return row % 7 if row < 9 * turns // 10 else f"north {row % 7}"


def _kept(out: Path, turns: int) -> bool:
    """Whether the column came out as it went in."""
    import pyarrow.parquet

    shards = [pyarrow.parquet.read_table(path) for path in sorted(out.glob("part-*"))]
    regions = [value for shard in shards for value in shard.column("region").to_pylist()]
    return regions == [str(_region(row, turns)) for row in range(turns)]


def ray_data(folder: Path, rows: int) -> dict[str, Any]:
    """The rows that a plain pipeline of Ray Data has written after a bad row, or a removed node."""
    return {
        "undisturbed": _pipeline(folder / "whole", rows),
        "one_bad_row": _pipeline(folder / "bad", rows, bad=rows // 2),
        "node_removed": _pipeline(folder / "removed", rows, remove_after=6.0),
    }


def _pipeline(
    out: Path, rows: int, bad: int | None = None, remove_after: float | None = None
) -> dict[str, Any]:
    """Numbers through ``map_batches`` into files, on two nodes of one core."""
    _patient()
    import ray
    from ray.cluster_utils import Cluster

    def slowly(batch: dict[str, Any]) -> dict[str, Any]:
        time.sleep(0.02 * len(batch["id"]))
        if bad is not None and bad in batch["id"]:
            raise ValueError("a bad row")
        return batch

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    second = cluster.add_node(num_cpus=1)
    ray.init(address=cluster.address, log_to_driver=False, logging_level="ERROR")
    if remove_after is not None:
        threading.Timer(remove_after, lambda: cluster.remove_node(second, False)).start()
    failed = None
    try:
        numbers = ray.data.range(rows, override_num_blocks=12)
        numbers.map_batches(slowly, batch_size=10).write_json(str(out))
    except Exception as error:
        failed = type(error).__name__
    finally:
        ray.shutdown()
        cluster.shutdown()
    written = sum(len(path.read_text("utf-8").splitlines()) for path in out.glob("*.json"))
    return {"rows": rows, "written": written, "failed": failed}


def _patient() -> None:
    """Let Ray take its time to start."""
    os.environ.setdefault("RAY_raylet_start_wait_time_s", "120")


PARTS: dict[str, tuple[Callable[[Path, int], dict[str, Any]], int]] = {
    "memory": (memory, 1_000_000),
    "rate": (rate, 100_000),
    "ray": (ray, 20_000),
    "kills": (kills, 200_000),
    "nodes": (nodes, 200_000),
    "extremes": (extremes, 1_000_000),
    "ray-data": (ray_data, 600),
}
"""Part → what it does, and of how many turns unless it is said."""


def main() -> None:
    """Measure the parts that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="+", choices=PARTS)
    parser.add_argument("--turns", type=int, help="instead of each part's own number")
    parser.add_argument("--out", type=Path, help="a JSON file to add the figures to")
    options = parser.parse_args()
    for part in options.parts:
        measure, turns = PARTS[part]
        with tempfile.TemporaryDirectory() as made, Watch() as watch:
            found = measure(Path(made), options.turns or turns)
        taken = {**stamp(), "turns": options.turns or turns}
        found = {**taken, **found, "others_share": round(watch.others, 3)}
        print(json.dumps({part: found}, indent=1), flush=True)
        if options.out is not None:
            known = json.loads(options.out.read_text("utf-8")) if options.out.exists() else {}
            options.out.write_text(json.dumps({**known, part: found}, indent=1) + "\n", "utf-8")


if __name__ == "__main__":
    main()
