"""MELD: lines of the series *Friends* with seven emotions and three sentiments.

Layout: ``{train,dev,test}_sent_emo.csv``, or a checkout of ``declare-lab/MELD``.
"""

from __future__ import annotations

from sentixrl.datasets.files import Row, find, read_csv
from sentixrl.datasets.gather import Gathering
from sentixrl.datasets.info import Count, DatasetInfo, Reading, Remote, Request, Task
from sentixrl.dialogue import Utterance

SOURCE = "https://github.com/declare-lab/MELD (data/MELD/*.csv)"
_RAW = "https://raw.githubusercontent.com/declare-lab/MELD"
_COLUMNS = (
    "Utterance",
    "Speaker",
    "Emotion",
    "Sentiment",
    "Dialogue_ID",
    "Utterance_ID",
    "Season",
    "Episode",
)


def read(request: Request) -> Reading:
    """Read one split."""
    name = f"{request.split}_sent_emo.csv"
    candidates = (name, f"data/MELD/{name}", f"MELD/{name}")
    path = find(request.path, candidates, f"{request.split} split of MELD", f"See {SOURCE}.")
    gathering = Gathering(request, "en")
    column = "Emotion" if request.task == "emotion" else "Sentiment"
    for row in read_csv(path, request.path, _COLUMNS):
        utterance = Utterance(
            gathering.text(row["Utterance"], row.place),
            speaker=row.required("Speaker"),
            gold=gathering.label(row[column], row.place),
            id=row.required("Utterance_ID"),
            metadata=_times(row),
        )
        dialogue = row.required("Dialogue_ID")
        gathering.turn(row.place, dialogue, utterance, order=row.integer("Utterance_ID"))
    return gathering.finish()


def _times(row: Row) -> dict[str, str | float]:
    return {"season": row.integer("Season"), "episode": row.integer("Episode")}


INFO = DatasetInfo(
    name="meld",
    title="MELD, Multimodal EmotionLines Dataset",
    languages=("en",),
    licence="GPL-3.0 (stated for the repository); the transcripts are a third party's",
    citation="Poria et al. 2019, MELD: A Multimodal Multi-Party Dataset for Emotion Recognition "
    "in Conversations, ACL",
    source=SOURCE,
    tasks={
        "emotion": Task("meld-7"),
        "sentiment": Task("sentiment-3", about="the speaker's sentiment"),
    },
    splits=("train", "dev", "test"),
    group_kind="dialogue",
    layouts=("{train,dev,test}_sent_emo.csv, also under data/MELD/",),
    read=read,
    expected={
        "train": Count(9989, 1038),
        "dev": Count(1109, 114),
        "test": Count(2610, 280),
    },
    notes=(
        "The same series as EmoryNLP: drop what 'overlap' names before mixing the two.",
        "Dialogue 60 of train is missing in every public copy.",
        "Older copies hold Windows-1252 bytes read as Latin-1 (U+0092 for ’); they are mended.",
    ),
    remotes=(
        Remote(
            f"{_RAW}/ca3e1266db4cc4a4e802156e2f721c4cd114a696/data/MELD/train_sent_emo.csv",
            "train_sent_emo.csv",
            "d2fa2d6529cf03cac2989efec05c9b27d8fd2f4c8fc5974c7ae88aa537fa02db",
            1119290,
        ),
        Remote(
            f"{_RAW}/ca3e1266db4cc4a4e802156e2f721c4cd114a696/data/MELD/dev_sent_emo.csv",
            "dev_sent_emo.csv",
            "2e89c6f8aa182d6f62f8c6331aece905ac7273ca4999660bfb5213e1d0370c1c",
            121640,
        ),
        Remote(
            f"{_RAW}/76e4ed20032322e47bbe04d3b5179f9b2e35bec9/data/MELD/test_sent_emo.csv",
            "test_sent_emo.csv",
            "8d37103938f7067600839fe29d5a114a6cd1bcdafb75bec101e06464c5006888",
            294526,
        ),
    ),
)
