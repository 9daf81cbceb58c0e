"""What a run folder holds was possibly written by others: compared, refused, never just scored."""

from __future__ import annotations

import json
import os
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentixrl.errors import ConfigError, InputError, SentixError
from sentixrl.evaluation.running import answer_all, score
from sentixrl.runs import (
    ITEMS_FILE,
    METRICS_FILE,
    RUN_FILE,
    Entry,
    RunFolder,
    check_ledger,
    check_writable,
    enter_ledger,
    read_entries,
    read_metrics,
    read_run,
    storage,
)
from sentixrl.runs.entries import entry_json, read_entry
from sentixrl.runs.lock import LOCK_FILE
from tests.runs.small import classifier, dataset, identity

Payload = dict[str, Any]
Change = Callable[[Payload], object]
DATA = dataset()
DEVICES = [name for name in ("/dev/zero", "/dev/full") if Path(name).exists()]


def opened(folder: Path) -> RunFolder:
    return RunFolder(folder, identity(classifier(), DATA))


def payloads(folder: Path) -> list[Payload]:
    lines = (folder / ITEMS_FILE).read_bytes().splitlines()
    found = [json.loads(line) for line in lines]
    for payload in found:
        del payload[storage.DIGEST]
    return found


def forge(folder: Path, made: list[Payload]) -> None:
    """Write a log whose digests fit: nothing but the data can tell."""
    (folder / ITEMS_FILE).write_bytes(b"".join(map(storage._line, made)))


@pytest.fixture(name="folder")
def make_folder(tmp_path: Path) -> Path:
    """A whole run."""
    model = classifier()
    with opened(tmp_path / "run") as run:
        answer_all(model, DATA.dialogues, run)
    return tmp_path / "run"


def edit_gold(payload: Payload) -> None:
    payload["utterances"][1]["gold"] = "calm"


def edit_text(payload: Payload) -> None:
    payload["utterances"][1]["text"] = "What was never said."


def edit_speaker(payload: Payload) -> None:
    payload["utterances"][1]["speaker"] = "Cleo"


def lose_a_turn(payload: Payload) -> None:
    del payload["utterances"][-1]


def edit_group(payload: Payload) -> None:
    payload["group"] = "v99"


def edit_answer(payload: Payload) -> None:
    payload["utterances"][1] |= {"label": "bliss", "status": "single", "error": None}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (edit_gold, "the gold label of utterance 2 is 'calm', in the data '"),
        (edit_text, "the text of utterance 2 is 'What was never said.', in the data 'Line 1"),
        (edit_speaker, "the speaker of utterance 2 is 'Cleo', in the data 'Ann'"),
        (lose_a_turn, "it has 2 utterances, in the data 3"),
        (edit_group, "its group is another"),
        (edit_answer, "utterance 2 is answered 'bliss', which is no label"),
    ],
)
def test_an_entry_that_is_not_of_the_data_is_refused(
    folder: Path, change: Change, says: str
) -> None:
    made = payloads(folder)
    change(made[4])
    forge(folder, made)
    with opened(folder) as run:
        for use in (run.remaining, lambda _: score(run, DATA, DATA.label_set)):
            with pytest.raises(InputError) as caught:
                use(DATA.dialogues)
            assert "line 5: dialogue 'd4'" in caught.value.message
            assert says in caught.value.message
            assert caught.value.hint


def test_an_edit_is_seen_without_the_data_too(folder: Path) -> None:
    lines = (folder / ITEMS_FILE).read_bytes().splitlines(keepends=True)
    payload = json.loads(lines[2])
    edit_gold(payload)
    lines[2] = json.dumps(payload, separators=(",", ":")).encode() + b"\n"
    (folder / ITEMS_FILE).write_bytes(b"".join(lines))
    for read in (read_entries, opened):
        with pytest.raises(InputError, match=r"line 3: the line of dialogue 'd2' was changed"):
            read(folder)


def test_dialogues_that_a_log_lost_are_answered_anew(folder: Path) -> None:
    made = payloads(folder)
    forge(folder, made[:2] + made[5:])
    with opened(folder) as run:
        assert [dialogue.id for dialogue in run.remaining(DATA)] == ["d2", "d3", "d4"]
        answer_all(classifier(), DATA.dialogues, run)
        assert score(run, DATA, DATA.label_set)["n"] == DATA.labelled


