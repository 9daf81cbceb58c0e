"""``sentixrl train``: a recipe and data in, a model bundle out."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sentixrl.cli.console import Screen, answers, errors, styled
from sentixrl.cli.exits import EXIT_INTERRUPTED
from sentixrl.cli.hints import in_recipe
from sentixrl.errors import ConfigError, MissingDependencyError

if TYPE_CHECKING:
    from sentixrl.training.checking import Check
    from sentixrl.training.estimate import Estimate
    from sentixrl.training.finishing import Finished
    from sentixrl.training.recipe import Recipe
    from sentixrl.training.running import Reporter
    from sentixrl.training.trainer import Progress


def train(
    recipe: Annotated[Path, typer.Argument(help="The recipe, a YAML file.")],
    out: Annotated[
        Path, typer.Option(help="The training's folder; an unfinished training there is resumed.")
    ],
    data: Annotated[Path, typer.Option(help="The folder with one folder per data set.")] = Path(
        "data"
    ),
    seeds: Annotated[
        str | None,
        typer.Option(help='One training per seed, e.g. "0,1,2", each in OUT/seed-N.'),
    ] = None,
    average: Annotated[
        bool,
        typer.Option("--average", help="With --seeds: also average their weights, in OUT/average."),
    ] = False,
    estimate: Annotated[
        bool, typer.Option("--estimate", help="Print what the training would cost, and stop.")
    ] = False,
    device: Annotated[str | None, typer.Option(help="cpu, cuda, cuda:1 …")] = None,
) -> None:
    """Train a model from a recipe; the result is a bundle that --model takes."""
    from sentixrl.training.recipe_file import read_recipe

    found = read_recipe(recipe)  # in a moment; what trains takes seconds to be imported
    try:
        from sentixrl.training.processes import shutdown
        from sentixrl.training.running import average_bundle, check_averaging
    except ImportError as error:
        raise MissingDependencyError.of(error.name or "torch", "train") from None
    reporter = training_reporter(errors())
    numbers = [] if seeds is None else _seeds(seeds)
    folders = {number: out / f"seed-{number}" for number in numbers}
    if average:
        if len(folders) < 2:
            raise ConfigError(
                "--average is for several trainings.", hint='Name them, e.g. --seeds "0,1,2".'
            )
        check_averaging(found)
    try:
        for number, folder in (folders or {found.seed: out}).items():
            one = found.model_copy(update={"seed": number})
            _train(one, data, folder, reporter, estimate, device)
        if average and not estimate:
            _say_result(average_bundle(found, data, folders, out / "average", reporter.say, device))
    finally:  # a process that ends while it still belongs to others may be aborted
        shutdown()


def training_reporter(notices: Screen) -> Reporter:
    """Says on a screen how a training goes."""
    from sentixrl.training.running import Reporter

    return Reporter(
        say=lambda text: notices.print(in_recipe(text)),
        progress=lambda progress: _progress(progress, notices),
        check=lambda check, better: _check(check, better, notices),
    )


def _train(
    recipe: Recipe, data: Path, folder: Path, reporter: Reporter, estimate: bool, device: str | None
) -> None:
    from sentixrl.training.processes import is_main
    from sentixrl.training.running import train_bundle

    notices = errors()

    def announce(cost: Estimate) -> bool:
        notices.print(_cost(cost))
        notices.print(_neutral(cost.neutral))
        return not estimate

    finished = train_bundle(recipe, data, folder, reporter, announce, device)
    if finished is None and not estimate:
        if is_main():
            notices.print(f"To resume, run the same command again; everything is kept in {folder}.")
        raise typer.Exit(EXIT_INTERRUPTED)
    if finished is not None:
        _say_result(finished)


def _seeds(text: str) -> list[int]:
    from sentixrl.training.sections import SEEDS

    try:
        seeds = [int(part) for part in text.split(",")]
    except ValueError:
        seeds = []
    if not seeds or not all(0 <= seed < SEEDS for seed in seeds):
        raise ConfigError(
            f"'{text}' is not a list of seeds.",
            hint=f'Write whole numbers from 0 to {SEEDS - 1:,}, e.g. --seeds "0,1,2".',
        )
    return seeds


def _cost(cost: Estimate) -> str:
    minutes = None if cost.minutes is None else max(1, round(cost.minutes))
    unit = "minute" if minutes == 1 else "minutes"
    time = f", about {minutes:,} {unit} on this machine" if minutes else ""
    before = (
        f"{cost.folds} fold models first (about {cost.fold_tokens:,} tokens), then "
        if cost.folds
        else ""
    )
    room = f" of {cost.available:,.0f}" if cost.available else ""
    return (
        f"{before}{cost.steps:,} steps, about {cost.tokens:,} tokens{time}; "
        f"about {cost.gibibytes:.1f}{room} GiB of memory."
    )


def _neutral(shares: Mapping[str, float]) -> str:
    from sentixrl.training.neutral import ENOUGH, too_few

    told = ", ".join(f"{language} {share:.0%}" for language, share in shares.items())
    few = too_few(shares)
    warning = (
        f" Fewer than {ENOUGH:.0%} in {', '.join(few)}: the model will find emotions where there "
        "are none."
        if few
        else ""
    )
    return f"Answers that are neutral or none: {told}.{warning}"


def _progress(progress: Progress, notices: Screen) -> None:
    left = progress.seconds_left / 60
    notices.print(
        f"step {progress.step:,}/{progress.steps:,}  loss {progress.loss:.3f}  "
        f"{progress.tokens_per_second:,.0f} tokens/s  {left:,.0f} min left"
    )


def _check(check: Check, better: bool, notices: Screen) -> None:
    from sentixrl.training.answering import decisive

    parts = "  ".join(f"{name} {100 * decisive(part):.1f}" for name, part in check.parts.items())
    mark = ("  best so far" if better else "", "green")
    notices.print(styled(("dev", "bold"), f" {100 * check.score:.1f}  {parts}", mark))


def _say_result(finished: Finished) -> None:
    from sentixrl.training.processes import is_main

    if not is_main():  # of several processes, one speaks
        return
    answers().print(
        f"{finished.folder}: adapter of {finished.adapter_bytes / 1e6:.1f} MB, keeps "
        f"{finished.kept:.1%} of the dev score."
    )
