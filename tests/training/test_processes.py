"""Several processes that train together do what one does."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from safetensors.torch import load_file
from transformers import TrainingArguments

from sentixrl.errors import ConfigError, InputError
from sentixrl.training import processes, trainer
from sentixrl.training.examples import PackDataset
from sentixrl.training.processes import all_gather, on_main, own_device
from sentixrl.training.recipe import Recipe, as_plain
from sentixrl.training.running import train_bundle
from sentixrl.training.setting import objective_of, packs_a_step, prepare
from sentixrl.training.trainer import TrieTrainer

from .small import Noted, recipe, write_meld
from .together import note_gradients

ROOT = Path(__file__).parents[2]


def odd_recipe(base: Path, packs_per_step: int, **changes: Any) -> Recipe:  # noqa: ANN401
    """A recipe whose packs do not come out even between two processes."""
    how = {"learning_rate": 1e-3, "pack_tokens": 160, "warmup": 0.2, "max_grad_norm": 1e9,
           "packs_per_step": packs_per_step}  # fmt: skip
    return recipe(base, epochs=1, checks_per_epoch=2, optimiser=how, **changes)


def train_together(one: Recipe, data: Path, folder: Path) -> list[subprocess.CompletedProcess[str]]:
    """Two processes on one recipe, as ``torchrun --nproc-per-node 2`` would start them."""
    path = folder.with_suffix(".yaml")
    path.write_text(yaml.safe_dump(as_plain(one)), "utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    told = {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    paths = os.pathsep.join([str(ROOT), *filter(None, sys.path)])
    begun = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.training.together", *map(str, (path, data, folder))],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, **told, "RANK": rank, "LOCAL_RANK": rank, "COLUMNS": "110",
                 "PYTHONPATH": paths, "OMP_NUM_THREADS": "1"},
        )
        for rank in "01"
    ]  # fmt: skip
    said = []
    for process in begun:
        out, errors = process.communicate(timeout=120)
        said.append(subprocess.CompletedProcess(process.args, process.returncode, out, errors))
    return said


@pytest.mark.usefixtures("float32")
def test_two_processes_train_what_one_does_with_twice_the_packs_a_step(
    base: Path, tmp_path: Path
) -> None:
    data = write_meld(tmp_path / "data", train=31, dev=6)
    second = {"folds": 2, "epochs": 0.5}
    alone = odd_recipe(base, 4, discriminator=second)
    steps = prepare(alone, data, lambda text: None)
    assert len(steps.packs) % 4 == 3  # the last step lacks a pack
    hook = note_gradients(tmp_path / "one.0")
    try:
        expected = train_bundle(alone, data, tmp_path / "one", Noted().reporter, lambda cost: True)
    finally:
        hook.remove()
    assert expected is not None
    main, other = train_together(odd_recipe(base, 2, discriminator=second), data, tmp_path / "two")
    assert (main.returncode, other.returncode) == (0, 0), main.stderr + other.stderr
    assert "keeps" in main.stdout
    assert "best so far" in main.stderr
    assert not other.stdout
    assert "dev" not in other.stderr
    one, two = (
        json.loads((tmp_path / name / "bundle" / "training.json").read_text())
        for name in ("one", "two")
    )
    assert [look["step"] for look in one["history"]] == [look["step"] for look in two["history"]]
    assert two["history"][-1]["step"] == steps.steps
    # The optimiser would hide a wrong scale of the gradients.
    last, *both = (load_file(tmp_path / name) for name in ("one.0", "two.0", "two.1"))
    for name, value in last.items():
        for found in both:
            torch.testing.assert_close(found[name], value, rtol=1e-2, atol=1e-4)
    kept, together = (
        load_file(tmp_path / name / "best" / "trained.safetensors") for name in ("one", "two")
    )
    before = dict(steps.trainable.trained)
    for name, value in kept.items():
        assert (value - before[name]).abs().max() > 1e-3
        torch.testing.assert_close(together[name], value, rtol=1e-3, atol=1e-4)


def test_what_the_main_process_refuses_all_refuse(base: Path, tmp_path: Path) -> None:
    data = write_meld(tmp_path / "data", train=8, dev=2)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "notes.txt").write_text("mine")
    for said in train_together(odd_recipe(base, 1), data, tmp_path / "out"):
        assert said.returncode == 2, said.stderr
        assert "holds no training" in said.stderr
        assert "Traceback" not in said.stderr
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["notes.txt"]


def test_alone_there_is_nobody_to_wait_for() -> None:
    assert (processes.world_size(), processes.is_main()) == (1, True)
    assert on_main(lambda: 3) == 3
    assert all_gather("a") == ["a"]


@pytest.mark.usefixtures("float32")
def test_every_process_has_as_many_packs(
    base: Path, meld: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = prepare(odd_recipe(base, 4), meld, lambda text: None)
    for room in ("examples", "setting"):
        monkeypatch.setattr(f"sentixrl.training.{room}.world_size", lambda: 3)
    data = PackDataset(one.packs[:5], one.packer())
    assert len(data) == 6
    assert [data[index].repeated for index in range(6)] == [False] * 5 + [True]
    assert packs_a_step(one.recipe) == 12


@pytest.mark.parametrize("device", ["gpu", "cuda", "cuda:1", "cpu:x"])
def test_a_device_that_is_not_there_is_said_first(base: Path, tmp_path: Path, device: str) -> None:
    if device.startswith("cuda") and torch.cuda.is_available():
        pytest.skip("it is there")
    with pytest.raises(ConfigError, match=f"The device '{device}' cannot be used"):
        train_bundle(recipe(base), tmp_path, tmp_path, Noted().reporter, lambda cost: True, device)


@pytest.mark.parametrize(("place", "asked"), [(0, "cuda:1"), (1, "cuda:0")])
def test_a_process_trains_on_its_own_device(
    monkeypatch: pytest.MonkeyPatch, place: int, asked: str
) -> None:
    monkeypatch.setattr(processes, "check_device", lambda device: None)
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    monkeypatch.setattr(processes, "world_size", lambda: 1 + place)
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    monkeypatch.setenv("LOCAL_RANK", str(place))
    assert own_device("cuda") == own_device(f"cuda:{place}") == torch.device("cuda", place)
    with pytest.raises(ConfigError, match=f"trains on 'cuda:{place}', not on '{asked}'"):
        own_device(asked)


@pytest.mark.parametrize("name", ["FSDP", "DEEPSPEED"])
def test_a_launcher_that_would_split_the_model_is_refused(
    monkeypatch: pytest.MonkeyPatch, base: Path, tmp_path: Path, name: str
) -> None:
    monkeypatch.setenv(f"ACCELERATE_USE_{name}", "true")
    with pytest.raises(ConfigError, match="would split the model") as caught:
        prepare(recipe(base), tmp_path, lambda text: None)
    assert "accelerate launch --multi_gpu" in (caught.value.hint or "")


def test_errors_reach_other_processes_whole() -> None:
    import pickle

    error = pickle.loads(pickle.dumps(InputError("It is so.", hint="Mend it.", code="so")))
    assert (error.message, error.hint, error.code) == ("It is so.", "Mend it.", "so")


@pytest.mark.usefixtures("float32")
def test_one_process_takes_one_device_however_many_it_sees(
    base: Path, meld: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Seeing(TrainingArguments):  # type: ignore[misc]
        def __init__(self, **arguments: Any) -> None:  # noqa: ANN401
            super().__init__(**arguments)
            assert self.device.type == "cpu"
            self._n_gpu = 4

    monkeypatch.setattr(trainer, "TrainingArguments", Seeing)
    one = prepare(recipe(base), meld, lambda text: None)
    packs = PackDataset(one.packs, one.packer())
    made = TrieTrainer(
        one.trainable, objective_of(one.recipe, one.sources), packs, one.recipe, tmp_path, []
    )
    assert made.args.n_gpu == 1
