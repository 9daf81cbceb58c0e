"""CSV and TSV: an utterance a row, with named columns.

Contract: every row becomes exactly one utterance. Rows that share a dialogue keep the file's
order, or that of a turn column if one is *named*; without a dialogue column each row is a
dialogue of its own. Columns that nobody names are found by usual headers.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation

from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.errors import InputError
from sentixrl.formats.characters import SYNONYMS, name_fault, nearest, shown, text_fault

DELIMITERS = ",;\t"
"""What may separate cells, in the order in which a header line is tried."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Which column holds what.

    A column left at ``None`` is found by its header, compared without case; an empty name says
    that there is none. A turn column is never found, only named.

    Attributes:
        text: What was said.
        speaker: Who said it.
        dialogue: The dialogue a row belongs to.
        turn: A number by which rows of a dialogue are put in order.
        label: The annotated label.
        id: The utterance's own identifier.
    """

    text: str | None = None
    speaker: str | None = None
    dialogue: str | None = None
    turn: str | None = None
    label: str | None = None
    id: str | None = None

    @classmethod
    def parse(cls, spec: str) -> Columns:
        """Read ``text=Utterance,speaker=Who`` as a command line gives it.

        Raises:
            InputError: It is not of that form, or names something other than our six columns.
        """
        roles = [field.name for field in fields(cls)]
        found: dict[str, str] = {}
        for part in spec.split(","):
            role, equals, column = (piece.strip() for piece in part.partition("="))
            if not equals or role not in roles or role in found:
                raise InputError(
                    f"'{shown(part)}' does not name a column.",
                    hint=f"Write text=NAME,speaker=NAME; there are: {', '.join(roles)}.",
                )
            found[role] = column
        return cls(**found)


@dataclass(frozen=True, slots=True)
class _Row:
    line: int
    cells: Sequence[str]


def parse_table(
    text: str, name: str, *, delimiter: str | None = None, columns: Columns | None = None
) -> list[Dialogue]:
    r"""Read a table whose first line names the columns.

    Args:
        text: Decoded text, lines ending in ``\n``.
        name: What errors call the input.
        delimiter: What separates cells; read off the header line if ``None``.
        columns: Which column holds what; found by usual headers where it does not say.

    Raises:
        InputError: A column that is not there, a row of the wrong length, an empty text, a
            broken quotation, or a cell larger than Python's ``csv`` reads.
    """
    rows = _rows(text, name, delimiter or table_delimiter(text))
    header = next(rows)
    places = _places(header.cells, columns or Columns(), name)
    table = _Table(name, [cell.strip() for cell in header.cells], places)
    grouped: dict[str, list[tuple[Decimal, _Row]]] = {}
    for position, row in enumerate(rows, start=1):
        table.check_length(row)
        key = table.dialogue(row, position)
        grouped.setdefault(key, []).append((table.turn(row, len(grouped.get(key, ()))), row))
    if not grouped:
        raise InputError(f"{name} has a header line but no rows.", hint="Give at least one row.")
    return [Dialogue(key, table.utterances(group)) for key, group in grouped.items()]


def table_delimiter(text: str) -> str:
    """The first of comma, semicolon and tab that stands in the header line; else a comma."""
    header = text.lstrip("\n").partition("\n")[0]
    return next((mark for mark in DELIMITERS if mark in header), ",")


def looks_like_table(text: str) -> bool:
    """Whether the first line separates cells and one of them is a usual name for the text."""
    header = text.lstrip("\n").partition("\n")[0]
    mark = table_delimiter(text)
    cells = {_plain(cell.strip().strip('"')) for cell in header.split(mark)}
    return mark in header and bool(cells & set(usual_headers("text")))


@dataclass(frozen=True, slots=True)
class _Table:
    """What reading a row needs: the input's name, its header, and column positions by role."""

    name: str
    header: Sequence[str]
    places: Mapping[str, int]

    def cell(self, row: _Row, role: str) -> str | None:
        """The trimmed cell, or ``None`` if it is empty or there is no such column."""
        if role not in self.places:
            return None
        text = row.cells[self.places[role]].strip()
        if role != "text" and (fault := name_fault(text)):
            raise self.fault(row, role, f"{fault} in '{shown(text)}'")
        return text or None

    def check_length(self, row: _Row) -> None:
        """Refuse rows with more or fewer cells than the header."""
        if len(row.cells) != len(self.header):
            raise InputError(
                f"{self.name}, line {row.line}: the row has {len(row.cells)} cells, the header "
                f"has {len(self.header)}.",
                hint="Put quotation marks around cells that hold the separator.",
            )

    def dialogue(self, row: _Row, position: int) -> str:
        """The dialogue a row belongs to: its cell, or the row's own position."""
        if "dialogue" not in self.places:
            return str(position)
        if (cell := self.cell(row, "dialogue")) is None:
            raise self.fault(row, "dialogue", "is empty")
        return cell

    def turn(self, row: _Row, position: int) -> Decimal:
        """The number that orders a row within its dialogue."""
        if "turn" not in self.places:
            return Decimal(position)
        text = self.cell(row, "turn") or ""
        try:
            number = Decimal(text)
        except InvalidOperation:
            number = Decimal("nan")
        if not number.is_finite():
            raise self.fault(row, "turn", f"holds '{shown(text)}', which is not a number")
        return number

    def utterances(self, group: Sequence[tuple[Decimal, _Row]]) -> tuple[Utterance, ...]:
        """The utterances of one dialogue, in order of turn."""
        seen: dict[Decimal, _Row] = {}
        for number, row in group:
            if number in seen:
                twice = f"holds {number}, which line {seen[number].line} holds as well"
                raise self.fault(row, "turn", twice)
            seen[number] = row
        return tuple(self.utterance(seen[number]) for number in sorted(seen))

    def utterance(self, row: _Row) -> Utterance:
        """The utterance of one row."""
        text = self.cell(row, "text") or ""
        if fault := text_fault(text):
            raise self.fault(row, "text", fault)
        return Utterance(
            text, self.cell(row, "speaker"), self.cell(row, "label"), self.cell(row, "id")
        )

    def fault(self, row: _Row, role: str, what: str) -> InputError:
        """An error at a cell."""
        column = shown(self.header[self.places[role]])
        return InputError(
            f"{self.name}, line {row.line}: the {role} column '{column}' {what}.",
            hint="Every row is one utterance: fill the cell or remove the row."
            if what == "is empty"
            else None,
        )


