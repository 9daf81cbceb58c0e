"""The report's first page: an answer to each question that was run, figures filled in from results.

The words are ours, the figures are not: ``[a against b]`` stands for a contrast of the experiment
with its interval, ``[condition | place]`` for a condition's value there. One that has not been run
is an error, so no sentence outlives its figures.
"""

from __future__ import annotations

import re
from typing import Any

from tables import points, signed

from sentixrl.experiments.plan import METRIC_NAMES

ANSWERS = {
    "ablation": (
        "History is what counts: it is worth [full against history off when asked] when a trained "
        "model is asked without it, [full against without history] when a model is trained "
        "without it, and [full against history of a stranger] against a stranger's. Nothing else "
        "is clear of zero: the instruction [full against without instruction], the label statement "
        "[full against without label statement], the speakers' names "
        "[full against anonymous speakers], a larger model's deductions "
        "[deductions against part without deductions] (against those of another dialogue "
        "[deductions against deductions of strangers]), four similar training turns "
        "[demonstrations against full] (against any four "
        "[demonstrations against demonstrations at random])."
    ),
}
_FIGURE = re.compile(r"\[([^][]+)\]")


def answer(name: str, found: dict[str, Any]) -> str | None:
    """The answer to an experiment's question, of the last split that was looked at.

    Args:
        name: The experiment's name.
        found: Its results, as written by ``sentixrl experiment``.

    Raises:
        KeyError: A figure of the answer is not among the results.
    """
    if name not in ANSWERS:
        return None
    split, told = list(found["splits"].items())[-1]
    differences = {one["title"]: one["found"] for one in told["family"] if one["found"]}
    used: list[int] = []

    def figure(match: re.Match[str]) -> str:
        title, _, place = match[1].partition(" | ")
        if place:
            here = told["conditions"][title]["places"][place]
            used.append(here["seeds"])
            return points(here[found["metric"]]["value"])
        one = differences[title]
        used.extend(one["seeds"].values())
        ends = "" if one["low"] is None else f" ({signed(one['low'])} to {signed(one['high'])})"
        return signed(one["value"]) + ends

    text = _FIGURE.sub(figure, ANSWERS[name])
    metric = METRIC_NAMES[found["metric"]]
    return f"{text} ({metric} in points on {split}, 95% intervals, {_seeds(used)}.)"


def _seeds(used: list[int]) -> str:
    words = {1: "one seed", 2: "two seeds", 3: "three seeds"}
    fewest, most = min(used), max(used)
    return words[most] if fewest == most else f"{words[fewest].split()[0]} to {words[most]}"
