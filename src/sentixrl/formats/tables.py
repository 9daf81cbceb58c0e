"""Rows to dialogues: an utterance a row.

Contract: every row that holds something becomes exactly one utterance. Rows that share a dialogue
keep the table's order, or that of a turn column if one is *named*; without a dialogue column each
row is a dialogue of its own. One dialogue at a time is in memory, also where rows of several
alternate.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import partial
from itertools import islice

from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.errors import InputError
from sentixrl.formats.characters import is_blank, name_fault, shown, text_fault, unreadable
from sentixrl.formats.columns import ROLES, Columns, as_option, likely, places_of
from sentixrl.formats.ledger import Ledger, NoDialogueError, told_later
from sentixrl.formats.on_disk import Register
from sentixrl.formats.rows import Row, Table
from sentixrl.formats.sorting import Groups

MAX_DIALOGUE_BYTES = 256 * 1024 * 1024
"""The largest dialogue of a table, in bytes."""

ROW = "row"
"""The key under which an utterance's metadata holds its number among the rows of the table."""

_SAMPLE = 500
_FILL = {
    "text": "Every row is one utterance: fill the cell or remove the row.",
    "dialogue": "Rows of one dialogue have the same cell here: fill it. If each row is a dialogue "
    "of its own, say --columns dialogue= (with nothing after it).",
}
"""What to do about an empty cell, by what its column holds."""


def table_dialogues(
    table: Table, ledger: Ledger, columns: Columns | None = None, *, keep: bool = False
) -> Iterator[Dialogue]:
    """The dialogues of a table, one at a time.

    Args:
        table: The rows.
        ledger: Told of each of them.
        columns: Which column holds what; found by usual headers where it does not say.
        keep: Whether an utterance's metadata holds its row and the columns that are not used.

    Raises:
        InputError: A column that is not there, a row of the wrong length, an empty text, or a
            dialogue that is larger than ``MAX_DIALOGUE_BYTES``; no row, or none that can be read.
    """
    places = places_of(table.header, columns or Columns(), table.name)
    reader = _Reader(table, places, _kept(table.header, places) if keep else None)
    for count, (key, rows) in enumerate(reader.groups(ledger), start=1):
        id = key or str(count)
        try:
            turns = reader.utterances(rows)
        except InputError as error:
            size = sum(row.size for row in rows)
            first = rows[0]
            ledger.fault(error, first.line, size, row=first.number, dialogue=id, told=len(rows))
            continue
        yield Dialogue(id, turns)
    if not ledger.turns:
        raise _nothing(table.name, ledger.first_fault)


def table_guesses(table: Table, columns: Columns) -> dict[str, str]:
    """Columns that probably hold what nobody named and no usual header tells, by role."""
    places = places_of(table.header, columns, table.name)
    sample = [row.cells for row in islice(table.rows(Ledger("", faults=told_later)), _SAMPLE)]
    guesses: dict[str, str] = {}
    for role in ("dialogue", "speaker", "label"):
        if role not in places and getattr(columns, role) is None:
            fits = partial(_can_be, role, sample)
            if (found := likely(role, table.header, places, fits)) is not None:
                guesses[role] = found
    return guesses


def table_note(table: Table, columns: Columns, guesses: Mapping[str, str]) -> str | None:
    """What a person should know of columns that were not used, in a sentence."""
    parts = [
        f"no {role} column{consequence}; '{shown(guesses[role])}' looks like one"
        for role, consequence in (
            ("dialogue", ", so each row is a dialogue of its own"),
            ("speaker", ", so nobody in particular speaks"),
        )
        if role in guesses
    ]
    if not parts:
        return None
    given = [(role, getattr(columns, role)) for role in ROLES]
    named = [(role, name) for role, name in given if name is not None]
    named += [(role, guess) for role, guess in guesses.items() if role != "label"]
    option = ",".join(as_option(role, name) for role, name in named)
    return f"{table.name}: {', and '.join(parts)}: --columns {shown(option, 200)}"


def _nothing(name: str, fault: InputError | None) -> NoDialogueError:
    """The error about a table that gave no dialogue, by what is wrong with its first row."""
    if fault is None:
        return NoDialogueError(
            f"{name} has a header line but no rows.", hint="Give at least one row."
        )
    hint = f"The first fault: {fault.message} {fault.hint or ''}".strip()
    return NoDialogueError(f"{name}: none of its rows can be read.", hint=hint)


def _can_be(role: str, sample: Sequence[Sequence[str]], place: int) -> bool:
    """Whether cells are short, and those that name a dialogue stand there more than once."""
    cells = [row[place].strip() for row in sample]
    filled = [cell for cell in cells if cell]
    recurs = len(set(filled)) < len(filled) or (role != "dialogue" and len(filled) < 10)
    return bool(filled) and recurs and all(len(cell) <= 200 for cell in filled)


def _kept(header: Sequence[str], places: Mapping[str, int]) -> dict[str, int]:
    """The columns that are kept, by name: all but those that an utterance holds as they are."""
    used = {places[role] for role in ("text", "speaker", "id") if role in places}
    kept: dict[str, int] = {}
    for at, name in enumerate(header):
        if at not in used:
            known = name if not (name_fault(name) or is_blank(name)) else f"column {at + 1}"
            while known in kept or known == ROW:
                known = f"{known} ({at + 1})"
            kept[known] = at
    return kept