def put(path: str, value: object) -> Change:
    """A change that puts a value at a place such as ``utterances.0.gold``."""

    def change(payload: Payload) -> None:
        *steps, last = [int(step) if step.isdigit() else step for step in path.split(".")]
        found: Any = payload
        for step in steps:
            found = found[step]
        found[last] = value

    return change


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("utterances", []),
        ("utterances", None),
        ("utterances", {}),
        ("utterances.0", 5),
        ("utterances.0.gold", 5),
        ("utterances.0.text", 5),
        ("utterances.0.metadata", [1]),
        ("utterances.0.metadata", {"a": {}}),
        ("utterances.0.probabilities", {"joy": "0.5"}),
        ("utterances.0.probabilities", {"joy": 7.5}),
        ("utterances.0.confidence", -1),
        ("utterances.0.negotiation", None),
        ("utterances.0.negotiation", [{}]),
        ("group", 5),
        ("dialogue_language", ["en"]),
        ("labels", [None, None, None]),
        ("labels", "abc"),
        ("labels", ["one"]),
        ("utterances.0.cost", {"tokens": "1", "seconds": 1.0}),
        ("utterances.0.cost", {"tokens": 1, "seconds": -3.0}),
        ("utterances.0.cost", {"tokens": -1, "seconds": 1.0}),
        ("utterances.0.cost", {}),
        ("utterances.0.cost", [1]),
    ],
)
def test_a_line_of_other_kinds_is_one_sentence(folder: Path, path: str, value: object) -> None:
    made = payloads(folder)
    put(path, value)(made[1])
    forge(folder, made)
    with pytest.raises(InputError, match=r"items.jsonl, line 2: "):
        read_entries(folder)
    with opened(folder) as run, pytest.raises(InputError, match=r"items.jsonl, line 2: "):
        run.remaining(DATA)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999", "9" * 5000])
def test_numbers_that_are_none_are_refused(folder: Path, number: str) -> None:
    lines = (folder / ITEMS_FILE).read_bytes().splitlines(keepends=True)
    payload = json.loads(lines[0])
    del payload[storage.DIGEST]
    payload["utterances"][0]["cost"] = {"tokens": 1, "seconds": "@"}
    body = json.dumps(payload, separators=(",", ":")).replace('"@"', number).encode()
    lines[0] = body[:-1] + storage._seal(body)
    (folder / ITEMS_FILE).write_bytes(b"".join(lines))
    with pytest.raises(InputError, match="line 1: "):
        read_entries(folder)


def test_a_line_of_brackets_is_not_whole(folder: Path) -> None:
    lines = (folder / ITEMS_FILE).read_bytes().splitlines(keepends=True)
    for garbage in (b"[" * 100_000 + b"\n", b'{"a":' * 100_000 + b"\n", b"\xff\xfe\n", b"\0\n"):
        (folder / ITEMS_FILE).write_bytes(b"".join([*lines[:3], garbage, *lines[3:]]))
        for read in (read_entries, opened):
            with pytest.raises(InputError, match="line 4: this is not a whole JSON object"):
                read(folder)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)
LINES = [
    json.loads(json.dumps(entry_json(Entry(dialogue, prediction))))
    for dialogue, prediction in zip(DATA, classifier().predict_many(DATA), strict=True)
]


def spots(value: Any) -> list[tuple[Any, Any]]:  # noqa: ANN401  (JSON is anything)
    """Every place of a JSON value: its container and its key."""
    keys = list(value) if isinstance(value, dict) else range(len(value))
    found: list[tuple[Any, Any]] = []
    for key in keys:
        found.append((value, key))
        if isinstance(value[key], dict | list):
            found += spots(value[key])
    return found


@given(st.integers(0, len(LINES) - 1), JSON, st.randoms(use_true_random=False), st.booleans())
def test_whatever_stands_in_a_line_is_read_or_refused(
    number: int, value: object, rng: random.Random, drop: bool
) -> None:
    line = json.loads(json.dumps(LINES[number]))
    container, key = rng.choice(spots(line))
    if drop:
        del container[key]
    else:
        container[key] = value
    try:
        found = read_entry(line)
    except InputError:
        return
    assert len(found.dialogue) == len(found.prediction.items) > 0


