"""The same job on Ray: equal results, whoever dies on the way."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import pytest

from sentixrl.batch import BatchJob, BatchOptions, Patience, RayClassifier, RayWorkers, Summary
from sentixrl.batch.board import MOST_LOSSES, Board
from sentixrl.batch.job import Job
from sentixrl.batch.meter import Meter
from sentixrl.batch.ray_workers import _Task
from sentixrl.batch.spool import Chunk
from sentixrl.classifier import Classifier
from sentixrl.errors import ConfigError, InputError, MissingDependencyError, ModelError
from sentixrl.negotiation.options import NegotiationOptions
from sentixrl.spec import ClassifierSpec
from tests.batch.small import BROKEN, DEADLY, Scripted, done, results, run, shards, write_table

SMALL = BatchOptions(chunk_turns=8)
CHUNKS = [Chunk(number, 0, 1, 1, 10, "") for number in (1, 2, 3)]


@pytest.fixture(scope="module")
def ray() -> Iterator[Any]:
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_raylet_start_wait_time_s": "120"}
    ray = pytest.importorskip("ray")
    ray.init(
        num_cpus=2, include_dashboard=False, object_store_memory=100 << 20,
        log_to_driver=False, logging_level="ERROR",
    )  # fmt: skip
    yield ray
    ray.shutdown()


def run_on_ray(
    source: Path, out: Path, loader: Scripted, workers: int = 2, patience: Patience | None = None
) -> Summary:
    team = RayWorkers(loader, workers=workers, patience=patience)
    with BatchJob([str(source)], out, team, SMALL) as job:
        return job.run()


def answerers() -> list[Any]:
    psutil = pytest.importorskip("psutil")
    return [
        process
        for process in psutil.Process().children(recursive=True)
        if "Answerer" in " ".join(process.cmdline())
    ]


@pytest.mark.skipif(sys.platform == "win32", reason="no kill -9")
def test_a_killed_worker_costs_nothing_but_its_chunk(ray: Any, tmp_path: Path) -> None:  # noqa: ANN401
    source = write_table(tmp_path / "in.csv", dialogues=40, scattered=True)
    run([source], tmp_path / "whole", Scripted(failing=2))
    out = tmp_path / "out"
    killed: list[int] = []

    def kill() -> None:
        while done(out) < 2:
            time.sleep(0.01)
        for process in answerers()[:1]:
            process.kill()
            killed.append(process.pid)

    killer = threading.Thread(target=kill)
    killer.start()
    summary = run_on_ray(source, out, Scripted(seconds=0.02, failing=2))
    killer.join()
    assert killed
    assert summary.dialogues == 40
    assert results(out) == results(tmp_path / "whole")


@dataclass(frozen=True)
class Frail(Scripted):
    """A loader whose first processes end while they load.

    Attributes:
        folder: Where each leaves a file.
        survivor: Which process is the first to live.
    """

    folder: Path = Path()
    survivor: int = 2

    def load(self) -> Classifier:
        (self.folder / f"loading-{os.getpid()}").touch()
        if len(list(self.folder.glob("loading-*"))) < self.survivor:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().load()


@pytest.mark.skipif(sys.platform == "win32", reason="no kill -9")
def test_a_first_worker_that_dies_while_it_loads_is_replaced(ray: Any, tmp_path: Path) -> None:  # noqa: ANN401
    source = write_table(tmp_path / "in.csv")
    run([source], tmp_path / "whole")
    summary = run_on_ray(source, tmp_path / "out", Frail(folder=tmp_path), workers=1)
    assert summary.errors == 0
    assert results(tmp_path / "out") == results(tmp_path / "whole")
    never = Frail(folder=tmp_path, survivor=99)
    with pytest.raises(ModelError, match="was killed, crashed"):
        run_on_ray(source, tmp_path / "never", never, workers=1)
    assert len(list(tmp_path.glob("loading-*"))) == 2 + MOST_LOSSES


@dataclass(frozen=True)
class Faulty(Scripted):
    """A loader that fails as nobody foresaw.

    Attributes:
        folder: Where each attempt leaves a file.
    """

    folder: Path = Path()

    def load(self) -> Classifier:
        (self.folder / f"loading-{os.getpid()}").touch()
        raise ZeroDivisionError("division by nought.\nMore of it.")


def test_a_worker_that_fails_is_not_taken_for_one_that_died(ray: Any, tmp_path: Path) -> None:  # noqa: ANN401
    source = write_table(tmp_path / "in.csv")
    with pytest.raises(ModelError) as caught:
        run_on_ray(source, tmp_path / "out", Faulty(folder=tmp_path), workers=1)
    assert str(caught.value) == (
        "A worker that was to load the model failed: ZeroDivisionError: division by nought."
    )
    assert not caught.value.retryable
    assert len(list(tmp_path.glob("loading-*"))) == 1


def test_a_chunk_in_which_a_worker_fails_ends_the_job(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = pytest.importorskip("ray")
    error = ray.exceptions.RayTaskError("answer", "", KeyError("labels"), "x", 1, "here")

    def get(_: object) -> None:
        raise error.as_instanceof_cause()

    monkeypatch.setattr(ray, "get", get)
    team = RayWorkers(Scripted())
    team._tasks["x"] = _Task("actor", CHUNKS[0])
    with pytest.raises(ModelError, match=r"was to answer failed: KeyError: 'labels'\.$"):
        team._settle("x", Board(CHUNKS), cast(Job, None), Meter(9, 0))


def test_a_chunk_that_no_worker_survives_is_given_up(ray: Any, tmp_path: Path) -> None:  # noqa: ANN401
    source = tmp_path / "in.csv"
    lines = [f"Line {number}." for number in range(24)]
    lines[12] = DEADLY
    source.write_text("\n".join(["text", *lines]) + "\n", "utf-8")
    summary = run_on_ray(source, tmp_path / "out", Scripted())
    assert (summary.dialogues, summary.errors, summary.retryable) == (24, 8, 8)
    failed = [
        json.loads(line) for line in (tmp_path / "out" / "errors.jsonl").read_text().splitlines()
    ]
    assert {entry["code"] for entry in failed} == {"worker_died"}
    assert summary.turns == 24
    again = run([source], tmp_path / "out", Scripted(fails=False))  # here, without Ray
    assert (again.fresh, again.errors) == (8, 0)


def test_a_worker_with_another_model_is_refused(ray: Any, tmp_path: Path) -> None:  # noqa: ANN401
    source = write_table(tmp_path / "in.csv")
    run([source], tmp_path / "out")
    with pytest.raises(ConfigError, match=r"model\.name was"):
        run_on_ray(source, tmp_path / "out", Scripted(seed=5), workers=1)


def test_ray_data_gets_a_row_per_dialogue(ray: Any) -> None:  # noqa: ANN401
    data = pytest.importorskip("ray.data")
    rows = [{"id": n, "utterances": [f"Line {n}.", "Yes."]} for n in range(6)]
    rows[3] = {"id": 3, "utterances": []}
    found = (
        data.from_items(rows)
        .map_batches(
            RayClassifier, fn_constructor_kwargs={"spec": Scripted()}, concurrency=1, batch_size=4
        )
        .take_all()
    )
    assert sorted(row["id"] for row in found) == list(range(6))
    by_id = {row["id"]: row for row in found}
    assert by_id[3]["error"] == "Dialogue '1' (number 4) has no utterance."
    assert all(len(row["labels"]) == 2 for row in found if row["id"] != 3)


def test_a_batch_comes_back_with_its_columns_and_errors() -> None:
    classify = RayClassifier(Scripted(), column="said")
    said: list[Any] = ["Hello.", None, BROKEN, ["Bye.", "Bye then."]]
    batch = {"n": [1, 2, 3, 4], "said": said}
    found = classify(batch)
    assert list(found) == ["n", "said", "labels", "confidences", "statuses", "error"]
    assert [len(labels) for labels in found["labels"]] == [1, 0, 0, 2]
    assert [error is None for error in found["error"]] == [True, False, False, True]
    with pytest.raises(InputError, match="no column 'said'"):
        classify({"n": [1]})


def test_a_specification_names_both_models_from_anywhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("ray")
    monkeypatch.chdir(tmp_path)
    for name in ("proposes", "judges"):
        Path(name).mkdir()
    spec = ClassifierSpec("proposes", negotiation=NegotiationOptions(discriminator="judges"))
    loader = RayWorkers(spec)._loader
    assert isinstance(loader, ClassifierSpec)
    assert loader.negotiation is not None
    named = (loader.model, loader.negotiation.discriminator)
    assert named == (str(tmp_path / "proposes"), str(tmp_path / "judges"))


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingDependencyError, match="'ray'"):
        RayWorkers(Scripted())


def test_a_cluster_of_another_version_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = pytest.importorskip("ray")

    def mismatch(**_: object) -> None:
        raise RuntimeError("Version mismatch: The cluster was started with:\n    Ray: 2.9.0\n")

    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    monkeypatch.setattr(ray, "init", mismatch)
    with pytest.raises(ConfigError, match=r"cannot be joined: Version mismatch.*Ray: 2\.9\.0\."):
        run_on_ray(write_table(tmp_path / "in.csv"), tmp_path / "out", Scripted())
    assert not shards(tmp_path / "out")


def test_a_chunk_is_given_to_others_when_its_worker_is_lost() -> None:
    board = Board(CHUNKS)
    first, second = board.take(0.0), board.take(0.0)
    assert first is not None
    assert second is not None
    for _ in range(MOST_LOSSES - 1):
        assert board.lost(first)
        assert board.take(1.0) == first
    board.finished(second, 5.0)
    assert not board.lost(first)
    third = board.take(2.0)
    assert third == CHUNKS[2]
    assert board.take(2.0) is None
    board.finished(CHUNKS[2], 3.0)
    assert not board.open


def test_a_chunk_is_overdue_by_what_others_took() -> None:
    board = Board(CHUNKS, Patience(factor=10, least=5, first=100))
    first, second = board.take(0.0), board.take(0.0)
    assert first is not None
    assert second is not None
    assert not board.is_overdue(second, 99.0)
    board.finished(first, 2.0)  # ten turns in two seconds: twenty for the next ten
    assert not board.is_overdue(second, 19.0)
    assert board.is_overdue(second, 21.0)
