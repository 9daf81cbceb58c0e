"""Slack's export: names for numbers, plain text for mark-up, threads apart."""

from __future__ import annotations

import io
import json
import zipfile
from typing import Any

import pytest

from sentixrl.errors import InputError
from sentixrl.formats.chats import Medium, detect, slack
from tests.chats.sources import dialogues, read

USERS = [
    {"id": "U1", "name": "ann", "profile": {"display_name": "Ann", "real_name": "Ann Lee"}},
    {"id": "U2", "name": "ben", "profile": {"display_name": "", "real_name": "Ben Okoye"}},
    {"id": "U3", "name": "ann2", "profile": {"display_name": "Sara"}},
    {"id": "U4", "name": "ann3", "profile": {"display_name": "Sara"}},
]
CHANNELS = [{"id": "C1", "name": "general"}, {"id": "C2", "name": "lift"}]
START = 1717142400


def said(seconds: int, user: str, text: str, **more: object) -> dict[str, Any]:
    return {
        "type": "message",
        "user": user,
        "text": text,
        "ts": f"{START + seconds}.000200",
        **more,
    }


def export(days: dict[str, list[dict[str, Any]]], root: str = "") -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{root}users.json", json.dumps(USERS, indent=4))
        archive.writestr(f"{root}channels.json", json.dumps(CHANNELS, indent=4))
        archive.writestr("canvases.json", "not even JSON")
        for name, messages in days.items():
            archive.writestr(root + name, json.dumps(messages, indent=4, ensure_ascii=False))
    return stream.getvalue()


def test_numbers_become_names_and_mark_up_becomes_text() -> None:
    raw = export(
        {
            "general/2024-05-31.json": [
                said(0, "U1", "joined", subtype="channel_join"),
                said(1, "U1", "hi <@U2> &amp; <@U9|Zoé>, see <#C2> or <https://example.org|this>"),
                said(2, "U2", "<!here> 1 &lt; 2 <https://example.org>", edited={"ts": "1.5"}),
                said(3, "U3", "no"),
                said(4, "U4", "نعم", files=[{}]),
                said(5, "U4", "", files=[{}]),
                said(6, "", "deployed", subtype="bot_message", bot_id="B1", username="Robot"),
                said(7, "U9", "hm", user_profile={"real_name": "Guest"}),
                said(8, "U2", " "),
            ]
        }
    )
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        names = archive.namelist()
        size = sum(info.file_size for info in archive.infolist()) - len("not even JSON")
    assert detect(Medium.ZIP, names).name == "slack"  # type: ignore[union-attr]
    found = read(slack.messages, raw)
    assert found.turns == [
        ("Ann", "hi @Ben Okoye & @Zoé, see #lift or this"),
        ("Ben Okoye", "@here 1 < 2 https://example.org"),
        ("Sara (U3)", "no"),
        ("Sara (U4)", "نعم"),
        ("Robot", "deployed"),
        ("Guest", "hm"),
    ]
    assert found.messages[1].extra == {"edited": "1.5"}
    assert found.messages[4].extra == {"bot": "yes"}
    assert found.messages[0].id == f"{START + 1}.000200"
    assert found.ledger.skipped == {
        "notice of the channel": 1,
        "media without text": 1,
        "no text": 1,
    }
    assert found.ledger.size == size


def test_channels_and_threads_are_dialogues_of_their_own() -> None:
    thread = {"thread_ts": f"{START + 60}.000200"}
    raw = export(
        {
            "lift/2024-05-31.json": [said(0, "U1", "stuck again")],
            "general/2024-06-01.json": [said(90_000, "U2", "next day")],
            "general/2024-05-31.json": [
                said(0, "U1", "morning"),
                said(60, "U1", "who has the key?", **thread),
                said(120, "U2", "coffee?"),
                said(180, "U2", "I do", **thread),
                said(90_000 - 60, "U2", "no, I lost it", **thread),
            ],
        }
    )
    found, ledger = dialogues(slack.messages, raw)
    assert [(dialogue.group, [turn.text for turn in dialogue]) for dialogue in found] == [
        ("general", ["morning", "coffee?"]),
        ("general", ["who has the key?", "I do"]),
        ("general", ["no, I lost it"]),
        ("general", ["next day"]),
        ("lift", ["stuck again"]),
    ]
    assert ledger.splits == 2
    assert found[1].utterances[1].metadata["thread"] == thread["thread_ts"]


def test_an_export_packed_again_with_its_folder_is_read() -> None:
    raw = export({"lift/2024-05-31.json": [said(0, "U1", "stuck in <#C2>")]}, root="Our Slack/")
    with zipfile.ZipFile(io.BytesIO(raw)) as archive:
        assert detect(Medium.ZIP, archive.namelist()) is not None
    found = read(slack.messages, raw)
    assert found.turns == [("Ann", "stuck in #lift")]
    assert found.messages[0].chat == "lift"


def test_many_members_that_each_unpack_to_much_are_refused_together() -> None:
    days = {f"general/2024-05-{day:02}.json": [said(0, "U1", "x" * 9_000_000)] for day in range(14)}
    with pytest.raises(InputError, match=r"^chat unpacks to 126,"):
        read(slack.messages, export(days))


def test_what_is_wrong_inside_names_the_member() -> None:
    raw = export({"general/2024-05-31.json": [said(0, "U1", "x")]})
    stream = io.BytesIO(raw)
    with zipfile.ZipFile(stream, "a") as archive:
        archive.writestr("general/2024-06-01.json", '[{"type": "message"')
    with pytest.raises(InputError, match=r"^chat, general/2024-06-01\.json, line 1, column 20"):
        read(slack.messages, stream.getvalue())
