"""Names of models elsewhere: what they lead to, whose key goes there, what is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentixrl.engines.remote.address import KINDS, Address, is_remote, parse_address
from sentixrl.errors import ModelError


def test_kind_address_and_model() -> None:
    found = parse_address("vllm:http://127.0.0.1:8000/v1/#qwen/small")
    assert (found.kind, found.url, found.host) == (
        "vllm",
        "http://127.0.0.1:8000",
        "127.0.0.1:8000",
    )
    assert found.model == "qwen/small"
    assert str(found) == "vllm:http://127.0.0.1:8000#qwen/small"
    assert parse_address(str(found)) == found


@pytest.mark.parametrize(
    ("name", "url"),
    [
        ("openai:HTTPS://API.OpenAI.com/v1", "https://api.openai.com"),
        ("completions:http://h/a/b/v1/completions", "http://h/a/b"),
        ("systemone:http://[::1]:80/", "http://[::1]:80"),
    ],
)
def test_one_address_however_it_is_written(name: str, url: str) -> None:
    assert parse_address(name).url == url


@pytest.mark.parametrize("name", ["meld", "runs/mine", "owner/name", "C:/models/mine", "vllmm:x"])
def test_names_of_local_models_are_none(name: str) -> None:
    assert not is_remote(name)


@pytest.mark.parametrize(
    "name",
    [
        "vllm:",
        "openai:gpt",
        "vllm:ftp://h",
        "vllm:http://",
        "vllm:http://h:port",
        "vllm:http://h\n/",
    ],
)
def test_what_is_no_address_is_refused(name: str) -> None:
    assert is_remote(name)
    with pytest.raises(ModelError, match="not the address of a server"):
        parse_address(name)


def test_secrets_in_an_address_are_refused_and_not_repeated() -> None:
    for name in (
        "vllm:http://ann:s3cret@h",
        "vllm:http://s3cret@h:port",
        "vllm:http://h?key=s3cret",
    ):
        with pytest.raises(ModelError) as caught:
            parse_address(name)
        assert "s3cret" not in f"{caught.value.message} {caught.value.hint}"


def test_every_host_has_its_own_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "theirs")
    monkeypatch.setenv("SENTIXRL_KEY_MY__HOST_ORG", "mine")
    assert parse_address("openai:https://api.openai.com/v1").key() == "theirs"
    assert parse_address("openai:https://my-host.org").key() == "mine"
    assert parse_address("openai:https://my.host.org").key() is None
    assert parse_address("openai:https://elsewhere.org").key() is None


def test_no_key_goes_over_plain_http_beyond_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("10_0_0_5", "127_0_0_1", "LOCALHOST", "H_ORG"):
        monkeypatch.setenv(f"SENTIXRL_KEY_{variable}", "key")
    sent = {
        url: parse_address(f"vllm:{url}").key() is not None
        for url in (
            "http://10.0.0.5",
            "http://h.org",
            "https://h.org",
            "http://127.0.0.1",
            "http://localhost",
        )
    }
    assert [url for url, key in sent.items() if not key] == ["http://10.0.0.5", "http://h.org"]


def test_a_key_that_no_header_can_hold_is_refused_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SENTIXRL_KEY_H", "s3cret\nHost: elsewhere")
    with pytest.raises(ModelError) as caught:
        parse_address("vllm:https://h").key()
    assert "s3cret" not in f"{caught.value}{caught.value.hint}"


hosts = st.from_regex(
    r"[a-z0-9]([a-z0-9-]{0,6}[a-z0-9])?([._][a-z0-9]([a-z0-9-]{0,6}[a-z0-9])?){0,2}",
    fullmatch=True,
)


@given(hosts, hosts)
def test_no_two_hosts_share_a_key(one: str, other: str) -> None:
    names = [Address("vllm", f"https://{host}", host, host).key_variable for host in (one, other)]
    assert (names[0] == names[1]) == (one == other)


@given(st.sampled_from(KINDS), st.text(max_size=40))
def test_any_text_is_an_address_or_one_sentence(kind: str, rest: str) -> None:
    refused = ""
    try:
        assert parse_address(str(parse_address(f"{kind}:{rest}"))).kind == kind
    except ModelError as error:
        refused = error.message
    assert refused == "" or (refused.endswith(".") and refused.isprintable())
