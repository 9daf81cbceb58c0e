"""Rebuild the tables of docs/results.md from results/*.json.

Between ``<!-- table: NAME -->`` and ``<!-- end -->`` everything is replaced by what this script
makes of ``results/NAME.json``. With ``--check``, nothing is written; a difference is an error. The
file is long because it has a maker for each table, which share little but ``tables.py``.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from speed_tables import (
    bench,
    bench_batch,
    bench_releases,
    bench_starting,
    bench_training,
    installs,
    page,
    service,
)
from tables import FEWEST_CLUSTERS, points, signed, table, with_interval, with_notes

ROOT = Path(__file__).parent.parent
PAGE = ROOT / "docs" / "results.md"
RESULTS = ROOT / "results"
_BLOCK = re.compile(r"(<!-- table: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)

Content = Mapping[str, Any]


def tfidf(content: Content) -> str:
    """The TF-IDF baseline against its anchors."""
    head = ["data set", "weighted-F1", "macro-F1", "accuracy", "anchor", "difference", "dev", "C",
            "characters"]  # fmt: skip
    rows = []
    for run in content["runs"]:
        best, anchor = run["weighted_f1"]["value"], run["anchor_weighted_f1"]
        rows.append(
            [
                run["title"],
                *(
                    with_interval(run[name], run["n_clusters"])
                    for name in ("weighted_f1", "macro_f1", "accuracy")
                ),
                points(anchor),
                "–" if anchor is None else signed(best - anchor),
                points(run["dev_weighted_f1"]),
                f"{run['settings']['strength']:g}",
                f"`{run['settings']['characters']}`",
            ]
        )
    return with_notes(table(head, rows), provenance(content), _notes(content))


def _notes(content: Content) -> list[str]:
    return [f"- {run['title']}: {note}" for run in content["runs"] for note in _gravest(run)]


def _gravest(run: Content) -> list[str]:
    """A run's warnings; where all of its intervals are rough, the one that says so."""
    warnings: list[str] = run["warnings"]
    return [note for note in warnings if note.startswith("The items stand in only")] or warnings


def measured(content: Content) -> str:
    """When, with what and where something was measured."""
    days = sorted({run.get("date", content["date"]) for run in content.get("runs", [content])})
    when = days[0] if len(days) == 1 else f"{', '.join(days[:-1])} and {days[-1]}"
    return f"Measured on {when} with `{content['command']}` on {content['machine']}"


def provenance(content: Content) -> str:
    """How to measure it again."""
    found = {
        ", ".join(f"{name} {number}" for name, number in versions.items())
        for versions in (run.get("versions", content.get("versions")) for run in content["runs"])
    }
    versions = " or ".join(sorted(found))
    chosen = f"seed {content['seed']}; settings chosen on {content['selected_on']}"
    return f"{measured(content)}; {versions}; {chosen}."


def _source(content: Content) -> str:
    return f"{measured(content)}: {content['what']}."


def test_sets(content: Content) -> str:
    """A model on test sets."""
    told = any(run.get("seen") for run in content["runs"])
    head = ["data set", "utterances", *(["trained on"] if told else []), "weighted-F1", "macro-F1",
            "accuracy", "commonest label", "ECE"]  # fmt: skip
    rows = []
    for run in content["runs"]:
        drawn = run["limit_dialogues"]
        sample = f" ({drawn} dialogues drawn with seed {run['seed']})" if drawn else ""
        metrics = [
            with_interval(run[name], run["clusters"]) if name in run else "–"
            for name in ("weighted_f1", "macro_f1", "accuracy")
        ]
        seen = [run.get("seen") or "–"] if told else []
        error = points(run["calibration"]["several" if run.get("several") else "proposal"]["ece"])
        about = [run["title"] + sample, f"{run['utterances']:,}", *seen]
        rows.append([*about, *metrics, points(run["commonest_share"]), error])
    return with_notes(table(head, rows), _source(content), _notes(content))


