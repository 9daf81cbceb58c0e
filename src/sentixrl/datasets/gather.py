"""Collects one split turn by turn: mends texts, checks labels and identifiers, counts repairs.

Contract: every loader builds its :class:`~sentixrl.datasets.info.Reading` here, so that mending
texts, reading labels and counting multi-label rows is done in one way only.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from sentixrl.datasets.dataset import Repair
from sentixrl.datasets.files import Place
from sentixrl.datasets.info import Reading, Request
from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.errors import InputError
from sentixrl.formats.characters import is_blank, shown, text_fault
from sentixrl.labels import LabelSet

_CONTROLS = re.compile(r"[\x80-\x9f]")
Metadata = Mapping[str, str | float]


@dataclass(frozen=True, slots=True)
class _Turn:
    utterance: Utterance
    place: Place
    order: int


@dataclass(slots=True)
class _Draft:
    turns: list[_Turn]
    keys: set[str]
    group: str | None


class Gathering:
    """A split being collected.

    Args:
        request: What the loader was asked for.
        language: BCP-47 tag of the dialogues.
        cp1252: Whether control characters U+0080 to U+009F are bytes of Windows-1252 that were
            decoded as something else. Then they are replaced by the characters they stood for;
            otherwise they are removed.
    """

    def __init__(self, request: Request, language: str, *, cp1252: bool = True) -> None:
        self.request = request
        self.language = language
        self.cp1252 = cp1252
        self.label_set: LabelSet = request.label_set
        self._drafts: dict[str, _Draft] = {}
        self._repairs: Counter[tuple[str, str]] = Counter()
        self._left_out: Counter[str] = Counter()
        self._labels: Counter[str] = Counter()
        self._rows = 0

    def text(self, raw: str, place: Place) -> str:
        """``raw`` mended: control characters replaced, outer white space removed.

        Raises:
            InputError: Nothing visible is left, or it holds a lone surrogate.
        """
        text = self._without_controls(raw, place)
        if text != text.strip():
            text = text.strip()
            self.repaired("outer white space removed", place)
        if fault := text_fault(text):
            raise place.error(f"the text {fault}.", hint="Complete the row, or remove it.")
        return text

    def label(self, raw: str, place: Place) -> str:
        """The name of the label that ``raw`` is.

        Raises:
            InputError: It is none of the task's labels.
        """
        found = self.label_set.read(raw)
        if found is None:
            raise place.error(
                f"'{shown(raw)}' is not a label of '{self.label_set.name}' "
                f"({', '.join(self.label_set.names)}).",
                hint="Correct the row, or read the file as your own data with --labels.",
            )
        return found.name

    def repaired(self, what: str, place: Place, count: int = 1) -> None:
        """Note that something was mended."""
        self._repairs[what, place.file] += count

    def leave_out(self, reason: str, count: int = 1) -> None:
        """Note rows that will not be in the split."""
        self._left_out[reason] += count

    def turn(
        self,
        place: Place,
        dialogue: str,
        utterance: Utterance,
        *,
        order: int | None = None,
        group: str | None = None,
    ) -> None:
        """Add a turn to a dialogue, which begins with its first turn.

        Args:
            place: Where it stands.
            dialogue: The dialogue's identifier.
            utterance: The turn, its text mended and its label read; its id is unique in the
                dialogue.
            order: Its rank in the dialogue; default: the order of the calls.
            group: The dialogue's unit of resampling.

        Raises:
            InputError: The identifier occurs twice.
        """
        draft = self._drafts.setdefault(dialogue, _Draft([], set(), group))
        key = utterance.id or str(len(draft.turns))
        if key in draft.keys:
            raise place.error(
                f"the utterance '{shown(key)}' of the dialogue '{shown(dialogue)}' occurs twice.",
                hint="Identifiers must be unique; two files may have been put together.",
            )
        draft.keys.add(key)
        rank = len(draft.turns) if order is None else order
        draft.turns.append(_Turn(utterance, place, rank))
        if utterance.gold is not None:
            self._rows += 1
            self._labels[utterance.gold] += 1

    def single(
        self,
        place: Place,
        key: str,
        raw: str,
        labels: Collection[str],
        *,
        group: str | None = None,
        metadata: Metadata | None = None,
        blank: bool = False,
    ) -> None:
        """Add a text that stands alone and may have any number of labels.

        By default only those with exactly one become part of the split; with the switch
        ``single_label`` off all do, and ``golds`` holds all labels of each. ``blank`` says that
        the source is known to have rows without text; they are left out and counted.
        """
        gold = next(iter(labels)) if len(labels) == 1 else None
        golds = None if self._single_label else tuple(labels)
        reason = self._reason_to_leave_out(raw, labels, blank)
        if gold is None or reason:
            self._labels.update(labels)
            self._rows += 1
        if reason:
            self.leave_out(reason)
            return
        utterance = Utterance(
            self.text(raw, place), gold=gold, id=key, metadata=dict(metadata or {}), golds=golds
        )
        self.turn(place, key, utterance, group=group)

    @property
    def _single_label(self) -> bool:
        return bool(self.request.switches.get("single_label", True))

    def _reason_to_leave_out(self, raw: str, labels: Collection[str], blank: bool) -> str | None:
        if blank and is_blank(raw):
            return "without text"
        if len(labels) == 1 or not self._single_label:
            return None
        return "with several labels" if labels else "without any label"

    def finish(self, variant: str = "", label_set: LabelSet | None = None) -> Reading:
        """The reading.

        Raises:
            InputError: There was nothing to read.
        """
        if not self._drafts:
            raise InputError(
                f"The split '{self.request.split}' in {self.request.path} has no utterances.",
                hint="The file may be cut off: get it again.",
            )
        return Reading(
            dialogues=tuple(self._dialogue(id, draft) for id, draft in self._drafts.items()),
            rows=self._rows,
            source_labels={name: self._labels[name] for name in self.label_set.names},
            repairs=tuple(Repair(what, file, n) for (what, file), n in self._repairs.items()),
            left_out=dict(self._left_out),
            variant=variant,
            label_set=label_set,
        )

    def _dialogue(self, id: str, draft: _Draft) -> Dialogue:
        turns = sorted(draft.turns, key=lambda turn: turn.order)
        if turns != draft.turns:
            self.repaired("dialogues put in the order of their utterance ids", turns[0].place)
        utterances = tuple(turn.utterance for turn in turns)
        return Dialogue(id, utterances, language=self.language, group=draft.group)

    def _without_controls(self, raw: str, place: Place) -> str:
        if not _CONTROLS.search(raw):
            return raw
        if self.cp1252:
            self.repaired("Windows-1252 characters decoded (such as U+0092 → ’)", place)
            return _CONTROLS.sub(lambda found: _from_cp1252(found[0]), raw)
        self.repaired("control characters removed", place)
        return _CONTROLS.sub("", raw)


def _from_cp1252(character: str) -> str:
    try:
        return bytes([ord(character)]).decode("cp1252")
    except UnicodeDecodeError:  # five of the 32 stand for nothing
        return ""
