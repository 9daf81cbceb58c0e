"""The report's pictures of a run's metrics: confusion, classes, calibration, abstention, slices.

Contract: pure functions of ``metrics.json``. If there is nothing to draw, they return ``None``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sentixrl.evaluation.calibration_report import one_probability
from sentixrl.evaluation.confusion import Floats
from sentixrl.evaluation.report.drawing import (
    BLUE,
    FONT_SIZE,
    FULL,
    GREY,
    HALF,
    INK,
    MUTED,
    ON_BLUE,
    ORANGE,
    SKY,
    Picture,
    axes,
    canvas,
    finished,
    short,
    style,
    text_width,
)
from sentixrl.evaluation.report.numbers import points, whole

MOST_LABELS = 40
"""The most classes in a readable matrix; of more, the most frequent are drawn."""
NO_LABEL = "no label"
_SMALL = FONT_SIZE - 1
_TALL = 4.1


def confusion(metrics: Mapping[str, Any]) -> Picture:
    """Gold by answer, as shares of the gold label, with counts; the last column is no label."""
    names, matrix, totals = shown_classes(metrics)
    size = len(names)
    margin = max(text_width(short(name)) for name in names) + 0.35
    cell = min(0.66, (FULL - margin - 0.5) / (size + 1.25))
    upright = cell > max(text_width(short(name)) for name in (*names, NO_LABEL)) + 0.06
    head = 0.45 if upright else margin + 0.05
    with style("confusion"):
        figure = canvas(margin + cell * (size + 1.25) + 0.5, head + cell * size + 0.05)
        plot = axes(figure, left=margin, right=0.5, top=head, bottom=0.05)
        places = [*range(size), size + 0.25]
        _cells(plot, matrix, totals, places, cell)
        plot.set(xlim=(-0.5, size + 0.75), ylim=(size - 0.5, -0.5))
        plot.set_yticks(range(size), map(short, names))
        plot.set_xticks(places, [*map(short, names), NO_LABEL])
        plot.xaxis.tick_top()
        plot.xaxis.set_label_position("top")
        if not upright:
            plot.tick_params(axis="x", rotation=90)
        plot.tick_params(length=0)
        plot.spines[:].set_visible(False)
        plot.set_xlabel("answer", color=MUTED, labelpad=6)
        plot.set_ylabel("gold", color=MUTED, labelpad=6)
        for row, total in enumerate(totals.tolist()):
            plot.text(
                size + 0.9, row, whole(total), va="center", ha="left", color=MUTED, size=_SMALL
            )
        return finished(
            figure, "confusion", "Confusion matrix: gold label by answer, in % of the gold label"
        )


def shown_classes(metrics: Mapping[str, Any]) -> tuple[list[str], Floats, Floats]:
    """Labels, counts and totals of the gold labels; of very many labels, only the most frequent.

    Returns:
        L names, counts of gold by answer, shape [L, L + 1], and gold items, shape [L].
    """
    names = list(metrics["label_set"]["labels"])
    matrix = np.array(metrics["confusion"]["strict"], dtype=np.float64)
    totals = np.asarray(matrix.sum(axis=1))
    kept = np.sort(np.argsort(-totals, kind="stable")[:MOST_LABELS])
    columns = np.append(kept, len(names))
    return [names[place] for place in kept], matrix[np.ix_(kept, columns)], totals[kept]


def _cells(
    plot: Any,  # noqa: ANN401
    matrix: Floats,
    totals: Floats,
    places: Sequence[float],
    inches: float,
) -> None:
    from matplotlib.patches import Rectangle

    for row, column in np.ndindex(matrix.shape):
        number = float(matrix[row, column])
        share = number / max(float(totals[row]), 1)
        corner, tint = (places[column] - 0.47, row - 0.47), round(0.04 + 0.96 * share, 3)
        plot.add_patch(Rectangle(corner, 0.94, 0.94, facecolor=BLUE, alpha=tint, linewidth=0))
        if column == row:
            plot.add_patch(
                Rectangle(corner, 0.94, 0.94, facecolor="none", edgecolor=INK, linewidth=0.7)
            )
        if number:
            _write_cell(plot, (places[column], row), share, number, inches)


def _write_cell(
    plot: Any,  # noqa: ANN401
    place: tuple[float, float],
    share: float,
    number: float,
    inches: float,
) -> None:
    """The share in %, with the count below; less in small cells, nothing in tiny ones."""
    across, down = place
    look = {"ha": "center", "va": "center", "color": ON_BLUE if share > 0.5 else INK}
    if inches > 0.4:
        plot.text(across, down - 0.12, points(share, 0), **look)
        plot.text(across, down + 0.24, whole(number), size=FONT_SIZE - 2, **look)
    elif inches > 0.24:
        plot.text(across, down, points(share, 0), size=min(FONT_SIZE, inches * 22), **look)


def classes(metrics: Mapping[str, Any]) -> Picture:
    """Precision, recall and F1 of every class, with the interval of F1 and the support."""
    found = _most_frequent(metrics["per_class"])
    size = len(found)
    left = max(text_width(short(name)) for name in found) + 0.2
    bars = (
        ("f1", "F1", {"facecolor": BLUE, "edgecolor": BLUE}),
        ("precision", "precision", {"facecolor": SKY, "edgecolor": SKY}),
        ("recall", "recall", {"facecolor": "none", "edgecolor": BLUE, "hatch": "/////"}),
    )
    with style("classes"):
        figure = canvas(FULL, 0.75 + 0.42 * size)
        plot = axes(figure, left=left, right=0.85, top=0.32, bottom=0.43)
        rows = np.arange(size)
        for step, (key, title, look) in enumerate(bars):
            values = [100 * (one[key]["value"] or 0) for one in found.values()]
            shift = 0.28 * (step - 1)
            plot.barh(
                rows + shift, values, height=0.23, label=title, linewidth=0.6, zorder=2, **look
            )
        for row, one in enumerate(found.values()):
            _whisker(plot, one["f1"], row - 0.28)
            text = f"n = {whole(one['support'])}"
            plot.text(
                1.02, row, text, transform=plot.get_yaxis_transform(), va="center", color=MUTED,
                size=_SMALL,
            )  # fmt: skip
        plot.set(xlim=(0, 100), ylim=(size - 0.45, -0.55), xlabel="%")
        plot.set_yticks(rows, map(short, found))
        plot.tick_params(axis="y", length=0)
        plot.spines["left"].set_visible(False)
        plot.grid(axis="x")
        plot.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=3, borderaxespad=0)
        return finished(figure, "classes", "Precision, recall and F1 of every class")


def _most_frequent(per_class: Mapping[str, Any]) -> dict[str, Any]:
    kept = sorted(per_class, key=lambda name: -per_class[name]["support"])[:MOST_LABELS]
    return {name: one for name, one in per_class.items() if name in set(kept)}


def _whisker(plot: Any, interval: Mapping[str, float | None], row: float) -> None:  # noqa: ANN401
    if interval["low"] is not None and interval["high"] is not None:
        ends = (100 * interval["low"], 100 * interval["high"])
        plot.plot(ends, (row, row), color=INK, linewidth=0.9, solid_capstyle="butt", zorder=3)
        plot.plot(ends, (row, row), "|", color=INK, markersize=3.5, markeredgewidth=0.9, zorder=3)


_CURVES = (
    ("answer", "confidence of the answer", BLUE, "o", "-"),
    ("proposal", "first posterior", ORANGE, "s", (0, (4, 1.5))),
)


def reliability(
    metrics: Mapping[str, Any], confidences: Mapping[str, Sequence[float]]
) -> Picture | None:
    """Accuracy against confidence by bins of equal mass, and the confidences' distribution.

    Args:
        metrics: The run's.
        confidences: ``answer`` and ``proposal`` → the confidences behind the curve.
    """
    found = metrics["calibration"] or {}
    if not any(found.get(key) for key, *_ in _CURVES):
        return None
    with style("reliability"):
        figure = canvas(HALF, _TALL)
        plot = axes(figure, left=0.5, right=0.12, top=0.5, bottom=1.15)
        below = axes(figure, left=0.5, right=0.12, top=_TALL - 1.03, bottom=0.42)
        plot.plot((0, 1), (0, 1), color=GREY, linewidth=0.8, linestyle=(0, (2, 2)))
        tilted = {"rotation": 45, "rotation_mode": "anchor", "transform_rotates_text": True}
        plot.text(0.6, 0.61, "calibrated", color=MUTED, size=_SMALL, ha="center", **tilted)
        for key, title, colour, marker, line in _CURVES:
            curve = found.get(key)
            if not curve or (key == "proposal" and one_probability(found)):
                continue
            bins = curve["reliability"]
            plot.plot(
                [part["confidence"] for part in bins], [part["accuracy"] for part in bins],
                marker=marker, markersize=3.5, linestyle=line, color=colour, linewidth=1.1,
                label=f"{title}, ECE {points(curve['ece'])}",
            )  # fmt: skip
            below.hist(
                confidences.get(key, ()), bins=np.linspace(0, 1, 26), histtype="step",
                color=colour, linestyle=line, linewidth=1,
            )  # fmt: skip
        plot.set(xlim=(0, 1), ylim=(0, 1), ylabel="accuracy")
        plot.tick_params(labelbottom=False)
        plot.grid()
        plot.legend(loc="lower left", bbox_to_anchor=(-0.02, 1), handlelength=2, borderaxespad=0.3)
        below.set(xlim=(0, 1), xlabel="confidence", ylabel="items")
        below.yaxis.set_major_locator(_few_ticks())
        below.grid(axis="x")
        return finished(figure, "reliability", "Reliability diagram: accuracy against confidence")


def _few_ticks() -> Any:  # noqa: ANN401
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(nbins=2, integer=True)


def risk_coverage(metrics: Mapping[str, Any]) -> Picture | None:
    """Share of wrong answers among the most confident ones, for every size of that part."""
    found = (metrics["calibration"] or {}).get("risk_coverage")
    if not found:
        return None
    coverage = [part["coverage"] for part in found["curve"]]
    risk = [100 * part["risk"] for part in found["curve"]]
    with style("risk_coverage"):
        figure = canvas(HALF, _TALL)
        plot = axes(figure, left=0.5, right=0.12, top=0.5, bottom=0.42)
        steps = np.linspace(0.005, 1, 200)
        ideal = 100 * np.maximum(steps - (1 - risk[-1] / 100), 0) / steps
        plot.axhline(risk[-1], color=GREY, linewidth=0.9, linestyle=(0, (1, 1.5)),
                     label="random ranking")  # fmt: skip
        plot.plot(100 * steps, ideal, color=ORANGE, linewidth=1.1, linestyle=(0, (4, 1.5)),
                  label="perfect ranking")  # fmt: skip
        plot.plot([100 * value for value in coverage], risk, color=BLUE, label="this run")
        covered = metrics["coverage"]["value"]
        if covered is not None and covered < 1:
            plot.axvline(100 * covered, color=MUTED, linewidth=0.7)
            beside = {"rotation": 90, "va": "top", "ha": "right", "color": MUTED, "size": _SMALL}
            place = plot.get_xaxis_transform()
            plot.text(100 * covered - 1.5, 0.985, "forced from here", transform=place, **beside)
        top = max(5.0, 1.35 * max(max(risk), risk[-1]))
        plot.set(xlim=(0, 100), ylim=(0, min(top, 100)), xlabel="coverage: answered, %")
        plot.set_ylabel("risk: wrong among the answered, %")
        plot.grid()
        handles, titles = plot.get_legend_handles_labels()
        plot.legend(handles[::-1], titles[::-1], loc="lower left", bbox_to_anchor=(-0.02, 1),
                    ncols=2, handlelength=2, borderaxespad=0.3, columnspacing=1.2)  # fmt: skip
        return finished(figure, "risk_coverage", "Risk-coverage curve: error against coverage")


def slices(metrics: Mapping[str, Any]) -> Picture | None:
    """Weighted-F1 on every part of every dimension, with intervals and the run's own."""
    found = metrics["slices"]
    if not found:
        return None
    rows = [(dimension, part, one) for dimension in found for part, one in found[dimension].items()]
    heights, at = [], 0.0
    for number, (dimension, _, _) in enumerate(rows):
        at += 1.0 if not number or rows[number - 1][0] == dimension else 1.6
        heights.append(at)
    words = [part_words(part) for _, part, _ in rows]
    titles = {dimension: DIMENSION_WORDS.get(dimension, dimension) for dimension in found}
    column = max(text_width(short(word)) for word in words) + 0.15
    left = column + max(text_width(title) for title in titles.values()) + 0.2
    with style("slices"):
        figure = canvas(FULL, 0.6 + 0.19 * (at + 0.6))
        plot = axes(figure, left=left, right=0.85, top=0.1, bottom=0.43)
        whole_run = metrics["weighted_f1"]
        if whole_run["low"] is not None and whole_run["high"] is not None:
            plot.axvspan(100 * whole_run["low"], 100 * whole_run["high"], color=SKY, alpha=0.35,
                         linewidth=0)  # fmt: skip
        plot.axvline(100 * (whole_run["value"] or 0), color=BLUE, linewidth=0.8)
        for height, (_, _, one) in zip(heights, rows, strict=True):
            if one["weighted_f1"]["value"] is not None:
                _whisker(plot, one["weighted_f1"], height)
                plot.plot(100 * one["weighted_f1"]["value"], height, "o", color=INK, markersize=3.6)
            plot.text(1.02, height, f"n = {whole(one['n'])}", va="center", color=MUTED,
                      size=_SMALL, transform=plot.get_yaxis_transform())  # fmt: skip
        across = plot.get_window_extent().width / figure.dpi
        for dimension, title in titles.items():
            first = next(h for h, row in zip(heights, rows, strict=True) if row[0] == dimension)
            plot.text(-left / across, first, title, va="center", color=MUTED,
                      transform=plot.get_yaxis_transform())  # fmt: skip
        plot.set_yticks(heights, map(short, words))
        plot.tick_params(axis="y", length=0)
        plot.set(xlim=_reach(metrics, rows), ylim=(at + 0.6, 0.4), xlabel="weighted-F1, %")
        plot.spines["left"].set_visible(False)
        plot.grid(axis="x")
        return finished(figure, "slices", "Weighted-F1 on parts of the run")


def _reach(metrics: Mapping[str, Any], rows: Sequence[tuple[str, str, Any]]) -> tuple[float, float]:
    """The multiples of ten around all intervals."""
    shown = [metrics["weighted_f1"], *(one["weighted_f1"] for _, _, one in rows)]
    ends = [
        100 * value
        for one in shown
        for value in (one["low"], one["value"], one["high"])
        if value is not None
    ] or [0.0, 100.0]
    low = min(10 * np.floor(min(ends) / 10), 90.0)
    return low, min(100, 10 * np.floor(max(ends) / 10) + 10)


def part_words(part: str) -> str:
    """The name of a part of a dimension."""
    return SLICE_WORDS.get(part, part.replace("-", "–") if part[:1].isdigit() else part)


DIMENSION_WORDS = {
    "turn": "turn in the dialogue",
    "context": "context",
    "speaker": "speaker",
    "emotion_shift": "speaker's emotion",
    "words": "words",
    "characters": "characters",
    "language": "language",
}
SLICE_WORDS = {
    "contextual": "has turns before",
    "standalone": "first turn",
    "same": "same as before",
    "changed": "another than before",
    "shift": "changed",
    "no_shift": "as last time",
}
