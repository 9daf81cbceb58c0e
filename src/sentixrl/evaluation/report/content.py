"""The report's content, in words and in order, before it becomes HTML or Markdown.

Contract: a :class:`Content` holds only plain data. Templates place and escape it; they decide
nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sentixrl.evaluation.calibration_report import one_probability
from sentixrl.evaluation.report import numbers
from sentixrl.evaluation.report.drawing import Picture
from sentixrl.evaluation.report.flow import Flow, Pair, flow, table
from sentixrl.evaluation.report.flow_pictures import changes_picture, flow_picture
from sentixrl.evaluation.report.mistakes import Mistake, forced, mistakes
from sentixrl.evaluation.report.pictures import (
    DIMENSION_WORDS,
    classes,
    confusion,
    part_words,
    reliability,
    risk_coverage,
    shown_classes,
    slices,
)
from sentixrl.evaluation.report.run_facts import Fact, all_else, commands, run_facts, title_of
from sentixrl.labels import LabelSet

Table = list[tuple[str, ...]]


@dataclass(frozen=True)
class Headline:
    """One number at the top: its name, value and interval, and what it means."""

    name: str
    value: str
    span: str
    note: str


@dataclass(frozen=True)
class Content:
    """What the templates are given."""

    title: str
    summary: str
    headlines: list[Headline]
    warnings: list[str]
    facts: list[Fact]
    commands: list[str]
    record: list[Fact]
    level: str
    pictures: Mapping[str, Picture]
    confusion: Table
    confused: list[str]
    per_class: Table
    calibration: Table
    coverage_risk: Table
    risk_note: str
    negotiation: str
    gains: Table
    changes: Table
    steps: Sequence[str]
    flow: list[tuple[str, Sequence[int]]]
    slices: Table
    mistakes: list[Mistake]
    mistakes_note: str
    resampling: str


def content(
    pairs: Sequence[Pair], metrics: Mapping[str, Any], run: Mapping[str, Any], label_set: LabelSet
) -> Content:
    """Collect a run's results and put them into words."""
    found = flow(pairs)
    pictures = (
        confusion(metrics),
        classes(metrics),
        reliability(metrics, _confidences(pairs)),
        risk_coverage(metrics),
        flow_picture(found),
        changes_picture(metrics),
        slices(metrics),
    )
    level = numbers.level(metrics)
    return Content(
        title=title_of(run, pairs),
        summary=_summary(metrics, label_set, level, dialogues=len(pairs)),
        headlines=_headlines(metrics),
        warnings=list(metrics["warnings"]),
        facts=[*run_facts(run, pairs, metrics, label_set), *_cost(metrics, run)],
        commands=commands(run),
        record=all_else(run),
        level=level,
        pictures={picture.name: picture for picture in pictures if picture is not None},
        confusion=_confusion_table(metrics),
        confused=_most_confused(metrics),
        per_class=_per_class(metrics),
        calibration=_calibration(metrics),
        coverage_risk=_coverage_risk(metrics),
        risk_note=_risk_note(metrics),
        negotiation=_negotiation(metrics, found),
        gains=_gains(metrics) if found.total else [],
        changes=_changes(metrics) if found.total else [],
        steps=found.steps,
        flow=table(found),
        slices=_slices(metrics),
        mistakes=(wrong := mistakes(pairs)),
        mistakes_note=_mistakes_note(wrong, pairs),
        resampling=(
            f"{metrics['resamples']:,} bootstrap draws of whole clusters "
            f"({metrics['n_clusters']:,} of them), seed {metrics['seed']}"
        ),
    )


def _summary(metrics: Mapping[str, Any], label_set: LabelSet, level: str, *, dialogues: int) -> str:
    best = metrics["weighted_f1"]
    clusters = metrics["n_clusters"]
    apart = f" (drawn as {numbers.whole(clusters)} clusters)" if clusters != dialogues else ""
    text = (
        f"Weighted-F1 of {numbers.points(best['value'])} ({level} interval {numbers.span(best)}) "
        f"on {numbers.whole(metrics['n'])} utterances in {numbers.whole(dialogues)} dialogues"
        f"{apart}, over the {len(label_set)} labels of {label_set.name}."
    )
    covered = metrics["coverage"]["value"]
    if covered is not None and covered < 1:
        text += (
            f" Every utterance counts: the {numbers.points(1 - covered)}% that were left without a "
            "label are scored by their forced answer."
        )
    return text


