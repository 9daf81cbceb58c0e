"""What an experiment found: a table, tests, a verdict, as data and as Markdown.

Contract: every row says how many seeds it has. A cell that was not run says so, with its reason;
one that the plan does not have is a dash. A value stands with its interval only where there are ten
clusters or more. Test figures are kept apart from dev's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import mean, stdev
from typing import Any

import numpy as np

from sentixrl.evaluation.confusion import Floats
from sentixrl.evaluation.intervals import Resampling, intervals, json_number
from sentixrl.evaluation.metrics import HEADLINE, headline
from sentixrl.experiments.contrasts import FEWEST_CLUSTERS, family, value_of
from sentixrl.experiments.jobs import cells, planned_places
from sentixrl.experiments.plan import METRIC_NAMES, Experiment, Metric
from sentixrl.experiments.running import DEV, TEST, Outcome
from sentixrl.experiments.telling import Told, told_by
from sentixrl.experiments.verdicts import signed, verdict
from sentixrl.runs.identity import digest

CONFUSIONS = 3
"""How many pairs of labels a table names."""


def runs_of(experiment: Experiment, outcome: Outcome, split: str) -> dict[str, dict[str, Floats]]:
    """Condition → place → tallies by seed and track, ``[S, C, T, 3, L]``.

    Only seeds that all tracks of a place have are taken.
    """
    found: dict[str, dict[str, Floats]] = {}
    clusters = _clusters(outcome, split)
    for name in experiment.conditions:
        for place in experiment.data:
            held = {
                (track, seed): one
                for (condition, track, seed, where, part), one in outcome.held.items()
                if (condition, where, part) == (name, place, split)
            }
            if not held:
                continue
            tracks = list(dict.fromkeys(track for track, _ in held))
            seeds = [
                seed
                for seed in dict.fromkeys(seed for _, seed in held)
                if all((track, seed) in held for track in tracks)
            ]
            if seeds:
                tallies = [
                    np.stack([held[track, seed].tallies(clusters[place]) for track in tracks], 1)
                    for seed in seeds
                ]
                found.setdefault(name, {})[place] = np.stack(tallies)
    return found


def _clusters(outcome: Outcome, split: str) -> dict[str, int]:
    """Place → its clusters. Answers about some of its turns alone may lack the last ones."""
    found: dict[str, int] = {}
    for (_, _, _, place, part), held in outcome.held.items():
        if part == split:
            found[place] = max(found.get(place, 0), held.clusters)
    return found


def results_of(
    experiment: Experiment, outcome: Outcome, how: Resampling | None = None
) -> dict[str, Any]:
    """All that an experiment found, as plain data."""
    how = how or Resampling()
    splits = [split for split in (DEV, TEST) if any(key[4] == split for key in outcome.held)]
    return {
        "experiment": experiment.name,
        "question": experiment.question,
        "metric": experiment.metric,
        "plan": digest(experiment.model_dump(mode="json")),
        "splits": {split: _split(experiment, outcome, split, how) for split in splits},
        "left": dict(outcome.left),
        "notes": list(experiment.notes),
    }


def _split(experiment: Experiment, outcome: Outcome, split: str, how: Resampling) -> dict[str, Any]:
    runs = runs_of(experiment, outcome, split)
    tested = family(experiment.family, runs, experiment.metric, how)
    told = _signals(experiment, outcome, how) if split == DEV else []
    rows = {}
    for name, condition in experiment.conditions.items():
        rows[name] = {
            "about": condition.about,
            "group": condition.group,
            "panel": condition.panel,
            "drawn": condition.drawn,
            "wanted_seeds": len({cell.seed for cell in cells(experiment, name)}),
            "wanted_places": planned_places(experiment, name),
            "places": {
                place: _cell(tallies, experiment.metric, _seconds(outcome, name, place, split), how)
                | _confusion(outcome, name, place, split)
                for place, tallies in runs.get(name, {}).items()
            },
        }
    return {
        "conditions": rows,
        "family": [
            {"title": want.title, "found": one.as_dict() if one else None} for want, one in tested
        ],
        "signals": [one.as_dict() for one in told],
        "verdict": verdict(experiment, tested, split, told),
    }


def _signals(experiment: Experiment, outcome: Outcome, how: Resampling) -> list[Told]:
    """Every signal at every place, on dev."""
    found = []
    for name, signal in experiment.signals.items():
        for place in experiment.data:
            if signal.places is not None and place not in signal.places:
                continue
            # Either may be a baseline, whose answers serve all seeds.
            runs = dict.fromkeys(
                (track, seed)
                for condition, track, seed, where, split in outcome.held
                if condition in (signal.of, signal.by) and (where, split) == (place, DEV)
            )
            pairs = [
                (held, other)
                for run in runs
                if (held := outcome.find(signal.of, *run, place, DEV)) is not None
                and (other := outcome.find(signal.by, *run, place, DEV)) is not None
            ]
            found.append(told_by(name, place, signal, pairs, how))
    return found


def _cell(
    tallies: Floats, metric: Metric, seconds: Sequence[float], how: Resampling
) -> dict[str, Any]:
    """A condition at one place: every metric's mean over seeds, its spread or interval."""
    cell: dict[str, Any] = {
        "seeds": len(tallies),
        "clusters": tallies.shape[1],
        "utterances": int(tallies[0, :, 0, 1].sum()),
        "seconds": json_number(mean(seconds)) if seconds else None,
    }
    for place, name in enumerate(HEADLINE):
        values = value_of(tallies, name)  # type: ignore[arg-type]
        found: dict[str, Any] = {"value": json_number(mean(values))}
        if len(values) > 1:
            found["sd"] = json_number(stdev(values))
        elif tallies.shape[1] >= FEWEST_CLUSTERS:
            one = intervals(tallies[0].mean(axis=1), headline, how)[place]
            if tallies.shape[2] == 1:  # the mean of several tracks has none of its own
                found |= {"low": json_number(one.low), "high": json_number(one.high)}
        cell[name] = found
    cell["decides"] = metric
    return cell


