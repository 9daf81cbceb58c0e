"""The picture of an experiment: differences with their intervals, or the metric against seconds.

Contract: drawn from the results alone, so that it can be drawn again. What was not run is not
drawn.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sentixrl.errors import MissingDependencyError
from sentixrl.evaluation.report.drawing import BLUE, FULL, GREY, INK, LINE, ORANGE
from sentixrl.experiments.contrasts import LEVEL
from sentixrl.experiments.plan import METRIC_NAMES

ROW = 0.26
"""Inches of a row of the forest."""
_COLOURS = (BLUE, ORANGE, INK, "#2f8f6b", "#a2559c", GREY)
_STYLES = ("-", "--", ":")
SHOWN = 60
"""Rows and labels that are drawn at most."""


def draw(results: Mapping[str, Any], kind: str, path: Path) -> bool:
    """Draw the picture of the last split that was asked about.

    Args:
        results: What :func:`~sentixrl.experiments.results.results_of` gives.
        kind: ``forest`` or ``cost``.
        path: An SVG or PNG file.

    Returns:
        Whether there was anything to draw.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    if not results["splits"]:
        return False
    try:
        import matplotlib
        from matplotlib.figure import Figure
    except ImportError:
        raise MissingDependencyError.of("matplotlib", "eval") from None
    split, found = list(results["splits"].items())[-1]
    style = {"font.size": 8, "svg.hashsalt": "sentixrl", "svg.fonttype": "none"}
    with matplotlib.rc_context(style):
        maker = _cost if kind == "cost" else _forest
        figure = Figure(layout="constrained")
        if not maker(figure, found, results["metric"], split):
            return False
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=200)
    return True


def _forest(figure: Any, found: Mapping[str, Any], metric: str, split: str) -> bool:  # noqa: ANN401
    tests = [entry for entry in found["family"] if entry["found"] is not None][:SHOWN]
    if not tests:
        return False
    figure.set_size_inches(FULL, 0.9 + ROW * len(tests))
    axes = figure.add_subplot()
    for place, entry in enumerate(reversed(tests)):
        one = entry["found"]
        sure = one["p_holm"] is not None and one["p_holm"] < LEVEL
        colour = BLUE if sure else GREY
        if one["low"] is not None:
            axes.plot([100 * one["low"], 100 * one["high"]], [place, place], color=colour, lw=2.2)
        axes.plot(100 * one["value"], place, "o", color=colour, ms=5, zorder=3)
        if len(one["places"]) > 1:
            values = [100 * value for value in one["places"].values() if value is not None]
            axes.plot(values, [place] * len(values), "|", color=ORANGE, ms=8, zorder=4)
    axes.axvline(0, color=INK, lw=0.8)
    axes.set_yticks(range(len(tests)), [entry["title"] for entry in reversed(tests)])
    axes.set_ylim(-0.7, len(tests) - 0.3)
    axes.set_xlabel(
        f"Difference in {METRIC_NAMES[metric]}, points, on {split}; blue: clear of zero after Holm"
    )
    _plain(axes, "x")
    return True


def _cost(figure: Any, found: Mapping[str, Any], metric: str, split: str) -> bool:  # noqa: ANN401
    points = _points(found, metric)
    if not points:
        return False
    figure.set_size_inches(FULL, 3.6)
    axes = figure.add_subplot()
    groups: dict[str, list[tuple[float, float, str]]] = {}
    for group, cost, value, name in points:
        groups.setdefault(group, []).append((cost, value, name))
    for number, (group, held) in enumerate(groups.items()):
        colour = _COLOURS[number % len(_COLOURS)]
        held.sort()
        style = _STYLES[number // len(_COLOURS) % len(_STYLES)]
        line = style if group and len(held) > 1 else ""
        axes.plot(
            *([x for x, _, _ in held], [y for _, y, _ in held]),
            marker="o", ms=4, lw=1.2, ls=line, color=colour, label=group or None,
        )  # fmt: skip
        if not group:
            for x, y, name in held[:SHOWN]:
                axes.annotate(name, (x, y), (4, 3), textcoords="offset points", fontsize=7)
    axes.set_xlabel(f"Milliseconds per utterance, on {split}")
    axes.set_ylabel(f"{METRIC_NAMES[metric]}, %")
    if any(groups):
        figure.legend(frameon=False, fontsize=7, loc="outside right upper")
    _plain(axes, "both")
    return True


def _points(found: Mapping[str, Any], metric: str) -> list[tuple[str, float, float, str]]:
    """Group, milliseconds per utterance, metric and name of every condition: means over places."""
    points = []
    for name, row in found["conditions"].items():
        held = [cell for cell in row["places"].values() if cell["seconds"]]
        if not held:
            continue
        cost = sum(1000 * cell["seconds"] / cell["utterances"] for cell in held) / len(held)
        value = sum(100 * cell[metric]["value"] for cell in held) / len(held)
        points.append((row["group"], cost, value, name))
    return points


def _plain(axes: Any, grid: Any) -> None:  # noqa: ANN401
    axes.grid(axis=grid, color=LINE, lw=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
