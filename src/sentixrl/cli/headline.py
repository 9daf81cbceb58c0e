"""The numbers of an evaluation to look at first, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich.console import Group

from sentixrl.cli.console import headed, new_table
from sentixrl.datasets.dataset import titled
from sentixrl.evaluation.calibration_report import one_probability

if TYPE_CHECKING:
    from sentixrl.runs import RunFolder


def headline_table(metrics: Mapping[str, Any], run: RunFolder) -> Group:
    """The numbers to look at first, in percent."""
    identity = run.record["identity"]
    data = identity["data"]
    what = titled(data["dataset"], data["split"], data["variant"])
    title = f"{identity['model']['name']} on {what}, {data['task']}"
    table = new_table()
    table.add_column("")
    table.add_column("%", justify="right")
    table.add_column(f"{metrics['level']:.0%} interval", no_wrap=True)
    for name, value in headline_rows(metrics):
        table.add_row(name, percent(value.get("value")), interval(value))
    speed = metrics["speed"]["utterances_per_second"]
    note = f"{metrics['n']:,} utterances scored"
    if sets := (metrics["calibration"] or {}).get("sets"):
        note += f"; sets of {sets['mean_size']['value']:.2f} labels on average"
    if speed is not None and identity["kind"] != "predictions":
        note += f"; {speed:,.1f} utterances/s"
    return headed(title, table, note)


def headline_rows(metrics: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    """Name and value of every row of the headline table."""
    if metrics.get("kind") == "several":
        return _several_rows(metrics)
    rows: list[tuple[str, Mapping[str, Any]]] = [
        ("weighted-F1", metrics["weighted_f1"]),
        ("macro-F1", metrics["macro_f1"]),
        ("accuracy", metrics["accuracy"]),
    ]
    if "micro_f1_without_neutral" in metrics:
        found = metrics["micro_f1_without_neutral"]
        rows.append((f"micro-F1 without {found['neutral']}", found))
    for name, found in (metrics.get("graded") or {}).items():
        kind, classes = name.split("_")
        rows.append((f"{'Acc' if kind == 'acc' else 'F1'}-{classes} (CH-SIMS)", found))
    rows.append(("coverage (a label without force)", metrics["coverage"]))
    if metrics["coverage"]["value"] != 1:
        wrong = metrics["outlier_as_wrong"]["weighted_f1"]
        rows.append(("weighted-F1, outlier as wrong", wrong))
    calibration = metrics["calibration"] or {}
    parts = [("proposal", "first posterior"), ("answer", "confidence")]
    for part, what in parts[one_probability(calibration) :]:
        if calibration.get(part):
            rows.append((f"ECE of the {what}", {"value": calibration[part]["ece"]}))
    if sets := calibration.get("sets"):
        rows.append(("sets that hold the truth", sets["coverage"]))
        rows.append(("sets of all labels", sets["full"]))
    return rows


def _several_rows(metrics: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    rows: list[tuple[str, Mapping[str, Any]]] = [
        ("macro-F1", metrics["macro_f1"]),
        ("micro-F1", metrics["micro_f1"]),
        ("Jaccard index", metrics["jaccard"]),
        ("exactly the gold labels", metrics["exact_match"]),
    ]
    if metrics["calibration"]:
        rows.append(("ECE of the labels' probabilities", {"value": metrics["calibration"]["ece"]}))
    return rows


def percent(value: float | None) -> str:
    """A fraction in percent, one decimal."""
    return "–" if value is None else f"{100 * value:.1f}"


def interval(found: Mapping[str, Any]) -> str:
    """An interval's ends in percent."""
    low, high = found.get("low"), found.get("high")
    return "" if low is None or high is None else f"{percent(low)} – {percent(high)}"
