"""The picture of an experiment: differences with their intervals, or the metric against seconds.

Contract: drawn from the results alone, so that it can be drawn again. What was not run is not
drawn.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import Any, NamedTuple

from sentixrl.errors import MissingDependencyError
from sentixrl.evaluation.report.drawing import BLUE, FULL, GREY, INK, LINE, ORANGE
from sentixrl.experiments.contrasts import LEVEL
from sentixrl.experiments.plan import METRIC_NAMES

ROW = 0.3
"""Inches of a row of the forest."""
WIDTH = 48
"""Characters of a title on one line."""
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
    titles = ["\n".join(wrap(entry["title"], WIDTH)) for entry in reversed(tests)]
    axes.set_yticks(range(len(tests)), titles)
    axes.set_ylim(-0.7, len(tests) - 0.3)
    several = any(len(entry["found"]["places"]) > 1 for entry in tests)
    figure.supxlabel(
        f"Difference in {METRIC_NAMES[metric]}, points, on {split}. Blue: clear of zero after Holm"
        + ("; orange: each place" if several else ""),
        fontsize=8,
    )
    _plain(axes, "x")
    return True


def _cost(figure: Any, found: Mapping[str, Any], metric: str, split: str) -> bool:  # noqa: ANN401
    points = _points(found, metric)
    if not points:
        return False
    from matplotlib.ticker import LogLocator

    panels = list(dict.fromkeys(point.panel for point in points if point.panel)) or [""]
    across = min(2, len(panels))
    down = -(-len(panels) // across)
    figure.set_size_inches(FULL, 1.2 + 2.4 * down)
    grid = figure.subplots(down, across, sharex=True, sharey=True, squeeze=False)
    groups = list(dict.fromkeys(point.group for point in points if point.group))
    for axes, panel in zip(grid.flat, panels, strict=False):
        here = [point for point in points if point.panel in {"", panel}]
        for number, group in enumerate(groups):
            _line(axes, sorted(point for point in here if point.group == group), number)
        _named(axes, [point for point in here if not point.group][:SHOWN])
        axes.set_title(panel, fontsize=8, loc="left")
        axes.set_xscale("log")
        axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
        axes.xaxis.set_major_formatter("{x:g}")
        axes.xaxis.set_minor_formatter("")
        _plain(axes, "both")
    for spare in grid.flat[len(panels) :]:
        spare.set_visible(False)
    figure.supxlabel(f"Milliseconds per utterance, on {split}", fontsize=8)
    figure.supylabel(f"{METRIC_NAMES[metric]}, %", fontsize=8)
    if lines := {line.get_label(): line for axes in grid.flat for line in axes.get_lines()
                 if not line.get_label().startswith("_")}:  # fmt: skip
        order = [group for group in groups if group in lines]
        figure.legend(
            *([lines[group] for group in order], order),
            frameon=False, fontsize=7, loc="outside right upper",
        )  # fmt: skip
    return True


def _line(axes: Any, held: Sequence[_Point], number: int) -> None:  # noqa: ANN401
    """One group's points, joined."""
    if not held:
        return
    axes.plot(
        *([point.cost for point in held], [point.value for point in held]),
        marker="o", ms=4, lw=1.2, color=_COLOURS[number % len(_COLOURS)],
        ls=_STYLES[number // len(_COLOURS) % len(_STYLES)], label=held[0].group,
    )  # fmt: skip


def _named(axes: Any, held: Sequence[_Point]) -> None:  # noqa: ANN401
    """Points of no group, with their names."""
    for point in held:
        axes.plot(point.cost, point.value, marker="D", ms=4, color=INK)
        axes.annotate(
            *(point.name, (point.cost, point.value), (4, 3)),
            textcoords="offset points",
            fontsize=7,
        )


class _Point(NamedTuple):
    """A condition's means over its places."""

    cost: float
    """Milliseconds per utterance."""
    value: float
    """The metric, in points."""
    name: str
    group: str
    panel: str


def _points(found: Mapping[str, Any], metric: str) -> list[_Point]:
    points = []
    for name, row in found["conditions"].items():
        held = [cell for cell in row["places"].values() if cell["seconds"]]
        if not held or not row["drawn"]:
            continue
        cost = sum(1000 * cell["seconds"] / cell["utterances"] for cell in held) / len(held)
        value = sum(100 * cell[metric]["value"] for cell in held) / len(held)
        points.append(_Point(cost, value, name, row["group"], row["panel"]))
    return points


def _plain(axes: Any, grid: Any) -> None:  # noqa: ANN401
    axes.grid(axis=grid, color=LINE, lw=0.6)
    axes.set_axisbelow(True)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
