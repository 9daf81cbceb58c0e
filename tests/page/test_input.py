"""What people bring, good and bad: what happened is said, and what they typed is kept."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest

from sentixrl.context.prompt import Prompt

from .acting import answered, ask, example, labels, paste_at_once
from .conftest import Open
from .service import make_service, running, weigh

EVIL = "<img src=x onerror=document.title='broken'>"


def paste(page: Any, text: str) -> None:  # noqa: ANN401
    page.locator("#text").fill(text)


def message(page: Any) -> str:  # noqa: ANN401
    page.locator(".message").wait_for()
    found: str = page.locator("#messages").inner_text()
    return found


def test_names_texts_and_labels_that_are_html_are_words(open_page: Open) -> None:
    page = open_page()
    csv = f'speaker,text\n"{EVIL}","{EVIL}"\n"<b>Ann</b>","<script>document.title=1</script>"\n'
    page.locator("#file").set_input_files(
        {"name": f"{EVIL}.csv", "mimeType": "text/csv", "buffer": csv.encode()}
    )
    page.locator("#preview").wait_for()
    page.locator("#labels").select_option("own")
    page.locator("#own").fill(f"{EVIL}, <i>calm</i>")
    page.locator("#own").press("Tab")
    ask(page)
    page.locator(".why").first.click()
    assert EVIL in page.locator("#talk").inner_text()
    assert (
        page.locator("#talk img, #talk b b, #arc img, #people i i, script:not([src])").count() == 0
    )
    assert page.title() == "sentixrl"


def test_a_text_taken_back_while_it_is_answered_leaves_nothing_to_ask(open_page: Open) -> None:
    held = threading.Event()

    def slow(prompt: Prompt, choices: tuple[str, ...]) -> list[float]:
        assert held.wait(60)
        return weigh(prompt, choices)

    with running(make_service(script=slow)) as address:
        page = open_page(at=address)
        example(page)
        page.locator("#go").click()
        page.locator("#stop").wait_for()
        paste(page, "")
        page.locator("#stop").wait_for(state="hidden")
        assert page.locator("#go").is_disabled()
        assert page.locator("#status").inner_text() == ""
        held.set()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("picture.png", b"\x89PNG\r\n\x1a\n" + bytes(500)),
        ("noise.bin", bytes(range(256)) * 40),
        ("table.numbers", b"PK\x03\x04" + bytes(300)),
        ("empty.txt", b"   \n"),
    ],
)
def test_a_file_that_nobody_reads_is_said_to_be_one(
    open_page: Open, name: str, content: bytes
) -> None:
    page = open_page()
    paste(page, "Ann: Hello.\nBen: Hi.")
    page.locator("#preview").wait_for()
    page.locator("#file").set_input_files(
        {"name": name, "mimeType": "application/octet-stream", "buffer": content}
    )
    assert message(page)
    assert page.locator("#go").is_disabled()
    assert page.locator("#text").input_value() == "Ann: Hello.\nBen: Hi."
    page.get_by_role("button", name="Leave it out").click()
    page.get_by_text("Read as text").wait_for()
    assert page.locator(".message").count() == 0


def test_five_megabytes_are_refused_with_a_sentence_and_kept(open_page: Open) -> None:
    page = open_page()
    paste_at_once(page, "Ann: " + "so it goes on and on. " * 250_000)
    assert "bytes" in message(page)
    assert "5,500,005 characters" in page.locator("#file-name").inner_text()


def test_right_to_left_with_digits_keeps_its_order(open_page: Open) -> None:
    page = open_page()
    paste(page, "سارة: الموعد 12/5 الساعة 10:30 في شارع 9.\nTom: OK 10:30.")
    page.locator("#preview").wait_for()
    ask(page)
    said = page.locator(".said")
    assert said.first.inner_text() == "الموعد 12/5 الساعة 10:30 في شارع 9."
    assert [one.evaluate("one => getComputedStyle(one).direction") for one in said.all()] == [
        "rtl",
        "ltr",
    ]


def test_a_service_that_stops_in_the_middle_leaves_what_it_said(open_page: Open) -> None:
    page = open_page()
    example(page)
    turn = {"index": 0, "label": "joy", "status": "single", "confidence": 0.9}
    shares = {"joy": 0.9, "anger": 0.1}
    records = [
        {"type": "start", "labels": ["joy", "anger"], "model": "m", "dialogues": 1, "turns": 10},
        {"type": "turn", "dialogue": 0, "turn": 0, "probabilities": shares, **turn},
    ]
    body = "\n".join(map(json.dumps, records)) + '\n{"type": "tu'
    page.route("**/v1/classify", lambda route: route.fulfill(body=body))
    page.locator("#go").click()
    assert "stopped before the end" in message(page)
    assert labels(page) == ["joy"]
    assert "Petra" in page.locator("#text").input_value()
    page.unroute("**/v1/classify")
    ask(page)
    assert len(labels(page)) == 10


def test_a_service_that_is_gone_is_said_to_be(open_page: Open) -> None:
    page = open_page()
    example(page)
    page.route("**/v1/classify", lambda route: route.abort())
    page.locator("#go").click()
    assert "cannot be reached" in message(page)
    assert page.locator("#go").is_enabled()


def test_a_full_queue_says_when_to_come_back(open_page: Open) -> None:
    page = open_page()
    example(page)
    told = {"error": "The service has as much to do as it takes on.", "hint": None}
    page.route(
        "**/v1/classify",
        lambda route: route.fulfill(
            status=429, headers={"Retry-After": "7"}, body=json.dumps(told)
        ),
    )
    page.locator("#go").click()
    assert "as much to do as it takes on. Try again in 7 seconds." in message(page)


def test_the_work_can_be_stopped(open_page: Open) -> None:
    page = open_page()
    example(page)
    page.route("**/v1/classify", lambda route: None)  # never answers
    page.locator("#go").click()
    page.locator("#stop").click()
    page.get_by_text("Stopped after 0 of 10 turns.").wait_for()
    assert page.locator("#go").is_enabled()


def test_what_was_misread_is_put_right_before_it_is_asked(open_page: Open) -> None:
    page = open_page()
    paste(page, "Ann: I miss him.\nBem: Thank you.\nAnn: …")
    page.locator("#preview summary").click()
    page.locator("[aria-label='Name of Bem']").fill("Ben")
    page.locator("[aria-label='Name of Bem']").press("Tab")
    page.locator("[aria-label='Text of turn 1']").fill("It is wonderful.")
    page.locator("[aria-label='Text of turn 1']").press("Tab")
    page.get_by_role("button", name="Remove turn 3").click()
    ask(page)
    assert page.locator(".turn .speaker").all_inner_texts() == ["Ann", "Ben"]
    assert labels(page) == ["joy", "joy"]


def test_own_labels_are_answered_at_once_without_pasting_again(open_page: Open) -> None:
    page = open_page()
    example(page)
    ask(page)
    page.locator("#labels").select_option("own")
    page.locator("#own").fill("calm, worried, annoyed")
    with page.expect_response("**/v1/classify"):
        page.locator("#own").press("Enter")
    page.locator(".turn .answer > .label bdi").nth(9).wait_for()
    assert set(labels(page)) <= {"calm", "worried", "annoyed"}
    page.locator("#own").fill("calm")
    page.locator("#own").press("Enter")
    assert "at least two names" in message(page)


def test_names_can_be_hidden_before_anything_is_asked(open_page: Open) -> None:
    page = open_page()
    example(page, "Español")
    page.locator("#more summary").click()
    with page.expect_response("**/v1/read"):
        page.locator("#pseudonyms").check()
    ask(page)
    text = page.locator("#answers").inner_text()
    assert "P2" in text
    assert not {name for name in ("Beto", "Lucía", "Rosa") if name in text}


def test_settings_are_in_the_address_and_texts_and_tokens_never(open_page: Open) -> None:
    token = "a-token-of-the-test-run"
    with running(make_service(token=token)) as guarded:
        page = open_page(f"?labels=own&own=calm,cross#token={token}", at=guarded)
        assert token not in page.url
        assert page.locator("#own").input_value() == "calm,cross"
        paste(page, "Ann: A secret of mine.")
        page.locator("#preview").wait_for()
        page.locator("#language").select_option("zh")
        ask(page)
        assert "language=zh" in page.url
        assert "secret" not in page.url
        assert "token" not in page.url
        page.reload()
        page.locator("#labels option").first.wait_for(state="attached")
        assert page.locator("#language").input_value() == "zh"
        example(page)  # the token is still known to this tab


def test_a_page_opened_with_a_ticket_gets_the_token_and_another_page_does_not(
    open_page: Open,
    browser: Any,  # noqa: ANN401
) -> None:
    service = make_service(token="a-token-of-the-test-run")
    with running(service) as guarded:
        link = f"#ticket={service.page_ticket()}"
        page = open_page(link, at=guarded)
        assert "ticket" not in page.url
        example(page)
        page.reload()
        example(page)  # the token is still known to this tab
        other = browser.new_page()
        other.goto(f"{guarded}/{link}")
        assert "does not know this page" in message(other)
        other.close()


def test_without_the_token_the_page_says_so(open_page: Open, browser: Any) -> None:  # noqa: ANN401
    with running(make_service(token="a-token-of-the-test-run")) as guarded:
        page = browser.new_page()
        page.goto(guarded)
        assert "does not know this page" in message(page)
        page.close()


def test_a_file_given_to_the_command_is_answered_at_once(open_page: Open) -> None:
    service = make_service()
    service.opened = ("talk.txt", b"Ann: Thank you.\nBen: Really?!")
    with running(service) as address:
        page = open_page("#file", at=address)
        answered(page)
        assert labels(page) == ["joy", "surprise"]
        assert "#" not in page.url
