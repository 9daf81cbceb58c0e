"""Labels: what counts as the same, what is read and what is refused."""

from __future__ import annotations

import os
import unicodedata
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sentixrl.errors import ConfigError, LabelError
from sentixrl.labels import (
    MAX_LABELS,
    MAX_NAME_LENGTH,
    Label,
    LabelMap,
    LabelSet,
    of_ones_own,
    read_label_file,
    resolve_labels,
    scheme,
    scheme_names,
    scheme_text,
)
from sentixrl.plain_yaml import MAX_FILE_BYTES
from sentixrl.training.recipe_file import read_recipe

LANGUAGES = ("en", "zh", "es", "ar", "hi")
SIZES = {
    "brighter-6": 6,
    "cped-13": 13,
    "dailydialog-7": 7,
    "ekman-7": 7,
    "emasac-8": 8,
    "emorynlp-7": 7,
    "emotiontalk-7": 7,
    "goemotions-7": 7,
    "goemotions-28": 28,
    "iemocap-4": 4,
    "iemocap-6": 6,
    "instructerc-9": 9,
    "meld-7": 7,
    "plutchik-8": 8,
    "sentiment-3": 3,
    "xed-8": 8,
}

modestly = settings(deadline=None, max_examples=80)
letters = st.characters(categories=["Lu", "Ll", "Lt", "Lo", "Nd"])
words = st.text(letters, min_size=1, max_size=12)


def folded(text: str) -> str:
    """What the contract calls the same, written down independently of the library."""
    once = unicodedata.normalize("NFKC", text).casefold()
    return unicodedata.normalize("NFKC", once)


def core(text: str) -> str:
    """The text without any punctuation, symbol, space or format mark at its ends."""
    keep = [i for i, ch in enumerate(text) if unicodedata.category(ch)[0] in "LMN"]
    return folded(text[keep[0] : keep[-1] + 1]) if keep else ""


def fullwidth(text: str) -> str:
    return "".join(chr(ord(ch) + 0xFEE0) if "!" <= ch <= "~" else ch for ch in text)


def label_file(folder: Path, text: str) -> Path:
    path = folder / "mine.yaml"
    path.write_text(text, "utf-8")
    return path


@pytest.fixture
def moods() -> LabelSet:
    return LabelSet(
        "moods",
        [
            Label("joy", display={"zh": "喜悦", "es": "alegría", "hi": "खुशी"}, aliases=("happy",)),
            Label("sadness", display={"zh": "悲伤", "es": "tristeza"}),
            Label("negative-other", display={"en": "other negative", "ar": "شعور سلبي آخر"}),
        ],
    )


# --- What a set accepts


@pytest.mark.parametrize("names", [[], ["joy"]])
def test_a_set_needs_two_labels(names: list[str]) -> None:
    with pytest.raises(LabelError, match=rf"has {len(names)} label.*at least 2") as caught:
        LabelSet("small", names)
    assert caught.value.hint


def test_a_set_has_a_largest_size() -> None:
    names = [f"label {number}" for number in range(MAX_LABELS + 1)]
    assert len(LabelSet("large", names[:-1])) == MAX_LABELS
    with pytest.raises(LabelError, match=f"{MAX_LABELS + 1} labels; at most {MAX_LABELS}"):
        LabelSet("large", names)


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("joy", "Joy"),
        ("Straße", "STRASSE"),
        ("joy", fullwidth("JOY")),
        ("alegr\u00eda", "alegri\u0301a"),  # é as one code point and as two
        ("ﬁerce", "fierce"),
        ("\u0390", "\u0399\u0308\u0301"),  # Greek, whose folding undoes NFKC
        ("joy", " joy "),
        ("joy", "joy\u200b"),  # a zero-width space
        ("فرح", "\u200fفرح"),  # a direction mark
    ],
)
def test_labels_that_read_the_same_are_refused(first: str, second: str) -> None:
    with pytest.raises(LabelError, match="read the same"):
        LabelSet("twins", [first, second])


@modestly
@given(words, st.sampled_from(["NFC", "NFD", "NFKC", "NFKD"]))
def test_no_spelling_of_one_name_makes_a_second_label(name: str, form: str) -> None:
    assume(folded(name).strip())
    for twin in (unicodedata.normalize(form, name), name.casefold()):  # type: ignore[arg-type]
        with pytest.raises(LabelError):
            LabelSet("twins", [name, twin])


