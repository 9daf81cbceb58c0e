"""A browser that reaches this machine alone, and pages in it. Skipped where there is no browser."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from .service import make_service, running

sync_api = pytest.importorskip("playwright.sync_api")

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = ["--no-sandbox", "--disable-background-networking"]
AXE = "axe_playwright_python"

Open = Callable[..., Any]


@pytest.fixture(scope="package")  # while it runs, no other loop can, such as other tests begin
def browser() -> Iterator[Any]:
    if not CHROMIUM.exists():
        pytest.skip("there is no Chromium")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture(scope="session")
def address() -> Iterator[str]:
    """Where a service with a scripted model answers."""
    with running(make_service()) as found:
        yield found


@pytest.fixture
def open_page(browser: Any, address: str) -> Iterator[Open]:  # noqa: ANN401
    """Opens the page; whatever it asks of another machine is refused and fails the test."""
    contexts: list[Any] = []
    strayed: list[str] = []
    faults: list[str] = []

    def guard(route: Any) -> None:  # noqa: ANN401
        if urlsplit(route.request.url).hostname == "127.0.0.1":
            route.continue_()
        else:
            strayed.append(route.request.url)
            route.abort()

    def opened(query: str = "", at: str | None = None, **options: Any) -> Any:  # noqa: ANN401
        context = browser.new_context(**{"locale": "en", **options})
        contexts.append(context)
        context.route("**", guard)
        page = context.new_page()
        page.set_default_timeout(20_000)
        page.on("pageerror", lambda error: faults.append(str(error)))
        page.goto((at or address) + "/" + query)
        page.locator("#labels option").first.wait_for(state="attached")
        return page

    yield opened
    for context in contexts:
        context.close()
    assert strayed == []
    assert faults == []


@pytest.fixture(scope="session")
def axe() -> Callable[[Any], list[str]]:
    """Checks a page with axe-core; returns what it finds, a sentence each."""
    from importlib import resources

    pytest.importorskip(AXE)
    source = (resources.files(AXE) / "axe.min.js").read_text("utf-8")

    def check(page: Any) -> list[str]:  # noqa: ANN401
        page.evaluate(source)
        found = page.evaluate("() => axe.run()")
        return [
            f"{one['id']}: {one['help']}: {[node['html'][:160] for node in one['nodes']][:3]}"
            for one in found["violations"]
        ]

    return check
