"""BRIGHTER (SemEval-2025 task 11, track A): short texts with up to six emotions, several at once.

Layout: ``{train,dev,test}/<language>.csv``: id, text and one 0/1 column per emotion.
"""

from __future__ import annotations

from sentixrl.datasets.binary import marked
from sentixrl.datasets.files import find, read_csv
from sentixrl.datasets.gather import Gathering
from sentixrl.datasets.info import Count, DatasetInfo, Reading, Remote, Request, Task
from sentixrl.labels import LabelSet, scheme

SOURCE = (
    "https://github.com/emotion-analysis-project/SemEval2025-Task11 "
    "(task-dataset/semeval-2025-task11-dataset/track_a)"
)

LANGUAGES = {
    "eng": "en", "esp": "es", "hin": "hi", "arq": "ar", "ary": "ar", "chn": "zh", "deu": "de",
    "ptbr": "pt", "rus": "ru", "afr": "af", "amh": "am", "hau": "ha", "ibo": "ig", "kin": "rw",
    "pcm": "pcm", "ptmz": "pt", "ron": "ro", "som": "so", "sun": "su", "swa": "sw", "yor": "yo",
}  # fmt: skip
"""File stem → language; ``arq`` is Algerian and ``ary`` Moroccan Arabic, ``ptbr`` Brazilian and
``ptmz`` Mozambican Portuguese, ``pcm`` Nigerian Pidgin."""
NOT_ANNOTATED = {"eng": "disgust", "afr": "surprise"}
"""File stem → the label its texts were not annotated with."""
NEUTRAL = "neutral"

_ROWS = {
    "arq": (901, 100, 902),
    "ary": (1608, 267, 812),
    "chn": (2642, 200, 2642),
    "deu": (2603, 200, 2604),
    "eng": (2764, 115, 2765),
    "esp": (1996, 184, 1695),
    "hin": (2556, 100, 1010),
    "ptbr": (2226, 200, 2226),
    "rus": (2679, 199, 1000),
    "afr": (1222, 98, 1065),
    "amh": (3549, 592, 1774),
    "hau": (2145, 356, 1080),
    "ibo": (2880, 479, 1444),
    "kin": (2451, 407, 1231),
    "pcm": (3728, 620, 1870),
    "ptmz": (1546, 257, 776),
    "ron": (1241, 123, 1119),
    "som": (3392, 566, 1696),
    "sun": (924, 199, 926),
    "swa": (3307, 551, 1656),
    "yor": (2992, 497, 1500),
}
_SPLITS = ("train", "dev", "test")
_RAW = (
    "https://raw.githubusercontent.com/emotion-analysis-project/SemEval2025-Task11/"
    "44ddc04d0fcf2ee90c5e4caf531d4d0fa36b755a/task-dataset/semeval-2025-task11-dataset/track_a"
)


def read(request: Request) -> Reading:
    """Read one split of one language."""
    stem = str(request.switches["language"])
    name = f"{request.split}/{stem}.csv"
    what = f"{request.split} split of BRIGHTER in '{stem}'"
    hint = f"See {SOURCE}; the switch 'language' chooses the file."
    path = find(request.path, (name, f"track_a/{name}"), what, hint)
    several = not request.switches["single_label"]
    labels = _labels_of(stem, request.label_set, several=several)
    offered = labels
    if with_neutral := bool(request.switches["neutral"]):
        offered = _with_neutral(labels, several=several)
    gathering = Gathering(request, LANGUAGES[stem])
    for row in read_csv(path, request.path, ("id", "text", *labels.names)):
        names = marked(row, labels.names)
        if with_neutral and not names:
            names = [NEUTRAL]
        gathering.single(row.place, row.required("id"), row["text"], names)
    return gathering.finish(variant=stem, label_set=offered)


def _labels_of(stem: str, scheme: LabelSet, *, several: bool) -> LabelSet:
    missing = NOT_ANNOTATED.get(stem)
    if missing is None:
        return scheme
    # A class that nothing in the data can ever be would halve nobody's macro-F1 but ours.
    kept = [label for label in scheme if label.name != missing]
    return LabelSet(f"{scheme.name}-without-{missing}", kept, multi_label=several)


def _with_neutral(labels: LabelSet, *, several: bool) -> LabelSet:
    added = [*labels, scheme("ekman-7")[NEUTRAL]]
    return LabelSet(f"{labels.name}-and-neutral", added, multi_label=several)


