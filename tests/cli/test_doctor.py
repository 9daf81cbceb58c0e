"""``sentixrl doctor``: what is there, what would be used, how to get what is missing."""

from __future__ import annotations

from pathlib import Path

import pytest

from sentixrl.cli import doctor as room
from sentixrl.engines.local import hardware
from sentixrl.errors import install_command

from .shell import Shell, make_shell

__all__ = ["make_shell"]


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hardware, "matmul_rate", lambda dtype: 2e9)


def test_a_complete_machine(shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SENTIXRL_HOME", str(tmp_path))
    monkeypatch.setattr(room, "_version", lambda name: "1.0")
    answer = shell("doctor")
    assert (answer.code, answer.err) == (0, "")
    for part in ("sentixrl", "system", "torch 1.0", "processor", "CUDA", "would use", "engine"):
        assert part in answer.out
    assert (
        "sentixrl-270m, trained on top of gemma-3-270m, not installed: "
        "sentixrl models install (238 MB)" in answer.flat
    )
    (tmp_path / "models" / "gemma-3-270m").mkdir(parents=True)
    (tmp_path / "models" / "gemma-3-270m" / "installed.json").write_text("{}")
    assert "gemma-3-270m, installed in" in shell("doctor").flat


def test_what_is_missing_names_the_command(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    missing = {"torch", "scipy"}
    monkeypatch.setattr(room, "_version", lambda name: None if name in missing else "1.0")
    answer = shell("doctor")
    assert answer.code == 0
    letters = "".join(answer.out.split())  # long paths are broken anywhere
    for name, extra in (("torch", "local"), ("scipy", "eval")):
        assert "".join(f"missing {name}: {install_command(extra)}".split()) in letters
    assert "none: see 'local' above" in answer.flat
    assert "would use" not in answer.out
