"""Bytes to text, and which format they are taken for."""

from __future__ import annotations

import gzip
import io
import os
import socket
import time
import zipfile
from encodings.aliases import aliases
from pathlib import Path
from threading import Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentixrl.dialogue import Dialogue
from sentixrl.errors import InputError
from sentixrl.formats import Columns, decoding, open_dialogues, read_dialogues, source
from sentixrl.formats.characters import is_blank


def read(raw: bytes | str, format: str = "auto", encoding: str = "utf-8") -> list[Dialogue]:
    data = raw.encode() if isinstance(raw, str) else raw
    return read_dialogues(stream=io.BytesIO(data), format=format, encoding=encoding)


def texts(raw: bytes | str, format: str = "auto", encoding: str = "utf-8") -> list[str]:
    return [turn.text for dialogue in read(raw, format, encoding) for turn in dialogue]


def refusal(raw: bytes | str, format: str = "auto", encoding: str = "utf-8") -> InputError:
    with pytest.raises(InputError) as caught:
        read(raw, format, encoding)
    return caught.value


def outcome(raw: bytes, format: str, encoding: str = "utf-8") -> list[Dialogue] | InputError:
    try:
        return read(raw, format, encoding)
    except InputError as error:
        return error


def check(result: list[Dialogue] | InputError) -> None:
    """What holds for any input: sound dialogues, or one clear sentence."""
    if isinstance(result, InputError):
        assert result.message.endswith(".")
        assert result.message.isprintable()
    else:
        assert result
        assert all(len(dialogue) for dialogue in result)
        assert len({dialogue.id for dialogue in result}) == len(result)
        assert not any(is_blank(turn.text) for dialogue in result for turn in dialogue)


def test_missing_file(tmp_path: Path) -> None:
    path = tmp_path / "nowhere.txt"
    with pytest.raises(InputError) as caught:
        read_dialogues(path)
    assert caught.value.message == f"There is no file {path}."
    assert "--text" in (caught.value.hint or "")


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is a folder, not a file"):
        read_dialogues(tmp_path)


def test_path_through_a_file_and_path_with_nul(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(InputError, match="cannot be read: Not a directory"):
        read_dialogues(tmp_path / "file" / "inside.txt")
    with pytest.raises(InputError, match="cannot be read: embedded null byte"):
        read_dialogues(Path("a\0b.txt"))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_file_without_permission(tmp_path: Path) -> None:
    path = tmp_path / "secret.txt"
    path.write_text("x")
    path.chmod(0)
    with pytest.raises(InputError, match="cannot be read: Permission denied"):
        read_dialogues(path)


@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (b"", "standard input is empty."),
        (b"\xef\xbb\xbf", "standard input is empty."),
        (b" \r\n\t\n\xe2\x80\x8f", "standard input holds nothing but blank space."),
    ],
)
@pytest.mark.parametrize("format", ["auto", "text", "json", "jsonl", "csv", "tsv"])
def test_empty_input(raw: bytes, what: str, format: str) -> None:
    assert refusal(raw, format).message == what


def test_not_utf8_names_byte_offset_and_line() -> None:
    error = refusal(b"Anna: hi\r\nBen: hello\rAnna: caf\xe9!")
    assert error.message == (
        "standard input, line 3: the text is not UTF-8: byte 0xE9 at offset 30 "
        "(invalid continuation byte)."
    )
    assert "--encoding windows-1252" in (error.hint or "")


def test_a_byte_order_mark_outweighs_utf8() -> None:
    for encoding in ("utf-16", "utf-32"):
        raw = "Anna: ¿qué?\nBen: nada".encode(encoding)
        assert texts(raw) == texts(raw, encoding=encoding) == ["¿qué?", "nada"]
    assert "utf-16" in (refusal("hi".encode("utf-16-le")).hint or "")
    assert texts("hi".encode("utf-16-le"), encoding="utf-16-le") == ["hi"]


def test_wrong_bytes_in_other_encodings() -> None:
    error = refusal("一行\n二".encode("gb18030") + b"\xff\n", encoding="gb18030")
    assert "line 2: the text is not gb18030: byte 0xFF at offset 7" in error.message
    error = refusal(b"\xef\xbb\xbfab\n\xff", encoding="utf-8-sig")
    assert "line 2: the text is not utf-8-sig: byte 0xFF at offset 6" in error.message


@pytest.mark.parametrize("encoding", ["nope", "hex", "", "a\0b", "é", "undefined"])
def test_unknown_encoding(encoding: str) -> None:
    error = refusal(b"hello", encoding=encoding)
    assert "There is no text encoding called" in error.message
    assert "\0" not in error.message
    assert "utf-16" in (error.hint or "")


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("encoding", sorted({*aliases.values(), "idna", "punycode", "utf_8_sig"}))
def test_no_encoding_breaks_reading(encoding: str) -> None:
    for raw in (b"Anna: hi\n\xff\xfe\x00\x80 there", bytes(range(256))):
        check(outcome(raw, "text", encoding))


