"""The tables of docs/results.md on speed; see build_tables.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tables import points, table

Content = Mapping[str, Any]


def bench_training(content: Content) -> str:
    """Training with packs against one prompt per utterance."""
    machine, found, tokens = content["machine"], content["headline"], content["tokens"]
    rows = [
        ["one prompt per utterance", f"{found['plain_utterances_per_second']:.1f}", "1.0×",
         f"{tokens['plain']:,}"],
        ["trie packs", f"{found['utterances_per_second']:.1f}", f"{found['ratio']:.1f}×",
         f"{tokens['trie']:,}"],
    ]  # fmt: skip
    facts = (
        f"Measured on {content['date']} with `make bench-train` on {machine['processor']}, "
        f"{machine['threads']} threads, {machine['dtype']}; {content['material']['source']}, "
        f"{content['material']['utterances']} utterances; all linear layers trained."
    )
    head = ["", "utterances/s", "against one by one", "tokens computed"]
    return f"{table(head, rows)}\n\n{facts}"


def bench(content: Content) -> str:
    """The engine against what is usually done."""
    machine, material = content["machine"], content["material"]
    found = content["contenders"]
    slowest = min(entry["utterances_per_second"] for entry in found.values())
    rows = [
        [
            name,
            f"{entry['utterances_per_second']:.1f}",
            f"{entry['utterances_per_second'] / slowest:.1f}×",
            f"{entry['tokens_computed']:,}",
        ]
        for name, entry in sorted(found.items(), key=lambda pair: pair[1]["utterances_per_second"])
    ]
    head = ["", "utterances/s", "against the slowest", "tokens computed"]
    growth = ", ".join(
        f"{turns} turns {cost:.0f} ms"
        for turns, cost in content["milliseconds_per_utterance_by_turns"].items()
    )
    facts = (
        f"Measured on {content['date']} with `make bench` on {machine['processor']}, "
        f"{machine['threads']} threads, {machine['dtype']} (matrix products reach "
        f"{machine['matmul_peak_gflops']:.0f} GFLOP/s there); {material['source']}, "
        f"{material['utterances']} utterances, up to {material['history_turns']} earlier turns. "
        f"Useful fraction of that rate in the single pass: "
        f"{content['headline']['useful_fraction']:.2f}. An utterance in dialogues of {growth}."
    )
    return f"{table(head, rows)}\n\n{facts}"


def service(content: Content) -> str:
    """The service: beside predict_many, at several numbers of clients, over time, and a peer."""
    through, soak, peer = content["throughput"], content["soak"], content["transformers"]
    clients = [
        [number, f"{found['p50_ms']:.0f}", f"{found['p99_ms']:.0f}",
         f"{found['turns_per_second']:.1f}", f"{found['requests']:,}"]
        for number, found in content["latency"]["clients"].items()
    ]  # fmt: skip
    facts = [
        ["turns per processor second of the server, 16 clients",
         f"{through['turns_per_cpu_second']:.1f}"],
        ["the same of `predict_many`", f"{through['predict_many_per_cpu_second']:.1f}"],
        ["ratio", f"{through['cpu_ratio']:.2f}"],
        ["ratio by the clock, the clients computing beside it", f"{through['wall_ratio']:.2f}"],
        ["the clients' share of all processor time", f"{points(through['clients_share_of_cpu'])}%"],
        [f"{soak['clients']} clients for {soak['minutes']:g} minutes: answered, left by "
         "the client, failed",
         f"{soak['answered']:,}, {soak['left']:,}, {sum(soak['failures'].values()):,}"],
        ["memory early and late in them, MiB",
         f"{soak['memory_mib_early']:,.0f}, {soak['memory_mib_late']:,.0f}"],
        ["turns per second of `transformers serve`, `/v1/systemone`",
         f"{peer['transformers_turns_per_second']:.2f}"],
        ["of ours, the same requests",
         f"{peer['systemone_turns_per_second']:.1f} ({peer['ratio_systemone']:.1f}×)"],
        ["of ours, the same turns to `/v1/classify`",
         f"{peer['classify_turns_per_second']:.1f} ({peer['ratio_classify']:.1f}×)"],
    ]  # fmt: skip
    where = _measured(content, "python -m benchmarks.service")
    about = (
        f"{where} {through['material']}, {through['dtype']}. The default model; beside "
        f"the peer both compute `{peer['base']}`, untrained, on the same questions, a turn each."
    )
    return "\n\n".join(
        [
            table(["", ""], facts),
            table(["clients", "p50, ms", "p99, ms", "turns per second", "requests"], clients),
            about,
        ]
    )


def installs(content: Content) -> str:
    """Installations into clean environments, with models."""
    rows = [
        [run["python"], f"`{run['by']}`", str(run["install_seconds"]),
         f"{run['classify_seconds']:.1f}", f"{run['local_mb']:,}"]
        for run in content["runs"] if "install_seconds" in run
    ]  # fmt: skip
    head = ["Python", "by", "seconds to install", "seconds of the first answer", "MB on disk"]
    days = max(run["date"] for run in content["runs"])
    where = f"Measured on {days} with `{content['command']}`; two CPU cores, which were busy."
    return f"{table(head, rows)}\n\n{where}"


def bench_starting(content: Content) -> str:
    """How long a start takes."""
    names = {"torch": "`import torch` alone"}
    rows = [
        [names.get(name, f"`sentixrl classify --model {name} --text …`"),
         f"{run['seconds']:.1f} ({run['least']:.1f}–{run['most']:.1f})", f"{run['of_torch']:.1f}×"]
        for name, run in content["runs"].items()
    ]  # fmt: skip
    command = "python -m benchmarks.starting --out results/bench_starting.json"
    where = f"{_measured({'': content}, command)} {content['rounds']} starts each, in turns."
    return f"{table(['', 'seconds, median (range)', 'against torch'], rows)}\n\n{where}"


def bench_releases(content: Content) -> str:
    """The released models beside each other."""
    new, old = "sentixrl-270m", "sentixrl-135m"
    rows = [
        [f"{name}, {run['split']}", f"{run[new]['rate']:.1f}", f"{run[old]['rate']:.1f}",
         f"{run['ratio']:.2f}", f"{run[new]['peak_mib']:,.0f}", f"{run[old]['peak_mib']:,.0f}"]
        for name, run in content["runs"].items()
    ]  # fmt: skip
    head = [
        *("", f"`{new}`, turns/s", f"`{old}`, turns/s", "ratio"),
        *(f"`{name}`, peak MiB" for name in (new, old)),
    ]
    command = "python -m benchmarks.releases --out results/bench_releases.json"
    measured = _measured({"": content}, command)
    where = f"{measured} Up to {content['turns']:,} turns each, seven emotions."
    return f"{table(head, rows)}\n\n{where}"


def bench_batch(content: Content) -> str:
    """Batch jobs: what they lose against a plain call, their memory, and what they survive."""
    rows = [row for part, rows_of in _BATCH.items() if part in content
            for row in rows_of(content[part])]  # fmt: skip
    where = _measured(content, "python -m benchmarks.batch --out results/bench_batch.json PART …")
    return f"{table(['', ''], rows)}\n\n{where}"


def _memory(found: Content) -> list[list[str]]:
    tenth, whole, resumed = found["tenth"], found["whole"], found["resumed"]
    return [
        [f"{whole['turns']:,} scripted turns: turns per second", f"{whole['rate']:,.0f}"],
        [f"peak memory, MiB, at {tenth['turns']:,} and at {whole['turns']:,}",
         f"{tenth['peak_mib']:.0f}, {whole['peak_mib']:.0f}"],
        ["killed at 90%: seconds until it is at work again", f"{resumed['ready_seconds']:.1f}"],
        ["results equal to those of a job that was left alone", _yes(found["same"])],
    ]  # fmt: skip


def _rate(found: Content) -> list[list[str]]:
    what = "the default model: turns per second in a job"
    return _rates(found, what, "job", "by `predict_many`", "predict_many")


def _ray(found: Content) -> list[list[str]]:
    what = "two Ray workers of one thread, turns per second"
    return _rates(found, what, "ray", "two threads in one process", "threads")


def _rates(found: Content, what: str, one: str, than: str, other: str) -> list[list[str]]:
    return [
        [f"{found['turns']:,} real turns, {what}", f"{found[one]['rate']:.1f}"],
        [than, f"{found[other]['rate']:.1f}"],
        ["ratio", f"{found['ratio']:.2f}"],
    ]


def _kills(found: Content) -> list[list[str]]:
    job, workers = found["job"], found["ray"]
    return [
        [f"a job killed {len(job['done_at_kills'])} times: results equal", _yes(job["same"])],
        [
            f"Ray workers killed {workers['killed']} times, the job started {workers['starts']} "
            "times: results equal",
            _yes(workers["same"]),
        ],
    ]


def _nodes(found: Content) -> list[list[str]]:
    return [["a node of a Ray cluster removed at work: results equal", _yes(found["same"])]]


def _extremes(found: Content) -> list[list[str]]:
    long, mixed = found["one_dialogue"], found["two_types"]
    return [
        [f"one dialogue of {long['turns']:,} turns: turns per second, peak MiB",
         f"{long['rate']:,.0f}, {long['peak_mib']:.0f}"],
        [f"{mixed['turns']:,} rows whose column changes its type at 90%, to Parquet: all kept",
         _yes(mixed["kept"])],
    ]  # fmt: skip


def _ray_data(found: Content) -> list[list[str]]:
    rows = found["undisturbed"]["rows"]
    return [
        [f"Ray Data, for comparison: of {rows} rows, written after one that raises an error",
         str(found["one_bad_row"]["written"])],
        ["written after a node was removed", str(found["node_removed"]["written"])],
    ]  # fmt: skip


_BATCH = {
    "memory": _memory,
    "rate": _rate,
    "ray": _ray,
    "kills": _kills,
    "nodes": _nodes,
    "extremes": _extremes,
    "ray-data": _ray_data,
}


def page(content: Content) -> str:
    """What the page weighs and how fast it is."""
    frame = content["frame"]
    rows = [
        ["size without fonts, kB", f"{content['bytes'] / 1000:.1f}"],
        [f"scrolling through {content['turns']:,} turns, work per frame, ms: median, 95th "
         "percentile, most", f"{frame['median_ms']}, {frame['p95_ms']}, {frame['max_ms']}"],
        ["the first answer of twenty turns from a warm service, seconds",
         f"{content['first_answer_seconds']}"],
    ]  # fmt: skip
    facts = f"Measured on {content['date']} with `{content['command']}` on {content['machine']}."
    return f"{table(['', ''], rows)}\n\n{facts}"


def _yes(found: bool) -> str:
    return "yes" if found else "**no**"


def _measured(parts: Content, command: str) -> str:
    days = ", ".join(sorted({part["date"] for part in parts.values()}))
    machines = sorted({f"{part['cores']} cores of {part['processor']}" for part in parts.values()})
    return f"Measured on {days} with `{command}` on {' and '.join(machines)}."