def _headlines(metrics: Mapping[str, Any]) -> list[Headline]:
    wrong = metrics["outlier_as_wrong"]["weighted_f1"]
    shown = [
        ("Weighted-F1", metrics["weighted_f1"], "forced label, full coverage"),
        ("Macro-F1", metrics["macro_f1"], "every class counts the same"),
        ("Accuracy", metrics["accuracy"], "share of right answers"),
    ]
    if micro := metrics.get("micro_f1_without_neutral"):
        shown.append(("Micro-F1", micro, f"without “{numbers.isolated(micro['neutral'])}”"))
    shown += [
        ("Coverage", metrics["coverage"], "answered without force"),
        ("Strict weighted-F1", wrong, "no label counts as wrong"),
    ]
    if flips := metrics.get("flip_rate"):
        shown.append(("Flip rate", flips, "another order of the letters, another label"))
    return [
        Headline(name, numbers.points(one["value"]), numbers.span(one), note)
        for name, one, note in shown
    ]


def _confidences(pairs: Sequence[Pair]) -> dict[str, list[float]]:
    answers = [
        answer
        for dialogue, prediction in pairs
        for turn, answer in zip(dialogue, prediction.items, strict=True)
        if turn.gold is not None
    ]
    return {
        "answer": [
            one.confidence
            for one in answers
            if one.label is not None and one.confidence is not None
        ],
        "proposal": [max(one.probabilities.values()) for one in answers if one.probabilities],
    }


def _confusion_table(metrics: Mapping[str, Any]) -> Table:
    names, matrix, totals = shown_classes(metrics)
    rows: Table = [("gold ↓ answer →", *names, "no label", "all")]
    for name, counts, total in zip(names, matrix, totals.tolist(), strict=True):
        shares = counts / max(total, 1)
        cells = (
            f"{numbers.whole(number)} ({numbers.points(share, 0)}%)" if number else "0"
            for number, share in zip(counts.tolist(), shares.tolist(), strict=True)
        )
        rows.append((name, *cells, numbers.whole(total)))
    return rows


def _most_confused(metrics: Mapping[str, Any], how_many: int = 3) -> list[str]:
    """The commonest confusions, one sentence each."""
    names, matrix, totals = shown_classes(metrics)
    counts = matrix[:, : len(names)].copy()
    np.fill_diagonal(counts, 0)
    order = np.argsort(-counts, axis=None, kind="stable")[:how_many]
    found = []
    for gold, answer in (divmod(place, len(names)) for place in order.tolist()):
        if number := float(counts[gold, answer]):
            taken, given = numbers.isolated(names[gold]), numbers.isolated(names[answer])
            share = numbers.points(number / float(totals[gold]), 0)
            times = "once" if number == 1 else f"{numbers.whole(number)} times"
            found.append(f"“{taken}” was answered “{given}” {times} ({share}% of its utterances)")
    return found


def _per_class(metrics: Mapping[str, Any]) -> Table:
    rows: Table = [("label", "precision", "recall", "F1", "interval of F1", "gold", "answered")]
    rows += [
        (
            name,
            *(numbers.points(one[key]["value"]) for key in ("precision", "recall", "f1")),
            numbers.span(one["f1"]),
            numbers.whole(one["support"]),
            numbers.whole(one["answered"]),
        )
        for name, one in metrics["per_class"].items()
    ]
    return rows


def _calibration(metrics: Mapping[str, Any]) -> Table:
    found = metrics["calibration"] or {}
    rows: Table = []
    parts = [("answer", "confidence of the answer"), ("proposal", "first posterior")]
    if one_probability(found):
        parts = [("proposal", "confidence")]
    for key, name in parts:
        if one := found.get(key):
            brier, nll = one.get("brier"), one.get("nll")
            rows.append(
                (
                    name,
                    numbers.whole(one["n"]),
                    numbers.points(one["ece"]),
                    numbers.points(one["ece_equal_width"]),
                    numbers.points(one["mean_confidence"]),
                    numbers.points(one["accuracy"]),
                    numbers.decimal(brier and brier["value"]),
                    numbers.decimal(nll and nll["value"]),
                )
            )
    head = ("probability", "items", "ECE", "ECE, equal width", "mean", "accuracy", "Brier", "NLL")
    return [head, *rows] if rows else []


def _coverage_risk(metrics: Mapping[str, Any]) -> Table:
    found = (metrics["calibration"] or {}).get("risk_coverage")
    if not found:
        return []
    coverage = np.array([part["coverage"] for part in found["curve"]])
    risk = np.array([part["risk"] for part in found["curve"]])
    marks = [mark for mark in (0.2, 0.4, 0.6, 0.8, 1.0) if mark >= coverage[0]]
    return [
        ("answered", *(f"{100 * mark:.0f}%" for mark in marks)),
        ("wrong among them", *(f"{numbers.points(np.interp(m, coverage, risk))}%" for m in marks)),
    ]


