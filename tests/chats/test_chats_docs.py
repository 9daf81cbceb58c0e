"""The page on exports: its Python runs, and its tables name what there is."""

from __future__ import annotations

import re
from pathlib import Path

from sentixrl.formats.chats import FORMATS
from sentixrl.formats.chats.whatsapp_words import fold, languages

PAGE = (Path(__file__).parents[2] / "docs" / "chat-formats.md").read_text("utf-8")
KINDS = {"omitted", "deleted", "edited", "notices", "attached", "lines", "polls"}


def test_its_python_runs() -> None:
    blocks = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert len(blocks) == 2
    world: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, "chat-formats.md", "exec"), world)


def test_every_format_has_a_name_of_its_own_and_a_row() -> None:
    assert len({form.name for form in FORMATS}) == len(FORMATS)
    assert {form.name for form in FORMATS} <= set(re.findall(r"`([\w-]+)`", PAGE))


def test_at_least_twelve_locales_have_a_source() -> None:
    table = PAGE.split("| Locale | Shape | Source |")[1].split("\n\n")[0]
    rows = [row for row in table.splitlines() if row.startswith("|") and "---" not in row]
    assert len(rows) >= 12
    assert all("](https://github.com/" in row for row in rows if row.strip("| "))


def test_every_language_has_a_source() -> None:
    table = PAGE.split("| Language | Code | Source of the words |")[1].split("\n\n")[0]
    codes = re.findall(r"`(\w\w)`", table)
    assert sorted(codes) == sorted(languages())
    assert f"known in {len(languages())} languages" in PAGE


def test_the_words_are_of_known_kinds_and_said_once() -> None:
    for language, words in languages().items():
        assert set(words) <= KINDS, language
        assert {"omitted", "notices"} <= set(words), language
        for kind, known in words.items():
            assert len(set(map(fold, known))) == len(known), (language, kind)
