"""Files that are broken on purpose: one clear sentence or sound dialogues, every byte told of."""

from __future__ import annotations

import gzip
import io
import json
import random

import pytest

from sentixrl.dialogue import Dialogue
from sentixrl.errors import SentixError
from sentixrl.formats import DialogueReader, open_dialogues
from sentixrl.formats.characters import is_blank, name_fault, unreadable
from sentixrl.formats.detection import format_names

# ruff: noqa: E501  (files as they are)
SEEDS: dict[str, str] = {
    "transcript": "Anna: You came back!\nBen: I said so.\nIt rains.\n\n小明：你好。\n**Eva:** oh :)\n",
    "table": 'dialogue_id,speaker,text,label\n1,Anna,"Well, no.",joy\n2,Ben,"two\nlines",\n1,Eva,x,\n',
    "spreadsheet": 'sep=;\r\ntext;speaker\r\n"a ""b""; c";Ana\r\n;;\r\nb;Ben\r\n',
    "tabs": 'text\tspeaker\tconv_id\nhe said "no"\tAna\t1\nok\tBen\t1\n',
    "json": json.dumps(
        [{"id": "a", "utterances": ["hi", {"text": "yo", "speaker": "B"}]}, {"utterances": ["x"]}],
        indent=1,
    ),
    "lines": '{"id": 1, "utterances": ["a"]}\n\n{"utterances": [{"text": "b", "speaker": 2}]}\n',
    "records": '{"text": "a", "label": ["joy"]}\n{"text": "b", "label": null, "id": 5}\n',
    "result": json.dumps(
        {
            "schema": 1, "id": "k", "language": "en", "model": "m", "template": "en-v1-0",
            "utterances": [
                {
                    "index": 0, "id": None, "speaker": "A", "text": "hi", "label": "joy",
                    "status": "single", "confidence": 0.5, "probabilities": None,
                    "fallback": "joy", "dropped_turns": 0, "error": None, "negotiation": [],
                }
            ],
        }
    ),
    "whatsapp": "[23/01/24, 09:14:03] Mira: the lift is broken\n[23/01/24, 09:15:02] Jon: oh no\nare "
    "you stuck?\n[23/01/24, 09:15:30] Mira: \u200eimage omitted\n",
    "android": "23/01/2024, 21:14 - Mira: hello\n24/01/2024, 22:15 - Jon: <Media omitted>\n",
    "srt": "1\n00:00:00,120 --> 00:00:02,480\nANNA: Where is it?\n\n2\n00:00:02,900 --> 00:00:05,010\n"
    "It left.\n\n",
    "vtt": "WEBVTT\n\n00:01.000 --> 00:02.000\n<v Anna>Where is it?</v>\n\n00:02.000 --> 00:04.000\n"
    "<v Ben>It left.\n",
    "stamped": "[10:30] Anna: hi\n[10:31] Ben: hello\n[10:32] Anna: bye\n",
    "names": "Anna (00:01:02): hi\nBen (00:01:09): hello there\n",
    "telegram": json.dumps(
        {
            "name": "Jon", "type": "personal_chat", "id": 1,
            "messages": [
                {
                    "id": 1, "type": "message", "date": "2024-01-23T09:14:03",
                    "date_unixtime": "1706001243", "from": "Mira", "from_id": "user1",
                    "text": ["see ", {"type": "link", "text": "example.org"}],
                },
                {"id": 2, "type": "service", "date": "2024-01-23T09:15:03", "action": "phone_call"},
            ],
        },
        indent=1,
    ),
    "whisper": json.dumps(
        {
            "text": " Hello there. Bye.", "language": "en",
            "segments": [
                {"id": 0, "start": 0.0, "end": 1.0, "text": " Hello there.", "speaker": "SPEAKER_00"},
                {"id": 1, "start": 1.0, "end": 2.0, "text": " Bye."},
            ],
        }
    ),
}  # fmt: skip
SCRAPS = [
    *(mark.encode() for mark in '{}[]:,;"\n\r\t -<>=*_()|\\/'),
    *(b"\0", b"\x1b", b"\xff", b"\xe2\x80\x8e", b"\xe2\x80\xaf", b"\xef\xbb\xbf", b"\xed\xa0\x80"),
    *(b"\\ud800", b"\\u0000", b"null", b"NaN", b"1e999", b"true", b'""', b"\n\n", b"\r\n", b"  "),
    *(b"text,", b"dialogue_id\t", b"Anna: ", b"-->", b"00:00", b"[23/01/24, 09:14:03] ", b"sep=,\n"),
    *(b"<html>", b"{\\rtf", b"WEBVTT\n", b"PAR1", b"PK\x03\x04", b"\x1f\x8b", b"BZh", b"@Begin\n"),
    *(b"[" * 2000, b"9" * 5000, b'{"a":' * 300),
]  # fmt: skip


def mutated(raw: bytes, chance: random.Random) -> bytes:
    """``raw`` with one to four changes."""
    data = bytearray(raw)
    for _ in range(chance.randint(1, 4)):
        at = chance.randint(0, len(data))
        to = min(len(data), at + chance.choice([1, 1, 2, 5, 40]))
        match chance.randrange(6):
            case 0:
                data[at:to] = chance.choice(SCRAPS)
            case 1:
                data[at:at] = chance.choice(SCRAPS)
            case 2:
                del data[at:to]
            case 3:
                data[at:at] = data[at:to] * chance.choice([1, 2, 30])
            case 4:
                del data[at:]
            case _ if data:
                data[at % len(data)] = chance.randrange(256)
    return bytes(data)


def check(raw: bytes, format: str, packed: bool = False) -> str | None:
    """Read bytes; the message if they are refused. Anything but one of the two is a fault."""
    stream = io.BytesIO(gzip.compress(raw) if packed else raw)
    try:
        reader = open_dialogues(stream=stream, format=format)
        dialogues = list(reader)
    except SentixError as error:
        message = error.message
    else:
        check_read(raw, reader, dialogues)
        return None
    assert message.isprintable(), message
    assert message.rstrip()[-1] in ".?!", message
    assert len(message) < 700, message
    return message


def check_read(raw: bytes, reader: DialogueReader, dialogues: list[Dialogue]) -> None:
    """What holds of whatever was read."""
    ledger = reader.ledger
    assert ledger.size == len(raw), (ledger.bytes, len(raw))
    assert min(ledger.bytes.values()) >= 0
    assert sum(map(len, dialogues)) == ledger.turns
    assert len({dialogue.id for dialogue in dialogues}) == len(dialogues) > 0
    for turn in (turn for dialogue in dialogues for turn in dialogue):
        assert not is_blank(turn.text)
        assert not unreadable(turn.text)
        assert turn.speaker is None or not name_fault(turn.speaker)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_seeds_are_read(seed: str) -> None:
    assert check(SEEDS[seed].encode(), "auto") is None
    assert check(SEEDS[seed].encode(), "auto", packed=True) is None


@pytest.mark.parametrize("seed", SEEDS)
def test_broken_files_are_read_or_refused_in_a_sentence(seed: str) -> None:
    chance = random.Random(seed)
    outcomes = [
        check(mutated(SEEDS[seed].encode(), chance), chance.choice(["auto", "auto", "text"]))
        for _ in range(60)
    ]
    assert None in outcomes


@pytest.mark.parametrize("format", format_names())
def test_every_file_in_every_format_is_read_or_refused(format: str) -> None:
    for seed in SEEDS.values():
        check(seed.encode(), format)
