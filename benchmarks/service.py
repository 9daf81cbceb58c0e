"""Measure the service: ``python -m benchmarks.service --help``. On a quiet machine.

``throughput``: turns per processor second of the server, beside ``predict_many`` in a process of
its own. ``latency``: at several numbers of clients. ``soak``: many clients of whom some leave, and
the server's memory. ``transformers``: the same weights and questions behind ``transformers serve``,
which needs what ``transformers[serving]`` names. Each part's figures are kept as soon as they are
there; those of parts that are not asked for stay as they are in the file. The last line printed is
one JSON object with the figures.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import psutil
import typer
from rich.console import Console

from benchmarks.children import ChildError, EngineProcess
from benchmarks.material import LABELS, ROOT, dialogues_of, write
from benchmarks.servers import Asked, Server, our_server, transformers_server
from benchmarks.timing import resident, stamp
from sentixrl import Dialogue
from sentixrl.engines.local.loading import locate
from sentixrl.formats import dialogue_object
from sentixrl.labels import scheme

OUT = ROOT / "results" / "service.json"
CLIENTS = (1, 4, 16, 64)
SHARED_CLIENTS = 16
LEAVING = 0.2
PEER_BASE = "smollm2-135m"
"""What both compute; transformers serve needs a chat template, which the default's base lacks."""
HISTORY = 12
"""Turns that a question about a conversation shows."""
_SAMPLE_SECONDS = 1.0
_FLAT = 0.05


class Part(StrEnum):
    """What can be measured."""

    THROUGHPUT = "throughput"
    LATENCY = "latency"
    SOAK = "soak"
    TRANSFORMERS = "transformers"


def main(
    only: Annotated[
        list[Part] | None, typer.Option(help="Measure these parts alone (may be repeated).")
    ] = None,
    dialogues: Annotated[int, typer.Option(help="Size of the sample.")] = 100,
    dtype: Annotated[str, typer.Option(help="Number format of all contenders.")] = "bfloat16",
    seconds: Annotated[float, typer.Option(help="Per number of clients, for latencies.")] = 20.0,
    soak_minutes: Annotated[float, typer.Option(help="How long the soak lasts.")] = 10.0,
    questions: Annotated[int, typer.Option(help="Asked of transformers serve.")] = 200,
    repeats: Annotated[int, typer.Option(help="Of throughput; the fastest counts.", min=1)] = 3,
    out: Annotated[
        Path | None, typer.Option(help="Where the JSON goes; default: nowhere, unless all parts.")
    ] = None,
) -> None:
    """Measure, print, write JSON."""
    console, chosen = Console(soft_wrap=True), set(only or Part)
    source, sample = dialogues_of("test", dialogues)
    console.print(f"{source}: {len(sample)} dialogues, {sum(map(len, sample))} turns")
    place = out or (OUT if chosen == set(Part) else None)
    figures: dict[str, Any] = {}
    if place is not None and place.exists():
        figures = json.loads(place.read_text("utf-8"))

    def keep(part: Part, found: dict[str, Any]) -> None:
        facts = {**stamp(), "material": source, "dtype": dtype}
        figures[part.value] = {**facts, **found}
        console.print_json(json.dumps({part.value: found}))
        if place is not None:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(json.dumps(figures, indent=1) + "\n", "utf-8")

    with tempfile.TemporaryDirectory(prefix="sentixrl-service-") as name:
        folder = Path(name)
        ours = ["--labels", LABELS, "--dtype", dtype]
        if chosen & {Part.THROUGHPUT, Part.LATENCY, Part.SOAK}:
            bodies = _write_bodies(folder / "classify.jsonl", sample)
            with our_server(ours) as server:
                server.asked("/v1/classify", bodies, clients=4, requests=16)
                if Part.THROUGHPUT in chosen:
                    found = _throughput(server, sample, bodies, folder, dtype, repeats)
                    keep(Part.THROUGHPUT, found)
                if Part.LATENCY in chosen:
                    keep(Part.LATENCY, _latency(server, bodies, seconds))
                if Part.SOAK in chosen:
                    keep(Part.SOAK, _soak(server, bodies, soak_minutes))
        if Part.TRANSFORMERS in chosen:
            keep(Part.TRANSFORMERS, _against_transformers(sample, folder, dtype, questions))
    print(json.dumps(figures))


def _write_bodies(path: Path, dialogues: Sequence[Dialogue]) -> Path:
    """One request per dialogue."""
    lines = [
        {
            "turns": len(dialogue),
            "body": {"dialogue": _plain(dialogue), "negotiation": False},
        }
        for dialogue in dialogues
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), "utf-8")
    return path


def _plain(dialogue: Dialogue) -> dict[str, Any]:
    turns = [{"speaker": turn.speaker, "text": turn.text} for turn in dialogue]
    return dialogue_object(dialogue) | {"utterances": turns}


