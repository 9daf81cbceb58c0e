"""E-MaSaC: dialogues of a series in mixed Hindi and English, in Latin script, eight emotions.

Two layouts: ``{train,val,test}.csv``, and the shared task's ``MaSaC_{train,val,test}_erc.json``
(the test file that participants were given has no emotions).
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sentixrl.datasets.files import Place, find, read_csv, read_json, relative
from sentixrl.datasets.gather import Gathering
from sentixrl.datasets.info import Count, DatasetInfo, Reading, Request, Task
from sentixrl.dialogue import Utterance

SOURCE = "https://github.com/LCS2-IIITD/EDiReF-SemEval2024 (Data/Task A)"

_FILES = {"train": "train", "dev": "val", "test": "test"}
_COLUMNS = ("dialogue_id", "episode", "utterance_id", "speaker", "text", "emotion")


def read(request: Request) -> Reading:
    """Read one split."""
    name = _FILES[request.split]
    candidates = (f"{name}.csv", f"MaSaC_{name}_erc.json")
    what = f"{request.split} split of E-MaSaC"
    path = find(request.path, candidates, what, f"See {SOURCE}.")
    gathering = Gathering(request, "hi-Latn")
    if path.suffix == ".json":
        _read_official(gathering, path, name)
    else:
        _read_table(gathering, path)
    return gathering.finish()


def _read_table(gathering: Gathering, path: Path) -> None:
    for row in read_csv(path, gathering.request.path, _COLUMNS):
        utterance = Utterance(
            gathering.text(row["text"], row.place),
            speaker=_speaker(gathering, row["speaker"], row.place),
            gold=gathering.label(row["emotion"], row.place),
            id=row.required("utterance_id"),
        )
        dialogue, episode = row.required("dialogue_id"), row.required("episode")
        order = row.integer("utterance_id")
        gathering.turn(row.place, dialogue, utterance, order=order, group=episode)


def _read_official(gathering: Gathering, path: Path, name: str) -> None:
    file = relative(path, gathering.request.path)
    content = read_json(path, gathering.request.path)
    if not isinstance(content, list):
        raise Place(file, "top level").error("the file is not a list of dialogues.")
    for number, item in enumerate(content):
        place = Place(file, f"dialogue {number + 1}")
        columns = [_list(item, key, place) for key in ("speakers", "utterances", "emotions")]
        if len({len(column) for column in columns}) > 1:
            raise place.error("speakers, utterances and emotions differ in number.")
        episode = str(item.get("episode", "")) or None
        for index, (speaker, text, emotion) in enumerate(zip(*columns, strict=True)):
            if not isinstance(text, str) or not isinstance(emotion, str):
                raise place.error(f"utterance or emotion {index + 1} is not a text.")
            utterance = Utterance(
                gathering.text(text, place),
                speaker=_speaker(gathering, speaker, place),
                gold=gathering.label(emotion, place),
                id=str(index),
            )
            gathering.turn(place, f"{name}_{number}", utterance, group=episode)


def _speaker(gathering: Gathering, raw: object, place: Place) -> str | None:
    """A name without outer white space; one turn of train has NaN for one."""
    if isinstance(raw, str) and raw.strip() and raw != "nan":
        return raw.strip()
    gathering.repaired("speakers that are not known (NaN) left open", place)
    return None


def _list(item: object, key: str, place: Place) -> list[Any]:
    found = item.get(key) if isinstance(item, dict) else None
    if not isinstance(found, list):
        raise place.error(
            f"there is no list called '{key}'.",
            hint="The test file for participants has no emotions; take the labelled one."
            if key == "emotions"
            else f"See the layout at {SOURCE}.",
        )
    return found


INFO = DatasetInfo(
    name="emasac",
    title="E-MaSaC, SemEval-2024 task 10 (EDiReF), subtask 1",
    languages=("hi-Latn",),
    licence="unclear: none is stated; the transcripts are a third party's",
    citation="Kumar et al. 2024, SemEval 2024 Task 10: Emotion Discovery and Reasoning its Flip "
    "in Conversation (EDiReF)",
    source=SOURCE,
    tasks={"emotion": Task("emasac-8")},
    splits=tuple(_FILES),
    group_kind="episode",
    layouts=(
        "{train,val,test}.csv (" + ", ".join(_COLUMNS) + ")",
        "official: MaSaC_{train,val,test}_erc.json",
    ),
    read=read,
    expected={
        "train": Count(8506, 343, 49),
        "dev": Count(1354, 46, 44),
        "test": Count(1580, 57, 46),
    },
    notes=(
        "Every test episode occurs in train: results say little about new episodes.",
        "One turn of train has no speaker (NaN in the source).",
        "Hindi written in Latin letters and mixed with English: the language is 'hi-Latn', for "
        "which 'auto' takes the English templates.",
    ),
    not_fetched="No licence is stated.",
)
