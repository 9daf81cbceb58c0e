"""Small things to train on: a data set in MELD's layout of our own words, recipes, questions."""

from __future__ import annotations

import csv
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch

from sentixrl.context.building import ContextBuilder, ContextOptions
from sentixrl.context.prompt import Prompt
from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.engines.local._hf import TransformersDecoder
from sentixrl.engines.local.prompt_format import PromptFormat
from sentixrl.labels import LabelSet
from sentixrl.training.checking import Check
from sentixrl.training.finishing import Finished
from sentixrl.training.material import Source, load_holdout, load_sources
from sentixrl.training.outputs import Outputs, compute
from sentixrl.training.packs import TrainingPack
from sentixrl.training.questions import OutOfFold, Question, questions
from sentixrl.training.recipe import Recipe
from sentixrl.training.recipe_file import parse_recipe
from sentixrl.training.running import Reporter, train_bundle
from sentixrl.training.trainer import Progress

SIGNS = {"joy": "rain", "anger": "letter", "sadness": "river"}
"""Label → the word that gives it away in the synthetic dialogues."""
FILLERS = ("I", "you", "we", "believe", "kept", "years", "stopped", "walked", "home", "without")
COLUMNS = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode"
SIDES = {"joy": "positive", "anger": "negative", "sadness": "negative"}
SIZES = {"train": 60, "dev": 16, "test": 4}

LABELS = LabelSet("six", ["joy", "anger", "anger management", "deep melancholy", "calm", "sadness"])
"""Labels of one token and several, one of them the beginning of another."""


def write_meld(root: Path, **sizes: int) -> Path:
    """Splits of short dialogues whose labels one word of each turn gives away."""
    folder = root / "meld"
    folder.mkdir(parents=True, exist_ok=True)
    for split, size in {**SIZES, **sizes}.items():
        rng = random.Random(split)
        with (folder / f"{split}_sent_emo.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(COLUMNS.split(","))
            for dialogue in range(size):
                for turn in range(3):
                    label = rng.choice(list(SIGNS))
                    words = [*rng.choices(FILLERS, k=rng.randint(2, 4)), SIGNS[label]]
                    speaker = ("Ann", "Bob")[turn % 2]
                    writer.writerow(
                        (turn, " ".join(words), speaker, label, SIDES[label], dialogue, turn, 1, 1)
                    )
    return root


def recipe(base: Path, **changes: Any) -> Recipe:  # noqa: ANN401
    """A recipe over the synthetic data that trains in seconds."""
    content: dict[str, Any] = {
        "name": "tiny",
        "base": str(base),
        "labels": "meld-7",
        "method": "full",
        "rank": 8,
        "epochs": 6,
        "window": {"history_max": 0, "history_min": 0},
        "optimiser": {"learning_rate": 3e-3, "pack_tokens": 128, "warmup": 0.1},
        "train": [{"dataset": "meld"}],
        "dev": [{"dataset": "meld", "split": "dev"}],
        "holdout": [{"dataset": "meld", "split": "test"}],
    }
    return parse_recipe({**content, **changes}, "of the test")


def sources_of(
    one: Recipe, root: Path, say: Callable[[str], None] = lambda text: None
) -> list[Source]:
    """What a recipe trains on."""
    return load_sources(one, root, load_holdout(one, root), say)


class Noted:
    """Everything a training told whoever watched it."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.progress: list[Progress] = []
        self.checks: list[tuple[Check, bool]] = []

    @property
    def reporter(self) -> Reporter:
        """Takes notes."""
        return Reporter(
            self.said.append,
            self.progress.append,
            lambda check, better: self.checks.append((check, better)),
        )


Trained = tuple[Path, Finished, Noted]
"""A training's folder, what it made, and what it reported."""


def train(one: Recipe, meld: Path, folder: Path, noted: Noted | None = None) -> Finished | None:
    return train_bundle(one, meld, folder, (noted or Noted()).reporter, lambda cost: True)


def shipped_f1(found: Finished) -> float:
    (score,) = found.shipped.values()
    return score


def dialogue(*turns: tuple[str, str | None], id: str = "1") -> Dialogue:
    """Ann and Bob say (text, gold label) in turn."""
    return Dialogue(
        id,
        tuple(
            Utterance(text, speaker=("Ann", "Bob")[place % 2], gold=gold)
            for place, (text, gold) in enumerate(turns)
        ),
        language="en",
    )


def ask(
    of: Dialogue,
    labels: LabelSet = LABELS,
    out_of_fold: dict[int, OutOfFold] | None = None,
    challenge: bool = False,
) -> list[Question]:
    """All questions about a dialogue, in English."""
    builder = ContextBuilder(labels, ContextOptions(language="en"), lambda text: len(text.split()))
    template = builder.template_for(of)
    asked: list[Question] = []
    for context, turn in zip(builder.build(of), of, strict=True):
        if turn.gold is not None:
            found = (out_of_fold or {}).get(context.index)
            asked += questions(context, template, labels, turn.gold, found, challenge=challenge)
    return asked


TALK = dialogue(
    ("I kept the letter all these years.", "joy"),
    ("You did? Without saying a word?", "deep melancholy"),
    ("Without a word.", "anger"),
    ("The rain stopped.", "anger management"),
)
OUT_OF_FOLD = {
    0: OutOfFold("joy", "calm"),
    1: OutOfFold("anger", "deep melancholy"),
    2: OutOfFold("anger management", "anger"),
    3: OutOfFold("calm", "joy"),
}
"""One right proposal, three wrong ones."""


def all_questions() -> list[Question]:
    """Every role about a dialogue of four turns."""
    return ask(TALK, out_of_fold=OUT_OF_FOLD, challenge=True)


def run_packed(model: Any, pack: TrainingPack) -> Outputs:  # noqa: ANN401
    """What a model says at a pack's reads, as a training step makes it."""
    inner = model.get_base_model() if hasattr(model, "get_base_model") else model
    return compute(model, TransformersDecoder(inner), pack.pack, pack.reads)


def run_alone(
    model: Any,  # noqa: ANN401
    prompt_format: PromptFormat,
    prompt: Prompt,
    choices: Sequence[str],
) -> tuple[torch.Tensor, list[torch.Tensor]]:
    """A question through plain transformers: whole sequences, one choice at a time.

    Returns:
        Log-probabilities normalised over the choices, and each choice's log-probabilities token
        by token.
    """
    start = prompt_format.encode(prompt).tolist()
    answers = prompt_format.answers(prompt, choices)
    steps = []
    for answer in answers:
        extended = any(o[: len(answer)] == answer and o != answer for o in answers)
        tail = [*answer, prompt_format.end] if extended else list(answer)
        logits = model(torch.tensor([start + tail])).logits[0].log_softmax(-1)
        at = torch.arange(len(tail)) + len(start) - 1
        steps.append(logits[at, torch.tensor(tail)])
    return torch.stack([step.sum() for step in steps]).log_softmax(-1), steps
