"""Files with a few bytes changed: read with every byte accounted for, or refused in a sentence."""

from __future__ import annotations

import io
import json
import random
import zipfile
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentixrl.errors import InputError
from sentixrl.formats.chats import (
    Medium,
    detect,
    discord,
    slack,
    speech,
    stamped,
    subtitles,
    telegram,
    whatsapp,
    whatsapp_zip,
)
from sentixrl.formats.chats.convokit import read_corpus
from sentixrl.formats.chats.format import Options, Reader
from sentixrl.formats.ledger import Ledger
from sentixrl.formats.messages import conversations
from tests.chats.sources import Memory
from tests.chats.test_convokit import said
from tests.chats.test_json_exports import (
    discord_channel,
    discord_message,
    segment,
    telegram_chat,
    telegram_message,
)
from tests.chats.test_slack import export
from tests.chats.test_slack import said as slack_said
from tests.chats.test_subtitles import srt, vtt
from tests.chats.test_whatsapp import SAID, STAMPS, archive

ROUNDS = 1600


@given(st.lists(st.text(max_size=40), max_size=8))
def test_no_beginning_upsets_the_detection(start: list[str]) -> None:
    for medium in Medium:
        detect(medium, start)


def texts() -> dict[str, tuple[Reader, bytes]]:
    times = [datetime(2024, 5, 20 + n, 10, n) for n in range(len(SAID) - 1)]
    chats = {
        stamp: "".join(
            f"{STAMPS[stamp](time)}{name}: {text}\n"
            for time, (name, text) in zip(times, SAID, strict=False)
        ).encode()
        for stamp in ("en-US iPhone", "es", "ar Android", "zh, halves of the day", "fr")
    }
    lines = "".join(f"[0:{n:02}] {name}: {text}\n" for n, (name, text) in enumerate(SAID))
    telegram_chats = [telegram_chat([telegram_message(n, *said) for n, said in enumerate(SAID)])]
    discord_chats = [discord_message(n, *said) for n, said in enumerate(SAID)]
    segments = [segment(n, text, name) for n, (name, text) in enumerate(SAID)]
    found: dict[str, tuple[Reader, bytes]] = {
        f"whatsapp {stamp}": (whatsapp.messages, raw) for stamp, raw in chats.items()
    }
    return found | {
        "webvtt": (subtitles.messages, vtt(*(f"<v {n}>{t}</v>" for n, t in SAID)).encode()),
        "srt": (subtitles.messages, srt(*(f"{n}: {t}" for n, t in SAID)).encode()),
        "timed": (stamped.messages, lines.encode()),
        "telegram": (
            telegram.messages,
            json.dumps({"chats": {"list": telegram_chats}}, indent=1).encode(),
        ),
        "discord": (
            discord.messages,
            json.dumps(discord_channel(discord_chats), ensure_ascii=False).encode(),
        ),
        "speech": (speech.messages, json.dumps({"segments": segments}).encode()),
    }


def mutated(raw: bytes, dice: random.Random) -> bytes:
    changed = bytearray(raw)
    for _ in range(dice.randint(1, 4)):
        place = dice.randrange(len(changed) + 1)
        piece = bytes(changed[place : place + dice.randint(0, 12)])
        changed[place : place + len(piece)] = dice.choice(
            [
                b"",
                piece * 3,
                bytes([dice.randrange(256)]),
                b"\n",
                b"\r\n\r\n",
                b"\0",
                "\u200e<".encode(),
                b'"',
                b"}],[{",
                b": ",
                b"-->",
                b"\\ud800",
                b"99999999999999999999999",
                changed[: dice.randrange(len(changed) + 1)][-40:],
            ]
        )
        if dice.random() < 0.1:
            changed = changed[: dice.randrange(len(changed) + 1)]
    return bytes(changed)


@pytest.mark.parametrize("name", texts())
def test_changed_texts(name: str) -> None:
    reader, raw = texts()[name]
    dice = random.Random(name)
    read = 0
    sentences: list[str] = []
    for _ in range(ROUNDS):
        changed = mutated(raw, dice)
        try:
            changed.decode()
        except UnicodeDecodeError:
            if reader in (whatsapp.messages, subtitles.messages, stamped.messages):
                continue  # whoever makes the lines has refused it already
        ledger = Ledger(name)
        try:
            found = list(
                conversations(reader(Memory(changed), ledger, Options()), ledger, name=name)
            )
        except InputError as error:
            sentences.append(error.message)
            continue
        read += 1
        assert ledger.size == len(changed)
        assert ledger.turns == sum(map(len, found))
        assert ledger.messages == ledger.turns + ledger.merged + ledger.skipped.total()
    assert read > ROUNDS // 50
    assert all(sentence.endswith(".") for sentence in sentences)


@pytest.mark.parametrize("reader", [whatsapp_zip.messages, slack.messages])
def test_changed_archives(reader: Reader) -> None:
    chat = "".join(
        f"[31/05/2024, 10:00:0{n}] {name}: {text}\n" for n, (name, text) in enumerate(SAID[:9])
    )
    days = {
        f"general/2024-05-{day}.json": [
            slack_said(n, "U1", text) for n, (_, text) in enumerate(SAID)
        ]
        for day in (30, 31)
    }
    raw = export(days) if reader is slack.messages else archive(**{"_chat.txt": chat})
    with zipfile.ZipFile(io.BytesIO(raw)) as whole:
        sizes = sum(info.file_size for info in whole.infolist() if info.filename != "canvases.json")
    dice = random.Random(7)
    read = 0
    sentences: list[str] = []
    for _ in range(ROUNDS):
        changed = mutated(raw, dice)
        ledger = Ledger("zip")
        try:
            list(reader(Memory(changed), ledger, Options()))
        except InputError as error:
            sentences.append(error.message)
            continue
        read += 1
        assert ledger.size <= sizes
    assert read
    assert all(sentence.endswith(".") for sentence in sentences)


def test_changed_corpora(tmp_path: Path) -> None:
    raw = "".join(
        json.dumps(said(f"{n}", text, str(n - 1) if n % 5 else None, conversation_id=str(n // 5)))
        + "\n"
        for n, (_, text) in enumerate(SAID)
    ).encode()
    path = tmp_path / "utterances.jsonl"
    dice = random.Random(7)
    read = 0
    sentences: list[str] = []
    for _ in range(ROUNDS // 4):
        changed = mutated(raw, dice)
        path.write_bytes(changed)
        ledger = Ledger("convokit")
        try:
            list(read_corpus(tmp_path, ledger, "corpus"))
        except InputError as error:
            sentences.append(error.message)
            continue
        read += 1
        assert ledger.size == len(changed)
    assert read
    assert all(sentence.endswith(".") for sentence in sentences)
