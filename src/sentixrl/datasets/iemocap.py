"""IEMOCAP: dyadic sessions of ten actors, improvised and scripted, with six or four classes.

Two layouts: the official folders, and one flat table ``iemocap.csv``. Session 5 is the test split;
there is no official dev split, so ours is :data:`DEV_DIALOGUES`, the rest of sessions 1 to 4 is
train. Turns whose label is none of the task's (no agreement, surprise, fear, …) stay as context
without a gold label, or are dropped, by the switch ``unlabelled``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from sentixrl.datasets.files import MISSING, Place, find, read_csv, read_text, relative
from sentixrl.datasets.gather import Gathering
from sentixrl.datasets.info import Count, DatasetInfo, Reading, Request, Task
from sentixrl.dialogue import Utterance
from sentixrl.errors import InputError
from sentixrl.formats.characters import is_blank, shown

SOURCE = "https://sail.usc.edu/iemocap/ (on request; the licence forbids passing the data on)"

DEV_DIALOGUES = frozenset(
    {
        "Ses01F_impro04", "Ses01M_impro07", "Ses01F_script02_1",
        "Ses02M_impro03", "Ses02F_impro06", "Ses02M_script01_1",
        "Ses03F_impro01", "Ses03M_impro04", "Ses03F_script03_2",
        "Ses04M_impro02", "Ses04F_impro08", "Ses04M_script02_2",
    }
)  # fmt: skip
"""Our dev split: from each of sessions 1 to 4 two improvisations and one scripted scene."""

CODES: Mapping[str, str] = {
    "hap": "happy",
    "sad": "sad",
    "neu": "neutral",
    "ang": "angry",
    "exc": "excited",
    "fru": "frustrated",
}
"""The source's codes of the six classes → label names."""

OTHER_CODES = frozenset({"xxx", "oth", "sur", "fea", "dis"})
"""The source's codes of turns that belong to no class."""

_TURN = re.compile(r"(Ses0[1-5][FM]_\w+?_[FM](?:XX)?\d+)\s*\[([\d.]+)\s*-\s*([\d.]+)\]\s*:(.*)")
_LABEL = re.compile(r"\[[\d.]+\s*-\s*[\d.]+\]\t(\S+)\t(\w+)\t\[")
_DIALOGUE = re.compile(r"Ses0([1-5])[FM]_\w+")
_COLUMNS = ("dialogue_id", "utterance_id", "speaker", "text", "emotion")


@dataclass(frozen=True, slots=True)
class _Line:
    place: Place
    dialogue: str
    key: str
    speaker: str
    text: str
    code: str
    metadata: Mapping[str, str | float]


def read(request: Request) -> Reading:
    """Read one split."""
    gathering = Gathering(request, "en")
    flat = request.path / "iemocap.csv"
    lines = _read_flat(request.path, flat) if flat.is_file() else _read_folders(gathering)
    dialogues: dict[str, list[_Line]] = {}
    for line in lines:
        dialogues.setdefault(line.dialogue, []).append(line)
    for dialogue, turns in dialogues.items():
        if split_of(dialogue, turns[0].place) == request.split:
            _add(gathering, turns)
    return gathering.finish(variant=_variant(request))


def _variant(request: Request) -> str:
    if request.task == "emotion":
        return "6 classes"
    return "4 classes" if request.switches["merge_excited"] else "4 classes, excited apart"


def split_of(dialogue: str, place: Place) -> str:
    """The split that a dialogue belongs to.

    Raises:
        InputError: The identifier names no session.
    """
    found = _DIALOGUE.fullmatch(dialogue)
    if not found:
        raise place.error(f"the dialogue id '{shown(dialogue)}' is not of the form Ses01F_impro01.")
    if found[1] == "5":
        return "test"
    return "dev" if dialogue in DEV_DIALOGUES else "train"


def _add(gathering: Gathering, turns: list[_Line]) -> None:
    golds = [_gold(gathering, line) for line in turns]
    if not any(golds):
        gathering.leave_out("in a dialogue without any labelled turn", len(turns))
        return
    for line, gold in zip(turns, golds, strict=True):
        if gold is None and gathering.request.switches["unlabelled"] == "drop":
            gathering.leave_out("without a label of the task")
            continue
        if gold is None and is_blank(line.text):
            gathering.leave_out("without label and text")
            continue
        utterance = Utterance(
            gathering.text(line.text, line.place),
            speaker=line.speaker,
            gold=gold,
            id=line.key,
            metadata=line.metadata,
        )
        gathering.turn(line.place, line.dialogue, utterance)


