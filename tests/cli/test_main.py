"""Bad input end to end: each a clear sentence and exit code 2, never a traceback."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sentixrl import __version__
from sentixrl.cli import progress
from sentixrl.cli.main import main, run
from sentixrl.cli.progress import follow_all
from sentixrl.dialogue import Dialogue
from sentixrl.errors import ConfigError, install_command
from sentixrl.prediction import DialoguePrediction

from .shell import Shell, make_shell

__all__ = ["make_shell"]

UNREADABLE: dict[str, tuple[str, bytes, tuple[str, ...]]] = {
    "empty": ("a.txt", b"", ("is empty",)),
    "blank": ("a.txt", b" \n\t\n", ("nothing but blank space",)),
    "not utf-8": ("a.txt", b"Ann: hi\nBob: caf\xe9\n", ("line 2", "0xE9", "16", "--encoding")),
    "a NUL": ("a.txt", b"Ann: hi\nBob: a\0b\n", ("line 2, column 7", "NUL")),
    "malformed JSON": ("a.json", b'{"utterances": [\n  {"text": }]}', ("line 2", "column 12")),
    "malformed JSONL": ("a.jsonl", b'{"utterances": ["a"]}\n{"utterances": [}\n', ("line 2",)),
    "an empty turn": ("a.json", b'{"utterances": [{"text": " "}]}', ("is empty",)),
    "no turns": ("a.json", b'{"utterances": []}', ("utterances",)),
    "no text column": ("a.csv", b"who,what\nAnn,hi\n", ("text",)),
    "a ragged row": ("a.csv", b"speaker,text\nAnn,hi,there\n", ("2",)),
    "an archive": ("a.txt", b"PK\x03\x04rest", ("ZIP",)),
    "a mute speaker": ("a.txt", b"Ann: hi\nBob:\n", ("line 2", "says nothing")),
}


@pytest.mark.parametrize("case", UNREADABLE)
@pytest.mark.parametrize("piped", [False, True])
def test_unreadable_input(shell: Shell, tmp_path: Path, case: str, piped: bool) -> None:
    name, content, expected = UNREADABLE[case]
    path = tmp_path / name
    path.write_bytes(content)
    if piped:
        form = {"txt": "text"}.get(path.suffix[1:], path.suffix[1:])
        said = shell.refuses("classify", "-", "--format", form, stdin=content)
        assert "standard input" in said
    else:
        said = shell.refuses("classify", path)
    assert all(part in said for part in expected), said


def test_a_file_that_is_not_there(shell: Shell, tmp_path: Path) -> None:
    assert "There is no file" in shell.refuses("classify", tmp_path / "nowhere.txt")
    assert "is a folder" in shell.refuses("classify", tmp_path)
    assert "either files or a text" in shell.refuses("classify")
    assert "either files or a text" in shell.refuses("classify", "a.txt", "--text", "hi")
    assert "is empty" in shell.refuses("classify", "--text", " ")


def test_an_unknown_column_and_encoding(shell: Shell, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("speaker,text\nAnn,hi\n")
    said = shell.refuses("classify", path, "--columns", "text=txt")
    assert "txt" in said
    assert "text" in said
    assert "nonsense" in shell.refuses("classify", path, "--columns", "nonsense=text")
    assert "klingon" in shell.refuses("classify", path, "--encoding", "klingon")
    (tmp_path / "a.txt").write_text("hi")
    assert "no columns" in shell.refuses("classify", tmp_path / "a.txt", "--columns", "text=a")


@pytest.mark.parametrize(
    ("labels", "expected"),
    [
        ("calm,", "empty label"),
        ("calm", "nor a list of labels"),
        ("calm, calm", "read the same"),
        ("calm, Calm", "read the same"),
        ("calm, ＣＡＬＭ", "read the same"),
        ("meld7", "meld-7"),
        ("nowhere.yaml", "nowhere.yaml"),
        ("a\x1b[31mb, \x1b[31m", "control character"),
    ],
)
def test_unusable_labels(shell: Shell, labels: str, expected: str, tiny_model: Path) -> None:
    command = ("classify", "--text", "hi", "--model", tiny_model)
    assert expected in shell.refuses(*command, "--labels", labels)


def test_a_label_file_of_one(shell: Shell, tmp_path: Path, tiny_model: Path) -> None:
    own = tmp_path / "one.yaml"
    own.write_text("name: one\nlabels: [calm]\n")
    said = shell.refuses("classify", "--text", "hi", "--model", tiny_model, "--labels", own)
    assert "needs at least 2" in said
    own.write_text("name: [\n")
    assert "not valid YAML" in shell.refuses("labels", own)


@pytest.mark.parametrize(
    ("option", "expected"),
    [
        (("--rounds", "1", "--agreements", "2"), "2 agreement(s) are needed in at most 1 round(s)"),
        (("--rounds", "0"), "at most 0 round(s)"),
        (("--agreements", "0"), "at least 1 agreement"),
        (("--confidence-threshold", "1.5"), "'confidence_threshold' is 1.5"),
        (("--confidence-threshold", "nan"), "'confidence_threshold' is nan"),
        (("--mode", "loud"), "scored"),
        (("--window", "-1"), "--window"),
        (("--window", "two"), "--window"),
        (("--language", "xx"), "ar, en, es, hi, zh"),
        (("--format", "docx"), "jsonl"),
        (("--prompt-format", "verse"), "plain"),
        (("--deduction", "deep"), "anchor"),
        (("--show", "all"), "negotiation"),
        (("--dtype", "int3"), "float32, bfloat16, float16"),
        (("--device", "abacus"), "The device 'abacus' cannot be used"),
        (("--device", "cpu:x"), "The device 'cpu:x' cannot be used"),
        (("--bits", "3"), "bits"),
        (("--label", "a, b"), "--labels"),
    ],
)
def test_unusable_options(
    shell: Shell, tiny_model: Path, option: tuple[str, ...], expected: str
) -> None:
    said = shell.refuses("classify", "--text", "hi", "--model", tiny_model, *option)
    assert expected in said


def test_a_device_that_is_not_here(shell: Shell, tiny_model: Path) -> None:
    import torch

    if torch.cuda.is_available():
        pytest.skip("has CUDA")
    said = shell.refuses("classify", "--text", "hi", "-m", tiny_model, "--device", "cuda")
    assert "sentixrl doctor" in said


def test_what_is_not_a_model(shell: Shell, tmp_path: Path, tiny_model: Path) -> None:
    (tmp_path / "file.bin").write_bytes(b"weights")
    (tmp_path / "empty").mkdir()
    command = ("classify", "--text", "hi", "--model")
    assert "is not a model" in shell.refuses(*command, tmp_path / "file.bin")
    assert "config.json" in shell.refuses(*command, tmp_path / "empty")
    assert "is not a model" in shell.refuses(*command, "no-such-name")
    assert "is not a model" in shell.refuses(*command, tmp_path / "a\x1b[2Jb" / "c")
    said = shell.refuses(*command, tiny_model, "--adapter", tmp_path / "empty")
    assert "not an adapter" in said


def test_a_hub_id_without_a_hub(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("huggingface_hub")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    said = shell.refuses("classify", "--text", "hi", "--model", "nobody/nothing")
    assert "could not be had from the hub" in said


def test_the_missing_bundled_model_names_the_command(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SENTIXRL_HOME", str(tmp_path))
    said = shell.refuses("classify", "--text", "hi")
    assert said.splitlines() == [
        "Error: The model 'gemma-3-270m' is not installed yet.",
        "Hint: Install it once (238 MB) with: sentixrl models install gemma-3-270m",
    ]


def test_a_missing_library_names_the_extra(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, tiny_model: Path
) -> None:
    monkeypatch.delitem(sys.modules, "sentixrl.engines.local.loading", raising=False)
    monkeypatch.setitem(sys.modules, "torch", None)
    for name in [name for name in sys.modules if name.startswith("sentixrl.engines.local.")]:
        monkeypatch.delitem(sys.modules, name)
    said = shell.refuses("classify", "--text", "hi", "--model", tiny_model)
    assert install_command("local") in said
    assert "install sentixrl[" not in said.replace("'", "")


def test_no_command_is_help_and_nothing_else(shell: Shell) -> None:
    for command in ((), ("models",), ("datasets",)):
        answer = shell(*command)
        assert "Usage" in answer.out + answer.err
        assert "Error" not in answer.out + answer.err


def test_unknown_commands_and_the_version(shell: Shell) -> None:
    assert "clasify" in shell.refuses("clasify")
    answer = shell("--version")
    assert (answer.code, answer.out.strip()) == (0, __version__)


def test_help_names_every_option_of_the_issue(shell: Shell) -> None:
    answer = shell("classify", "--help")
    assert answer.code == 0
    for option in (
        "--text", "--labels", "--model", "--window", "--rounds", "--no-negotiate", "--mode",
        "--language", "--json", "--show", "--encoding", "--confidence-threshold",
    ):  # fmt: skip
        assert option in answer.out


def test_main_exits_with_the_code(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["labels", "nonsense"])
    assert caught.value.code == 2
    assert "nonsense" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "code", "said"),
    [
        (KeyboardInterrupt(), 130, "Stopped."),
        (ConfigError("No \x1b[2J way.", hint="Try [b]."), 2, "Error: No �[2J way.\nHint: Try [b]."),
        (PermissionError(13, "Permission denied", "/x"), 2, "Permission denied: /x."),
        (OSError(28, "No space left on device"), 2, "No space left on device."),
    ],
)
def test_what_a_command_raises(
    shell: Shell, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, said: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr("sentixrl.cli.classify.open_text", fail)
    answer = shell("classify", "--text", "hi")
    assert answer.code == code
    assert said in answer.err
    assert "Traceback" not in answer.err


def test_our_own_bugs_are_not_hidden(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("sentixrl.cli.classify.open_text", fail)
    with pytest.raises(ZeroDivisionError):
        run(["classify", "--text", "hi"])


SLOW = """
import sys, time, typer
from sentixrl.cli import progress
from sentixrl.dialogue import Dialogue
progress.QUIET_SECONDS = 0.3
progress._PAUSE = 0.0
turns = [Dialogue.from_texts(["a"]) for _ in range(3)]
def slow():
    for turn in turns:
        time.sleep(0.5)
        yield turn
