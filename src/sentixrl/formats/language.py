"""Language codes as users write them."""

from __future__ import annotations

import re

_TAG = re.compile(r"([A-Za-z]{2,3})([-_][A-Za-z0-9]+)*")
_LATIN = re.compile(r"[-_]latn(?=[-_]|$)", re.IGNORECASE)


def language_tag(tag: str) -> str | None:
    """What of a BCP-47 tag prompts go by: the language, and whether it is in Latin letters.

    ``zh-Hans-CN`` → ``zh``, ``es_MX`` → ``es``, ``hi-latn`` → ``hi-Latn``; ``None`` if it is not
    a tag.
    """
    tag = tag.strip()
    found = _TAG.fullmatch(tag)
    if found is None:
        return None
    return found[1].lower() + ("-Latn" if _LATIN.search(tag) else "")
