"""ConvoKit's corpora: read, written, and read back equal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.errors import InputError
from sentixrl.formats.chats import convokit
from sentixrl.formats.chats.convokit import is_corpus, read_corpus
from sentixrl.formats.chats.convokit_writing import write_corpus
from sentixrl.formats.ledger import Ledger


def said(id: str, text: str, reply_to: str | None = None, **more: object) -> dict[str, Any]:
    return {
        "id": id,
        "conversation_id": "a",
        "text": text,
        "speaker": "ann",
        "meta": {},
        "reply-to": reply_to,
        "timestamp": None,
        "vectors": [],
        **more,
    }


def corpus(folder: Path, *utterances: dict[str, Any], newline: str = "\n") -> Path:
    folder.mkdir(exist_ok=True)
    lines = "".join(json.dumps(utterance) + newline for utterance in utterances)
    (folder / "utterances.jsonl").write_text(lines)
    # What would run if it were opened as a pickle.
    (folder / "vectors.bow.p").write_bytes(b"cos\nsystem\n(S'touch owned'\ntR.")
    return folder


def reading(folder: Path) -> tuple[list[Dialogue], Ledger]:
    ledger = Ledger("convokit")
    found = list(read_corpus(folder, ledger, "corpus"))
    assert ledger.size == (folder / "utterances.jsonl").stat().st_size
    return found, ledger


def texts(dialogues: list[Dialogue]) -> list[list[str]]:
    return [[turn.text for turn in dialogue] for dialogue in dialogues]


def test_conversations_that_stand_mixed_are_put_in_order(tmp_path: Path) -> None:
    folder = corpus(
        tmp_path,
        said("a2", "second", "a1"),
        said(
            "b",
            "other",
            conversation_id="b",
            speaker="ben",
            meta={"likes": 3, "who": ["x"], "parsed": "<##bin{0}&&@**>"},
        ),
        said("a", "first", None, speaker="", meta={"ok": True, "note": "x"}),
        said("b2", " ", "b", conversation_id="b"),
        said("a1", "later", "a"),
    )
    found, ledger = reading(folder)
    assert is_corpus(folder)
    assert [dialogue.id for dialogue in found] == ["b", "a"]
    assert texts(found) == [["other"], ["first", "later", "second"]]
    assert found[0].utterances[0] == Utterance("other", "ben", id="b", metadata={"likes": 3})
    assert found[1].utterances[0].speaker is None
    assert found[1].utterances[0].metadata == {"ok": "true", "note": "x"}
    assert ledger.skipped == {"no text": 1}
    assert not (folder / "owned").exists()


def test_branches_go_by_time_and_never_before_what_they_reply_to(tmp_path: Path) -> None:
    folder = corpus(
        tmp_path,
        said("a", "root", timestamp=10),
        said("c", "late", "a", timestamp=30),
        said("b", "early", "a", timestamp=20),
        said("d", "wrong clock", "c", timestamp=5),
        said("e", "reply to what is not here", "zz", timestamp=15),
    )
    assert texts(reading(folder)[0]) == [
        ["root", "reply to what is not here", "early", "late", "wrong clock"]
    ]


def test_names_of_older_versions_are_known(tmp_path: Path) -> None:
    old = {"id": "a", "root": "a", "text": "hi", "user": "ann", "reply_to": None}
    (dialogue,) = reading(corpus(tmp_path, old))[0]
    assert dialogue.utterances[0].speaker == "ann"


def test_ids_of_one_hash_are_two_ids(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(convokit, "hash", lambda _: 1, raising=False)
    found, _ = reading(corpus(tmp_path, said("a", "One."), said("b", "Two.")))
    assert texts(found) == [["One.", "Two."]]


@pytest.mark.parametrize(
    ("utterances", "message"),
    [
        (
            [said("a", "x", "b"), said("b", "y", "a")],
            "replies of the conversation 'a' go in a circle",
        ),
        ([said("a", "x", "a")], "go in a circle"),
        ([said("a", "x"), said("a", "y")], "line 2: the id 'a' stands there twice"),
        ([said("a", "x", conversation_id=None)], "line 1: the utterance has no 'conversation_id'"),
        ([said("", "x")], "line 1: the utterance has no 'id'"),
        ([said("a\ud83d", "x")], "line 1: the id holds half a character"),
        ([said("a", "x", speaker="a\nb")], "line 1: the speaker holds a line break"),
        ([said("a", " ")], "holds no utterance with words"),
        ([], "holds no utterance with words"),
    ],
)
def test_a_corpus_that_cannot_be_read_is_refused(
    tmp_path: Path, utterances: list[dict[str, Any]], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        reading(corpus(tmp_path, *utterances))


@pytest.mark.parametrize(
    "line", ["{", "[]", "[" * 100_000, '{"id": NaN}', '{"id": 1, "id": 2}', "\xff", "9" * 5000]
)
def test_a_malformed_line_is_a_sentence_with_its_number(tmp_path: Path, line: str) -> None:
    folder = corpus(tmp_path, said("a", "x"))
    with (folder / "utterances.jsonl").open("ab") as stream:
        stream.write(line.encode("latin-1"))
    with pytest.raises(InputError, match=r"^corpus/utterances\.jsonl, line 2: "):
        list(read_corpus(folder, Ledger("convokit"), "corpus"))


def test_a_folder_without_utterances_is_refused(tmp_path: Path) -> None:
    assert not is_corpus(tmp_path)
    with pytest.raises(InputError, match=r"holds no utterances\.jsonl"):
        list(read_corpus(tmp_path, Ledger("convokit"), "corpus"))


NAMES = st.text("abÄé ñسा小'-.#:", min_size=1, max_size=8).filter(str.strip)
TURNS = st.builds(
    Utterance,
    st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1).filter(
        lambda text: any(c.isalnum() for c in text)
    ),
    st.none() | NAMES,
    st.none() | NAMES,
    st.none() | NAMES,
    st.dictionaries(
        NAMES.filter(lambda key: key not in {"label", "own_id"}),
        NAMES | st.floats(allow_nan=False, allow_infinity=False),
        max_size=2,
    ),
)
DIALOGUES = st.lists(
    st.builds(
        Dialogue,
        NAMES,
        st.lists(TURNS, min_size=1, max_size=4).map(tuple),
        st.none() | st.just("en"),
        st.none() | NAMES,
    ),
    min_size=1,
    max_size=4,
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(DIALOGUES)
def test_what_is_written_reads_back_equal(
    tmp_path_factory: pytest.TempPathFactory, dialogues: list[Dialogue]
) -> None:
    folder = tmp_path_factory.mktemp("corpus") / "made"
    write_corpus(folder, dialogues)
    assert reading(folder)[0] == dialogues


def test_what_is_written_is_what_convokit_wants(tmp_path: Path) -> None:
    turns = (
        Utterance("hi", "ann", gold="joy", id="u1", metadata={"time": "2024-05-31T10:00:00"}),
        Utterance("no", None),
    )
    write_corpus(tmp_path / "made", [Dialogue("talk", turns)])
    files = {path.name for path in (tmp_path / "made").iterdir()}
    assert files == {
        "utterances.jsonl",
        "speakers.json",
        "conversations.json",
        "corpus.json",
        "index.json",
    }
    lines = (tmp_path / "made" / "utterances.jsonl").read_text().splitlines()
    first, second = map(json.loads, lines)
    assert first["conversation_id"] == second["conversation_id"] == first["id"] == "u1"
    assert (first["reply-to"], second["reply-to"]) == (None, "u1")
    assert first["timestamp"] == 1717149600
    index = json.loads((tmp_path / "made" / "index.json").read_text())
    assert index["utterances-index"]["label"] == ["<class 'str'>"]


def test_a_folder_that_is_there_already_is_left_alone(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="There is already a file or folder"):
        write_corpus(tmp_path, [Dialogue("a", (Utterance("x"),))])


@pytest.mark.parametrize(
    "dialogue", [Dialogue("a", ()), Dialogue("a", (Utterance("x", metadata={"label": "y"}),))]
)
def test_a_corpus_that_cannot_be_written_leaves_nothing(tmp_path: Path, dialogue: Dialogue) -> None:
    with pytest.raises(InputError):
        write_corpus(tmp_path / "made", [dialogue])
    assert list(tmp_path.iterdir()) == []
