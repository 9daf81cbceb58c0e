"""A training from beginning to end: a recipe and data in, a model bundle out.

Contract: the folder of a training holds its recipe, checkpoints, the history of dev and the best
weights; the same command goes on where it stopped, and another recipe or other data are refused
there.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sentixrl.errors import ConfigError
from sentixrl.runs.lock import FolderLock
from sentixrl.runs.storage import check_writable, write_json
from sentixrl.training.checking import BEST, Check, DevCheck, look
from sentixrl.training.checkpoints import last_checkpoint, remove_checkpoints
from sentixrl.training.estimate import Estimate, check_memory, estimate
from sentixrl.training.examples import MinedTurns, PackDataset
from sentixrl.training.finishing import BUNDLE, Finished, check_place, finish, finished_before
from sentixrl.training.folder import claimed
from sentixrl.training.mining import fold_recipe, mine
from sentixrl.training.model import CPU
from sentixrl.training.processes import everyones, is_main, on_main
from sentixrl.training.recipe import Recipe
from sentixrl.training.setting import Setting, objective_of, prepare
from sentixrl.training.trainer import Pace, Report, TrieTrainer
from sentixrl.training.weights import keep_weights, load_mean, load_weights

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


SILENT = Watch(lambda text: None, lambda progress: None, lambda check, better: None)
"""Nobody is told: of several processes, the main one speaks."""


def fit(
    setting: Setting, folder: Path, watch: Watch, mined: Sequence[MinedTurns] = ()
) -> DevCheck | None:
    """Train to the end, or until Ctrl-C; the best weights are in the model afterwards.

    A training that came to its end before is not repeated: its best weights are loaded.

    Returns:
        The looks at dev; ``None`` if Ctrl-C ended it.
    """
    recipe, trainee = setting.recipe, setting.trainee
    checks = max(1, round(recipe.epochs_of_looks * recipe.checks_per_epoch))
    dev = DevCheck(
        trainee,
        setting.context,
        setting.dev,
        every=max(1, -(-setting.steps // checks)),
        patience=recipe.patience,
        folder=folder,
        keep=lambda target: keep_weights(trainee, target),
        report=watch.check,
    )
    if (folder / DONE_FILE).is_file():
        watch.say(f"{folder} is trained already.")
        on_main(lambda: remove_checkpoints(folder))  # those that a crash left
        load_weights(trainee, folder / BEST)
        return dev
    # Ctrl-C may have ended it at the very look that would have.
    pace = None if dev.exhausted else _train(setting, folder, watch, dev, mined)
    gc.collect()  # the trainer refers to itself, and holds the optimiser's state
    if pace is not None and pace.stopped:
        return None
    load_weights(trainee, folder / BEST)
    on_main(lambda: _close(folder, dev.history[-1].step))
    if any(everyones(pace is not None and pace.pressed)):  # too late to end the training itself
        raise KeyboardInterrupt
    return dev


def _train(
    setting: Setting, folder: Path, watch: Watch, dev: DevCheck, mined: Sequence[MinedTurns]
) -> Pace:
    """Train from the last checkpoint on; whether Ctrl-C ended it is told by what is returned."""
    pace = Pace(watch.progress, folder)
    trainer = TrieTrainer(
        setting.trainee,
        objective_of(setting.recipe, setting.sources),
        PackDataset(setting.packs, setting.packer(mined)),
        setting.recipe,
        folder,
        [dev, pace],
    )
    pace.watch(trainer)
    on_main(lambda: remove_checkpoints(folder, broken=True))
    last = on_main(lambda: last_checkpoint(folder))
    if last:
        watch.say(f"Going on from {last}.")
    try:
        trainer.train(resume_from_checkpoint=str(last) if last else None)
    finally:
        pace.release()
    return pace


def _close(folder: Path, steps: int) -> None:
    """Note that a training is done; what is left to do starts from the best weights alone."""
    write_json(folder / DONE_FILE, {"steps": steps})
    remove_checkpoints(folder)


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
    watch = watch if is_main() else SILENT
    check_place(folder / BUNDLE)
    check_writable(folder)
    setting = prepare(recipe, root, watch.say, device)
    cost = estimate(setting)
    if not on_main(lambda: announce(cost)):
        return None
    check_memory(cost)
    with claimed(folder, setting):
        if (folder / DONE_FILE).is_file() and (made := finished_before(folder / BUNDLE)):
            watch.say(f"{folder} is trained already, and its bundle is made.")
            return made
        mined = _mine(setting, folder, watch) if recipe.discriminator else ()
        looks = None if mined is None else fit(setting, folder, watch, mined)
        if looks is None or looks.best is None:
            return None
        best, history = looks.best, looks.history
        return on_main(lambda: finish(setting, best, history, folder / BUNDLE))


def _mine(setting: Setting, folder: Path, watch: Watch) -> Sequence[MinedTurns] | None:
    if fold_recipe(setting.recipe, setting.sources).start != setting.recipe.start:
        watch.say(
            "The fold models start from the base: the start may know the dialogues that are held "
            "out from them."
        )

    def fit_fold(one: Setting, place: Path) -> bool:
        watch.say(f"Training {place.name} for the discriminator's material.")
        with claimed(place, one):
            return fit(one, place, watch) is not None

    setting.trainee.move(CPU)
    mined = mine(setting, folder, fit_fold)
    setting.trainee.move(setting.trainee.device)
    return mined


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
    # Where a limit draws the data, those of one of the seeds are on record.
    recipe = recipe.model_copy(update={"seed": next(iter(seeds))})
    setting = prepare(recipe, root, say if is_main() else SILENT.say, device)
    load_mean(setting.trainee, [one / BEST for one in seeds.values()])

    def finished() -> Finished:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(folder)
        try:
            found = look(setting.trainee, setting.context, setting.dev, 0, folder)
            return finish(setting, found, [found], folder / BUNDLE, averaged=tuple(seeds))
        finally:
            lock.release()

    return on_main(finished)


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
