"""Names in docstrings on the site: as code, without the roles that only Sphinx understands.

Contract: ``:meth:`~sentixrl.Classifier.predict``` reads ``predict`` on the site, and
``:class:`Prediction``` reads ``Prediction``; nothing else of a page changes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

_ROLE = re.compile(
    r":(?:attr|class|data|exc|func|meth|mod):(<code[^>]*>)(~[\w.]*\.)?([\w.]+</code>)"
)


def on_page_content(html: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Leave the roles out of a page."""
    return without_roles(html)


def without_roles(html: str) -> str:
    """HTML made of docstrings, with names alone where there were roles."""
    return _ROLE.sub(r"\1\3", html)
