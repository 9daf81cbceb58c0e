"""Language codes as users write them."""

from __future__ import annotations

import re

_TAG = re.compile(r"([A-Za-z]{2,3})([-_][A-Za-z0-9]+)*")


def primary_subtag(tag: str) -> str | None:
    """The primary subtag of a BCP-47 tag (``zh-Hans`` → ``zh``), or ``None`` if it is not one."""
    found = _TAG.fullmatch(tag.strip())
    return found[1].lower() if found else None
