"""A training from beginning to end: a recipe and data in, a model bundle out.

Contract: a training's folder holds its recipe, checkpoints, the history of dev and the best
weights. The same command resumes it; another recipe or other data are refused.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from sentixrl.errors import ConfigError
from sentixrl.runs.lock import FolderLock
from sentixrl.runs.storage import check_writable, write_json
from sentixrl.training.checking import BEST, Check, DevCheck, evaluate_dev
from sentixrl.training.checkpoints import last_checkpoint, remove_checkpoints
from sentixrl.training.estimate import Estimate, check_memory, estimate
from sentixrl.training.examples import PackDataset
from sentixrl.training.finishing import BUNDLE, Finished, check_place, finish, finished_before
from sentixrl.training.folder import claimed
from sentixrl.training.model import CPU
from sentixrl.training.out_of_fold import answer_out_of_fold, fold_recipe
from sentixrl.training.processes import all_gather, is_main, on_main
from sentixrl.training.questions import OutOfFoldTurns
from sentixrl.training.recipe import Recipe
from sentixrl.training.setting import Setting, objective_of, prepare
from sentixrl.training.trainer import ProgressCallback, Report, TrieTrainer
from sentixrl.training.weights import keep_weights, load_mean, load_weights

DONE_FILE = "trained.json"


@dataclass(frozen=True)
class Reporter:
    """Callbacks that report on a training.

    Attributes:
        say: Takes a sentence.
        progress: Takes the progress every few steps.
        check: Takes a check and whether it is the best so far.
    """

    say: Callable[[str], None]
    progress: Report
    check: Callable[[Check, bool], None]


SILENT = Reporter(lambda text: None, lambda progress: None, lambda check, better: None)
"""Reports nothing: of several processes only the main one reports."""


def fit(
    setting: Setting, folder: Path, reporter: Reporter, out_of_fold: Sequence[OutOfFoldTurns] = ()
) -> DevCheck | None:
    """Train to the end, or until Ctrl-C; the best weights are in the model afterwards.

    A training that came to its end before is not repeated: its best weights are loaded.

    Returns:
        The checks on dev; ``None`` if Ctrl-C ended it.
    """
    recipe, trainable = setting.recipe, setting.trainable
    checks = max(1, round(recipe.epochs_of_checks * recipe.checks_per_epoch))
    dev = DevCheck(
        trainable,
        setting.context,
        setting.dev,
        every=max(1, -(-setting.steps // checks)),
        patience=recipe.patience,
        folder=folder,
        keep=lambda target: keep_weights(trainable, target),
        report=reporter.check,
        supplements=setting.supplements,
    )
    if (folder / DONE_FILE).is_file():
        reporter.say(f"{folder} is trained already.")
        on_main(lambda: remove_checkpoints(folder))  # those that a crash left
        load_weights(trainable, folder / BEST)
        return dev
    # Ctrl-C may have come at the very check that ends it.
    progress = None if dev.exhausted else _train(setting, folder, reporter, dev, out_of_fold)
    gc.collect()  # the trainer refers to itself, and holds the optimiser's state
    if progress is not None and progress.stopped:
        return None
    load_weights(trainable, folder / BEST)
    on_main(lambda: _close(folder, dev.history[-1].step))
    if any(
        all_gather(progress is not None and progress.pressed)
    ):  # too late to end the training itself
        raise KeyboardInterrupt
    return dev


def _train(
    setting: Setting,
    folder: Path,
    reporter: Reporter,
    dev: DevCheck,
    out_of_fold: Sequence[OutOfFoldTurns],
) -> ProgressCallback:
    """Train from the last checkpoint on; the callback says whether Ctrl-C ended it."""
    progress = ProgressCallback(reporter.progress, folder)
    trainer = TrieTrainer(
        setting.trainable,
        objective_of(setting.recipe, setting.sources),
        PackDataset(setting.packs, setting.packer(out_of_fold)),
        setting.recipe,
        folder,
        [dev, progress],
    )
    progress.attach(trainer)
    on_main(lambda: remove_checkpoints(folder, broken=True))
    last = on_main(lambda: last_checkpoint(folder))
    if last:
        reporter.say(f"Going on from {last}.")
    try:
        trainer.train(resume_from_checkpoint=str(last) if last else None)
    finally:
        progress.release()
    return progress


def _close(folder: Path, steps: int) -> None:
    """Mark a training as done; finishing needs only the best weights."""
    write_json(folder / DONE_FILE, {"steps": steps})
    remove_checkpoints(folder)


def train_bundle(
    recipe: Recipe,
    root: Path,
    folder: Path,
    reporter: Reporter,
    announce: Callable[[Estimate], bool],
    device: str | None = None,
) -> Finished | None:
    """Train after a recipe and write the bundle to ``folder / "bundle"``.

    Args:
        recipe: What to train.
        root: The folder with one folder per data set.
        folder: The training's folder; an unfinished training there is resumed.
        reporter: Receives its reports.
        announce: Receives the estimated cost; returns whether to go on.
        device: Where it runs.

    Returns:
        What was made; ``None`` where ``announce`` or Ctrl-C ended it.

    Raises:
        SentixError: Something is missing or does not fit.
    """
    reporter = reporter if is_main() else SILENT
    check_place(folder / BUNDLE)
    check_writable(folder)
    setting = prepare(recipe, root, reporter.say, device)
    cost = estimate(setting)
    if not on_main(lambda: announce(cost)):
        return None
    check_memory(cost)
    with claimed(folder, setting):
        if (folder / DONE_FILE).is_file() and (made := finished_before(folder / BUNDLE)):
            reporter.say(f"{folder} is trained already, and its bundle is made.")
            return made
        out_of_fold = _out_of_fold(setting, folder, reporter) if recipe.second else ()
        checks = None if out_of_fold is None else fit(setting, folder, reporter, out_of_fold)
        if checks is None or checks.best is None:
            return None
        best, history = checks.best, checks.history
        return on_main(lambda: finish(setting, best, history, folder / BUNDLE))


def _out_of_fold(
    setting: Setting, folder: Path, reporter: Reporter
) -> Sequence[OutOfFoldTurns] | None:
    recipe = setting.recipe
    first = fold_recipe(recipe, setting.sources)
    if first.base == recipe.base and first.start != recipe.start:
        reporter.say(
            "The fold models start from the base: the start may know the dialogues that are held "
            "out from them."
        )

    def fit_fold(one: Setting, place: Path) -> bool:
        reporter.say(f"Training {place.name} for the second role's material.")
        with claimed(place, one):
            return fit(one, place, reporter) is not None

    setting.trainable.move(CPU)
    out_of_fold = answer_out_of_fold(setting, folder, fit_fold)
    setting.trainable.move(setting.trainable.device)
    return out_of_fold


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
        root: The folder with one folder per data set.
        seeds: Seed → a training's folder.
        folder: Where ``bundle`` goes.
        say: Receives a sentence about what was read.
        device: Where it is judged.

    Raises:
        SentixError: The recipe trains adapters, whose factors have no meaningful mean; something
            is missing.
    """
    check_averaging(recipe)
    # Where a limit draws the data, those of one of the seeds are on record.
    recipe = recipe.model_copy(update={"seed": next(iter(seeds))})
    setting = prepare(recipe, root, say if is_main() else SILENT.say, device)
    load_mean(setting.trainable, [one / BEST for one in seeds.values()])

    def finished() -> Finished:
        folder.mkdir(parents=True, exist_ok=True)
        lock = FolderLock(folder)
        try:
            found = evaluate_dev(
                *(setting.trainable, setting.context, setting.dev, 0, folder),
                supplements=setting.supplements,
            )
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
