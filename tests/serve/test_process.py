"""A service as a process: started, stopped under load, and what it says on the way."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest

from sentixrl.serve import journal, server

from ..cli.shell import Shell, make_shell
from ..engines.remote.fakes import Chat, fake_server
from .services import PATIENCE

__all__ = ["make_shell"]

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals of POSIX")
TOKEN = "a-token-of-some-length"


class Process:
    """``sentixrl serve`` with a tiny model.

    Args:
        process: The process.
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process
        self.pid = process.pid
        self.said: list[str] = []
        self._address: str | None = None
        self._up = threading.Event()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stderr is not None
        for line in self._process.stderr:
            self.said.append(line)
            if found := re.search(r'"event": "listening", "address": "([^"]+)"', line):
                self._address = found[1]
                self._up.set()
        self._up.set()

    @property
    def address(self) -> str:
        assert self._up.wait(2 * PATIENCE)
        assert self._address is not None, "".join(self.said)
        return self._address

    def ended(self) -> int:
        return self._process.wait(PATIENCE)


@contextmanager
def serving(model: Path, **environment: str) -> Iterator[Process]:
    command = [
        *(sys.executable, "-m", "sentixrl", "serve", "--port", "0", "--model", f"tiny={model}"),
        *("--labels", "meld-7", "--threads", "1", "--dtype", "float32"),
    ]
    paths = os.pathsep.join(filter(None, sys.path))
    process = subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "PYTHONPATH": paths, "COLUMNS": "100", **environment},
    )
    try:
        yield Process(process)
    finally:
        process.kill()
        process.wait()


def test_sigterm_under_load_answers_everything_that_was_accepted(tiny_model: Path) -> None:
    body = {"dialogue": {"utterances": ["You kept the letter?", "All these years.", "Well."] * 2}}
    codes: list[int] = []
    unanswered: list[str] = []
    with serving(tiny_model, SENTIXRL_TOKEN=TOKEN) as process:
        address, stopping = process.address, threading.Event()

        def load() -> None:
            with httpx2.Client(base_url=address, timeout=PATIENCE) as asker:
                while True:
                    stopped = stopping.is_set()
                    try:
                        found = asker.post(
                            "/v1/classify", json=body, headers={"Authorization": f"Bearer {TOKEN}"}
                        )
                    except httpx2.TransportError as error:
                        # Only a connection made after the end may fail.
                        if not stopping.is_set():
                            unanswered.append(repr(error))
                        return
                    codes.append(found.status_code)
                    if found.status_code == 200:
                        assert len(found.json()["utterances"]) == 6
                    if found.status_code == 503 or stopped:
                        return

        loaders = [threading.Thread(target=load) for _ in range(4)]
        for loader in loaders:
            loader.start()
        end = time.monotonic() + PATIENCE
        while len(codes) < 4:
            assert time.monotonic() < end
            time.sleep(0.01)
        stopping.set()
        os.kill(process.pid, signal.SIGTERM)
        for loader in loaders:
            loader.join(PATIENCE)
        assert process.ended() == 0, "".join(process.said)
    assert not unanswered
    assert set(codes) <= {200, 503}
    said = "".join(process.said)
    events = [json.loads(line) for line in process.said if line.startswith("{")]
    finished = [one for one in events if one["event"] == "request" and one["status"] == 200]
    # Every request that was accepted was answered in full, and its client got it.
    assert len(finished) == codes.count(200)
    assert [one["event"] for one in events if one["event"] != "request"] == [
        "listening", "stopping", "stopped",
    ]  # fmt: skip
    assert "Traceback" not in said
    assert TOKEN not in said
    assert "letter" not in said


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--host", "0.0.0.0"], "no token is set"),
        (["--model", "a=x", "--model", "a=y", "--port", "0"], "'x'"),
    ],
)
def test_what_cannot_be_served_is_said(words: list[str], says: str, shell: Shell) -> None:
    assert says in shell.refuses("serve", *words)


def test_what_a_user_should_know_of_a_model_elsewhere_is_said(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Server:
        """Ends at once."""

        def __init__(self, *_: object) -> None: ...

        def run(self, sockets: object) -> None: ...

    monkeypatch.setattr(server, "make_server", Server)
    monkeypatch.setattr(journal, "begin", lambda: None)
    with fake_server(Chat()) as served:
        found = shell("serve", "--port", 0, "--model", f"far=openai:{served.url}#small")
    assert found.code == 0, found.err
    said = " ".join(found.err.split())
    assert f"far: texts are sent to {served.url.removeprefix('http://')}" in said
    assert "far: 'openai' is experimental" in said


def test_a_short_token_is_refused(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENTIXRL_TOKEN", "1234")
    said = shell.refuses("serve", "--port", "0")
    assert "a token of 4 characters" in said
    assert "1234" not in said


def test_a_missing_extra_is_said(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in sys.modules if name.startswith("sentixrl.serve")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    said = shell.refuses("serve", "--port", "0")
    assert "'fastapi'" in said
    assert "[serve]" in said
