"""Where commands print: answers to standard output, everything else to standard error.

Contract: text is printed as text. There is no markup and no emoji code; style comes from
:func:`styled` alone. What users wrote (texts, labels, names, paths) passes :func:`printable` on its
way to the screen, here and nowhere else: other modules of the command line hand over strings and
``(string, style)`` pairs.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator

from rich import box
from rich.cells import cell_len, set_cell_size
from rich.console import Console, ConsoleOptions, Group, RenderableType
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

LONGEST_NAME = 400
"""Characters of a name that are looked at: half at its beginning, half at its end."""

Part = str | tuple[str, str] | Text
"""A piece of a line: text, text with a style, or a line that was made before."""

_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")
"""Embeddings, overrides and isolates: unclosed, they would turn round the rest of a line."""
_BREAKS = re.compile(r" *[\t-\r\x1c-\x1f\x85\u2028\u2029][\t-\r\x1c-\x1f\x85\u2028\u2029 ]*")
_CONTROLS = re.compile("[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f]")
_STEERING = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")
"""All of these, as they may stand in no line that goes to the screen."""


class Screen(Console):
    """A console that takes strings for what they are."""

    def __init__(self, *, stderr: bool = False, soft_wrap: bool = False) -> None:
        super().__init__(
            stderr=stderr, soft_wrap=soft_wrap, markup=False, emoji=False, highlight=False
        )

    def render_str(self, text: str, **_: object) -> Text:
        """A string as a line, made printable."""
        return styled(text)

    def render(
        self, renderable: RenderableType, options: ConsoleOptions | None = None
    ) -> Iterable[Segment]:
        """What goes to the screen; whatever was not made printable is so here, sign by sign."""
        for part in super().render(renderable, options):
            if part.control or not _STEERING.search(part.text):
                yield part
            else:
                yield Segment(_STEERING.sub("\ufffd", part.text), part.style)


def answers() -> Screen:
    """The console for results."""
    return Screen()


def errors() -> Screen:
    """The console for progress, notices and errors."""
    return Screen(stderr=True, soft_wrap=True)


def styled(*parts: Part) -> Text:
    """One line of printable text; a pair's second is its style."""
    line = Text()
    for part in parts:
        if isinstance(part, Text):
            line.append_text(part)
        elif isinstance(part, str):
            line.append(_on_one_line(part))
        else:
            line.append(_on_one_line(part[0]), style=part[1])
    return line


def note(message: str, name: str = "Note:", style: str = "yellow") -> Text:
    """A remark on what was or will be done."""
    return styled((name, style), f" {message}")


def new_table() -> Table:
    """A table as all commands print them: rules under the headings, nothing around."""
    return Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)


def headed(title: str, table: Table, note: str = "") -> Group:
    """A table with a line above it, and a line below; rich's own break at the table's width."""
    notes = [styled((note, "dim italic"))] if note else []
    return Group(styled((title, "italic")), table, *notes)


def printable(text: str) -> str:
    r"""Text on one line that steers no terminal.

    Line breaks and tabs become a space, other control characters ``\ufffd``; what turns the
    direction of writing is spelt out, such as ``\u202e``: it is shown, not obeyed.
    """
    return _on_one_line(text).strip()


def _on_one_line(text: str) -> str:
    return _TURNING.sub(_spelt, _CONTROLS.sub("\ufffd", _BREAKS.sub(" ", text)))


def _spelt(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def short_names(names: Iterable[str], width: int) -> dict[str, str]:
    """Each name as it is shown in at most ``width`` cells; no two names are shown alike.

    Long names lose their middle, as many differ at their end alone; names that would then look
    the same are numbered.
    """
    shown: dict[str, str] = {}
    taken: set[str] = set()
    for name in dict.fromkeys(names):
        candidates = _candidates(printable(_ends(name, LONGEST_NAME)), width)
        form = next(candidate for candidate in candidates if _looks(candidate) not in taken)
        taken.add(_looks(form))
        shown[name] = form
    return shown


def _ends(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most // 2] + text[-most // 2 :]


def _looks(name: str) -> str:
    """What an eye tells two names by: composed, without what has no width."""
    seen = (c for c in unicodedata.normalize("NFC", name) if unicodedata.category(c) != "Cf")
    return "".join(seen)


def _candidates(name: str, width: int) -> Iterator[str]:
    yield _shortened(name, width)
    number = 2
    while True:
        mark = f"#{number}"
        yield _shortened(name, width - len(mark)) + mark
        number += 1


def _shortened(name: str, width: int) -> str:
    if cell_len(name) <= width:
        return name
    end = width // 2 - 1
    tail = set_cell_size(name[::-1], end)[::-1].lstrip()
    return f"{set_cell_size(name, width - 1 - end).rstrip()}…{tail}"
