"""What is checked before anything is read: hosts, origins, tokens, kinds, sizes, times."""

from __future__ import annotations

import gzip
import json
import socket
import time

import httpx2
import pytest

from sentixrl.errors import ConfigError
from sentixrl.serve import server
from sentixrl.serve import service as service_module
from sentixrl.serve.guard import TOKEN_PATH, Access, host_names, is_loopback

from ..cli.shell import Shell, make_shell
from .services import BASE, PATIENCE, Client, live, refusal, service

__all__ = ["make_shell"]

PATH = "/v1/classify"
BODY = {"text": "Well."}
TOKEN = "correct-horse-battery"


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8000", "127.0.0.1.evil.example", "", "[", "10.0.0.7"]
)
def test_other_hosts_are_not_answered(host: str) -> None:
    for method, path in (("GET", "/v1/models"), ("GET", "/"), ("POST", PATH)):
        found = Client(service()).ask(method, path, headers={"Host": host})
        assert found.status_code == 421
        refusal(found)


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:99", "127.0.0.1", "[::1]:8000", "emotions.example."]
)
def test_own_hosts_are(host: str) -> None:
    access = Access(names=host_names(["Emotions.Example"]))
    found = Client(service(access=access)).get("/ready", headers={"Host": host})
    assert found.status_code == 200


def test_a_service_for_others_answers_to_addresses_and_not_to_names() -> None:
    asked = Client(service(access=Access(host="0.0.0.0")))
    assert asked.get("/ready", headers={"Host": "192.168.1.4:8000"}).status_code == 200
    assert asked.get("/ready", headers={"Host": "rebound.example"}).status_code == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://["},
        {"Origin": "http://127.0.0.1:9999"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
def test_posts_from_other_pages_are_refused(headers: dict[str, str]) -> None:
    error, _ = Client(service()).refuses(403, PATH, BODY, headers=headers)
    assert "another site" in error


def test_posts_from_the_own_page_are_answered() -> None:
    headers = {"Origin": BASE, "Sec-Fetch-Site": "same-origin"}
    found = Client(service()).post(PATH, BODY, headers=headers)
    assert found.status_code == 200
    assert not [name for name in found.headers if name.startswith("access-control")]
    assert Client(service()).ask("OPTIONS", PATH, headers=headers).status_code == 405


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]
)
def test_posts_of_anything_but_json_are_refused(kind: str) -> None:
    headers = {"Content-Type": kind}
    error, _ = Client(service()).refuses(415, PATH, content=json.dumps(BODY), headers=headers)
    assert "application/json" in error


def test_a_token_is_needed_where_one_is_set() -> None:
    asked = Client(service(access=Access(token=TOKEN)))
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
        for found in (
            asked.post(PATH, BODY, headers=headers),
            asked.get("/metrics", headers=headers),
        ):
            assert found.status_code == 401
            assert found.headers["www-authenticate"] == "Bearer"
            assert TOKEN not in found.text
    for path in ("/", "/health", "/ready"):
        assert asked.get(path).status_code == 200
    right = {"Authorization": f"Bearer {TOKEN}"}
    assert asked.post(PATH, BODY, headers=right).status_code == 200
    assert TOKEN not in repr(Access(token=TOKEN))


def test_responses_carry_safe_headers() -> None:
    for found in (Client(service()).get("/"), Client(service()).get("/nothing")):
        assert found.headers["content-security-policy"].startswith("default-src 'self'")
        assert found.headers["x-content-type-options"] == "nosniff"
        assert "server" not in found.headers


@pytest.mark.parametrize(
    "path",
    [
        "/page/../app.py",
        "/page/%2e%2e/app.py",
        "/page//etc/passwd",
        "/page/",
        "/page/index.py",
        "/page/%00.js",
        f"/page/{'a' * 300}.js",
    ],
)
def test_the_page_is_all_that_is_served_of_the_disk(path: str) -> None:
    assert Client(service()).get(path).status_code == 404


def raw(address: str, data: bytes, rest: bytes = b"") -> tuple[int, dict[str, str], float]:
    """Status and answer to bytes that are sent as they are, and how long it took."""
    host, port = address.removeprefix("http://").split(":")
    began = time.monotonic()
    with socket.create_connection((host, int(port)), PATIENCE) as sender:
        sender.sendall(data.replace(b"HOST", f"{host}:{port}".encode()))
        if rest:
            sender.sendall(rest)
        answer = b""
        while chunk := sender.recv(65536):
            answer += chunk
    head, _, body = answer.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body), time.monotonic() - began