def languages(content: Content) -> str:
    """The default on BRIGHTER, language by language, under four ways of asking."""
    head = ["language", "texts", "one label, weighted-F1", "texts", "neutral offered, weighted-F1",
            "recall of neutral", "TF-IDF, several labels, macro-F1", "several labels, macro-F1",
            "over TF-IDF", "with the language's own thresholds", "over TF-IDF"]  # fmt: skip
    rows = []
    for run in content["runs"]:
        single, neutral = run["single"], run["neutral"]
        without = neutral["neutral"]["support"]
        recall = with_interval(neutral["neutral"]["recall"], without) if without else "–"
        rows.append(
            [
                f"{run['language']} ({run['code']})" + ("" if run["seen"] else ", never seen"),
                f"{single['utterances']:,}",
                with_interval(single["weighted_f1"], single["clusters"]),
                f"{neutral['utterances']:,}",
                with_interval(neutral["weighted_f1"], neutral["clusters"]),
                f"{recall} of {without:,}",
                points(run["tfidf_macro_f1"]["value"]),
                *_several(run["several"]),
                *_several(run.get("own_thresholds")),
            ]
        )
    return with_notes(table(head, rows), _source(content), [])


def _several(found: Content | None) -> list[str]:
    """Macro-F1 and the difference to TF-IDF's, where it was measured."""
    if found is None:
        return ["–", "–"]
    over = found["over_tfidf"]
    gain = f"{signed(over['value'])} ({signed(over['low'])} to {signed(over['high'])})"
    return [with_interval(found["macro_f1"], found["clusters"]), gain]


def confidence(content: Content) -> str:
    """How honest the default's confidence is on labels it never saw, on dev splits."""
    head = ["data set", "turns", "accuracy", "ECE as it is", "with one scale for all",
            "calibrated on 50 turns: median", "90th percentile", "sets at 90%: coverage",
            "mean size", "all labels", "coverage after 50 turns, 10th to 90th"]  # fmt: skip
    rows = []
    for name, found in content["sets"].items():
        few, halves = found.get("calibrated"), found["exchangeable"]
        spread = found.get("coverage")
        rows.append(
            [
                name,
                f"{found['n']:,}",
                points(found["accuracy"]),
                points(found["as_it_is"]),
                points(found["left_out"]),
                points(few and few["median"]),
                points(few and few["p90"]),
                points(halves["coverage"]),
                f"{halves['size']:.1f}",
                points(halves["full"]),
                f"{points(spread['p10'])}–{points(spread['p90'])}" if spread else "–",
            ]
        )
    scale = f"The one scale of all sets is {content['scale']:.2f}."
    return with_notes(table(head, rows), f"{_source(content)} {scale}", [])


def recipes(content: Content) -> str:
    """What each recipe reaches, on dev and test, against TF-IDF."""
    head = ["data set", "base", "seeds", "dev weighted-F1", "over TF-IDF", "test weighted-F1",
            "over TF-IDF", "test macro-F1", "test accuracy", "commonest label",
            "measured"]  # fmt: skip
    rows = []
    notes: dict[str, None] = {}
    kinds: dict[tuple[str, str, int], list[Content]] = {}
    for run in content["runs"]:
        base = run["dev"]["identity"]["model"]["base"]
        kinds.setdefault((run["title"], base, len(run["averaged"])), []).append(run)
    for (title, base, averaged), runs in kinds.items():
        dev = [run["dev"] for run in runs]
        test = [run["test"] for run in runs if run["test"]]
        floor = runs[0]["tfidf"] or {}
        seeds = f"mean weights of {averaged}" if averaged else _seeds(len(runs))
        paired = {} if averaged else content.get("paired", {}).get(runs[0]["recipe"], {})
        rows.append(
            [
                title,
                base,
                seeds,
                points(mean(split["weighted_f1"]["value"] for split in dev)),
                _over_tfidf(dev, floor.get("dev"), paired.get("dev")),
                _over_seeds(test, "weighted_f1"),
                _over_tfidf(test, floor.get("test"), paired.get("test")),
                _over_seeds(test, "macro_f1"),
                _over_seeds(test, "accuracy"),
                points(test[0]["commonest_share"]) if test else "–",
                max(run["date"] for run in runs),
            ]
        )
        notes |= dict.fromkeys(
            f"- {title}, {split['split']}: {note}"
            for split in (*dev, *test)
            for note in _gravest(split)
        )
    how = f"Measured with `{content['command']}` on {content['machine']}: {content['what']}."
    return with_notes(table(head, rows, numbers_from=2), how, notes)


