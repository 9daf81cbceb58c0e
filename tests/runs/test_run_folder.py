"""Run folders: whole dialogues, one identity, one writer, nothing lost."""

from __future__ import annotations

import errno
import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sentixrl.dialogue import Dialogue
from sentixrl.engines.fingerprint import fingerprint
from sentixrl.engines.local.bundled import INSTALLED_FILE
from sentixrl.errors import ConfigError, InputError, SentixError
from sentixrl.evaluation import build_items
from sentixrl.evaluation.running import answer_all, draw, score
from sentixrl.prediction import DialoguePrediction
from sentixrl.runs import (
    ITEMS_FILE,
    RUN_FILE,
    Entry,
    RunFolder,
    enter_ledger,
    read_entries,
    read_items,
    read_run,
    session_facts,
    storage,
)
from sentixrl.runs.entries import entry_json, read_entry
from tests.runs.small import classifier, dataset, identity, more_rounds

Damage = Callable[[list[bytes]], list[bytes]]
DATA = dataset()


def finished(folder: Path, *, timed: bool = False) -> bytes:
    """A whole run; the bytes of its log."""
    model = classifier()
    with RunFolder(folder, identity(model, DATA)) as run:
        if timed:
            answer_all(model, DATA.dialogues, run)
        else:
            for dialogue, found in zip(DATA, model.predict_many(DATA), strict=True):
                run.append(dialogue, found)
    return (folder / ITEMS_FILE).read_bytes()


def reopened(folder: Path) -> RunFolder:
    return RunFolder(folder, identity(classifier(), DATA))


def sealed(line: bytes, **changes: object) -> bytes:
    """The line as somebody who knows how would change it, with a digest that fits."""
    payload = {**json.loads(line), **changes}
    del payload[storage.DIGEST]
    return storage._line(payload)


