"""Measure the engine on this machine: ``make bench``, or ``python -m benchmarks.run --help``.

The last line printed is one JSON object with the figures that the project holds itself to; what
was not measured is ``null`` there, and ``valid`` is false if other processes disturbed it.
"""

from __future__ import annotations

import datetime
import json
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Set
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console

import sentixrl
from benchmarks import parts
from benchmarks import results as found
from benchmarks.children import EngineProcess
from benchmarks.contenders import Questions
from benchmarks.machine import matmul_peak, unique_tokens, useful_flops
from benchmarks.material import LABELS, ROOT, gather
from benchmarks.parts import Bench, Part
from benchmarks.reference import COMMIT, source_of
from benchmarks.timing import Watch
from sentixrl import Classifier
from sentixrl.engines.local._hf import load_model
from sentixrl.engines.local.engine import LocalEngine
from sentixrl.engines.local.hardware import processor_name
from sentixrl.engines.local.loading import locate

OUT = ROOT / "results" / "bench.json"


def main(
    dialogues: Annotated[int, typer.Option(help="Size of the sample.")] = 50,
    repeats: Annotated[
        int, typer.Option(help="Runs of what is short; the fastest counts.", min=1)
    ] = 4,
    only: Annotated[
        list[Part] | None, typer.Option(help="Measure these parts alone (may be repeated).")
    ] = None,
    limit: Annotated[float, typer.Option(help="Seconds that each peer may take.")] = 60.0,
    model: Annotated[
        str, typer.Option(help="Model; default: the one that the reference commit has too.")
    ] = "sentixrl-135m",
    reference: Annotated[str, typer.Option(help="Commit to measure against.")] = COMMIT,
    out: Annotated[
        Path | None,
        typer.Option(help="Where the JSON goes; default: results/bench.json, if all is measured."),
    ] = None,
) -> None:
    """Measure, print a table, write JSON."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))  # clean up then too
    console, chosen = Console(soft_wrap=True), set(only or Part)
    classifier = sentixrl.load(model, labels=LABELS)
    material = gather(classifier, dialogues)
    engine = _local(classifier)
    threads = torch.get_num_threads()
    console.print(
        f"{material.source}: {len(material.dialogues)} dialogues, {len(material.prompts)} "
        f"utterances; prompts {material.digest[:16]}; {engine.decoder.dtype} on "
        f"{processor_name(engine.decoder.device)}, {threads} threads"
    )
    with Watch() as watch:
        peak = matmul_peak(engine.decoder.dtype, engine.decoder.device)
    dtype = str(engine.decoder.dtype).removeprefix("torch.")
    loading = {"model": model, "labels": LABELS, "dtype": dtype}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="sentixrl-bench-")))
        source = stack.enter_context(source_of(reference))
        bench = Bench(console, material, folder, loading, threads, source, repeats, limit)
        bench.results.peak_others = watch.others
        if source is None:
            bench.results.left_out[found.REFERENCE] = f"there is no commit {reference} here"
        measure(bench, classifier, chosen)
    report = {**_report(classifier, bench, peak), "reference": reference}
    console.print(found.as_table(bench.results))
    for sentence in report["disturbed"]:
        console.print(f"Not valid: {sentence}.", style="bold red")
    place = out or (OUT if chosen == set(Part) else None)
    if place is not None:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    print(json.dumps(report["headline"]))


def measure(bench: Bench, classifier: Classifier, chosen: Set[Part]) -> None:
    """Measure the chosen parts."""
    with ExitStack() as stack:
        engine = stack.enter_context(bench.engine())
        older: EngineProcess | None = None
        if bench.source is not None and chosen & {Part.REFERENCE, Part.AGREEMENT}:
            older = stack.enter_context(bench.engine(reference=True))
        with _part(bench, Part.QUIET):
            parts.quiet(bench, engine, older if Part.REFERENCE in chosen else None)
        if Part.NEGOTIATION in chosen:
            with _part(bench, Part.NEGOTIATION):
                parts.negotiation(bench, engine)
        if Part.CONTENTION in chosen:
            with _part(bench, Part.CONTENTION):
                parts.contention(bench, engine, older)
        if Part.AGREEMENT in chosen and older is not None:
            with _part(bench, Part.AGREEMENT):
                parts.agreement(bench, engine, older)
        if Part.GROWTH in chosen:
            with _part(bench, Part.GROWTH):
                parts.growth(bench, engine)
        if Part.PEERS in chosen:
            with _part(bench, Part.PEERS):
                _peers(bench, classifier, engine)
    if Part.THREADS in chosen:
        with _part(bench, Part.THREADS):
            parts.threads(bench)


@contextmanager
def _part(bench: Bench, part: Part) -> Iterator[None]:
    """Say which part begins, and how long it took."""
    bench.console.print(part.value)
    start = time.monotonic()
    yield
    bench.console.print(f"  {time.monotonic() - start:.0f} s", style="dim")


def _peers(bench: Bench, classifier: Classifier, engine: EngineProcess) -> None:
    local, bundle = _local(classifier), classifier.bundle
    assert bundle.base is not None
    folder = locate(bundle.base)[1]
    decoder = local.decoder
    model = load_model(folder, decoder.dtype, decoder.device, adapter=bundle.adapter)
    questions = Questions.of(local, bench.material.prompts, classifier.label_set)
    parts.peers(bench, engine, model, folder, questions)


def _local(classifier: Classifier) -> LocalEngine:
    engine = classifier.engine
    assert isinstance(engine, LocalEngine)
    return engine


def _report(classifier: Classifier, bench: Bench, peak: float) -> dict[str, Any]:
    engine, results = _local(classifier), bench.results
    single = results.timings[found.SINGLE]
    unique = unique_tokens(engine, bench.material)
    useful = useful_flops(engine, unique, single.pairs) / single.seconds / peak
    return {
        "headline": found.headline(results, useful, single.tokens / unique),
        "date": datetime.date.today().isoformat(),
        "machine": {
            "processor": processor_name(engine.decoder.device),
            "threads": bench.threads,
            "dtype": bench.loading["dtype"],
            "matmul_peak_gflops": round(peak / 1e9, 1),
            "workers": classifier.workers,
        },
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "sentixrl": sentixrl.__version__,
        },
        "material": {
            "source": bench.material.source,
            "utterances": len(bench.material.prompts),
            "prompts_sha256": bench.material.digest,
            "history_turns": classifier.context.window.history_max,
        },
        "unique_tokens": unique,
        **found.details(results),
    }


if __name__ == "__main__":
    typer.run(main)
