"""The options that say which labelled turns prompts show as examples."""

from __future__ import annotations

from dataclasses import dataclass, fields
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sentixrl.cli.console import errors, note
from sentixrl.cli.groups import OptionGroup
from sentixrl.context.building import Supplements
from sentixrl.errors import ConfigError

if TYPE_CHECKING:
    from sentixrl.classifier import Classifier

COUNT = 4


class ByChoice(StrEnum):
    """What makes turns alike."""

    TFIDF = "tfidf"
    EMBEDDINGS = "embeddings"


@dataclass(frozen=True)
class DemonstrationOptions(OptionGroup):
    """Retrieved demonstrations, as a command line says them."""

    demonstrations: Annotated[
        Path | None,
        typer.Option(help="Labelled dialogues; prompts show the turns most like each dialogue's."),
    ] = None
    demonstrations_by: Annotated[
        ByChoice | None,
        typer.Option(help="What is alike: tfidf (default), or embeddings (multilingual)."),
    ] = None
    demonstrations_count: Annotated[
        int | None, typer.Option(min=1, help=f"How many a dialogue gets; default: {COUNT}.")
    ] = None

    def check(self) -> None:
        """Refuse options that say nothing, before a model is loaded.

        Raises:
            ConfigError: It is said how to choose, and no file is named.
        """
        for name in ("demonstrations_by", "demonstrations_count"):
            if self.demonstrations is None and getattr(self, name) is not None:
                raise ConfigError(
                    f"--{name.replace('_', '-')} says how demonstrations are chosen, and there are "
                    "none.",
                    hint="Name a file of labelled dialogues with --demonstrations.",
                )

    def shown_by(self, classifier: Classifier) -> Classifier:
        """The classifier, showing them.

        Compared is a dialogue's first turn, which all of its prompts may know.

        Raises:
            InputError: The file cannot be read, or has no turn to show.
        """
        if self.demonstrations is None:
            return classifier
        from sentixrl.datasets import load_custom
        from sentixrl.datasets.demonstrations import DemonstrationPool, Retrieval

        labels = classifier.label_set
        source = load_custom(
            self.demonstrations, labels, "train", tell=lambda text: errors().print(note(text))
        )
        how = Retrieval(
            self.demonstrations_count or COUNT,
            (self.demonstrations_by or ByChoice.TFIDF).value,
            opening=1,
        )
        pool = DemonstrationPool(source.dialogues, how, labels.names)
        return classifier.replace(supplements=Supplements(demonstrator=pool))


DEMONSTRATION_OPTIONS = tuple(part.name for part in fields(DemonstrationOptions))
"""The names of the options."""