def test_one_label_object_given_twice_is_refused() -> None:
    joy = Label("joy")
    with pytest.raises(LabelError, match="read the same"):
        LabelSet("twins", [joy, joy])


@pytest.mark.parametrize(
    "other",
    [
        Label("delight", aliases=("JOY",)),
        Label("delight", display={"en": "Joy"}),
        Label("delight", display={"es": "alegría"}),
    ],
)
def test_aliases_and_display_names_belong_to_one_label(other: Label) -> None:
    with pytest.raises(LabelError, match="'joy' and 'delight'"):
        LabelSet("shared", [Label("joy", display={"es": "Alegría"}), other])


def test_one_label_may_show_the_same_word_in_two_languages() -> None:
    labels = LabelSet("x", [Label("neutral", display={"en": "neutral", "es": "neutral"}), "joy"])
    assert labels.words("es") == ("neutral", "joy")


@pytest.mark.parametrize("name", ["", "  ", "\u200b"])
def test_empty_names_are_refused(name: str) -> None:
    with pytest.raises(LabelError, match="empty label"):
        LabelSet("x", ["joy", name])


@pytest.mark.parametrize("blank", ["", "  ", "\u200f"])
def test_empty_aliases_and_display_names_are_refused(blank: str) -> None:
    for label in (Label("joy", aliases=(blank,)), Label("joy", display={"es": blank})):
        with pytest.raises(LabelError, match="'joy' of 'x' has an empty"):
            LabelSet("x", [label, "sadness"])


@pytest.mark.parametrize(
    "word", ["joy\nsadness", "joy\x7f", "joy\u2028", "joy\udcff", "j" * (MAX_NAME_LENGTH + 1)]
)
def test_names_and_display_names_are_short_and_on_one_line(word: str) -> None:
    for label in (Label(word), Label("joy", display={"en": word})):
        with pytest.raises(LabelError, match="longer than 64 characters or holds a line break"):
            LabelSet("x", [label, "sadness"])


# --- Looking labels up


def test_a_set_is_an_ordered_container_of_exact_names(moods: LabelSet) -> None:
    assert moods.names == ("joy", "sadness", "negative-other")
    assert [label.name for label in moods] == list(moods.names)
    assert [moods.index(name) for name in moods.names] == [0, 1, 2]
    assert moods["sadness"] is moods.labels[1]
    assert "joy" in moods
    assert "Joy" not in moods
    assert "happy" not in moods
    assert 0 not in moods


def test_an_unknown_name_is_an_error_that_lists_the_names(moods: LabelSet) -> None:
    with pytest.raises(LabelError, match=r"'Joy' is not a label of 'moods' \(joy, sadness"):
        moods.index("Joy")


def test_words_fall_back_to_the_name(moods: LabelSet) -> None:
    assert moods.words() == moods.names
    assert moods.words("zh") == ("喜悦", "悲伤", "negative-other")
    assert moods.words("fi") == moods.names


# --- Reading


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("joy", "joy"),
        (" JOY\n", "joy"),
        ("Joy.", "joy"),
        ('"joy"', "joy"),
        ("**joy**", "joy"),
        ("¡Alegría!", "joy"),
        ("happy", "joy"),
        (fullwidth("Joy!"), "joy"),
        ("「喜悦」。", "joy"),
        ("खुशी।", "joy"),
        ("\u200fشعور سلبي آخر؟\u200f", "negative-other"),
        ("Negative-Other", "negative-other"),
        ("- other negative -", "negative-other"),
        ("\ufeffsadness", "sadness"),
    ],
)
def test_names_aliases_and_display_names_are_read(moods: LabelSet, text: str, name: str) -> None:
    assert moods.read(text) is moods[name]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "...",
        "jo",
        "joyf",
        "jooy",
        "joyful",
        "enjoy",
        "sad",
        "sadnes",
        "not joy",
        "joy or sadness",
        "joy, sadness",
        "joy/sadness",
        "Label: joy",
        "joy (happy)",
        "negative",
        "other",
        "negative other",
        "negativeother",
        "喜",
        "不喜悦",
        "alegria",
        "खुश",
        "1",
    ],
)
def test_nothing_else_is_read(moods: LabelSet, text: str) -> None:
    assert moods.read(text) is None


