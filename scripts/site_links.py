"""What the pages link to outside ``docs/`` comes along on the site, and the links lead there.

Contract: pages keep links that work where the repository is read as files. For the site, a linked
file becomes ``project/PATH``, and so does what it links to in turn; links to folders become plain
text, since a site has no listings.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).resolve().parent.parent
DOCS = ROOT / "docs"
PROJECT = "project"
_LINK = re.compile(r"(?P<text>!?\[[^\]]*\])\((?P<path>[^)#\s]*)(?P<anchor>#[^)\s]*)?\)")
_FENCED = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the files outside ``docs/`` that pages lead to."""
    from mkdocs.structure.files import File

    waiting = list(DOCS.rglob("*.md"))
    seen: set[Path] = set()
    while waiting:
        page = waiting.pop()
        for target in outside(page):
            if target in seen:
                continue
            seen.add(target)
            uri = site_uri(target)
            files.append(File.generated(config, uri, abs_src_path=str(target)))
            if target.suffix == ".md":
                waiting.append(target)
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Let the links of a page lead to places on the site."""
    source = page.file.abs_src_path
    return markdown if source is None else rewritten(markdown, Path(source), page.file.src_uri)


def rewritten(markdown: str, source: Path, uri: str) -> str:
    """A page's text with the links of the site.

    Args:
        markdown: The text.
        source: The page's file.
        uri: Where the site keeps it.
    """

    def link(found: re.Match[str]) -> str:
        target = _target(source, found["path"])
        if target is None or not found["path"]:
            return found[0]
        if target.is_dir():
            return found["text"][1:-1]
        path = os.path.relpath(site_uri(target), Path(uri).parent)
        return f"{found['text']}({path}{found['anchor'] or ''})"

    parts = _FENCED.split(markdown)
    return "".join(part if at % 2 else _LINK.sub(link, part) for at, part in enumerate(parts))


def outside(page: Path) -> Iterator[Path]:
    """The files outside ``docs/`` that a page links to."""
    for part in _FENCED.split(page.read_text("utf-8"))[::2]:
        for found in _LINK.finditer(part):
            target = _target(page, found["path"])
            if target is not None and target.is_file() and not target.is_relative_to(DOCS):
                yield target


def site_uri(target: Path) -> str:
    """Where the site keeps a file of the repository."""
    if target.is_relative_to(DOCS):
        return target.relative_to(DOCS).as_posix()
    return f"{PROJECT}/{target.relative_to(ROOT).as_posix()}"


def _target(page: Path, path: str) -> Path | None:
    """The file or folder of the repository that a link leads to, if any."""
    if not path or re.match(r"[a-z]+:", path):
        return None
    target = (page.parent / path).resolve()
    return target if target.is_relative_to(ROOT) and target.exists() else None
