"""Where commands print: answers to standard output, everything else to standard error.

Contract: what users wrote passes :func:`printable` before a terminal sees it.
"""

from __future__ import annotations

import unicodedata

from rich import box
from rich.console import Console, Group
from rich.table import Table
from rich.text import Text

# Embeddings, overrides and isolates: unclosed, they would turn round the rest of a line.
_TURNING = dict.fromkeys(map(ord, "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"))


def answers() -> Console:
    """The console for results."""
    return Console(soft_wrap=False)


def errors() -> Console:
    """The console for progress, notices and errors."""
    return Console(stderr=True, soft_wrap=True)


def new_table() -> Table:
    """A table as all commands print them: rules under the headings, nothing around."""
    return Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False, collapse_padding=True)


def headed(title: str, table: Table, note: str = "") -> Group:
    """A table with a line above it, and a line below; rich's own break at the table's width."""
    notes = [Text(note, style="dim italic")] if note else []
    return Group(Text(title, style="italic"), table, *notes)


def printable(text: str) -> str:
    """Text on one line without the control characters that would steer a terminal."""
    shown = (c if c.isspace() or unicodedata.category(c) != "Cc" else "�" for c in text)
    return " ".join("".join(shown).translate(_TURNING).split())
