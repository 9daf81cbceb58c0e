"""Training throughput: trie packs against one prompt an utterance: ``make bench-train``.

One process, the same weights, number format, optimiser and questions. The plain way is
transformers' ``Trainer`` as it is usually used: every utterance's prompt a row of a padded batch
of 16, its label's first token the target. The last line printed is one JSON object.
"""

from __future__ import annotations

import datetime
import json
import platform
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from torch.utils.data import Dataset as TorchDataset
from transformers import Trainer, TrainingArguments

import sentixrl
from benchmarks.contenders import BATCH, padded
from benchmarks.material import ROOT, dialogues_of
from sentixrl.datasets.dataset import Dataset
from sentixrl.engines.local.hardware import processor_name
from sentixrl.labels import scheme
from sentixrl.training.examples import PackDataset, Packer
from sentixrl.training.losses import Focal
from sentixrl.training.material import Source
from sentixrl.training.model import load_trainable
from sentixrl.training.objective import Objective
from sentixrl.training.optimizer import MasterAdamW
from sentixrl.training.packs import TrainingPack
from sentixrl.training.recipe import Recipe
from sentixrl.training.setting import Setting, set_up
from sentixrl.training.trainer import TrieTrainer

LABELS = "meld-7"
RATE = 6e-5


class PlainTrainer(Trainer):
    """Transformers' ``Trainer`` over padded batches; the loss at each row's last token."""

    def compute_loss(
        self,
        model: Any,  # noqa: ANN401
        inputs: dict[str, Any],
        return_outputs: bool = False,
        **kwargs: Any,  # noqa: ANN401
    ) -> Any:  # noqa: ANN401
        """Cross-entropy of the label's first token."""
        positions = (inputs["attention_mask"].cumsum(-1) - 1).clamp(min=0)
        logits = model(
            input_ids=inputs["input_ids"],
            attention_mask=inputs["attention_mask"],
            position_ids=positions,
            use_cache=False,
            logits_to_keep=1,
        ).logits[:, -1]
        return torch.nn.functional.cross_entropy(logits.float(), inputs["labels"])


class Rows(TorchDataset[tuple[list[int], int]]):
    """A prompt and its target token, sorted by length so that little is padded."""

    def __init__(self, rows: list[tuple[list[int], int]]) -> None:
        self.rows = sorted(rows, key=lambda row: len(row[0]))

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, index: int) -> tuple[list[int], int]:
        return self.rows[index]


def main(
    dialogues: Annotated[int, typer.Option(help="Dialogues in the sample.")] = 24,
    out: Annotated[Path, typer.Option()] = ROOT / "results" / "bench_training.json",
) -> None:
    """Measure, print, write JSON."""
    console = Console()
    source, sample = dialogues_of("train", dialogues)
    label_set = scheme(LABELS)
    data = Dataset("sample", "train", "emotion", label_set, tuple(sample))
    recipe = Recipe.model_validate(
        {"name": "bench", "epochs": 1, "train": [{"dataset": "meld"}], "dev": [{"dataset": "meld"}]}
    )
    setting = set_up(recipe, [Source(data, 1.0, 0)], (), load_trainable(recipe))
    packer = setting.packer()
    packs = [packer(plan) for plan in setting.packs]
    count = sum(map(len, packs))
    console.print(f"{source}: {len(sample)} dialogues, {count} utterances, {len(packs)} packs")
    shared = _trie(recipe, setting, packer)
    computed = sum(len(pack.pack) for pack in packs)
    console.print(f"  trie packs: {count / shared:.1f} utterances/s", style="dim")
    alone, tokens = _plain(setting, packs)
    console.print(f"  one prompt an utterance: {count / alone:.1f} utterances/s", style="dim")
    report = {
        "headline": {
            "ratio": round(alone / shared, 2),
            "utterances_per_second": round(count / shared, 2),
            "plain_utterances_per_second": round(count / alone, 2),
        },
        "date": datetime.date.today().isoformat(),
        "machine": {
            "processor": processor_name(setting.trainable.device),
            "threads": torch.get_num_threads(),
            "dtype": str(setting.trainable.dtype).removeprefix("torch."),
        },
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "sentixrl": sentixrl.__version__,
        },
        "material": {"source": source, "utterances": count, "packs": len(packs)},
        "tokens": {"trie": computed, "plain": tokens},
    }
    out.write_text(json.dumps(report, indent=1) + "\n", "utf-8")
    print(json.dumps(report["headline"]))


def _trie(recipe: Recipe, setting: Setting, packer: Packer) -> float:
    """Seconds of a pass over the packs, the first step apart."""
    objective = Objective(Focal())
    with tempfile.TemporaryDirectory() as folder:
        warm = PackDataset(setting.packs[:1], packer)
        TrieTrainer(setting.trainable, objective, warm, recipe, Path(folder), []).train()
        packs = PackDataset(setting.packs, packer)
        trainer = TrieTrainer(setting.trainable, objective, packs, recipe, Path(folder), [])
        begun = time.perf_counter()
        trainer.train()
        return time.perf_counter() - begun


def _plain(setting: Setting, packs: list[TrainingPack]) -> tuple[float, int]:
    """Seconds of a pass over the same questions, one row each, and the tokens that took."""
    prompt_format = setting.trainable.prompt_format
    fill = prompt_format.end
    rows = [
        (
            prompt_format.encode(question.prompt).tolist(),
            prompt_format.answers(question.prompt, question.choices)[question.target][0],
        )
        for pack in packs
        for question in pack.questions
    ]
    counted = 0

    def collate(batch: list[tuple[list[int], int]]) -> dict[str, torch.Tensor]:
        nonlocal counted
        ids, mask = padded([row for row, _ in batch], fill)
        counted += ids.numel()
        labels = torch.tensor([label for _, label in batch])
        return {"input_ids": ids, "attention_mask": mask, "labels": labels}

    model = setting.trainable.model
    model.set_attn_implementation("sdpa")
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder, per_device_train_batch_size=BATCH, num_train_epochs=1,
            learning_rate=RATE, save_strategy="no", report_to=[], disable_tqdm=True,
            use_cpu=setting.trainable.device.type == "cpu", train_sampling_strategy="sequential",
            dataloader_pin_memory=False,
        )  # fmt: skip
        trainer = PlainTrainer(
            model=model, args=arguments, train_dataset=Rows(rows), data_collator=collate,
            optimizer_cls_and_kwargs=(MasterAdamW, {"lr": RATE}),
        )  # fmt: skip
        begun = time.perf_counter()
        trainer.train()
    return time.perf_counter() - begun, counted


if __name__ == "__main__":
    typer.run(main)
