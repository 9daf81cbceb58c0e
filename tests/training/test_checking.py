"""Looks at dev: when, what is kept, when it is enough, and what a resumed training forgets."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from sentixrl.errors import InputError, SentixError
from sentixrl.training.answering import Answers
from sentixrl.training.checking import Check, DevCheck, read_history
from sentixrl.training.checkpoints import (
    checkpoints,
    last_checkpoint,
    note_whole,
    remove_checkpoints,
)
from sentixrl.training.model import load_trainable
from sentixrl.training.optimizer import MasterAdamW
from sentixrl.training.weights import keep_weights, load_mean, load_weights

from .small import recipe


class Course:
    """A training whose dev scores are known beforehand, one a step."""

    def __init__(self, folder: Path, found: Sequence[float], every: int, patience: int) -> None:
        self.found, self.folder = found, folder
        self.kept: list[int] = []
        self.told: list[tuple[int, bool]] = []
        self.step = 0
        self.check = DevCheck(
            None,  # type: ignore[arg-type]
            None,  # type: ignore[arg-type]
            {},
            every,
            patience,
            folder,
            keep=lambda target: self.kept.append(self.step),
            report=lambda check, better: self.told.append((check.step, better)),
        )
        self.check._evaluate = self.evaluate  # type: ignore[method-assign]

    def evaluate(self, step: int) -> Check:
        score = self.found[step - 1]
        return Check(step, score, {"dev": {"weighted_f1": score}}, 0.0)

    def run(self, begin: int = 0, end: int | None = None) -> int:
        """Go from a step to another, or to the end; the step it stopped at."""
        state = SimpleNamespace(global_step=begin, max_steps=len(self.found))
        self.check.on_train_begin(None, state, None)
        for step in range(begin + 1, (end or len(self.found)) + 1):
            self.step = state.global_step = step
            control = SimpleNamespace(should_training_stop=False, should_save=False)
            before = len(self.kept)
            self.check.on_step_end(None, state, control)
            # What was kept is in a checkpoint as well.
            assert control.should_save == (len(self.kept) > before)
            if control.should_training_stop:
                break
        return self.step


def test_dev_is_looked_at_every_so_often_and_at_the_end(tmp_path: Path) -> None:
    course = Course(tmp_path, [0.1 * step for step in range(1, 9)], every=3, patience=9)
    course.run()
    assert [step for step, _ in course.told] == [3, 6, 8]


def test_the_best_is_kept_and_a_draw_is_no_better(tmp_path: Path) -> None:
    course = Course(tmp_path, [0.3, 0.5, 0.5, 0.4, 0.6, 0.2], every=1, patience=9)
    course.run()
    assert course.kept == [1, 2, 5]
    assert [better for _, better in course.told] == [True, True, False, False, True, False]
    assert course.check.best is not None
    assert (course.check.best.step, course.check.best.score) == (5, 0.6)


@pytest.mark.parametrize(("patience", "last"), [(1, 3), (2, 4), (3, 9)])
def test_patience_ends_it(tmp_path: Path, patience: int, last: int) -> None:
    found = [0.3, 0.5, 0.4, 0.5, 0.6, 0.7, 0.1, 0.1, 0.1, 0.9]
    assert Course(tmp_path, found, every=1, patience=patience).run() == last


def test_what_is_looked_at_and_kept_is_the_average(tmp_path: Path) -> None:
    weight = torch.nn.Parameter(torch.zeros(1))
    optimizer = MasterAdamW([weight], lr=1.0, ema=0.5)
    seen: list[float] = []
    course = Course(tmp_path, [0.5, 0.6], every=1, patience=9)
    evaluate = course.evaluate

    def watched(step: int) -> Check:
        seen.append(weight.item())
        return evaluate(step)

    course.check._evaluate = watched  # type: ignore[method-assign]
    course.check._keep = lambda target: seen.append(weight.item())
    control = SimpleNamespace(should_training_stop=False, should_save=False)
    for step in (1, 2):
        weight.grad = torch.ones(1)
        optimizer.step()
        state = SimpleNamespace(global_step=step, max_steps=2)
        wrapped = SimpleNamespace(optimizer=optimizer)  # as accelerate does
        course.check.on_step_end(None, state, control, optimizer=wrapped)
        mean = optimizer.state[weight]["ema"].item()
        assert seen[-2:] == [mean, mean]
        assert weight.item() < mean < 0


def test_history_survives_and_forgets_what_will_be_repeated(tmp_path: Path) -> None:
    found = [0.3, 0.6, 0.4, 0.5, 0.9, 0.8]
    first = Course(tmp_path, found, every=1, patience=9)
    first.run(end=4)
    written = json.loads((tmp_path / "history.json").read_text())
    assert [look["step"] for look in written] == [1, 2, 3, 4]
    assert read_history(tmp_path) == first.check.history

    resumed = Course(tmp_path, found, every=1, patience=9)
    resumed.run(begin=3)
    assert [look.step for look in resumed.check.history] == [1, 2, 3, 4, 5, 6]
    assert resumed.kept == [5]  # step 4 was no better than the remembered step 2
    assert read_history(tmp_path) == resumed.check.history


def test_the_look_that_the_best_weights_come_from_is_not_forgotten(tmp_path: Path) -> None:
    """The checkpoint after it may have failed, and a second look need not find the same."""
    Course(tmp_path, [0.3, 0.4, 0.6], every=1, patience=9).run()
    again = Course(tmp_path, [0.3, 0.5, 0.5, 0.2], every=1, patience=9)
    again.run(begin=1)
    assert again.kept == []
    assert [(look.step, look.score) for look in again.check.history] == [
        (1, 0.3), (2, 0.5), (3, 0.6), (4, 0.2),
    ]  # fmt: skip
    assert again.check.best is not None
    assert again.check.best.step == 3
    even = Course(tmp_path, [0.3, 0.6, 0.5, 0.2], every=1, patience=9)
    even.run(begin=1)
    assert even.check.best is not None
    assert even.check.best.step == 3  # whose weights are kept
    better = Course(tmp_path, [0.3, 0.5, 0.7, 0.2], every=1, patience=9)
    better.run(begin=2)
    assert better.kept == [3]
    assert [look.score for look in better.check.history] == [0.3, 0.6, 0.7, 0.2]


def test_patience_counts_the_looks_before_a_resume(tmp_path: Path) -> None:
    found = [0.6, 0.5, 0.4, 0.3, 0.2, 0.1]
    Course(tmp_path, found, every=1, patience=3).run(end=2)
    assert Course(tmp_path, found, every=1, patience=3).run(begin=2) == 4


def test_a_new_training_has_no_history(tmp_path: Path) -> None:
    assert read_history(tmp_path) == []
    assert Course(tmp_path, [0.1], every=1, patience=1).check.best is None


def test_scores_are_those_of_the_likeliest_labels() -> None:
    sklearn = pytest.importorskip("sklearn.metrics")
    rng = np.random.default_rng(0)
    rows, gold = np.log(rng.dirichlet(np.ones(4), 60)), rng.integers(0, 4, 60)
    found = Answers(rows, gold, [("d", n) for n in range(60)]).scores()
    said = rows.argmax(-1)
    assert found["accuracy"] == pytest.approx(sklearn.accuracy_score(gold, said), abs=1e-5)
    for average in ("weighted", "macro"):
        expected = sklearn.f1_score(gold, said, average=average)
        assert found[f"{average}_f1"] == pytest.approx(expected, abs=1e-5)


def make_checkpoint(folder: Path, step: int) -> Path:
    path = folder / f"checkpoint-{step}"
    path.mkdir()
    (path / "optimizer.pt").write_bytes(b"moments")
    (path / "trainer_state.json").write_text('{"global_step": 1}', "utf-8")
    return path


def test_a_checkpoint_that_was_broken_off_or_spoiled_is_passed_over(tmp_path: Path) -> None:
    assert last_checkpoint(tmp_path) is None
    good = [make_checkpoint(tmp_path, step) for step in (9, 10)]
    broken_off, cut, lacking, damaged = (make_checkpoint(tmp_path, step) for step in range(11, 15))
    for whole in (*good, cut, lacking, damaged):
        note_whole(whole)
    assert not (broken_off / "whole.json").exists()
    (cut / "optimizer.pt").write_bytes(b"mom")
    (lacking / "optimizer.pt").unlink()
    (damaged / "whole.json").write_text("{", "utf-8")
    (good[0] / ".DS_Store").write_bytes(b"")  # somebody looked at it
    (tmp_path / "checkpoint-best").mkdir()
    (tmp_path / "checkpoint-99").write_text("no folder", "utf-8")
    assert checkpoints(tmp_path) == good
    assert last_checkpoint(tmp_path) == good[-1]

    before = set(tmp_path.iterdir())
    remove_checkpoints(tmp_path, broken=True)
    assert before - set(tmp_path.iterdir()) == {broken_off}
    remove_checkpoints(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"checkpoint-best", "checkpoint-99"}


@pytest.mark.parametrize("content", ["", "[", '[{"step": 1}]', '{"step": 1}', "3"])
def test_a_damaged_history_is_said_to_be(tmp_path: Path, content: str) -> None:
    (tmp_path / "history.json").write_text(content)
    with pytest.raises(InputError, match=r"history\.json is damaged"):
        read_history(tmp_path)


@pytest.mark.parametrize("method", ["full", "lora"])
def test_kept_weights_come_back(base: Path, float32: None, tmp_path: Path, method: str) -> None:
    trainable = load_trainable(recipe(base, method=method))
    before = {name: p.detach().clone() for name, p in trainable.trained.items()}
    keep_weights(trainable, tmp_path / "best")
    with torch.no_grad():
        for parameter in trainable.trained.values():
            parameter.add_(1.0)
    load_weights(trainable, tmp_path / "best")
    assert all(torch.equal(p, before[name]) for name, p in trainable.trained.items())
    assert [path.name for path in (tmp_path / "best").iterdir()] == ["trained.safetensors"]


@pytest.mark.parametrize("spoil", ["half", "empty", "gone", "other"])
def test_damaged_weights_are_said_to_be(
    base: Path, float32: None, tmp_path: Path, spoil: str
) -> None:
    trainable = load_trainable(recipe(base))
    keep_weights(trainable, tmp_path)
    path = tmp_path / "trained.safetensors"
    content = path.read_bytes()
    if spoil == "gone":
        path.unlink()
    elif spoil == "other":
        save_file({"nothing": torch.zeros(3)}, path)
    else:
        path.write_bytes(content[: len(content) // 2] if spoil == "half" else b"")
    with pytest.raises(InputError, match=r"trained\.safetensors is damaged"):
        load_weights(trainable, tmp_path)


def test_a_disk_that_refuses_the_weights_is_said_to(
    base: Path, float32: None, tmp_path: Path
) -> None:
    (tmp_path / "best").write_text("a file where the folder belongs")
    with pytest.raises(SentixError, match="cannot be written"):
        keep_weights(load_trainable(recipe(base)), tmp_path / "best")


def test_the_mean_of_kept_weights(base: Path, float32: None, tmp_path: Path) -> None:
    trainable = load_trainable(recipe(base))
    before = {name: p.detach().clone() for name, p in trainable.trained.items()}
    for number in (0, 1, 2):
        with torch.no_grad():
            for name, parameter in trainable.trained.items():
                parameter.copy_(before[name] + number * torch.sign(before[name]))
        keep_weights(trainable, tmp_path / str(number))
    load_mean(trainable, [tmp_path / str(number) for number in (0, 1, 2)])
    for name, parameter in trainable.trained.items():
        torch.testing.assert_close(parameter.detach(), before[name] + torch.sign(before[name]))
