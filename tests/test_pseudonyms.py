"""Pseudonyms: names are gone wherever they stand, consistently, and the map is apart."""

from __future__ import annotations

import json
import stat
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.errors import InputError
from sentixrl.formats import open_dialogues, open_text
from sentixrl.formats.pseudonyms import PseudonymReader, Pseudonyms

from .cli.shell import Shell, make_shell

__all__ = ["make_shell"]


def named(*names: str) -> Pseudonyms:
    pseudonyms = Pseudonyms()
    pseudonyms.learn(names)
    return pseudonyms


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("Julián Ortega", "Ay, Julián... ¿y Ortega?", "Ay, P1... ¿y P1?"),
        ("Julián Ortega", "JULIAN ortega y julian", "P1 y P1"),
        ("Julián", "Julia\u0301n, ven", "P1, ven"),  # an accent by itself
        ("Nora", "Nora's boat, @nora, Honora", "P1's boat, @P1, Honora"),
        ("Vincent van Gogh", "a van for Vincent", "a van for P1"),
        ("ليلى", "قلت لليلى وليلى: يا ليلى!", "قلت لP1 وP1: يا P1!"),
        ("सीमा", "सीमा, तुम कहाँ हो? सीमाएँ", "P1, तुम कहाँ हो? सीमाएँ"),
        ("王小明", "小明说王小明来了", "P1说P1来了"),
        ("Ed", "Ed edited it, ed", "P1 edited it, P1"),
        ("Straße", "STRASSE", "P1"),
    ],
)
def test_mentions_are_found_in_any_script(name: str, text: str, expected: str) -> None:
    assert named(name).text(text).replace("للP1", "لP1") == expected


def test_the_longest_name_is_taken_and_everybody_keeps_one() -> None:
    names = named("Ana", "Ana Belén", "Ben")
    assert names.text("Ana Belénita") == "P1 Belénita"
    assert names.text("Ana Belén met Ana and Ben.") == "P2 met P1 and P3."
    names.learn(["Ben", "Cleo", "Ana"])
    assert names.names == {"Ana": "P1", "Ana Belén": "P2", "Ben": "P3", "Cleo": "P4"}


def test_a_pseudonym_is_nobodys_name() -> None:
    names = Pseudonyms({"Zoe": "P1"})
    names.learn(["P2", "Max"])
    assert len(set(names.names.values())) == 3


def test_who_speaks_later_is_hidden_before(tmp_path: Path) -> None:
    reader = open_text("Ana: Where is Max?\nBen: Out.\n\nMax: Here. Hello Ana.")
    hidden = PseudonymReader(reader, Pseudonyms())
    for _ in range(2):  # it can be read again
        texts = [turn.text for dialogue in hidden for turn in dialogue]
        assert texts == ["Where is P3?", "Out.", "Here. Hello P1."]
    assert hidden.ledger.turns == 3


@pytest.mark.parametrize("suffix", [".csv", ".txt"])
def test_what_hides_names_is_a_whole_reader(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"talk{suffix}"
    path.write_text("dialogue,speaker,text\n1,Ana,Hi Ben.\n1,Ben,Hi.\n", "utf-8")
    reader = open_dialogues(path, language="es")
    hidden = PseudonymReader(reader, Pseudonyms())
    assert vars(hidden).keys() == vars(reader).keys()
    for name in ("name", "format", "notes", "guesses", "named", "tabular", "spot"):
        assert getattr(hidden, name) == getattr(reader, name)
    assert [dialogue.language for dialogue in hidden] == ["es"] * len(list(reader))
    assert hidden.ledger.as_dict() == reader.ledger.as_dict()


def test_what_else_names_somebody_in_a_source_is_dropped() -> None:
    turn = Utterance("Hi", "Ana", id="ana@example", metadata={"time": "2024", "user": "Ana"})
    names = named("Ana")
    [found] = names.dialogue(Dialogue("Chat with Ana", (turn,), group="Ana")).utterances
    assert (found.id, found.metadata, found.speaker) == (None, {"time": "2024"}, "P1")
    assert names.dialogue(Dialogue("Chat with Ana", (turn,))).id == "Chat with P1"


letters = st.text(st.sampled_from("aáAZñ ليح王小明\u0301-.'"), max_size=12)


@given(st.lists(letters.filter(str.strip), max_size=3), letters)
@example(["\u0301小"], "")
def test_texts_without_a_name_stay_and_nothing_fails(names: list[str], text: str) -> None:
    pseudonyms = named(*names)
    replaced = pseudonyms.text(text)
    if not names:
        assert replaced == text
    for name in names:
        short = sum(not unicodedata.combining(one) for one in name) < 2
        assert pseudonyms.text(name) != name or not any(map(str.isalpha, name)) or short


TALK = "Marta: ¿Otra vez, Julián?\nJulián: Perdona, Marta.\n"


def test_the_command_keeps_the_map_apart_and_goes_on_with_it(shell: Shell, tmp_path: Path) -> None:
    talk, who, out = tmp_path / "Marta.txt", tmp_path / "who.json", tmp_path / "talk.json"
    talk.write_text(TALK, "utf-8")
    answer = shell("read", talk, "--pseudonyms", who, "--out", out, "--json")
    assert answer.code == 0
    assert "Marta" not in answer.out.replace(str(talk.parent), "")
    assert "Marta" not in out.read_text("utf-8")
    assert json.loads(who.read_text("utf-8")) == {"pseudonyms": {"Marta": "P1", "Julián": "P2"}}
    assert stat.S_IMODE(who.stat().st_mode) == 0o600
    talk.write_text("Julián: Hola, Eva.\nEva: Hola.\n", "utf-8")
    shell("read", talk, "--pseudonyms", who, "--out", out)
    assert json.loads(who.read_text("utf-8"))["pseudonyms"]["Eva"] == "P3"
    assert "Hola, P3." in out.read_text("utf-8")


@pytest.mark.parametrize(
    "content", ["[]", "{}", '{"pseudonyms": {"a": 1}}', "\x00", '{"pseudonyms": 3}']
)
def test_a_file_that_is_no_map_is_left_alone(shell: Shell, tmp_path: Path, content: str) -> None:
    talk, who = tmp_path / "talk.txt", tmp_path / "who.json"
    talk.write_text(TALK, "utf-8")
    who.write_text(content, "utf-8")
    assert "holds no map of pseudonyms" in shell.refuses("read", talk, "--pseudonyms", who)
    assert who.read_text("utf-8") == content


def test_a_map_needs_a_folder(shell: Shell, tmp_path: Path) -> None:
    talk = tmp_path / "talk.txt"
    talk.write_text(TALK, "utf-8")
    assert "There is no folder" in shell.refuses(
        "read", talk, "--pseudonyms", tmp_path / "no" / "w"
    )
    with pytest.raises(InputError):
        Pseudonyms.read(tmp_path)