def test_a_lock_file_that_is_removed_lets_nobody_in(folder: Path) -> None:
    with opened(folder):
        (folder / LOCK_FILE).unlink()
        with pytest.raises(ConfigError, match="Another process"):
            opened(folder)
        with pytest.raises(ConfigError, match="Another process"):
            opened(folder)
    opened(folder).close()


def test_a_log_that_is_replaced_while_it_grows_is_noticed(folder: Path) -> None:
    made = payloads(folder)
    forge(folder, made[:-1])
    answers = list(classifier().predict_many(DATA))
    with opened(folder) as run:
        log = folder / ITEMS_FILE
        log.rename(folder / "other")
        for _ in range(2):
            with pytest.raises(SentixError, match="was removed or replaced"):
                run.append(DATA.dialogues[-1], answers[-1])
            log.write_bytes(b"")
        assert (folder / "other").read_bytes().count(b"\n") == len(made) - 1


def test_a_folder_that_cannot_be_written_is_said_before_anything_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    check_writable(tmp_path / "new" / "run")
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)  # root may all
    for folder in (tmp_path, tmp_path / "new" / "run"):
        with pytest.raises(SentixError, match="Permission denied") as caught:
            check_writable(folder)
        assert caught.value.hint
    assert not (tmp_path / "new").exists()


def test_runs_of_the_earlier_version_are_read_but_not_gone_on_with(folder: Path) -> None:
    record = json.loads((folder / RUN_FILE).read_text())
    (folder / RUN_FILE).write_text(json.dumps({**record, "schema": 1}))
    lines = [json.dumps(payload).encode() + b"\n" for payload in payloads(folder)]
    (folder / ITEMS_FILE).write_bytes(b"".join(lines))
    assert len(read_entries(folder)) == len(DATA)
    with pytest.raises(ConfigError, match="of an earlier version"):
        opened(folder)


@pytest.mark.parametrize("device", DEVICES)
def test_links_to_devices_are_not_read(folder: Path, device: str) -> None:
    book = folder / "ledger.jsonl"
    for path in (folder / ITEMS_FILE, folder / RUN_FILE, folder / METRICS_FILE, book):
        path.unlink(missing_ok=True)
        path.symlink_to(device)
    for read in (read_entries, read_run, read_metrics, opened):
        with pytest.raises(InputError):
            read(folder)
    for use in (check_ledger, lambda path: enter_ledger(path, {"run": "a"})):
        with pytest.raises(SentixError, match="a pipe or a device, not a file"):
            use(book)


def test_pipes_without_a_writer_hold_nobody_up(folder: Path) -> None:
    book = folder / "ledger.jsonl"
    for path in (folder / ITEMS_FILE, folder / RUN_FILE, book):
        path.unlink(missing_ok=True)
        os.mkfifo(path)
    for read in (read_entries, read_run, opened):
        with pytest.raises(InputError):
            read(folder)
    with pytest.raises(SentixError, match="a pipe or a device, not a file"):
        check_ledger(book)


@pytest.mark.parametrize("garbage", ["[" * 100_000, '{"a":' * 100_000, "\0", "9" * 5000, "[1]"])
def test_garbage_in_a_ledger_keeps_no_line_out(tmp_path: Path, garbage: str) -> None:
    book = tmp_path / "ledger.jsonl"
    book.write_text(garbage + "\n")
    check_ledger(book)
    assert enter_ledger(book, {"run": "a"})
    assert not enter_ledger(book, {"run": "a"})
    assert book.read_text().startswith(garbage)


@pytest.mark.parametrize("garbage", ["[" * 100_000, '{"run":' * 100_000, "{}", "9" * 5000, "\0"])
def test_garbage_for_a_record_is_one_sentence(folder: Path, garbage: str) -> None:
    (folder / RUN_FILE).write_text(garbage)
    for read in (read_run, opened):
        with pytest.raises(InputError, match=RUN_FILE):
            read(folder)


def test_a_record_whose_identity_is_nested_is_compared(folder: Path) -> None:
    deep: Any = "x"
    for _ in range(400):
        deep = {"a": deep}
    record = json.loads((folder / RUN_FILE).read_text())
    (folder / RUN_FILE).write_text(json.dumps({**record, "identity": {"data": deep}}))
    with pytest.raises(SentixError):
        opened(folder)
