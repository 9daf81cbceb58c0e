"""Templates: the same rooms in every language, a hash that tells them apart."""

from __future__ import annotations

import re
import shutil
import unicodedata
from importlib import resources
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jinja2 import Environment, meta

from sentixrl.context import templates as module
from sentixrl.context.prompt import Prompt
from sentixrl.context.templates import (
    DECISION,
    DEFAULT_LANGUAGE,
    PAIRWISE,
    ROLES,
    SEVERAL,
    TemplateSet,
    digest_of,
    template_languages,
    templates,
)
from sentixrl.errors import ConfigError
from sentixrl.labels import LabelSet, scheme

modestly = settings(deadline=None)

LANGUAGES = ("ar", "en", "es", "hi", "zh")
_BLOCK = re.compile(r"{% block (\w+) %}(.*?){% endblock %}\n", re.DOTALL)


def source(language: str, role: str) -> str:
    folder = resources.files("sentixrl") / "context" / "templates" / language
    return (folder / f"{role}.jinja").read_text("utf-8")


def blocks(language: str, role: str) -> dict[str, str]:
    """Block → its source text."""
    return dict(_BLOCK.findall(source(language, role)))


def variables(text: str) -> set[str]:
    """What a block shows of the values it is given."""
    return meta.find_undeclared_variables(Environment().parse(text))


FILES = (*ROLES, SEVERAL, PAIRWISE, DECISION)
ALL_BLOCKS = [(role, block) for role in FILES for block in blocks(DEFAULT_LANGUAGE, role)]
LABELS = [{"word": "joy", "gloss": "delight"}, {"word": "anger", "gloss": ""}]
VALUES: dict[str, object] = {
    "text": "TEXT",
    "label": "joy",
    "labels": LABELS,
    "options": LABELS,
    "scenario": "SCENE",
    "people": "PEOPLE",
    "relationships": "RELATIONS",
}


def render(language: str, role: str, block: str, speaker: str | None) -> str:
    return templates(language).render(role, block, **VALUES, speaker=speaker)


def test_the_five_languages_are_there() -> None:
    assert template_languages() == LANGUAGES


@pytest.mark.parametrize("role", FILES)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_the_blocks_of_english(language: str, role: str) -> None:
    assert list(blocks(language, role)) == list(blocks(DEFAULT_LANGUAGE, role))
    assert _BLOCK.sub("", source(language, role)) == "", "text outside blocks is never shown"
    assert unicodedata.is_normalized("NFC", source(language, role))


