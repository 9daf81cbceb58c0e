"""Downloads: whole or not at all, continued where they broke off, never over other files."""

from __future__ import annotations

import contextlib
import hashlib
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from sentixrl.datasets import REGISTRY, DatasetInfo, Remote
from sentixrl.datasets.fetch import Fetched, fetch
from sentixrl.errors import ConfigError, InputError, MissingDependencyError, SentixError

CONTENT = bytes(range(256)) * 2000


@dataclass
class Site:
    """What the server on this machine serves, and what it was asked."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    ranges: list[str | None] = field(default_factory=list)
    honours_ranges: bool = True
    breaks_after: int | None = None
    tells_length: bool = True
    sends_to: str | None = None
    refuses_ranges: bool = False
    drips: float | None = None


@pytest.fixture
def site() -> Iterator[Site]:
    state = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.ranges.append(wanted)
            body = state.files.get(self.path.lstrip("/"))
            if body is None or (wanted and state.refuses_ranges):
                self.send_error(404 if body is None else 416)
                return
            if state.sends_to is not None:
                self.send_response(302)
                self.send_header("Location", state.sends_to)
                self.end_headers()
                return
            start = 0
            if wanted and state.honours_ranges:
                start = int(wanted.removeprefix("bytes=").removesuffix("-"))
                self.send_response(206)
                self.send_header("Content-Range", f"bytes {start}-{len(body) - 1}/{len(body)}")
            else:
                self.send_response(200)
            if state.tells_length:
                self.send_header("Content-Length", str(len(body) - start))
            self.end_headers()
            for place in range(start, len(body), 1 if state.drips else len(body)):
                try:
                    self.wfile.write(
                        body[place : place + 1]
                        if state.drips
                        else body[start:][: state.breaks_after]
                    )
                except OSError:
                    return
                time.sleep(state.drips or 0.0)

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    state.address = f"http://127.0.0.1:{server.server_port}"
    state.files["sub/part.csv"] = CONTENT
    yield state
    server.shutdown()
    server.server_close()
    thread.join()


def entry(content: bytes = CONTENT, *paths: str) -> DatasetInfo:
    remotes = tuple(
        Remote("https://example.invalid/x", path, hashlib.sha256(content).hexdigest(), len(content))
        for path in paths or ("sub/part.csv",)
    )
    return replace(REGISTRY["meld"], remotes=remotes)


def test_a_file_arrives_whole_and_is_not_asked_for_again(site: Site, tmp_path: Path) -> None:
    told: list[Fetched] = []
    fetch(entry(), tmp_path, mirror=site.address, report=told.append)
    target = tmp_path / "sub" / "part.csv"
    assert target.read_bytes() == CONTENT
    assert told == [Fetched(target, len(CONTENT), new=True)]
    again = fetch(entry(), tmp_path, mirror=site.address)
    assert again == (Fetched(target, len(CONTENT), new=False),)
    assert site.ranges == [None]
    assert [path.name for path in target.parent.iterdir()] == ["part.csv"]


def test_a_download_that_broke_off_is_continued(site: Site, tmp_path: Path) -> None:
    site.breaks_after = 100_000
    with pytest.raises(SentixError) as caught:
        fetch(entry(), tmp_path, mirror=site.address)
    assert caught.value.retryable
    assert caught.value.code == "download_failed"
    part = tmp_path / "sub" / "part.csv.part"
    assert part.stat().st_size == 100_000
    assert not (tmp_path / "sub" / "part.csv").exists()
    site.breaks_after = None
    fetch(entry(), tmp_path, mirror=site.address)
    assert (tmp_path / "sub" / "part.csv").read_bytes() == CONTENT
    assert site.ranges == [None, "bytes=100000-"]
    assert not part.exists()


def test_a_server_without_ranges_starts_over(site: Site, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "part.csv.part").write_bytes(b"other beginning")
    site.honours_ranges = False
    fetch(entry(), tmp_path, mirror=site.address)
    assert (tmp_path / "sub" / "part.csv").read_bytes() == CONTENT


@pytest.mark.parametrize("size", [len(CONTENT), len(CONTENT) + 5])
def test_a_whole_or_overlong_part_is_settled(site: Site, tmp_path: Path, size: int) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "part.csv.part").write_bytes((CONTENT + b"12345")[:size])
    fetch(entry(), tmp_path, mirror=site.address)
    assert (tmp_path / "sub" / "part.csv").read_bytes() == CONTENT
    assert site.ranges == ([] if size == len(CONTENT) else [None])


def test_a_changed_file_is_refused_and_not_kept(site: Site, tmp_path: Path) -> None:
    site.files["sub/part.csv"] = CONTENT[::-1]
    with pytest.raises(InputError, match="its checksum differs"):
        fetch(entry(), tmp_path, mirror=site.address)
    assert list((tmp_path / "sub").iterdir()) == []
    site.files["sub/part.csv"] = CONTENT
    assert fetch(entry(), tmp_path, mirror=site.address)[0].new


def test_a_longer_file_is_refused_before_it_fills_the_disk(site: Site, tmp_path: Path) -> None:
    site.files["sub/part.csv"] = CONTENT * 3
    with pytest.raises(InputError, match="is longer than the 512,000 bytes"):
        fetch(entry(), tmp_path, mirror=site.address)
    assert not (tmp_path / "sub" / "part.csv.part").exists()
    site.tells_length = False
    with pytest.raises(InputError, match="is longer than the 512,000 bytes"):
        fetch(entry(), tmp_path, mirror=site.address)
    assert (tmp_path / "sub" / "part.csv.part").stat().st_size == 0


def test_a_different_file_is_never_overwritten(site: Site, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "part.csv").write_text("mine")
    with pytest.raises(InputError, match="is there already"):
        fetch(entry(), tmp_path, mirror=site.address)
    assert (tmp_path / "sub" / "part.csv").read_text() == "mine"
    assert site.ranges == []


def test_what_the_server_does_not_have(site: Site, tmp_path: Path) -> None:
    with pytest.raises(SentixError, match="the server answers 404") as caught:
        fetch(entry(CONTENT, "none.csv"), tmp_path, mirror=site.address)
    assert caught.value.retryable


def test_no_server(site: Site, tmp_path: Path) -> None:
    closed = "http://127.0.0.1:9"
    with pytest.raises(SentixError, match="refused") as caught:
        fetch(entry(), tmp_path, mirror=closed)
    assert caught.value.retryable


@pytest.mark.parametrize(
    "target", ["ftp://127.0.0.1/x", "file:///etc/passwd", "data:,x", "gopher:x"]
)
def test_redirects_lead_to_web_addresses_alone(site: Site, tmp_path: Path, target: str) -> None:
    site.sends_to = target
    with pytest.raises(SentixError, match="which is no web address"):
        fetch(entry(), tmp_path, mirror=site.address)
    assert not any(path.is_file() for path in tmp_path.rglob("*"))


def test_a_redirect_is_followed_and_a_circle_is_left(site: Site, tmp_path: Path) -> None:
    site.files["moved.csv"] = CONTENT
    site.sends_to = "/sub/part.csv"
    with pytest.raises(SentixError, match="sends elsewhere more than 5 times"):
        fetch(entry(), tmp_path, mirror=site.address)
    assert len(site.ranges) == 6


def test_a_server_that_drips_is_given_up(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sentixrl.datasets.download.TIMEOUT", 0.2)
    site.drips = 0.01
    with pytest.raises(SentixError, match="it came too slowly") as caught:
        fetch(entry(), tmp_path, mirror=site.address)
    assert caught.value.retryable


def test_a_server_whose_head_never_ends_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every byte is a sign of life, and a timeout of the socket starts anew with each."""
    monkeypatch.setattr("sentixrl.datasets.download.TIMEOUT", 0.3)
    over = threading.Event()

    def serve(listening: socket.socket) -> None:
        line, _ = listening.accept()
        with line, contextlib.suppress(OSError):
            line.recv(1000)
            line.sendall(b"HTTP/1.1 200 OK\r\nX: ")
            while not over.wait(0.02):
                line.sendall(b"x")

    with socket.create_server(("127.0.0.1", 0)) as listening:
        thread = threading.Thread(target=serve, args=(listening,), daemon=True)
        thread.start()
        with pytest.raises(SentixError) as caught:
            fetch(entry(), tmp_path, mirror=f"http://127.0.0.1:{listening.getsockname()[1]}")
        over.set()
        thread.join(10)
    assert caught.value.retryable


