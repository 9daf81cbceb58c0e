"""What the parts of the benchmark found, and what becomes of it: a table, JSON, a verdict.

Contract: of runs of one name the fastest counts. Figures are valid only if the runs that count had
the machine to themselves; where they had not, the JSON says so.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rich.table import Table

from benchmarks.agreement import Agreement
from benchmarks.children import Run
from benchmarks.timing import QUIET, Timing

SINGLE = "trie, single pass"
TOGETHER = "trie, dialogues together"
FORCED_ALONE = "trie, three rounds, each dialogue alone"
FORCED = "trie, three rounds"
NATURAL = "trie, negotiation"
ONE_THREAD = "trie, one thread"
WORKERS = "trie, a worker per thread"
BARRIERS = "trie, one worker on all threads"
REFERENCE = "reference, single pass"
GENERATE = "transformers generate"
UNSHARED = "unshared scoring"
PIPELINE = "transformers pipeline(decision)"
LLAMA = "llama.cpp server, prompt cache"


@dataclass(slots=True)
class Results:
    """Everything that was measured; parts that were left out leave nothing.

    Attributes:
        timings: Contender → its fastest run, on a quiet machine.
        contended: Priority of the neighbours → the fastest run beside them.
        reference_contended: The reference beside neighbours of the lowest priority, over the same
            dialogues on a quiet machine.
        survival: Contender → the share of utterances still open in each round.
        growth: Turns of a dialogue → milliseconds per utterance.
        agreements: What was compared → today's answers against the reference's.
        same_labels: Contender → the share of its labels that are ours.
        left_out: What was not measured → why.
        peak_others: The share that others had while the machine's best rate was measured.
    """

    timings: dict[str, Timing] = field(default_factory=dict)
    contended: dict[int, Timing] = field(default_factory=dict)
    reference_contended: float | None = None
    survival: dict[str, tuple[float, ...]] = field(default_factory=dict)
    growth: dict[str, float] = field(default_factory=dict)
    agreements: dict[str, Agreement] = field(default_factory=dict)
    same_labels: dict[str, float] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    peak_others: float = 0.0

    def add(self, found: Timing | Run) -> Timing:
        """Keep a run on a quiet machine if it is the fastest of its name."""
        timing = found.timing if isinstance(found, Run) else found
        best = self.timings.get(timing.name)
        if best is None or timing.seconds < best.seconds:
            self.timings[timing.name] = timing
        if isinstance(found, Run) and found.survival[0]:
            self.survival[timing.name] = found.survival
        return timing

    def rate(self, name: str) -> float | None:
        """Utterances per second of a contender, if it was measured."""
        return self.timings[name].rate if name in self.timings else None

    def disturbances(self) -> list[str]:
        """The figures that others disturbed, each a sentence."""
        shares = {name: timing.others for name, timing in self.timings.items()}
        shares |= {f"beside nice {nice}": timing.others for nice, timing in self.contended.items()}
        shares["matrix products"] = self.peak_others
        return [
            f"{name}: other processes took {share:.0%} of the processors"
            for name, share in shares.items()
            if share > QUIET
        ]


def headline(results: Results, useful: float | None, overhead: float | None) -> dict[str, Any]:
    """The figures that the project holds itself to; ``None`` for what was not measured."""
    single, together = results.rate(SINGLE), results.rate(TOGETHER)
    forced, natural = results.rate(FORCED), results.rate(NATURAL)
    reference = results.rate(REFERENCE)
    beside = {nice: timing.rate for nice, timing in results.contended.items()}
    figures = {
        "ratio_generate": _ratio(single, results.rate(GENERATE)),
        "ratio_unshared": _ratio(single, results.rate(UNSHARED)),
        "ratio_decision_pipeline": _ratio(single, results.rate(PIPELINE)),
        "ratio_llama_cpp": _ratio(single, results.rate(LLAMA)),
        "negotiation_forced": _ratio(together, forced),
        "negotiation_natural": _ratio(together, natural),
        "negotiation_forced_alone": _ratio(single, results.rate(FORCED_ALONE)),
        "useful_fraction": useful,
        "tokens_overhead": overhead,
        "utterances_per_second": single,
        "together_per_second": together,
        "one_thread_per_second": results.rate(ONE_THREAD),
        # The reference computes dialogues together; today's default computes each alone.
        "threads_gain": _ratio(together, reference),
        "default_gain": _ratio(single, reference),
        "contended_fraction": _ratio(beside.get(19), single),
        "contended_fraction_nice0": _ratio(beside.get(0), single),
    }
    rounded = {name: value if value is None else round(value, 3) for name, value in figures.items()}
    alone = [found for name, found in results.agreements.items() if "reproducible" in name]
    return {
        **rounded,
        "reproducible_bit_equal": all(found.bit_equal for found in alone) if alone else None,
        "valid": not results.disturbances(),
    }


def _ratio(over: float | None, under: float | None) -> float | None:
    return over / under if over and under else None


def details(results: Results) -> dict[str, Any]:
    """Everything else, as plain data."""
    return {
        "contenders": {timing.name: _plain(timing) for timing in results.timings.values()},
        "contention": {
            **{f"nice {nice}": _plain(timing) for nice, timing in results.contended.items()},
            "reference_fraction": results.reference_contended,
        },
        "round_survival": {name: list(shares) for name, shares in results.survival.items()},
        "milliseconds_per_utterance_by_turns": {
            turns: round(cost, 2) for turns, cost in results.growth.items()
        },
        "agreement": {name: found.as_dict() for name, found in results.agreements.items()},
        "resident_mib": {
            name: results.timings[name].resident_mib
            for name in (ONE_THREAD, WORKERS)
            if name in results.timings
        },
        "labels_as_ours": {name: round(v, 4) for name, v in results.same_labels.items()},
        "left_out": results.left_out,
        "disturbed": results.disturbances(),
    }


def _plain(timing: Timing) -> dict[str, Any]:
    return {
        "utterances_per_second": round(timing.rate, 2),
        "utterances": timing.utterances,
        "tokens_computed": timing.tokens,
        "seconds": round(timing.seconds, 3),
        "cpu_share": round(timing.cpu_share, 3),
        "others_share": round(timing.others, 3),
        "resident_mib": timing.resident_mib or None,
    }


def as_table(results: Results) -> Table:
    """All contenders, the slowest first."""
    title = "Utterances per second, tokens per utterance, shares of the processors, memory"
    table = Table(title=title, title_justify="left")
    for name in ("", "rate", "tokens", "own", "others", "MiB"):
        table.add_column(name, justify="right" if name else "left", no_wrap=True)
    rows = [(timing.name, timing) for timing in results.timings.values()]
    rows += [(f"trie, beside nice {nice}", timing) for nice, timing in results.contended.items()]
    for name, timing in sorted(rows, key=lambda row: row[1].rate):
        table.add_row(
            name,
            f"{timing.rate:.1f}",
            f"{timing.tokens / timing.utterances:.1f}",
            f"{timing.cpu_share:.0%}",
            f"{timing.others:.0%}",
            str(timing.resident_mib or "–"),
        )
    return table