def test_a_sign_belongs_to_its_number() -> None:
    grades = LabelSet("grades", ["-1", "0", "1"])
    for text, name in (("-1", "-1"), ("(-1)", "-1"), ("1.", "1"), ("- 1", "1"), ("«0»", "0")):
        found = grades.read(text)
        assert found is not None
        assert found.name == name
    assert [grades.read(text) for text in ("\u20131", "-0", ".1", "(-0)")] == [None] * 4
    assert LabelSet("counts", ["0", "1", "2"]).read("-1") is None


spoken = st.sampled_from(["joy", "Joy", "happy", "sadness", "喜悦", "other negative", "not", "s"])
marks = st.sampled_from([" ", ".", ", ", "(", ")", "-", "\u200f", "\n", "«", "；"])


@modestly
@given(st.lists(spoken | marks | st.text(max_size=2), max_size=6).map("".join))
def test_what_is_read_is_a_spelling_of_that_label(text: str) -> None:
    spellings = {
        "joy": Label("joy", display={"zh": "喜悦"}, aliases=("happy",)),
        "sadness": Label("sadness"),
        "negative-other": Label("negative-other", display={"en": "other negative"}),
    }
    found = LabelSet("moods", list(spellings.values())).read(text)
    if found is not None:
        own = (found.name, *found.aliases, *found.display.values())
        assert core(text) in {folded(spelling) for spelling in own}


@modestly
@given(st.lists(words, min_size=2, max_size=6, unique_by=folded), st.data())
def test_every_name_reads_as_itself(names: list[str], data: st.DataObject) -> None:
    assume(all(folded(name).strip() for name in names))
    labels = LabelSet("any", names)
    name = data.draw(st.sampled_from(names))
    before, after = data.draw(st.tuples(*[st.sampled_from(["", " ", "**", '"', "¡", "("])] * 2))
    for spelling in (name, name.casefold(), unicodedata.normalize("NFKD", name)):
        assert labels.read(before + spelling + after + ".") is labels[name]


def test_a_labels_own_punctuation_is_part_of_it() -> None:
    labels = LabelSet("x", ["surprise (+)", "surprise (-)", "calm", "calm!", "calm?"])
    for name in labels.names:
        assert labels.read(name) is labels[name]
    assert labels.read('"Surprise (+)."') is labels["surprise (+)"]
    assert labels.read("surprise (-).") is labels["surprise (-)"]
    assert labels.read("surprise") is None
    assert labels.read("calm;") is labels["calm"]
    assert labels.read("calm!!") is labels["calm!"]
    assert labels.read("(calm?!)") is labels["calm?"]


def test_an_emoticon_can_be_an_alias() -> None:
    labels = LabelSet("x", [Label("joy", aliases=(":)", "❤️")), Label("sadness", aliases=(":(",))])
    assert labels.read(" :) ") is labels["joy"]
    assert labels.read("❤") is labels["joy"]
    assert labels.read(":") is None
    assert labels.read(":):(") is None  # it holds both


# --- Lists, files and schemes on the command line


@pytest.mark.parametrize("comma", [",", ", ", " ,", "，", "、", "،", "، "])
def test_a_list_is_cut_at_any_languages_comma(comma: str) -> None:
    labels = resolve_labels(comma.join(["calm", "very annoyed", "好奇"]))
    assert labels.names == ("calm", "very annoyed", "好奇")
    assert labels.name == "custom"
    assert not labels.multi_label


def test_a_list_may_mix_commas() -> None:
    assert resolve_labels(" a, b，c、d، e ").names == ("a", "b", "c", "d", "e")


@pytest.mark.parametrize("spec", ["calm,,annoyed", "calm, annoyed,", ",calm", "，"])
def test_a_list_with_a_gap_is_refused(spec: str) -> None:
    with pytest.raises(LabelError, match="empty label"):
        resolve_labels(spec)


def test_a_list_that_repeats_a_label_is_refused() -> None:
    with pytest.raises(LabelError, match="'calm' and 'Calm'"):
        resolve_labels("calm, annoyed, Calm")


@pytest.mark.parametrize("spec", ["", "calm", "meld", "MELD-7", "calm annoyed", "calm; annoyed"])
def test_a_single_word_is_no_list(spec: str) -> None:
    with pytest.raises(LabelError) as near:
        resolve_labels("Meld7")
    assert "Did you mean 'meld-7'?" in (near.value.hint or "")
    with pytest.raises(LabelError, match="neither a label scheme") as caught:
        resolve_labels(spec)
    assert "meld-7" in str(caught.value.hint)


