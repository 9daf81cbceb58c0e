"""The training loop: transformers' ``Trainer`` over trie packs.

Contract: a step's loss is the mean over the questions of all packs of the step, by their shares,
whatever the packs' sizes and whichever process has them. A loss that is not a number stops the
training and names the last good checkpoint. Ctrl-C ends it at the next step with a checkpoint.
"""

from __future__ import annotations

import math
import shutil
import signal
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from transformers import PrinterCallback, Trainer, TrainerCallback, TrainingArguments

from sentixrl.engines.local._hf import quiet
from sentixrl.runs.storage import storage_error
from sentixrl.training.checkpoints import not_a_number, note_whole
from sentixrl.training.examples import PackDataset
from sentixrl.training.model import TrainableModel
from sentixrl.training.objective import Objective
from sentixrl.training.optimizer import MasterAdamW
from sentixrl.training.outputs import compute
from sentixrl.training.packs import TrainingPack
from sentixrl.training.processes import all_gather, on_main, world_size
from sentixrl.training.recipe import Recipe
from sentixrl.training.setting import packs_a_step

SAVE_SECONDS = 600.0
LOG_STEPS = 10


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a training stands.

    Attributes:
        step: Steps done.
        steps: Steps in all.
        loss: Mean loss of a question since the last report.
        tokens_per_second: Over the same time.
        seconds_left: At this speed.
    """

    step: int
    steps: int
    loss: float
    tokens_per_second: float
    seconds_left: float


Report = Callable[[Progress], None]


class TrieTrainer(Trainer):
    """``Trainer`` whose batches are packs.

    Args:
        trainable: The model.
        objective: The loss.
        packs: The training's packs, in order.
        recipe: Optimiser and schedule.
        folder: Where checkpoints go.
        callbacks: Called by transformers' ``Trainer``.
    """

    def __init__(
        self,
        trainable: TrainableModel,
        objective: Objective,
        packs: PackDataset,
        recipe: Recipe,
        folder: Path,
        callbacks: Sequence[TrainerCallback],
    ) -> None:
        self.trainable = trainable
        self.objective = objective
        self.tokens = 0
        self._folder = folder
        how = recipe.optimiser
        steps = math.ceil(len(packs) / packs_a_step(recipe))
        arguments = TrainingArguments(
            output_dir=str(folder),
            per_device_train_batch_size=1,
            gradient_accumulation_steps=how.packs_per_step,
            learning_rate=how.learning_rate,
            lr_scheduler_type="linear",
            warmup_steps=round(how.warmup * steps),
            weight_decay=how.weight_decay,
            max_grad_norm=how.max_grad_norm,
            num_train_epochs=1,
            logging_steps=LOG_STEPS,
            save_strategy="no",
            save_total_limit=2,
            eval_strategy="no",
            report_to=[],
            seed=recipe.seed,
            use_cpu=trainable.device.type == "cpu",
            dataloader_num_workers=0,
            dataloader_pin_memory=False,
            remove_unused_columns=False,
            disable_tqdm=True,
            train_sampling_strategy="sequential",
        )
        # Else a process that sees several devices would put torch's DataParallel around the model.
        arguments._n_gpu = min(arguments.n_gpu, 1)
        super().__init__(
            model=trainable.model,
            args=arguments,
            train_dataset=packs,
            data_collator=_only,
            callbacks=list(callbacks),
            optimizer_cls_and_kwargs=(
                MasterAdamW,
                {"lr": how.learning_rate, "weight_decay": how.weight_decay, "ema": how.ema},
            ),
        )
        self.remove_callback(PrinterCallback)  # standard output is for answers
        # The loss is divided by the questions of the whole step below, not by transformers.
        self.model_accepts_loss_kwargs = True

    def compute_loss(
        self,
        model: Any,  # noqa: ANN401
        inputs: dict[str, Any],
        return_outputs: bool = False,
        num_items_in_batch: torch.Tensor | float | None = None,
    ) -> Any:  # noqa: ANN401
        """The pack's share of the step's mean loss."""
        pack: TrainingPack = inputs["pack"].to(self.trainable.device)
        outputs = compute(model, self.trainable.decoder, pack.pack, pack.reads)
        self.tokens += len(pack.pack) * world_size()  # other processes have as many, about
        whole = pack.share if num_items_in_batch is None else num_items_in_batch
        # Gradients are averaged over processes, where a sum is wanted.
        loss = self.objective(pack, outputs) * (0 if pack.repeated else world_size()) / whole
        if not torch.isfinite(loss):
            raise not_a_number("The loss is not a number", self.state.global_step + 1, self._folder)
        return loss

    def _get_num_items_in_batch(
        self, batch_samples: list[dict[str, Any]], device: torch.device
    ) -> float:
        packs = (batch["pack"] for batch in batch_samples)
        return sum(all_gather(sum(pack.share for pack in packs if not pack.repeated)))

    def _save_checkpoint(self, model: Any, trial: Any) -> None:  # noqa: ANN401
        """Save, without progress bars, all or nothing.

        Raises:
            SentixError: The disk is full or refuses.
        """
        target = self._folder / f"checkpoint-{self.state.global_step}"
        try:
            with quiet():
                super()._save_checkpoint(model, trial)
        except (OSError, RuntimeError, SafetensorError) as error:  # torch's writer: RuntimeError
            shutil.rmtree(target, ignore_errors=True)  # what there is of it fills the disk
            raise storage_error(target, error) from None
        all_gather(None)  # each process has written what is its own
        on_main(partial(note_whole, target))

    def floating_point_ops(self, inputs: dict[str, Any]) -> int:
        """Not counted: tokens are."""
        return 0

    def _load_from_checkpoint(self, resume_from_checkpoint: str, model: Any = None) -> None:  # noqa: ANN401
        """Load weights; PEFT would leave an adapter in float32."""
        with quiet():  # a head that is the embedding is not missing
            super()._load_from_checkpoint(resume_from_checkpoint, model)
        for parameter in self.trainable.trained.values():
            parameter.data = parameter.data.to(self.trainable.dtype)


def _only(batch: Sequence[TrainingPack]) -> dict[str, TrainingPack]:
    (pack,) = batch
    return {"pack": pack}


class ProgressCallback(TrainerCallback):
    """Reports progress, saves now and then, and ends at Ctrl-C with a checkpoint."""

    def __init__(self, report: Report, folder: Path) -> None:
        self._report, self._folder = report, folder
        self._trainer: TrieTrainer | None = None
        self._pressed = self._stop = False
        self._since = (0, 0, 0.0)
        self._saved = 0.0
        self._before: Any = None

    @property
    def stopped(self) -> bool:
        """Whether Ctrl-C ended the training."""
        return self._stop

    @property
    def pressed(self) -> bool:
        """Whether Ctrl-C was pressed, be it too late to end the training."""
        return self._pressed

    def attach(self, trainer: TrieTrainer) -> None:
        """Tell whose tokens are counted."""
        self._trainer = trainer

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Take over Ctrl-C and the clock."""
        self._saved = time.monotonic()
        self._since = (state.global_step, 0, time.monotonic())
        if threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._interrupt)

    def on_pre_optimizer_step(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Stop before gradients that are not numbers reach the weights."""
        grads = [p.grad for p in kwargs["model"].parameters() if p.grad is not None]
        if not torch.stack(torch._foreach_norm(grads)).isfinite().all():
            raise not_a_number("A gradient is not a number", state.global_step + 1, self._folder)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Save when it is time, or when told to stop."""
        # Processes stop and save together, else those that went on would wait for the others.
        due = time.monotonic() - self._saved > SAVE_SECONDS
        pressed, late = zip(*all_gather((self._pressed, due)), strict=True)
        if any(pressed):
            self._stop = control.should_save = control.should_training_stop = True
        elif any(late):
            control.should_save = True
        if control.should_save:
            self._saved = time.monotonic()

    def on_log(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ANN401
        """Pass on how it goes."""
        logs: Mapping[str, float] = kwargs.get("logs") or {}
        if "loss" not in logs or self._trainer is None:
            return
        step, tokens, begun = self._since
        now, counted = time.monotonic(), self._trainer.tokens
        pace = max(now - begun, 1e-9)
        done = max(state.global_step - step, 1)
        left = (state.max_steps - state.global_step) * pace / done
        self._report(
            Progress(
                state.global_step, state.max_steps, logs["loss"], (counted - tokens) / pace, left
            )
        )
        self._since = (state.global_step, counted, now)

    def release(self) -> None:
        """Let go of Ctrl-C and of the trainer, however the training ended."""
        self._trainer = None
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None

    def _interrupt(self, number: int, frame: object) -> None:
        if self._pressed:
            raise KeyboardInterrupt
        self._pressed = True