def _seconds(outcome: Outcome, name: str, place: str, split: str) -> list[float]:
    return [
        float(held.seconds.sum())
        for (condition, _, _, where, part), held in outcome.held.items()
        if (condition, where, part) == (name, place, split)
    ]


def _confusion(outcome: Outcome, name: str, place: str, split: str) -> dict[str, Any]:
    """Gold labels by answers, all tracks and seeds together; none where labels are several."""
    held = [
        one
        for (condition, _, _, where, part), one in outcome.held.items()
        if (condition, where, part) == (name, place, split)
    ]
    if held[0].several or len({one.names for one in held}) > 1:
        return {}
    counts = np.sum([one.confusion() for one in held], axis=0)
    return {"labels": list(held[0].names), "confusion": counts.tolist()}


def markdown(results: Mapping[str, Any]) -> str:
    """The results as a page: the verdict first, then tests and tables, then what is missing."""
    metric = results["metric"]
    lines = [f"# {results['experiment']}", "", str(results["question"]), ""]
    for split, found in results["splits"].items():
        lines += [f"**{found['verdict']}**", ""]
        lines += _tests(found, metric) + _told(found["signals"])
        lines += _conditions(found, metric, split)
    if not results["splits"]:
        lines += ["Nothing was run.", ""]
    lines += [f"- {note}" for note in results["notes"]] + [""] * bool(results["notes"])
    if results["left"]:
        lines += ["Not run:", ""]
        lines += [f"- {what}: {why}" for what, why in results["left"].items()] + [""]
    lines.append(f"Plan {results['plan']}.")
    return "\n".join(lines) + "\n"


def _tests(found: Mapping[str, Any], metric: str) -> list[str]:
    if not found["family"]:
        return []
    name = METRIC_NAMES[metric]
    lines = [
        f"| contrast | {name}, points | 95% | Holm p | detectable | seeds |",
        "| :-- | --: | --: | --: | --: | --: |",
    ]
    for entry in found["family"]:
        one = entry["found"]
        if one is None:
            lines.append(f"| {entry['title']} | not run | – | – | – | – |")
            continue
        ends = "–" if one["low"] is None else f"{signed(one['low'])} to {signed(one['high'])}"
        p = "–" if one["p_holm"] is None else f"{one['p_holm']:.3f}"
        least = "–" if one["detectable"] is None else f"{100 * one['detectable']:.1f}"
        seeds = ", ".join(dict.fromkeys(map(str, one["seeds"].values())))
        cells_ = [entry["title"], signed(one["value"]), ends, p, least, seeds]
        lines.append(f"| {' | '.join(cells_)} |")
    return [*lines, ""]


