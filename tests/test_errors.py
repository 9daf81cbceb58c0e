"""Errors name what can be done, and boundaries let nothing else through."""

from __future__ import annotations

import importlib.metadata
import json
from pathlib import Path

import pytest

from sentixrl import errors
from sentixrl.errors import ConfigError, InputError, ModelError, SentixError, install_command
from sentixrl.untrusted import boundary, read_bounded, whole_number


class Noted:
    """What an installer wrote down."""

    def __init__(self, content: str | None) -> None:
        self.content = content

    def read_text(self, _: str) -> str | None:
        return self.content


def installed_from(monkeypatch: pytest.MonkeyPatch, noted: str | None) -> None:
    monkeypatch.setattr(importlib.metadata, "distribution", lambda _: Noted(noted))
    monkeypatch.setattr(errors, "__file__", "/nowhere/site-packages/sentixrl/errors.py")


def test_an_extra_is_installed_from_where_the_package_came(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    wheel = tmp_path / "my wheels" / "sentixrl-0.1.0-py3-none-any.whl"
    wheel.parent.mkdir()
    wheel.touch()
    installed_from(monkeypatch, json.dumps({"url": wheel.as_uri()}))
    assert install_command("local") == f"pip install '{wheel}[local]'"
    wheel.unlink()
    assert "FOLDER[local]" in install_command("local")


@pytest.mark.parametrize("noted", [None, "", "{", "[]", '{"url": 5}', '{"url": "https://x/y"}'])
def test_where_nothing_is_known_the_index_is_not_named(
    monkeypatch: pytest.MonkeyPatch, noted: str | None
) -> None:
    installed_from(monkeypatch, noted)
    assert "'sentixrl[" not in install_command("eval")
    assert "folder or wheel" in install_command("eval")


class PanicError(BaseException):
    """What a Rust library raises is no Exception."""


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        (ValueError("bad\nsecond line"), "It fails: bad."),
        (KeyError("x"), "It fails: 'x'."),
        (RecursionError(), "It fails: it is nested too deeply."),
        (MemoryError(), "It fails: it needs more memory than there is."),
        (OSError(5, "Input/output error"), "It fails: Input/output error."),
        (PanicError("index out of range"), "It fails: index out of range."),
        (ZeroDivisionError(), "It fails: ZeroDivisionError."),
        (ValueError("x" * 9999), "It fails: " + "x" * 200 + "."),
    ],
)
def test_a_boundary_makes_one_sentence_of_anything(fault: BaseException, says: str) -> None:
    with (
        pytest.raises(ModelError) as caught,
        boundary("It fails", kind=ModelError, hint="Mend it."),
    ):
        raise fault
    assert (caught.value.message, caught.value.hint) == (says, "Mend it.")


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), SystemExit(3), InputError("Ours.")])
def test_a_boundary_lets_ours_and_ctrl_c_pass(fault: BaseException) -> None:
    with pytest.raises(type(fault)) as caught, boundary("It fails"):
        raise fault
    assert caught.value is fault


def test_reads_are_bounded_by_what_is_read(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"12345")
    assert read_bounded(tmp_path / "a", 5) == b"12345"
    for most in (0, 4):
        with pytest.raises(OSError, match="larger than"):
            read_bounded(tmp_path / "a", most)
    for path in ("/dev/zero", "/proc/self/mem", tmp_path):
        with pytest.raises(OSError, match=r"device|folder|error"):
            read_bounded(Path(path), 100)


@pytest.mark.parametrize("text", ["x", "-1", "1.5", "１", "9" * 99, " 1"])
def test_an_environment_of_words_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, text: str
) -> None:
    monkeypatch.setenv("LOCAL_RANK", text)
    with pytest.raises(ConfigError, match="environment variable LOCAL_RANK"):
        whole_number("LOCAL_RANK", 0)


def test_training_reads_its_place_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    processes = pytest.importorskip("sentixrl.training.processes")
    monkeypatch.setenv("LOCAL_RANK", "0")
    assert (processes.world_size(), processes.is_main()) == (1, True)
    for name in ("LOCAL_RANK", "RANK", "WORLD_SIZE"):
        with monkeypatch.context() as patch:
            patch.setenv(name, "x")
            with pytest.raises(SentixError, match=name):
                processes.world_size()


def test_a_clock_that_stands_still(monkeypatch: pytest.MonkeyPatch) -> None:
    hardware = pytest.importorskip("sentixrl.engines.local.hardware")
    torch = pytest.importorskip("torch")
    monkeypatch.setattr("time.perf_counter", lambda: 1.0)
    assert hardware.matmul_rate(torch.float32, size=8, repeats=1) > 0
