"""Build the technical report from results: docs/report/index.md and docs/report/report.html.

    python scripts/build_report.py

Every figure comes from results/. What was not run says so, with its reason and what it would take.
With ``--check``, nothing is written; a difference is an error.
"""

from __future__ import annotations

import html
import json
import re
import sys
from collections.abc import Iterable, Iterator
from math import prod
from pathlib import Path
from typing import Any

import yaml
from earlier_answers import earlier
from report_answers import answer

from sentixrl.experiments.plan import METRIC_NAMES

ROOT = Path(__file__).parent.parent
RESULTS = ROOT / "results"
REPORT = ROOT / "docs" / "report"
ORDER = (
    *("rounds", "sizes", "languages", "ablation", "labels"),
    *("peers", "second-role", "policies", "zero-shot", "losses"),
)
"""The paper's three open questions first."""
TITLES = {
    "rounds": "The number of rounds",
    "sizes": "Larger models",
    "languages": "Arabic, Hindi and Spanish",
    "ablation": "What each part of the prompt is worth",
    "labels": "Unified labels and category confusion",
    "peers": "A different model as second role",
    "second-role": "A verifier as second role, and evidence for it",
    "policies": "Two policies for MELD and EmoryNLP",
    "zero-shot": "Without training",
    "losses": "Losses",
}
FOLDED = {
    "| condition (": "Every condition",
    "| condition | place |": "What each condition confuses",
}
"""How tables begin that are folded, and what is read in their place."""
SCRIPT = "python scripts/build_report.py"


def report() -> str:
    """The report as Markdown."""
    plans = {name: _plan(name) for name in ORDER}
    found = {name: _read(RESULTS / "experiments" / f"{name}.json") for name in ORDER}
    estimates = _read(RESULTS / "experiments" / "estimates.json") or {"experiments": {}}
    parts = [
        "# SentiXRL's open questions: a technical report",
        f"Made by `{SCRIPT}` from the files in `results/`.",
        "## What could not be reproduced, and what is new",
        *_framing(),
        "## The answers",
        *(
            f"- **{TITLES[name]}.** {_answer(name, found[name], estimates)}".replace("\n", " ")
            for name in ORDER
        ),
        "## Data and rules",
        *_rules(),
    ]
    for name in ORDER:
        parts += _section(name, plans[name], found[name], estimates)
    parts += ["## What maps between label schemes lose", *_labels()]
    parts += ["## What failed", *_failed(), "## Limits", *_limits()]
    return "\n\n".join(_joined(parts)) + "\n"


def _joined(parts: list[str]) -> Iterator[str]:
    """Items of one list on lines of their own, everything else as paragraphs."""
    held: list[str] = []
    for part in parts:
        if part.startswith("- "):
            held.append(part)
            continue
        if held:
            yield "\n".join(held)
            held = []
        yield part
    if held:
        yield "\n".join(held)


def _plan(name: str) -> dict[str, Any]:
    content = yaml.safe_load((ROOT / "experiments" / f"{name}.yaml").read_text("utf-8"))
    assert isinstance(content, dict)
    return content


def _read(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text("utf-8")) if path.is_file() else None


def _framing() -> list[str]:
    return [
        "- The paper's tables, code and prompts are not public, and only its abstract and "
        "summaries could be read. Nothing here confirms or refutes its figures.",
        "- Its models have 7 and 8 billion parameters. None of that size was trained here: the "
        "largest base has 1.5 billion.",
        "- New: the leak between two benchmarks (MELD and EmoryNLP are of one television "
        "series; 20% of MELD's longer test lines stand in EmoryNLP's training split, 15% the "
        "other way), which every training here is filtered for.",
        "- New: prompts that share their beginnings, so that a round of negotiation costs a few "
        "tokens, and rounds can be afforded and measured.",
        "- New: a control of the same shape for every part that is ablated, and for every verdict.",
    ]


def _answer(name: str, found: dict[str, Any] | None, estimates: dict[str, Any]) -> str:
    if found is None or not found["splits"]:
        return " ".join(filter(None, ("Not run.", _cost(name, estimates), earlier(name))))
    *_, last = found["splits"].values()
    return answer(name, found) or str(last["verdict"])


def _rules() -> list[str]:
    return [
        "- Choices are made on dev. Test is looked at once per condition, and the ledger has a "
        "line for each look.",
        "- Three seeds over small bases, two over the larger one, unless a row says otherwise.",
        "- One metric per family of tests. Intervals and p-values draw whole dialogues, and "
        "seeds where there are several; p-values are adjusted by Holm within the family. Beside "
        "each test stands the effect that it would have found in four of five cases.",
        "- Fewer than ten clusters give no interval.",
    ]


def _section(
    name: str, plan: dict[str, Any], found: dict[str, Any] | None, estimates: dict[str, Any]
) -> list[str]:
    parts = [f"## {TITLES[name]}", f"*{plan['question']}* Metric: {METRIC_NAMES[plan['metric']]}."]
    parts += [f"- {note}" for note in plan.get("notes", [])]
    if found is None or not found["splits"]:
        rows = [
            f"| {condition}{_number(entry)} | not run |"
            for condition, entry in plan["conditions"].items()
        ]
        return [
            *parts,
            f"Not run. {_cost(name, estimates)}",
            "\n".join(["| condition | result |", "| :-- | :-- |", *rows]),
        ]
    first, _, rest = _answer(name, found, estimates).partition("\n")
    parts += [f"**{first}**", *filter(None, (rest,))]
    if (RESULTS / "experiments" / f"{name}.svg").is_file():
        parts.append(f"![{TITLES[name]}](../../results/experiments/{name}.svg)")
    page = (RESULTS / "experiments" / f"{name}.md").read_text("utf-8")
    parts += _folded(_tables(page))
    if "| not run |" in page:
        parts.append(f"*Not run* is what no CPU hours were left for. {_cost(name, estimates)}")
    return parts


