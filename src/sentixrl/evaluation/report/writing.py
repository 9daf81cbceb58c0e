"""From a run to files: ``report.html``, ``report.md`` and ``pictures/*.svg``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from sentixrl.errors import InputError
from sentixrl.evaluation.report import numbers
from sentixrl.evaluation.report.content import Content, Table, content
from sentixrl.evaluation.report.drawing import FOLDER, Picture
from sentixrl.evaluation.report.flow import Pair
from sentixrl.labels import LabelSet
from sentixrl.pages import looks
from sentixrl.untrusted import boundary

HTML_FILE = "report.html"
MARKDOWN_FILE = "report.md"
_MARKDOWN = re.compile(r"[\\`*_\[\]|~$#]|^[-+=](?=\s|-|=)|(?<=^\d)[.)](?=\s)|(?<=^\d\d)[.)](?=\s)")
_TURNING = re.compile("[\u202a-\u202e]")  # isolates end where an element does
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")


@dataclass(frozen=True, slots=True)
class Report:
    """A rendered report.

    Attributes:
        html: One self-contained page.
        markdown: The same in Markdown; its pictures are expected beside it, in ``pictures/``.
        pictures: The pictures.
    """

    html: str
    markdown: str
    pictures: tuple[Picture, ...]


def render(
    pairs: Sequence[Pair], metrics: Mapping[str, Any], run: Mapping[str, Any], label_set: LabelSet
) -> Report:
    """Write a run's report.

    Args:
        pairs: Every dialogue, gold labels included, with the answers to it.
        metrics: The content of ``metrics.json``.
        run: The content of ``run.json``.
        label_set: The task's labels.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    found = content(pairs, metrics, run, label_set)
    return Report(
        html=_shown(_html(found)),
        markdown=_shown(_markdown(found)),
        pictures=tuple(found.pictures.values()),
    )


def write_report(folder: Path) -> None:
    """Write the report of a finished run into its folder, each file whole or not at all.

    Raises:
        InputError: The folder lacks its log, its metrics or its identity, or they do not fit.
        SentixError: The folder cannot be written.
        MissingDependencyError: matplotlib is not installed.
    """
    from sentixrl.runs.folder import read_items, read_metrics, read_run
    from sentixrl.runs.storage import storage_error, write_file

    pairs, metrics, run = read_items(folder), read_metrics(folder), read_run(folder)
    if metrics.get("kind") == "several":
        raise InputError(
            f"{folder} is of utterances with several labels, and a report is of one label each.",
            hint="Its figures are in metrics.json.",
        )
    with boundary(
        f"{folder} holds numbers that make no report",
        hint="metrics.json or run.json was changed by other means: evaluate again.",
    ):
        labels = LabelSet(metrics["label_set"]["name"], metrics["label_set"]["labels"])
        report = render(pairs, metrics, run, labels)
    try:
        (folder / FOLDER).mkdir(exist_ok=True)
    except OSError as error:
        raise storage_error(folder / FOLDER, error) from None
    for picture in report.pictures:
        write_file(folder / FOLDER / f"{picture.name}.svg", _shown(picture.standalone).encode())
    write_file(folder / MARKDOWN_FILE, report.markdown.encode())
    write_file(folder / HTML_FILE, report.html.encode())


def _shown(text: str) -> str:
    """Text with only visible characters: those that change the writing direction are spelt out."""
    return _TURNING.sub(lambda found: f"\\u{ord(found[0]):04x}", _UNSEEN.sub("\ufffd", text))


@cache
def _environment(*, html: bool) -> Environment:
    environment = Environment(
        loader=PackageLoader("sentixrl.evaluation.report"),
        autoescape=html,
        finalize=None if html else _markdown_text,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["points"] = numbers.points
    environment.filters["grid"] = _grid
    environment.filters["code"] = _code
    environment.filters["figure"] = _figure
    return environment


def _html(found: Content) -> str:
    environment = _environment(html=True)
    css = environment.loader.get_source(environment, "report.css")[0] if environment.loader else ""
    drawn = {name: Markup(picture.inline) for name, picture in found.pictures.items()}
    template = environment.get_template("report.html.jinja")
    return template.render(report=found, css=Markup(looks() + css), drawn=drawn)


def _markdown(found: Content) -> str:
    text = _environment(html=False).get_template("report.md.jinja").render(report=found)
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _markdown_text(value: object) -> object:
    """Make any inserted text harmless in Markdown, on one line."""
    if isinstance(value, Markup):
        return value
    text = re.sub(r"\s+", " ", _shown(str(value)))
    text = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return _MARKDOWN.sub(r"\\\g<0>", text)


def _grid(rows: Table) -> Markup:
    """A Markdown table, its first column to the left and the others to the right."""
    head, *body = [[str(_markdown_text(cell)) for cell in row] for row in rows]
    lines = [head, [":--", *["--:"] * (len(head) - 1)], *body]
    return Markup("\n".join(f"| {' | '.join(line)} |" for line in lines))


def _code(text: str) -> Markup:
    """Text as code, in as many backticks as needed."""
    ticks = "`" * (max(map(len, re.findall("`+", text)), default=0) + 1)
    return Markup(f"{ticks} {' '.join(text.split())} {ticks}")


def _figure(found: Content, name: str) -> Markup:
    """The link to a picture, if it was drawn."""
    if name not in found.pictures:
        return Markup("")
    picture = found.pictures[name]
    return Markup(f"\n![{picture.title}]({FOLDER}/{picture.name}.svg)\n")
