"""How fast the page is: scrolling through 5,000 turns, and the first answer. To results/page.json.

    python scripts/measure_page.py
    python scripts/measure_page.py --no-first-answer    # without a model

It needs the extra ``browser`` and Chromium. Work per frame is the main thread's own processor time
between two frames, from Chromium's trace, so that a busy machine disturbs it little; the time to
the first answer is taken on a service that is warm, and needs a quiet machine.
"""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
import uvicorn
from playwright.sync_api import Page, Route, sync_playwright
from recording import ROOT, write_results

import sentixrl
from sentixrl import Classifier, scheme
from sentixrl.engines.scripted import ScriptedEngine
from sentixrl.serve.app import PAGE, SHARED, make_app
from sentixrl.serve.served import Models, ServedModel
from sentixrl.serve.service import Service

TURNS = 5_000
FIRST = 20
STEPS, PIXELS = 600, 300
"""How often the page is scrolled, once a frame, and how far: 300 pixels a frame is a hard fling."""
_BROWSER = ["--no-sandbox", "--disable-background-networking"]
_TASK = "ThreadControllerImpl::RunTask"
_LABELS = ("joy", "anger", "sadness", "neutral")
_SCROLL = """([steps, pixels]) => new Promise(done => {
  let left = steps;
  const go = () => {
    performance.mark('frame');
    scrollBy(0, pixels);
    left-- ? requestAnimationFrame(go) : done();
  };
  requestAnimationFrame(go);
})"""


def main(
    chromium: Annotated[Path, typer.Option(help="The browser.")] = Path("/usr/bin/chromium"),
    first_answer: Annotated[bool, typer.Option(help="Measure the first answer as well.")] = True,
) -> None:
    """Measure and write."""
    classifier = sentixrl.load() if first_answer else _no_model()
    served = Service(Models([ServedModel("default", classifier)]))
    with running(served) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=str(chromium), args=_BROWSER)
        facts: dict[str, Any] = {"bytes": _size(), "turns": TURNS}
        page = browser.new_page(viewport={"width": 1280, "height": 900})
        _open(page, address, _conversation(TURNS))
        page.route("**/v1/classify", _answer)
        page.locator("#go").click()
        page.get_by_text(f"{TURNS:,} turns answered").wait_for(timeout=120_000)
        categories = ["blink.user_timing", "toplevel"]
        browser.start_tracing(page=page, categories=categories)
        page.evaluate(_SCROLL, [STEPS, PIXELS])
        facts["frame"] = _frames(json.loads(browser.stop_tracing())["traceEvents"])
        page.close()
        if first_answer:
            facts["first_answer_seconds"] = _first_answer(browser.new_page(), address)
        browser.close()
    command = "python scripts/measure_page.py"
    write_results("page", "The page: size, work per frame, first answer", command, facts)
    print(json.dumps(facts, indent=1))


def _no_model() -> Classifier:
    return Classifier(
        ScriptedEngine(lambda prompt, choices: [1.0] * len(choices)), scheme("ekman-7")
    )


def _size() -> int:
    shared = [SHARED / "looks.css", SHARED / "emotions.json"]
    return sum(file.stat().st_size for file in [*PAGE.iterdir(), *shared])


def _conversation(turns: int) -> str:
    said = (ROOT / "examples" / "en.txt").read_text("utf-8").splitlines()
    return "\n".join(said[place % len(said)] for place in range(turns))


def _open(page: Page, address: str, text: str) -> None:
    page.goto(address)
    page.locator("#labels option").first.wait_for(state="attached")
    page.locator("#file").set_input_files(
        {"name": "talk.txt", "mimeType": "text/plain", "buffer": text.encode()}
    )
    page.locator("#preview").wait_for(timeout=60_000)


def _answer(route: Route) -> None:
    """All answers at once: it is the page that is measured, not the model."""
    dialogues = json.loads(route.request.post_data or "{}")["dialogues"]
    lines: list[dict[str, Any]] = [{"type": "start", "labels": list(_LABELS), "model": "none"}]
    for dialogue, one in enumerate(dialogues):
        for turn in range(len(one["utterances"])):
            shares = np.roll([0.6, 0.2, 0.15, 0.05], turn // 7).tolist()
            label = _LABELS[int(np.argmax(shares))]
            answer = {"label": label, "status": "single", "confidence": 0.6}
            probabilities = dict(zip(_LABELS, shares, strict=True))
            place = {"type": "turn", "dialogue": dialogue, "turn": turn}
            lines.append({**place, **answer, "probabilities": probabilities})
    route.fulfill(body="".join(f"{json.dumps(line)}\n" for line in [*lines, {"type": "end"}]))


def _frames(events: list[dict[str, Any]]) -> dict[str, float]:
    """The main thread's processor time between frames, in milliseconds."""
    marks = [one for one in events if one.get("name") == "frame"]
    main = marks[0]["pid"], marks[0]["tid"]
    begun = sorted(one["ts"] for one in marks)
    work = np.zeros(len(begun) + 1)
    for one in events:
        own = (one.get("pid"), one.get("tid")) == main
        if own and one.get("name") == _TASK:
            work[np.searchsorted(begun, one["ts"], side="right")] += one.get("tdur", 0) / 1000
    inside = work[1:-1]
    return {
        "frames": len(inside),
        "median_ms": round(float(np.median(inside)), 1),
        "p95_ms": round(float(np.percentile(inside, 95)), 1),
        "max_ms": round(float(inside.max()), 1),
    }


def _first_answer(page: Page, address: str) -> float:
    """Seconds from the click to the first label, once the service is warm."""
    found = 0.0
    for _ in range(2):
        _open(page, address, _conversation(FIRST))
        begun = time.perf_counter()
        page.locator("#go").click()
        page.locator(".turn .answer > .label").first.wait_for()
        found = time.perf_counter() - begun
        page.get_by_text("answered in").wait_for()
    return round(found, 2)


@contextmanager
def running(service: Service) -> Iterator[str]:
    """Serve in this process, on a port that is free; gives the address."""
    bound = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(make_app(service), log_config=None, access_log=False, ws="none")
    server = uvicorn.Server(config)
    threading.Thread(target=server.run, kwargs={"sockets": [bound]}, daemon=True).start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{bound.getsockname()[1]}"
    server.should_exit = True


if __name__ == "__main__":
    typer.run(main)
