"""Out-of-fold proposals: what a model that never saw a dialogue answers about it.

Contract: a second role trained on the proposals of a model that learned the same dialogues would
meet almost no mistakes. So the data are cut into folds, a generator is trained without each of
them, and what it proposes for the fold it has not seen is what the second role will judge, at its
natural rate of mistakes. A fold's proposals are kept in the training's folder.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sentixrl.datasets.dataset import Dataset
from sentixrl.runs.storage import write_json
from sentixrl.training.answering import posteriors
from sentixrl.training.checkpoints import read_json
from sentixrl.training.folds import folds
from sentixrl.training.lineage import has_met
from sentixrl.training.material import Source
from sentixrl.training.model import load_trainable
from sentixrl.training.processes import on_main
from sentixrl.training.questions import OutOfFold, OutOfFoldTurns
from sentixrl.training.recipe import Recipe
from sentixrl.training.second_role import Verifier
from sentixrl.training.setting import Setting, set_up

Fit = Callable[[Setting, Path], bool]
"""Trains a setting in a folder; whether it came to its end."""


def answer_out_of_fold(setting: Setting, folder: Path, fit: Fit) -> list[OutOfFoldTurns] | None:
    """Proposals for every labelled turn of every source.

    Args:
        setting: The training that needs them.
        folder: Its folder.
        fit: Trains the generator of a fold.

    Returns:
        One mapping per source; ``None`` if it was stopped.
    """
    recipe = setting.recipe
    second = recipe.second
    assert second is not None
    count = second.folds
    cuts = folds([source.data for source in setting.sources], count, recipe.seed)
    out_of_fold: list[dict[tuple[str, int], OutOfFold]] = [{} for _ in setting.sources]
    for number in range(count):
        path = folder / f"fold-{number}.json"
        if not on_main(path.is_file):
            kept = [
                replace(source, data=cut[number][0], epochs=second.epochs or source.epochs)
                for source, cut in zip(setting.sources, cuts, strict=True)
            ]
            held = [cut[number][1] for cut in cuts]
            if not _answer_fold(setting, kept, held, path, fit):
                return None
        kept_answers = on_main(partial(read_json, path))
        for turns, source, found in zip(out_of_fold, setting.sources, kept_answers, strict=True):
            names = source.data.label_set.names
            turns.update({(id, turn): OutOfFold.of(names, shares) for id, turn, shares in found})
    return list(out_of_fold)


def _answer_fold(
    setting: Setting,
    kept: Sequence[Source],
    held: Sequence[Dataset],
    path: Path,
    fit: Fit,
) -> bool:
    """Train without a fold and save its answers about the fold; whether training finished."""
    recipe = fold_recipe(setting.recipe, setting.sources)
    one = set_up(
        recipe, kept, setting.holdout, load_trainable(recipe, str(setting.trainable.device))
    )
    if not fit(one, path.with_suffix("")):
        return False
    on_main(lambda: write_json(path, [_proposals(one, data) for data in held]))
    return True


def fold_recipe(recipe: Recipe, sources: Sequence[Source]) -> Recipe:
    """The recipe of a fold's generator: the same, with neither a second role nor teachers.

    Where the start was trained on the same data, it has seen what is held out: the fold's model
    then starts from the base. A verifier's generators may be of another base, and train for as long
    as the recipe says.
    """
    second = recipe.second
    assert second is not None
    changes: dict[str, Any] = {
        "start": None if has_met(recipe, [source.data for source in sources]) else recipe.start,
        "discriminator": None,
        "verifier": None,
        "loss": recipe.loss.model_copy(update={"distil": 0.0}),
    }
    if second.epochs is not None:
        changes |= {
            "epochs": second.epochs,
            "train": [part.model_copy(update={"epochs": None}) for part in recipe.train],
            "checks_per_epoch": 1,
        }
    if isinstance(second, Verifier):
        own = {"base": second.base, "loss": second.loss, "optimiser": second.optimiser}
        changes |= {key: value for key, value in own.items() if value is not None}
        changes |= {"start": None} if second.base is not None else {}
    return recipe.model_copy(update=changes)


def _proposals(setting: Setting, data: Dataset) -> list[tuple[str, int, list[float]]]:
    """(dialogue, turn, probabilities) of every labelled turn that could be answered."""
    if data.several:  # labels that are judged one by one are not negotiated
        return []
    with setting.trainable.evaluating() as engine:
        answers = posteriors(engine, setting.context, data, setting.supplements(data))
    shares = np.exp(answers.log_probs).round(6).tolist()
    return [(id, number, row) for (id, number), row in zip(answers.turns, shares, strict=True)]