@pytest.mark.parametrize("write", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_a_line_says_all_that_was_answered(seed: int, write: bool) -> None:
    model = classifier(seed, write=write)
    for dialogue, prediction in zip(DATA, model.predict_many(DATA), strict=True):
        line = json.loads(json.dumps(entry_json(Entry(dialogue, prediction))))
        found = read_entry(line)
        assert found.dialogue == dialogue
        assert entry_json(found) == line
        for before, after in zip(prediction.items, found.prediction.items, strict=True):
            assert (before.label, before.fallback, before.status) == (
                after.label,
                after.fallback,
                after.status,
            )
            assert after.tokens == before.tokens
            assert after.tokens > 0 or after.error is not None
            for one, other in zip(before.rounds, after.rounds, strict=True):
                assert other.proposal.log_probs == pytest.approx(one.proposal.log_probs)
                if one.judgement is not None and other.judgement is not None:
                    assert other.judgement.agree_log_prob == pytest.approx(
                        one.judgement.agree_log_prob
                    )


def test_a_reopened_run_gives_the_items_of_the_predictions_themselves(tmp_path: Path) -> None:
    finished(tmp_path)
    direct = build_items(zip(DATA, classifier().predict_many(DATA), strict=True))
    for before, after in zip(direct, build_items(read_items(tmp_path)), strict=True):
        assert after.confidence == pytest.approx(before.confidence, abs=1e-6)
        assert after.probabilities == pytest.approx(before.probabilities, abs=1e-6)
        assert after.cost is not None
        assert before.cost is not None
        assert after.cost.tokens == before.cost.tokens
        same = replace(
            after,
            probabilities=before.probabilities,
            confidence=before.confidence,
            cost=before.cost,
        )
        assert same == before


def test_a_log_cut_anywhere_goes_on_without_loss_or_repetition(tmp_path: Path) -> None:
    whole = finished(tmp_path / "whole")
    answers = {entry.dialogue.id: entry for entry in read_entries(tmp_path / "whole")}
    folder = tmp_path / "cut"
    finished(folder)
    for end in range(0, len(whole), 499):
        (folder / ITEMS_FILE).write_bytes(whole[:end])
        before = whole[:end].count(b"\n")
        assert len(read_items(folder)) == before
        with reopened(folder) as run:
            assert len(run.done) == before
            assert bool(run.repaired) == (not whole[:end].endswith(b"\n") and end > 0)
            for dialogue in run.remaining(DATA):
                run.append(dialogue, answers[dialogue.id].prediction)
        assert (folder / ITEMS_FILE).read_bytes() == whole


def test_a_repair_is_said(tmp_path: Path) -> None:
    whole = finished(tmp_path)
    (tmp_path / ITEMS_FILE).write_bytes(whole[:-5] + b"\0" * 40)
    with reopened(tmp_path) as run:
        assert run.repaired is not None
        assert "cut off" in run.repaired
        assert ITEMS_FILE in run.repaired
        assert len(run.done) == len(DATA) - 1
    with reopened(tmp_path) as run:
        assert run.repaired is None


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda lines: [lines[0], b'{"id": "d1", \n', *lines[2:]], "line 2"),
        (lambda lines: [*lines, lines[3]], "line 13: dialogue 'd3' stands in line 4"),
        (lambda lines: [b"[1]\n", *lines], "line 1"),
        (lambda lines: [b'{"a": 1}\n', *lines], "line 1: the line was changed"),
        (
            lambda lines: [*lines, lines[0].replace(b'"d0"', b'"d99"')],
            "line 13: .* 'd99' was changed",
        ),
        (lambda lines: [*lines, sealed(lines[0], id="d99")], "'d99'"),
        (lambda lines: [*lines, sealed(lines[0], id=None)], "line 13: the line names no dialogue"),
        (lambda lines: [line.replace(b'"joy"', b'"sad"') for line in lines], "was changed since"),
        (lambda lines: [*lines[:-1], lines[-1].replace(b'":', b'": ')], "line 12: .* 'd11' was"),
    ],
)
def test_a_log_changed_by_other_means_is_refused(tmp_path: Path, damage: Damage, says: str) -> None:
    lines = finished(tmp_path).splitlines(keepends=True)
    (tmp_path / ITEMS_FILE).write_bytes(b"".join(damage(lines)))

    def go_on() -> None:
        with reopened(tmp_path) as run:
            run.remaining(DATA)

    with pytest.raises(InputError, match=says):
        go_on()
    go_on_again = pytest.raises(InputError, match=says)
    with go_on_again:  # the failure left no lock behind
        go_on()


def test_a_line_that_is_no_dialogue_is_named(tmp_path: Path) -> None:
    lines = finished(tmp_path).splitlines(keepends=True)
    payload = json.loads(lines[4])
    payload["utterances"][0]["status"] = "unheard"
    lines[4] = sealed(lines[4], utterances=payload["utterances"])
    (tmp_path / ITEMS_FILE).write_bytes(b"".join(lines))
    with pytest.raises(InputError, match=r"items.jsonl, line 5: .*status"):
        read_items(tmp_path)


def test_another_identity_is_refused_and_named(tmp_path: Path) -> None:
    finished(tmp_path)
    other = identity(more_rounds(classifier()), DATA)
    with pytest.raises(ConfigError) as caught:
        RunFolder(tmp_path, other)
    assert "negotiation.rules.max_rounds was 3 and is now 5" in caught.value.message
    changed = {**identity(classifier(), DATA), "model": {"name": "scripted", "dtype": "bfloat16"}}
    with pytest.raises(ConfigError, match="dtype"):
        RunFolder(tmp_path, changed)
    with pytest.raises(ConfigError, match=r"data.data_hash"):
        RunFolder(tmp_path, identity(classifier(), dataset(11)))


def test_machine_date_and_command_do_not_count(tmp_path: Path) -> None:
    finished(tmp_path)
    first = read_run(tmp_path)
    with reopened(tmp_path) as run:
        run.begin_session(session_facts("sentixrl evaluate --again"))
        assert run.id == first["run"]
    again = read_run(tmp_path)
    assert again["identity"] == first["identity"]
    assert [session["command"] for session in again["sessions"]] == ["sentixrl evaluate --again"]
    assert {"date", "machine", "versions"} <= set(again["sessions"][0])


