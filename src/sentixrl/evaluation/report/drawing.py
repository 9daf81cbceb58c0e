"""How pictures are drawn: as vectors, plain, legible in grey and to colour-blind readers.

Contract: a :class:`Picture` is the same text for the same data. ``inline`` is for a page: it takes
the page's colours, and its ids do not clash with another picture's. ``standalone`` is a file for a
paper: it has no background, and text stays text.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from html import escape
from io import StringIO
from typing import Any

from sentixrl.errors import MissingDependencyError

# Blue and orange after Okabe and Ito (2008), "Color Universal Design"; the orange is much the
# lighter of the two, so that they differ in grey as well.
INK = "#1b1f24"
MUTED = "#5b6570"
LINE = "#d3d8dd"
BLUE = "#0067a8"
SKY = "#8cc1e4"
ORANGE = "#e08a00"
SAND = "#f6d49b"
GREY = "#a9b1b9"
ON_BLUE = "#fffffe"
ON_ORANGE = "#1b1f25"
_ROLES = {
    INK: "ink", MUTED: "muted", LINE: "line", BLUE: "blue", SKY: "sky", ORANGE: "orange",
    SAND: "sand", GREY: "grey", ON_BLUE: "on-blue", ON_ORANGE: "on-orange",
}  # fmt: skip

_TAG = re.compile("<[^>]*>")  # text between tags is a label and stays as it is
FOLDER = "pictures"
FULL, HALF = 7.2, 3.5
"""Widths in inches: of a page's text, and of half of it."""
PIXELS = 113
"""Pixels on the page for an inch, so that ``FULL`` fills the text's width."""
FONT_SIZE = 8.0
LONGEST_LABEL = 26
_FONTS = "font-family: 'Source Sans 3', 'Segoe UI', Helvetica, Arial, sans-serif"
_STYLE = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": FONT_SIZE,
    "axes.labelsize": FONT_SIZE,
    "axes.labelcolor": INK,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.labelsize": FONT_SIZE - 0.5,
    "ytick.labelsize": FONT_SIZE - 0.5,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "grid.color": LINE,
    "grid.linewidth": 0.5,
    "legend.frameon": False,
    "legend.fontsize": FONT_SIZE - 0.5,
    "lines.linewidth": 1.4,
    "hatch.linewidth": 0.6,
}


@dataclass(frozen=True, slots=True)
class Picture:
    """A drawn picture.

    Attributes:
        name: Its file name without suffix.
        title: What it shows, in words.
        inline: Markup for a page.
        standalone: The content of an SVG file.
    """

    name: str
    title: str
    inline: str
    standalone: str


@contextmanager
def style(name: str) -> Iterator[None]:
    """Inside this context, figures have our style and their ids depend only on ``name``.

    Raises:
        MissingDependencyError: matplotlib is not installed.
    """
    try:
        from matplotlib import rc_context
    except ImportError:
        raise MissingDependencyError.of("matplotlib", "eval") from None
    with rc_context({**_STYLE, "svg.hashsalt": name}):
        yield


def canvas(width: float, height: float) -> Any:  # noqa: ANN401  (matplotlib is untyped)
    """An empty figure of this many inches, without any window or global state."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height))


def axes(figure: Any, *, left: float, right: float, top: float, bottom: float) -> Any:  # noqa: ANN401
    """Axes with margins in inches."""
    width, height = figure.get_size_inches()
    across, up = width - left - right, height - top - bottom
    return figure.add_axes((left / width, bottom / height, across / width, up / height))


def finished(figure: Any, name: str, title: str) -> Picture:  # noqa: ANN401
    """Turn a figure into a picture."""
    import logging

    buffer = StringIO()
    fonts = logging.getLogger("matplotlib.font_manager")
    before, fonts.level = fonts.level, logging.ERROR
    try:
        import warnings

        with warnings.catch_warnings():
            # The reader's fonts draw the text; it does not matter which glyphs ours lacks.
            warnings.filterwarnings("ignore", message="Glyph .* missing from")
            figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
    finally:
        fonts.level = before
    return Picture(name, title, *_cleaned(buffer.getvalue(), name, title))


def _cleaned(text: str, name: str, title: str) -> tuple[str, str]:
    body = text[text.index("<svg") :]
    body = re.sub(r"<metadata>.*?</metadata>\s*", "", body, flags=re.DOTALL)
    body = re.sub(r'<style type="text/css">.*?</style>', "", body, flags=re.DOTALL)
    body = re.sub(r"<!--.*?-->\s*", "", body, flags=re.DOTALL)
    body = re.sub(r"\n\s*", "\n", body)
    body = _TAG.sub(lambda tag: _named(tag[0], name), body)
    label = escape(title)
    head, rest = body.split(">", 1)
    size = re.search(r'width="([\d.]+)pt" height="([\d.]+)pt"', head)
    head = head.replace("<svg", '<svg role="img" stroke-linejoin="round"', 1)
    standalone = f"{head}>\n<title>{label}</title>{rest}"
    width = float(size[1]) / 72 * PIXELS if size else 0
    head = re.sub(r' (width|height)="[\d.]+pt"', "", head)
    head += f' aria-label="{label}" style="max-width: {width:.0f}px"'
    inline = f"{head}>{rest}"
    inline = _TAG.sub(lambda tag: _coloured(tag[0]), inline)
    return inline, '<?xml version="1.0" encoding="utf-8"?>\n' + standalone


def _named(tag: str, name: str) -> str:
    """A tag in our fonts, its ids those of the picture ``name``."""
    tag = re.sub(r"font: ([\d.]+px) [^;\"]*", rf"font-size: \1; {_FONTS}", tag)
    tag = re.sub(r"font-family: (?!'Source)[^;\"]*", _FONTS, tag)
    return re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", tag)


def _coloured(tag: str) -> str:
    for colour, role in _ROLES.items():
        tag = tag.replace(colour, f"var(--{role})")
    return tag


def short(label: str) -> str:
    """A label that fits beside an axis."""
    return label if len(label) <= LONGEST_LABEL else label[: LONGEST_LABEL - 1] + "…"


def text_width(text: str, size: float = FONT_SIZE) -> float:
    """The approximate width of a text in inches, in any script."""
    ems = sum(_ems(character) for character in text)
    return ems * size / 72


def _ems(character: str) -> float:
    if unicodedata.combining(character) or unicodedata.category(character) in {"Mn", "Cf"}:
        return 0.0
    return 1.0 if unicodedata.east_asian_width(character) in "WF" else 0.53
