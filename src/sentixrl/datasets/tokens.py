"""Texts as comparable tokens, for finding what two data sets share.

Contract: two texts that differ only in case, punctuation, kind of apostrophe or width of letters
have the same tokens. In scripts with spaces between words, tokens are words. Chinese characters,
kana and the letters of Thai, Lao, Khmer and Burmese are tokens one by one.
"""

from __future__ import annotations

import re
import sys
import unicodedata
from functools import cache

_UNSPACED = (
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\u1780-\u17ff"  # Burmese, Khmer
    "\u2e80-\u2fdf\u3005\u3007\u3021-\u3029\u3041-\u30ff\u31f0-\u31ff"  # radicals, kana
    "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af"  # Chinese characters
)
_APOSTROPHES = str.maketrans("", "", "'\u2018\u2019\u02bc\uff07`\u00b4")


def tokens(text: str) -> list[str]:
    """The tokens of a text: words without apostrophes ("don't" is ``dont``), or characters."""
    plain = unicodedata.normalize("NFKC", text.translate(_APOSTROPHES)).casefold()
    return _pattern().findall(plain)


@cache
def _pattern() -> re.Pattern[str]:
    # \w leaves out combining marks, without which Hindi and Arabic words fall apart.
    return re.compile(f"[{_UNSPACED}]|(?:[^\\W_{_UNSPACED}]|[{_marks()}])+")


def _marks() -> str:
    """All combining marks outside the unspaced scripts, as ranges of a character class."""
    unspaced = re.compile(f"[{_UNSPACED}]")
    ranges: list[list[int]] = []
    for code in range(0x300, min(sys.maxunicode, 0x1FFFF)):
        character = chr(code)
        if not unicodedata.category(character).startswith("M") or unspaced.match(character):
            continue
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in ranges)