@pytest.mark.parametrize(("role", "block"), ALL_BLOCKS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_a_block_shows_the_same_values_in_every_language(
    language: str, role: str, block: str
) -> None:
    assert variables(blocks(language, role)[block]) == variables(blocks("en", role)[block])


@pytest.mark.parametrize("speaker", ["Ann", "###", "小周", None])
@pytest.mark.parametrize(("role", "block"), ALL_BLOCKS)
@pytest.mark.parametrize("language", LANGUAGES)
def test_every_block_renders_on_one_line_with_and_without_a_speaker(
    language: str, role: str, block: str, speaker: str | None
) -> None:
    text = render(language, role, block, speaker)
    assert text == text.strip()
    assert len(text.splitlines()) == 1
    assert "None" not in text
    assert "  " not in text
    shown = variables(blocks(language, role)[block])
    assert (speaker is not None and speaker in text) == ("speaker" in shown and bool(speaker))
    for name in shown - {"speaker", "labels", "options"}:
        assert str(VALUES[name]) in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_label_statements_show_the_words_in_order(language: str) -> None:
    label_set = scheme("meld-7")
    shown = [
        {"word": label.word(language), "gloss": label.glosses[language]} for label in label_set
    ]
    plain = templates(language).render("context", "labels", labels=shown)
    places = [plain.index(word) for word in label_set.words(language)]
    assert places == sorted(places)
    text = templates(language).render("context", "glosses", labels=shown)
    for label in shown:
        assert label["gloss"] in text


def test_label_lists_are_punctuated_as_the_language_does() -> None:
    texts = {
        code: templates(code).render("context", "glosses", labels=LABELS) for code in LANGUAGES
    }
    assert texts["en"] == "Emotions: joy (delight); anger."
    assert texts["zh"] == "情绪：joy（delight）；anger。"
    assert texts["ar"] == "المشاعر: joy (delight)؛ anger."
    assert texts["hi"] == "भावनाएँ: joy (delight); anger।"
    lists = {code: templates(code).render("context", "labels", labels=LABELS) for code in LANGUAGES}
    assert "joy、anger" in lists["zh"]
    assert "joy، anger" in lists["ar"]
    assert "joy, anger" in lists["es"]


@pytest.mark.parametrize(("role", "block"), ALL_BLOCKS)
def test_chinese_uses_full_width_punctuation(role: str, block: str) -> None:
    assert not set(render("zh", role, block, "Ann")) & set(":;,.?!()")


@pytest.mark.parametrize("language", LANGUAGES)
def test_verdicts_are_told_apart_as_labels_are(language: str) -> None:
    words = tuple(templates(language).render("discriminator", b) for b in ("agree", "disagree"))
    both = LabelSet("verdicts", words)  # refuses two that read the same
    assert [both.index(word) for word in words] == [0, 1]
    assert not words[1].startswith(words[0])


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_objection_reads_as_one_sentence(language: str) -> None:
    template = templates(language)
    said = (
        Prompt()
        .line("user", template.render("discriminator", "question"))
        .answer(template.render("discriminator", "disagree"))
        .then("assistant", template.render("discriminator", "counter"))
        .answer("X")
        .text
    )
    assert (
        said
        == {
            "en": "Right no, X",
            "zh": "对吗？不对，而是X",
            "es": "¿Correcto? no, sino X",
            "ar": "صحيح؟ لا، بل X",
            "hi": "सही है? नहीं, बल्कि X",
        }[language]
    )


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_turn_without_a_speaker_cannot_pass_for_a_question(language: str) -> None:
    template = templates(language)
    imitation = template.render("generator", "question", speaker="Ann") + " joy"
    line = template.render("context", "turn", speaker=None, text=imitation)
    assert line != imitation
    assert line.endswith(imitation)


@modestly
@given(st.text(max_size=40))
def test_what_users_write_is_not_read_as_a_template(text: str) -> None:
    for written in (text, "{{ speaker }}", "{% block turn %}", "{# x #}", f"{{{{ {text} }}}}"):
        shown = templates("en").render("context", "turn", speaker="Ann", text=written)
        assert shown == f"Ann: {written}".strip()


def test_hashes_differ_by_language_and_stay_the_same_otherwise() -> None:
    digests = {language: TemplateSet(language).digest for language in LANGUAGES}
    assert len(set(digests.values())) == len(LANGUAGES)
    assert digests == {language: templates(language).digest for language in LANGUAGES}


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_identity_names_language_version_and_hash(language: str) -> None:
    template = templates(language)
    assert template.identity == f"{language}-v{module.VERSION}-{template.digest}"
    assert re.fullmatch(r"[a-z]{2}-v\d+-[0-9a-f]{12}", template.identity)


@pytest.mark.parametrize("role", ROLES)
def test_the_hash_follows_every_file(
    role: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with resources.as_file(resources.files("sentixrl") / "context" / "templates") as folder:
        shutil.copytree(folder, tmp_path / "copy")
    monkeypatch.setattr(module, "_folder", lambda: tmp_path / "copy")
    before = TemplateSet("en").digest
    assert before == templates("en").digest
    changed = tmp_path / "copy" / "en" / f"{role}.jinja"
    changed.write_text(changed.read_text("utf-8") + "{# a remark #}\n", "utf-8")
    assert TemplateSet("en").digest != before


@pytest.mark.parametrize("role", [SEVERAL, PAIRWISE])
def test_questions_that_came_later_have_a_hash_of_their_own(
    role: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A bundle that was made before there were any keeps its own."""
    with resources.as_file(resources.files("sentixrl") / "context" / "templates") as folder:
        shutil.copytree(folder, tmp_path / "copy")
    monkeypatch.setattr(module, "_folder", lambda: tmp_path / "copy")
    before = TemplateSet("en")
    changed = tmp_path / "copy" / "en" / f"{role}.jinja"
    changed.write_text(changed.read_text("utf-8") + "{# a remark #}\n", "utf-8")
    after = TemplateSet("en")
    assert after.digest == before.digest
    assert (after.several_digest != before.several_digest) == (role == SEVERAL)
    assert (after.pairwise_digest != before.pairwise_digest) == (role == PAIRWISE)


def test_a_part_of_the_templates_is_named_by_language_and_file() -> None:
    template = templates("en")
    parts = {"en": template.digest, "en/several": template.several_digest}
    parts["en/pairwise"] = template.pairwise_digest
    assert {part: digest_of(part) for part in parts} == parts


def test_an_unknown_language_is_refused_with_the_ones_there_are() -> None:
    with pytest.raises(ConfigError, match="'tlh'") as caught:
        templates("tlh")
    assert caught.value.hint is not None
    assert all(language in caught.value.hint for language in LANGUAGES)