@pytest.mark.parametrize("format", ["auto", "text", "json", "jsonl", "csv"])
def test_nul_names_line_and_column(format: str) -> None:
    error = refusal(b"Anna: hi\n\nBe\0n: hello", format)
    assert error.message == "standard input, line 3, column 3: the text holds a NUL character."
    assert "utf-16" in (error.hint or "")


@pytest.mark.parametrize("form", ["auto", "text"])
@pytest.mark.parametrize(
    ("raw", "what"),
    [
        (b"SQLite format 3\0\x10", "an SQLite database"),
        (b"BZh91AY", "a bzip2 archive"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel or Word file"),
        (b"%PDF-1.7", "a PDF document"),
        (b"\x80\x04\x95", "a Python pickle"),
        (b"\0\0\0\x20ftypM4A ", "a recording"),
    ],
)
def test_binary_formats_are_named_whatever_was_asked_for(form: str, raw: bytes, what: str) -> None:
    error = refusal(raw, form)
    assert what in error.message
    assert error.hint


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("<!DOCTYPE html>\n<p>Ana: hi</p>", "an HTML page"),
        ("\n  <html><body>", "an HTML page"),
        ('<?xml version="1.0"?>\n<ANNOTATION_DOCUMENT DATE="">', "an ELAN annotation"),
        ('<?xml version="1.0"?>\n<log/>', "an XML file"),
        ("{\\rtf1\\ansi Ana: hi}", "an RTF document"),
        ("@UTF8\n@Begin\n*MOT:\thi .", "a CHAT transcript"),
        ('File type = "ooTextFile"\nObject class = "TextGrid"', "a Praat TextGrid"),
    ],
)
def test_marked_up_texts_are_named_and_read_only_on_demand(text: str, what: str) -> None:
    error = refusal(text)
    assert what in error.message
    assert error.hint
    assert texts(text, "text")


def archive(*names: str) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        for name in names:
            file.writestr(name, "x")
    return packed.getvalue()


def test_archives_are_named_by_what_is_in_them() -> None:
    assert "a Word document" in refusal(archive("word/document.xml")).message
    assert "an OpenDocument" in refusal(archive("mimetype", "content.xml")).message
    assert "without a conversation" in refusal(archive("notes/a.bin")).message
    assert "cannot be read" in refusal(b"PK\x03\x04\x00\x00").message


def test_gzip_is_read_as_what_it_holds(tmp_path: Path) -> None:
    path = tmp_path / "talk.csv.gz"
    path.write_bytes(gzip.compress(b"text,speaker\nhi,Anna\n"))
    assert [turn.speaker for turn in read_dialogues(path)[0]] == ["Anna"]
    assert texts(gzip.compress(b"Anna: hi")) == ["hi"]
    cut = gzip.compress(b"Anna: hi\n" * 1000)[:-9]
    assert "cannot be unpacked" in refusal(cut).message
    assert "gzip archive inside" in refusal(gzip.compress(gzip.compress(b"hi"))).message


def test_a_gzip_trap_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(source, "FREE_BYTES", 1 << 20)
    packed = gzip.compress(b"Anna: hi\n" * 2_000_000)
    assert "unpacks to more than 200 times" in refusal(packed).message


def test_a_line_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "MAX_LINE_BYTES", 3 << 20)
    error = refusal(b"Anna: hi\n" + b"x" * (5 << 20))
    assert "line 2: the line is longer than the 3,145,728 bytes" in error.message


def test_devices_are_no_files() -> None:
    with pytest.raises(InputError, match="is a device"):
        read_dialogues(Path("/dev/zero"))