@dataclass(frozen=True, slots=True)
class _Reader:
    """What reading a row needs: the table, column positions by role, and columns to keep."""

    table: Table
    places: Mapping[str, int]
    kept: Mapping[str, int] | None = None

    def groups(self, ledger: Ledger) -> Iterator[tuple[str | None, list[Row]]]:
        """The rows of each dialogue, with its key if there is a column of keys."""
        if "dialogue" not in self.places:
            for row in self.table.rows(ledger):
                ledger.turn(row.size)
                yield None, [row]
        else:
            key: str | None = None
            group: list[Row] = []
            held = 0
            for own, row in self._together(ledger):
                if own != key and group:
                    yield key, group
                    group, held = [], 0
                key = own
                group.append(row)
                held += row.size
                self._check_size(row, key, held)
            if group:
                yield key, group

    def _together(self, ledger: Ledger) -> Iterator[tuple[str, Row]]:
        """The rows with their keys, so that those of one dialogue follow each other."""
        if self._follow_each_other(ledger.rehearsal()):
            for key, row in self._keyed(ledger):
                ledger.turn(row.size)
                yield key, row
            return
        with closing(Groups()) as groups:
            for key, row in self._keyed(ledger):
                ledger.turn(row.size)
                groups.add(key, [key, row.line, row.size, row.number, *row.cells])
            for own, line, size, number, *cells in groups.members():
                told = [str(cell) for cell in cells]
                yield str(own), Row(int(line), told, int(size), int(number))

    def _keyed(self, ledger: Ledger) -> Iterator[tuple[str, Row]]:
        """The rows with the dialogues they belong to."""
        for row in self.table.rows(ledger):
            try:
                key = self.key(row)
            except InputError as error:
                ledger.fault(error, row.line, row.size, row=row.number)
                continue
            yield key, row

    def _follow_each_other(self, ledger: Ledger) -> bool:
        """Whether no dialogue goes on after another has begun; looks at all rows."""
        last: str | None = None
        with closing(Register()) as seen:
            for key, row in self._keyed(ledger):
                if key != last and seen.add(key, row.line) is not None:
                    return False
                last = key
        return True

    def _check_size(self, row: Row, key: str | None, held: int) -> None:
        if held > MAX_DIALOGUE_BYTES:
            raise InputError(
                f"{self.place(row)}: dialogue '{shown(key or '')}' is larger than the "
                f"{MAX_DIALOGUE_BYTES:,} bytes that are held at once.",
                hint="Is this the column that tells dialogues apart?",
            )

    def cell(self, row: Row, role: str) -> str | None:
        """The trimmed cell, or ``None`` if it is empty or there is no such column."""
        place = self.places.get(role)
        if place is None:
            return None
        text = row.cells[place].strip()
        if text and role != "text" and (fault := name_fault(text)):
            raise self.fault(row, role, f"{fault} in '{shown(text)}'")
        return text or None

    def key(self, row: Row) -> str:
        """The dialogue a row belongs to."""
        if (cell := self.cell(row, "dialogue")) is None:
            raise self.fault(row, "dialogue", "is empty")
        return cell

    def turn(self, row: Row) -> Decimal:
        """The number that orders a row within its dialogue."""
        text = self.cell(row, "turn") or ""
        try:
            number = Decimal(text)
        except InvalidOperation:
            number = Decimal("nan")
        if not number.is_finite():
            raise self.fault(row, "turn", f"holds '{shown(text)}', which is not a number")
        return number

    def utterances(self, group: Sequence[Row]) -> tuple[Utterance, ...]:
        """The utterances of one dialogue, in order of turn."""
        if "turn" not in self.places:
            return tuple(map(self.utterance, group))
        seen: dict[Decimal, Row] = {}
        for row in group:
            number = self.turn(row)
            if number in seen:
                twice = f"holds {number}, which {self.table.spot} {seen[number].line} holds as well"
                raise self.fault(row, "turn", twice)
            seen[number] = row
        return tuple(self.utterance(seen[number]) for number in sorted(seen))

    def utterance(self, row: Row) -> Utterance:
        """The utterance of one row."""
        text = self.cell(row, "text") or ""
        if fault := text_fault(text):
            raise self.fault(row, "text", fault)
        named = self.cell(row, "speaker"), self.cell(row, "label"), self.cell(row, "id")
        return Utterance(text, *named, metadata=self.metadata(row))

    def metadata(self, row: Row) -> dict[str, str | float]:
        """What is kept of a row besides what the utterance holds."""
        if self.kept is None:
            return {}
        cells = {name: row.cells[at] for name, at in self.kept.items() if row.cells[at]}
        for name, cell in cells.items():
            if fault := unreadable(cell):
                raise InputError(f"{self.place(row)}: the column '{shown(name)}' {fault}.")
        return {ROW: row.number, **cells}

    def place(self, row: Row) -> str:
        """What errors call a row."""
        return f"{self.table.name}, {self.table.spot} {row.line}"

    def fault(self, row: Row, role: str, what: str) -> InputError:
        """An error at a cell."""
        column = shown(self.table.header[self.places[role]])
        hint = _FILL.get(role) if what == "is empty" else None
        return InputError(f"{self.place(row)}: the {role} column '{column}' {what}.", hint=hint)