def test_where_the_weights_lie_does_not_count_but_what_they_are_does(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    for name in "ab":
        (tmp_path / name / "model.safetensors").write_bytes(b"same")
    before = fingerprint(tmp_path / "a")
    assert before == fingerprint(tmp_path / "b")
    (tmp_path / "a" / "run").mkdir()  # such as the one that this is for
    (tmp_path / "a" / "run" / "run.json").write_text("{}")
    (tmp_path / "a" / "README.md").write_text("A model.")
    (tmp_path / "a" / INSTALLED_FILE).write_text("{}")
    assert fingerprint(tmp_path / "a") == before
    (tmp_path / "b" / "model.safetensors").write_bytes(b"sane")
    assert fingerprint(tmp_path / "a") != fingerprint(tmp_path / "b")


def test_one_writer_at_a_time(tmp_path: Path) -> None:
    finished(tmp_path)
    with reopened(tmp_path):
        with pytest.raises(ConfigError, match=f"Another process \\({os.getpid()}\\)"):
            reopened(tmp_path)
        assert len(read_items(tmp_path)) == len(DATA)
    reopened(tmp_path).close()


def test_a_disk_without_locks_is_not_taken_for_a_busy_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none(file: int) -> None:
        raise OSError(errno.ENOSYS, "Function not implemented")

    monkeypatch.setattr("sentixrl.runs.lock._lock", none)
    with pytest.raises(SentixError, match="cannot be written: Function not implemented"):
        reopened(tmp_path)


def test_a_full_disk_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = classifier()
    real, left = os.write, 6_000

    def write(file: int, content: bytes) -> int:
        nonlocal left
        if left <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = real(file, content[: min(left, 500)])
        left -= taken
        return taken

    with RunFolder(tmp_path, identity(model, DATA)) as run:
        monkeypatch.setattr(os, "write", write)
        with pytest.raises(SentixError) as caught:
            answer_all(model, DATA.dialogues, run)
        monkeypatch.undo()
        kept = list(run.done)
    assert caught.value.retryable
    assert "no space left" in caught.value.message
    assert 0 < len(kept) < len(DATA)
    assert [dialogue.id for dialogue, _ in read_items(tmp_path)] == kept
    with reopened(tmp_path) as run:
        assert run.repaired is None
        answer_all(model, DATA.dialogues, run)
        assert run.done == tuple(dialogue.id for dialogue in DATA)


def test_a_full_disk_leaves_the_old_file_in_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    storage.write_json(tmp_path / "a.json", {"a": 1})

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SentixError, match="cannot grow"):
        storage.write_json(tmp_path / "a.json", {"a": 2})
    assert [item.name for item in tmp_path.iterdir()] == ["a.json"]
    assert json.loads((tmp_path / "a.json").read_text()) == {"a": 1}


def test_folders_of_others_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ConfigError, match=r"not empty and not a run folder: it holds 'thesis.txt'"):
        reopened(tmp_path)
    with pytest.raises(ConfigError, match="is a file"):
        reopened(tmp_path / "thesis.txt")
    with pytest.raises(InputError, match="is not a run folder"):
        read_run(tmp_path)
    with pytest.raises(InputError, match="is not a run folder"):
        read_items(tmp_path)


@pytest.mark.parametrize("content", ["", "[]", '{"schema": 99, "identity": {}}', "{"])
def test_a_damaged_record_is_refused(tmp_path: Path, content: str) -> None:
    finished(tmp_path)
    (tmp_path / RUN_FILE).write_text(content)
    with pytest.raises(InputError, match=RUN_FILE):
        reopened(tmp_path)


def test_a_dialogue_is_never_there_twice(tmp_path: Path) -> None:
    finished(tmp_path)
    entry = read_entries(tmp_path)[0]
    with reopened(tmp_path) as run, pytest.raises(InputError, match="already"):
        run.append(entry.dialogue, entry.prediction)


