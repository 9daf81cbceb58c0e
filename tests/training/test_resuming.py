"""kill -9 and Ctrl-C in the middle, then the same command again: as if nothing had happened."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file

from sentixrl.training.checkpoints import checkpoints, last_checkpoint
from sentixrl.training.optimizer import MasterAdamW
from sentixrl.training.recipe import Recipe, as_plain
from sentixrl.training.running import train_bundle
from sentixrl.training.trainer import ProgressCallback, TrieTrainer

from ..cli.shell import Shell
from ..cli.shell import make_shell as make_shell
from .slow_training import slow_recipe
from .small import Noted, recipe

ROOT = Path(__file__).parents[2]
needs_signals = pytest.mark.skipif(sys.platform == "win32", reason="no kill -9")


def stop_at(
    step: int, number: signal.Signals, base: Path, data: Path, folder: Path
) -> tuple[int, list[str], str]:
    """Begin or go on in a process, and send a signal during a step; exit code and what it said."""
    command = [
        sys.executable,
        "-m",
        "tests.training.slow_training",
        *map(str, (base, data, folder)),
    ]
    paths = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert process.stdout is not None
    said = []
    while line := process.stdout.readline():
        said.append(line.strip())
        if line == f"step {step}\n":
            process.send_signal(number)
            break
    rest, errors = process.communicate(timeout=60)
    return process.returncode, [*said, *rest.splitlines()], " ".join(errors.split())


def finish(one: Recipe, data: Path, folder: Path) -> tuple[dict[str, Any], str]:
    """Train to the end in this process; the facts, and where it went on from."""
    noted = Noted()
    found = train_bundle(one, data, folder, noted.reporter, lambda cost: True)
    assert found is not None
    facts: dict[str, Any] = json.loads((found.folder / "training.json").read_text())
    going = [text for text in noted.said if text.startswith("Going on from")]
    return facts, going[0] if going else ""


def assert_same_end(
    folder: Path, facts: dict[str, Any], whole: Path, expected: dict[str, Any]
) -> None:
    """The same looks at dev and the same weights, within noise."""
    assert len(facts["history"]) > 1
    for one, other in zip(facts["history"], expected["history"], strict=True):
        assert one["step"] == other["step"]
        assert one["score"] == pytest.approx(other["score"], abs=0.05)
    kept, undisturbed = (load_file(f / "best" / "trained.safetensors") for f in (folder, whole))
    for name, value in undisturbed.items():
        assert kept[name].dtype == value.dtype
        error = (kept[name].float() - value.float()).norm() / value.float().norm()
        assert error < 0.01, name
    assert not list(folder.glob("checkpoint-*"))


@needs_signals
def test_a_training_killed_twice_ends_like_an_undisturbed_one(
    base: Path, meld: Path, float32: None, tmp_path: Path
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    expected, _ = finish(slow_recipe(base), meld, whole)
    looks = [look["step"] for look in expected["history"]]
    code, said, errors = stop_at(5, signal.SIGKILL, base, meld, killed)
    assert code == -signal.SIGKILL, errors
    assert said[0] == "step 0"
    assert not (killed / "history.json").exists()
    code, said, errors = stop_at(looks[0] + 3, signal.SIGKILL, base, meld, killed)
    assert code == -signal.SIGKILL, errors
    assert int(said[0].removeprefix("step ")) in (4, 5)  # the kill may have met the writing
    assert "Going on from" in errors
    seen = json.loads((killed / "history.json").read_text())
    assert [look["step"] for look in seen] == looks[:1]
    broken = killed / f"checkpoint-{looks[0] + 40}"
    broken.mkdir()
    (broken / "model.safetensors").write_bytes(b"half of it")
    reached = last_checkpoint(killed)
    assert reached is not None
    assert int(reached.name.removeprefix("checkpoint-")) >= looks[0]
    held = torch.load(reached / "optimizer.pt", weights_only=True)["state"].values()
    assert all("ema" in state for state in held)

    facts, going = finish(slow_recipe(base), meld, killed)
    assert going == f"Going on from {reached}."
    assert not broken.exists()  # else it would count as one of those that are kept
    assert facts["history"][0]["score"] == seen[0]["score"]  # not lost, not looked at again
    assert_same_end(killed, facts, whole, expected)


@pytest.mark.usefixtures("float32")
def test_a_training_stopped_at_the_look_that_ends_it_has_ended(
    base: Path, meld: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not trained on until the next look, which might find something better."""
    one = recipe(base, epochs=2, checks_per_epoch=8, patience=1, optimiser={"learning_rate": 1e-9})
    expected, _ = finish(one, meld, tmp_path / "whole")
    assert len(expected["history"]) == 2  # nothing better the second time
    end = ProgressCallback.on_step_end
    pressing = True

    def press(self: ProgressCallback, args: Any, state: Any, control: Any, **more: Any) -> None:  # noqa: ANN401
        if pressing and control.should_training_stop:
            self._interrupt(signal.SIGINT, None)
        end(self, args, state, control, **more)

    monkeypatch.setattr(ProgressCallback, "on_step_end", press)
    folder = tmp_path / "out"
    assert train_bundle(one, meld, folder, Noted().reporter, lambda cost: True) is None
    pressing = False
    facts, _ = finish(one, meld, folder)
    assert facts["history"] == expected["history"]


