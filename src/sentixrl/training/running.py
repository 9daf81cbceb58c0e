"""A training from beginning to end: a recipe and data in, a model bundle out.

Contract: the folder of a training holds its recipe, checkpoints, the history of dev and the best
weights; the same command goes on where it stopped, and another recipe is refused there.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sentixrl.errors import ConfigError
from sentixrl.training.checking import BEST, Check, DevCheck, look
from sentixrl.training.checkpoints import last_checkpoint, write_whole
from sentixrl.training.estimate import Estimate, check_memory, estimate
from sentixrl.training.examples import MinedTurns, PackDataset
from sentixrl.training.finishing import BUNDLE, Finished, finish
from sentixrl.training.mining import mine
from sentixrl.training.recipe import Recipe, as_plain
from sentixrl.training.setting import Setting, objective_of, prepare
from sentixrl.training.trainer import Pace, Report, TrieTrainer
from sentixrl.training.weights import keep_weights, load_mean, load_weights

RECIPE_FILE = "recipe.json"
DONE_FILE = "trained.json"


@dataclass(frozen=True)
class Watch:
    """Who is told what.

    Attributes:
        say: A sentence.
        progress: Where the training stands.
        check: A look at dev, and whether it is the best so far.
    """

    say: Callable[[str], None]
    progress: Report
    check: Callable[[Check, bool], None]


def fit(
    setting: Setting, folder: Path, watch: Watch, mined: Sequence[MinedTurns] = ()
) -> DevCheck | None:
    """Train to the end, or until Ctrl-C; the best weights are in the model afterwards.

    A training that came to its end before is not repeated: its best weights are loaded.

    Returns:
        The looks at dev; ``None`` if Ctrl-C ended it.
    """
    recipe, trainee = setting.recipe, setting.trainee
    claim(folder, recipe)
    packer = setting.packer(mined)
    steps = -(-len(setting.packs) // recipe.optimiser.packs_per_step)
    checks = max(1, round(recipe.epochs * recipe.checks_per_epoch))
    dev = DevCheck(
        trainee,
        setting.context,
        setting.dev,
        every=max(1, -(-steps // checks)),
        patience=recipe.patience,
        folder=folder,
        keep=lambda target: keep_weights(trainee, target),
        report=watch.check,
    )
    if (folder / DONE_FILE).is_file():
        watch.say(f"{folder} is trained already.")
        load_weights(trainee, folder / BEST)
        return dev
    pace = Pace(watch.progress, folder)
    trainer = TrieTrainer(
        trainee,
        objective_of(recipe, setting.sources),
        PackDataset(setting.packs, packer),
        recipe,
        folder,
        [dev, pace],
    )
    pace.watch(trainer)
    last = last_checkpoint(folder)
    if last:
        watch.say(f"Going on from {last}.")
    try:
        trainer.train(resume_from_checkpoint=str(last) if last else None)
    finally:
        pace.release()
    if pace.stopped:
        return None
    load_weights(trainee, folder / BEST)
    # From here on the checkpoints are not needed: what is left to do starts from the best weights.
    write_whole(folder / DONE_FILE, json.dumps({"steps": trainer.state.global_step}) + "\n")
    for checkpoint in folder.glob("checkpoint-*"):
        shutil.rmtree(checkpoint)
    return dev


def train_bundle(
    recipe: Recipe,
    root: Path,
    folder: Path,
    watch: Watch,
    announce: Callable[[Estimate], bool],
    device: str | None = None,
) -> Finished | None:
    """Train after a recipe and write the bundle to ``folder / "bundle"``.

    Args:
        recipe: What to train.
        root: The folder that has a folder a data set.
        folder: Where the training goes; an unfinished one goes on there.
        watch: Who is told what.
        announce: Told what it will cost; whether to go on.
        device: Where it runs.

    Returns:
        What was made; ``None`` where ``announce`` or Ctrl-C ended it.

    Raises:
        SentixError: Something is missing or does not fit.
    """
    setting = prepare(recipe, root, watch.say, device)
    cost = estimate(setting)
    if not announce(cost):
        return None
    check_memory(cost)
    claim(folder, recipe)
    mined: Sequence[MinedTurns] = ()
    if recipe.discriminator:

        def fit_fold(one: Setting, place: Path) -> bool:
            watch.say(f"Training {place.name} for the discriminator's material.")
            return fit(one, place, watch) is not None

        found = mine(setting, folder, fit_fold, device)
        if found is None:
            return None
        mined = found
    looks = fit(setting, folder, watch, mined)
    if looks is None or looks.best is None:
        return None
    return finish(setting, looks.best, looks.history, folder / BUNDLE)


def average_bundle(
    recipe: Recipe,
    root: Path,
    seeds: Mapping[int, Path],
    folder: Path,
    say: Callable[[str], None],
    device: str | None = None,
) -> Finished:
    """Write one bundle of the mean of several finished trainings' best weights.

    Args:
        recipe: Theirs, whatever its seed.
        root: The folder that has a folder a data set.
        seeds: Seed → a training's folder.
        folder: Where ``bundle`` goes.
        say: Told what was read.
        device: Where it is judged.

    Raises:
        SentixError: The recipe trains adapters, whose factors have no meaningful mean; something
            is missing.
    """
    check_averaging(recipe)
    setting = prepare(recipe, root, say, device)
    load_mean(setting.trainee, [one / BEST for one in seeds.values()])
    found = look(setting.trainee, setting.context, setting.dev, 0, folder)
    folder.mkdir(parents=True, exist_ok=True)
    return finish(setting, found, [found], folder / BUNDLE, averaged=tuple(seeds))


def check_averaging(recipe: Recipe) -> None:
    """Refuse to average what has no meaningful average.

    Raises:
        ConfigError: The recipe trains adapters.
    """
    if recipe.method != "full":
        raise ConfigError(
            f"The recipe has 'method: {recipe.method}'; factors of adapters cannot be averaged.",
            hint="Leave --average out, or set 'method: full'.",
        )


def claim(folder: Path, recipe: Recipe) -> None:
    """Make a folder this recipe's.

    Raises:
        ConfigError: It is another recipe's, or holds something else.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / RECIPE_FILE
    content = as_plain(recipe)
    if path.is_file():
        if json.loads(path.read_text("utf-8")) != content:
            raise ConfigError(
                f"{folder} holds a training of another recipe.",
                hint="Name a new folder with --out, or give the recipe it was begun with.",
            )
        return
    if any(item.name != f"{RECIPE_FILE}.part" for item in folder.iterdir()):
        raise ConfigError(
            f"{folder} is not empty and holds no training.", hint="Name a new folder with --out."
        )
    write_whole(path, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
