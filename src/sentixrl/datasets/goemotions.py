"""GoEmotions: Reddit comments with 27 emotions and neutral, several of which may apply.

Layout: ``{train,dev,test}.tsv`` without a header: text, label numbers with commas, comment id.
"""

from __future__ import annotations

from sentixrl.datasets.files import Row, find, read_tsv
from sentixrl.datasets.gather import Gathering
from sentixrl.datasets.info import Count, DatasetInfo, Reading, Remote, Request, Task
from sentixrl.formats.characters import shown

SOURCE = "https://github.com/google-research/google-research/tree/master/goemotions"

LABELS = (
    "admiration", "amusement", "anger", "annoyance", "approval", "caring", "confusion",
    "curiosity", "desire", "disappointment", "disapproval", "disgust", "embarrassment",
    "excitement", "fear", "gratitude", "grief", "joy", "love", "nervousness", "optimism",
    "pride", "realization", "relief", "remorse", "sadness", "surprise", "neutral",
)  # fmt: skip
"""The files' numbers, from 0."""

_CODES = {str(number): name for number, name in enumerate(LABELS)}

EKMAN = {
    "anger": ("anger", "annoyance", "disapproval"),
    "disgust": ("disgust",),
    "fear": ("fear", "nervousness"),
    "joy": (
        "admiration", "amusement", "approval", "caring", "desire", "excitement", "gratitude",
        "joy", "love", "optimism", "pride", "relief",
    ),
    "sadness": ("disappointment", "embarrassment", "grief", "remorse", "sadness"),
    "surprise": ("confusion", "curiosity", "realization", "surprise"),
    "neutral": ("neutral",),
}  # fmt: skip
"""The authors' own grouping (``ekman_mapping.json`` beside their data)."""

_GROUPS = {name: group for group, names in EKMAN.items() for name in names}

_RAW = "https://raw.githubusercontent.com/google-research/google-research"
_COMMIT_1 = "2adf640a14f11025ae5a9d0ec493b78530d276d3"
_COMMIT_2 = "b91598b43297db06cca27a29fe2d0442dffea029"


def read(request: Request) -> Reading:
    """Read one split."""
    name = f"{request.split}.tsv"
    what = f"{request.split} split of GoEmotions"
    path = find(request.path, (name, f"data/{name}"), what, f"See {SOURCE}.")
    gathering = Gathering(request, "en")
    for row in read_tsv(path, request.path, ("text", "labels", "id")):
        names = _names(row)
        if request.task == "ekman":
            names = list(dict.fromkeys(_GROUPS[name] for name in names))
        labels = [gathering.label(name, row.place) for name in names]
        gathering.single(row.place, row.required("id"), row["text"], labels)
    return gathering.finish()


def _names(row: Row) -> list[str]:
    codes = row.required("labels").split(",")
    for code in codes:
        if code not in _CODES:
            raise row.place.error(
                f"'{shown(code)}' is not a label number from 0 to {len(LABELS) - 1}.",
                hint="The columns are text, label numbers and comment id, separated by tabs.",
            )
    return [_CODES[code] for code in codes]


INFO = DatasetInfo(
    name="goemotions",
    title="GoEmotions",
    languages=("en",),
    licence="CC BY 4.0",
    citation="Demszky et al. 2020, GoEmotions: A Dataset of Fine-Grained Emotions, ACL",
    source=SOURCE,
    tasks={
        "emotion": Task("goemotions-28", ("macro_f1", "weighted_f1", "accuracy")),
        "ekman": Task(
            "goemotions-7",
            ("macro_f1", "weighted_f1", "accuracy"),
            about="the emotion, in the authors' grouping into Ekman's six",
        ),
    },
    splits=("train", "dev", "test"),
    group_kind="text",
    layouts=(
        "{train,dev,test}.tsv (text, label numbers, comment id; no header), also under data/",
    ),
    read=read,
    switches={"single_label": (True, False)},
    multi_label=True,
    expected={"train": Count(43410), "dev": Count(5426), "test": Count(5427)},
    notes=(
        "Published macro-F1 (46 to 49) is multi-label: the single-label subset is another task.",
        "Names and religions are masked as [NAME] and [RELIGION].",
    ),
    remotes=(
        Remote(
            f"{_RAW}/{_COMMIT_1}/goemotions/data/train.tsv",
            "train.tsv",
            "1c254a142be5c00e80d819b9ae1bbd36d94b2eeb8f4b1271846508d57e57d9c5",
            3519053,
        ),
        Remote(
            f"{_RAW}/{_COMMIT_1}/goemotions/data/dev.tsv",
            "dev.tsv",
            "575489c079c9de1097062a01738f998590d6b7ead66dd1c9fd1d2ba01fd8bc62",
            439059,
        ),
        Remote(
            f"{_RAW}/{_COMMIT_2}/goemotions/data/test.tsv",
            "test.tsv",
            "0587b2dd8b27b97352adbfc3fb083d46005c8946657fdc2b1ca8b1cc7f1f8be4",
            436706,
        ),
    ),
)
