"""CH-SIMS: clips of Chinese films, series and shows with a sentiment score from -1 to 1.

Layout: ``ch_sims_{v1,v2s}_label.csv``, or the official ``label.csv`` (v1) and ``meta.csv`` (v2s),
all splits in one file. **Every clip is a dialogue of its own**: the clips of a video leave gaps
and name no speaker, and both versions put clips of one video into several splits, so a history
made of them would be neither whole nor clean. Resampling draws whole videos.
"""

from __future__ import annotations

from sentixrl.datasets.files import Row, find, read_csv
from sentixrl.datasets.gather import Gathering
from sentixrl.datasets.info import Count, DatasetInfo, Reading, Request, Task
from sentixrl.dialogue import Utterance

SOURCE = "https://github.com/thuiar/MMSA and https://github.com/thuiar/ch-sims-v2"

SCORE = "score"
"""The metadata key of a task's raw score, for Acc-2, Acc-3 and Acc-5."""

_MODES = {"train": "train", "dev": "valid", "test": "test"}
_FILES = {
    "v1": ("ch_sims_v1_label.csv", "label.csv"),
    "v2s": ("ch_sims_v2s_label.csv", "meta.csv"),
}
_COLUMNS = ("video_id", "clip_id", "text", "label", "label_T", "mode")
_SCORE_COLUMN = {"sentiment": "label", "sentiment-text": "label_T"}


def read(request: Request) -> Reading:
    """Read one split of one version."""
    version = str(request.switches["version"])
    hint = f"See {SOURCE}; the switch 'version' chooses between v1 and v2s."
    path = find(request.path, _FILES[version], f"CH-SIMS {version}", hint)
    gathering = Gathering(request, "zh")
    for row in read_csv(path, request.path, _COLUMNS):
        if _mode(row) == _MODES[request.split]:
            _clip(gathering, row)
    return gathering.finish(variant=version)


def sign_label(score: float) -> str:
    """The three-class label of a score: its sign; only 0 is neutral."""
    if score == 0:
        return "neutral"
    return "positive" if score > 0 else "negative"


def _mode(row: Row) -> str:
    mode = row.required("mode")
    if mode not in _MODES.values():
        raise row.place.error(f"the mode '{mode}' is not one of train, valid and test.")
    return mode


def _clip(gathering: Gathering, row: Row) -> None:
    score = row.number(_SCORE_COLUMN[gathering.request.task])
    if not -1 <= score <= 1:
        raise row.place.error(f"the score {score} does not lie between -1 and 1.")
    video, clip = row.required("video_id"), row.required("clip_id")
    utterance = Utterance(
        gathering.text(row["text"], row.place),
        gold=gathering.label(sign_label(score), row.place),
        id=clip,
        metadata={SCORE: score, "video": video},
    )
    gathering.turn(row.place, f"{video}/{clip}", utterance, group=video)


_METRICS = ("accuracy", "weighted_f1", "macro_f1")

INFO = DatasetInfo(
    name="ch_sims",
    title="CH-SIMS, versions 1 and 2 (supervised part)",
    languages=("zh",),
    licence="unclear: its authors state none for the data",
    citation="Yu et al. 2020, CH-SIMS: A Chinese Multimodal Sentiment Analysis Dataset with "
    "Fine-grained Annotation of Modality, ACL; Liu et al. 2022, Make Acoustic and Visual Cues "
    "Matter: CH-SIMS v2.0 Dataset and AV-Mixup Consistent Module, ICMI",
    source=SOURCE,
    tasks={
        "sentiment": Task("sentiment-3", _METRICS, about="the sentiment of text, voice and face"),
        "sentiment-text": Task("sentiment-3", _METRICS, about="the sentiment of the text alone"),
    },
    splits=tuple(_MODES),
    group_kind="video",
    layouts=(
        "v1: ch_sims_v1_label.csv or label.csv",
        "v2s: ch_sims_v2s_label.csv or meta.csv",
    ),
    read=read,
    switches={"version": ("v1", "v2s")},
    sweep="version",
    expected={
        "train/v1": Count(1368, groups=60),
        "dev/v1": Count(456, groups=59),
        "test/v1": Count(457, groups=59),
        "train/v2s": Count(2722, groups=134),
        "dev/v2s": Count(647, groups=120),
        "test/v2s": Count(1034, groups=145),
    },
    notes=(
        "Clips of one video stand in several splits (all 59 test videos of v1 are in train).",
        "The three classes are the sign of the score; sims_scores gives Acc-2, Acc-3 and Acc-5.",
        "sign(label_T) equals sign(label) on 71.1% of v1 test: no reader of the text alone can "
        "do much better on 'sentiment'. Report both tasks.",
        "MMSA's regression F1 is over two classes, its classification F1 over three.",
    ),
    not_fetched="No licence is stated.",
)
