"""``sentixrl datasets``: what it prints, what it writes, what it refuses."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner, Result

from sentixrl.cli.datasets import app
from sentixrl.datasets import REGISTRY
from sentixrl.datasets.check import State, check
from sentixrl.errors import ConfigError, InputError, SentixError

if TYPE_CHECKING:
    from tests.datasets.conftest import Sample

Write = Callable[[Mapping[str, str]], Path]
Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch) -> Run:
    monkeypatch.setenv("COLUMNS", "160")

    def invoke(*arguments: str | Path) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return invoke


def refused(result: Result) -> SentixError:
    assert isinstance(result.exception, SentixError), result.output
    return result.exception


def test_list_names_every_data_set(run: Run) -> None:
    output = run("list").output
    assert all(name in output for name in REGISTRY)


@pytest.mark.parametrize("name", REGISTRY)
def test_show_gives_licence_source_and_traps(run: Run, name: str) -> None:
    result = run("show", name)
    assert result.exit_code == 0
    for text in ("licence", "citation", "source", "layouts", "notes", *REGISTRY[name].tasks):
        assert text in result.output


def test_show_of_an_unknown_name(run: Run) -> None:
    assert "Did you mean 'meld'" in str(refused(run("show", "melt")).hint)


def test_check_shows_sizes_repairs_and_ends_in_an_error(
    run: Run, write: Write, samples: Mapping[str, Sample]
) -> None:
    path = write(samples["meld-train_sent_emo.csv"].files)
    result = run("check", "meld", path)
    assert "9,989" in result.output
    assert "missing" in result.output
    assert "There are 4 labelled utterances, not the published 9,989." in result.output
    assert "U+0092 → ’) (1)" in result.output
    assert "2 of 6 parts of meld" in refused(result).message


def test_check_explains_broken_files(run: Run, write: Write, samples: Mapping[str, Sample]) -> None:
    files = {**samples["meld-train_sent_emo.csv"].files, "dev_sent_emo.csv": '"cut'}
    result = run("check", "meld", write(files))
    assert "dev: dev_sent_emo.csv, line 1: the file ends in the middle" in result.output


def test_check_of_a_wrong_folder(run: Run, tmp_path: Path) -> None:
    assert "looked for train_sent_emo.csv" in refused(run("check", "meld", tmp_path)).message


def test_check_goes_through_layouts_that_are_there(
    write: Write, samples: Mapping[str, Sample]
) -> None:
    path = write(samples["emorynlp-emorynlp_train_final.csv"].files)
    findings = check(REGISTRY["emorynlp"], path)
    assert {finding.part for finding in findings} == {"timestamped"}
    assert [finding.state for finding in findings] == [
        State.DIFFERS,
        State.MISSING,
        State.MISSING,
    ]


def test_check_takes_switches(run: Run, write: Write, samples: Mapping[str, Sample]) -> None:
    path = write(samples["brighter-train_hin.csv"].files)
    result = run("check", "brighter", path, "--switch", "language=hin")
    assert "train/hin: left out: 1 with several labels" in result.output
    assert isinstance(run("check", "brighter", path, "--switch", "hin").exception, ConfigError)
    assert isinstance(run("check", "meld", path, "--switch", "a=b").exception, ConfigError)


def test_check_of_the_published_files_is_clean(run: Run, real: Path) -> None:
    for name in ("meld", "emorynlp", "cped", "ch_sims", "emotiontalk", "emasac", "brighter"):
        result = run("check", name, real / name)
        assert result.exit_code == 0, result.output


def test_overlap_writes_the_ids_to_drop(run: Run, write: Write, tmp_path: Path) -> None:
    line = "I never liked that green hat of yours, you know"
    header = "Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode"
    train = write({"train_sent_emo.csv": f'{header}\n"{line}",A,joy,positive,7,0,1,1\n'})
    own = tmp_path / "own.csv"
    own.write_text(f'text\n"{line.upper()}"\n', encoding="utf-8")
    out = tmp_path / "drop.txt"
    result = run("overlap", f"meld@{train}", own, "--out", out)
    assert result.exit_code == 0
    assert "To drop from meld:train: 1 of 1 dialogues (100.0%)." in result.output
    assert out.read_text("utf-8") == "7\n"
    own.write_bytes(f'said,café\n"{line}",é\n'.encode("cp1252"))
    options = ("--columns", "text=said", "--encoding", "windows-1252")
    result = run("overlap", f"meld@{train}", own, *options)
    assert "1 of 1 dialogues (100.0%)." in result.output
    assert "not UTF-8" in refused(run("overlap", f"meld@{train}", own)).message
    strange = run("overlap", f"meld:train:split=dev@{train}", own)
    assert "no switch called 'split'" in refused(strange).message
    missing = run("overlap", f"meld@{train}", own, *options, "--out", tmp_path / "no" / "drop.txt")
    assert "cannot be written" in refused(missing).message


def test_overlap_between_the_series_corpora(run: Run, real: Path, tmp_path: Path) -> None:
    out = tmp_path / "drop.txt"
    result = run("overlap", "emorynlp", "meld:dev", "meld:test", "--data", real, "--out", out)
    assert "342 (20.1%)" in result.output
    assert "97 of 713 dialogues" in result.output
    assert len(out.read_text("utf-8").split()) == 97


def test_fetch_of_what_is_not_offered(run: Run, tmp_path: Path) -> None:
    result = run("fetch", "iemocap", tmp_path)
    assert isinstance(result.exception, InputError)
    assert "forbids" in result.exception.message


def test_fetch_states_the_licence_first(run: Run, tmp_path: Path) -> None:
    result = run("fetch", "cped", tmp_path, "--mirror", "http://127.0.0.1:9")
    assert result.output.startswith("Licence: Apache-2.0")
    assert refused(result).retryable
