"""Take the pictures of docs/gallery.md, into docs/pictures/.

    python scripts/take_pictures.py

It needs the extras ``browser``, ``serve`` and ``eval``, Chromium, and the default model. Whoever
changes the page, the report or the tables takes them again and looks at them.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from measure_page import running
from playwright.sync_api import Browser, Page, sync_playwright
from recording import ROOT, run
from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

import sentixrl
from sentixrl.serve.served import Models, ServedModel
from sentixrl.serve.service import Service

PICTURES = ROOT / "docs" / "pictures"
_ARGUMENTS = ["--no-sandbox", "--disable-background-networking"]
_DESK = {"width": 1100, "height": 900}
_PHONE = {"width": 390, "height": 844}
_COLUMNS = 100


def main(
    chromium: Annotated[Path, typer.Option(help="The browser.")] = Path("/usr/bin/chromium"),
) -> None:
    """Take them all."""
    PICTURES.mkdir(exist_ok=True)
    served = Service(Models([ServedModel("default", sentixrl.load())]))
    with running(served) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium), args=_ARGUMENTS)
        _page(browser, address, "page-light", "Español", why=4, viewport=_DESK)
        _page(
            browser, address, "page-dark", "العربية", why=None, viewport=_DESK,
            color_scheme="dark", locale="ar",
        )  # fmt: skip
        _page(browser, address, "page-phone", "English", why=None, viewport=_PHONE)
        _report(browser)
        browser.close()
    _terminal("terminal-table", "classify", "examples/en.txt")
    _terminal("terminal-negotiation", "classify", "examples/es.txt", "--negotiate", "--show",
              "negotiation")  # fmt: skip


def _page(
    browser: Browser,
    address: str,
    name: str,
    example: str,
    *,
    why: int | None,
    **look: Any,  # noqa: ANN401
) -> None:
    """One conversation answered, with evidence."""
    page = browser.new_page(**look)
    page.goto(address)
    page.locator("#labels option").first.wait_for(state="attached")
    page.locator("#more summary").click()
    page.locator("#explain").check()
    page.get_by_role("button", name=example, exact=True).click()
    page.locator("#preview").wait_for()
    page.locator("#go").click()
    page.get_by_text("answered in").wait_for(timeout=120_000)
    if why is not None:
        page.locator(".why").nth(why).click()
        page.locator(".below").wait_for()
    page.locator("#answers").scroll_into_view_if_needed()
    page.evaluate("document.getElementById('answers').scrollIntoView()")
    _take(page, name)


def _report(browser: Browser) -> None:
    """The first screen of an evaluation's report."""
    out = "runs/tickets-dev"
    shutil.rmtree(ROOT / out, ignore_errors=True)
    with contextlib.chdir(ROOT):
        run(
            "evaluate", "--dataset", "custom", "--data", "examples/tickets-dev.csv", "--labels",
            "calm, worried, annoyed, grateful", "--out", out,
        )  # fmt: skip
    page = browser.new_page(viewport={**_DESK, "height": 1700})
    page.goto((ROOT / out / "report.html").as_uri())
    _take(page, "report")


def _take(page: Page, name: str) -> None:
    page.screenshot(path=PICTURES / f"{name}.png")
    page.close()


def _terminal(name: str, *words: str) -> None:
    """What a command prints, as a drawing."""
    found = subprocess.run(
        [sys.executable, "-m", "sentixrl", *words],
        cwd=ROOT,
        env=os.environ | {"FORCE_COLOR": "1", "COLUMNS": str(_COLUMNS), "TERM": "xterm-256color"},
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    shown = Console(record=True, width=_COLUMNS, file=io.StringIO(), force_terminal=True)
    shown.print(Text(f"$ sentixrl {' '.join(words)}", style="bold"))
    shown.print(Text.from_ansi(found.stdout))
    # Without the fonts that it would fetch.
    form = re.sub(r"@font-face \{\{.*?\}\}", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL)
    shown.save_svg(str(PICTURES / f"{name}.svg"), title="sentixrl", code_format=form)


if __name__ == "__main__":
    typer.run(main)
