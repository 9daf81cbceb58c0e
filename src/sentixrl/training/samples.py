"""Training on labelled dialogues that are in memory rather than in files.

Contract: the dialogues are written to the training's folder as files that a recipe names, so that
what was trained on stays on record and ``sentixrl train`` could repeat it. The folder's name comes
from recipe and dialogues: the same ones find their training again, others get a folder of their
own.
"""

from __future__ import annotations

import json
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from sentixrl.bundle import BUNDLE_FILE, LABELS_FILE, write_labels
from sentixrl.datasets.generic import NAME as CUSTOM
from sentixrl.dialogue import Dialogue
from sentixrl.errors import ConfigError, InputError, MissingDependencyError
from sentixrl.formats import dialogue_object
from sentixrl.labels import LabelSet
from sentixrl.named_models import bundle_of
from sentixrl.runs.identity import digest
from sentixrl.training.recipe import Recipe
from sentixrl.training.recipe_file import parse_recipe

HELD_OUT = 5
"""Of so many dialogues one is dev."""
FEWEST = 2 * HELD_OUT
"""So many dialogues are needed."""
_OURS = ("train", "dev", "labels", "base", "start", "name")


def train_on_samples(
    dialogues: Sequence[Dialogue],
    labels: LabelSet,
    out: Path,
    *,
    model: str | None = None,
    keys: Mapping[str, Any] | None = None,
    device: str | None = None,
) -> Path:
    """Train a model on labelled dialogues; a fifth of them decides when to stop.

    Args:
        dialogues: With gold labels; turns without are context.
        labels: What the gold labels belong to.
        out: Where trainings are kept, each in a folder of its own.
        model: What to start from, as :func:`~sentixrl.load` takes it.
        keys: Further keys of the recipe; ``method`` is ``lora`` unless they say otherwise.
        device: Where it runs.

    Returns:
        The bundle's folder.

    Raises:
        ConfigError: A key does not fit, or the training was stopped.
        InputError: There are too few dialogues.
    """
    if len(dialogues) < FEWEST:
        raise InputError(
            f"{len(dialogues)} dialogues are too few to train on; {FEWEST} are the least.",
            hint="A few hundred samples of each label are what to aim for.",
        )
    if taken := [key for key in keys or {} if key in _OURS]:
        raise ConfigError(
            f"The recipe's key '{taken[0]}' follows from the samples and the model.",
            hint="Leave it out.",
        )
    content = {"method": "lora", "drop_overlap": True, **_start(model), **(keys or {})}
    train, dev = _parts(dialogues)
    texts = {"train": _lines(train), "dev": _lines(dev)}
    described = [[label.name, dict(label.display), dict(label.glosses)] for label in labels]
    folder = out / f"fit-{digest([content, texts, described])[:16]}"
    data = folder.with_name(f"{folder.name}-data")
    data.mkdir(parents=True, exist_ok=True)
    for split, text in texts.items():
        (data / f"{split}.jsonl").write_text(text, "utf-8")
    label_file = data / LABELS_FILE
    write_labels(label_file, labels)

    def part(split: str) -> dict[str, str]:
        file = str((data / f"{split}.jsonl").resolve())
        return {"dataset": CUSTOM, "split": split, "file": file}

    content |= {
        "name": folder.name,
        "labels": str(label_file.resolve()),
        "train": [part("train")],
        "dev": [part("dev")],
    }
    return _train(parse_recipe(content, "made of the samples"), folder, device)


def _train(recipe: Recipe, folder: Path, device: str | None) -> Path:
    try:
        from sentixrl.training.running import SILENT, train_bundle
    except ImportError as error:
        raise MissingDependencyError.of(error.name or "torch", "train") from None
    finished = train_bundle(recipe, Path("data"), folder, SILENT, lambda cost: True, device)
    if finished is None:
        raise ConfigError(
            f"The training in {folder} was stopped before its end.",
            hint="Call fit again with the same samples to resume it.",
        )
    return finished.folder


def _start(model: str | None) -> dict[str, str]:
    """The recipe's keys for what training starts from."""
    bundle = bundle_of(model)
    if bundle.base is None:
        raise ConfigError(f"The model '{bundle.name}' cannot be trained.")
    if not bundle.trained:
        return {"base": bundle.base}
    named = model is None or not (Path(model) / BUNDLE_FILE).is_file()
    return {"base": bundle.base, "start": "default" if named else str(model)}


def _parts(dialogues: Sequence[Dialogue]) -> tuple[list[Dialogue], list[Dialogue]]:
    """Train and dev: of the dialogues with the same last label, every fifth is held out."""
    order = list(range(len(dialogues)))
    random.Random(0).shuffle(order)  # samples may come sorted by more than their labels
    order.sort(key=lambda at: _last_label(dialogues[at]))
    held_out = set(order[HELD_OUT // 2 :: HELD_OUT])
    parts: tuple[list[Dialogue], list[Dialogue]] = ([], [])
    for at, dialogue in enumerate(dialogues):
        parts[at in held_out].append(dialogue)
    return parts


def _last_label(dialogue: Dialogue) -> str:
    return next((turn.gold for turn in reversed(dialogue.utterances) if turn.gold), "")


def _lines(dialogues: Sequence[Dialogue]) -> str:
    rows = [json.dumps(dialogue_object(one), ensure_ascii=False) for one in dialogues]
    return "\n".join(rows) + "\n"
