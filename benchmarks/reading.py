"""How fast files are read, and whether memory grows with them.

For each kind of file one of the size asked for and one of a tenth is written into a temporary
folder, and read in a process of its own, which tells its largest resident memory.

    python -m benchmarks.reading --megabytes 1000 csv
    python -m benchmarks.reading --megabytes 200 whatsapp
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

TEXT = (
    "where is it now I said the same before and nobody came back with the letter from the other "
    "house so we left early because of the rain but she was glad to see us again after all"
)
WORDS = TEXT.split()
NAMES = ("Mira Okoye", "Jon", "Ana", "小明", "Zoë")

READ = """
import json, resource, sys, time
from pathlib import Path
from sentixrl.formats import open_dialogues
start = time.monotonic()
reader = open_dialogues(Path(sys.argv[1]))
dialogues = turns = 0
for dialogue in reader:
    dialogues += 1
    turns += len(dialogue)
print(json.dumps({
    "format": reader.format, "dialogues": dialogues, "turns": turns,
    "seconds": round(time.monotonic() - start, 1), "cpu_seconds": round(time.process_time(), 1),
    "bytes": reader.ledger.size,
    "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1),
}))
"""


def said(chance: random.Random) -> str:
    """A sentence."""
    return " ".join(chance.choices(WORDS, k=chance.randint(3, 20)))


def csv_rows(chance: random.Random) -> Iterator[str]:
    """A table with a dialogue column, its dialogues one after another."""
    yield "dialogue_id,speaker,text,label\n"
    dialogue = 0
    while True:
        dialogue += 1
        for _ in range(chance.randint(1, 20)):
            yield f'd{dialogue},{chance.choice(NAMES)},"{said(chance)}, she said",\n'


def alternating_rows(chance: random.Random) -> Iterator[str]:
    """The same, a hundred dialogues at a time in turns."""
    yield "dialogue_id,speaker,text,label\n"
    dialogue = 0
    while True:
        dialogue += 100
        for row in range(1000):
            yield f'd{dialogue + row % 100},{chance.choice(NAMES)},"{said(chance)}",\n'


def json_lines(chance: random.Random) -> Iterator[str]:
    """A dialogue a line."""
    while True:
        turns = [
            {"speaker": chance.choice(NAMES), "text": said(chance)}
            for _ in range(chance.randint(1, 20))
        ]
        yield json.dumps({"utterances": turns}, ensure_ascii=False) + "\n"


def whatsapp_lines(chance: random.Random) -> Iterator[str]:
    """A chat of years."""
    when = datetime(2015, 1, 13, 9, 0)
    while True:
        pause = 40_000 if chance.random() < 0.002 else chance.choice([5, 20, 60])
        when += timedelta(seconds=chance.randint(1, pause))
        text = said(chance) if chance.random() > 0.05 else "<Media omitted>"
        yield f"{when:%d/%m/%Y, %H:%M} - {chance.choice(NAMES)}: {text}\n"


KINDS: dict[str, tuple[str, Callable[[random.Random], Iterator[str]]]] = {
    "csv": (".csv", csv_rows),
    "alternating": (".csv", alternating_rows),
    "jsonl": (".jsonl", json_lines),
    "whatsapp": (".txt", whatsapp_lines),
}


def write(path: Path, kind: str, size: int) -> None:
    """Write a file of about ``size`` bytes."""
    left = size
    with path.open("w", encoding="utf-8") as stream:
        for line in KINDS[kind][1](random.Random(1)):
            stream.write(line)
            left -= len(line.encode())
            if left <= 0:
                return


def measure(kind: str, size: int, folder: Path) -> dict[str, object]:
    """Read a file of about ``size`` bytes in a process of its own."""
    path = folder / f"{kind}{KINDS[kind][0]}"
    write(path, kind, size)
    done = subprocess.run(
        [sys.executable, "-c", READ, str(path)], capture_output=True, text=True, check=True
    )
    path.unlink()
    found: dict[str, object] = json.loads(done.stdout)
    return found


def main() -> None:
    """Measure the kinds that are named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", choices=KINDS, default=list(KINDS))
    parser.add_argument("--megabytes", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as made:
        for kind in options.kinds:
            for size in (options.megabytes * 100_000, options.megabytes * 1_000_000):
                start = time.monotonic()
                found = measure(kind, size, Path(made))
                rate = int(str(found["bytes"])) / 1e6 / float(str(found["cpu_seconds"]))
                print(
                    kind,
                    json.dumps(found),
                    f"{rate:.1f} MB per CPU second",
                    file=sys.stdout,
                    flush=True,
                )
                print(f"  ({time.monotonic() - start:.0f} s with writing)", file=sys.stderr)


if __name__ == "__main__":
    main()
