"""WebVTT and SubRip: cues, speakers, captions that roll."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentixrl.errors import InputError
from sentixrl.formats.chats import Medium, detect, subtitles
from sentixrl.formats.ledger import Kind
from tests.cases import CASES
from tests.chats.sources import read


def clock(seconds: float, comma: str = ".") -> str:
    minutes, rest = divmod(int(seconds * 1000), 60_000)
    return f"{minutes // 60:02}:{minutes % 60:02}:{rest // 1000:02}{comma}{rest % 1000:03}"


def vtt(*payloads: str, step: float = 2.0, gap: float = 0.5) -> str:
    cues = [
        f"{clock(n * step)} --> {clock(n * step + step - gap)} align:start\n{payload}\n"
        for n, payload in enumerate(payloads)
    ]
    return "\n".join(["WEBVTT - a call\n", "NOTE made by us\nof two lines\n", *cues])


def srt(*payloads: str, step: float = 2.0, gap: float = 0.5) -> str:
    cues = [
        f"{n + 1}\n{clock(n * step, ',')} --> {clock(n * step + step - gap, ',')}\n{payload}\n"
        for n, payload in enumerate(payloads)
    ]
    return "\n".join(cues)


WORDS = st.text("abé ñسا小नमок ,.!?'", min_size=1, max_size=30).filter(
    lambda text: text.strip() == text and any(c.isalpha() for c in text) and "  " not in text
)
NAMES = st.sampled_from(
    ["Ann", "Ben Okoye", "سارة", "小明", "Íñigo", "Оля", "Dr. Şen", "SPEAKER_01"]
)


def expected(said: list[tuple[str | None, str]]) -> list[tuple[str | None, str]]:
    turns: list[tuple[str | None, str]] = []
    for name, text in said:
        if turns and name and turns[-1][0] == name:
            turns[-1] = (name, f"{turns[-1][1]} {text}")
        else:
            turns.append((name, text))
    return turns


def unspaced(turns: list[tuple[str | None, str]]) -> list[tuple[str | None, str]]:
    """Without the spaces that are left out between pieces in Chinese."""
    return [(name, text.replace(" ", "")) for name, text in turns]


@given(st.lists(st.tuples(NAMES, WORDS), min_size=1, max_size=8))
def test_voices_of_webvtt_read_as_they_were_written(said: list[tuple[str, str]]) -> None:
    content = vtt(*(f"<v {name}>{text.replace(' ', chr(10), 1)}</v>" for name, text in said))
    assert detect(Medium.LINES, content.split("\n")).name == "webvtt"  # type: ignore[union-attr]
    found = read(subtitles.messages, content)
    assert unspaced(found.turns) == unspaced(expected(list(said)))
    assert found.ledger.messages == len(said)
    assert found.ledger.size == len(content.encode())
    assert found.ledger.bytes[Kind.HEADER] == len(
        "WEBVTT - a call\nNOTE made by us\nof two lines\n"
    )


@pytest.mark.parametrize("form", ["{}: {}", "[{}]: {}"])
@given(said=st.lists(st.tuples(NAMES, WORDS), min_size=1, max_size=8))
def test_names_before_a_colon_read_as_they_were_written(
    form: str, said: list[tuple[str, str]]
) -> None:
    content = srt(*(form.format(name, text) for name, text in said))
    assert detect(Medium.LINES, content.split("\n")).name == "srt"  # type: ignore[union-attr]
    found = read(subtitles.messages, content)
    assert unspaced(found.turns) == unspaced(expected(list(said)))
    assert found.ledger.size == len(content.encode())


@given(st.lists(WORDS, min_size=1, max_size=8, unique=True))
def test_without_names_each_cue_is_a_turn(said: list[str]) -> None:
    content = srt(*said)
    found = read(subtitles.messages, content)
    assert found.turns == [(None, text) for text in said]
    assert found.messages[0].extra == {"start": 0.0, "end": 1.5}


def test_a_turn_of_several_cues_keeps_when_it_began_and_ended() -> None:
    found = read(subtitles.messages, vtt("<v Ann>so", "<v Ann>it is", "<v Ben>no"))
    assert found.turns == [("Ann", "so it is"), ("Ben", "no")]
    assert found.messages[0].extra == {"start": 0.0, "end": 3.5}
    assert (found.ledger.turns, found.ledger.merged) == (2, 1)


def test_a_colon_within_a_film_makes_no_speaker() -> None:
    found = read(
        subtitles.messages,
        srt("One thing: never", "we said it:\nno", "and he said: go", "Ann: what?", "Ann: why?"),
    )
    assert [speaker for speaker, _ in found.turns] == [None, None, None, "Ann"]


def test_one_cue_may_hold_several_speakers() -> None:
    content = vtt("<v Ann>Hi.</v>\n<v.loud Ben>HI!</v>", "- Who?\n- Me.", "Zoé: oui\nAnn: non")
    found = read(subtitles.messages, content)
    assert found.turns == [
        ("Ann", "Hi."),
        ("Ben", "HI!"),
        (None, "Who?"),
        (None, "Me."),
        (None, "Zoé: oui Ann: non"),
    ]
    content = vtt("Zoé: oui\nAnn: non", "Zoé: si")
    assert read(subtitles.messages, content).turns == [
        ("Zoé", "oui"),
        ("Ann", "non"),
        ("Zoé", "si"),
    ]


def test_tags_and_entities_are_no_text() -> None:
    content = vtt(
        "<i>I</i> <00:00:01.200><c.yellow>know</c> &amp; <b>you</b> &lt;3",
        "{\\an8}<font color='red'>I</font> <3 this",
    )
    assert [text for _, text in read(subtitles.messages, content).turns] == [
        "I know & you <3",
        "I <3 this",
    ]


def test_captions_that_roll_are_read_once() -> None:
    times = [(0.0, 2.0), (2.0, 2.01), (2.01, 4.0), (4.0, 4.01), (4.01, 6.0)]
    payloads = [
        " \nhello<00:00:01.000><c> there</c>",
        "hello there\n ",
        "hello there\nhow<00:00:03.000><c> are you</c>",
        "how are you\n ",
        "how are you\nfine",
    ]
    cues = [
        f"{clock(start)} --> {clock(end)}\n{payload}\n"
        for (start, end), payload in zip(times, payloads, strict=True)
    ]
    content = "\n".join(["WEBVTT\n", *cues])
    found = read(subtitles.messages, content)
    assert [text for _, text in found.turns] == ["hello there", "how are you", "fine"]
    assert found.ledger.skipped == {"repeats the caption before": 2}
    assert found.ledger.size == len(content.encode())


def test_captions_that_grow_are_read_once() -> None:
    content = srt("I am so", "I am so happy", "I am so happy that you came", gap=0.0)
    assert [text for _, text in read(subtitles.messages, content).turns] == [
        "I am so",
        "happy",
        "that you came",
    ]


def test_what_is_said_twice_is_read_twice() -> None:
    assert len(read(subtitles.messages, srt("No!", "No!", "No!")).turns) == 3
    assert len(read(subtitles.messages, srt("No!", "No!", gap=0.0)).turns) == 2


def test_sounds_are_no_speech() -> None:
    found = read(
        subtitles.messages, srt("[Musik]", "(applause)", "♪ ♪", "（笑）", "[laughs] stop it")
    )
    assert found.turns == [(None, "[laughs] stop it")]
    assert found.ledger.skipped == {"sound, no speech": 4}


@pytest.mark.parametrize("payloads", [["[Music]"], ["", " "], []])
def test_subtitles_without_speech_are_refused(payloads: list[str]) -> None:
    with pytest.raises(InputError, match=f"holds no speech: {len(payloads)} cues, none with words"):
        read(subtitles.messages, vtt(*payloads))


def test_cues_without_blank_lines_between_them_and_loose_lines() -> None:
    content = (
        "1\n00:00:01,000 --> 00:00:02,000\nhello\n2\n00:00:02,500 --> 00:00:03,000\nyou\n\nlost\n\n"
        "3\n00:03,500 --> 00:04,000\nthere\n4\n\n"
    )
    found = read(subtitles.messages, content)
    assert [text for _, text in found.turns] == ["hello", "you", "there 4"]
    assert found.ledger.skipped == {"outside a cue": 1}
    assert found.ledger.size == len(content.encode())


@pytest.mark.parametrize(
    "line",
    [
        "<v " * 100_000,
        "<" * 200_000,
        "[" * 200_000,
        "- " * 100_000,
        "0" * 200_000 + " --> 1",
        "{\\" * 100_000,
        "a: " * 100_000,
    ],
)
def test_a_long_line_made_to_be_slow_is_read_at_once(line: str) -> None:
    content = vtt("hello", line, "there")
    assert read(subtitles.messages, content).ledger.size == len(content.encode())


@pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not here")
def test_shared_case() -> None:
    raw = (CASES / "call.srt").read_bytes()
    found = read(subtitles.messages, raw)
    assert found.turns == [
        ("SPEAKER_00", "Where is my parcel?"),
        ("SPEAKER_01", "It left this morning."),
    ]
    assert found.messages[0].extra == {"start": 0.12, "end": 2.48}
    assert found.ledger.size == len(raw)
