"""Our tokenizer gives the ids, offsets and texts of the tokenizer its table was made from."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import (
    AddedToken,
    Tokenizer,
    decoders,
    models,
    normalizers,
    pre_tokenizers,
    processors,
    trainers,
)

from sentixrl.engines.local import bundled
from sentixrl.engines.local.piece_tokenizer import PieceTokenizer
from sentixrl.engines.local.prompt_format import Text, _without_markers, read_tokenizer
from sentixrl.engines.local.tokenizer_table import TABLE_FILE, read_table, write_table

from ..conftest import MakeModel

SCRIPTS = {
    "Latin": (0x41, 0x24F),
    "Greek": (0x370, 0x3FF),
    "Cyrillic": (0x400, 0x4FF),
    "Armenian": (0x530, 0x58F),
    "Hebrew": (0x590, 0x5FF),
    "Arabic": (0x600, 0x6FF),
    "Devanagari": (0x900, 0x97F),
    "Bengali": (0x980, 0x9FF),
    "Gurmukhi": (0xA00, 0xA7F),
    "Gujarati": (0xA80, 0xAFF),
    "Tamil": (0xB80, 0xBFF),
    "Telugu": (0xC00, 0xC7F),
    "Kannada": (0xC80, 0xCFF),
    "Malayalam": (0xD00, 0xD7F),
    "Sinhala": (0xD80, 0xDFF),
    "Thai": (0xE00, 0xE7F),
    "Tibetan": (0xF00, 0xFFF),
    "Georgian": (0x10A0, 0x10FF),
    "Ethiopic": (0x1200, 0x137F),
    "Khmer": (0x1780, 0x17FF),
    "Kana": (0x3040, 0x30FF),
    "Han": (0x4E00, 0x9FFF),
    "Hangul": (0xAC00, 0xD7A3),
    "Emoji": (0x1F300, 0x1FAFF),
}
ADDED = ["\n", "\n\n", "\n\n\n", "\t", "\t\t", "<table>", "</td>", "<note>"]
ODD = [
    *(" ", "  ", "   ", "\n", "\n\n\n\n", "\t\t\t", "<table>", "<tabl", "<bos>", "▁", "▁▁"),
    *("<0x0A>", "\u0301", "\u200d", "!?", "123", "a> <b", "\x00", "\U0010ffff", "<<note>"),
]
SAID = [
    *("I kept the letter all these years. ", "Ella guardó la carta todos estos años. "),
    *(
        "她一直留着那封信。",
        "उसने सालों तक वह चिट्ठी सँभाल कर रखी। ",
        "احتفظت بالرسالة كل هذه السنين. ",
    ),
    *(
        "Вона зберігала той лист. ",
        "彼女はその手紙をずっと持っていた。",
        "그녀는 그 편지를 간직했다. ",
    ),
]


def write_tokenizer(folder: Path, over_spaces: bool) -> Tokenizer:
    """A small tokenizer of the kind, whose merges reach over spaces or do not."""
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Replace(" ", "▁")
    if not over_spaces:
        tokenizer.pre_tokenizer = pre_tokenizers.Split("▁", "merged_with_next")
    special = ["<pad>", "<eos>", "<bos>", "<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(
        vocab_size=900, special_tokens=special, show_progress=False, min_frequency=1
    )
    tokenizer.train_from_iterator(SAID * 3, trainer)
    content = json.loads(tokenizer.to_str())
    content["added_tokens"] = content["added_tokens"][:4]  # bytes are pieces like others
    tokenizer = Tokenizer.from_str(json.dumps(content))
    tokenizer.pre_tokenizer = pre_tokenizers.Split(" ", "merged_with_previous")
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", 2)]
    )
    content = json.loads(tokenizer.to_str())
    for number, text in enumerate(ADDED, start=len(content["model"]["vocab"])):
        content["model"]["vocab"][text] = number
    tokenizer = Tokenizer.from_str(json.dumps(content))
    tokenizer.add_tokens([AddedToken(text, normalized=False) for text in ADDED])
    tokenizer.save(str(folder / "tokenizer.json"))
    return tokenizer


@pytest.fixture(scope="module", params=[True, False], ids=["over spaces", "within words"])
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Tokenizer, PieceTokenizer]:
    folder = tmp_path_factory.mktemp("tokenizer")
    original = write_tokenizer(folder, request.param)
    assert write_table(folder)
    table = read_table(folder)
    assert table is not None
    assert bool(table.joining) is request.param
    return original, PieceTokenizer(table)


def assert_same(original: Tokenizer, ours: PieceTokenizer, text: str) -> None:
    """Ids, markers' offsets and decoded text are the same, with markers and without."""
    bare, markers = _without_markers(original)
    own, known = ours.unmarked()
    assert known == markers
    for left, right in ((original, ours), (bare, own)):
        for whole in (False, True):
            expected = left.encode(text, add_special_tokens=whole)
            found = right.encode(text, add_special_tokens=whole)
            assert found.ids == expected.ids, text
            assert found.tokens == expected.tokens
        for token, offset, other in zip(found.ids, found.offsets, expected.offsets, strict=True):
            assert token not in markers or token == 2 or offset == other
        shuffled = random.Random(0).sample(found.ids, len(found.ids))  # bytes that are no text
        for ids in (found.ids, shuffled):
            assert right.decode(ids) == left.decode(ids)
            assert right.decode(ids, skip_special_tokens=False) == left.decode(
                ids, skip_special_tokens=False
            )