class Interrupted:
    """A system that is stopped by Ctrl-C after some dialogues."""

    def __init__(self, after: int) -> None:
        self.after = after

    def predict_many(self, dialogues: Iterable[Dialogue], /) -> Iterator[DialoguePrediction]:
        for number, found in enumerate(classifier().predict_many(dialogues)):
            if number == self.after:
                raise KeyboardInterrupt
            yield found


def test_numbers_are_the_same_after_an_interruption(tmp_path: Path) -> None:
    model = classifier()
    with RunFolder(tmp_path / "whole", identity(model, DATA)) as run:
        answer_all(model, DATA.dialogues, run)
        expected = score(run, DATA, DATA.label_set)
    for after in (0, 5):
        with reopened(tmp_path / "parts") as run:
            with pytest.raises(KeyboardInterrupt):
                answer_all(Interrupted(after), DATA.dialogues, run)
            with pytest.raises(ConfigError, match=r"lacks \d+ of 12 dialogues"):
                score(run, DATA, DATA.label_set)
    with reopened(tmp_path / "parts") as run:
        assert len(run.done) == 5
        answer_all(model, DATA.dialogues, run)
        found = score(run, DATA, DATA.label_set)
        answer_all(model, DATA.dialogues, run)
    items = [item for entry in read_entries(tmp_path / "parts") for item in entry.prediction.items]
    assert len(items) == sum(len(dialogue) for dialogue in DATA)
    for metrics in (expected, found):
        # What failed at once took no computing.
        assert metrics["speed"]["utterances"] == sum(item.tokens > 0 for item in items)
        assert metrics["speed"]["tokens"] == sum(item.tokens for item in items)
        del metrics["run"], metrics["speed"], metrics["negotiation"]["seconds"]
    assert found == expected
    assert found["n"] == DATA.labelled


@pytest.mark.parametrize("reproducible", [True, False])
def test_what_a_run_cost_is_what_its_engine_did(tmp_path: Path, reproducible: bool) -> None:
    model = classifier(seconds=0.001, reproducible=reproducible)
    with RunFolder(tmp_path, identity(model, DATA)) as run:
        answer_all(model, DATA.dialogues, run)
        speed = score(run, DATA, DATA.label_set)["speed"]
    items = [item for entry in read_entries(tmp_path) for item in entry.prediction.items]
    usage = model.engine.usage
    assert sum(item.tokens for item in items) == speed["tokens"] == usage.tokens > 0
    assert speed["seconds"] == pytest.approx(usage.seconds, abs=1e-6 * len(items))
    computed = [item for item in items if item.tokens]
    assert min(item.seconds for item in computed) >= 0.001
    assert speed["utterances"] == len(computed)
    assert speed["utterances_per_second"] == pytest.approx(len(computed) / speed["seconds"])


def test_a_draw_is_the_seed_s_and_keeps_order() -> None:
    drawn = draw(DATA, 5, seed=1)
    ids = [dialogue.id for dialogue in DATA]
    places = [ids.index(dialogue.id) for dialogue in drawn]
    assert len(drawn) == 5
    assert places == sorted(places)
    assert draw(DATA, 5, seed=1) == drawn
    assert draw(DATA, 5, seed=2) != drawn
    assert draw(DATA, 99) is DATA
    with pytest.raises(ConfigError):
        draw(DATA, 0)


def test_the_ledger_keeps_one_line_a_run(tmp_path: Path) -> None:
    book = tmp_path / "results" / "ledger.jsonl"
    assert enter_ledger(book, {"run": "a"})
    assert not enter_ledger(book, {"run": "a"})
    book.write_bytes(book.read_bytes().rstrip(b"\n"))  # an editor took the line's end
    assert enter_ledger(book, {"run": "b"})
    assert [json.loads(line)["run"] for line in book.read_text().splitlines()] == ["a", "b"]