def test_a_mirror_that_answers_with_something_else(site: Site, tmp_path: Path) -> None:
    site.files["sub/part.csv"] = b"<html>Please log in.</html>"
    with pytest.raises(InputError, match=r"answers with 27 bytes .*, and 512,000 are needed"):
        fetch(entry(), tmp_path, mirror=site.address)
    assert list((tmp_path / "sub").iterdir()) == []


def test_a_part_that_the_server_cannot_continue_is_begun_anew(site: Site, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "part.csv.part").write_bytes(b"x" * 100)
    site.refuses_ranges = True
    fetch(entry(), tmp_path, mirror=site.address)
    assert (tmp_path / "sub" / "part.csv").read_bytes() == CONTENT
    assert site.ranges == ["bytes=100-", None]


@pytest.mark.parametrize(
    "mirror", ["http://x:abc", "http://a b/", "http://", "http://\x1b[2J/", "http://[::1"]
)
def test_addresses_that_are_none(tmp_path: Path, mirror: str) -> None:
    with pytest.raises(SentixError, match=r"The download of .* failed|is not an address"):
        fetch(entry(), tmp_path, mirror=mirror)


def test_a_folder_that_cannot_be_written(site: Site, tmp_path: Path) -> None:
    (tmp_path / "sub").write_text("a file where the folder would be")
    with pytest.raises(InputError, match="cannot be written"):
        fetch(entry(), tmp_path, mirror=site.address)


def test_what_is_not_offered_says_where_to_get_it(tmp_path: Path) -> None:
    for name in ("iemocap", "xed", "dailydialog"):
        with pytest.raises(InputError, match="cannot be downloaded") as caught:
            fetch(REGISTRY[name], tmp_path)
        assert REGISTRY[name].source in str(caught.value.hint)


def test_mirrors_must_be_addresses(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is not an address"):
        fetch(entry(), tmp_path, mirror="file:///etc")


def test_without_pooch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pooch", None)
    with pytest.raises(MissingDependencyError, match="pooch"):
        fetch(entry(), tmp_path, mirror="https://example.invalid")


def test_checksums_are_those_of_the_published_files(real: Path) -> None:
    for info in REGISTRY.values():
        for remote in info.remotes:
            content = (real / info.name / remote.path).read_bytes()
            assert hashlib.sha256(content).hexdigest() == remote.sha256
            assert len(content) == remote.size
