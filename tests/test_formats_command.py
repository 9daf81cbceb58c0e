"""``sentixrl read``, and the reading options of every command that has them."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path

import pytest
import typer

from sentixrl.cli.inputs import read_gap
from sentixrl.cli.main import app
from sentixrl.errors import ConfigError
from sentixrl.formats import read_dialogues

from .cli.shell import Shell, make_shell

__all__ = ["make_shell"]

CHAT = (
    "23/01/2024, 09:14 - Mira: the lift is broken\n"
    "23/01/2024, 09:15 - Jon: oh no\nare you stuck?\n"
    "23/01/2024, 09:16 - Mira: <Media omitted>\n"
    "23/01/2024, 19:00 - Jon: still broken\n"
)
SOURCES = Path(__file__).parents[1] / "src" / "sentixrl"


@pytest.fixture
def chat(tmp_path: Path) -> Path:
    path = tmp_path / "chat.txt"
    path.write_text(CHAT, "utf-8")
    return path


def test_a_file_is_shown_as_it_is_understood(shell: Shell, chat: Path) -> None:
    answer = shell("read", chat)
    assert (answer.code, answer.err) == (0, "")
    lines = answer.out.splitlines()
    assert lines[0] == (
        f"{chat} · whatsapp: 4 messages, 3 turns, 1 skipped (media left out 1), cut at 1 pause"
    )
    assert lines[1] == "2 dialogues · 1 language: en 1 · language not recognised: 1"
    assert lines[2] == "2 speakers: Jon 2, Mira 1"
    assert "  Jon: oh no are you stuck?" in lines
    assert lines[-1] == "skipped at line 4: media left out"


@pytest.mark.parametrize(
    ("name", "place"), [("a.csv", "line 4"), ("a.json", "row 2"), ("a.parquet", "row 2")]
)
def test_what_was_skipped_is_placed_as_its_format_counts(
    shell: Shell, tmp_path: Path, name: str, place: str
) -> None:
    path, texts = tmp_path / name, ["One\nline.", "", "Two."]
    if path.suffix == ".parquet":
        pyarrow = pytest.importorskip("pyarrow")
        pytest.importorskip("pyarrow.parquet").write_table(pyarrow.table({"text": texts}), path)
    elif path.suffix == ".json":
        path.write_text(json.dumps([{"text": text} for text in texts]))
    else:
        path.write_text('text\n"One\nline."\n""\nTwo.\n')
    for options in ((), ("--pseudonyms", tmp_path / "names.json")):
        assert shell("read", path, *options).out.endswith(f"\nskipped at {place}: blank row\n")


def test_how_to_write_all_turns_is_said_where_they_are_not_written(
    shell: Shell, tmp_path: Path
) -> None:
    path = tmp_path / "a.txt"
    path.write_text("Ann: Hello there.\n" * 14)
    assert "\nand 4 more turns; --out FILE.json writes them all\n" in shell("read", path).out
    assert "\nand 4 more turns\n" in shell("read", path, "--out", tmp_path / "out.json").out


def test_a_file_as_json(shell: Shell, chat: Path) -> None:
    (found,) = shell("read", chat, "--json", "--gap", "none").objects
    assert (found["format"], found["dialogues"], found["speakers"]) == (
        "whatsapp",
        1,
        {"Jon": 2, "Mira": 1},
    )
    assert sum(found["ledger"]["bytes"].values()) == len(CHAT)
    assert found["first"][0]["utterances"][1]["text"] == "oh no\nare you stuck?"
    assert found["notes"] == []


def test_standard_input_and_its_options(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    table = "wer;was;fall\nAna;Où?;1\nBen;Là;1\n".encode("cp1252")
    options = ("--encoding", "windows-1252", "--columns", "text=was,speaker=wer,dialogue=fall")
    (found,) = shell("read", "-", "--json", *options, stdin=table).objects
    assert (found["file"], found["format"], found["dialogues"]) == ("-", "csv", 1)
    monkeypatch.setattr("sys.stdin", None)
    assert "Standard input is closed" in shell.refuses("read", "-")


@pytest.mark.parametrize("name", ["talk.json", "talk.jsonl", "corpus"])
def test_what_was_read_is_written_and_read_again(
    shell: Shell, chat: Path, tmp_path: Path, name: str
) -> None:
    out = tmp_path / name
    answer = shell("read", chat, "--out", out)
    assert answer.code == 0, answer
    assert f"written to {out}" in answer.out
    assert read_dialogues(out) == read_dialogues(chat)
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(["chat.txt", name])


def test_nothing_is_written_of_what_cannot_be_read(shell: Shell, tmp_path: Path) -> None:
    broken = tmp_path / "a.csv"
    broken.write_text("text,speaker\na,b\nc\n")
    assert "line 3" in shell.refuses("read", broken, "--out", tmp_path / "out.json")
    assert [path.name for path in tmp_path.iterdir()] == ["a.csv"]


@pytest.mark.parametrize(
    ("out", "says"),
    [
        ("chat.csv", "neither in .json nor in .jsonl"),
        ("nowhere/a.json", "There is no folder"),
        ("folder.json", "is a folder"),
        ("chat.json", "names the file that is read"),
    ],
)
def test_where_nothing_can_be_written(shell: Shell, tmp_path: Path, out: str, says: str) -> None:
    (tmp_path / "folder.json").mkdir()
    (tmp_path / "chat.json").write_text('{"utterances": ["a"]}')
    assert says in shell.refuses("read", tmp_path / "chat.json", "--out", tmp_path / out)


def test_notes_and_names_are_printed_safely(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "a[b]:joy:.csv"
    path.write_text("conv_id,text\n1,[bold]x[/] :train:\n1,\u202eb\n")
    answer = shell("read", path)
    assert "--columns dialogue=conv_id" in answer.err
    assert "a[b]:joy:.csv" in answer.out
    assert "[bold]x[/] :train:" in answer.out
    assert "\u202e" not in answer.out


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("8h", 28_800),
        ("30min", 1800),
        ("1.5 h", 5400),
        ("2d", 172_800),
        ("90s", 90),
        ("None", None),
    ],
)
def test_pauses(text: str, seconds: float | None) -> None:
    gap = read_gap(text)
    assert (gap and gap.total_seconds()) == seconds


@pytest.mark.parametrize(
    "text", ["", "8", "h", "-1h", "0h", "1e9h", "99999999d", "8 weeks", "nan h"]
)
def test_what_is_no_pause(text: str) -> None:
    with pytest.raises(ConfigError, match="is no pause"):
        read_gap(text)


@pytest.mark.parametrize("command", ["classify", "read"])
def test_every_option_that_an_error_of_reading_names_is_there(command: str) -> None:
    known = {
        option
        for parameter in typer.main.get_command(app).commands[command].params  # type: ignore[attr-defined]
        for option in parameter.opts
    }
    written = "".join(path.read_text("utf-8") for path in (SOURCES / "formats").rglob("*.py"))
    named = set(
        re.findall(r"--[a-z]+", "".join(re.findall(r"hint=.*?\n\s*\)", written, re.DOTALL)))
    )
    assert {"--format", "--columns", "--encoding", "--quoting", "--dates"} <= named
    elsewhere = {"--text", "--predictions", "--json", "--csv"}
    assert named - elsewhere <= known


def test_json_of_results_is_input(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "own.jsonl"
    result = {
        "schema": 1, "id": "k", "language": "de", "model": "m", "template": "en-v1-0",
        "utterances": [
            {
                "index": 0, "id": None, "speaker": "A", "text": "hi", "label": None,
                "status": "outlier", "confidence": None, "probabilities": None,
                "fallback": "joy", "dropped_turns": 0, "error": None, "negotiation": [],
            }
        ],
        "ledger": None,
    }  # fmt: skip
    path.write_text(json.dumps(result))
    (found,) = shell("read", path, "--json").objects
    assert found["languages"] == {"de": 1}
    assert read_dialogues(stream=io.BytesIO(path.read_bytes()))[0].utterances[0].gold is None
