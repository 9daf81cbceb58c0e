"""XED: subtitle lines in 40 languages with Plutchik's eight emotions, several of which may apply.

Two layouts: ``<stem>.csv`` (text and one 0/1 column per emotion), and the official tables
``<stem>.tsv`` or ``<stem>-projections.tsv`` (text and numbers from 1 to 8). There are no splits and
no dialogues; the split is called ``all``.
"""

from __future__ import annotations

import re
from pathlib import Path

from sentixrl.datasets.binary import marked
from sentixrl.datasets.files import find, read_csv, read_tsv
from sentixrl.datasets.gather import Gathering
from sentixrl.datasets.info import Count, DatasetInfo, Reading, Request, Task

SOURCE = "https://github.com/Helsinki-NLP/XED (AnnotatedData and Projections)"

EMOTIONS = (
    "anger", "anticipation", "disgust", "fear", "joy", "sadness", "surprise", "trust",
)  # fmt: skip
"""The columns, and the official tables' numbers from 1."""

ROWS = {
    "en-annotated": 17528, "ar": 3591, "bg": 6971, "br": 12285, "bs": 2444, "cn": 1395,
    "cs": 6508, "da": 1838, "de": 5500, "el": 8079, "en": 7827, "es": 11302, "et": 1476, "eu": 29,
    "fa": 548, "fi": 8289, "fi-annotated": 14449, "fr": 7303, "gl": 19, "he": 4446, "hr": 5941,
    "hu": 5778, "id": 781, "is": 978, "it": 6550, "ja": 66, "mk": 300, "ml": 29, "ms": 165,
    "nl": 5334, "no": 4258, "pl": 7174, "pt": 7221, "ro": 9470, "ru": 2378, "sk": 974, "sl": 2680,
    "sr": 8983, "sv": 4902, "th": 641, "tr2": 9193, "tw": 648, "vi": 956, "zh": 645,
}  # fmt: skip
"""File stem → how many rows it has (one row of ``tr2`` has no text)."""

_SUBTAG = {"br": "pt", "cn": "zh", "tw": "zh", "tr2": "tr"}


def read(request: Request) -> Reading:
    """Read one language."""
    stem = str(request.switches["language"])
    official = "tr-projections2.tsv" if stem == "tr2" else f"{stem}-projections.tsv"
    candidates = (
        f"{stem}.csv",
        f"{stem}.tsv",
        official,
        f"AnnotatedData/{stem}.tsv",
        f"Projections/{official}",
    )
    hint = f"See {SOURCE}; the switch 'language' chooses the file."
    path = find(request.path, candidates, f"XED in '{stem}'", hint)
    gathering = Gathering(request, _SUBTAG.get(stem, stem.split("-")[0]), cp1252=False)
    if path.suffix == ".csv":
        _read_table(gathering, path, stem)
    else:
        _read_official(gathering, path, stem)
    return gathering.finish(variant=stem)


def _read_table(gathering: Gathering, path: Path, stem: str) -> None:
    rows = read_csv(path, gathering.request.path, ("text", *EMOTIONS))
    for number, row in enumerate(rows, start=1):
        labels = marked(row, EMOTIONS)
        gathering.single(row.place, f"{stem}-{number}", row["text"], labels, blank=True)


def _read_official(gathering: Gathering, path: Path, stem: str) -> None:
    rows = read_tsv(path, gathering.request.path, ("text", "labels"))
    for number, row in enumerate(rows, start=1):
        codes = set(re.findall(r"\d+", row["labels"]))
        if unknown := codes - set("12345678"):
            raise row.place.error(f"'{min(unknown)}' is not an emotion's number from 1 to 8.")
        labels = [name for code, name in enumerate(EMOTIONS, start=1) if str(code) in codes]
        gathering.single(row.place, f"{stem}-{number}", row["text"], labels, blank=True)


INFO = DatasetInfo(
    name="xed",
    title="XED, a multilingual dataset for sentiment analysis and emotion detection",
    languages=tuple(sorted({_SUBTAG.get(stem, stem.split("-")[0]) for stem in ROWS})),
    licence="CC BY 4.0; the subtitles are a third party's (OPUS)",
    citation="Öhman et al. 2020, XED: A Multilingual Dataset for Sentiment Analysis and Emotion "
    "Detection, COLING",
    source=SOURCE,
    tasks={"emotion": Task("xed-8", ("macro_f1", "weighted_f1", "accuracy"), neutral=None)},
    splits=("all",),
    group_kind="text",
    layouts=(
        "<language>.csv (text, " + ", ".join(EMOTIONS) + ")",
        "official: AnnotatedData/<language>.tsv, Projections/<language>-projections.tsv",
    ),
    read=read,
    switches={"language": tuple(ROWS), "single_label": (True, False)},
    sweep="language",
    multi_label=True,
    expected={f"all/{stem}": Count(rows) for stem, rows in ROWS.items()},
    notes=(
        "It has no splits: make your own, and by film if you can.",
        "Languages are parallel subtitles: training on one contaminates testing on another.",
        "Only English and Finnish (*-annotated) were annotated; the rest is projected.",
    ),
    not_fetched="Our copy was converted, so there is no checksum of the original files.",
)