def test_schemes_and_files_resolve(tmp_path: Path) -> None:
    assert resolve_labels(" meld-7 ") is scheme("meld-7")
    path = label_file(tmp_path, "name: mine\nlabels: [calm, annoyed]\n")
    upper = path.rename(tmp_path / "MINE.YML")
    assert resolve_labels(str(upper)).names == ("calm", "annoyed")


# --- Label files


def test_a_full_file_is_read(tmp_path: Path) -> None:
    labels = read_label_file(
        label_file(
            tmp_path,
            "\ufeff# A comment\n"
            "name: mine\ndescription: What we look for.\nsource: Ourselves.\nmulti_label: true\n"
            "labels:\n"
            "  - name: calm\n    polarity: positive\n    aliases: [quiet]\n"
            "    display: {en: calm, no: rolig}\n    glosses: {en: at ease}\n"
            "  - annoyed\n",
        )
    )
    assert labels.name == "mine"
    assert labels.multi_label
    assert labels["calm"] == Label(
        "calm", {"en": "at ease"}, "positive", {"en": "calm", "no": "rolig"}, ("quiet",)
    )
    assert labels["annoyed"] == Label("annoyed")


def test_a_description_explains_a_label_in_every_language(tmp_path: Path) -> None:
    text = "name: mine\nlabels:\n  - {name: calm, description: at ease}\n  - annoyed\n"
    labels = read_label_file(label_file(tmp_path, text))
    assert [labels["calm"].gloss(code) for code in LANGUAGES] == ["at ease"] * 5
    assert labels["annoyed"].gloss("en") == ""
    assert of_ones_own(labels)
    assert not of_ones_own(scheme("meld-7"))
    assert not of_ones_own(LabelSet("part", [*scheme("meld-7").labels[:3], "other"]))
    twice = text.replace("description", "glosses: {en: calm}, description")
    with pytest.raises(LabelError, match=r"at 'labels #1': .* give one of the two\.$"):
        read_label_file(label_file(tmp_path, twice))


def test_the_page_on_label_files_shows_one_that_is_read(tmp_path: Path) -> None:
    page = (Path(__file__).parents[1] / "docs" / "labels.md").read_text("utf-8")
    labels = read_label_file(label_file(tmp_path, page.split("```yaml\n")[1].split("```")[0]))
    assert [bool(label.gloss("en")) for label in labels] == [True, True, False, False]


def test_names_with_explanations_are_no_list() -> None:
    with pytest.raises(LabelError, match="holds a colon") as caught:
        resolve_labels("angry: furious, calm: no feeling")
    assert "label file" in (caught.value.hint or "")
    assert resolve_labels(":), :(").names == (":)", ":(")


def test_what_yaml_takes_for_other_types_stays_text(tmp_path: Path) -> None:
    path = label_file(tmp_path, "name: 7\nlabels: [no, on, 1, 2024-13-45, null, 0x_, ~]\n")
    assert read_label_file(path).names == ("no", "on", "1", "2024-13-45", "null", "0x_", "~")


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("name: mine\nlabels: [calm, annoyed\n", "line 3, column 1"),
        ("name: mine\nlabels:\n  - calm\n - annoyed\n", "line 4, column 2"),
        ("name: mine: yours\n", "line 1, column 11"),
        ("name: mine\nlabels:\n\t- calm\n", "line 3, column 1"),
        ("name: mine\nname: yours\nlabels: [a, b]\n", "line 2, column 1: the key 'name' stands"),
        (
            "name: mine\nlabels:\n  - name: a\n    display: {en: a, es: b, en: c}\n  - b\n",
            "line 4, column 29: the key 'en' stands here twice",
        ),
        ("name: mine\nlabels: [a, *b]\n", "line 2, column 13"),
        ("name: mine\n? [a, b]\n: c\n", "line 2, column 3"),
    ],
)
def test_faulty_yaml_is_located(tmp_path: Path, text: str, place: str) -> None:
    with pytest.raises(LabelError, match="not valid YAML") as caught:
        read_label_file(label_file(tmp_path, text))
    assert place in caught.value.message
    assert "mine.yaml" in caught.value.message