def _cost(name: str, estimates: dict[str, Any]) -> str:
    known = estimates["experiments"].get(name)
    command = f"`sentixrl experiment {name}`"
    if known is None:
        return f"{command} runs it; its hours have not been estimated."
    return (
        f"{command} runs it; the whole experiment, with all of its seeds, takes about "
        f"{known['hours']:.3g} hours on two CPU cores ({known['trainings']} trainings)."
    )


def _tables(page: str) -> Iterator[str]:
    """The tables of an experiment's own page, and what it says of its plan."""
    for block in page.strip().split("\n\n"):
        if block.startswith(("| ", "Plan ")):
            yield block


def _folded(tables: Iterable[str]) -> Iterator[str]:
    """Tables with a row for every condition are opened by a click: they can be long."""
    for table in tables:
        head = next((told for start, told in FOLDED.items() if table.startswith(start)), None)
        if head is None:
            yield table
            continue
        yield f'<details markdown="1"><summary>{head}</summary>'
        yield table
        yield "</details>"


def _number(entry: dict[str, Any]) -> str:
    """How many conditions a grid stands for."""
    number = prod(len(values) for values in entry.get("grid", {}).values())
    return f" ({number} of them)" if number > 1 else ""


def _labels() -> list[str]:
    found = _read(RESULTS / "labels.json")
    if found is None:
        return ["Not run: `python scripts/measure_labels.py` has not been run."]
    rows = ["| data set | to | bits before | bits after | bits lost | merged | left out |",
            "| :-- | :-- | --: | --: | --: | --: | --: |"]  # fmt: skip
    for run in found["runs"]:
        cells = [
            run["dataset"],
            run["target"],
            f"{run['before']:.2f}",
            f"{run['after']:.2f}",
            f"{run['lost']:.2f}",
            f"{run['merged']:.0%}",
            f"{run['dropped']:.0%}",
        ]
        rows.append(f"| {' | '.join(cells)} |")
    parts = [
        "Entropy of the training split's labels, before mapping and after; *lost* is what the "
        "mapped label no longer tells of the kept turns. *Merged* turns share their new label "
        "with another old one.",
        "\n".join(rows),
    ]
    parts += [f"- {name}: not run. {why}" for name, why in found["left"].items()]
    if double := found.get("double"):
        told = "; ".join(
            f"{name} κ {one['kappa']:.2f} ({one['lines']:,} lines)"
            for name, one in double["by"].items()
        )
        parts.append(
            f"MELD and EmoryNLP both annotate {double['lines']:,} lines of five tokens or more. "
            f"Their agreement is the ceiling of reading one by the other: {told}."
        )
    return parts


def _failed() -> list[str]:
    return [
        "- Several rounds with the same weights as generator and discriminator lose 1.5 to 1.9 "
        "points on MELD's test split ([Results](../results.md#does-negotiation-pay)).",
        "- A bias per label, fitted on dev, gained there and lost on test "
        "([Experiments](../experiments.md)).",
        "- Averaging the weights or probabilities of three seeds was no better than the best seed.",
    ]


def _limits() -> list[str]:
    return [
        "- The bases are dequantised from 4-bit files, and of different families, so that size "
        "is not all that differs between them.",
        "- What the bases had read of the television series before is not known.",
        "- IEMOCAP was not at hand; CPED's training split is not public here.",
        "- EmotionTalk's test split has two clusters and CPED's nine: no intervals are given.",
    ]


def page(text: str) -> str:
    """The report as one HTML page."""
    from markdown_it import MarkdownIt

    body = (
        MarkdownIt("commonmark")
        .enable("table")
        .render(re.sub(r"(\]\([^)\s]+)\.md", r"\1.html", text))
    )
    title = html.escape(text.partition("\n")[0].removeprefix("# "))
    style = (
        "body{font:16px/1.55 system-ui,sans-serif;max-width:52rem;margin:2rem auto;padding:0 1rem}"
        "table{border-collapse:collapse;display:block;overflow-x:auto;font-size:.88em}"
        "th,td{border-bottom:1px solid #d3d8dd;padding:.25rem .6rem}img{max-width:100%}"
        "summary{cursor:pointer;color:#3949ab;margin:.6rem 0}"
        "@media print{details::details-content{content-visibility:visible;height:auto}"
        "summary{list-style:none;color:inherit}tr{break-inside:avoid}}"
    )
    head = f'<meta charset="utf-8"><title>{title}</title><style>{style}</style>'
    return (
        f'<!doctype html>\n<html lang="en">\n<head>{head}</head>\n<body>\n{body}</body>\n</html>\n'
    )


def main() -> int:
    """Write the report, or check it."""
    text = report()
    files = {REPORT / "index.md": text, REPORT / "report.html": page(text)}
    stale = [
        path for path, made in files.items()
        if not path.is_file() or path.read_text("utf-8") != made
    ]  # fmt: skip
    if "--check" in sys.argv[1:]:
        if stale:
            print(f"docs/report is out of date: run {SCRIPT}")
        return int(bool(stale))
    REPORT.mkdir(parents=True, exist_ok=True)
    for path, made in files.items():
        path.write_text(made, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
