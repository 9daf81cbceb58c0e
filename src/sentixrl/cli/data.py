"""The options that say which data, for every command that loads a labelled split."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sentixrl.cli.arguments import SwitchOption, read_switches
from sentixrl.cli.groups import OptionGroup
from sentixrl.errors import ConfigError, InputError
from sentixrl.negotiation.options import NegotiationOptions

if TYPE_CHECKING:
    from sentixrl.datasets import Dataset
    from sentixrl.datasets.dataset import Switch
    from sentixrl.formats import ReadingOptions

DEV, TEST = "dev", "test"
CUSTOM = "custom"


@dataclass(frozen=True)
class DataOptions(OptionGroup):
    """A split of a data set, as a command line says it."""

    dataset: Annotated[
        str,
        typer.Option(help=f"A name that 'datasets list' gives, or '{CUSTOM}' for your own file."),
    ]
    data: Annotated[Path, typer.Option(help="The folder (or file) that holds the data.")]
    split: Annotated[
        str | None,
        typer.Option(help=f"Which split; default: {DEV}, or all of what has no such split."),
    ] = None
    task: Annotated[
        str | None, typer.Option(help="Which annotation; default: the data set's first.")
    ] = None
    switch: SwitchOption = None
    labels: Annotated[
        str | None,
        typer.Option("--labels", "-l", help=f"The labels of a '{CUSTOM}' file, as in classify."),
    ] = None
    limit: Annotated[
        int | None, typer.Option(min=1, help="Only this many dialogues, drawn with the seed.")
    ] = None
    seed: Annotated[int, typer.Option(min=0, help="Draws --limit and the intervals.")] = 0

    def load(
        self,
        tell: Callable[[str], None],
        reading: ReadingOptions,
        several: bool | None = None,
    ) -> tuple[Dataset, str | None]:
        """The split, and the label that a further micro-F1 leaves out.

        Args:
            tell: Called with what a person should know of how a file of one's own is read.
            reading: How that is read.
            several: Whether utterances may have several labels; default: as the labels or the
                loader's switches say.

        Raises:
            ConfigError: Labels are missing, or were named for data that has its own; or data with
                one label per utterance is to have several.
            InputError: The data cannot be read.
        """
        from sentixrl.datasets import info, load_custom
        from sentixrl.labels import resolve_labels

        split = self.split or self._first_split()
        if self.dataset == CUSTOM:
            if self.labels is None:
                raise ConfigError(
                    f"The labels of a '{CUSTOM}' data set are not known.",
                    hint='Name them, for example: --labels "calm, annoyed"',
                )
            label_set = resolve_labels(self.labels)
            if several is None:
                several = NegotiationOptions().several(label_set)
            own = load_custom(self.data, label_set, split, several=several, tell=tell, **reading)
            return own, None
        if self.labels is not None:
            raise ConfigError(
                f"The data set '{self.dataset}' has its own labels.",
                hint=f"Leave --labels out; it is for --dataset {CUSTOM}.",
            )
        found = self._known(split, several)
        neutral = info(self.dataset).tasks[found.task].neutral
        return found, neutral if neutral in found.label_set else None

    def part(self, split: str, several: bool | None = None) -> Dataset:
        """Another split of the same data, to train a baseline on.

        Raises:
            ConfigError: It is a file of one's own, which has none.
        """
        if self.dataset == CUSTOM:
            raise ConfigError(
                f"A baseline is trained on a train split, which a '{CUSTOM}' file has not.",
                hint="Baselines need one of the data sets that 'sentixrl datasets list' gives.",
            )
        return self._known(split, several)

    def _known(self, split: str, several: bool | None) -> Dataset:
        from sentixrl.datasets.files import MISSING
        from sentixrl.datasets.registry import load_split

        switches = _switches(self.dataset, read_switches(self.switch), several)
        try:
            return load_split(self.dataset, self.data, split, self.task, switches)
        except InputError as error:
            if error.code != MISSING or not (self.data / self.dataset).is_dir():
                raise
            hint = f"Did you mean --data {self.data / self.dataset}?"
            raise InputError(error.message, hint=hint) from None

    def _first_split(self) -> str:
        """What is looked at where none is named: never test by accident."""
        from sentixrl.datasets import info

        if self.dataset == CUSTOM:
            return "all" if self.data.is_file() else DEV
        splits = info(self.dataset).splits
        return DEV if DEV in splits else splits[0]


def _switches(dataset: str, given: Mapping[str, str], several: bool | None) -> Mapping[str, Switch]:
    """A loader's switches, with the one that ``--several`` sets.

    Raises:
        ConfigError: The data has one label per utterance, or a switch says otherwise.
    """
    from sentixrl.datasets import REGISTRY, info
    from sentixrl.datasets.registry import switch_value

    if several is None:
        return given
    entry = info(dataset)
    if not entry.multi_label:
        if not several:
            return given
        known = ", ".join(one.name for one in REGISTRY.values() if one.multi_label)
        raise ConfigError(
            f"The data set '{dataset}' has one label per utterance, and --several asks for any "
            "number of them.",
            hint=f"Leave --several out, or evaluate on one of: {known}.",
        )
    if "single_label" in given:
        alone = switch_value(entry, "single_label", given["single_label"])
        if alone == several:
            option = "--several" if several else "--no-several"
            raise ConfigError(
                f"{option} does not go with --switch single_label={given['single_label']}.",
                hint="Leave one of the two out.",
            )
    return {**given, "single_label": not several}
