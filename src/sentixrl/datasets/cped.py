"""CPED: lines of Chinese television series with thirteen emotions and three sentiments.

Layout: ``{train,valid,test}_split.csv``. The train file is hard to come by; without it the splits
``lowres-train`` and ``lowres-dev`` cut the valid file by television show.
"""

from __future__ import annotations

from sentixrl.datasets.files import Row, find, read_csv
from sentixrl.datasets.gather import Gathering
from sentixrl.datasets.info import Count, DatasetInfo, Reading, Remote, Request, Task
from sentixrl.dialogue import Utterance

SOURCE = "https://github.com/scutcyr/CPED (data/CPED/*.csv)"

LOWRES_DEV_SHOWS = frozenset({"44"})
"""The shows (``TV_ID``) of the valid file that are ``lowres-dev``; the rest are ``lowres-train``.

Show 44 is a fifth of the file, has all thirteen emotions and their distribution is the nearest to
that of the other shows, except show 45, which is the largest and needed for training.
"""

_FILES = {
    "train": "train",
    "dev": "valid",
    "test": "test",
    "lowres-train": "valid",
    "lowres-dev": "valid",
}
_COLUMNS = (
    "TV_ID",
    "Dialogue_ID",
    "Utterance_ID",
    "Speaker",
    "Scene",
    "Sentiment",
    "Emotion",
    "DA",
    "Utterance",
)
_RAW = (
    "https://raw.githubusercontent.com/scutcyr/CPED/"
    "fc7eeae200098c4865d624e88d31958d80e489a3/data/CPED"
)


def read(request: Request) -> Reading:
    """Read one split."""
    name = f"{_FILES[request.split]}_split.csv"
    candidates = (name, f"data/CPED/{name}")
    hint = f"See {SOURCE}."
    if request.split == "train":
        hint += " Without it, train on the split 'lowres-train' of the valid file."
    path = find(request.path, candidates, f"{request.split} split of CPED", hint)
    gathering = Gathering(request, "zh")
    column = "Emotion" if request.task == "emotion" else "Sentiment"
    for row in read_csv(path, request.path, _COLUMNS):
        if _wanted(request.split, row):
            _turn(gathering, row, column)
    return gathering.finish()


def _wanted(split: str, row: Row) -> bool:
    if not split.startswith("lowres"):
        return True
    return (row["TV_ID"] in LOWRES_DEV_SHOWS) == (split == "lowres-dev")


def _turn(gathering: Gathering, row: Row, column: str) -> None:
    utterance = Utterance(
        gathering.text(row["Utterance"], row.place),
        speaker=row.required("Speaker"),
        gold=gathering.label(row[column], row.place),
        id=row.required("Utterance_ID"),
        metadata={"scene": row["Scene"], "act": row["DA"]},
    )
    show = row.required("TV_ID")
    gathering.turn(row.place, row.required("Dialogue_ID"), utterance, group=show)


INFO = DatasetInfo(
    name="cped",
    title="CPED, Chinese Personalized and Emotional Dialogue",
    languages=("zh",),
    licence="Apache-2.0 (stated for the repository, which says nothing of the series' texts)",
    citation="Chen et al. 2022, CPED: A Large-Scale Chinese Personalized and Emotional Dialogue "
    "Dataset for Conversational AI, arXiv 2205.14727",
    source=SOURCE,
    tasks={
        "emotion": Task("cped-13"),
        "sentiment": Task(
            "sentiment-3", ("macro_f1", "accuracy", "weighted_f1"), about="the speaker's sentiment"
        ),
    },
    splits=tuple(_FILES),
    group_kind="show",
    layouts=("{train,valid,test}_split.csv, also under data/CPED/",),
    read=read,
    expected={
        "train": Count(94187),
        "dev": Count(11137, 934, 5),
        "test": Count(27438, 2815, 9),
        "lowres-train": Count(8865, 764, 4),
        "lowres-dev": Count(2272, 170, 1),
    },
    within={"lowres-train": "dev", "lowres-dev": "dev"},
    notes=(
        "Published baselines are on the three sentiments; there is none on the thirteen emotions.",
        "The speaker 其他 ('other') stands for everyone without a name.",
        "Test has nine shows: intervals that resample shows are wide, and honest.",
    ),
    remotes=(
        Remote(
            f"{_RAW}/valid_split.csv",
            "valid_split.csv",
            "f434a04d21640bb38c849f3e9598c2b7b2fbdb49be6a7365b2ae016019bd389b",
            1672923,
        ),
        Remote(
            f"{_RAW}/test_split.csv",
            "test_split.csv",
            "a4bcde678438ba1f95224d8e772e40f1f1df7c72f348796b3fafd421c2443a53",
            4137142,
        ),
    ),
    not_fetched="Only valid and test: no copy of train_split.csv was there to take a checksum of.",
)
