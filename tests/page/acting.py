"""What people do on the page, by mouse and by keyboard."""

from __future__ import annotations

from typing import Any

MOST_TABS = 90


def example(page: Any, name: str = "English") -> None:  # noqa: ANN401
    """Take one of the examples."""
    page.get_by_role("button", name=name, exact=True).click()
    page.locator("#preview").wait_for()


def ask(page: Any) -> None:  # noqa: ANN401
    """Have it answered, and wait for the end."""
    page.locator("#go").click()
    answered(page)


def answered(page: Any) -> None:  # noqa: ANN401
    """Wait for the end."""
    # The page says no time where it took less than a millisecond.
    page.locator("#status", has_text="answered").wait_for()


def labels(page: Any) -> list[str]:  # noqa: ANN401
    """The labels of the turns that are there."""
    found: list[str] = page.locator(".turn .answer > .label bdi").all_inner_texts()
    return found


def tab_to(page: Any, selector: str) -> None:  # noqa: ANN401
    """Go to an element with the tab key alone."""
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if page.evaluate("one => document.activeElement.matches(one)", selector):
            return
    raise AssertionError(f"the keyboard does not reach {selector}")


def paste_at_once(page: Any, text: str) -> None:  # noqa: ANN401
    """Paste a long text, as from the clipboard."""
    page.evaluate(
        "text => { const clipboardData = new DataTransfer(); clipboardData.setData('text', text);"
        " document.getElementById('text').dispatchEvent("
        "new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true })); }",
        text,
    )