def _risk_note(metrics: Mapping[str, Any]) -> str:
    found = (metrics["calibration"] or {}).get("risk_coverage")
    if not found:
        return ""
    by = "confidence" if found["ranked_by"] == "confidence" else "first posterior"
    return (
        f"Ranked by {by}. Area under the curve {numbers.decimal(found['aurc'])}; a perfect ranking "
        f"of the same answers would have {numbers.decimal(found['optimal'])}."
    )


def _negotiation(metrics: Mapping[str, Any], found: Flow) -> str:
    if not found.total:
        return ""
    effect = metrics["negotiation"]
    changes, gain = effect["changes"], effect["gains"]["weighted_f1"]
    text = (
        f"Two roles spoke about {numbers.whole(found.total)} of {numbers.whole(effect['n'])} "
        f"utterances and agreed on {numbers.points(effect['consensus_rate']['value'])}% of them. "
        f"{changes['fixed']:,} wrong first proposals became right, {changes['broken']:,} right "
        f"ones became wrong. Against the same model's first proposals, weighted-F1 changed by "
        f"{numbers.signed(gain['difference']['value'])} points "
        f"({numbers.span(gain['difference'], signs=True)}; {numbers.p_value(gain['p'])})."
    )
    low, high = gain["difference"]["low"], gain["difference"]["high"]
    if low is not None and high is not None and low <= 0 <= high:
        text += " The interval holds zero: this run alone does not show an effect."
    return text


def _gains(metrics: Mapping[str, Any]) -> Table:
    names = {"weighted_f1": "weighted-F1", "macro_f1": "macro-F1", "accuracy": "accuracy"}
    gains = metrics["negotiation"]["gains"]
    rows: Table = [("metric", "first proposals", "final answers", "difference", "interval", "")]
    for key, name in names.items():
        one = gains[key]
        rows.append(
            (
                name,
                numbers.points(one["single"]["value"]),
                numbers.points(metrics[key]["value"]),
                numbers.signed(one["difference"]["value"]),
                numbers.span(one["difference"], signs=True),
                numbers.p_value(one["p"]),
            )
        )
    return rows


CHANGE_WORDS = {
    "unchanged_right": "right, and kept",
    "fixed": "wrong, then right",
    "broken": "right, then wrong",
    "changed_wrong": "wrong, then wrong otherwise",
    "unchanged_wrong": "wrong, and kept",
}


def _changes(metrics: Mapping[str, Any]) -> Table:
    changes, total = metrics["negotiation"]["changes"], metrics["negotiation"]["n"]
    return [
        ("what became of the first proposal", "utterances", "share"),
        *(
            (words, numbers.whole(changes[key]), f"{numbers.points(changes[key] / total)}%")
            for key, words in CHANGE_WORDS.items()
        ),
    ]


def _cost(metrics: Mapping[str, Any], run: Mapping[str, Any]) -> list[Fact]:
    if run.get("identity", {}).get("kind") == "predictions":  # reading them cost nothing
        return []
    effect = metrics["negotiation"]
    costs = []
    if spent := effect["tokens"]:
        costs.append(
            f"{numbers.whole(spent['total'])} tokens for the annotated utterances, "
            f"{numbers.decimal(spent['mean'], 1)} per utterance"
        )
    if spent := effect["seconds"]:
        costs.append(
            f"{numbers.decimal(spent['total'], 1)} seconds for the annotated utterances, "
            f"{numbers.decimal(spent['mean'], 3)} per utterance"
        )
    return [("cost", "; ".join(costs))] if costs else []


def _slices(metrics: Mapping[str, Any]) -> Table:
    rows: Table = [("part", "", "utterances", "weighted-F1", "interval", "accuracy", "interval")]
    for dimension, parts in metrics["slices"].items():
        for number, (part, one) in enumerate(parts.items()):
            rows.append(
                (
                    "" if number else DIMENSION_WORDS.get(dimension, dimension),
                    part_words(part),
                    numbers.whole(one["n"]),
                    numbers.points(one["weighted_f1"]["value"]),
                    numbers.span(one["weighted_f1"]),
                    numbers.points(one["accuracy"]["value"]),
                    numbers.span(one["accuracy"]),
                )
            )
    return rows if len(rows) > 1 else []


def _mistakes_note(shown: Sequence[Mistake], pairs: Sequence[Pair]) -> str:
    total = sum(
        turn.gold is not None and forced(answer) != turn.gold
        for dialogue, prediction in pairs
        for turn, answer in zip(dialogue, prediction.items, strict=True)
    )
    if not total:
        return "There is no mistake."
    start = f"{len(shown)} of {total:,} mistakes" if total > len(shown) else f"All {total} mistakes"
    if all(one.score is None for one in shown):
        return (
            f"{start}. The run holds no confidences; those settled in the fewest rounds come first."
        )
    return f"{start}, the surest first. Beside each earlier turn stands its own gold label."
