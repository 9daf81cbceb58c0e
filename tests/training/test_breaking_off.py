"""Trainings that come apart: numbers that are none, disks that refuse."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from sentixrl.errors import SentixError
from sentixrl.training.checkpoints import last_checkpoint

from .small import Noted, recipe, train

pytestmark = pytest.mark.usefixtures("float32")


@pytest.mark.parametrize(
    ("checks", "kept"), [(1, "There is no checkpoint yet"), (30, "The last good checkpoint is")]
)
def test_a_rate_that_is_far_too_high_stops_with_a_sentence(
    base: Path, meld: Path, tmp_path: Path, checks: int, kept: str
) -> None:
    """Whether the loss meets the ruin first, or an evaluation of dev does."""
    one = recipe(base, optimiser={"learning_rate": 1e9, "pack_tokens": 256, "warmup": 0.0},
                 checks_per_epoch=checks)  # fmt: skip
    with pytest.raises(SentixError) as caught:
        train(one, meld, tmp_path / "out")
    assert caught.value.code == "nan_loss"
    assert " at step " in caught.value.message
    assert caught.value.hint
    assert kept in caught.value.hint
    assert "--out" in caught.value.hint


def test_a_loss_that_is_no_number_names_the_last_checkpoint(
    base: Path, meld: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import signal

    from sentixrl.training.trainer import TrieTrainer

    monkeypatch.setattr("sentixrl.training.trainer.SAVE_SECONDS", 0.0)
    before = signal.getsignal(signal.SIGINT)
    compute = TrieTrainer.compute_loss

    def spoiled(self: TrieTrainer, model: Any, inputs: Any, *rest: Any, **more: Any) -> Any:  # noqa: ANN401
        if self.state.global_step == 3:
            with torch.no_grad():
                next(iter(self.trainable.trained.values())).fill_(float("nan"))
        return compute(self, model, inputs, *rest, **more)

    monkeypatch.setattr(TrieTrainer, "compute_loss", spoiled)
    one = recipe(base, epochs=0.5)
    with pytest.raises(SentixError) as caught:
        train(one, meld, tmp_path / "out")
    assert caught.value.message == "The loss is not a number at step 4."
    last = last_checkpoint(tmp_path / "out")
    assert last == tmp_path / "out" / "checkpoint-3"
    assert caught.value.hint
    assert str(last) in caught.value.hint
    assert signal.getsignal(signal.SIGINT) is before

    monkeypatch.setattr(TrieTrainer, "compute_loss", compute)
    noted = Noted()
    assert train(one, meld, tmp_path / "out", noted) is not None  # and it can go on
    assert f"Going on from {last}." in noted.said


def test_a_checkpoint_that_the_disk_refuses_is_said_to_be_and_leaves_nothing(
    base: Path, meld: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import Trainer

    save = Trainer._save_checkpoint

    def full(self: Trainer, model: Any, trial: Any) -> None:  # noqa: ANN401
        save(self, model, trial)
        if self.state.global_step == 3:  # as torch's writer says it
            raise RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed")

    monkeypatch.setattr("sentixrl.training.trainer.SAVE_SECONDS", 0.0)
    monkeypatch.setattr(Trainer, "_save_checkpoint", full)
    with pytest.raises(
        SentixError, match="checkpoint-3 cannot be written: PytorchStream"
    ) as caught:
        train(recipe(base, epochs=0.5), meld, tmp_path / "out")
    assert caught.value.hint
    left = sorted(path.name for path in (tmp_path / "out").glob("checkpoint-*"))
    assert left[-1] == "checkpoint-2"
    assert last_checkpoint(tmp_path / "out") == tmp_path / "out" / "checkpoint-2"


def test_gradients_that_are_no_numbers_never_reach_the_weights(
    base: Path, meld: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sentixrl.training.trainer import TrieTrainer

    seen: list[dict[str, torch.Tensor]] = []
    compute = TrieTrainer.compute_loss

    def steep(self: TrieTrainer, model: Any, inputs: Any, *rest: Any, **more: Any) -> Any:  # noqa: ANN401
        loss = compute(self, model, inputs, *rest, **more)
        if self.state.global_step < 2:
            return loss
        seen.append({name: p.detach() for name, p in self.trainable.trained.items()})
        first = next(iter(self.trainable.trained.values()))
        return loss + (first.sum() * 0).sqrt()  # worth nothing, with an infinite slope

    monkeypatch.setattr(TrieTrainer, "compute_loss", steep)
    with pytest.raises(SentixError, match="A gradient is not a number at step 3"):
        train(recipe(base), meld, tmp_path / "out")
    assert all(torch.isfinite(value).all() for value in seen[0].values())
