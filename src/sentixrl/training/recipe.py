"""Recipes: everything that decides a trained model, as one checked object.

Contract: a recipe is checked whole before anything is loaded. Paths of data are not part of it:
data sets are named, and found under a folder given on the command line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints, field_validator, model_validator

from sentixrl.bundle import RELEASE, RELEASES
from sentixrl.context.templates import template_languages
from sentixrl.datasets.generic import NAME as CUSTOM
from sentixrl.training.second_role import Discriminator, Verifier
from sentixrl.training.sections import (
    SEEDS,
    Count,
    DataPart,
    Demonstrations,
    Draw,
    Loss,
    Optimiser,
    Positive,
    Section,
    Share,
    Shown,
    TrainPart,
    Whole,
    Window,
    check_labels,
)

DATA_KEYS = ("train", "dev", "holdout")
"""The keys under which parts of data stand."""


class Recipe(Section):
    """All that decides a trained model.

    Attributes:
        name: What the model will be called.
        about: A sentence for the model card.
        base: A bundled model's name, a folder or a hub id; the base of the model that comes along
            if not given.
        start: A model bundle whose weights training starts from; ``default`` is the one that
            comes with sentixrl. It must have the recipe's ``base``. ``full`` merges its adapter;
            ``lora`` and ``qlora`` continue to train it.
        method: ``lora``, ``full`` (shipped as a low-rank difference) or ``qlora`` (CUDA).
        rank: Rank of the adapter.
        alpha: LoRA's scale is ``alpha / rank``.
        dropout: LoRA's dropout.
        prompt_format: How prompts become text.
        language: Language of templates and labels; ``auto`` follows each dialogue.
        window: How far prompts look back.
        prompt: What prompts show beside that.
        demonstrations: Labelled turns retrieved from the training parts that prompts show;
            without it none.
        labels: The label set that the model uses by default.
        train: The parts it is trained on.
        dev: The parts by which weights, stopping and thresholds are chosen: the mean of their
            weighted-F1 (macro-F1 for ``kind: several``).
        holdout: Splits that no training dialogue may share text with.
        drop_overlap: Drop such dialogues instead of refusing.
        keep_overlap: Train on such dialogues all the same, for this reason, which goes into the
            model card. For data sets whose published splits share text, as IEMOCAP's do.
        loss: The loss.
        draw: How label sets are drawn.
        optimiser: AdamW and its schedule.
        discriminator: How the second role is trained; without it only the generator is.
        verifier: How another second role is trained, which decides between the first two labels
            instead of judging the first. It takes no part in negotiations; ``sentixrl experiment``
            asks it.
        epochs: How many times training passes over the data. Fractions are allowed.
        checks_per_epoch: How often dev is evaluated per epoch. Where every part has its own
            ``epochs``, the largest of them counts.
        patience: Training stops after this many checks without an improvement.
        seed: Of everything drawn at random.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    about: str = ""
    base: str = RELEASES[RELEASE].name
    start: str | None = None
    method: Literal["lora", "full", "qlora"] = "full"
    rank: Count = 16
    alpha: Positive = 32.0
    dropout: Share = 0.0
    prompt_format: Literal["plain", "chat"] = "plain"
    language: str = "en"
    window: Window = Window()
    prompt: Shown = Shown()
    demonstrations: Demonstrations | None = None
    labels: str | None = None
    train: Annotated[list[TrainPart], Field(min_length=1)]
    dev: Annotated[list[DataPart], Field(min_length=1)]
    holdout: list[DataPart] = []  # noqa: RUF012 (pydantic copies it)
    drop_overlap: bool = False
    keep_overlap: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] | None = (
        None
    )
    loss: Loss = Loss()
    draw: Draw = Draw()
    optimiser: Optimiser = Optimiser()
    discriminator: Discriminator | None = None
    verifier: Verifier | None = None
    epochs: Positive = 3.0
    checks_per_epoch: Count = 1
    patience: Count = 3
    seed: Annotated[Whole, Field(ge=0, lt=SEEDS)] = 0

    @model_validator(mode="before")
    @classmethod
    def _shared_labels(cls, content: object) -> object:
        """A file of one's own has the recipe's labels where it names none."""
        if not isinstance(content, Mapping) or not isinstance(content.get("labels"), str):
            return content
        shared = {"labels": content["labels"]}

        def whole(part: object) -> object:
            if isinstance(part, Mapping) and part.get("dataset") == CUSTOM:
                return {**shared, **part}
            return part

        parts = {
            key: [whole(part) for part in content[key]]
            for key in DATA_KEYS
            if isinstance(content.get(key), list)
        }
        return {**content, **parts}

    @field_validator("dev")
    @classmethod
    def _are_told_apart(cls, dev: list[DataPart]) -> list[DataPart]:
        names = [part.name for part in dev]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise ValueError(f"two parts are '{twice}'; name it once")
        return dev

    @property
    def epochs_of_checks(self) -> float:
        """The number of epochs by which checks on dev are counted."""
        own = [part.epochs for part in self.train if part.epochs is not None]
        return max(own) if len(own) == len(self.train) else self.epochs

    @property
    def second(self) -> Discriminator | Verifier | None:
        """How the second role is trained, whichever it is; its material comes from fold models."""
        return self.discriminator or self.verifier

    @model_validator(mode="after")
    def _has_one_second_role(self) -> Recipe:
        if self.discriminator and self.verifier:
            raise ValueError("'discriminator' and 'verifier' exclude each other; leave one out")
        return self

    @model_validator(mode="after")
    def _has_an_adapter(self) -> Recipe:
        for key in ("alpha", "dropout"):
            # A recipe that was written out whole has the defaults in it.
            if self.method == "full" and getattr(self, key) != Recipe.model_fields[key].default:
                raise ValueError(f"'{key}' is for 'method: lora' or 'qlora'; 'full' has none")
        return self

    @model_validator(mode="after")
    def _drops_or_keeps(self) -> Recipe:
        if self.drop_overlap and self.keep_overlap:
            raise ValueError("'drop_overlap' and 'keep_overlap' exclude each other; leave one out")
        return self

    @model_validator(mode="after")
    def _has_teachers(self) -> Recipe:
        if self.loss.distil and not self.discriminator:
            raise ValueError(
                "'loss.distil' needs 'discriminator', whose fold models teach: add "
                "'discriminator: {folds: 2}' or leave it out"
            )
        return self

    @field_validator("labels")
    @classmethod
    def _is_label_set(cls, labels: str | None) -> str | None:
        if labels is not None:  # needed at the very end alone, when it is late to say so
            check_labels(labels)
        return labels

    @field_validator("language")
    @classmethod
    def _has_templates(cls, language: str) -> str:
        known = ("auto", *template_languages())
        if language not in known:
            raise ValueError(f"there are {', '.join(known)}")
        return language


SECTIONS: Mapping[str, type[BaseModel]] = {
    "train": TrainPart,
    "dev": DataPart,
    "holdout": DataPart,
    "window": Window,
    "prompt": Shown,
    "demonstrations": Demonstrations,
    "loss": Loss,
    "draw": Draw,
    "optimiser": Optimiser,
    "discriminator": Discriminator,
    "verifier": Verifier,
}
"""Key → what stands under it."""


def as_plain(recipe: Recipe) -> dict[str, Any]:
    """The recipe as it would stand in JSON.

    A key that came later stands in it only where it is set: older trainings are found by a hash of
    this.
    """
    content: dict[str, Any] = recipe.model_dump(mode="json")
    if recipe.verifier is None:
        del content["verifier"]
    return content
