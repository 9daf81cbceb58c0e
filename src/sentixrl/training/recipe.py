"""Recipes: everything that decides a trained model, in one YAML file.

Contract: a recipe is checked whole before anything is loaded; an unknown key is refused with the
nearest known one. Paths of data are not part of it: data sets are named, and found under a folder
given on the command line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from sentixrl.context.templates import template_languages
from sentixrl.datasets.generic import NAME as CUSTOM
from sentixrl.datasets.registry import info, split_name, switch_value, task_name
from sentixrl.errors import ConfigError, SentixError, fault_words
from sentixrl.formats.characters import nearest
from sentixrl.labels import resolve_labels
from sentixrl.plain_yaml import MAX_FILE_BYTES, PlainYaml
from sentixrl.untrusted import read_bounded


def _no_switch(value: object) -> object:
    """Python takes yes and no for 1 and 0."""
    if isinstance(value, bool):
        raise ValueError("it is yes or no, not a number")
    return value


Whole = Annotated[int, BeforeValidator(_no_switch)]
Real = Annotated[float, BeforeValidator(_no_switch)]
Share = Annotated[Real, Field(ge=0, le=1)]
LARGEST = 1_000_000_000
"""No number of a recipe is larger; what means something is far below."""
Positive = Annotated[Real, Field(gt=0, le=LARGEST)]
NotNegative = Annotated[Real, Field(ge=0, le=LARGEST)]
Count = Annotated[Whole, Field(ge=1, le=LARGEST)]
SEEDS = 2**32
"""Seeds lie below; numpy takes no others."""


@contextmanager
def _refusing() -> Iterator[None]:
    """What is wrong with a value, as pydantic wants to be told: message and hint."""
    try:
        yield
    except SentixError as error:
        raise ValueError(error.message.removesuffix("."), error.hint) from None


def _check_labels(spec: str) -> None:
    with _refusing():
        resolve_labels(spec)


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DataPart(_Part):
    """A split of a data set, or a file of one's own.

    Attributes:
        dataset: A name of the registry; ``custom`` for a file of one's own.
        split: One of its splits.
        task: Which annotation; the data set's first if not given.
        switches: The loader's switches.
        limit: Only this many dialogues, drawn with the recipe's seed; under ``dev`` and ``apart``
            always the same ones.
        file: One's own labelled dialogues, in any format that ``sentixrl`` reads, relative to
            where the command runs.
        labels: What the labels of ``file`` are read as: a scheme, names with commas, a YAML file;
            the recipe's if not given.
    """

    dataset: str
    split: str = "train"
    task: str | None = None
    switches: dict[str, str | bool] = {}
    limit: Count | None = None
    file: str | None = None
    labels: str | None = None

    @field_validator("dataset")
    @classmethod
    def _is_known(cls, dataset: str) -> str:
        if dataset == CUSTOM:
            return dataset
        with _refusing():
            return info(dataset).name

    @field_validator("split")
    @classmethod
    def _is_split(cls, split: str, others: ValidationInfo) -> str:
        dataset = others.data.get("dataset", CUSTOM)  # missing if it is unknown, which is said
        if dataset == CUSTOM:
            return split
        with _refusing():
            return split_name(info(dataset), split)

    @model_validator(mode="after")
    def _is_there(self) -> DataPart:
        if self.dataset != CUSTOM:
            entry = info(self.dataset)
            with _refusing():
                task_name(entry, self.task)
                for name, value in self.switches.items():
                    switch_value(entry, name, value)
        return self

    @model_validator(mode="after")
    def _own(self) -> DataPart:
        given = [key for key in ("file", "labels") if getattr(self, key) is not None]
        if self.dataset == CUSTOM and len(given) < 2:
            raise ValueError(f"'dataset: {CUSTOM}' needs 'file' and 'labels'")
        foreign = [key for key in ("task", "switches") if getattr(self, key)]
        if self.dataset == CUSTOM and foreign:
            raise ValueError(f"'{foreign[0]}' is for data sets by name, not 'dataset: {CUSTOM}'")
        if self.dataset != CUSTOM and given:
            raise ValueError(f"'{given[0]}' belongs to 'dataset: {CUSTOM}'")
        if self.labels is not None:
            _check_labels(self.labels)
        return self

    @property
    def name(self) -> str:
        """What reports call it."""
        if self.file is not None:
            return f"{self.file}:{self.split}"
        switches = [f"{key}={value}" for key, value in self.switches.items()]
        return ":".join([self.dataset, self.split, *([self.task] if self.task else []), *switches])


class TrainPart(DataPart):
    """A split to train on.

    Attributes:
        epochs: How often it is gone through; the recipe's if not given. Fractions are allowed.
    """

    epochs: Positive | None = None


class Window(_Part):
    """The history window (see :class:`~sentixrl.context.window.HistoryWindow`).

    Attributes:
        history_max: Most earlier turns that a prompt shows.
        history_min: Most that are kept when the window's start jumps.
        max_tokens: Most tokens that these and the turn itself take together.
    """

    history_max: Annotated[Whole, Field(ge=0, le=LARGEST)] = 24
    history_min: Annotated[Whole, Field(ge=0, le=LARGEST)] = 8
    max_tokens: Count = 768

    @model_validator(mode="after")
    def _fits(self) -> Window:
        if self.history_min > self.history_max:
            raise ValueError("'history_min' is above 'history_max'")
        return self


class Loss(_Part):
    """The loss.

    Attributes:
        gamma: γ of the focal loss; 0 is cross-entropy.
        variant: ``closed`` over the labels, or ``vocabulary`` over all tokens.
        balance: α by label: ``inverse`` frequency or ``effective`` number; one label set alone.
        adjust: τ of logit adjustment while it trains (closed variant); one label set alone.
        distil: Share of the generator's loss that follows what the discriminator's fold models
            believe of a turn instead of its label alone (closed variant).
    """

    gamma: NotNegative = 0.0
    variant: Literal["closed", "vocabulary"] = "closed"
    balance: Literal["none", "inverse", "effective"] = "none"
    adjust: NotNegative = 0.0
    distil: Share = 0.0

    @model_validator(mode="after")
    def _fits(self) -> Loss:
        for key in ("adjust", "distil"):
            if getattr(self, key) and self.variant != "closed":
                raise ValueError(f"'{key}' needs the variant 'closed'")
        return self


class Draw(_Part):
    """How label sets are drawn (see :class:`~sentixrl.training.drawing.LabelDraw`).

    Attributes:
        shuffle: Show the labels in a new order in every pack.
        subset: How often labels that a pack does not need may be left out.
        wording: How often a label is shown by another word.
    """

    shuffle: bool = False
    subset: Share = 0.0
    wording: Share = 0.0


class Optimiser(_Part):
    """AdamW and its schedule.

    Attributes:
        rate: Peak learning rate.
        warmup: Share of the steps over which it rises.
        decay: Weight decay.
        clip: Largest norm of a gradient.
        pack_tokens: About how many tokens a pack has.
        packs_per_step: Packs whose gradients are added up for one step.
        average: Decay of a running average of the weights, one term a step, which is what dev
            looks at and what is shipped; 0 takes the weights themselves.
    """

    rate: Positive = 6e-5
    warmup: Share = 0.05
    decay: NotNegative = 0.01
    clip: Positive = 1.0
    pack_tokens: Annotated[Whole, Field(ge=64, le=LARGEST)] = 2048
    packs_per_step: Count = 1
    average: Annotated[Real, Field(ge=0, lt=1)] = 0.0


class Discriminator(_Part):
    """How the second role is trained.

    Attributes:
        folds: Proposals come from this many models, each trained without a fold of the dialogues.
        epochs: How long each of them is trained.
        challenge: How often a right proposal is objected to all the same.
        weight: What a question of the second role and after counts against a first one.
    """

    folds: Annotated[Whole, Field(ge=2, le=LARGEST)] = 2
    epochs: Positive = 1.0
    challenge: Share = 0.1
    weight: Positive = 1.0


class Recipe(_Part):
    """All that decides a trained model.

    Attributes:
        name: What the model will be called.
        about: A sentence for the model card.
        base: A bundled model's name, a folder or a hub id.
        start: A model bundle whose weights training starts from; ``default`` is the one that
            comes along. It must have the recipe's ``base``. ``full`` merges its adapter, ``lora``
            and ``qlora`` go on training it.
        method: ``lora``, ``full`` (shipped as a low-rank difference) or ``qlora`` (CUDA).
        rank: Of the adapter.
        alpha: LoRA's scale is ``alpha / rank``.
        dropout: LoRA's dropout.
        framing: How prompts become text.
        language: Language of templates and labels; ``auto`` follows each dialogue.
        window: How far prompts look back.
        labels: The label set the model uses unless told otherwise.
        train: What it is trained on.
        dev: What choices are made on: the mean weighted-F1.
        apart: Splits that no training dialogue may share text with.
        drop_overlap: Drop such dialogues instead of refusing.
        keep_overlap: Train on such dialogues all the same, for this reason, which the model card
            gives: for data sets whose published splits share text, as IEMOCAP's do.
        loss: The loss.
        draw: How label sets are drawn.
        optimiser: AdamW and its schedule.
        discriminator: How the second role is trained; none, a generator alone.
        epochs: How often the training data are gone through.
        checks_per_epoch: How often dev is looked at in an epoch: the recipe's, or where every part
            has its own, that of the part that has most.
        patience: Checks without a better one after which training stops.
        seed: Of everything that is drawn.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    about: str = ""
    base: str = "smollm2-135m"
    start: str | None = None
    method: Literal["lora", "full", "qlora"] = "full"
    rank: Count = 16
    alpha: Positive = 32.0
    dropout: Share = 0.0
    framing: Literal["plain", "chat"] = "plain"
    language: str = "en"
    window: Window = Window()
    labels: str | None = None
    train: Annotated[list[TrainPart], Field(min_length=1)]
    dev: Annotated[list[DataPart], Field(min_length=1)]
    apart: list[DataPart] = []
    drop_overlap: bool = False
    keep_overlap: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)] | None = (
        None
    )
    loss: Loss = Loss()
    draw: Draw = Draw()
    optimiser: Optimiser = Optimiser()
    discriminator: Discriminator | None = None
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
            for key in ("train", "dev", "apart")
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
    def epochs_of_looks(self) -> float:
        """The epochs that looks at dev are counted by."""
        own = [part.epochs for part in self.train if part.epochs is not None]
        return max(own) if len(own) == len(self.train) else self.epochs

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
            _check_labels(labels)
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
    "apart": DataPart,
    "window": Window,
    "loss": Loss,
    "draw": Draw,
    "optimiser": Optimiser,
    "discriminator": Discriminator,
}
"""Key → what stands under it."""