POST = b"POST /v1/classify HTTP/1.1\r\nHost: HOST\r\nContent-Type: application/json\r\n"


def test_large_and_slow_bodies_do_not_hold_anything_up() -> None:
    asked = service(access=Access(body_bytes=10_000, body_seconds=0.5))
    with live(asked) as address:
        status, said, seconds = raw(address, POST + b"Content-Length: 1000000000\r\n\r\n{")
        assert (status, said["error"]) == (413, "The body has more than 10,000 bytes.")
        assert seconds < 10
        status, _, _ = raw(
            address,
            POST + b"Transfer-Encoding: chunked\r\n\r\n",
            b"4e20\r\n" + b"x" * 20_000 + b"\r\n",
        )
        assert status == 413
        status, said, seconds = raw(address, POST + b"Content-Length: 100\r\n\r\n{")
        assert (status, seconds < 10) == (408, True)
        assert "0.5 seconds" in said["error"]
        assert httpx2.post(address + PATH, json=BODY, timeout=PATIENCE).status_code == 200


def test_compressed_bodies_are_bounded_by_what_they_hold() -> None:
    asked = Client(service(access=Access(body_bytes=10_000)))
    kind = {"Content-Type": "application/json"}
    packed = gzip.compress(json.dumps(BODY).encode())
    found = asked.post(PATH, content=packed, headers={**kind, "Content-Encoding": "gzip"})
    assert found.status_code == 200
    bomb = gzip.compress(b" " * 5_000_000)
    asked.refuses(413, PATH, content=bomb, headers={**kind, "Content-Encoding": "gzip"})
    asked.refuses(400, PATH, content=packed[:-4], headers={**kind, "Content-Encoding": "gzip"})
    asked.refuses(400, PATH, content=b"{}", headers={**kind, "Content-Encoding": "gzip"})
    error, _ = asked.refuses(415, PATH, content=b"{}", headers={**kind, "Content-Encoding": "br"})
    assert "'br'" in error


def test_zstandard_is_read_where_python_can() -> None:
    zstd = pytest.importorskip("backports.zstd")
    asked = Client(service(access=Access(body_bytes=10_000)))
    headers = {"Content-Type": "application/json", "Content-Encoding": "zstd"}
    packed = zstd.compress(json.dumps(BODY).encode())
    assert asked.post(PATH, content=packed, headers=headers).status_code == 200
    asked.refuses(413, PATH, content=zstd.compress(b" " * 5_000_000), headers=headers)
    asked.refuses(400, PATH, content=b"{}", headers=headers)


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("::", False),
        ("example.org", False),
    ],
)
def test_what_is_this_machine_alone(host: str, own: bool) -> None:
    assert is_loopback(host) is own


def test_a_ticket_gives_the_token_once_and_within_a_minute(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    running = service(access=Access(token=TOKEN))
    asked, ticket = Client(running), running.page_ticket()
    for wrong in ("", ticket[:-1], "ü"):
        assert asked.refuses(401, TOKEN_PATH, {"ticket": wrong})
    odd = json.dumps({"ticket": "\ud800"})
    headers = {"Content-Type": "application/json"}
    assert asked.refuses(422, TOKEN_PATH, content=odd, headers=headers)
    assert asked.post(TOKEN_PATH, {"ticket": ticket}).json() == {"token": TOKEN}
    assert asked.refuses(401, TOKEN_PATH, {"ticket": ticket})
    assert asked.refuses(422, TOKEN_PATH, {"ticket": "x" * 101})
    assert asked.refuses(413, TOKEN_PATH, {"ticket": "x" * 2000})
    monkeypatch.setattr(service_module, "TICKET_SECONDS", -1.0)
    assert asked.refuses(401, TOKEN_PATH, {"ticket": running.page_ticket()})
    free = service(access=Access())
    assert Client(free).refuses(401, TOKEN_PATH, {"ticket": free.page_ticket()})


def test_other_addresses_need_a_token() -> None:
    with pytest.raises(ConfigError, match="no token is set"):
        server.bind("0.0.0.0", 0, None)
    server.bind("0.0.0.0", 0, TOKEN).close()


def test_a_port_in_use_is_said_before_a_model_is_loaded(shell: Shell) -> None:
    with server.bind("127.0.0.1", 0, None) as taken:
        taken.listen()
        port = taken.getsockname()[1]
        assert f"Port {port} of" in shell.refuses("serve", "-m", "no such", "--port", port)