@pytest.mark.parametrize("text", ["[" * 5000, "name: mine\x07\n", "- " * 5000])
def test_hostile_yaml_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(LabelError, match="not valid YAML"):
        read_label_file(label_file(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("", "'the top level': it needs keys and"),
        ("- calm\n- annoyed\n", "'the top level': it needs keys and"),
        ("name: mine\n", "'labels': it is missing"),
        ("labels: [a, b]\n", "'name': it is missing"),
        ("name: mine\nlabels: calm\n", "'labels': it needs a list"),
        ("name: mine\nlabels: [a, b]\nlabel: c\n", "'label': there is no such key"),
        ("name: mine\nlabels: [a, {name: b, gloss: c}]\n", "'labels #2 gloss': there is no such"),
        ("name: mine\nlabels: [a, [b]]\n", "'labels #2': it needs keys and"),
        ("name: mine\nlabels: [{name: ''}, b]\n", "'labels #1 name'"),
        ("name: mine\nlabels: [a, {polarity: neutral}]\n", "'labels #2 name': it is missing"),
        ("name: mine\nlabels: [a, {name: b, polarity: good}]\n", "'labels #2 polarity'"),
        ("name: mine\nlabels: [a, {name: b, display: c}]\n", "'labels #2 display': it needs key"),
        ("name: mine\nlabels: [a, {name: b, display: {en: [c]}}]\n", "display en': it needs te"),
        ("name: mine\nlabels: [a, {name: b, aliases: c}]\n", "'labels #2 aliases': it needs a"),
        ("name: mine\nlabels: [a, b]\nmulti_label: maybe\n", "'multi_label'"),
    ],
)
def test_a_file_of_another_shape_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(LabelError, match="does not fit") as caught:
        read_label_file(label_file(tmp_path, text))
    assert complaint in caught.value.message
    assert "_LabelFile" not in caught.value.message
    assert caught.value.hint


def test_the_rules_for_sets_hold_for_files(tmp_path: Path) -> None:
    with pytest.raises(LabelError, match="at least 2"):
        read_label_file(label_file(tmp_path, "name: mine\nlabels: [calm]\n"))


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    latin = tmp_path / "latin.yaml"
    latin.write_bytes("name: alegría\n".encode("latin-1"))
    for path in (tmp_path, latin, Path("nul\0.yaml")):
        with pytest.raises(LabelError, match="cannot be read as UTF-8"):
            read_label_file(path)
    with pytest.raises(LabelError, match=r"There is no label file .*none\.yaml"):
        read_label_file(tmp_path / "none.yaml")


def test_a_large_file_is_refused(tmp_path: Path) -> None:
    path = label_file(tmp_path, "#" * (MAX_FILE_BYTES + 1))
    with pytest.raises(LabelError, match="larger than 1,000,000 bytes"):
        read_label_file(path)


