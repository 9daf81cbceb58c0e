"""Small data sets of our own in every published layout; and where the real ones are."""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from sentixrl.datasets.dataset import Switch

Files = Mapping[str, str]
Write = Callable[[Files], Path]


@dataclass(frozen=True)
class Sample:
    """Files of one layout, and how to read a split of them."""

    name: str
    files: Files
    split: str = "train"
    task: str | None = None
    switches: Mapping[str, Switch] = field(default_factory=dict)

    @property
    def key(self) -> str:
        return "-".join([self.name, next(iter(self.files)).replace("/", "_")])


def table(header: str, *rows: Sequence[object]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header.split(","))
    writer.writerows(rows)
    return stream.getvalue()


MELD = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode"
MELD_ROWS = (
    (1, "Is the kettle still on?", "Ada", "neutral", "neutral", 0, 0, 2, 5),
    (3, "You\u0092re late, and wet!", "Ada", "surprise", "negative", 0, 2, 2, 5),
    (2, "It boiled dry, sorry.", "Ben", "sadness", "negative", 0, 1, 2, 5),
    (4, "  A whole cake, just for us.", "Ben", "joy", "positive", 1, 0, 3, 1),
)
FULL = "dialogue_id,utterance_id,speaker,text,emotion"
TIMED = "Utterance,Speaker,Emotion,Scene_ID,Utterance_ID,Season,Episode,Start_Time,End_Time"
CPED = "TV_ID,Dialogue_ID,Utterance_ID,Speaker,Scene,Sentiment,Emotion,DA,Utterance"
SIMS = "video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode"
DAILY = "dialogue_id,utterance_id,speaker_alternating,text,emotion,act"
TALK = (
    "dialogue_id,speaker,utterance_id,text_raw,text,emotion_text,emotion_multimodal,"
    "valence_multimodal"
)
MASAC = "dialogue_id,episode,utterance_id,speaker,text,emotion"
XED = "text,anger,anticipation,disgust,fear,joy,sadness,surprise,trust"
BRIGHTER = "id,text,anger,disgust,fear,joy,sadness,surprise"


def emory_json(season: int = 1) -> str:
    turns = [
        ("Who ate the last plum?", ["Cleo"], "Mad"),
        ("We did.", ["Dan", "Eve"], "Peaceful"),
    ]
    scene = f"s{season:02}_e07_c02"
    utterances = [
        {
            "utterance_id": f"{scene}_u{number:03}",
            "speakers": speakers,
            "transcript": text,
            "tokens": [text.split()],
            "emotion": emotion,
        }
        for number, (text, speakers, emotion) in enumerate(turns, start=1)
    ]
    scenes = [{"scene_id": scene, "utterances": utterances}]
    return json.dumps({"episodes": [{"episode_id": scene[:7], "scenes": scenes}]})


def make_iemocap(*dialogues: str) -> dict[str, str]:
    """Dialogues in the official layout: three labelled turns, two that no class is taken from."""
    files: dict[str, str] = {}
    codes = [("F000", "neu"), ("M000", "exc"), ("F001", "xxx"), ("M001", "fru")]
    for name in dialogues:
        folder = f"Session{name[4]}/dialog"
        lines = [
            f"{name}_{turn} [00{number}.5000-00{number}.9000]: Line {number} of {name}."
            for number, (turn, _) in enumerate(codes)
        ]
        extra = [f"{name}_MXX0 [008.0000-008.5000]: [BREATHING]", "M: and a note without an id"]
        files[f"{folder}/transcriptions/{name}.txt"] = "\n".join([*lines, *extra, ""])
        labels = [
            f"[{number}.5000 - {number}.9000]\t{name}_{turn}\t{code}\t[2.5000, 2.5000, 2.5000]"
            for number, (turn, code) in enumerate(codes)
        ]
        head = "% [START_TIME - END_TIME] TURN_NAME EMOTION [V, A, D]"
        votes = "C-E2:\tNeutral;\t()\nA-E3:\tval 3; act 2; dom  2;\t()"
        body = "\n\n".join(f"{label}\n{votes}" for label in labels)
        files[f"{folder}/EmoEvaluation/{name}.txt"] = f"{head}\n\n{body}\n"
    return files


