"""What data sets share: on texts of our own, and the figures between the two Friends corpora."""

from __future__ import annotations

from pathlib import Path

import pytest

from sentixrl.datasets import load
from sentixrl.datasets.overlap import Part, overlap
from sentixrl.datasets.spec import read_part
from sentixrl.datasets.tokens import tokens
from sentixrl.dialogue import Dialogue
from sentixrl.errors import ConfigError, InputError

RHYME = "one two three four five six seven eight nine ten"


def part(name: str, *dialogues: list[str]) -> Part:
    found = [Dialogue.from_texts(texts, id=f"{name}{n}") for n, texts in enumerate(dialogues)]
    return Part(name, found)


def test_tokens_ignore_case_punctuation_and_apostrophes() -> None:
    assert tokens("Don’t  STOP—it's ‘Fine’!") == tokens("don't stop, its 'fine'")
    assert tokens("ＡＢＣ straße") == ["abc", "strasse"]
    assert tokens("snake_case 2nd") == ["snake", "case", "2nd"]
    assert tokens("…?!") == []


def test_tokens_keep_marked_letters_together() -> None:
    assert tokens("मन बहुत खुश है") == ["मन", "बहुत", "खुश", "है"]
    assert tokens("مَرحَبًا يا صديقي") == ["مَرحَبًا", "يا", "صديقي"]
    assert tokens("cafe\u0301 noir") == ["café", "noir"]


def test_tokens_of_unspaced_scripts_are_characters() -> None:
    assert tokens("你好, OK吗") == ["你", "好", "ok", "吗"]
    assert tokens("そうだ") == ["そ", "う", "だ"]
    assert len(tokens("ไทย")) == 3


def test_lines_cut_up_differently_still_share_ngrams() -> None:
    words = RHYME.split()
    train = part("a", [" ".join(words[:4]), " ".join(words[4:])], ["Something else entirely."])
    result = overlap(train, [part("b", ["Listen!", RHYME.upper() + "!"])])
    shared = result.parts[0]
    assert (shared.lines, shared.shared_lines) == (1, 0)
    assert (shared.with_ngrams, shared.covered, shared.repeated) == (1, 1, 0)
    assert result.drop == ("a0",)


def test_one_shared_ngram_is_not_enough() -> None:
    eight = " ".join(RHYME.split()[:8])
    train = part("a", [f"{eight} and out goes she"], [f"{RHYME} and so on"])
    result = overlap(train, [part("b", [f"{eight}, then we ran"]), part("c", ["Hm."])])
    assert result.drop == ()
    assert overlap(train, [part("b", [f"{eight}, then we ran"])], threshold=1).drop == ("a0", "a1")


def test_short_dialogues_go_if_they_are_repeated_as_a_whole() -> None:
    train = part("a", ["We had tea at noon."], ["Tea at noon?"], ["Well now."])
    evaluated = part("b", ["we had tea at noon"], ["Well now!"])
    result = overlap(train, [evaluated])
    assert result.drop == ("a0",)  # two words are no evidence
    assert (result.parts[0].repeated, result.parts[0].shared_lines) == (1, 1)
    assert result.parts[0].line_share == 1.0


def test_dialogues_with_two_shared_lines_are_counted() -> None:
    lines = ["I never liked that green hat.", "You wore it every single day."]
    train = part("a", [lines[0], "Oh."], [lines[1], "Ah."])
    shared = overlap(train, [part("b", lines, lines[:1])]).parts[0]
    assert (shared.lines, shared.shared_lines, shared.with_two_lines) == (3, 3, 1)


def test_numbers_below_one_and_nothing_to_compare_with() -> None:
    for bad in ({"n": 0}, {"threshold": 0}, {"min_tokens": 0}):
        with pytest.raises(ConfigError):
            overlap(part("a", ["x"]), [part("b", ["y"])], **bad)
    with pytest.raises(ConfigError):
        overlap(part("a", ["x"]), [])


def published(real: Path, name: str, split: str, **switches: str) -> Part:
    return Part(f"{name}:{split}", load(name, real / name, split, **switches).dialogues)


def test_meld_and_emorynlp_share_a_series(real: Path) -> None:
    """Design 01: 20% and 15% of lines; 79 covered dialogues; 97 of 713 and 56 of 1,038 to drop."""
    emory = {split: published(real, "emorynlp", split) for split in ("train", "dev", "test")}
    meld = {split: published(real, "meld", split) for split in ("train", "dev", "test")}
    result = overlap(emory["train"], [meld["dev"], meld["test"]])
    assert (len(result.drop), result.dialogues) == (97, 713)
    test = result.parts[1]
    assert (test.shared_lines, test.lines) == (342, 1705)  # 20.1%
    assert (test.with_two_lines, test.dialogues, test.covered) == (69, 280, 79)
    result = overlap(meld["train"], [emory["dev"], emory["test"]])
    assert (len(result.drop), result.dialogues) == (56, 1038)
    assert (result.parts[1].shared_lines, result.parts[1].lines) == (129, 861)  # 15.0%


def test_nothing_to_drop_remains_after_dropping(real: Path) -> None:
    train = load("emorynlp", real / "emorynlp", "train")
    evaluated = [published(real, "meld", split) for split in ("dev", "test")]
    found = overlap(Part("train", train.dialogues), evaluated)
    cleaned = train.without(found.drop)
    assert len(cleaned) == 713 - 97
    assert overlap(Part("train", cleaned.dialogues), evaluated).drop == ()


def test_dailydialog_repeats_dialogues_of_train(real: Path) -> None:
    train = published(real, "dailydialog", "train")
    dev, test = overlap(
        train, [published(real, "dailydialog", split) for split in ("dev", "test")]
    ).parts
    # Compared as tokens, that is more than the 68 and 92 that are equal to the letter.
    assert (dev.repeated, test.repeated) == (103, 137)


@pytest.mark.parametrize(
    ("spec", "error", "message"),
    [
        ("meld:test", InputError, "names a data set without a folder"),
        ("meld:test:layout@.", InputError, "'layout' in 'meld:test:layout@.' is not a switch"),
        ("meld:final@.", ConfigError, "no split called 'final'"),
        ("melt@.", ConfigError, "no data set called 'melt'"),
    ],
)
def test_parts_that_cannot_be_named(spec: str, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        read_part(spec, "test")


def test_own_files_can_be_compared(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(f"text\n{RHYME}\n", encoding="utf-8")
    found = read_part(str(path), "train")
    assert (found.name, len(found.dialogues)) == ("mine.csv", 1)
