"""EmoryNLP: lines of the series *Friends* with the seven emotions of the feeling wheel.

Three layouts, of two different sizes, are never mixed: ``full`` (one table per split, the 9,934 /
1,344 / 1,328 utterances of published numbers), ``json`` (the official files, of the same size) and
``timestamped`` (the smaller subset with times). ``auto`` takes the first layout that the folder has
a file of, and reads every split from that layout alone.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from sentixrl.datasets.files import MISSING, Place, Row, find, read_csv, read_json, relative
from sentixrl.datasets.gather import Gathering
from sentixrl.datasets.info import Count, DatasetInfo, Reading, Remote, Request, Task
from sentixrl.dialogue import Utterance
from sentixrl.errors import InputError

SOURCE = (
    "https://github.com/emorynlp/emotion-detection (json); "
    "https://github.com/declare-lab/MELD (timestamped)"
)
LAYOUTS = ("full", "json", "timestamped")
_RAW = "https://raw.githubusercontent.com/declare-lab/MELD"
_COMMIT = "a0e0589835bd5204c3b1e2fcbc852f181e2086ea"
_JSON_SPLIT = {"train": "trn", "dev": "dev", "test": "tst"}


def read(request: Request) -> Reading:
    """Read one split."""
    layout = str(request.switches["layout"])
    if layout == "auto":
        layout = _layout_of(request.path)
    gathering = Gathering(request, "en")
    candidates = _files(layout, request.split)
    what = f"{request.split} split of EmoryNLP in the layout '{layout}' (layouts are not mixed)"
    path = find(request.path, candidates, what, f"See {SOURCE}.")
    if layout == "json":
        _read_json(gathering, path)
    elif layout == "full":
        _read_full(gathering, path)
    else:
        _read_timestamped(gathering, path)
    return gathering.finish(variant=layout)


def _files(layout: str, split: str) -> tuple[str, ...]:
    if layout == "full":
        return (f"full_{split}.csv",)
    if layout == "json":
        name = f"emotion-detection-{_JSON_SPLIT[split]}.json"
        return (name, f"json/{name}")
    name = f"emorynlp_{split}_final.csv"
    return (name, f"data/emorynlp/{name}")


def _layout_of(folder: Path) -> str:
    for layout in LAYOUTS:
        names = [name for split in _JSON_SPLIT for name in _files(layout, split)]
        if any((folder / name).is_file() for name in names):
            return layout
    wanted = " or ".join(_files(layout, "train")[0] for layout in LAYOUTS)
    kind = "no EmoryNLP data in" if folder.is_dir() else "no data folder"
    raise InputError(
        f"There is {kind} {folder}: looked for {wanted} and the other splits' files.",
        hint=f"See {SOURCE}.",
        code=MISSING,
    )


def _read_full(gathering: Gathering, path: Path) -> None:
    columns = ("dialogue_id", "utterance_id", "speaker", "text", "emotion")
    for row in read_csv(path, gathering.request.path, columns):
        utterance = Utterance(
            gathering.text(row["text"], row.place),
            speaker=row["speaker"].strip() or None,
            gold=gathering.label(row["emotion"], row.place),
            id=row.required("utterance_id"),
        )
        dialogue = row.required("dialogue_id")
        gathering.turn(row.place, dialogue, utterance, order=row.integer("utterance_id"))


def _read_timestamped(gathering: Gathering, path: Path) -> None:
    columns = ("Utterance", "Speaker", "Emotion", "Scene_ID", "Utterance_ID", "Season", "Episode")
    for row in read_csv(path, gathering.request.path, columns):
        season, episode = row.integer("Season"), row.integer("Episode")
        # The scene's number is unique only within an episode.
        scene = f"s{season:02}_e{episode:02}_c{row.integer('Scene_ID'):02}"
        utterance = Utterance(
            gathering.text(row["Utterance"], row.place),
            speaker=_speaker(row),
            gold=gathering.label(row["Emotion"], row.place),
            id=row.required("Utterance_ID"),
            metadata={"season": season, "episode": episode},
        )
        gathering.turn(row.place, scene, utterance, order=row.integer("Utterance_ID"))


def _speaker(row: Row) -> str | None:
    try:
        names = ast.literal_eval(row["Speaker"])
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        names = None
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise row.place.error(
            "the column 'Speaker' is not a list of names such as ['Monica Geller'].",
            hint="This layout writes speakers as a list in brackets; get the file again.",
        )
    return _joined(names)


def _joined(names: list[str]) -> str | None:
    return " and ".join(name.strip() for name in names if name.strip()) or None


def _read_json(gathering: Gathering, path: Path) -> None:
    name = relative(path, gathering.request.path)
    content = read_json(path, gathering.request.path)
    for episode in _list(content, "episodes", Place(name, "top level")):
        for scene in _list(episode, "scenes", Place(name, "an episode")):
            key = _string(scene, "scene_id", Place(name, "a scene"))
            place = Place(name, f"scene {key}")
            for item in _list(scene, "utterances", place):
                _read_json_turn(gathering, item, place)


def _read_json_turn(gathering: Gathering, item: object, scene: Place) -> None:
    key = _string(item, "utterance_id", scene)
    place = Place(scene.file, f"utterance {key}")
    names = [str(name) for name in _list(item, "speakers", place)]
    season, episode = _numbers(key, place)
    utterance = Utterance(
        gathering.text(_string(item, "transcript", place), place),
        speaker=_joined(names),
        gold=gathering.label(_string(item, "emotion", place), place),
        id=key,
        metadata={"season": season, "episode": episode},
    )
    gathering.turn(place, scene.spot.removeprefix("scene "), utterance)


def _numbers(key: str, place: Place) -> tuple[int, int]:
    parts = key.split("_")
    try:
        return int(parts[0].removeprefix("s")), int(parts[1].removeprefix("e"))
    except (ValueError, IndexError):
        raise place.error("the utterance id is not of the form s01_e02_c03_u004.") from None


def _get(item: object, key: str, place: Place) -> Any:  # noqa: ANN401  (JSON is anything)
    if not isinstance(item, dict) or key not in item:
        raise place.error(f"there is no '{key}'.", hint=f"See the layout at {SOURCE}.")
    return item[key]


def _string(item: object, key: str, place: Place) -> str:
    found = _get(item, key, place)
    if not isinstance(found, str):
        raise place.error(f"'{key}' is not a text.", hint=f"See the layout at {SOURCE}.")
    return found


def _list(item: object, key: str, place: Place) -> list[Any]:
    found = _get(item, key, place)
    if not isinstance(found, list):
        raise place.error(f"'{key}' is not a list.", hint=f"See the layout at {SOURCE}.")
    return found


INFO = DatasetInfo(
    name="emorynlp",
    title="EmoryNLP emotion detection",
    languages=("en",),
    licence="Apache-2.0; the transcripts are a third party's",
    citation="Zahiri and Choi 2018, Emotion Detection on TV Show Transcripts with Sequence-Based "
    "Convolutional Neural Networks, AAAI workshop on affective content analysis",
    source=SOURCE,
    tasks={"emotion": Task("emorynlp-7", neutral="Neutral")},
    splits=("train", "dev", "test"),
    group_kind="dialogue",
    layouts=(
        "full: full_{train,dev,test}.csv (dialogue_id, utterance_id, speaker, text, emotion)",
        "json: emotion-detection-{trn,dev,tst}.json, also under json/",
        "timestamped: emorynlp_{train,dev,test}_final.csv",
    ),
    read=read,
    switches={"layout": ("auto", *LAYOUTS)},
    sweep="layout",
    expected={
        "train/full": Count(9934, 713),
        "dev/full": Count(1344, 99),
        "test/full": Count(1328, 85),
        "train/json": Count(9934, 713),
        "dev/json": Count(1344, 99),
        "test/json": Count(1328, 85),
        "train/timestamped": Count(7551, 659),
        "dev/timestamped": Count(954, 89),
        "test/timestamped": Count(984, 79),
    },
    notes=(
        "Published numbers use 'full' (the official JSON has the same split), not 'timestamped'.",
        "The same series as MELD: drop what 'overlap' names before mixing the two.",
        "'full' names one speaker where several speak together; the other layouts name all.",
    ),
    remotes=tuple(
        Remote(
            f"{_RAW}/{_COMMIT}/emorynlp_{split}_final.csv",
            f"emorynlp_{split}_final.csv",
            sha256,
            size,
        )
        for split, sha256, size in (
            ("train", "462c66c333783adb801836d12d1424f48489bef4fb8ddfec7fbb2f08ce8211d5", 771777),
            ("dev", "20edc9d5917fe705b17b849f7f288e495d4132a60353a6247c3800445bdf8734", 93130),
            ("test", "dbc4b5638acd12c92a5f48def829e04f1c765cddffb4eedbe34216312e0d2d78", 100280),
        )
    ),
    not_fetched="Only the timestamped subset; the official JSON of the full split is on GitHub.",
)
