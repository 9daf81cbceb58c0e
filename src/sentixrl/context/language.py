"""Which templates a language takes.

Contract: the templates in the language itself if there are any, else the default ones.
"""

from __future__ import annotations

from sentixrl.context.templates import DEFAULT_LANGUAGE, template_languages
from sentixrl.formats.language import SCRIPTS, language_tag


def template_language(tag: str) -> str:
    """The template language for a dialogue's language; the default if none fits.

    Args:
        tag: Its BCP-47 tag: ``zh-Hans`` takes ``zh``. Hindi in Latin letters (``hi-Latn``) is
            not the Hindi of the templates.
    """
    language, _, latin = (language_tag(tag) or "").partition("-")
    if latin and language in SCRIPTS:
        return DEFAULT_LANGUAGE
    return language if language in template_languages() else DEFAULT_LANGUAGE
