"""DailyDialog: written everyday dialogues of two people with seven emotions.

Two layouts: ``{train,validation,test}.csv``, and the official text files, where the turns of a
dialogue are on one line, each ended by ``__eou__``, and its emotions and acts are on the same line
of two other files.
"""

from __future__ import annotations

from pathlib import Path

from sentixrl.datasets.files import Place, find, read_csv, read_text, relative
from sentixrl.datasets.gather import Gathering
from sentixrl.datasets.info import Count, DatasetInfo, Reading, Request, Task
from sentixrl.dialogue import Utterance
from sentixrl.formats.characters import shown

SOURCE = "http://yanran.li/dailydialog"

EMOTIONS = ("no_emotion", "anger", "disgust", "fear", "happiness", "sadness", "surprise")
"""The official files' numbers, from 0."""

ACTS = ("inform", "question", "directive", "commissive")
"""The official files' numbers, from 1."""

_FILES = {"train": "train", "dev": "validation", "test": "test"}
_COLUMNS = ("dialogue_id", "utterance_id", "speaker_alternating", "text", "emotion", "act")


def read(request: Request) -> Reading:
    """Read one split."""
    name = _FILES[request.split]
    official = (f"{name}/dialogues_{name}.txt", f"dialogues_{name}.txt")
    what = f"{request.split} split of DailyDialog"
    path = find(request.path, (f"{name}.csv", *official), what, f"See {SOURCE}.")
    gathering = Gathering(request, "en")
    if path.suffix == ".txt":
        _read_official(gathering, path, name)
    else:
        _read_table(gathering, path)
    return gathering.finish()


def _read_table(gathering: Gathering, path: Path) -> None:
    for row in read_csv(path, gathering.request.path, _COLUMNS):
        utterance = Utterance(
            gathering.text(row["text"], row.place),
            speaker=row.required("speaker_alternating"),
            gold=gathering.label(row["emotion"], row.place),
            id=row.required("utterance_id"),
            metadata={"act": row["act"]},
        )
        dialogue = row.required("dialogue_id")
        gathering.turn(row.place, dialogue, utterance, order=row.integer("utterance_id"))


def _read_official(gathering: Gathering, path: Path, name: str) -> None:
    folder = gathering.request.path
    texts = _lines(path, folder)
    emotions = _lines(path.with_name(f"dialogues_emotion_{name}.txt"), folder)
    acts = _lines(path.with_name(f"dialogues_act_{name}.txt"), folder)
    file = relative(path, folder)
    if not len(texts) == len(emotions) == len(acts):
        raise Place(file, "end").error(
            f"there are {len(texts)} dialogues, but {len(emotions)} lines of emotions and "
            f"{len(acts)} of acts.",
            hint="One of the three files may be cut off: get them again.",
        )
    for number, (text, codes, deeds) in enumerate(zip(texts, emotions, acts, strict=True)):
        place = Place(file, f"line {number + 1}")
        turns = [turn for turn in text.split("__eou__") if turn.strip()]
        if not len(turns) == len(codes.split()) == len(deeds.split()):
            gathering.repaired("dialogues whose turns and labels differ in number left out", place)
            gathering.leave_out("in a dialogue with too few or too many labels", len(turns))
            continue
        rows = zip(turns, codes.split(), deeds.split(), strict=True)
        for index, (turn, code, deed) in enumerate(rows):
            utterance = Utterance(
                gathering.text(turn, place),
                speaker="AB"[index % 2],
                gold=gathering.label(_nth(EMOTIONS, code, 0, place), place),
                id=str(index),
                metadata={"act": _nth(ACTS, deed, 1, place)},
            )
            gathering.turn(place, f"{name}_{number}", utterance)


def _lines(path: Path, folder: Path) -> list[str]:
    find(path.parent, [path.name], f"{path.name} of DailyDialog", f"See {SOURCE}.")
    return read_text(path, folder).rstrip("\n").split("\n")


def _nth(names: tuple[str, ...], code: str, first: int, place: Place) -> str:
    codes = {str(number): name for number, name in enumerate(names, start=first)}
    if code not in codes:
        last = first + len(names) - 1
        raise place.error(f"the code '{shown(code)}' is not a number from {first} to {last}.")
    return codes[code]


INFO = DatasetInfo(
    name="dailydialog",
    title="DailyDialog",
    languages=("en",),
    licence="CC BY-NC-SA 4.0",
    citation="Li et al. 2017, DailyDialog: A Manually Labelled Multi-turn Dialogue Dataset, IJCNLP",
    source=SOURCE,
    tasks={
        "emotion": Task(
            "dailydialog-7",
            ("micro_f1_without_neutral", "macro_f1", "weighted_f1"),
            neutral="no_emotion",
        )
    },
    splits=tuple(_FILES),
    group_kind="dialogue",
    layouts=(
        "{train,validation,test}.csv (dialogue_id, utterance_id, speaker_alternating, text, "
        "emotion, act)",
        "official: {train,validation,test}/dialogues{,_emotion,_act}_{train,validation,test}.txt",
    ),
    read=read,
    expected={
        "train": Count(87159, 11117),
        "dev": Count(8069, 1000),
        "test": Count(7740, 1000),
    },
    notes=(
        "Dialogues of validation and test also occur in train: drop what 'overlap' names.",
        "Five of six turns are no_emotion: the literature reports micro-F1 without it.",
        "Speakers are not named; A and B alternate.",
    ),
    not_fetched="Its licence excludes commercial use, and the copy we know is not the original.",
)
