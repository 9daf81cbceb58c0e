"""What the page makes of answers: exports, corrections, moods, long conversations, its own size."""

from __future__ import annotations

import csv
import io
import json
import threading
from pathlib import Path
from typing import Any

import sentixrl.serve
from sentixrl import pages
from sentixrl.context.prompt import Prompt
from sentixrl.evidence.mood import ORDERS, order
from sentixrl.formats import read_text
from sentixrl.formats.result_rows import COLUMNS

from .acting import answered, ask, example, labels, paste_at_once
from .conftest import Open
from .service import make_service, running, weigh

PAGE = Path(sentixrl.serve.__file__).parent / "page"
MOST_BYTES = 80_000


def export(page: Any, name: str) -> bytes:  # noqa: ANN401
    with page.expect_download() as download:
        page.locator(f"[data-export='{name}']").click()
    return Path(download.value.path()).read_bytes()


def rows(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"))))


def test_results_are_the_columns_of_the_command_line_and_no_formulas(open_page: Open) -> None:
    page = open_page()
    page.locator("#text").fill('=cmd: =1+2\nAnn: @thanks, "you"\nAnn: -1')
    page.locator("#preview").wait_for()
    ask(page)
    page.locator("#export summary").click()
    head, *found = rows(export(page, "results.csv"))
    assert tuple(head) == COLUMNS
    assert [row[4] for row in found] == ["'=1+2", '\'@thanks, "you"', "'-1"]
    assert found[0][3] == "'=cmd"
    page.locator("#raw").check()
    assert [row[4] for row in rows(export(page, "results.csv"))[1:]] == [
        "=1+2", '@thanks, "you"', "-1",
    ]  # fmt: skip
    [dialogue] = json.loads(export(page, "results.json"))["dialogues"]
    assert [one["text"] for one in dialogue["utterances"]] == ["=1+2", '@thanks, "you"', "-1"]
    assert {"label", "status", "probabilities"} <= set(dialogue["utterances"][0])


def test_corrected_labels_are_gold_that_we_read(open_page: Open, tmp_path: Path) -> None:
    page = open_page()
    example(page)
    ask(page)
    page.locator(".why").nth(2).click()
    page.locator(".below select").select_option("disgust")
    page.locator("#export summary").click()
    [dialogue] = read_text_json(export(page, "gold.json"), tmp_path)
    assert dialogue.utterances[2].gold == "disgust"
    assert dialogue.utterances[1].gold == "anger"
    corrected = [row[4] for row in rows(export(page, "gold.csv"))]
    assert corrected == ["corrected", *("yes" if place == 2 else "no" for place in range(10))]


def test_a_correction_outlives_the_evidence_that_comes_after_it(open_page: Open) -> None:
    measured = threading.Event()
    passed = iter(range(10))  # the turns of the example are answered at once

    def slow(prompt: Prompt, choices: tuple[str, ...]) -> list[float]:
        assert next(passed, None) is not None or measured.wait(60)
        return weigh(prompt, choices)

    with running(make_service(script=slow)) as address:
        page = open_page("?explain=1", at=address)
        example(page)
        page.locator("#go").click()
        page.locator(".why").nth(2).click()
        page.locator(".below select").select_option("disgust")
        measured.set()
        answered(page)
        page.locator(".turn").nth(2).locator(".evidence").wait_for()
        assert page.locator("#arc a[aria-label='Agent, turn 3: disgust']").count() == 1


def read_text_json(content: bytes, folder: Path) -> list[Any]:
    from sentixrl.formats import read_dialogues

    path = folder / "gold.json"
    path.write_bytes(content)
    return list(read_dialogues(path))


def test_the_arc_is_a_picture_that_stands_alone(open_page: Open) -> None:
    page = open_page()
    example(page, "العربية")
    ask(page)
    page.locator("#export summary").click()
    svg = export(page, "arc.svg").decode()
    assert svg.startswith("<svg")
    assert "سلمى" in svg
    assert "var(" not in svg
    assert export(page, "arc.png")[:4] == b"\x89PNG"


def test_unsure_turns_are_those_below_the_threshold(open_page: Open) -> None:
    page = open_page()
    example(page)
    ask(page)
    assert page.locator(".turn.unsure").count() == 0
    page.locator("#threshold").fill("60")
    unsure = page.locator(".turn.unsure").count()
    assert 0 < unsure < 10
    page.locator("#by-sure").select_option("unsure")
    assert page.locator(".turn").count() == unsure
    assert f"{unsure} of 10 turns" in page.locator("#shown").inner_text()


def test_the_mood_turn_is_shown_where_it_is(open_page: Open) -> None:
    page = open_page()
    lines = ["Ann: Thank you."] * 20 + ["Ann: Nobody!!"] * 3
    page.locator("#text").fill("\n".join(lines))
    page.locator("#preview").wait_for()
    ask(page)
    mood = page.locator(".mood")
    mood.wait_for()
    assert "The mood of Ann changes at turn 21" in mood.inner_text()
    mood.locator("button").click()
    assert "Here the mood of Ann changes." in page.locator("[data-place='20']").inner_text()


def test_each_label_of_a_turn_is_shown_where_there_may_be_several(open_page: Open) -> None:
    page = open_page()
    page.locator("#text").fill("Ann: Well.\nAnn: Fine.")
    page.locator("#preview").wait_for()
    told = [["joy"], ["joy", "anger"]]
    records = [
        {"type": "start", "labels": ["joy", "anger"], "model": "m", "dialogues": 1, "turns": 2},
        *(
            {"type": "turn", "dialogue": 0, "turn": n, "index": n, "label": None, "labels": own}
            for n, own in enumerate(told)
        ),
        {"type": "end", "turns": 2, "seconds": 1.0},
    ]
    body = "\n".join(map(json.dumps, records)) + "\n"
    page.route("**/v1/classify", lambda route: route.fulfill(body=body))
    ask(page)
    assert labels(page) == ["joy", "joy", "anger"]


def test_a_mood_turns_within_a_conversation_and_not_between_two(open_page: Open) -> None:
    page = open_page()
    rows = ["a,Ann,Thank you."] * 20 + ["b,Ann,Nobody!!"] * 3
    table = "\n".join(["dialogue,speaker,text", *rows]).encode()
    page.locator("#file").set_input_files(
        {"name": "talks.csv", "mimeType": "text/csv", "buffer": table}
    )
    page.get_by_text("2 conversations").wait_for()
    ask(page)
    page.locator("#stop").wait_for(state="hidden")
    # Turn 21 begins the second conversation.
    assert "turns at turn 21:" not in page.locator("#moods").inner_text()


def test_the_page_draws_the_same_orders_as_python(open_page: Open) -> None:
    page = open_page()
    drawn = page.evaluate(
        "async count => { const { order } = await import('/page/mood.js');"
        " return Array.from({ length: count }, (_, number) => order(number, 17)); }",
        ORDERS,
    )
    assert drawn == [order(0, number, 17).tolist() for number in range(ORDERS)]


def test_five_thousand_turns_are_few_elements(open_page: Open) -> None:
    page = open_page()
    lines = [f"{'Ann' if place % 2 else 'Ben'}: Turn {place + 1}." for place in range(5000)]
    paste_at_once(page, "\n".join(lines))
    page.locator("#preview").wait_for(timeout=60_000)
    page.locator("#go").click()
    page.get_by_text("5,000 turns answered").wait_for(timeout=120_000)
    assert page.locator(".turn").count() < 400
    page.evaluate("scrollTo(0, document.body.scrollHeight)")
    page.get_by_text("Turn 5000.", exact=True).wait_for()
    assert page.locator(".turn").count() < 600
    assert page.locator(".arc a").count() <= 120
    page.locator(".arc a").nth(30).click()
    place = page.evaluate("document.activeElement.closest('[data-place]')?.dataset.place")
    assert 0 < int(place) < 5000


def test_the_page_is_small_and_whole() -> None:
    shared = Path(pages.__file__).parent
    files = [*PAGE.iterdir(), shared / "looks.css", shared / "emotions.json"]
    assert sum(file.stat().st_size for file in files) <= MOST_BYTES
    for file in PAGE.glob("*.html"):
        text = file.read_text("utf-8")
        assert "style=" not in text
        assert "http" not in text


def test_the_examples_are_read_as_conversations(open_page: Open) -> None:
    page = open_page()
    for name, turns in {"English": 10, "Español": 11, "العربية": 8}.items():
        example(page, name)
        [dialogue] = read_text(page.locator("#text").input_value())
        assert len(dialogue) == turns
        page.get_by_text(f"{turns} turns").first.wait_for()
    assert labels(page) == []
