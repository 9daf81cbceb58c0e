"""The small inputs of ``shared/cases``, each read right or refused with the right sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from sentixrl.datasets.generic import load_custom
from sentixrl.dialogue import Dialogue
from sentixrl.errors import InputError, SentixError
from sentixrl.evaluation.foreign import read_predictions
from sentixrl.formats import Columns, DialogueReader, open_dialogues
from sentixrl.formats.chats.convokit_writing import write_corpus
from sentixrl.labels import resolve_labels
from tests.cases import CASES

pytestmark = pytest.mark.skipif(not CASES.is_dir(), reason="the folder of cases is not here")


def turns(dialogues: list[Dialogue]) -> list[list[tuple[str | None, str]]]:
    return [[(turn.speaker, turn.text) for turn in dialogue] for dialogue in dialogues]


def opened(name: str, **options: object) -> tuple[DialogueReader, list[Dialogue]]:
    reader = open_dialogues(CASES / name, **options)  # type: ignore[arg-type]
    dialogues = list(reader)
    assert reader.ledger.size == (CASES / name).stat().st_size
    return reader, dialogues


def refusal(name: str, **options: object) -> str:
    with pytest.raises(SentixError) as caught:
        opened(name, **options)
    return f"{caught.value.message} {caught.value.hint}"


@pytest.mark.parametrize(
    ("name", "reasons"),
    [
        ("whatsapp_ios.txt", {"system line": 1, "media left out": 1}),
        ("whatsapp_android.txt", {"media left out": 1}),
    ],
)
def test_whatsapp(name: str, reasons: dict[str, int]) -> None:
    assert "--dates dmy or --dates mdy" in refusal(name)
    reader, dialogues = opened(name, dates="mdy")
    assert reader.format == "whatsapp"
    assert turns(dialogues) == [
        [("Mira Okoye", "the lift is broken again!!"), ("Jon", "oh no\nare you stuck??")]
    ]
    assert reader.ledger.skipped == reasons
    assert str(dialogues[0].utterances[0].metadata["time"]).startswith("2024-")


def test_subtitles() -> None:
    reader, dialogues = opened("call.srt")
    assert reader.format == "srt"
    said = [("SPEAKER_00", "Where is my parcel?"), ("SPEAKER_01", "It left this morning.")]
    assert turns(dialogues) == [said]


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("messages.html", "an HTML page"),
        ("talk.rtf", "an RTF document"),
        ("emo_train.txt", "a table separated by tabs, but none of its columns"),
        ("ed.csv", "line 4: the row has 7 cells, the header has 6"),
        ("odd_headers.csv", "--columns text=msg,speaker=who,dialogue=ticket,label=sentiment"),
        ("excel_cp1252.csv", "--encoding windows-1252"),
    ],
)
def test_what_is_refused_says_why(name: str, says: str) -> None:
    assert says in refusal(name)


def test_a_broken_parquet_file_is_named() -> None:
    pytest.importorskip("pyarrow")
    assert "not a Parquet file that can be read" in refusal("rows.parquet")


@pytest.mark.parametrize(
    ("name", "note"),
    [
        ("ed_ok.csv", "--columns dialogue=conv_id,speaker=speaker_idx"),
        ("tickets.csv", "'ticket_id' looks like one: --columns dialogue=ticket_id"),
        ("odd_headers2.csv", "--columns dialogue=ticket,speaker=who"),
    ],
)
def test_likely_columns_are_told(name: str, note: str) -> None:
    reader, dialogues = opened(name)
    assert note in reader.notes[0]
    assert all(len(dialogue) == 1 for dialogue in dialogues)
    option = reader.notes[0].rpartition("--columns ")[2]
    reader, dialogues = opened(name, columns=Columns.parse(option))
    assert reader.notes == ()
    assert len(dialogues[0]) == 2


def test_own_columns_of_a_tab_separated_text() -> None:
    _, dialogues = opened("emo_train.txt", columns=Columns(text="turn3"))
    assert turns(dialogues) == [[(None, "all of them")], [(None, "so happy")]]
    assert dialogues[0].utterances[0].gold == "angry"


def test_spreadsheets() -> None:
    reader, dialogues = opened("excel_cp1252.csv", encoding="windows-1252")
    assert turns(dialogues) == [[("José", "“Ya voy”"), ("Ana", "dos\nlíneas; y más")]]
    assert reader.ledger.skipped == {"blank row": 1}
    _, dialogues = opened("excel_sep.csv")
    assert turns(dialogues) == [
        [("Ana", "Where is it?"), ("Ben", "It left.\nThis morning; promise.")]
    ]
    _, dialogues = opened("comma_head2.csv")
    assert turns(dialogues) == [[("Ana", "hola")]]
    column = Columns.parse("text=Descripcion (libre, breve),speaker=text")
    assert turns(opened("comma_head2.csv", columns=column)[1]) == [[("hola", "x")]]


@pytest.mark.parametrize("name", ["flat.jsonl", "doccano.jsonl"])
def test_a_text_and_a_label_a_line(name: str) -> None:
    _, dialogues = opened(name)
    assert turns(dialogues) == [[(None, "Where is my parcel?")], [(None, "Thanks")]]
    assert [turn.gold for dialogue in dialogues for turn in dialogue] == ["annoyed", "calm"]


def test_our_own_output_saved_again_is_predictions_and_input() -> None:
    labels = resolve_labels("annoyed, calm")
    data = load_custom(CASES / "gold.csv", labels)
    answers = read_predictions(CASES / "own_semi.csv", data).answers
    assert {answer.label for answer in answers.values()} == {"calm"}
    assert len(answers) == 3
    assert turns(opened("own_semi.csv")[1]) == turns(opened("gold.csv")[1])


def test_one_word_in_two_unicode_forms_is_one_id() -> None:
    labels = resolve_labels("énervé, calme")
    data = load_custom(CASES / "nfc_gold.csv", labels)
    answers = read_predictions(CASES / "nfd_pred.csv", data).answers
    assert [answer.label for answer in answers.values()] == ["énervé", "calme"]


def test_data_without_labels_names_the_column_that_looks_like_it() -> None:
    labels = resolve_labels("annoyed, calm")
    with pytest.raises(InputError, match="holds no gold labels") as caught:
        load_custom(CASES / "odd_headers2.csv", labels)
    assert "--columns label=sentiment" in (caught.value.hint or "")
    notes: list[str] = []
    columns = Columns(text="msg", dialogue="ticket", label="sentiment")
    data = load_custom(CASES / "odd_headers.csv", labels, columns=columns, tell=notes.append)
    assert data.labelled == 2
    assert "--columns text=msg,dialogue=ticket,label=sentiment,speaker=who" in notes[0]


def test_a_corpus_of_convokit_s_is_data(tmp_path: Path) -> None:
    labels = resolve_labels("annoyed, calm")
    data = load_custom(CASES / "gold.csv", labels)
    write_corpus(tmp_path / "corpus", data.dialogues)
    assert load_custom(tmp_path / "corpus", labels).dialogues == data.dialogues
