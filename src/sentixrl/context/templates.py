"""Prompt templates: one folder per language, one file per role, one block per segment.

Contract: a block is rendered on its own, stripped, and becomes one segment of a prompt. Templates
see only the values handed to them (a sandboxed environment, no loaders for user text), and every
result carries the hash of the files it was made with.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from functools import cache, lru_cache
from importlib import resources
from importlib.resources.abc import Traversable

from jinja2 import StrictUndefined, Template
from jinja2.sandbox import ImmutableSandboxedEnvironment

from sentixrl.errors import ConfigError

VERSION = 1
ROLES = ("context", "generator", "discriminator", "deduction")
SEVERAL = "several"
"""The file of the questions about several labels. It has a hash of its own: bundles that were made
before there were such questions keep theirs."""
PAIRWISE = "pairwise"
"""The file of a verifier's question, which is about two labels; its hash is its own likewise."""
DECISION = "decision"
"""The file of questions in a user's own words, about any text. No bundle is trained on it, so none
names its hash."""
DEFAULT_LANGUAGE = "en"
_KEPT = 4096  # lines that are kept, of all speakers


def _folder() -> Traversable:
    return resources.files("sentixrl") / "context" / "templates"


@cache
def template_languages() -> tuple[str, ...]:
    """The languages that templates are written in, sorted."""
    folders = (item for item in _folder().iterdir() if (item / "context.jinja").is_file())
    return tuple(sorted(item.name for item in folders))


class TemplateSet:
    """One language's templates.

    Args:
        language: A folder name of ``context/templates``.

    Raises:
        ConfigError: There are no templates in that language.
    """

    def __init__(self, language: str) -> None:
        if language not in template_languages():
            raise ConfigError(
                f"There are no prompt templates in the language '{language}'.",
                hint=f"There are: {', '.join(template_languages())}.",
            )
        self.language = language
        environment = ImmutableSandboxedEnvironment(undefined=StrictUndefined, autoescape=False)
        texts = {
            role: (_folder() / language / f"{role}.jinja").read_text("utf-8")
            for role in (*ROLES, SEVERAL, PAIRWISE, DECISION)
        }
        self._templates: dict[str, Template] = {
            role: environment.from_string(text) for role, text in texts.items()
        }
        self.digest = _digest(texts[role] for role in ROLES)
        self.several_digest = _digest([texts[SEVERAL]])
        self.pairwise_digest = _digest([texts[PAIRWISE]])
        self._said = lru_cache(maxsize=_KEPT)(
            lambda role, block, *values: self._render(role, block, dict(values))
        )

    @property
    def identity(self) -> str:
        """Language, version and hash, as results carry them."""
        return f"{self.language}-v{VERSION}-{self.digest}"

    def render(self, role: str, block: str, **values: object) -> str:
        """The text of one block, stripped.

        Args:
            role: The file: ``context``, ``generator``, ``discriminator``, ``deduction``,
                ``several``, ``pairwise`` or ``decision``.
            block: The block in it.
            **values: What the block may show.
        """
        if values.keys() <= {"speaker"}:  # asked again and again of the same few people
            return self._said(role, block, *values.items())
        return self._render(role, block, values)

    def _render(self, role: str, block: str, values: Mapping[str, object]) -> str:
        template = self._templates[role]
        context = template.new_context(dict(values))
        return "".join(template.blocks[block](context)).strip()


def _digest(texts: Iterable[str]) -> str:
    return hashlib.sha256("\x00".join(texts).encode()).hexdigest()[:12]


@cache
def templates(language: str) -> TemplateSet:
    """The templates of ``language``, read once."""
    return TemplateSet(language)


def digest_of(part: str) -> str:
    """The hash of the templates that a bundle names.

    Args:
        part: A language; ``<language>/several`` for its questions about several labels,
            ``<language>/pairwise`` for those about two.

    Raises:
        ConfigError: There are no templates in that language.
    """
    language, _, role = part.partition("/")
    found = templates(language)
    own = {SEVERAL: found.several_digest, PAIRWISE: found.pairwise_digest}
    return own.get(role, found.digest)
