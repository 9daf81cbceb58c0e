"""Telling the template language from a text."""

from __future__ import annotations

import io
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sentixrl.context.building import ContextBuilder, ContextOptions, language_of
from sentixrl.context.language import template_language
from sentixrl.context.templates import DEFAULT_LANGUAGE, template_languages
from sentixrl.dialogue import Dialogue
from sentixrl.formats.language import MAX_CHARACTERS, UNKNOWN, identify_language
from sentixrl.formats.reading import read_dialogues, read_text
from sentixrl.labels import scheme

modestly = settings(deadline=None)


def detect_language(texts: list[str]) -> str:
    """The template language of a dialogue that names none."""
    return template_language(identify_language(texts) or UNKNOWN)


@pytest.mark.parametrize(
    ("texts", "language"),
    [
        (["The bridge was up.", "I rang twice."], "en"),
        (["Okay.", "Hmm!"], "en"),
        (["I don’t know what you’re talking about"], "en"),
        (["Hola, ¿estás bien?"], "es"),
        (["No me lo puedo creer, el gato ha vuelto"], "es"),
        (["Mira co\u0301mo esta\u0301 el suelo"], "es"),  # accents as marks of their own
        (["A tu madre le va a dar algo cuando lo vea"], "es"),
        (["师傅，我那份稿子您看了吗？"], "zh"),
        (["頭版？您沒拿我開玩笑吧？"], "zh"),
        (["أبي، هل جاء ساعي البريد؟"], "ar"),
        (["टिकट तो तुम्हारे पास हैं न?"], "hi"),
    ],
)
def test_the_five_languages(texts: list[str], language: str) -> None:
    assert detect_language(texts) == language


@pytest.mark.parametrize(
    ("texts", "language"),
    [
        (["我昨天去了 Starbucks 买咖啡，结果 WiFi 坏了"], "zh"),
        (["OK", "好的，我马上到。"], "zh"),
        (["He said 你好 and then walked away without another word"], "en"),
        (["यह project बहुत अच्छा है, thanks"], "hi"),
        (["شاهدت فيلم Inception أمس وكان رائعًا"], "ar"),
        (["¿Viste el show? It was great, pero el final no me gustó"], "es"),
        (["Señor García told me that the shop is closed and you have to wait"], "en"),
    ],
)
def test_mixed_texts_go_by_what_prevails(texts: list[str], language: str) -> None:
    assert detect_language(texts) == language


@pytest.mark.parametrize(
    "text",
    [
        "Je ne sais pas pourquoi il est parti, mais la porte était ouverte",
        "Non so perché se ne è andato, ma la porta era aperta",
        "Não sei por que ele foi embora, mas a porta estava aberta",
        "Ich weiß nicht, warum er gegangen ist, aber die Tür war offen",
        "Nie wiem, dlaczego odszedł, ale drzwi były otwarte",
        "Neden gittiğini bilmiyorum ama kapı açıktı",
        "昨日コーヒーを飲みながら友達と話しました",
        "어제 친구와 커피를 마셨어요",
        "یہ کتاب بہت اچھی ہے اور میں اسے پڑھ چکا ہوں",
        "من دیروز این کتاب را خریدم و خیلی خوشم آمد",
        "Вчера мы пили кофе",
        "",
        " \n\t",
        "12:30!?",
        "😀",
    ],
)
def test_what_has_no_templates_gets_the_default(text: str) -> None:
    assert detect_language([text]) == DEFAULT_LANGUAGE


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("Ich weiß nicht, warum er gegangen ist, aber die Tür war offen", "de"),
        ("Je ne sais pas pourquoi il est parti, mais la porte était ouverte", "fr"),
        ("昨日コーヒーを飲みながら友達と話しました", "ja"),
        ("어제 친구와 커피를 마셨어요", "ko"),
        ("Вчера мы пили кофе, OK?", None),
        ("یہ کتاب بہت اچھی ہے اور میں اسے پڑھ چکا ہوں", None),
        ("Grmpf", None),
        ("", None),
    ],
)
def test_the_language_is_the_text_s_own_or_unknown(text: str, language: str | None) -> None:
    assert identify_language([text]) == language
    assert language_of(Dialogue.from_texts([text or "?"])) == (language or "unknown")


def test_only_the_beginning_of_a_long_text_is_read() -> None:
    assert detect_language(["好" * MAX_CHARACTERS, "word " * 10 * MAX_CHARACTERS]) == "zh"
    assert detect_language(["the " * MAX_CHARACTERS + "好" * 10 * MAX_CHARACTERS]) == "en"
    assert detect_language([]) == DEFAULT_LANGUAGE


@modestly
@given(st.lists(st.text(), max_size=5))
def test_any_text_gets_a_language_that_has_templates(texts: list[str]) -> None:
    language = detect_language(texts)
    assert language in template_languages()
    assert language == detect_language(texts)


@pytest.mark.parametrize(
    ("tag", "language"),
    [
        ("zh", "zh"), ("ZH", "zh"), ("zh-CN", "zh"), ("zh-Hans", "zh"), ("zh_Hant_TW", "zh"),
        ("es-MX", "es"), ("es-Latn", "es"), ("hi-Deva", "hi"), ("ar-EG", "ar"),
        ("hi-Latn", "en"), ("HI-latn-IN", "en"), ("zh-Latn-pinyin", "en"),
        ("ja", "en"), ("sr-Latn", "en"), ("english!", "en"),
    ],
)  # fmt: skip
def test_a_tag_asks_for_the_templates_of_its_language_in_its_script(
    tag: str, language: str
) -> None:
    assert template_language(tag) == language


@pytest.mark.parametrize("tag", ["zh-CN", "zh_Hans", "ZH", "es-MX", "hi-Latn", "hi-latn-IN", "ja"])
def test_a_dialogue_gets_the_same_templates_from_a_file_and_by_hand(tag: str) -> None:
    builder = ContextBuilder(scheme("meld-7"), ContextOptions(), len)
    by_hand = Dialogue.from_texts(["OK."], language=tag)
    content = json.dumps({"language": tag, "utterances": ["OK."]}).encode()
    for (read,) in (
        read_dialogues(stream=io.BytesIO(content), format="json"),
        read_text("OK.", language=tag),
    ):
        assert builder.template_for(read) is builder.template_for(by_hand)
