"""Whatever is wrong with the files is one InputError that names file and line."""

from __future__ import annotations

import contextlib
import random
import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sentixrl.datasets import load
from sentixrl.errors import InputError

if TYPE_CHECKING:
    from tests.datasets.conftest import Sample

Write = Callable[[Mapping[str, str]], Path]
Make = Callable[..., dict[str, str]]

HEADER = "Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode"
FINE = "Is the kettle on?,Ada,neutral,neutral,0,0,2,5"


def meld(*rows: str, header: str = HEADER) -> dict[str, str]:
    return {"train_sent_emo.csv": "\n".join([header, *rows, ""])}


def refusal(path: Path, name: str = "meld", split: str = "train", **switches: str) -> InputError:
    with pytest.raises(InputError) as caught:
        load(name, path, split, **switches)
    assert "\n" not in caught.value.message
    return caught.value


def test_a_wrong_folder_says_what_was_looked_for_and_what_is_there(write: Write) -> None:
    error = refusal(write({"notes.txt": "x", "cats/a.txt": "x"}))
    assert "looked for train_sent_emo.csv" in error.message
    assert "found cats/, notes.txt" in error.message
    assert "declare-lab/MELD" in str(error.hint)


def test_no_folder_and_no_files(tmp_path: Path) -> None:
    assert "does not exist" in refusal(tmp_path / "none").message
    assert "found nothing" in refusal(tmp_path).message
    (tmp_path / "file").write_text("x")
    assert "is a file, not a folder" in refusal(tmp_path / "file").message
    assert "no data folder" in refusal(tmp_path / "none", "emorynlp").message
    assert "no data folder" in refusal(tmp_path / "none", "iemocap").message


def test_a_missing_split_names_those_that_are_there(write: Write) -> None:
    error = refusal(write(meld(FINE)), split="test")
    assert "looked for test_sent_emo.csv" in error.message
    assert "found train_sent_emo.csv" in error.message


def test_cped_without_train_names_the_low_resource_split(
    write: Write, samples: Mapping[str, Sample]
) -> None:
    path = write(samples["cped-valid_split.csv"].files)
    assert "lowres-train" in str(refusal(path, "cped", "train").hint)


@pytest.mark.parametrize("cell", ["{[]}", "{[1]: 2}", "['Ann", "3", "[3]"])
def test_a_speaker_that_is_no_list_of_names(
    write: Write, samples: Mapping[str, Sample], cell: str
) -> None:
    name = "emorynlp_train_final.csv"
    text, changed = re.subn(r"\['[^]]*'\]", cell, samples[f"emorynlp-{name}"].files[name], count=1)
    assert changed
    error = refusal(write({name: text}), "emorynlp")
    assert "is not a list of names" in error.message


@pytest.mark.parametrize(
    ("rows", "message", "hint"),
    [
        (
            ["What?,Ada,neutral,neutral,0,1,2"],
            "train_sent_emo.csv, line 3: the row has 7 cells, the header 8.",
            "cut off",
        ),
        (
            ['"Half a row, and then'],
            "train_sent_emo.csv, line 3: the file ends in the middle of a quoted cell.",
            "cut off",
        ),
        (
            ['"Odd "quotes" here",Ada,neutral,neutral,0,1,2,5'],
            "train_sent_emo.csv, line 3: the row is not valid CSV",
            "quotation mark",
        ),
        (
            ["Again.,Ben,joy,positive,0,0,2,5"],
            "line 3: the utterance '0' of the dialogue '0' occurs twice.",
            "unique",
        ),
        (
            ["Hm.,Ben,boredom,neutral,0,1,2,5"],
            "line 3: 'boredom' is not a label of 'meld-7' (",
            "--labels",
        ),
        ([",Ben,joy,positive,0,1,2,5"], "line 3: the text is empty.", "Complete"),
        (["\u200b ,Ben,joy,positive,0,1,2,5"], "line 3: the text is empty.", "Complete"),
        (["Hm.,,joy,positive,0,1,2,5"], "line 3: the column 'Speaker' is empty.", ""),
        (
            ['Hm.,"Ben\nHm.,Ben",joy,positive,0,1,2,5'],
            "line 3: the column 'Speaker' holds a line break",
            "quotation mark",
        ),
        (
            ["Hm.,Ben,joy,positive,0,one,2,5"],
            "line 3: 'one' in the column 'Utterance_ID' is not a whole number.",
            "",
        ),
        (["a\0b,Ben,joy,positive,0,1,2,5"], "line 3: the text holds a NUL character.", ""),
        (
            ['"' + "x" * 200_000 + '",Ben,joy,positive,0,1,2,5'],
            "line 3: a cell has more than 131,072 characters.",
            "quotation mark",
        ),
    ],
)
def test_broken_rows(write: Write, rows: list[str], message: str, hint: str) -> None:
    error = refusal(write(meld(FINE, *rows)))
    assert message in error.message
    assert hint in str(error.hint)


def test_lines_are_counted_through_cells_of_several_lines(write: Write) -> None:
    tall = '"One\ntwo\nthree",Ada,neutral,neutral,0,1,2,5'
    error = refusal(write(meld(FINE, tall, "Hm.,Ben,boredom,neutral,0,2,2,5")))
    assert "line 6" in error.message