def _gold(gathering: Gathering, line: _Line) -> str | None:
    code = line.code.strip().casefold()
    if not code or code in OTHER_CODES:
        return None
    name = CODES.get(code, code)
    if gathering.request.task == "emotion-4":
        if name == "excited" and gathering.request.switches["merge_excited"]:
            return "happy"
        if name in {"excited", "frustrated"}:
            return None
    return gathering.label(name, line.place)


def _read_flat(folder: Path, path: Path) -> Iterator[_Line]:
    for row in read_csv(path, folder, _COLUMNS):
        dialogue, key = row.required("dialogue_id"), row.required("utterance_id")
        yield _Line(
            row.place, dialogue, key, row.required("speaker"), row["text"], row["emotion"], {}
        )


def _read_folders(gathering: Gathering) -> Iterator[_Line]:
    root = gathering.request.path
    sessions = [5] if gathering.request.split == "test" else [1, 2, 3, 4]
    for session in sessions:
        dialog = f"Session{session}/dialog"
        transcripts = _files(root, f"{dialog}/transcriptions")
        for path in transcripts:
            name = f"{dialog}/EmoEvaluation/{path.name}"
            labels = find(root, [name], f"evaluation of {path.stem}", "Unpack the release again.")
            yield from _read_dialogue(gathering, path, _read_labels(labels, root))


def _files(root: Path, folder: str) -> list[Path]:
    # macOS leaves files called ._Ses… in the release; the pattern skips them.
    if paths := sorted((root / folder).glob("Ses0*.txt")):
        return paths
    kind = f"no {folder}/Ses*.txt in" if root.is_dir() else "no data folder"
    raise InputError(
        f"There is {kind} {root}: looked for it and for iemocap.csv.",
        hint=f"Give the folder that holds Session1 to Session5. See {SOURCE}.",
        code=MISSING,
    )


def _read_labels(path: Path, root: Path) -> dict[str, str]:
    return dict(_LABEL.findall(read_text(path, root)))


def _read_dialogue(gathering: Gathering, path: Path, labels: dict[str, str]) -> Iterator[_Line]:
    root = gathering.request.path
    name, seen = relative(path, root), set()
    for number, text in enumerate(read_text(path, root).split("\n"), start=1):
        place = Place(name, f"line {number}")
        found = _TURN.fullmatch(text.strip())
        if found is None:
            if text.strip():
                gathering.repaired("lines without an utterance id skipped", place)
            continue
        key, start, end, words = found.groups()
        seen.add(key)
        metadata = {"start": _seconds(start, place), "end": _seconds(end, place)}
        speaker = key.rsplit("_", 1)[1][0]
        yield _Line(place, path.stem, key, speaker, words, labels.get(key, ""), metadata)
    if lost := labels.keys() - seen:
        raise Place(name, "end").error(
            f"{len(lost)} evaluated turns have no line, for example '{min(lost)}'.",
            hint="The transcript may be cut off: unpack the release again.",
        )


def _seconds(text: str, place: Place) -> float:
    try:
        return float(text)
    except ValueError:
        raise place.error(f"'{text}' is not a time in seconds.") from None


INFO = DatasetInfo(
    name="iemocap",
    title="IEMOCAP, Interactive Emotional Dyadic Motion Capture",
    languages=("en",),
    licence="own licence of the University of Southern California: research, not to be passed on",
    citation="Busso et al. 2008, IEMOCAP: Interactive emotional dyadic motion capture database, "
    "Language Resources and Evaluation 42",
    source=SOURCE,
    tasks={"emotion": Task("iemocap-6"), "emotion-4": Task("iemocap-4")},
    splits=("train", "dev", "test"),
    group_kind="dialogue",
    layouts=(
        "official: Session{1..5}/dialog/transcriptions/*.txt and .../EmoEvaluation/*.txt",
        "flat: iemocap.csv (dialogue_id, utterance_id, speaker, text, emotion; empty emotion: "
        "unlabelled)",
    ),
    read=read,
    switches={"unlabelled": ("context", "drop"), "merge_excited": (True, False)},
    expected={"test/6 classes": Count(1623, 31), "test/4 classes": Count(1241, 31)},
    notes=(
        "Session 5 is test; published dev splits differ. Ours is pinned: "
        + ", ".join(sorted(DEV_DIALOGUES))
        + ".",
        "The six classes keep 7,433 turns of all sessions: 5,810 in train and dev together.",
        "The plays are the same in every session, so lines of scripted scenes recur in train.",
        "'emotion-4' counts excited as happy unless merge_excited is off; frustrated has no class.",
    ),
    not_fetched="Its licence forbids passing it on.",
)