@pytest.mark.usefixtures("float32")
def test_ctrl_c_after_the_last_step_begins_nothing_more(
    base: Path, meld: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = recipe(base, epochs=0.3)
    release = ProgressCallback.release

    def press(self: ProgressCallback) -> None:
        self._interrupt(signal.SIGINT, None)
        release(self)

    monkeypatch.setattr(ProgressCallback, "release", press)
    folder = tmp_path / "out"
    with pytest.raises(KeyboardInterrupt):
        train_bundle(one, meld, folder, Noted().reporter, lambda cost: True)
    assert not (folder / "bundle").exists()
    noted = Noted()
    assert train_bundle(one, meld, folder, noted.reporter, lambda cost: True) is not None
    assert f"{folder} is trained already." in noted.said


@needs_signals
@pytest.mark.usefixtures("float32")
def test_ctrl_c_leaves_a_checkpoint_and_the_command_goes_on(
    shell: Shell, base: Path, meld: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The signal meets a step under way, which is finished; no other is begun."""
    folder, path = tmp_path / "out", tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(as_plain(slow_recipe(base))), "utf-8")
    before = signal.getsignal(signal.SIGINT)
    compute = TrieTrainer.compute_loss
    steps = []

    def pressed(self: TrieTrainer, *arguments: Any, **more: Any) -> Any:  # noqa: ANN401
        steps.append(self.state.global_step)
        if steps[-1] == 4 and len(steps) == 5:
            os.kill(os.getpid(), signal.SIGINT)
        return compute(self, *arguments, **more)

    monkeypatch.setattr(TrieTrainer, "compute_loss", pressed)
    answer = shell("train", path, "--data", meld, "--out", folder)
    assert answer.code == 130, answer.err
    assert steps == [0, 1, 2, 3, 4]
    said = " ".join(answer.err.split())
    assert "To resume, run the same command again" in said
    assert said.count("Stopped.") == 1
    assert answer.out == ""
    assert [found.name for found in checkpoints(folder)] == ["checkpoint-5"]
    assert not (folder / "bundle").exists()
    assert signal.getsignal(signal.SIGINT) is before
    answer = shell("train", path, "--data", meld, "--out", folder)
    assert answer.code == 0, answer.err
    assert "checkpoint-5." in "".join(answer.err.split())
    assert steps[5] == 5
    assert (folder / "bundle" / "bundle.json").is_file()


@pytest.mark.usefixtures("bfloat16")
@pytest.mark.parametrize("method", ["lora", "full"])
def test_so_it_goes_on_in_half_precision(
    base: Path, meld: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    """Adapters stay in their format, float32 masters are not lost, dropout goes on."""
    one = recipe(
        base, method=method, epochs=1, checks_per_epoch=2, dropout=0.1 if method == "lora" else 0.0
    )
    expected, _ = finish(one, meld, tmp_path / "whole")
    compute = TrieTrainer.compute_loss
    formats: set[torch.dtype] = set()

    def broken(self: TrieTrainer, *arguments: Any, **more: Any) -> Any:  # noqa: ANN401
        formats.update(p.dtype for p in self.trainable.trained.values())
        if self.state.global_step == 20 and stopping:
            raise RuntimeError("the power is gone")
        return compute(self, *arguments, **more)

    stopping = True
    monkeypatch.setattr("sentixrl.training.trainer.SAVE_SECONDS", 0.0)
    monkeypatch.setattr(TrieTrainer, "compute_loss", broken)
    with pytest.raises(RuntimeError, match="power"):
        finish(one, meld, tmp_path / "out")
    stopping = False
    held = torch.load(tmp_path / "out" / "checkpoint-20" / "optimizer.pt", weights_only=True)
    masters = [state["master"] for state in held["state"].values()]
    assert masters
    # Finer than what they are rounded to, and read back as they were written.
    assert any((master != master.bfloat16().float()).any() for master in masters)
    load, read_back = MasterAdamW.load_state_dict, list[torch.Tensor]()

    def read(self: MasterAdamW, state: dict[str, Any]) -> None:
        load(self, state)
        if state["state"]:  # accelerate hands an empty one around before
            read_back.extend(found["master"].clone() for found in self.state.values())

    monkeypatch.setattr(MasterAdamW, "load_state_dict", read)
    facts, going = finish(one, meld, tmp_path / "out")
    assert going.endswith("checkpoint-20.")
    assert all(torch.equal(*pair) for pair in zip(read_back, masters, strict=True))
    assert len(formats) == 1
    assert_same_end(tmp_path / "out", facts, tmp_path / "whole", expected)
