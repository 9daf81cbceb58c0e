"""``sentixrl labels``: every scheme, one in detail, its file, one's own."""

from __future__ import annotations

from pathlib import Path

import pytest

from sentixrl.labels import read_label_file, scheme, scheme_names

from .shell import Shell, make_shell

__all__ = ["make_shell"]


def test_all_schemes_are_listed_with_their_labels(shell: Shell) -> None:
    answer = shell("labels")
    assert (answer.code, answer.err) == (0, "")
    for name in scheme_names():
        assert name in answer.flat
        assert all(label in answer.flat for label in scheme(name).names)
    for name in ("meld-7", "emorynlp-7", "iemocap-6", "iemocap-4", "cped-13", "sentiment-3",
                 "ekman-7", "plutchik-8", "goemotions-28"):  # fmt: skip
        assert name in scheme_names()


@pytest.mark.parametrize("name", scheme_names())
def test_a_scheme_in_detail(shell: Shell, name: str) -> None:
    answer = shell("labels", name)
    assert answer.code == 0
    for label in scheme(name):
        assert label.name in answer.flat
        assert (label.polarity or "") in answer.flat
    assert not {c for c in answer.out if ord(c) < 32 and c != "\n"}


def test_the_file_of_a_scheme_is_a_model_for_ones_own(shell: Shell, tmp_path: Path) -> None:
    text = shell("labels", "meld-7", "--yaml").out
    own = tmp_path / "own.yaml"
    own.write_text(text, "utf-8")
    assert read_label_file(own) == scheme("meld-7")
    assert "surprise" in shell("labels", own).out


def test_ones_own_are_shown_as_they_are_read(shell: Shell, tmp_path: Path) -> None:
    answer = shell("labels", "calm, [bold]curious[/], annoyed")
    assert answer.code == 0
    assert not {"polarity", "meaning"} & set(answer.out.split())  # there is none to show
    assert "[bold]curious[/]" in answer.out
    own = tmp_path / "own.yaml"
    own.write_text(
        'name: "my\\e[2J set"\nlabels:\n  - {name: calm, glosses: {en: "red\\e[31m"}}\n  - upset\n'
    )
    shown = shell("labels", own)
    assert shown.code == 0
    assert "\x1b" not in shown.out
    assert "�[31m" in shown.out


def test_what_is_no_label_set(shell: Shell) -> None:
    assert "meld-7" in shell.refuses("labels", "meld7")
    assert "meld-7" in shell.refuses("labels", "meld7", "--yaml")
    assert "none is named" in shell.refuses("labels", "--yaml")
    assert "read the same" in shell.refuses("labels", "joy, JOY")