def test_a_renamed_column_is_recognised(write: Write) -> None:
    error = refusal(write(meld(FINE, header=HEADER.replace("Utterance,", "utterance,"))))
    assert "train_sent_emo.csv, line 1: there is no column 'Utterance'" in error.message
    assert error.hint == "Rename the column 'utterance' to 'Utterance'."


def test_a_column_that_is_not_there(write: Write) -> None:
    error = refusal(write(meld("a,b", header="x,y")))
    assert "there is no column 'Utterance' (there are: x, y)" in error.message


def test_a_column_that_stands_there_twice(write: Write) -> None:
    error = refusal(write(meld(FINE + ",1", header=HEADER + ",Speaker")))
    assert "the column 'Speaker' stands there twice" in error.message


def test_mixed_encodings(write: Write) -> None:
    path = write(meld(FINE))
    file = path / "train_sent_emo.csv"
    file.write_bytes(file.read_bytes() + "It\x92s on,Ada,joy,positive,0,1,2,5\n".encode("latin-1"))
    error = refusal(path)
    assert error.message == "train_sent_emo.csv, line 3: byte 0x92 is not UTF-8 text."
    assert "UTF-8" in str(error.hint)


def test_empty_files(write: Write) -> None:
    assert "train_sent_emo.csv is empty" in refusal(write({"train_sent_emo.csv": "\n"})).message
    assert "has no utterances" in refusal(write(meld())).message


def test_files_beyond_the_bound(write: Write, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sentixrl.datasets.files.MAX_BYTES", 10)
    assert "is larger than 10 bytes" in refusal(write(meld(FINE))).message


def test_goemotions_numbers(write: Write) -> None:
    for row, message in {
        "Hm.\t28\tx": "'28' is not a label number from 0 to 27",
        "Hm.\t" + "9" * 5000 + "\tx": "is not a label number",
        "Hm.\t3": "line 1: the row has 2 cells instead of 3",
        "Hm.\t\tx": "the column 'labels' is empty",
    }.items():
        assert message in refusal(write({"train.tsv": row + "\n"}), "goemotions").message


def test_brighter_test_labels_that_were_withheld(write: Write) -> None:
    text = "id,text,anger,disgust,fear,joy,sadness,surprise\nh1,नमस्ते,,,,,,\n"
    error = refusal(write({"test/hin.csv": text}), "brighter", "test", language="hin")
    assert "test/hin.csv, line 2: the column 'anger' is empty." in error.message
    assert "withheld" in str(error.hint)


def test_emasac_test_file_for_participants(write: Write) -> None:
    text = '[{"episode": "e", "speakers": ["a"], "utterances": ["haan"]}]'
    error = refusal(write({"MaSaC_test_erc.json": text}), "emasac", "test")
    assert "dialogue 1: there is no list called 'emotions'" in error.message
    assert "participants" in str(error.hint)


def test_json_that_is_cut_off(write: Write, samples: Mapping[str, Sample]) -> None:
    name = "emotion-detection-trn.json"
    text = samples[f"emorynlp-{name}"].files[name]
    error = refusal(write({name: text[: len(text) // 2]}), "emorynlp")
    assert f"{name}, line 1: the file is not valid JSON." in error.message


def test_ch_sims_scores_out_of_range(write: Write) -> None:
    header = "video_id,clip_id,text,label,label_T,mode"
    for score in ("2", "nan", "much"):
        path = write({"label.csv": f"{header}\nv,1,好,{score},0,test\n"})
        assert "label.csv, line 2" in refusal(path, "ch_sims", "test").message
    path = write({"label.csv": f"{header}\nv,1,好,0,0,tset\n"})
    assert "the mode 'tset' is not one of" in refusal(path, "ch_sims", "test").message


def test_iemocap_transcript_that_is_cut_off(write: Write, iemocap_files: Make) -> None:
    files = iemocap_files("Ses05F_impro01")
    name = "Session5/dialog/transcriptions/Ses05F_impro01.txt"
    files[name] = files[name][:60]
    error = refusal(write(files), "iemocap", "test")
    assert f"{name}, end: 3 evaluated turns have no line" in error.message


def test_iemocap_session_that_is_missing(write: Write, iemocap_files: Make) -> None:
    error = refusal(write(iemocap_files("Ses01F_impro01")), "iemocap")
    assert "no Session2/dialog/transcriptions/Ses*.txt" in error.message


def test_iemocap_evaluation_that_is_missing(write: Write, iemocap_files: Make) -> None:
    files = iemocap_files("Ses05F_impro01")
    del files["Session5/dialog/EmoEvaluation/Ses05F_impro01.txt"]
    error = refusal(write(files), "iemocap", "test")
    assert "no evaluation of Ses05F_impro01" in error.message


def test_no_layout_can_be_broken_into_anything_but_an_input_error(
    write: Write, sample: Sample
) -> None:
    """Every file cut at random places, and with random bytes changed."""
    path = write(sample.files)
    chance = random.Random(7)
    for name in sample.files:
        whole = (path / name).read_bytes()
        for _ in range(60):
            broken = bytearray(whole[: chance.randrange(len(whole))])
            if chance.random() < 0.5:
                broken = bytearray(whole)
                for _ in range(chance.randrange(1, 4)):
                    broken[chance.randrange(len(broken))] = chance.choice(b'\0\n\r\t,"[]{}0x\xff')
            (path / name).write_bytes(broken)
            with contextlib.suppress(InputError):
                load(sample.name, path, sample.split, sample.task, **sample.switches)
        (path / name).write_bytes(whole)
