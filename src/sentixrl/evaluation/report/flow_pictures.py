"""The report's pictures of negotiation: how utterances moved, and what was fixed or broken."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sentixrl.evaluation.report.drawing import (
    BLUE,
    FONT_SIZE,
    FULL,
    GREY,
    INK,
    MUTED,
    ON_BLUE,
    ON_ORANGE,
    ORANGE,
    SAND,
    SKY,
    Picture,
    axes,
    canvas,
    finished,
    short,
    style,
    text_width,
)
from sentixrl.evaluation.report.flow import Flow, State
from sentixrl.evaluation.report.numbers import whole

_COLOURS = {
    State.RIGHT: BLUE,
    State.OPEN_RIGHT: SKY,
    State.OPEN_WRONG: SAND,
    State.NONE: GREY,
    State.WRONG: ORANGE,
}
_WRITING = {State.RIGHT: ON_BLUE, State.WRONG: ON_ORANGE}
_NODE_INCHES = 0.36
_MARGIN = 0.3
_GAP = 0.02
_LEAST_LABELLED = 0.03

Places = dict[State, tuple[float, float]]
"""State → its bottom and top in a step, from 0 to 1."""


def flow_picture(found: Flow) -> Picture | None:
    """Ribbons between the steps; a ribbon's width is the number of utterances."""
    if not found.total:
        return None
    with style("negotiation"):
        figure = canvas(FULL, 3.9)
        plot = axes(figure, left=_MARGIN, right=_MARGIN, top=0.3, bottom=0.32)
        last = len(found.steps) - 1
        node = _NODE_INCHES * last / (FULL - 2 * _MARGIN - _NODE_INCHES)
        places = [_places(column, found.total) for column in found.counts]
        for step, moves in enumerate(found.moves):
            _ribbons(plot, step, moves, places[step : step + 2], found.total, node)
        for step, column in enumerate(found.counts):
            _nodes(plot, step, column, places[step], found.total, node)
            plot.text(step, 1.06, found.steps[step], ha="center", va="bottom", color=MUTED)
        plot.set(xlim=(-node / 2, last + node / 2), ylim=(-0.02, 1.05))
        plot.axis("off")
        _legend(plot, found)
        return finished(
            figure, "negotiation", "What became of negotiated utterances, round by round"
        )


def _places(column: Counter[State], total: int) -> Places:
    """The place of each state in a step: bottom and top, from 0 to 1."""
    present = [state for state in State if column[state]]
    room = 1 - _GAP * (len(State) - 1)
    height = room * column.total() / total + _GAP * (len(present) - 1)
    top = 0.5 + height / 2
    places: Places = {}
    for state in present:
        bottom = top - room * column[state] / total
        places[state] = (bottom, top)
        top = bottom - _GAP
    return places


def _ribbons(
    plot: Any,  # noqa: ANN401
    step: int,
    moves: Counter[tuple[State, State]],
    places: Sequence[Places],
    total: int,
    node: float,
) -> None:
    before, after = places
    room = 1 - _GAP * (len(State) - 1)
    leaving = {state: top for state, (_, top) in before.items()}
    arriving = {state: top for state, (_, top) in after.items()}
    order = list(State)
    ways = sorted(moves, key=lambda move: (order.index(move[0]), order.index(move[1])))
    for source, target in ways:
        thick = room * moves[source, target] / total
        ends = (step + node / 2, step + 1 - node / 2)
        _ribbon(plot, ends, (leaving[source], arriving[target]), thick, _COLOURS[source])
        leaving[source] -= thick
        arriving[target] -= thick


