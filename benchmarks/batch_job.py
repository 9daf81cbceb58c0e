"""One batch job in a process of its own, told everything by its arguments.

Contract: a script, run as a module; its last line of standard output is a JSON object of what it
took. ``--plain`` answers the same dialogues by ``predict_many`` alone, for comparison.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from pathlib import Path
from typing import Any

import psutil

from benchmarks.batch_loader import loader
from sentixrl.batch import BatchJob, BatchOptions, LocalWorkers, RayWorkers
from sentixrl.batch.options import ShardFormat
from sentixrl.batch.running import Workers
from sentixrl.formats import iter_dialogues


def job(options: argparse.Namespace) -> dict[str, Any]:
    """Run a job, or go on with one."""
    what = loader(options.loader, options.threads)
    workers: Workers
    if options.ray is None:
        workers = LocalWorkers(what)
    else:
        workers = RayWorkers(what, options.ray, options.workers, threads=options.threads or 1)
    how = BatchOptions(form=ShardFormat(options.form), chunk_turns=2000)
    with BatchJob([options.source], options.out, workers, how) as made:
        ready = _since_start()
        open_chunks = len(made.job.open())
        busy = time.process_time()
        found = made.run()
    return {
        "turns": found.turns,
        "fresh_turns": found.fresh,
        "errors": found.errors,
        "ready_seconds": ready,
        "open_chunks": open_chunks,
        "seconds": found.seconds,
        "cpu_seconds": time.process_time() - busy,
        "rate": found.fresh / found.seconds,
    }


def plain(options: argparse.Namespace) -> dict[str, Any]:
    """The same dialogues through ``predict_many``."""
    classifier = loader(options.loader, options.threads).load()
    ready, start, busy = _since_start(), time.perf_counter(), time.process_time()
    turns = sum(
        len(result.items) for result in classifier.predict_many(iter_dialogues(options.source))
    )
    seconds = time.perf_counter() - start
    return {
        "turns": turns,
        "ready_seconds": ready,
        "seconds": seconds,
        "cpu_seconds": time.process_time() - busy,
        "rate": turns / seconds,
    }


def _since_start() -> float:
    return time.time() - float(psutil.Process().create_time())


def main() -> None:
    """Do what the arguments say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source")
    parser.add_argument("out", type=Path)
    parser.add_argument("--loader", default="scripted")
    parser.add_argument("--threads", type=int)
    parser.add_argument("--ray")
    parser.add_argument("--workers", type=int)
    parser.add_argument("--form", default="jsonl", choices=list(ShardFormat))
    parser.add_argument("--plain", action="store_true")
    options = parser.parse_args()
    found = plain(options) if options.plain else job(options)
    found["ended"] = time.time()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    found["peak_mib"] = round(peak / (1 << (20 if sys.platform == "darwin" else 10)), 1)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