@modestly
@given(text=st.text(max_size=40) | st.text("[]{}:,-?*&!|>'\"# \nab", max_size=30))
def test_any_text_is_a_label_set_or_a_label_error(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    path = label_file(tmp_path_factory.getbasetemp(), "name: mine\nlabels: [a, b]\n" + text)
    try:
        labels = read_label_file(path)
    except LabelError:
        return
    assert labels.names[:1] == ("a",)


def test_the_example_file_is_a_label_set() -> None:
    labels = read_label_file(Path(__file__).parent.parent / "examples" / "labels.yaml")
    assert labels.names[:5] == ("calm", "curious", "annoyed", "worried", "delighted")
    assert labels.words("es")[:2] == ("calma", "curiosidad")
    assert labels.read("Relaxed.") is labels["calm"]


# --- The schemes that come with the library


def test_the_schemes_are_these() -> None:
    assert dict.fromkeys(scheme_names()) == dict.fromkeys(SIZES)
    with pytest.raises(LabelError, match="no label scheme called 'meld'") as caught:
        scheme_text("meld")
    assert "meld-7" in str(caught.value.hint)


@pytest.mark.parametrize("name", SIZES)
def test_a_scheme_is_complete(name: str) -> None:
    labels = scheme(name)
    assert labels.name == name
    assert len(labels) == SIZES[name]
    assert labels.multi_label == (name in {"goemotions-28", "goemotions-7", "brighter-6", "xed-8"})
    for label in labels:
        assert label.polarity, label.name
        assert tuple(label.display) == LANGUAGES, label.name
        assert tuple(label.glosses) == LANGUAGES, label.name
        for gloss in label.glosses.values():
            assert 0 < len(gloss.split()) <= 12, gloss
            assert not gloss.endswith((".", "。", "।")), gloss


@pytest.mark.parametrize("name", SIZES)
def test_a_schemes_words_lead_back_to_their_labels(name: str) -> None:
    labels = scheme(name)
    for language in LANGUAGES:
        assert len(set(labels.words(language))) == len(labels)
        for label, word in zip(labels, labels.words(language), strict=True):
            assert labels.read(f" {word}. ") is label
            assert unicodedata.is_normalized("NFC", word)


@pytest.mark.parametrize("name", SIZES)
def test_english_words_are_plain_and_lower_case(name: str) -> None:
    for word in scheme(name).words("en"):
        assert all(part.isalpha() and part.islower() for part in word.split(" ")), word


SCRIPTS = {"zh": "CJK", "ar": "ARABIC", "hi": "DEVANAGARI", "es": "LATIN", "en": "LATIN"}


@pytest.mark.parametrize("name", SIZES)
def test_words_and_glosses_are_in_their_languages_script(name: str) -> None:
    for label in scheme(name):
        for language, script in SCRIPTS.items():
            for text in (label.display[language], label.glosses[language]):
                letters = [ch for ch in text if ch.isalpha()]
                assert all(unicodedata.name(ch).startswith(script) for ch in letters), text


@pytest.mark.parametrize(
    ("name", "some"),
    [
        ("meld-7", ["joy", "anger"]),
        ("emorynlp-7", ["Joyful", "Mad", "Peaceful", "Powerful", "Scared"]),
        ("iemocap-6", ["happy", "excited", "frustrated"]),
        ("cped-13", ["negative-other", "depress", "astonished"]),
        ("dailydialog-7", ["no_emotion", "happiness"]),
        ("emotiontalk-7", ["disgusted", "fearful"]),
        ("emasac-8", ["contempt"]),
        ("xed-8", ["anticipation", "trust"]),
    ],
)
def test_names_are_spelled_as_in_the_data(name: str, some: list[str]) -> None:
    assert set(some) <= set(scheme(name).names)


def test_goemotions_keeps_the_order_of_its_label_numbers() -> None:
    names = scheme("goemotions-28").names
    assert names[:-1] == tuple(sorted(names[:-1]))
    assert names[-1] == "neutral"


def test_iemocaps_codes_are_read() -> None:
    labels = scheme("iemocap-6")
    read = [labels.read(code) for code in ("hap", "sad", "neu", "ang", "exc", "fru", "xxx")]
    assert [label and label.name for label in read] == [*labels.names, None]
    assert scheme("iemocap-4").read("exc") is None


# --- Maps


def test_a_map_renames_or_leaves_out() -> None:
    source, target = LabelSet("s", ["joy", "fear", "other"]), LabelSet("t", ["good", "bad"])
    unify = LabelMap(source, target, {"joy": "good", "fear": "bad", "other": None})
    assert [unify(name) for name in source.names] == ["good", "bad", None]
    with pytest.raises(LabelError, match="'Joy' is not a label of 's'"):
        unify("Joy")


@pytest.mark.parametrize(
    ("mapping", "complaint"),
    [
        ({"joy": "good"}, "from 's' to 't' says nothing about fear"),
        ({"joy": "good", "fear": "ugly"}, "'ugly' is not a label of 't'"),
        ({"joy": "good", "fear": "bad", "rage": "bad"}, "'rage' is not a label of 's'"),
        ({"joy": "good", "fear": "Bad"}, "'Bad' is not a label of 't'"),
    ],
)
def test_a_map_is_total_and_stays_within_its_sets(
    mapping: dict[str, str | None], complaint: str
) -> None:
    with pytest.raises(LabelError) as caught:
        LabelMap(LabelSet("s", ["joy", "fear"]), LabelSet("t", ["good", "bad"]), mapping)
    assert complaint in caught.value.message


# --- Digests


def test_the_digest_is_the_same_everywhere() -> None:
    # Run folders and bundles store it: a change here makes old ones unreadable.
    labels = LabelSet("x", [Label("joy", {"en": "delight"}, display={"zh": "喜悦"}), "sadness"])
    assert labels.digest == "566555e175c8"


def test_the_digest_ignores_what_no_prompt_shows() -> None:
    display, glosses = {"en": "joy", "es": "alegría"}, {"en": "delight", "es": "gusto"}
    turned = dict(reversed(display.items())), dict(reversed(glosses.items()))
    first = LabelSet("x", [Label("joy", glosses, "positive", display, ("glad",)), "sadness"])
    second = LabelSet("y", [Label("joy", turned[1], None, turned[0]), "sadness"])
    assert first.digest == second.digest
    assert first == second
    assert len({first, second}) == 1


@pytest.mark.parametrize(
    "changed",
    [
        LabelSet("x", ["sadness", "joy"]),
        LabelSet("x", ["joy", "Sadness"]),
        LabelSet("x", ["joy", "sadness", "fear"]),
        LabelSet("x", ["joy", "sadness"], multi_label=True),
        LabelSet("x", [Label("joy", display={"en": "delight"}), "sadness"]),
        LabelSet("x", [Label("joy", {"en": "delight"}), "sadness"]),
        LabelSet("x", [Label("joy", {"es": "delight"}), "sadness"]),
    ],
)
def test_the_digest_changes_with_what_a_prompt_shows(changed: LabelSet) -> None:
    plain = LabelSet("x", ["joy", "sadness"])
    assert changed.digest != plain.digest
    assert changed != plain


def test_schemes_have_distinct_digests() -> None:
    assert len({scheme(name).digest for name in scheme_names()}) == len(SIZES)


@pytest.mark.parametrize("names", [[":)", ":("], ["...", "«»"], [":joy:", ":sob:"], ["[x]", "[/]"]])
def test_labels_made_of_signs_are_read_as_they_stand(names: list[str]) -> None:
    labels = resolve_labels(", ".join(names))
    assert labels.names == tuple(names)
    for name in names:
        found = labels.read(f" {name} ")
        assert found is not None
        assert found.name == name


def test_signs_around_a_label_of_signs_are_not_guessed_away() -> None:
    labels = LabelSet("two", [":)", "sad"])
    assert labels.read(":))") is None
    assert labels.read("(:)") is None
    assert labels.read(".") is None
    assert labels.read("*sad*") is labels["sad"]


@pytest.mark.parametrize(
    ("typed", "names"),
    [
        ("['joy', 'anger']", ("joy", "anger")),
        ('["joy", "anger"]', ("joy", "anger")),
        ("[joy, anger]", ("joy", "anger")),
        ("('joy', 'anger')", ("joy", "anger")),
        ("['deep, dark', \"it's fine\"]", ("deep, dark", "it's fine")),
        ("[1, 2]", ("1", "2")),
        ("[no, yes]", ("no", "yes")),
        ("[x], [y]", ("[x]", "[y]")),
        ("(1), (2)", ("(1)", "(2)")),
        ("{a}, {b}", ("{a}", "{b}")),
    ],
)
def test_lists_typed_as_python_or_yaml(typed: str, names: tuple[str, ...]) -> None:
    assert resolve_labels(typed).names == names


def test_typed_lists_that_name_no_labels() -> None:
    with pytest.raises(LabelError, match="typed as a mapping"):
        resolve_labels("{0: 'joy', 1: 'anger'}")
    with pytest.raises(LabelError, match="at least 2"):
        resolve_labels("['joy']")
    for bomb in ("(" * 100_000 + ")" * 100_000, "[" * 100_000 + "]" * 100_000):
        with pytest.raises(LabelError):
            resolve_labels(bomb)


def test_lists_and_sets_from_python(tmp_path: Path) -> None:
    assert resolve_labels(["joy", "anger"]).names == ("joy", "anger")
    assert resolve_labels(("joy", Label("anger"))).names == ("joy", "anger")
    assert resolve_labels(scheme("meld-7")) is scheme("meld-7")
    (tmp_path / "own.yaml").write_text("name: own\nlabels: [joy, anger]\n")
    assert resolve_labels(tmp_path / "own.yaml").names == ("joy", "anger")


@pytest.mark.parametrize(
    "labels", [5, None, {"joy": 1, "anger": 2}, b"joy, anger", ["joy", 5], [None] * 2]
)
def test_what_is_no_label_set_is_refused_by_its_type(labels: Any) -> None:  # noqa: ANN401
    with pytest.raises(LabelError, match=r"not (int|NoneType|dict|bytes)"):
        resolve_labels(labels)


def test_turkish_i_with_and_without_a_dot() -> None:
    labels = LabelSet("tr", ["İyi", "kızgın", "sıkıntı"])
    for text, name in (
        ("iyi", "İyi"),
        ("İYİ", "İyi"),
        ("KIZGIN", "kızgın"),
        ("Sıkıntı", "sıkıntı"),
    ):
        found = labels.read(text)
        assert found is not None, text
        assert found.name == name
    assert labels.read("kizgin") is None
    with pytest.raises(LabelError, match="read the same"):
        LabelSet("tr", ["iyi", "İyi"])
    both = LabelSet("tr", ["kın", "kin"])
    assert both.read("KIN") is both["kin"]
    assert both.read("kın") is both["kın"]


def bomb(levels: int) -> str:
    """Aliases of aliases: a thousand bytes that stand for 2 to the power of ``levels`` values."""
    lines = ["a0: &a0 [x, y]"]
    lines += [f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}]" for n in range(1, levels)]
    return "\n".join(lines)


