"""WhatsApp exports: every phone's stamps, the order of dates, and whose words are whose."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentixrl.errors import InputError
from sentixrl.formats.chats import Medium, detect, whatsapp, whatsapp_zip
from sentixrl.formats.chats.whatsapp_stamps import layout
from sentixrl.formats.chats.whatsapp_words import languages
from tests.cases import CASES
from tests.chats.sources import Memory, dialogues, read

LRM, RLM, NNBSP = "\u200e", "\u200f", "\u202f"
ARABIC = str.maketrans("0123456789", "٠١٢٣٤٥٦٧٨٩")
DEVANAGARI = str.maketrans("0123456789", "०१२३४५६७८९")


def half(time: datetime, am: str, pm: str) -> str:
    return am if time.hour < 12 else pm


def hour(time: datetime) -> str:
    return str((time.hour - 1) % 12 + 1)


STAMPS: dict[str, Callable[[datetime], str]] = {
    "en-US iPhone": lambda t: (
        f"[{t.month}/{t.day}/{t:%y}, {hour(t)}:{t:%M:%S}{NNBSP}{half(t, 'AM', 'PM')}] "
    ),
    "en-US Android": lambda t: (
        f"{t.month}/{t.day}/{t:%y}, {hour(t)}:{t:%M}{NNBSP}{half(t, 'AM', 'PM')} - "
    ),
    "en-GB": lambda t: f"{t:%d/%m/%Y, %H:%M} - ",
    "en-GB, 12 hours": lambda t: f"{t:%d/%m/%Y}, {hour(t)}:{t:%M}{NNBSP}{half(t, 'am', 'pm')} - ",
    "en-CA": lambda t: f"{t:%Y-%m-%d}, {hour(t)}:{t:%M} {half(t, 'a.m.', 'p.m.')} - ",
    "en-ZA": lambda t: f"{t:%Y/%m/%d}, {hour(t)}:{t:%M} {half(t, 'am', 'pm')} - ",
    "es": lambda t: f"{t.day}/{t.month}/{t:%Y}, {hour(t)}:{t:%M} {half(t, 'a. m.', 'p. m.')} - ",
    "es-AR": lambda t: f"{t:%d/%m/%y %H:%M} - ",
    "de iPhone": lambda t: f"[{t:%d.%m.%y, %H:%M:%S}] ",
    "de Android": lambda t: f"{t:%d.%m.%y, %H:%M} - ",
    "fr": lambda t: f"{t:%d/%m/%Y à %H:%M} - ",
    "pt": lambda t: f"{t:%d/%m/%Y %H:%M} - ",
    "it": lambda t: f"[{t.month}/{t.day}/{t:%y, %H:%M:%S}] ",
    "nl": lambda t: f"[{t:%d-%m-%y %H:%M:%S}] ",
    "ru": lambda t: f"{t:%d.%m.%y, %H:%M} - ",
    "uk": lambda t: f"[{t:%d.%m.%y, %H:%M:%S}] ",
    "cs": lambda t: f"{t:%d.%m.%y %H:%M} - ",
    "sk": lambda t: f"[{t:%d.%m.%Y, %H:%M:%S}] ~ ",
    "tr": lambda t: f"[{t.day}.{t:%m.%Y %H:%M:%S}] ",
    "id": lambda t: f"{t:%d/%m/%y %H.%M} - ",
    "fi": lambda t: f"{t.day}.{t.month}.{t:%Y} klo {t.hour}.{t:%M} - ",
    "ar Android": lambda t: (
        f"{t.day}{RLM}/{t.month}{RLM}/{t:%Y}، {hour(t)}:{t:%M} {half(t, 'ص', 'م')} - "
    ).translate(ARABIC),
    "ar iPhone": lambda t: (
        f"[{t.day}/{t.month}/{t:%Y}، {hour(t)}:{t:%M:%S} {half(t, 'ص', 'م')}] "
    ).translate(ARABIC),
    "hi": lambda t: f"[{t.month}/{t.day}/{t:%y, %H:%M:%S}] ",
    "hi, Devanagari": lambda t: f"[{t:%d/%m/%y, %H:%M:%S}] ".translate(DEVANAGARI),
    "zh": lambda t: f"[{t:%Y}/{t.month}/{t.day} {t:%H:%M:%S}] ",
    "zh, halves of the day": lambda t: (
        f"[{t:%Y}/{t.month}/{t.day} {half(t, '上午', '下午')}{hour(t)}:{t:%M:%S}] "
    ),
    "ja": lambda t: f"{t:%Y/%m/%d, %H:%M} - ",
    "ko": lambda t: f"{t:%Y}. {t.month}. {t.day}. {half(t, '오전', '오후')} {hour(t)}:{t:%M} - ",
    "th, Buddhist": lambda t: f"[{t.month}/{t.day}/{t.year + 543} BE, {t:%H:%M:%S}] ",
    "ja, Imperial": lambda t: f"[{t.month}/{t.day}/R{t.year - 2018} {t:%H:%M:%S}] ",
    "vi": lambda t: f"[{t:%H:%M:%S}, {t.month}/{t.day}/{t:%y}] ",
    "of 2012": lambda t: f"{t:%d/%m/%Y %H:%M:%S}: ",
    "copied from the web": lambda t: f"[{t:%H:%M}, {t:%d/%m/%Y}] ",
}
SAID = [
    ("Mira", "the lift is broken again!!"),
    ("سارة", "لماذا لم تتصل بي؟"),
    ("अनिता", "मैं बहुत खुश हूँ\nसच में"),
    ("小明", "你怎么不告诉我：我等了一夜"),
    ("Jörg", "Na toll. Und jetzt?"),
    ("Zoé", "j'en peux plus : c'est trop"),
    ("Ayşe", "çok korktum ya"),
    ("Оля", "ну и ладно"),
    ("+39 333 010 0199", "che bello!!!"),
    ("ゆき", "ごめんね。"),
    ("Íñigo", "¿de verdad? 10:30 - no puedo"),
    ("João", "que saudade\n\nvem logo"),
]


def whole(time: datetime, stamp: str) -> datetime:
    """The time as far as the stamp tells it."""
    told = STAMPS[stamp](time.replace(second=1)) != STAMPS[stamp](time.replace(second=2))
    return time if told else time.replace(second=0)


@pytest.mark.parametrize("stamp", STAMPS)
def test_a_chat_of_every_locale_reads_as_it_was_said(stamp: str) -> None:
    times = [datetime(2024, 5, 13 + n, 2 * n, 7 * n % 60, 5 * n) for n in range(len(SAID))]
    lines = [
        f"{STAMPS[stamp](time)}{name}: {text}"
        for time, (name, text) in zip(times, SAID, strict=True)
    ]
    content = "\n".join(lines) + "\n"
    assert detect(Medium.LINES, content.split("\n")).name == "whatsapp"  # type: ignore[union-attr]
    found = read(whatsapp.messages, content, "ymd" if stamp == "ko" else None)
    assert found.turns == SAID
    assert [message.time for message in found.messages] == [whole(time, stamp) for time in times]
    assert found.ledger.size == len(content.encode())
    assert not found.ledger.skipped


NAMES = st.text("abcÄé ñسा小 '-.+39", min_size=1, max_size=20).filter(
    lambda name: name.strip() == name
)
LINES = st.text("abé ñ س न小😀 .,!?;'()/-:0123456789[]", max_size=30).filter(
    lambda line: layout(line) is None and line == line.strip()
)
TEXTS = (
    st.lists(LINES, min_size=1, max_size=4)
    .map("\n".join)
    .filter(lambda text: text.strip() == text and any(c.isalpha() for c in text))
)
TIMES = st.datetimes(datetime(2010, 1, 1), datetime(2039, 1, 1)).map(
    lambda time: time.replace(microsecond=0)
)


@given(
    st.sampled_from(sorted(STAMPS)),
    st.lists(st.tuples(NAMES, TEXTS, TIMES), min_size=1, max_size=8),
    st.sampled_from(["\n", "\r\n"]),
)
def test_reading_gives_back_what_was_written(
    stamp: str, said: list[tuple[str, str, datetime]], end: str
) -> None:
    # One day that only one order can mean.
    said = [*said, ("Ann", "bye", datetime(2024, 5, 31, 10))]
    if stamp == "ja, Imperial":
        said = [(name, text, max(time, datetime(2019, 6, 1))) for name, text, time in said]
    content = "".join(
        f"{STAMPS[stamp](time)}{name}: {text}\n".replace("\n", end) for name, text, time in said
    )
    found = read(whatsapp.messages, content, "ymd" if stamp == "ko" else None)
    assert found.turns == [(name, text) for name, text, _ in said]
    assert [m.time for m in found.messages] == [whole(time, stamp) for _, _, time in said]
    assert found.ledger.size == len(content.encode())


OWN_WORDS = {
    "en": ("image omitted", "This message was deleted.", "<This message was edited>"),
    "es": ("imagen omitida", "Eliminaste este mensaje.", "<Se editó este mensaje.>"),
    "pt": ("imagem ocultada", "Mensagem apagada", "<Mensagem editada>"),
    "de": (
        "Bild weggelassen",
        "Diese Nachricht wurde gelöscht.",
        "<Diese Nachricht wurde bearbeitet>",
    ),
    "fr": ("image absente", "Ce message a été supprimé.", "<Ce message a été modifié>"),
    "it": (
        "immagine omessa",
        "Questo messaggio è stato eliminato.",
        "<Questo messaggio è stato modificato>",
    ),
    "nl": ("afbeelding weggelaten", "Dit bericht is verwijderd.", "<Dit bericht is bewerkt>"),
    "tr": ("görüntü dahil edilmedi", "Bu mesaj silindi.", "<Bu mesaj düzenlendi>"),
    "zh": ("图像已忽略", "消息已删除", "<这条消息已经过编辑>"),
    "ru": ("изображение отсутствует", "Данное сообщение удалено.", None),
    "uk": ("зображення відсутнє", "Це повідомлення було видалено.", None),
    "cs": ("obrázek vynechán", "Tato zpráva byla smazána.", None),
    "ar": ("لم يتم إدراج الصورة", "تم حذف هذه الرسالة.", None),
    "hi": ("फ़ोटो हटाई गई", "यह मैसेज डिलीट कर दिया गया है.", None),
    "id": ("gambar tidak disertakan", "Pesan ini dihapus.", None),
    "ja": ("画像は含まれていません", "このメッセージは削除されました。", None),
    "th": ("ไม่มีรูปภาพ", "ข้อความนี้ถูกลบแล้ว", None),
    "vi": ("đã bỏ qua hình ảnh", "Tin nhắn này đã bị xóa.", None),
}


@pytest.mark.parametrize("mark", ["", LRM])
@pytest.mark.parametrize("language", OWN_WORDS)
def test_whatsapps_own_words_are_nobodys(language: str, mark: str) -> None:
    omitted, deleted, edited = OWN_WORDS[language]
    notice = languages()[language]["notices"][0]
    content = (
        f"[31/05/2024, 10:00:00] Ann: {mark}{notice}. …\n"
        f"[31/05/2024, 10:00:01] Ann: {mark}{omitted}\n"
        f"[31/05/2024, 10:00:02] Ann: {mark}<{omitted}>\n"
        f"[31/05/2024, 10:00:03] Ann: {mark}{deleted}\n"
        f"[31/05/2024, 10:00:04] Ann: report.pdf • {LRM}2 x {mark}{omitted}\n"
        f"[31/05/2024, 10:00:05] Ben: no! {mark}{edited or ''}\n"
    )
    found = read(whatsapp.messages, content)
    assert found.turns == [("Ben", "no!")]
    assert found.messages[0].extra == ({"edited": "yes"} if edited else {})
    assert found.ledger.skipped == {"system line": 1, "media left out": 3, "deleted": 1}


def test_on_iphones_everything_that_whatsapp_marks_as_its_own_is_skipped() -> None:
    content = (
        f"[31.05.24, 10:00:00] Lift: {LRM}Ann hat dich hinzugefügt: ja\n"
        f"[31.05.24, 10:00:01] Ann: {LRM}POLL:\nWho comes?\n{LRM}OPTION: me\n"
        f"[31.05.24, 10:00:02] Ann: fine {LRM}<ne známá slova>\n"
        f"[31.05.24, 10:00:03] Ann: see {LRM}@Ben\n"
    )
    found = read(whatsapp.messages, content)
    assert found.turns == [("Ann", "fine"), ("Ann", f"see {LRM}@Ben")]
    assert found.messages[0].extra == {"edited": "yes"}
    assert found.ledger.skipped == {"system line": 2}


@pytest.mark.parametrize(
    ("words", "text", "extra", "skipped"),
    [
        ("IMG-20240531-WA0001.jpg (file attached)\nso happy!", "so happy!", True, None),
        (f"{LRM}IMG-20240531-WA0001.jpg (arquivo anexado)", None, False, "media attached"),
        ("holiday.pdf (Datei angehängt)\nLies das", "Lies das", True, None),
        ("my notes.txt (the new ones)", "my notes.txt (the new ones)", False, None),
        ("look <attached: 00000012-PHOTO-2024-05-31-10-00-00.jpg>", "look", True, None),
        (f"{LRM}<Anhang: 00000012-PHOTO-2024.jpg>", None, False, "media attached"),
        (f"{LRM}<00000012-PHOTO-2024-05-31.jpg eklendi>", None, False, "media attached"),
        (
            f"{LRM}Plan.pdf • {LRM}2 pages {LRM}<attached: 00000012-Plan.pdf>",
            None,
            False,
            "media attached",
        ),
        (f"too sweet {LRM}image omitted", "too sweet", True, None),
        ("Location: https://maps.google.com/?q=52.5,13.4", None, False, "location"),
        ("位置: https://maps.google.com/?q=-1.25,+36.8", None, False, "location"),
        (
            "meet here: https://maps.google.com/?q=52.5,13.4 ok",
            "meet here: https://maps.google.com/?q=52.5,13.4 ok",
            False,
            None,
        ),
        ("2015-08-04-PHOTO-00004762.jpg <attached>", None, False, "media attached"),
        ("<Media omitted>\nReport.docx", None, False, "media left out"),
        ("<Medien ausgeschlossen>\nso schön", "so schön", True, None),
        ("Missed voice call", None, False, "system line"),
        ("You missed a video call", None, False, "system line"),
        ("Verpasster Gruppen-Sprachanruf", None, False, "system line"),
        ("Warte auf diese Nachricht. Das kann einen Moment dauern.", None, False, "system line"),
        ("Warte auf diese Nachricht!", "Warte auf diese Nachricht!", False, None),
        ("Foto zur einmaligen Ansicht nicht verfügbar.", None, False, "media left out"),
        ("<View once video omitted>", None, False, "media left out"),
        ("This message was deleted by an admin.", None, False, "deleted"),
        ("UMFRAGE:\nPizza?\nOPTION: ja (2 Stimmen)\nOPTION: nein (0 Stimmen)", None, False, "poll"),
        ("POLL:\nWhen?\nOPTION: now (1 vote)", "POLL:\nWhen?\nOPTION: now (1 vote)", False, None),
        (
            "PARTY:\nSaturday\nBRING: milk (2 litres)\nBRING: eggs (12 pieces)",
            "PARTY:\nSaturday\nBRING: milk (2 litres)\nBRING: eggs (12 pieces)",
            False,
            None,
        ),
        ("TO DO:\nmilk\nbread (2 loaves)", "TO DO:\nmilk\nbread (2 loaves)", False, None),
        ("Missed voice call from mum", "Missed voice call from mum", False, None),
        ("<3 <hugs>", "<3 <hugs>", False, None),
        ("<no comment>", "<no comment>", False, None),
        ("image omitted from the report", "image omitted from the report", False, None),
        ("null", "null", False, None),
        (" ", None, False, "no text"),
        (f"{RLM}مرحبا", "مرحبا", False, None),
    ],
)
def test_files_captions_and_places(
    words: str, text: str | None, extra: bool, skipped: str | None
) -> None:
    found = read(whatsapp.messages, f"[31/05/2024, 10:00:00] Ann: {words}\n")
    assert found.turns == ([("Ann", text)] if text is not None else [])
    assert list(found.ledger.skipped) == ([skipped] if skipped else [])
    assert any("media" in message.extra for message in found.messages) is extra


def test_on_android_lines_without_a_name_are_the_systems() -> None:
    content = (
        "31/05/2024, 10:00 - Messages and calls are end-to-end encrypted. Tap to learn more.\n"
        '31/05/2024, 10:01 - Ann created group "Lift: again"\n'
        "31/05/2024, 10:02 - Ann changed the subject to “Stairs: up”\n"
        "31/05/2024, 10:03 - Ann left\n"
        "31/05/2024, 10:04 - Ben: well\n"
        '31/05/2024, 10:05 - Zoé "Zo" Petit: oui\n'
    )
    found = read(whatsapp.messages, content)
    assert found.turns == [("Ben", "well"), ('Zoé "Zo" Petit', "oui")]
    assert found.ledger.skipped == {"system line": 4}
    assert [skipped.line for skipped in found.ledger.first_skipped] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("content", "dates"),
    [
        ("12/05/2024, 10:00 - Ann: a\n", "dmy or --dates mdy"),
        ("[1/2/24, 10:00:00] Ann: a\n[2/3/24, 10:00:00] Ann: b\n", "dmy or --dates mdy"),
        ("24. 5. 13. 오후 9:00 - 민준: 뭐?\n", "dmy or --dates ymd"),
    ],
)
def test_where_no_date_decides_the_order_is_asked_for(content: str, dates: str) -> None:
    with pytest.raises(InputError) as caught:
        read(whatsapp.messages, content)
    assert caught.value.hint == f"Say it with --dates {dates}."
    assert "the first is" in caught.value.message


def test_the_order_said_is_the_order_read() -> None:
    content = "12/05/24, 10:00 - Ann: a\n"
    read_as = {order: read(whatsapp.messages, content, order) for order in ("dmy", "mdy", "ymd")}
    assert {order: found.messages[0].time for order, found in read_as.items()} == {
        "dmy": datetime(2024, 5, 12, 10),
        "mdy": datetime(2024, 12, 5, 10),
        "ymd": datetime(2012, 5, 24, 10),
    }


def test_a_date_that_cannot_have_the_order_said_is_refused_with_its_line() -> None:
    content = "12/05/24, 10:00 - Ann: a\n13/05/24, 10:00 - Ann: b\n"
    with pytest.raises(InputError, match=r"^chat, line 2: 13/05/24 is no date that has the month"):
        read(whatsapp.messages, content, "mdy")


@pytest.mark.parametrize(
    ("first", "second"), [("13/05/24", "05/14/24"), ("2024-05-13", "14-05-2024")]
)
def test_two_orders_in_one_file_are_refused_with_both_places(first: str, second: str) -> None:
    content = f"{first}, 10:00 - Ann: a\nand so on\n{second}, 10:00 - Ann: c\n"
    with pytest.raises(InputError, match="more than one order") as caught:
        read(whatsapp.messages, content)
    assert f"{first.replace('-', '/')} in line 1" in caught.value.message
    assert f"{second.replace('-', '/')} in line 3" in caught.value.message


def test_an_unknown_word_at_the_time_does_not_turn_messages_into_lines_of_others() -> None:
    content = "".join(f"31/05/24, 9:{n:02} manokana - Ann: a\n" for n in range(5))
    with pytest.raises(InputError, match=r"^chat, line 1: the word 'manokana' at the time"):
        read(whatsapp.messages, content)


def test_exports_of_two_phones_in_one_file_are_refused() -> None:
    android = "".join(f"31/05/24, 10:0{n} - Ann: a\n" for n in range(5))
    iphone = "".join(f"[31/05/24, 11:0{n}:00] Ben: b\n" for n in range(5))
    with pytest.raises(InputError, match=r"^chat, line 6: here begin messages of another phone's"):
        read(whatsapp.messages, android + iphone)


@pytest.mark.parametrize("date", ["1403/02/24", "24/11/1445"])
def test_dates_of_other_calendars_are_refused(date: str) -> None:
    with pytest.raises(InputError, match=rf"^chat, line 1: {date} is a date of another calendar"):
        read(whatsapp.messages, f"{date}, 10:00 - Ann: a\n")


def test_a_phone_with_a_wrong_clock_puts_no_words_in_anothers_mouth() -> None:
    content = "31/05/2024, 10:00 - Ann: a\n01/01/1970, 00:00 - Ben: b\n"
    assert read(whatsapp.messages, content).turns == [("Ann", "a"), ("Ben", "b")]


def test_a_pasted_line_of_another_kind_stays_in_its_message() -> None:
    content = (
        "31/05/2024, 10:00 - Ann: he wrote\n[13/05/24, 9:00:00 PM] Ben: no\n"
        "45/13/2024, 10:00 - what\n31/05/2024, 10:01 - Ben: did I\n"
    )
    found = read(whatsapp.messages, content)
    assert found.turns == [
        ("Ann", "he wrote\n[13/05/24, 9:00:00 PM] Ben: no\n45/13/2024, 10:00 - what"),
        ("Ben", "did I"),
    ]


@pytest.mark.parametrize(
    ("stamp", "cut"),
    [
        ("[31/05/2024, 10:00:00] ", "[31/05/2024, 10:0"),
        ("[31/05/2024, 10:00:00] ", "["),
        ("[31/05/2024, 10:00:00 PM] ", "[31/05/2024, 10:00:00 P"),
        ("31/05/2024, 10:00 - ", "31/05/2024, 10:"),
        ("31/05/2024, 10:00 - ", "31/05/2024, 10:00 -"),
    ],
)
def test_an_export_cut_within_a_stamp_does_not_lengthen_the_last_message(
    stamp: str, cut: str
) -> None:
    content = f"{stamp}Ann: are you\nstuck?\n{cut}"
    found = read(whatsapp.messages, content)
    assert found.turns == [("Ann", "are you\nstuck?")]
    assert found.ledger.size == len(content.encode())


@pytest.mark.parametrize("end", range(1, 120))
def test_an_export_cut_anywhere_loses_nothing_unseen(end: int) -> None:
    content = (
        "[31/05/2024, 10:00:00] Ann: the lift is broken\n"
        "[31/05/2024, 10:00:30] Ben: oh no\nare you stuck??\n"
        "[31/05/2024, 10:01:00] Ann: yes"
    )[: 40 + end]
    found = read(whatsapp.messages, content)
    assert found.ledger.size == len(content.encode())
    assert found.turns[0][0] == "Ann"
    assert all("[" not in text for _, text in found.turns)


def test_lines_before_the_first_message_are_told_of() -> None:
    found = read(whatsapp.messages, "Our chat\n\n31/05/2024, 10:00 - Ann: hi\n")
    assert found.turns == [("Ann", "hi")]
    assert found.ledger.skipped == {"before the first message": 1}


def test_an_export_that_begins_within_a_message_is_known() -> None:
    content = "and then\nit stopped\n31/05/2024, 10:00 - Ann: hi\n31/05/2024, 10:01 - Ben: hi\n"
    assert detect(Medium.LINES, content.split("\n")).name == "whatsapp"  # type: ignore[union-attr]
    found = read(whatsapp.messages, content)
    assert found.turns == [("Ann", "hi"), ("Ben", "hi")]
    assert found.ledger.skipped == {"before the first message": 2}


def test_a_message_that_never_ends_is_not_read_to_its_end() -> None:
    content = "31/05/2024, 10:00 - Ann: hi\n" + 20 * (1_000_000 * "x" + "\n")
    with pytest.raises(InputError, match=r"^chat, line 1: the message that begins here is longer"):
        read(whatsapp.messages, content)


def test_a_long_pause_begins_a_new_dialogue() -> None:
    content = (
        "31/05/2024, 10:00 - Ann: a\n31/05/2024, 17:59 - Ben: b\n"
        "01/06/2024, 02:00 - Ann: c\n01/06/2024, 10:00 - Ben: d\n"
    )
    found, ledger = dialogues(whatsapp.messages, content)
    assert [[turn.text for turn in dialogue] for dialogue in found] == [["a", "b"], ["c", "d"]]
    assert [dialogue.id for dialogue in found] == ["1", "2"]
    assert ledger.splits == 1
    assert found[0].utterances[0].metadata == {"time": "2024-05-31T10:00:00"}
    (whole_chat,), ledger = dialogues(whatsapp.messages, content, gap=None)
    assert (len(whole_chat), ledger.splits) == (4, 0)


def test_an_export_of_nothing_but_system_lines_has_no_turn() -> None:
    content = "31/05/2024, 10:00 - Messages and calls are end-to-end encrypted.\n"
    assert detect(Medium.LINES, [content]) is not None
    with pytest.raises(InputError, match="holds no turn") as caught:
        dialogues(whatsapp.messages, content)
    assert "1 skipped (system line 1)" in caught.value.message


@pytest.mark.parametrize(
    "line",
    [
        "Anna: hi",
        "12/05/2024 is a date",
        "10:30 Anna: hi",
        "[10:30] Anna: hi",
        "1. 2. 3. go",
        "[x] done: no",
        "",
    ],
)
def test_other_texts_are_not_taken_for_an_export(line: str) -> None:
    assert not whatsapp.sniff([line, "Ben: hello"])


@pytest.mark.parametrize(
    "line",
    [
        "[" * 200_000,
        "1/1/1, " * 100_000,
        "[31/05/2024, 10:00:00" + " p" * 200_000,
        "31/05/2024, 10:00 - " + ":" * 200_000,
        "31/05/2024, 10:00 - Ann: " + "<" * 200_000,
        "31/05/2024, 10:00 - Ann: " + f"a {LRM}" * 100_000,
        "31/05/2024, 10:00 - Ann: " + "a.b (" * 100_000,
        "31/05/2024, 10:00 - Ann: " + "x" * 200_000 + " <",
        LRM * 200_000 + "[",
    ],
)
def test_a_long_line_made_to_be_slow_is_read_at_once(line: str) -> None:
    content = f"31/05/2024, 09:00 - Ben: hi\n{line}\n[31/05/2024, 10:00:00] Ben: hi\n"
    assert read(whatsapp.messages, content).ledger.size == len(content.encode())


def archive(**members: str) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as written:
        for name, content in members.items():
            written.writestr(name, content)
    return stream.getvalue()


CHAT = "[31/05/2024, 10:00:00] Ann: hi\n"


@pytest.mark.parametrize(
    "members",
    [
        {"_chat.txt": CHAT, "00000012-PHOTO.jpg": "x", "00000013-notes.txt": "no chat"},
        {"WhatsApp Chat with Ann.txt": CHAT, "IMG-20240531-WA0001.jpg": "x", "notes.txt": "x"},
        {"Chat.txt": CHAT, "DOC-20240531-WA0001.txt": "x"},
    ],
)
def test_the_chat_of_a_zip_is_found(members: dict[str, str]) -> None:
    raw = archive(**members)
    assert detect(Medium.ZIP, list(members)).name == "whatsapp-zip"  # type: ignore[union-attr]
    found = read(whatsapp_zip.messages, raw)
    assert found.turns == [("Ann", "hi")]
    assert found.ledger.size == len(CHAT)


def test_a_zip_with_two_chats_is_refused() -> None:
    raw = archive(**{"a.txt": CHAT, "b.txt": CHAT})
    with pytest.raises(InputError, match="holds 2 texts that could be the chat"):
        read(whatsapp_zip.messages, raw)


def test_a_zip_made_to_unpack_to_gigabytes_is_refused_before_it_does() -> None:
    raw = archive(**{"_chat.txt": "a" * 100_000_000})
    assert len(raw) < 200_000
    with pytest.raises(InputError, match="unpacks to 100,000,000 bytes, as no chat does"):
        read(whatsapp_zip.messages, raw)


@pytest.mark.parametrize("position", range(0, 180, 7))
def test_a_damaged_zip_is_a_sentence(position: int) -> None:
    raw = bytearray(archive(**{"_chat.txt": CHAT * 20}))
    raw[position % len(raw)] ^= 0xFF
    try:
        found = read(whatsapp_zip.messages, bytes(raw))
    except InputError:
        return
    assert found.ledger.size == len(CHAT) * 20


@pytest.mark.skipif(not CASES.is_dir(), reason="the shared cases are not here")
@pytest.mark.parametrize(
    ("case", "dates", "time"),
    [
        ("whatsapp_ios.txt", "dmy", datetime(2024, 5, 12, 21, 14, 40)),
        ("whatsapp_android.txt", "mdy", datetime(2024, 5, 12, 21, 14)),
    ],
)
def test_shared_cases(case: str, dates: str, time: datetime) -> None:
    raw = (CASES / case).read_bytes()
    found = read(whatsapp.messages, raw, dates)
    assert found.turns == [
        ("Mira Okoye", "the lift is broken again!!"),
        ("Jon", "oh no\nare you stuck??"),
    ]
    assert found.messages[0].time == time
    assert found.ledger.size == len(raw)
    with pytest.raises(InputError, match="nothing tells whether"):
        read(whatsapp.messages, raw)


def test_lines_are_those_of_the_input() -> None:
    assert [line.size for line in Memory(b"a\r\nb\n").lines()] == [3, 2]