def _told(signals: Sequence[Mapping[str, Any]]) -> list[str]:
    """What tells right answers from wrong ones, as a table."""
    if not signals:
        return []
    lines = [
        "| tells right from wrong: area under the ROC | place | confidence and margin | and it |"
        " and its view of other turns | gain, points | 95% | seeds |",
        "| :-- | :-- | --: | --: | --: | --: | --: | --: |",
    ]
    for one in signals:
        found = one["found"]
        if found is None:
            lines.append(f"| {one['name']} | {one['place']} | not run | – | – | – | – | – |")
            continue
        areas = [f"{100 * found[key]:.1f}" for key in ("own", "both", "strangers")]
        ends = "–" if found["low"] is None else f"{signed(found['low'])} to {signed(found['high'])}"
        row = [one["name"], one["place"], *areas, signed(found["gain"]), ends, str(found["seeds"])]
        lines.append(f"| {' | '.join(row)} |")
    return [*lines, ""]


def _conditions(found: Mapping[str, Any], metric: str, split: str) -> list[str]:
    rows = found["conditions"]
    places = list(dict.fromkeys(place for row in rows.values() for place in row["places"]))
    if not places:
        return []
    lines = [
        f"| condition ({split}, {METRIC_NAMES[metric]}) | {' | '.join(places)} | seconds | seeds |",
        f"| :-- | {' | '.join('--:' for _ in places)} | --: | --: |",
    ]
    for name, row in rows.items():
        there, wanted = row["places"], row["wanted_places"]
        values = [
            _value(there[place][metric]) if place in there
            else "not run" if place in wanted
            else "–"
            for place in places
        ]  # fmt: skip
        times = [cell["seconds"] for cell in there.values() if cell["seconds"] is not None]
        seconds = f"{sum(times):,.1f}" if times and sum(times) else "–"
        about = f" ({row['about']})" if row["about"] else ""
        lines.append(
            f"| {name}{about} | {' | '.join(values)} | {seconds} | {_seeds(there.values())} |"
        )
    return [*lines, "", *_confused(rows)]


def _confused(rows: Mapping[str, Any]) -> list[str]:
    """What each condition takes for what most often, as shares of the gold label's turns."""
    lines = []
    for name, row in rows.items():
        for place, cell in row["places"].items():
            if "confusion" in cell and (told := _commonest(cell["labels"], cell["confusion"])):
                lines.append(f"| {name} | {place} | {told} |")
    head = ["| condition | place | most often taken for another |", "| :-- | :-- | :-- |"]
    return [*head, *lines, ""] if lines else []


def _commonest(labels: Sequence[str], confusion: Sequence[Sequence[int]]) -> str:
    counts = np.array(confusion)
    shares = counts[:, :-1] / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    np.fill_diagonal(shares, 0.0)
    wrong = np.where(np.eye(len(labels), dtype=bool), 0, counts[:, :-1])
    order = np.argsort(-wrong, axis=None, kind="stable")[:CONFUSIONS]
    pairs = [divmod(int(place), len(labels)) for place in order]
    return ", ".join(
        f"{labels[gold]} → {labels[said]} {shares[gold, said]:.0%}"
        for gold, said in pairs
        if wrong[gold, said]
    )


def _seeds(cells_: Any) -> str:  # noqa: ANN401 (values of a mapping)
    numbers = sorted({cell["seeds"] for cell in cells_})
    if not numbers:
        return "–"
    return "one seed" if numbers == [1] else ", ".join(map(str, numbers))


def _value(found: Mapping[str, float | None]) -> str:
    value = found["value"]
    if value is None:
        return "–"
    text = f"{100 * value:.1f}"
    if (sd := found.get("sd")) is not None:
        return f"{text} ±{100 * sd:.1f}"
    low, high = found.get("low"), found.get("high")
    return text if low is None or high is None else f"{text} ({100 * low:.1f}–{100 * high:.1f})"