with progress.waiting("loading the model"):
    time.sleep(0.5)
for _ in progress.follow_all(turns, slow()):
    typer.echo("RESULT")
"""


def test_progress_shows_while_work_lasts_and_leaves_the_answers_alone() -> None:
    """Standard error a terminal, standard output a pipe; the first dialogue takes long."""
    ours, theirs = pty.openpty()
    environment = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    process = subprocess.Popen(
        [sys.executable, "-c", SLOW], stdout=subprocess.PIPE, stderr=theirs, env=environment
    )
    out, _ = process.communicate(timeout=60)
    os.close(theirs)
    shown = b"".join(_drain(ours)).decode()
    assert process.returncode == 0, shown
    assert out == b"RESULT\n" * 3
    assert "loading the model" in shown
    assert "0/3" in shown
    assert "2/3" in shown
    assert "RESULT" not in shown


def _drain(terminal: int) -> Iterator[bytes]:
    try:
        while chunk := os.read(terminal, 4096):
            yield chunk
    except OSError:  # Linux says so when the other end is closed
        return
    finally:
        os.close(terminal)


def test_progress_is_silent_where_nobody_watches(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress, "QUIET_SECONDS", 0.0)
    turns = [Dialogue.from_texts(["a"], id=name) for name in "ab"]

    def slow() -> Iterator[DialoguePrediction]:
        for turn in turns:
            time.sleep(0.01)
            yield DialoguePrediction(turn.id, "en", "m", "t")

    pairs = [(turn.id, result.dialogue_id) for turn, result in follow_all(turns, slow())]
    assert pairs == [("a", "a"), ("b", "b")]
    assert capsys.readouterr() == ("", "")
    with pytest.raises(ValueError, match="shorter"):
        list(follow_all(turns, list(slow())[:1]))