def _rows(text: str, name: str, delimiter: str) -> Iterator[_Row]:
    """The rows that are not blank lines, each with the file line it starts on."""
    reader = csv.reader(io.StringIO(text), delimiter=delimiter, strict=True, skipinitialspace=True)
    while True:
        line = reader.line_num + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise _broken(str(error), f"{name}, line {line}") from None
        if cells:
            yield _Row(line, cells)


def _broken(reason: str, place: str) -> InputError:
    if "field limit" in reason:
        return InputError(
            f"{place}: a cell is larger than the limit of {csv.field_size_limit():,} characters.",
            hint="A quotation mark that is never closed does this, too.",
        )
    if "unexpected end" in reason:
        reason = "a quotation mark that opens in this row is never closed"
    elif "expected after" in reason:
        reason = "a cell goes on after its closing quotation mark"
    return InputError(
        f"{place}: {reason}.",
        hint='Inside a quoted cell, write each quotation mark twice: "she said ""no""".',
    )


def _places(header: Sequence[str], columns: Columns, name: str) -> dict[str, int]:
    """Column positions by role."""
    names = [cell.strip() for cell in header]
    places: dict[str, int] = {}
    for field in fields(Columns):
        wanted: str | None = getattr(columns, field.name)
        if wanted is None:
            place = _find(field.name, names, name)
        else:
            place = _named(wanted, names, name) if wanted else None
        if place is not None:
            places[field.name] = place
    if "text" not in places:
        raise InputError(
            f"{name}: none of the columns ({_listed(names)}) is known to hold the text.",
            hint="The first line must name the columns; say which it is: --columns text=NAME.",
        )
    if "turn" in places and "dialogue" not in places:
        raise InputError(
            f"{name}: a turn column orders the rows of a dialogue, but no column tells dialogues.",
            hint="Name that column as well: --columns dialogue=NAME.",
        )
    return places


def _find(role: str, names: Sequence[str], origin: str) -> int | None:
    """The column with the most usual header for ``role``, if there is one."""
    found = [name for header in usual_headers(role) for name in names if _plain(name) == header]
    return _named(found[0], names, origin) if found else None


def usual_headers(role: str) -> tuple[str, ...]:
    """The headers by which a column is found, most usual first, in lower case."""
    if role == "turn":  # re-ordering is for the user to ask for
        return ()
    return SYNONYMS[role] if role == "id" else (role, *SYNONYMS[role])  # 'id' may be any id


def _plain(header: str) -> str:
    return header.casefold().replace(" ", "_").replace("-", "_")


def _named(wanted: str, names: Sequence[str], origin: str) -> int:
    exact = [place for place, header in enumerate(names) if header == wanted]
    matches = exact or [
        place for place, header in enumerate(names) if header.casefold() == wanted.casefold()
    ]
    if len(matches) == 1:
        return matches[0]
    if matches:
        raise InputError(
            f"{origin} has {len(matches)} columns called '{shown(wanted)}'.",
            hint="Rename all but one.",
        )
    guess = nearest(wanted, names)
    raise InputError(
        f"{origin} has no column '{shown(wanted)}'; it has: {_listed(names)}.",
        hint=f"Did you mean '{shown(guess)}'?" if guess else "The first line names the columns.",
    )


def _listed(names: Sequence[str]) -> str:
    """At most twenty names."""
    tail = ", …" if len(names) > 20 else ""
    return ", ".join(shown(name) for name in names[:20]) + tail
