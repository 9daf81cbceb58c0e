"""Every layout is read as it should be: texts, speakers, labels, order, groups, repairs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sentixrl.datasets import Dataset, labels_of, load, load_custom
from sentixrl.datasets.dataset import Switch
from sentixrl.datasets.goemotions import EKMAN
from sentixrl.errors import InputError
from sentixrl.formats import Columns
from sentixrl.labels import LabelSet, scheme

if TYPE_CHECKING:
    from tests.datasets.conftest import Sample

Write = Callable[[Mapping[str, str]], Path]


@pytest.fixture
def read(write: Write, samples: Mapping[str, Sample]) -> Callable[..., Dataset]:
    def load_sample(
        key: str, split: str | None = None, task: str | None = None, **switches: Switch
    ) -> Dataset:
        sample = samples[key]
        path = write(sample.files)
        return load(
            sample.name, path, split or sample.split, task, **{**sample.switches, **switches}
        )

    return load_sample


Read = Callable[..., Dataset]


def texts(dataset: Dataset) -> list[str]:
    return [turn.text for turn in dataset.utterances]


def golds(dataset: Dataset) -> list[str | None]:
    return [turn.gold for turn in dataset.utterances]


def repaired(dataset: Dataset) -> dict[str, int]:
    return {repair.what: repair.count for repair in dataset.repairs}


def test_every_layout_loads_and_says_that_it_is_not_the_published_size(
    write: Write, sample: Sample
) -> None:
    path = write(sample.files)
    dataset = load(sample.name, path, sample.split, sample.task, **sample.switches)
    assert dataset.labelled >= 1
    assert set(golds(dataset)) <= {*dataset.label_set.names, None}
    assert all(turn.text == turn.text.strip() for turn in dataset.utterances)
    if not (sample.name == "iemocap" and sample.split == "train"):  # our own split: no such number
        assert any("published" in warning for warning in dataset.warnings)


def test_meld_is_put_in_order_and_mended(read: Read) -> None:
    dataset = read("meld-train_sent_emo.csv")
    assert [dialogue.id for dialogue in dataset] == ["0", "1"]
    assert texts(dataset) == [
        "Is the kettle still on?",
        "It boiled dry, sorry.",
        "You’re late, and wet!",
        "A whole cake, just for us.",
    ]
    assert golds(dataset) == ["neutral", "sadness", "surprise", "joy"]
    first = dataset.dialogues[0].utterances[0]
    assert (first.speaker, dict(first.metadata)) == ("Ada", {"season": 2, "episode": 5})
    assert repaired(dataset) == {
        "Windows-1252 characters decoded (such as U+0092 → ’)": 1,
        "outer white space removed": 1,
        "dialogues put in the order of their utterance ids": 1,
    }
    assert {repair.where for repair in dataset.repairs} == {"train_sent_emo.csv"}


def test_meld_sentiment_is_a_task_of_its_own(read: Read) -> None:
    dataset = read("meld-train_sent_emo.csv", task="sentiment")
    assert golds(dataset) == ["neutral", "negative", "negative", "positive"]
    assert dataset.label_counts == {"negative": 2, "neutral": 1, "positive": 1}


def test_meld_is_found_in_a_checkout_of_its_repository(
    write: Write, samples: Mapping[str, Sample]
) -> None:
    text = samples["meld-train_sent_emo.csv"].files["train_sent_emo.csv"]
    path = write({"data/MELD/train_sent_emo.csv": text})
    assert load("meld", path, "train").repairs[0].where == "data/MELD/train_sent_emo.csv"


def test_emorynlp_layouts_agree_on_texts_and_labels(read: Read) -> None:
    full = read("emorynlp-full_train.csv")
    official = read("emorynlp-emotion-detection-trn.json", layout="json")
    assert (full.variant, official.variant) == ("full", "json")
    assert texts(full) == texts(official) == ["Who ate the last plum?", "We did."]
    assert golds(full) == golds(official) == ["Mad", "Peaceful"]
    assert [turn.speaker for turn in official.utterances] == ["Cleo", "Dan and Eve"]
    assert official.dialogues[0].id == "s01_e07_c02"


def test_emorynlp_scenes_are_unique_only_within_an_episode(read: Read) -> None:
    dataset = read("emorynlp-emorynlp_train_final.csv")
    assert [dialogue.id for dialogue in dataset] == ["s01_e07_c02", "s01_e08_c02"]
    assert [turn.speaker for turn in dataset.utterances] == ["Cleo", "Dan and Eve", "Cleo's aunt"]


def test_emorynlp_layouts_are_never_mixed(write: Write, samples: Mapping[str, Sample]) -> None:
    timed = samples["emorynlp-emorynlp_train_final.csv"].files
    official = {"emotion-detection-dev.json": samples["emorynlp-emotion-detection-trn.json"].files[
        "emotion-detection-trn.json"
    ]}  # fmt: skip
    path = write({**timed, **official})
    assert load("emorynlp", path, "dev").variant == "json"
    with pytest.raises(InputError, match="layouts are not mixed"):
        load("emorynlp", path, "train")
    assert load("emorynlp", path, "train", layout="timestamped").variant == "timestamped"


def test_iemocap_keeps_unlabelled_turns_as_context(read: Read) -> None:
    dataset = read("iemocap-Session1_dialog_transcriptions_Ses01F_impro01.txt")
    assert [dialogue.id for dialogue in dataset][:2] == ["Ses01F_impro01", "Ses02M_script03_2"]
    assert golds(dataset)[:5] == ["neutral", "excited", None, "frustrated", None]
    first = dataset.dialogues[0].utterances[0]
    assert (first.speaker, first.id) == ("F", "Ses01F_impro01_F000")
    assert first.metadata["start"] == 0.5
    assert (dataset.rows, len(list(dataset.utterances))) == (12, 20)
    skipped = [repair.count for repair in dataset.repairs if "skipped" in repair.what]
    assert skipped == [1, 1, 1, 1]


def test_iemocap_drops_unlabelled_turns_on_demand(read: Read) -> None:
    key = "iemocap-Session1_dialog_transcriptions_Ses01F_impro01.txt"
    dataset = read(key, unlabelled="drop")
    assert golds(dataset)[:3] == ["neutral", "excited", "frustrated"]
    assert dataset.left_out == {"without a label of the task": 8}


@pytest.mark.parametrize(
    ("switches", "expected"),
    [
        ({}, ["neutral", "happy", None, None, None]),
        ({"merge_excited": False}, ["neutral", None, None, None, None]),
    ],
)
def test_iemocap_in_four_classes(
    read: Read, switches: Mapping[str, Switch], expected: list[str | None]
) -> None:
    key = "iemocap-Session1_dialog_transcriptions_Ses01F_impro01.txt"
    assert golds(read(key, task="emotion-4", **switches))[:5] == expected


def test_iemocap_splits_by_session_and_pinned_dialogue(
    write: Write, iemocap_files: Callable[..., dict[str, str]]
) -> None:
    names = (
        *("Ses01F_impro01", "Ses01F_impro04", "Ses02F_impro01", "Ses03F_impro03"),
        *("Ses04M_script02_2", "Ses05M_script01_1b"),
    )
    path = write(iemocap_files(*names))
    found = {
        split: [dialogue.id for dialogue in load("iemocap", path, split)]
        for split in ("train", "dev", "test")
    }
    assert found == {
        "train": ["Ses01F_impro01", "Ses02F_impro01", "Ses03F_impro03"],
        "dev": ["Ses01F_impro04", "Ses04M_script02_2"],
        "test": ["Ses05M_script01_1b"],
    }


def test_iemocap_flat_table(read: Read) -> None:
    test = read("iemocap-iemocap.csv")
    assert (test.variant, golds(test)) == ("6 classes", ["frustrated", None])
    assert golds(read("iemocap-iemocap.csv", "train")) == ["happy"]


def test_cped_shows_are_its_groups_and_cut_the_low_resource_split(read: Read) -> None:
    dataset = read("cped-valid_split.csv")
    assert [(dialogue.id, dialogue.group) for dialogue in dataset] == [
        ("32_000", "32"),
        ("44_000", "44"),
    ]
    assert texts(dataset) == ["真好啊", "怎么办"]
    assert golds(read("cped-valid_split.csv", "lowres-train")) == ["happy"]
    assert golds(read("cped-valid_split.csv", "lowres-dev")) == ["worried"]
    assert golds(read("cped-valid_split.csv", task="sentiment")) == ["positive", "negative"]


def test_ch_sims_clips_stand_alone_and_keep_their_score(read: Read) -> None:
    dataset = read("ch_sims-ch_sims_v1_label.csv")
    assert [(d.id, d.group, len(d)) for d in dataset] == [
        ("video_1/0003", "video_1", 1),
        ("video_2/0001", "video_2", 1),
    ]
    assert golds(dataset) == ["negative", "neutral"]
    assert [turn.metadata["score"] for turn in dataset.utterances] == [-0.8, 0.0]
    text = read("ch_sims-ch_sims_v1_label.csv", task="sentiment-text")
    assert golds(text) == ["negative", "positive"]
    assert [turn.metadata["score"] for turn in text.utterances] == [-0.2, 0.2]


def test_dailydialog_layouts_agree(read: Read) -> None:
    ours = read("dailydialog-train.csv")
    official = read("dailydialog-train_dialogues_train.txt")
    assert texts(official)[:2] == texts(ours)
    assert golds(official)[:2] == golds(ours) == ["no_emotion", "happiness"]
    assert [turn.speaker for turn in official.utterances][:2] == ["A", "B"]
    assert [turn.metadata["act"] for turn in official.utterances][:2] == ["question", "commissive"]
    assert official.left_out == {"in a dialogue with too few or too many labels": 1}


def test_emotiontalk_has_two_annotations_and_recording_groups(read: Read) -> None:
    dataset = read("emotiontalk-train.csv")
    assert golds(dataset) == ["neutral", "surprised"]
    assert dataset.groups == ("G00002",)
    assert golds(read("emotiontalk-train.csv", task="emotion-multimodal")) == ["happy", "neutral"]


def test_goemotions_quotation_marks_are_text_and_several_labels_left_out(read: Read) -> None:
    dataset = read("goemotions-train.tsv")
    assert texts(dataset) == ['He said "no" again', "Fine then."]
    assert golds(dataset) == ["annoyance", "neutral"]
    assert dataset.rows == 3
    assert dataset.left_out == {"with several labels": 1}
    assert dataset.source_labels["admiration"] == dataset.source_labels["joy"] == 1


def test_goemotions_in_the_authors_groups(read: Read) -> None:
    dataset = read("goemotions-train.tsv", task="ekman")
    assert golds(dataset) == ["anger", "joy", "neutral"]  # admiration and joy are one group
    assert dataset.left_out == {}
    assert sum(map(len, EKMAN.values())) == len(scheme("goemotions-28"))


def test_several_labels_stay_on_demand(read: Read) -> None:
    dataset = read("goemotions-train.tsv", single_label=False)
    assert len(dataset) == dataset.rows == 3
    assert golds(dataset) == ["annoyance", None, "neutral"]
    assert [labels_of(turn) for turn in dataset.utterances] == [
        ("annoyance",),
        ("admiration", "joy"),
        ("neutral",),
    ]
    assert [turn.golds for turn in dataset.utterances] == list(map(labels_of, dataset.utterances))


def test_the_column_labels_of_our_own_results_holds_several_labels(tmp_path: Path) -> None:
    labels = LabelSet("mine", ["joy", "anger"], multi_label=True)
    for header, cells in (("labels", "joy; anger"), ("label,labels", ',"joy; anger"')):
        path = tmp_path / "mine.csv"
        path.write_text(f"text,{header}\nOne.,{cells}\nTwo.,{cells.replace('joy; anger', '[]')}\n")
        found = load_custom(path, labels, several=True)
        assert [turn.golds for turn in found.utterances] == [("joy", "anger"), ()]
    path.write_text("text,label,labels\nOne.,joy; anger,joy\n")
    named = load_custom(path, labels, several=True, columns=Columns(label="label"))
    assert [turn.golds for turn in named.utterances] == [("joy", "anger")]
    talk = tmp_path / "talk.json"
    talk.write_text('{"utterances": [{"text": "One.", "labels": ["joy", "anger"]}]}')
    (turn,) = load_custom(talk, labels, several=True).utterances
    assert turn.golds == ("joy", "anger")


def test_a_text_that_no_label_fits_is_annotated_all_the_same(read: Read) -> None:
    dataset = read("brighter-train_hin.csv", single_label=False)
    assert () in [turn.golds for turn in dataset.utterances]
    assert [turn.golds for turn in read("brighter-train_hin.csv").utterances] == [None]


def test_xed_rows_without_text_are_left_out_and_counted(read: Read) -> None:
    dataset = read("xed-ar.csv")
    assert golds(dataset) == ["joy"]
    assert dataset.dialogues[0].language == "ar"
    assert dataset.left_out == {"with several labels": 1, "without text": 1}
    assert dataset.rows == 3


def test_xed_official_numbers(read: Read) -> None:
    dataset = read("xed-Projections_tr-projections2.tsv", single_label=False)
    assert [labels_of(turn) for turn in dataset.utterances] == [("joy",), ("anger", "surprise")]
    assert dataset.dialogues[0].language == "tr"


def test_brighter_leaves_out_rows_without_label(read: Read) -> None:
    dataset = read("brighter-train_hin.csv")
    assert golds(dataset) == ["joy"]
    assert dataset.left_out == {"with several labels": 1, "without any label": 1}


def test_brighter_english_has_no_disgust(write: Write) -> None:
    text = "id,text,anger,fear,joy,sadness,surprise\ne1,The gate creaked.,0,1,0,0,0\n"
    dataset = load("brighter", write({"track_a/test/eng.csv": text}), "test", language="eng")
    assert dataset.label_set.names == ("anger", "fear", "joy", "sadness", "surprise")
    assert golds(dataset) == ["fear"]


def test_emasac_layouts_agree(read: Read) -> None:
    ours, official = read("emasac-train.csv"), read("emasac-MaSaC_train_erc.json")
    assert texts(ours) == texts(official)
    assert ours.data_hash == official.data_hash
    assert ours.groups == official.groups == ("chai.wmv",)


LABELS = LabelSet("mine", ["calm", "annoyed"])


def test_own_files_are_read_by_split(write: Write) -> None:
    text = "dialogue,speaker,text,label\nd1,A,Hm.,calm\nd1,B,What now?,Annoyed\nd1,A,Oh.,\n"
    dataset = load_custom(write({"test.csv": text}), LABELS, "test", language="en")
    assert golds(dataset) == ["calm", "annoyed", None]
    assert (dataset.name, dataset.split, dataset.rows) == ("custom", "test", 2)
    assert dataset.dialogues[0].language == "en"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("text,label\nHm.,cross\n", r"turn 1: 'cross' is not a label of 'mine'"),
        ("text\nHm.\n", "holds no gold labels"),
        ("text,label\nHm.,\n", "holds no gold labels"),
    ],
)
def test_own_files_that_cannot_be_used(write: Write, text: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        load_custom(write({"mine.csv": text}) / "mine.csv", LABELS)


def test_own_split_that_is_not_there(write: Write) -> None:
    with pytest.raises(InputError, match=r"looked for dev\.csv or .*found test\.csv"):
        load_custom(write({"test.csv": "text,label\nHm.,calm\n"}), LABELS, "dev")