def merge_bomb(levels: int) -> str:
    lines = ["a0: &a0 {x: y}"]
    lines += [f"a{n}: &a{n} {{<<: [*a{n - 1}, *a{n - 1}]}}" for n in range(1, levels)]
    return "\n".join(lines)


ATTACKS = {
    "aliases": (bomb(60), "stands for more than 100,000 values"),
    "merges": (merge_bomb(60), "stands for more than 100,000 values"),
    "itself": ("name: &a [*a]", "holds itself"),
    "brackets": ("[" * 20_000, "not valid YAML|too deeply"),
    "braces": ("{a: " * 20_000, "not valid YAML|too deeply"),
    "dashes": ("- " * 20_000, "not valid YAML|too deeply"),
    "nested": ("name: " + "[" * 60 + "]" * 60, "nested too deeply"),
    "a call": ("name: !!python/object/apply:os.system ['true']", "python/object/apply"),
    "a name": ("name: !!python/name:os.system x", "python/name"),
    "a new": ("name: !!python/object/new:os.popen ['true']", "python/object/new"),
    "a tag": ("name: !secret x", "!secret"),
    "a set": ("name: !!set {a, b}", "'set'"),
    "two": ("name: a\nlabels: [b, c]\n---\nname: d\n", "YAML"),
    "bytes": ("name: !!binary aGk=", "'binary'"),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_yaml_that_attacks_is_one_sentence(tmp_path: Path, attack: str) -> None:
    content, says = ATTACKS[attack]
    path = tmp_path / "own.yaml"
    path.write_text(content)
    for read in (read_label_file, read_recipe):
        with pytest.raises((LabelError, ConfigError), match=says):
            read(path)


def test_aliases_in_measure_are_read(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(
        "name: own\nlabels:\n  - {name: joy, glosses: &same {en: strong}}\n"
        "  - {name: rage, glosses: *same}\n"
    )
    assert [label.glosses["en"] for label in read_label_file(path)] == ["strong", "strong"]


@pytest.mark.parametrize(
    "device", [name for name in ("/dev/zero", "/dev/full") if Path(name).exists()]
)
def test_links_to_devices_and_pipes_are_not_read(tmp_path: Path, device: str) -> None:
    (tmp_path / "device.yaml").symlink_to(device)
    os.mkfifo(tmp_path / "pipe.yaml")
    for name in ("device.yaml", "pipe.yaml"):
        for read in (read_label_file, read_recipe):
            with pytest.raises((LabelError, ConfigError), match="a pipe or a device, not a file"):
                read(tmp_path / name)


def test_what_is_read_is_bounded_not_what_is_told(tmp_path: Path) -> None:
    (tmp_path / "big.yaml").write_bytes(b"#" * (MAX_FILE_BYTES + 1))
    for read in (read_label_file, read_recipe):
        with pytest.raises((LabelError, ConfigError), match="larger than 1,000,000 bytes"):
            read(tmp_path / "big.yaml")


@pytest.mark.parametrize("name", scheme_names())
def test_schemes_are_files_as_ones_own_may_be(name: str, tmp_path: Path) -> None:
    path = tmp_path / "scheme.yaml"
    path.write_text(scheme_text(name), "utf-8")
    assert read_label_file(path) == scheme(name)