class _Loader(PlainYaml, yaml.SafeLoader):
    """Plain YAML, with numbers read as numbers."""


def read_recipe(path: Path) -> Recipe:
    """Read a recipe.

    Raises:
        ConfigError: It cannot be read, or does not fit.
    """
    try:
        text = read_bounded(path, MAX_FILE_BYTES).decode("utf-8-sig")
        content = yaml.load(text, Loader=_Loader)  # a SafeLoader
    except OSError as error:
        raise ConfigError(f"The recipe {path} cannot be read: {error.strerror}.") from None
    except RecursionError:
        raise ConfigError(f"The recipe {path} is nested too deeply.") from None
    # Of bytes that are no text, dates that are none, values that do not fit their tags.
    except (yaml.YAMLError, ValueError, LookupError, AttributeError, TypeError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark else ""
        what = getattr(error, "problem", None) or str(error).partition("\n")[0]
        raise ConfigError(f"The recipe {path} is not valid YAML{where}: {what}.") from None
    return parse_recipe(content, str(path))


def parse_recipe(content: object, origin: str) -> Recipe:
    """Check a recipe's content.

    Raises:
        ConfigError: It does not fit; an unknown key is named with the nearest known one.
    """
    try:
        return Recipe.model_validate(content)
    except ValidationError as error:
        first = error.errors()[0]
        where = _place(first["loc"])
        if first["type"] == "extra_forbidden":
            key = str(first["loc"][-1])
            close = nearest(key, _keys_beside(first["loc"][:-1]))
            raise ConfigError(
                f"The recipe {origin} has an unknown key {where}.",
                hint=f"Did you mean '{close}'?" if close else None,
            ) from None
        cause = first.get("ctx", {}).get("error")
        plainly = fault_words(first["type"], first["msg"])
        said, *hint = cause.args if isinstance(cause, ValueError) else (plainly,)
        at = f" at {where}" if where else ""
        raise ConfigError(
            f"The recipe {origin} does not fit{at}: {said}.", hint=hint[0] if hint else None
        ) from None


def _place(location: tuple[int | str, ...]) -> str:
    """``('train', 0, 'split')`` → ``'split' in part 1 of 'train'``."""
    steps = (
        f"part {step + 1} of" if isinstance(step, int) else f"'{step}' in"
        for step in reversed(location)
    )
    return " ".join(steps).removesuffix(" in")


def _keys_beside(location: tuple[int | str, ...]) -> tuple[str, ...]:
    """The keys that are known where an unknown one stands."""
    section = SECTIONS.get(str(location[0]), Recipe) if location else Recipe
    return tuple(section.model_fields)


def as_plain(recipe: Recipe) -> dict[str, Any]:
    """The recipe as it would stand in JSON."""
    content: dict[str, Any] = recipe.model_dump(mode="json")
    return content
