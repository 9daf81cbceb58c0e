"""The whole task, by mouse and by keyboard, in every look; axe-core finds no fault."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sentixrl.labels import LabelSet

from .acting import answered, ask, example, labels, tab_to
from .conftest import Open
from .service import make_service, running

LOOKS: dict[str, dict[str, Any]] = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark"},
    "right to left": {"locale": "ar"},
    "360 pixels": {"viewport": {"width": 360, "height": 740}},
}


def test_by_mouse(open_page: Open) -> None:
    page = open_page()
    page.locator("#more summary").click()
    page.locator("#explain").check()
    page.locator("#negotiation").check()
    example(page)
    assert "10 turns · 2 speakers" in page.locator("#preview-summary").inner_text()
    ask(page)
    assert labels(page)[1] == "anger"
    page.locator(".why").nth(5).click()
    below = page.locator(".below")
    assert "Discriminator" in below.inner_text()
    assert "turn 5" in below.inner_text()
    assert page.locator(".turn.moved").count() > 0
    page.locator(".below select").select_option("fear")
    page.locator(".turn").nth(5).filter(has_text="corrected").wait_for()
    page.locator("#by-speaker").select_option("Caller")
    assert page.locator(".turn").count() == 5
    page.locator("#by-speaker").select_option("")
    page.locator(".arc a").last.click()
    assert page.evaluate("document.activeElement.closest('[data-place]').dataset.place") == "9"


def test_a_model_with_labels_of_its_own_is_asked_for_these(open_page: Open) -> None:
    with running(make_service(labels=LabelSet("mine", ["calm", "furious"]))) as address:
        page = open_page(at=address)
        assert page.locator("#labels").input_value() == "model"
        example(page)
        ask(page)
        assert set(labels(page)) <= {"calm", "furious"}
        page.locator("#labels").select_option("ekman-7")
        answered(page)
        assert "anger" in labels(page)


def test_by_keyboard_alone(open_page: Open) -> None:
    page = open_page()
    page.keyboard.press("Tab")
    page.keyboard.press("Enter")  # skips to the conversation
    tab_to(page, "#text")
    page.keyboard.type("Ann: You kept it?!\nBen: I miss him.\nAnn: Thank you.\n")
    page.locator("#preview").wait_for()
    tab_to(page, "#preview summary")
    page.keyboard.press("Enter")
    tab_to(page, "[aria-label='Name of Ben']")
    page.keyboard.press("Control+A")
    page.keyboard.type("Bo")
    tab_to(page, "#labels")
    tab_to(page, "#more summary")
    page.keyboard.press("Enter")
    tab_to(page, "#explain")
    page.keyboard.press("Space")
    tab_to(page, "#go")
    page.keyboard.press("Enter")
    answered(page)
    tab_to(page, ".arc a")
    page.keyboard.press("ArrowRight")
    assert "turn 3" in page.evaluate("document.activeElement.getAttribute('aria-label')")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.getAttribute('aria-label')") == "Turn 3: why?"
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.locator(".below").wait_for()
    assert page.locator(".turn").nth(1).locator(".speaker").inner_text() == "Bo"
    tab_to(page, ".evidence button")
    tab_to(page, ".below select")
    page.keyboard.press("j")  # types ahead to joy
    page.locator(".turn .note", has_text="corrected").wait_for()


@pytest.mark.parametrize("look", LOOKS)
def test_axe_finds_nothing(open_page: Open, axe: Callable[[Any], list[str]], look: str) -> None:
    page = open_page(**LOOKS[look])
    assert axe(page) == []
    page.locator("#more summary").click()
    page.locator("#explain").check()
    page.locator("#negotiation").check()
    example(page, "العربية" if look == "right to left" else "Español")
    page.locator("#preview summary").click()
    assert axe(page) == []
    ask(page)
    page.locator(".why").nth(5).click()
    page.locator("#export summary").click()
    page.locator("#threshold").fill("50")
    assert axe(page) == []
    wide = page.evaluate("document.documentElement.scrollWidth - innerWidth")
    assert wide <= 0


def test_what_it_is_not_for_is_one_link_away(
    open_page: Open, axe: Callable[[Any], list[str]]
) -> None:
    page = open_page()
    with page.context.expect_page() as opened:
        page.get_by_role("link", name="Responsible use").click()
    other = opened.value
    other.wait_for_load_state()
    assert "To hire" in other.locator("main").inner_text()
    assert axe(other) == []


def test_a_reader_of_arabic_sees_arabic_labels_from_right_to_left(open_page: Open) -> None:
    page = open_page(locale="ar")
    example(page, "العربية")
    ask(page)
    assert "خوف" in labels(page)
    assert page.locator("#answers").get_attribute("dir") == "rtl"
    page.locator("#language").select_option("es")
    assert "miedo" in labels(page)
    assert page.locator("#answers").get_attribute("dir") == "ltr"