def test_a_pipe_is_read(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = Thread(target=pipe.write_bytes, args=(b"Anna: hi\nBen: hello\n",))
    writer.start()
    assert [len(dialogue) for dialogue in read_dialogues(pipe)] == [2]
    writer.join()


def test_stream_that_gives_little_at_a_time() -> None:
    class Slow(io.BytesIO):
        def read(self, size: int | None = -1, /) -> bytes:
            return super().read(min(size or 1, 3))

    (dialogue,) = read_dialogues(stream=Slow("Анна: привет\nBen: hi".encode()))
    assert [turn.speaker for turn in dialogue] == ["Анна", "Ben"]


def test_exactly_one_source() -> None:
    with pytest.raises(ValueError, match="exactly one"):
        read_dialogues()
    with pytest.raises(ValueError, match="exactly one"):
        read_dialogues(Path("a"), stream=io.BytesIO())


def test_unknown_format() -> None:
    error = refusal(b"hi", "yaml")
    assert "no input format called 'yaml'" in error.message
    assert "jsonl" in (error.hint or "")


def test_columns_need_a_table() -> None:
    with pytest.raises(InputError, match="is read as json, which has no columns"):
        read_dialogues(
            stream=io.BytesIO(b'{"utterances": ["a"]}'), format="json", columns=Columns()
        )


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.txt", "Anna: hi, you"),
        ("a.TXT", "Anna: hi, you"),
        ("a.json", '{"utterances": ["hi, you"]}'),
        ("a.jsonl", '{"utterances": ["hi, you"]}'),
        ("a.ndjson", '{"utterances": ["hi, you"]}'),
        ("a.csv", 'text\n"hi, you"'),
        ("a.tsv", "text\tspeaker\nhi, you\tAnna"),
        ("a.log", "Anna: hi, you"),
        ("a.log", 'speaker,text\nAnna,"hi, you"'),
        ("a.log", "text;speaker\nhi, you;Anna"),
        ("a", "emotion\tutterance\njoy\thi, you"),
        ("a", ' {"utterances": ["hi, you"]}'),
        ("a", '[\n{"utterances": ["hi, you"]}]'),
        ("a", '{\n"utterances":\n["hi, you"]}'),
        ("a", '\n{"id": 1, "utterances": ["hi, you"]}\n'),
    ],
)
def test_format_by_ending_or_content(tmp_path: Path, name: str, content: str) -> None:
    path = tmp_path / name
    path.write_text("\ufeff" + content, "utf-8")
    (dialogue,) = read_dialogues(path)
    assert [turn.text for turn in dialogue] == ["hi, you"]


def test_several_objects_are_lines() -> None:
    assert texts('{"utterances": ["a"]}\n\n{"utterances": ["b"]}\n') == ["a", "b"]


@pytest.mark.parametrize("line", ["[laughs] oh", "{sighs} oh", "[at 10:30] hi", "Hi, all"])
def test_transcripts_that_begin_like_json_or_tables(line: str) -> None:
    assert texts(line) == [line]


def test_content_outweighs_the_ending(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text('{"utterances": ["a"]}')
    assert [turn.text for turn in read_dialogues(path)[0]] == ["a"]
    path.write_text("speaker\ttext\nAnna\thi\n")
    assert [turn.text for turn in read_dialogues(path)[0]] == ["hi"]


def test_an_unknown_ending_is_not_taken_for_a_transcript_in_silence(tmp_path: Path) -> None:
    path = tmp_path / "a.log"
    path.write_text("It rained.\nWe left.\n")
    with pytest.raises(InputError, match=r"neither the ending '\.log' nor the content") as caught:
        read_dialogues(path)
    assert "--format text" in (caught.value.hint or "")
    assert len(read_dialogues(path, format="text")[0]) == 2
    path.write_text("Anna: hi\nBen: hello\n")
    reader = open_dialogues(path)
    assert len(next(iter(reader))) == 2
    assert "read as a transcript" in reader.notes[0]


def test_a_table_without_a_known_header_is_no_transcript() -> None:
    error = refusal("id\tturn1\tlabel\n0\the left\tsad\n")
    assert "table separated by tabs" in error.message
    assert "--columns text=NAME" in (error.hint or "")


formats = st.sampled_from(["auto", "text", "json", "jsonl", "csv", "tsv"])
scraps = st.sampled_from(
    [
        *'{}[]:,;"\n\r\t ',
        *(
            "\0",
            "\u200f",
            "\ufeff",
            "\\ud800",
            "\\u0000",
            "\x1b",
            "null",
            "1",
            "NaN",
            "é",
            "：",
            "---",
        ),
        *('{"utterances": [', '"text": ', '"speaker": ', '"id": ', '"metadata": {', '"hello"'),
        *(
            '{"utterances": ["a"]}',
            "text,speaker\n",
            "text\tdialogue\n",
            "Anna: ",
            "dialogue_id;text\n",
        ),
    ]
)


@given(
    st.binary(max_size=200) | st.lists(scraps, max_size=25).map("".join).map(str.encode), formats
)
def test_any_bytes_are_read_or_clearly_refused(raw: bytes, format: str) -> None:
    check(outcome(raw, format))


def test_a_pipe_without_a_writer_holds_nobody_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(source, "PATIENCE", 0.05)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="a pipe that nobody writes to"):
        read_dialogues(tmp_path / "pipe")


def test_whoever_writes_to_a_pipe_may_take_their_time(tmp_path: Path) -> None:
    path = tmp_path / "pipe"
    os.mkfifo(path)

    def write() -> None:
        with path.open("w") as stream:
            stream.flush()
            time.sleep(0.1)  # open, and nothing written yet
            stream.write("Ann: hi\nBob: yes\n" * 5000)

    writer = Thread(target=write)
    writer.start()
    (dialogue,) = read_dialogues(path)
    writer.join()
    assert len(dialogue) == 10_000
    assert dialogue.utterances[0].speaker == "Ann"


def test_a_socket_is_no_file(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        with pytest.raises(InputError, match="is a socket, not a file"):
            read_dialogues(tmp_path / "s")
