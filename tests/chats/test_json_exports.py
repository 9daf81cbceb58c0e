"""Telegram, Discord and Whisper: large JSON documents read element by element."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentixrl.errors import InputError
from sentixrl.formats import json_stream
from sentixrl.formats.chats import Medium, counted_json, detect, discord, speech, telegram
from sentixrl.formats.chats.counted_json import utf8_json
from sentixrl.formats.ledger import Kind
from tests.chats.sources import Memory, dialogues, read

TEXTS = st.text(min_size=1, max_size=40).filter(
    lambda text: any(c.isalnum() for c in text) and "\0" not in text and text == text.strip()
)
NAMES = st.text("abcÄé ñسा小'-.", min_size=1, max_size=20).filter(
    lambda name: name.strip() == name and any(c.isalpha() for c in name)
)
INDENTS = st.sampled_from([None, 1])


def written(value: object, indent: int | None = 1, ascii: bool = False) -> str:
    return json.dumps(value, ensure_ascii=ascii, indent=indent)


# Telegram


def telegram_message(id: int, name: str | None, text: object, **more: object) -> dict[str, Any]:
    return {
        "id": id,
        "type": "message",
        "date": "2024-05-31T10:00:00",
        "date_unixtime": str(1717142400 + 60 * id),
        "from": name,
        "from_id": "user7",
        "text": text,
        **more,
    }


def telegram_chat(messages: list[Any], **more: object) -> dict[str, Any]:
    return {"name": "Lift", "type": "private_group", "id": 5, "messages": messages, **more}


@given(st.lists(st.tuples(NAMES, TEXTS), min_size=1, max_size=6), INDENTS, st.booleans())
def test_a_telegram_chat_reads_as_it_was_written(
    said: list[tuple[str, str]], indent: int | None, ascii: bool
) -> None:
    messages = [telegram_message(n, name, text) for n, (name, text) in enumerate(said)]
    content = written(telegram_chat(messages), indent, ascii)
    assert detect(Medium.JSON, content.split("\n")).name == "telegram"  # type: ignore[union-attr]
    found = read(telegram.messages, content)
    assert found.turns == said
    assert [message.id for message in found.messages] == [str(n) for n in range(len(said))]
    assert found.messages[0].time == datetime(2024, 5, 31, 8, tzinfo=UTC)
    assert found.ledger.size == len(content.encode())


def test_telegram_texts_in_pieces_service_messages_and_media() -> None:
    pieces = ["see ", {"type": "link", "text": "https://example.org"}, {"type": "bold"}, " now", 7]
    content = written(
        telegram_chat(
            [
                {"id": 1, "type": "service", "action": "invite_members", "text": ""},
                telegram_message(2, "سارة", pieces, reply_to_message_id=1, forwarded_from="Ben"),
                telegram_message(3, None, "bye", edited="2024-05-31T11:00:00"),
                telegram_message(4, "Ann", "", media_type="sticker"),
                telegram_message(5, "Ann", " "),
                "no message",
            ]
        )
    )
    found = read(telegram.messages, content)
    assert found.turns == [("سارة", "see https://example.org now7"), ("user7", "bye")]
    assert found.messages[0].extra == {"reply_to": "1", "forwarded_from": "Ben"}
    assert found.messages[1].extra == {"edited": "2024-05-31T11:00:00"}
    assert found.ledger.skipped == {
        "service message": 1,
        "media without text": 1,
        "no text": 1,
        "not a message": 1,
    }
    assert found.ledger.first_skipped[0].line == 6
    assert found.ledger.size == len(content.encode())


def test_each_chat_of_a_telegram_account_is_a_dialogue_of_its_own() -> None:
    account = {
        "about": "export",
        "personal_information": {"first_name": "Ann", "bio": ["x", {"y": 1}]},
        "contacts": {"list": [{"user_id": 1}]},
        "chats": {
            "about": "chats",
            "list": [
                telegram_chat([telegram_message(1, "Ann", "a"), telegram_message(2, "Ben", "b")]),
                telegram_chat([telegram_message(1, "Ann", "c")]),
                {"type": "saved_messages", "id": 9, "messages": [telegram_message(3, "Ann", "d")]},
            ],
        },
        "left_chats": {"list": [telegram_chat([telegram_message(4, "Ann", "e")], name="Old")]},
    }
    content = written(account)
    assert detect(Medium.JSON, content.split("\n")).name == "telegram"  # type: ignore[union-attr]
    found, ledger = dialogues(telegram.messages, content)
    assert [(dialogue.group, [turn.text for turn in dialogue]) for dialogue in found] == [
        ("Lift", ["a", "b"]),
        ("Lift (5)", ["c"]),
        ("saved messages", ["d"]),
        ("Old", ["e"]),
    ]
    assert ledger.size == len(content.encode())
    assert ledger.bytes[Kind.HEADER] > 0


def test_json_without_messages_is_no_telegram_export() -> None:
    with pytest.raises(InputError, match="holds no list of messages"):
        read(telegram.messages, '{"name": "Lift", "type": "personal_chat"}')


@pytest.mark.parametrize("name", ["a\nb: stolen", "a\x1b[31m"])
def test_a_name_of_several_lines_puts_no_words_in_anothers_mouth(name: str) -> None:
    content = written(telegram_chat([telegram_message(1, name, "hi")]))
    with pytest.raises(InputError, match=r"^chat, line 6: the speaker holds"):
        dialogues(telegram.messages, content)


def test_half_a_character_is_refused_where_it_stands() -> None:
    content = written(telegram_chat([telegram_message(1, "Ann", "x")])).replace('"x"', r'"\ud83d"')
    with pytest.raises(InputError, match=r"^chat, line 6: the text holds half a character"):
        dialogues(telegram.messages, content)


# Discord


def discord_message(id: int, name: str, text: str, **more: object) -> dict[str, Any]:
    return {
        "id": str(1000 + id),
        "type": "Default",
        "timestamp": f"2024-05-31T10:{id:02}:00.123+00:00",
        "timestampEdited": None,
        "content": text,
        "author": {"id": "77", "name": "ann77", "nickname": name, "isBot": False},
        "attachments": [],
        "mentions": [],
        **more,
    }


def discord_channel(messages: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "guild": {"id": "1", "name": "Lift"},
        "channel": {"id": "2", "type": "GuildTextChat", "name": "general"},
        "dateRange": {"after": None, "before": None},
        "messages": messages,
        "messageCount": len(messages),
    }


@given(st.lists(st.tuples(NAMES, TEXTS), min_size=1, max_size=6), INDENTS)
def test_a_discord_channel_reads_as_it_was_written(
    said: list[tuple[str, str]], indent: int | None
) -> None:
    said = [(name, text) for name, text in said if "<" not in text] or [("Ann", "hi")]
    messages = [discord_message(n, name, text) for n, (name, text) in enumerate(said)]
    content = written(discord_channel(messages), indent)
    assert detect(Medium.JSON, content.split("\n")).name == "discord"  # type: ignore[union-attr]
    found = read(discord.messages, content)
    assert found.turns == said
    assert found.ledger.size == len(content.encode())


def test_discord_mentions_bots_edits_replies_and_notices() -> None:
    content = written(
        discord_channel(
            [
                discord_message(1, "Ann", "", type="GuildMemberJoin"),
                discord_message(
                    2,
                    "Ann",
                    "<@5> and <@!6> <:ouch:123> <a:no:9>!",
                    mentions=[{"id": "5", "name": "ben", "nickname": "Ben"}],
                    timestampEdited="2024-05-31T11:00:00+00:00",
                ),
                discord_message(
                    3,
                    "",
                    "ok",
                    type="Reply",
                    reference={"messageId": "1002"},
                    author={"id": "8", "name": "helper", "isBot": True},
                ),
                discord_message(4, "Ann", "", attachments=[{"url": "x"}]),
                discord_message(5, "Ann", "", type="0"),
            ]
        )
    )
    found = read(discord.messages, content)
    assert found.turns == [("Ann", "@Ben and @6 :ouch: :no:!"), ("helper", "ok")]
    assert found.messages[0].extra == {"edited": "2024-05-31T11:00:00+00:00"}
    assert found.messages[1].extra == {"reply_to": "1002", "bot": "yes"}
    assert found.ledger.skipped == {
        "notice of the channel": 1,
        "media without text": 1,
        "no text": 1,
    }


def test_a_discord_channel_with_the_newest_first_is_refused() -> None:
    content = written(discord_channel([discord_message(n, "Ann", "x") for n in (3, 2, 1)]))
    with pytest.raises(InputError, match="the newest message stands first"):
        read(discord.messages, content)


# Speech


def segment(n: int, text: str, speaker: str | None = None) -> dict[str, Any]:
    named = {} if speaker is None else {"speaker": speaker}
    return {"start": float(n), "end": n + 0.5, "text": text, **named}


@given(
    st.lists(st.tuples(st.one_of(st.none(), NAMES), TEXTS), min_size=1, max_size=8),
    st.sampled_from(["object", "list", "whisper"]),
)
def test_pieces_of_one_speaker_are_one_turn(said: list[tuple[str | None, str]], kind: str) -> None:
    segments = [segment(n, f" {text}", name) for n, (name, text) in enumerate(said)]
    content = written(
        {
            "object": {"segments": segments, "word_segments": [{"word": "x"}], "language": "en"},
            "list": segments,
            "whisper": {"text": " ".join(text for _, text in said), "segments": segments},
        }[kind],
        None,
    )
    assert detect(Medium.JSON, [content]).name == "speech"  # type: ignore[union-attr]
    found = read(speech.messages, content)
    expected: list[list[Any]] = []
    for n, (name, text) in enumerate(said):
        if expected and name is not None and expected[-1][0] == name:
            expected[-1][1].append(text)
            expected[-1][3] = n + 0.5
        else:
            expected.append([name, [text], float(n), n + 0.5])
    assert [m.speaker for m in found.messages] == [name for name, *_ in expected]
    assert [m.extra for m in found.messages] == [
        {"start": start, "end": end} for *_, start, end in expected
    ]
    for message, (_, texts, *_) in zip(found.messages, expected, strict=True):
        assert message.text.replace(" ", "") == "".join(texts).replace(" ", "")
    assert found.ledger.merged == len(said) - len(expected)
    assert found.ledger.size == len(content.encode())


def test_whisper_cpp_and_words_alone_and_scripts_without_spaces() -> None:
    cpp = {"transcription": [{"offsets": {"from": 1500, "to": 2000}, "text": " hi"}]}
    found = read(speech.messages, written({"systeminfo": "x", **cpp}))
    assert found.messages[0].extra == {"start": 1.5, "end": 2.0}
    words = {"segments": [{"start": 0, "end": 1, "words": [{"word": "so"}, {"word": " it is"}]}]}
    assert read(speech.messages, written(words)).turns == [(None, "so it is")]
    pieces = [segment(0, "你怎么", "S1"), segment(1, "不说话", "S1"), segment(2, "OK", "S1")]
    assert read(speech.messages, written(pieces)).turns == [("S1", "你怎么不说话 OK")]


def test_a_whisper_file_whose_text_fills_the_beginning_is_known() -> None:
    content = '{"text": "' + "so it went on " * 10_000
    assert detect(Medium.JSON, [content[: 64 * 1024]]).name == "speech"  # type: ignore[union-attr]


def test_who_speaks_when_without_words_is_refused() -> None:
    content = written([{"speaker": "S1", "start": 0.0, "end": 1.0}])
    with pytest.raises(InputError, match="holds no speech: 1 pieces, none with words"):
        read(speech.messages, content)


@pytest.mark.parametrize(
    "content",
    [
        '{"utterances": ["You came back!", "I said I would."]}',
        '[{"id": "a", "utterances": [{"text": "x"}]}]',
        '{"text": "so happy", "label": "joy"}',
        "[]",
        "{}",
        "",
    ],
)
def test_our_own_json_is_no_export(content: str) -> None:
    assert detect(Medium.JSON, content.split("\n")) is None


# The stream


@given(
    st.recursive(
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
        max_leaves=12,
    ),
    INDENTS,
    st.integers(1, 9),
)
def test_the_stream_reads_what_json_reads(value: object, indent: int | None, chunk: int) -> None:
    content = written({"a": [value, value], "b": value}, indent).encode("utf-8", "surrogatepass")
    try:
        content.decode()
    except UnicodeDecodeError:
        return
    before = counted_json._CHUNK
    counted_json._CHUNK = chunk
    try:
        with Memory(content).open() as stream:
            document = utf8_json(stream, "chat")
            found: dict[str, object] = {}
            for key in document.members():
                if key == "a":
                    found[key] = [document.value() for _ in document.elements()]
                else:
                    document.skip()
            document.finish()
    finally:
        counted_json._CHUNK = before
    assert found == {"a": [value, value]}
    assert document.taken == len(content)
    assert document.line == content.count(b"\n") + 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"messages": [', "expected|not valid JSON"),
        ('{"messages": [{"id": 1', "not valid JSON"),
        ('{"messages": [{"id": 1} {"id": 2}]}', "expected ',' or ']'"),
        ('{"messages": [{"id": 1, "id": 2}]}', "names the key 'id' twice"),
        ('{"messages": [], "messages": []}', 'names the key "messages" twice'),
        ('{"messages": [NaN]}', "NaN is not a number"),
        ('{"messages": [' + "9" * 5000 + "]}", "too many digits"),
        ('{"messages": [' + "[" * 100_000, "nested too deeply"),
        ('{"name": ' + "[" * 100_000, "nested too deeply"),
        ('{"messages": []} x', "more behind its end"),
        ("[]", "expected '{'"),
        ("", "expected '{', not the end"),
        ('{"messages": [{"text": "\xff"}]}', "the text is not UTF-8"),
    ],
)
def test_malformed_json_is_a_sentence_with_its_line(content: str, message: str) -> None:
    raw = content.encode("latin-1")
    with pytest.raises(InputError, match=message) as caught:
        read(telegram.messages, raw)
    assert caught.value.message.startswith("chat, line 1")


def test_one_endless_value_is_not_read_to_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(json_stream, "MAX_VALUE", 100_000)
    content = '{"messages": [{"text": "' + "x" * 2_000_000
    with pytest.raises(InputError, match="a value is longer than 100,000 characters"):
        read(telegram.messages, content)