SAMPLES = (
    Sample("meld", {"train_sent_emo.csv": table(MELD, *MELD_ROWS)}),
    Sample(
        "emorynlp",
        {
            "full_train.csv": table(
                FULL,
                ("train_0", 0, "Cleo", "Who ate the last plum?", "Mad"),
                ("train_0", 1, "Dan", "We did.", "Peaceful"),
            )
        },
    ),
    Sample(
        "emorynlp",
        {
            "emorynlp_train_final.csv": table(
                TIMED,
                ("We did.", "['Dan', 'Eve']", "Peaceful", 2, 2, 1, 7, "0", "1"),
                ("Who ate it?", "['Cleo']", "Mad", 2, 1, 1, 7, "0", "1"),
                ("Not I.", '["Cleo\'s aunt"]', "Neutral", 2, 1, 1, 8, "0", "1"),
            )
        },
    ),
    Sample("emorynlp", {"emotion-detection-trn.json": emory_json()}),
    Sample(
        "iemocap",
        make_iemocap("Ses01F_impro01", "Ses02M_script03_2", "Ses03F_impro02", "Ses04F_impro01"),
    ),
    Sample(
        "iemocap",
        {
            "iemocap.csv": table(
                FULL,
                ("Ses05F_impro01", "Ses05F_impro01_F000", "F", "No ticket, no train.", "fru"),
                ("Ses05F_impro01", "Ses05F_impro01_M000", "M", "I lost it.", ""),
                ("Ses01F_impro02", "Ses01F_impro02_F000", "F", "What a day!", "happy"),
            )
        },
        split="test",
    ),
    Sample(
        "cped",
        {
            "valid_split.csv": "\ufeff"
            + table(
                CPED,
                (
                    32,
                    "32_000",
                    "32_000_000",
                    "甲",
                    "home",
                    "positive",
                    "happy",
                    "answer",
                    "真好啊 ",
                ),
                (
                    44,
                    "44_000",
                    "44_000_000",
                    "乙",
                    "home",
                    "negative",
                    "worried",
                    "answer",
                    "怎么办",
                ),
            )
        },
        split="dev",
    ),
    Sample(
        "ch_sims",
        {
            "ch_sims_v1_label.csv": table(
                SIMS,
                ("video_1", "0001", "今天天气不错", 0.4, 0.0, 0, 0, "Positive", "train"),
                ("video_1", "0003", "你走吧", -0.8, -0.2, 0, 0, "Negative", "test"),
                ("video_2", "0001", "知道了", 0.0, 0.2, 0, 0, "Neutral", "test"),
            )
        },
        split="test",
    ),
    Sample(
        "dailydialog",
        {
            "train.csv": table(
                DAILY,
                ("train_0", 0, "A", "Shall we walk ?", "no_emotion", "question"),
                ("train_0", 1, "B", "Gladly !", "happiness", "commissive"),
            )
        },
    ),
    Sample(
        "dailydialog",
        {
            "train/dialogues_train.txt": "Shall we walk ? __eou__ Gladly ! __eou__\n"
            "Odd . __eou__\n",
            "train/dialogues_emotion_train.txt": "0 4 \n0 0 \n",
            "train/dialogues_act_train.txt": "2 4 \n1 \n",
        },
    ),
    Sample(
        "emotiontalk",
        {
            "train.csv": table(
                TALK,
                ("G00002_01", "07", "001", "你看", "你看", "neutral", "happy", -0.8),
                ("G00002_01", "08", "002", "真的吗", "真的吗", "surprised", "neutral", 0.0),
            )
        },
    ),
    Sample(
        "goemotions",
        {"train.tsv": 'He said "no" again\t3\tx1\nWhat a ride!\t0,17\tx2\n Fine then.\t27\tx3\n'},
    ),
    Sample(
        "xed",
        {
            "ar.csv": table(
                XED,
                ("مرحبا يا صديقي", 0, 0, 0, 0, 1, 0, 0, 0),
                ("لا أصدق", 1, 0, 0, 0, 0, 0, 1, 0),
                ("", 0, 0, 0, 1, 0, 0, 0, 0),
            )
        },
        split="all",
        switches={"language": "ar"},
    ),
    Sample(
        "xed",
        {"Projections/tr-projections2.tsv": "Hadi bakalım\t{'5'}\nNe oldu\t1, 7\n"},
        split="all",
        switches={"language": "tr2"},
    ),
    Sample(
        "brighter",
        {
            "train/hin.csv": table(
                BRIGHTER,
                ("h1", "आज मन बहुत खुश है", 0, 0, 0, 1, 0, 0),
                ("h2", "यह क्या हुआ", 0, 0, 1, 0, 0, 1),
                ("h3", "दुकान बंद है", 0, 0, 0, 0, 0, 0),
            )
        },
        switches={"language": "hin"},
    ),
    Sample(
        "emasac",
        {
            "train.csv": table(
                MASAC,
                ("train_0", "chai.wmv", 0, "mona", "chai thandi ho gayi ", "anger"),
                ("train_0", "chai.wmv", 1, "ravi", "phir se bana do", "neutral"),
            )
        },
    ),
    Sample(
        "emasac",
        {
            "MaSaC_train_erc.json": json.dumps(
                [
                    {
                        "episode": "chai.wmv",
                        "speakers": ["mona", "ravi"],
                        "utterances": ["chai thandi ho gayi", "phir se bana do"],
                        "emotions": ["anger", "neutral"],
                    }
                ]
            )
        },
    ),
)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    """Write files below a fresh folder and return it."""

    number = itertools.count()

    def put(files: Files) -> Path:
        folder = tmp_path / f"data-{next(number)}"
        for name, text in files.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="")
        return folder

    return put


@pytest.fixture(params=SAMPLES, ids=lambda sample: sample.key)
def sample(request: pytest.FixtureRequest) -> Sample:
    """Every layout in turn."""
    found: Sample = request.param
    return found


@pytest.fixture(scope="session")
def samples() -> Mapping[str, Sample]:
    """Every layout, by data set and first file."""
    return {sample.key: sample for sample in SAMPLES}


@pytest.fixture(scope="session")
def iemocap_files() -> Callable[..., dict[str, str]]:
    """Make files of IEMOCAP's official layout from the names of dialogues."""
    return make_iemocap


@pytest.fixture(scope="session")
def real() -> Path:
    """The folder with the published files; tests that need it are skipped without it."""
    beside = Path(__file__).resolve().parents[2].parent / "shared" / "data"
    folder = Path(os.environ.get("SENTIXRL_DATA", beside))
    if not (folder / "README.md").is_file():
        pytest.skip("the published files are not here (set SENTIXRL_DATA)")
    return folder
