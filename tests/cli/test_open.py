"""``sentixrl open``: what it refuses before anything is loaded, and the link it makes."""

from __future__ import annotations

import re
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sentixrl.cli import open as opening

from .shell import Shell, make_shell

__all__ = ["make_shell"]
pytest.importorskip("fastapi")
LINK = re.compile(r"http://127\.0\.0\.1:\d+/#token=(\S{32})&file=1")
TICKET = re.compile(r"http://127\.0\.0\.1:\d+/#ticket=(\S{32})&file=1")


def test_a_file_that_is_not_there_or_too_large_is_refused(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "cannot be read" in shell.refuses("open", tmp_path / "no.txt")
    monkeypatch.setattr(opening, "LARGEST", 1 << 20)
    large = tmp_path / "large.txt"
    for size in (opening.LARGEST + 1, 1 << 32):
        with large.open("wb") as stream:
            stream.truncate(size)
        said = shell.refuses("open", large)
        assert "more than 1 MB" in said
        assert "sentixrl classify reads files of any size." in said


def test_the_link_holds_a_new_token_and_the_service_wants_it(
    shell: Shell, tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sentixrl.serve import server

    talk = tmp_path / "talk.txt"
    talk.write_text("Ann: Hello.", "utf-8")
    seen: list[Any] = []

    class Server:
        """Starts, and ends at once."""

        def __init__(self, service: Any, started: Callable[[], None]) -> None:  # noqa: ANN401
            seen.append(service)
            self.started = started

        def run(self, sockets: object) -> None:
            self.started()

    monkeypatch.setattr(server, "make_server", Server)
    links = []
    for _ in range(2):
        answer = shell("open", talk, "--no-browser", "--model", tiny_model)
        assert answer.code == 0, answer.err
        links.append(LINK.fullmatch(answer.out.strip()))
    assert all(links)
    tokens = [link[1] for link in links if link]
    assert tokens == [service.access.token for service in seen]
    assert tokens[0] != tokens[1]
    assert seen[0].opened == ("talk.txt", b"Ann: Hello.")

    # A browser's command line can be read by others: it holds what is good for one page.
    opened: list[str] = []

    def start(link: str) -> bool:
        opened.append(link)
        return True

    monkeypatch.setattr(webbrowser, "open", start)
    answer = shell("open", talk, "--model", tiny_model)
    assert answer.code == 0, answer.err
    assert LINK.fullmatch(answer.out.strip())
    ticket = TICKET.fullmatch(opened[0])
    assert ticket
    assert seen[2].access.token not in opened[0]
    assert seen[2].redeem(ticket[1]) == seen[2].access.token
