"""Which column of a table holds what: named by the user, found by usual headers, or guessed aloud.

Contract: a column is used only if it is named or its header is a usual one. What merely looks
like a column of ours is told in a note or a hint, never used.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields

from sentixrl.errors import InputError
from sentixrl.formats.characters import SYNONYMS, nearest, shown

ROLES = ("text", "speaker", "dialogue", "turn", "label", "id")

# Words of headers that tell what a column probably holds; a header is cut at its signs.
_LIKELY = {
    "text": "msg body comment content line post review transcript tweet text utterance message",
    "speaker": "who from sender user speaker participant nick nickname character actor author "
    "username name agent",
    "dialogue": "conv conversation dialog dialogue ticket thread session chat case call scene",
    "label": "sentiment emotion feeling label mood category class",
}
_NUMBERED = {"id", "idx", "no", "nr", "num", "number", "key", "index"}
_PART = re.compile(
    r"""\s*(?P<role>[^=,]*?)\s*=\s*(?:"(?P<quoted>(?:[^"]|"")*)"\s*(?=,|$)|(?P<plain>.*?))
        \s*(?:,(?=\s*[A-Za-z_]+\s*=)|$)""",
    re.VERBOSE | re.DOTALL,
)


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

        A name may hold commas: it goes on up to the next ``word=``, or stands between quotation
        marks.

        Raises:
            InputError: It is not of that form, or names something other than our six columns.
        """
        found: dict[str, str] = {}
        place = 0
        while place < len(spec) or not found:
            part = _PART.match(spec, place)
            role = part["role"].casefold() if part else ""
            if part is None or role not in ROLES or role in found or part.end() == place:
                raise InputError(
                    f"'{shown(spec[place:])}' does not name a column.",
                    hint=f"Write text=NAME,speaker=NAME; there are: {', '.join(ROLES)}.",
                )
            quoted = part["quoted"]
            found[role] = part["plain"] if quoted is None else quoted.replace('""', '"')
            place = part.end()
        return cls(**found)


def usual_headers(role: str) -> tuple[str, ...]:
    """The headers by which a column is found, most usual first, in lower case."""
    if role == "turn":  # re-ordering is for the user to ask for
        return ()
    return SYNONYMS[role] if role == "id" else (role, *SYNONYMS[role])  # 'id' may be any id


def places_of(header: Sequence[str], columns: Columns, name: str) -> dict[str, int]:
    """Column positions by role.

    Args:
        header: The columns' names.
        columns: What the user named.
        name: What errors call the table.

    Raises:
        InputError: A named column is not there or there twice, nothing is known to hold the text,
            or turns are numbered and nothing tells the dialogues.
    """
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
            hint="The first line must name the columns; say which it is: "
            f"--columns {_suggestion(names, columns, places)}.",
        )
    if "turn" in places and "dialogue" not in places:
        raise InputError(
            f"{name}: a turn column orders the rows of a dialogue, but no column tells dialogues.",
            hint="Name that column as well: --columns dialogue=NAME.",
        )
    return places


def has_text(header: Sequence[str], columns: Columns) -> bool:
    """Whether a header names a column of texts: the user's, or one of the usual."""
    plain = {_plain(cell.strip()) for cell in header}
    wanted = {columns.text} if columns.text else set(usual_headers("text"))
    return bool(plain & {_plain(name) for name in wanted if name})


def known_roles(header: Sequence[str]) -> int:
    """How many of our columns a header names."""
    plain = {_plain(cell.strip()) for cell in header}
    return sum(bool(plain & set(usual_headers(role))) for role in ROLES)


def likely(
    role: str, header: Sequence[str], taken: Mapping[str, int], fits: Callable[[int], bool]
) -> str | None:
    """The column that probably holds ``role`` under a name we do not know, if there is one.

    Args:
        role: What is looked for.
        header: The columns' names.
        taken: Columns that are in use.
        fits: Whether a column's cells can be what is looked for.
    """
    words = set(_LIKELY.get(role, "").split())
    for place, name in enumerate(header):
        parts = [part for part in re.split(r"[\W_]+|(?<=[a-z])(?=[A-Z])", name) if part]
        folded = {part.casefold() for part in parts}
        known = folded & words and folded <= words | _NUMBERED | {"the", "of", "column", "gold"}
        if known and place not in taken.values() and fits(place):
            return name.strip()
    return None


def as_option(role: str, name: str) -> str:
    """How ``--columns`` names a column."""
    safe = '"' + name.replace('"', '""') + '"' if re.search(r'[,"]', name) else name
    return f"{role}={shown(safe)}"


def _suggestion(names: Sequence[str], columns: Columns, places: Mapping[str, int]) -> str:
    """The ``--columns`` that would probably do."""
    guesses = {role: likely(role, names, places, lambda _: True) for role in _LIKELY}
    if guesses["text"] is None:
        return "text=NAME"
    return ",".join(
        as_option(role, guess)
        for role, guess in guesses.items()
        if guess is not None and role not in places and getattr(columns, role) is None
    )


def _find(role: str, names: Sequence[str], origin: str) -> int | None:
    """The column with the most usual header for ``role``, if there is one."""
    found = [name for header in usual_headers(role) for name in names if _plain(name) == header]
    return _named(found[0], names, origin) if found else None


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