def _ribbon(
    plot: Any,  # noqa: ANN401
    across: tuple[float, float],
    tops: tuple[float, float],
    thick: float,
    colour: str,
) -> None:
    from matplotlib.patches import PathPatch
    from matplotlib.path import Path

    (left, right), (start, end) = across, tops
    middle = (left + right) / 2
    points = [
        (left, start), (middle, start), (middle, end), (right, end), (right, end - thick),
        (middle, end - thick), (middle, start - thick), (left, start - thick), (left, start),
    ]  # fmt: skip
    curve, line = Path.CURVE4, Path.LINETO
    codes = [Path.MOVETO, curve, curve, curve, line, curve, curve, curve, Path.CLOSEPOLY]
    plot.add_patch(PathPatch(Path(points, codes), facecolor=colour, alpha=0.45, linewidth=0))


def _nodes(
    plot: Any,  # noqa: ANN401
    step: int,
    column: Counter[State],
    places: Places,
    total: int,
    node: float,
) -> None:
    from matplotlib.patches import Rectangle

    for state, (bottom, top) in places.items():
        corner = (step - node / 2, bottom)
        plot.add_patch(
            Rectangle(corner, node, top - bottom, facecolor=_COLOURS[state], linewidth=0)
        )
        if column[state] / total >= _LEAST_LABELLED:
            colour = _WRITING.get(state, INK)
            middle = (top + bottom) / 2
            plot.text(step, middle, whole(column[state]), ha="center", va="center", color=colour,
                      size=FONT_SIZE - 1)  # fmt: skip


def _legend(plot: Any, found: Flow) -> None:  # noqa: ANN401
    from matplotlib.patches import Patch

    present = [state for state in State if any(column[state] for column in found.counts)]
    handles = [Patch(facecolor=_COLOURS[state], label=state.value) for state in present]
    plot.legend(handles=handles, loc="upper center", bbox_to_anchor=(0.5, 0.0), ncols=len(handles),
                handlelength=1.1, columnspacing=1.4, borderaxespad=0.2)  # fmt: skip


def changes_picture(metrics: Mapping[str, Any]) -> Picture | None:
    """How many answers negotiation fixed, and how many it broke, per gold label."""
    found = {
        name: kinds
        for name, kinds in metrics["negotiation"]["per_class"].items()
        if kinds["fixed"] or kinds["broken"]
    }
    if not found:
        return None
    rows = np.arange(len(found))
    fixed = np.array([kinds["fixed"] for kinds in found.values()])
    broken = np.array([kinds["broken"] for kinds in found.values()])
    left = max(text_width(short(name)) for name in found) + 0.2
    most = max(fixed.max(), broken.max()) * 1.15
    with style("changes"):
        figure = canvas(FULL, 0.8 + 0.26 * len(found))
        plot = axes(figure, left=left, right=0.85, top=0.32, bottom=0.43)
        plot.barh(rows, fixed, height=0.62, color=BLUE, label="fixed: wrong, then right")
        plot.barh(rows, -broken, height=0.62, color=ORANGE, label="broken: right, then wrong")
        plot.axvline(0, color=MUTED, linewidth=0.6)
        for row, (right, wrong) in enumerate(zip(fixed, broken, strict=True)):
            net = f"{right - wrong:+d}".replace("-", "−") if right != wrong else "±0"
            plot.text(1.02, row, f"net {net}", va="center", color=MUTED, size=FONT_SIZE - 1,
                      transform=plot.get_yaxis_transform())  # fmt: skip
        plot.set(xlim=(-most, most), ylim=(len(found) - 0.4, -0.6), xlabel="utterances")
        plot.set_yticks(rows, map(short, found))
        plot.xaxis.set_major_locator(_whole_ticks())
        plot.xaxis.set_major_formatter(lambda value, _: f"{abs(value):.0f}")
        plot.tick_params(axis="y", length=0)
        plot.spines["left"].set_visible(False)
        plot.grid(axis="x")
        plot.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, borderaxespad=0)
        return finished(
            figure, "changes", "Answers that negotiation fixed and broke, by gold label"
        )


def _whole_ticks() -> Any:  # noqa: ANN401
    from matplotlib.ticker import MaxNLocator

    return MaxNLocator(nbins=6, integer=True)