_FILES = {
    "train/arq.csv": (
        "3fea52dd0318abb7db758b69cb4715308e536d4f50cfea39a644cd8f9e0aaebe",
        157373,
    ),
    "dev/arq.csv": (
        "40e326fd627b1fc6ec512961532fbca74eb02b90cce3b3d6f5b806f7eb5fbbba",
        17709,
    ),
    "test/arq.csv": (
        "63ae0b8cce5a0c56fbe1fd50c9cc5a9565bcbb6bb2ec4eb084e0014760e44eb8",
        157487,
    ),
    "train/ary.csv": (
        "5ec17fde01473572678839258f9ff4c1d7c848187b25883327c11a312e822d8a",
        268290,
    ),
    "dev/ary.csv": (
        "e70286e78494ac194ab4842fa0e62818f3c51c972d6c18b207f1a3080fe0115b",
        43246,
    ),
    "test/ary.csv": (
        "4367875f77ef00cdd72ed7720aaa231d41bc95f05b6a60e702b68563a76d7a73",
        134112,
    ),
    "train/chn.csv": (
        "0c8be88f0c1d1e9c6b1e86e27a18ea1f868ed770547c7828c6ccd51cea872b72",
        538245,
    ),
    "dev/chn.csv": (
        "d896f2e9138dacfed13c944b55ee7db5a55f43c63323a27d183d90f00d0a85ab",
        39157,
    ),
    "test/chn.csv": (
        "b3200411e207b6b5848462cffbd450b73ceed879f6c43761624377b533ae8cbd",
        537606,
    ),
    "train/deu.csv": (
        "e0006e837a74afcc46f12c877442e4823a0de6a396afa37b7949487e2940b295",
        680115,
    ),
    "dev/deu.csv": (
        "cd0371398dbc7a08075d8cbabbf253b802975100d536106ee5ed6da4c50ffb9c",
        52568,
    ),
    "test/deu.csv": (
        "40d5314ab90d20927a20d713db6231af137be21e9c29562005607d0939e95ecf",
        690574,
    ),
    "train/esp.csv": (
        "136e5a49e3fd0f270e40985b66c7c804cca649888a606ce47d0536082ea412d7",
        185940,
    ),
    "dev/esp.csv": (
        "3bd2d0cabe03fcd09cc1fc4b39b2e9b554f5170fc7ac5415449bc4f55b8d0b41",
        17394,
    ),
    "test/esp.csv": (
        "e82f7295d0123fd2bfa420671005398a1305f7303c1719c65582a03d8750bd48",
        146942,
    ),
    "train/hin.csv": (
        "7f2f9c085ce12c2736ad13d02c30acf1a161c240f08a88285d819bbe52ba2cc6",
        610035,
    ),
    "dev/hin.csv": (
        "c44cd4828017e910795735662ae04843d3bf3315eedecb6c6ea7e73717d73fbc",
        23696,
    ),
    "test/hin.csv": (
        "2a89ed3bcec51afce771005c9b8977f0168f32eec5c45bb696552938d952b575",
        239673,
    ),
    "train/ptbr.csv": (
        "ca24d3eab10afef0682e778a735e7c21611f3d027bd88341d3f7aa3d9aee6ae0",
        345810,
    ),
    "dev/ptbr.csv": (
        "a462854eb28e8ce4c81ed9c1f3aff6d2bab405c9202b29466c7db59468d22d47",
        28208,
    ),
    "test/ptbr.csv": (
        "ce5e41b4ad762815ed204fc08aa505c5288aa37faf295671a07628124e63f2f2",
        337720,
    ),
    "train/rus.csv": (
        "d0591c3bd83189fe3b446146053981b3c30c84c6c60e550453f8fea87826d3a4",
        397451,
    ),
    "dev/rus.csv": (
        "228b36ce83a18b17c4e01eab241b2d3ac35a2fea02527046e06817e8b52e47bd",
        27486,
    ),
    "test/rus.csv": (
        "bd160a11e0401271af0d13e53d2ece695d892d0c20763640412185817b4c37ed",
        147368,
    ),
}

INFO = DatasetInfo(
    name="brighter",
    title="BRIGHTER, SemEval-2025 task 11 track A (21 of its languages)",
    languages=tuple(dict.fromkeys(LANGUAGES.values())),
    licence="CC BY 4.0, for research",
    citation="Muhammad et al. 2025, BRIGHTER: BRIdging the Gap in Human-Annotated Textual Emotion "
    "Recognition Datasets for 28 Languages, ACL",
    source=SOURCE,
    tasks={"emotion": Task("brighter-6", ("macro_f1", "weighted_f1", "accuracy"), neutral=None)},
    splits=_SPLITS,
    group_kind="text",
    layouts=("{train,dev,test}/<language>.csv (id, text, one 0/1 column per emotion)",),
    read=read,
    switches={
        "language": tuple(LANGUAGES),
        "single_label": (True, False),
        "neutral": (False, True),
    },
    sweep="language",
    multi_label=True,
    expected={
        f"{split}/{stem}": Count(rows)
        for stem, counts in _ROWS.items()
        for split, rows in zip(_SPLITS, counts, strict=True)
    },
    notes=(
        "Rows without any label are not annotated as neutral; the single-label subset leaves "
        "them out. The switch neutral=true takes them for neutral and offers neutral as a label.",
        "English has no disgust and Afrikaans no surprise: five labels each.",
        "The labels of English test are blank in the original file and were released apart.",
    ),
    remotes=tuple(
        Remote(f"{_RAW}/{path}", path, sha256, size) for path, (sha256, size) in _FILES.items()
    ),
    not_fetched="All but English, whose files have changed since.",
)