def _seeds(number: int) -> str:
    return "one seed" if number == 1 else str(number)


def _over_tfidf(splits: list[Content], floor: float | None, paired: Content | None) -> str:
    """Points of weighted-F1 over the baseline on one split, mean of the seeds.

    With an interval where both answered the same items and were compared item by item; a
    difference of two figures is marked as not paired.
    """
    if paired is not None:
        gain = signed(paired["value"])
        few = paired["low"] is None or paired["clusters"] < FEWEST_CLUSTERS
        return gain if few else f"{gain} ({signed(paired['low'])} to {signed(paired['high'])})"
    if not splits or floor is None:
        return "–"
    return f"{signed(mean(split['weighted_f1']['value'] for split in splits) - floor)} unpaired"


def _over_seeds(splits: list[Content], metric: str) -> str:
    """One run with its interval; several with the spread of the seeds; a dash for none."""
    found: list[Mapping[str, float | None]] = [split[metric] for split in splits]
    if not found:
        return "–"
    if len(found) == 1:
        return with_interval(found[0], splits[0]["clusters"])
    values = [value for one in found if (value := one["value"]) is not None]
    return f"{points(mean(values))} ±{points(stdev(values))}"


def losses(content: Content) -> str:
    """Losses against each other on dev."""
    minority = " and ".join(content["minority"])
    head = ["loss", "weighted-F1", "macro-F1", f"recall of {minority}", "accuracy"]
    rows = [
        [
            run["title"],
            with_interval(run["weighted_f1"], content["clusters"]),
            with_interval(run["macro_f1"], content["clusters"]),
            points(run["minority_recall"]),
            points(run["accuracy"]["value"]),
        ]
        for run in content["runs"]
    ]
    facts = f"{content['what']}; {content['split']}. {measured(content)}."
    return f"{table(head, rows)}\n\n{facts}"


SANM_ROWS = (
    ("generator alone, weighted-F1", "oracle", "weighted_f1"),
    ("always right about its first two, weighted-F1", "oracle", "top2_weighted_f1"),
    ("right or wrong told by its own confidence and margin, AUC", "information", "auc_own"),
    ("by P(agree), AUC", "information", "auc_agree"),
    ("by all three, AUC", "information", "auc_both"),
    ("area under risk–coverage, ranked by confidence", "abstaining", "confidence"),
    ("ranked by P(agree)", "abstaining", "agree"),
    ("ranked by all three", "abstaining", "both"),
)


def sanm(content: Content) -> str:
    """What the second role knows, and what acting on it gains."""
    dev, test = content["dev"], content["test"]
    knows = [
        [title, *(points(split[part][name]) for split in (dev, test))]
        for title, part, name in SANM_ROWS
    ]
    shuffled = [next(iter(split["shuffled"].values())) for split in (dev, test)]
    alone = [points(found["weighted_f1"] - found["difference"]) for found in shuffled]
    knows.insert(1, ["with the turns shuffled, weighted-F1", *alone])
    gains = [
        _gain(name, dev[part][name], test[part][name], mark)
        for part, mark in (("policies", ""), ("shuffled", ", turns shuffled"))
        for name in test[part]
        if not _control_of_nothing(name, test[part])
    ]
    single = test["passes"]["generator alone"]["seconds"]
    passes = [
        [*_gain(name, dev["passes"][name], run), f"{run['seconds'] / single:.1f}×"]
        for name, run in test["passes"].items()
    ]
    head = ["", "dev", "test", "changed on test", "fixed", "broken", "p"]
    objects = f"Rounds object to the {content['objects']:.0%} of dev's proposals that the "
    facts = f"{objects}discriminator likes least. {content['what']}. {measured(content)}."
    return "\n\n".join(
        [
            table(["", "dev", "test"], knows),
            table(["policy", *head[1:]], gains),
            table(["passes", *head[1:], "time"], passes),
            facts,
        ]
    )


def _control_of_nothing(name: str, found: Content) -> bool:
    """Whether it is the control of a policy that changes nothing, and so changes nothing either."""
    policy, colon, _ = name.partition(": ")
    return bool(colon) and not found[policy]["changed"]