def _throughput(
    server: Server,
    sample: Sequence[Dialogue],
    bodies: Path,
    folder: Path,
    dtype: str,
    repeats: int,
) -> dict[str, Any]:
    """The service beside ``predict_many``; the runs take turns, the fastest of each counts."""
    file, processors = write(sample, folder / "dialogues.json"), psutil.cpu_count() or 1
    served: list[Asked] = []
    direct: list[tuple[float, float]] = []
    loading = {"model": None, "labels": LABELS, "dtype": dtype, "workers": None, "threads": None}
    with EngineProcess(loading) as engine:
        engine.run("warm up", file, reproducible=False, first=4)
        for _ in range(repeats):
            served.append(
                server.asked("/v1/classify", bodies, clients=SHARED_CLIENTS, requests=len(sample))
            )
            timing = engine.run("predict_many", file, reproducible=False).timing
            direct.append((timing.seconds, timing.cpu_share * timing.seconds * processors))
    best = min(served, key=lambda run: run.server_cpu)
    seconds, cpu = min(direct, key=lambda run: run[1])
    turns = best.turns
    return {
        "turns": turns,
        "turns_per_cpu_second": round(turns / best.server_cpu, 2),
        "predict_many_per_cpu_second": round(turns / cpu, 2),
        "cpu_ratio": round(cpu / best.server_cpu, 3),
        "wall_ratio": round(seconds / best.seconds, 3),
        "clients_share_of_cpu": round(best.clients_cpu / (best.clients_cpu + best.server_cpu), 3),
        "others_share": round(best.others, 3),
        "statuses": dict(best.statuses),
    }


def _latency(server: Server, bodies: Path, seconds: float) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for clients in CLIENTS:
        run = server.asked("/v1/classify", bodies, clients=clients, seconds=seconds)
        found[str(clients)] = {
            "p50_ms": round(run.percentile(0.5), 1),
            "p99_ms": round(run.percentile(0.99), 1),
            "turns_per_second": round(run.turns / run.seconds, 1),
            "requests": len(run.latencies),
            "statuses": dict(run.statuses),
            "others_share": round(run.others, 3),
        }
    return {"clients": found}


def _soak(server: Server, bodies: Path, minutes: float) -> dict[str, Any]:
    """Many clients, some of whom leave; the server's memory in the second and the last tenth."""
    seconds = 60 * minutes
    with resident(server.process, _SAMPLE_SECONDS) as sizes:
        run = server.asked(
            "/v1/classify", bodies, clients=CLIENTS[-1], seconds=seconds, leaving=LEAVING
        )
    tenth = max(1, len(sizes) // 10)
    early = statistics.median(sizes[tenth : 2 * tenth] or sizes)
    late = statistics.median(sizes[-tenth:])
    return {
        "minutes": minutes,
        "clients": CLIENTS[-1],
        "answered": len(run.latencies),
        "left": run.left,
        "statuses": dict(run.statuses),
        "failures": dict(run.failures),
        "memory_mib_early": round(early / 2**20, 1),
        "memory_mib_late": round(late / 2**20, 1),
        "memory_growth": round(late / early - 1, 4),
        "flat": late / early - 1 <= _FLAT,
        "clean": not run.failures and set(run.statuses) <= {"200"},
    }


def _against_transformers(
    sample: Sequence[Dialogue], folder: Path, dtype: str, questions: int
) -> dict[str, Any]:
    """The same requests to both; and our own route over the same turns."""
    bodies, turns = folder / "systemone.jsonl", 0
    with bodies.open("w", encoding="utf-8") as stream:
        for body in _questions(sample):
            if turns == questions:
                break
            stream.write(json.dumps({"turns": 1, "body": body}) + "\n")
            turns += 1
    most = {"clients": SHARED_CLIENTS, "requests": turns}
    folder_of_base = locate(PEER_BASE)[1]
    # An untrained model negotiates by default; the peer's first answer stands.
    asked = ["--model", f"base={folder_of_base}", "--dtype", dtype, "--no-negotiate"]
    with our_server(asked) as server:
        server.asked("/v1/systemone", bodies, clients=4, requests=8)
        ours = server.asked("/v1/systemone", bodies, **most)
        whole = _write_bodies(folder / "whole.jsonl", sample)
        classify = server.asked("/v1/classify", whole, clients=SHARED_CLIENTS, requests=len(sample))
    with transformers_server(folder_of_base, dtype) as server:
        server.asked("/v1/systemone", bodies, clients=1, requests=2)
        theirs = server.asked("/v1/systemone", bodies, **most)
    for name, one in (("transformers serve", theirs), ("ours", ours), ("ours, whole", classify)):
        if one.failures or set(one.statuses) != {"200"}:
            raise ChildError(f"{name}: {dict(one.statuses)}, failures {dict(one.failures)}")
    rate = theirs.turns / theirs.seconds
    return {
        "transformers_turns_per_second": round(rate, 2),
        "systemone_turns_per_second": round(ours.turns / ours.seconds, 2),
        "classify_turns_per_second": round(classify.turns / classify.seconds, 2),
        "ratio_systemone": round(ours.turns / ours.seconds / rate, 2),
        "ratio_classify": round(classify.turns / classify.seconds / rate, 2),
        "base": PEER_BASE,
        "others_share": round(max(ours.others, theirs.others), 3),
    }


def _questions(sample: Sequence[Dialogue]) -> Iterator[dict[str, Any]]:
    """One question per turn, about the conversation up to it."""
    criteria = dict.fromkeys(scheme(LABELS).names)
    for dialogue in sample:
        for index in range(len(dialogue)):
            shown = dialogue.utterances[max(0, index + 1 - HISTORY) : index + 1]
            yield {
                "state": [
                    {"speaker": turn.speaker or "Someone", "text": turn.text} for turn in shown
                ],
                "questions": {
                    "emotion": {
                        "type": "choice",
                        "instructions": "What does the last speaker feel?",
                        "criteria": criteria,
                    }
                },
            }


if __name__ == "__main__":
    typer.run(main)
