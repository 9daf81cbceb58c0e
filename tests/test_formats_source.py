"""Bytes to text, and which format they are taken for."""

from __future__ import annotations

import io
import os
from encodings.aliases import aliases
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentixrl.dialogue import Dialogue
from sentixrl.errors import InputError
from sentixrl.formats import Columns, Format, read_dialogues
from sentixrl.formats.characters import is_blank


def read(raw: bytes | str, format: Format = "auto", encoding: str = "utf-8") -> list[Dialogue]:
    data = raw.encode() if isinstance(raw, str) else raw
    return read_dialogues(stream=io.BytesIO(data), format=format, encoding=encoding)


def texts(raw: bytes | str, format: Format = "auto", encoding: str = "utf-8") -> list[str]:
    return [turn.text for dialogue in read(raw, format, encoding) for turn in dialogue]


def refusal(raw: bytes | str, format: Format = "auto", encoding: str = "utf-8") -> InputError:
    with pytest.raises(InputError) as caught:
        read(raw, format, encoding)
    return caught.value


def outcome(raw: bytes, format: Format, encoding: str = "utf-8") -> list[Dialogue] | InputError:
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
def test_empty_input(raw: bytes, what: str, format: Format) -> None:
    assert refusal(raw, format).message == what


def test_not_utf8_names_byte_offset_and_line() -> None:
    error = refusal(b"Anna: hi\r\nBen: hello\rAnna: caf\xe9!")
    assert error.message == (
        "standard input, line 3: the text is not UTF-8: byte 0xE9 at offset 30 "
        "(invalid continuation byte)."
    )
    assert "--encoding windows-1252" in (error.hint or "")


def test_utf16_is_recognised_in_the_hint_and_read_when_named() -> None:
    raw = "Anna: ¿qué?\nBen: nada".encode("utf-16")
    assert "--encoding utf-16" in (refusal(raw).hint or "")
    assert texts(raw, encoding="utf-16") == ["¿qué?", "nada"]
    assert "utf-16" in (refusal("hi".encode("utf-16-le")).hint or "")


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
def test_nul_names_line_and_column(format: Format) -> None:
    error = refusal(b"Anna: hi\n\nBe\0n: hello", format)
    assert error.message == "standard input, line 3, column 3: the text holds a NUL character."
    assert "utf-16" in (error.hint or "")


def test_office_documents_are_named_as_such() -> None:
    assert "a ZIP archive or an Office document" in refusal(b"PK\x03\x04\x00\x00").message


def test_size_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"x" * 11)
    for source, stream in ((path, None), (None, io.BytesIO(b"x" * 11))):
        with pytest.raises(InputError, match="is larger than the 10 bytes"):
            read_dialogues(source, stream=stream, max_bytes=10)
        if stream:
            stream.seek(0)
        assert read_dialogues(source, stream=stream, max_bytes=11)


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
    error = refusal(b"hi", "yaml")  # type: ignore[arg-type]
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


@pytest.mark.parametrize("line", ["[laughs] oh", "{sighs} oh", "[10:30] Anna: hi", "Hi, all"])
def test_transcripts_that_begin_like_json_or_tables(line: str) -> None:
    assert texts(line) == [line]


def test_text_of_a_known_ending_is_never_guessed(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text('{"utterances": ["a"]}')
    assert [turn.text for turn in read_dialogues(path)[0]] != ["a"]


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
def test_any_bytes_are_read_or_clearly_refused(raw: bytes, format: Format) -> None:
    check(outcome(raw, format))