def _gain(name: str, dev: Content, test: Content, mark: str = "") -> list[str]:
    counts = [f"{test[key]:,}" for key in ("changed", "fixed", "broken")]
    gain, p = signed(test["difference"]), "–"
    if test["changed"]:
        gain += f" ({signed(test['low'])} to {signed(test['high'])})"
        p = f"{test['p']:.2f}" if test["p"] >= 0.01 else "<0.01"
    return [name + mark, signed(dev["difference"]), gain, *counts, p]


def thresholds(content: Content) -> str:
    """Where thresholds of several labels come from, on dev."""
    head = ["language", "dev texts", "before", "fitted on all languages", "on all others",
            "on its own, cross-validated"]  # fmt: skip
    kinds = ("now", "all", "others", "own")
    rows = [
        [name, f"{found['texts']:,}", *(points(found[kind]) for kind in kinds)]
        for name, found in content["languages"].items()
    ]
    rows.append(["mean", "", *(points(content["means"][kind]) for kind in kinds)])
    return with_notes(table(head, rows), _source(content), [])


def evidence(content: Content) -> str:
    """Whether what evidence names moves answers when it is replaced by something else."""
    head = ["data set", "turns replaced", "answers", "fall: evidence", "by chance", "nearest",
            "evidence over chance", "evidence over nearest",
            "answers changed: evidence", "by chance", "nearest"]  # fmt: skip
    rows = []
    for name, found in content["sets"].items():
        for size, one in found["replaced"].items():
            if not one["targets"]:
                continue
            rows.append(
                [
                    f"{name}, {found['split']}, {found['dialogues']} dialogues",
                    size,
                    f"{one['targets']:,}",
                    *(f"{one['fall'][way]:.2f}" for way in ("evidence", "random", "nearest")),
                    *(
                        _nats(one["evidence_less"][way], one["clusters"])
                        for way in ("random", "nearest")
                    ),
                    *(points(one["changed"][way]) for way in ("evidence", "random", "nearest")),
                ]
            )
    return with_notes(table(head, rows), _source(content), [])


def _nats(found: Mapping[str, float], clusters: int) -> str:
    shown = [f"{found[key]:+.2f}".replace("-", "−") for key in ("value", "low", "high")]
    few = clusters < FEWEST_CLUSTERS
    return shown[0] if few else f"{shown[0]} ({shown[1]} to {shown[2]})"


MAKERS: Mapping[str, Callable[[Content], str]] = {
    "tfidf": tfidf,
    "zero_shot": test_sets,
    "default": test_sets,
    "small": test_sets,
    "languages": languages,
    "confidence": confidence,
    "recipes": recipes,
    "losses": losses,
    "sanm": sanm,
    "thresholds": thresholds,
    "evidence": evidence,
    "bench_training": bench_training,
    "bench": bench,
    "service": service,
    "bench_batch": bench_batch,
    "bench_releases": bench_releases,
    "bench_starting": bench_starting,
    "installs": installs,
    "page": page,
}
"""Name of a file in results/ → what makes its table."""


def rebuilt(page: str, results: Path = RESULTS, makers: Mapping[str, Any] = MAKERS) -> str:
    """The page with every table made anew.

    Raises:
        SystemExit: A table has no maker, or no file to be made from.
    """

    def make(block: re.Match[str]) -> str:
        name = block[2]
        if name not in makers:
            raise SystemExit(f"docs/results.md asks for the table '{name}', which nobody makes.")
        path = results / f"{name}.json"
        if not path.is_file():
            raise SystemExit(f"The table '{name}' needs {path}, which is not there.")
        return f"{block[1]}\n{makers[name](json.loads(path.read_text('utf-8')))}\n\n{block[3]}"

    return _BLOCK.sub(make, page)


def main() -> int:
    """Write the page, or check it."""
    current = PAGE.read_text("utf-8")
    text = rebuilt(current)
    if "--check" not in sys.argv[1:]:
        PAGE.write_text(text, "utf-8")
        return 0
    if current != text:
        print(f"{PAGE.relative_to(ROOT)} is out of date: run python scripts/build_tables.py")
        return 1
    print("docs: the tables are those of results/")
    return 0


if __name__ == "__main__":
    sys.exit(main())