def letters(script: str) -> st.SearchStrategy[str]:
    first, last = SCRIPTS[script]
    return st.text(st.characters(min_codepoint=first, max_codepoint=last), max_size=6)


parts = st.one_of(
    st.sampled_from(sorted(SCRIPTS)).flatmap(letters),
    st.sampled_from(ODD + ADDED + SAID),
    st.sampled_from(SAID).flatmap(lambda text: st.sampled_from(text.split() + list(text))),
)


@given(st.lists(parts, max_size=12))
def test_ids_are_the_originals(pair: tuple[Tokenizer, PieceTokenizer], texts: list[str]) -> None:
    assert_same(*pair, "".join(texts))


@pytest.mark.parametrize("text", ["", " ", *SAID, "".join(SAID) * 20, "\n\n\n\n\n\n", "<table>"])
def test_plain_texts_are_read_alike(pair: tuple[Tokenizer, PieceTokenizer], text: str) -> None:
    assert_same(*pair, text)


def test_users_markers_stay_text(pair: tuple[Tokenizer, PieceTokenizer]) -> None:
    text = "a <bos> and <table>\n\nhere"
    original, ours = (Text(tokenizer, frozenset({1})) for tokenizer in pair)
    assert ours.bare(text) == original.bare(text)
    assert not {2, pair[1].token_to_id("<table>")} & set(ours.bare(text))
    assert ours.markup(text) == original.markup(text)
    assert 2 in ours.markup(text)


def test_a_table_is_of_one_tokenizer_and_whole(tmp_path: Path) -> None:
    write_tokenizer(tmp_path, over_spaces=False)
    assert write_table(tmp_path)
    assert isinstance(read_tokenizer(tmp_path), PieceTokenizer)
    table, source = tmp_path / TABLE_FILE, tmp_path / "tokenizer.json"
    whole, text = table.read_bytes(), source.read_text("utf-8")
    for place in (3, len(whole) // 2, len(whole) - 1):
        table.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert read_table(tmp_path) is None
    table.write_bytes(whole[:-5])
    assert read_table(tmp_path) is None
    table.write_bytes(whole)
    assert read_table(tmp_path) is not None
    source.write_text(text + " ", "utf-8")
    assert read_table(tmp_path) is None
    assert isinstance(read_tokenizer(tmp_path), Tokenizer)


def test_tokenizers_of_another_kind_have_no_table(make_model: MakeModel, tmp_path: Path) -> None:
    folder = make_model()
    assert not write_table(folder)
    assert not (folder / TABLE_FILE).exists()
    write_tokenizer(tmp_path, over_spaces=False)
    path = tmp_path / "tokenizer.json"
    content = json.loads(path.read_text("utf-8"))
    for change in (
        {"normalizer": {"type": "NFC"}},
        {"post_processor": {"type": "ByteLevel"}},
        {"model": {**content["model"], "byte_fallback": False}},
        {"model": {**content["model"], "merges": content["model"]["merges"] * 2}},
        {"added_tokens": [{**content["added_tokens"][0], "lstrip": True}]},
    ):
        path.write_text(json.dumps({**content, **change}), "utf-8")
        assert not write_table(tmp_path), change


@pytest.mark.bundled
@pytest.mark.skipif(not bundled.GEMMA.installed, reason="sentixrl models install gemma-3-270m")
def test_gemmas_ids_are_the_originals_in_many_scripts() -> None:
    folder = bundled.GEMMA.folder
    original = Tokenizer.from_file(str(folder / "tokenizer.json"))
    ours = read_tokenizer(folder)
    assert isinstance(ours, PieceTokenizer)
    pieces = sorted(original.get_vocab())
    draw = random.Random(7)
    for piece in (*draw.sample(pieces, 200), "<eos>", "<bos>", "", "\u2581no such piece"):
        assert ours.token_to_id(piece) == original.token_to_id(piece), piece
    for number in range(480):
        first, last = list(SCRIPTS.values())[number % len(SCRIPTS)]
        texts = []
        for _ in range(draw.randint(1, 15)):
            word = "".join(chr(draw.randint(first, last)) for _ in range(draw.randint(1, 8)))
            texts.append(draw.choice([word, word, draw.choice(pieces), draw.choice(ODD)]))
        text = draw.choice(["", " "]).join(texts)
        expected = original.encode(text, add_special_tokens=False).ids
        assert ours.encode(text, add_special_tokens=False).ids == expected, text
        assert ours.decode(expected) == original.decode(expected)
