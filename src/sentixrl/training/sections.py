"""The sections of a recipe: parts of data, window, loss, draw, optimiser.

Contract: every section is checked by itself and immutable. An unknown key or a value that does
not fit is an error at its place in the recipe.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)

from sentixrl.datasets.generic import NAME as CUSTOM
from sentixrl.datasets.registry import REGISTRY, info, split_name, switch_value, task_name
from sentixrl.errors import SentixError
from sentixrl.formats import Columns, ReadingOptions
from sentixrl.labels import resolve_labels, sources_of


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
def refusing() -> Iterator[None]:
    """Turn our errors into pydantic's, with message and hint."""
    try:
        yield
    except SentixError as error:
        raise ValueError(error.message.removesuffix("."), error.hint) from None


def check_labels(spec: str) -> None:
    """Refuse labels that cannot be read, with an error that pydantic understands."""
    with refusing():
        resolve_labels(spec)


class Section(BaseModel):
    """What stands under one key; an unknown key in it is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class DataPart(Section):
    """A split of a data set, or a file of the user's own.

    Attributes:
        dataset: A data set's name; ``custom`` for a file of your own.
        split: One of its splits.
        task: Which annotation; the data set's first if not given.
        kind: ``single`` where each turn has one label; ``several`` where it may have any number
            of them: then each label is a question of its own. For data sets whose texts were
            annotated so (brighter, goemotions, xed), and files of your own.
        switches: The loader's switches.
        limit: Only this many dialogues, drawn with the recipe's seed; under ``dev`` and ``holdout``
            always the same ones.
        file: Your own labelled dialogues, in any format that ``sentixrl`` reads; the path is
            relative to where the command runs.
        labels: The label set of ``file``: a scheme, names with commas, a YAML file; the recipe's
            ``labels`` if not given.
        columns: Which columns of ``file`` hold what, as ``text=msg,label=mood``, where their names
            do not tell.
        encoding: The text encoding of ``file``; UTF-8 if not given.
        quoting: Whether quotation marks in ``file`` surround cells: ``quoted``, or ``plain`` where
            they are text; found out if not given.
        unify: A shared scheme that the labels are mapped to (ekman-7, plutchik-8, instructerc-9),
            or your own map: label → what it becomes, ``null`` to leave it out.
    """

    dataset: str
    split: str = "train"
    task: str | None = None
    kind: Literal["single", "several"] = "single"
    switches: dict[str, str | bool] = {}
    limit: Count | None = None
    file: str | None = None
    labels: str | None = None
    columns: str | None = None
    encoding: str | None = None
    quoting: Literal["quoted", "plain"] | None = None
    unify: str | dict[str, str | None] | None = None

    @field_validator("unify")
    @classmethod
    def _is_shared(cls, unify: str | dict[str, str | None] | None) -> object:
        if isinstance(unify, str):
            with refusing():
                sources_of(unify)
        return unify

    @field_validator("columns")
    @classmethod
    def _are_columns(cls, columns: str | None) -> str | None:
        if columns is not None:
            with refusing():
                Columns.parse(columns)
        return columns

    @field_validator("dataset")
    @classmethod
    def _is_known(cls, dataset: str) -> str:
        if dataset == CUSTOM:
            return dataset
        with refusing():
            return info(dataset).name

    @field_validator("split")
    @classmethod
    def _is_split(cls, split: str, others: ValidationInfo) -> str:
        dataset = others.data.get("dataset", CUSTOM)  # missing if it is unknown, which is said
        if dataset == CUSTOM:
            return split
        with refusing():
            return split_name(info(dataset), split)

    @model_validator(mode="after")
    def _is_there(self) -> DataPart:
        if self.dataset != CUSTOM:
            entry = info(self.dataset)
            with refusing():
                task_name(entry, self.task)
                for name, value in self.switches.items():
                    switch_value(entry, name, value)
        return self

    @model_validator(mode="after")
    def _has_several(self) -> DataPart:
        several = self.kind == "several"
        if several and self.unify:
            raise ValueError("'unify' is for parts of one label a turn, not 'kind: several'")
        if several and self.dataset != CUSTOM and not info(self.dataset).multi_label:
            known = ", ".join(entry.name for entry in REGISTRY.values() if entry.multi_label)
            raise ValueError(
                f"'{self.dataset}' has one label a turn, but the part says 'kind: several'",
                f"Leave 'kind' out, or name one of: {known}.",
            )
        if self.dataset != CUSTOM and "single_label" in self.switches:
            alone = switch_value(info(self.dataset), "single_label", self.switches["single_label"])
            if alone == several:
                raise ValueError(
                    f"the switch 'single_label' does not go with 'kind: {self.kind}'",
                    "Leave the switch out: 'kind' decides it.",
                )
        return self

    @property
    def reading(self) -> ReadingOptions:
        """How ``file`` is read."""
        options = ReadingOptions()
        if self.columns is not None:
            options["columns"] = Columns.parse(self.columns)
        if self.encoding is not None:
            options["encoding"] = self.encoding
        if self.quoting is not None:
            options["quoting"] = self.quoting
        return options

    @property
    def loader_switches(self) -> dict[str, str | bool]:
        """The loader's switches, with the one that ``kind`` sets."""
        return self.switches | ({"single_label": False} if self.kind == "several" else {})

    @model_validator(mode="after")
    def _own(self) -> DataPart:
        keys = ("file", "labels", "columns", "encoding", "quoting")
        given = [key for key in keys if getattr(self, key) is not None]
        if self.dataset == CUSTOM and (self.file is None or self.labels is None):
            raise ValueError(f"'dataset: {CUSTOM}' needs 'file' and 'labels'")
        foreign = [key for key in ("task", "switches") if getattr(self, key)]
        if self.dataset == CUSTOM and foreign:
            raise ValueError(f"'{foreign[0]}' is for data sets by name, not 'dataset: {CUSTOM}'")
        if self.dataset != CUSTOM and given:
            raise ValueError(f"'{given[0]}' belongs to 'dataset: {CUSTOM}'")
        if self.labels is not None:
            check_labels(self.labels)
        return self

    @property
    def name(self) -> str:
        """What reports call it."""
        if self.file is not None:
            return f"{self.file}:{self.split}"
        switches = [f"{key}={value}" for key, value in self.switches.items()]
        kind = [] if self.kind == "single" else [self.kind]
        task = [self.task] if self.task else []
        unify = [self.unify if isinstance(self.unify, str) else "merged"] if self.unify else []
        return ":".join([self.dataset, self.split, *task, *kind, *switches, *unify])


class TrainPart(DataPart):
    """A split to train on.

    Attributes:
        epochs: How many times training passes over it; the recipe's ``epochs`` if not given.
        neutral_share: The share of answers that should be neutral or none, below 1. Dialogues
            without any emotion come more than once in a pass for it, up to five times.
        per_label: At most so many labelled turns of each label, drawn with the recipe's seed from
            what ``limit`` and ``drop_overlap`` leave; the others serve as context.
    """

    epochs: Positive | None = None
    per_label: Count | None = None
    neutral_share: Annotated[Real, Field(ge=0, lt=1)] = 0.0


class Window(Section):
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


class Shown(Section):
    """What prompts show, beside window and language; for ablations and their controls.

    Attributes:
        instruction: I, the task.
        history: H, the turns before the target: the ``own`` ones, none (``off``), or a control:
            those of a ``stranger`` or ``filler`` of the same length.
        labels: L, the closed set; without it, labels stand in the choices alone.
        glosses: Whether L explains each label.
        anonymous: Show speakers as A, B, C … instead of by name.
        deduction: E, from ``deductions``: once per anchor, or for each turn.
        deductions: A file of deductions that ``sentixrl experiment`` wrote.
        strangers: Show each turn another dialogue's deduction: a control.
    """

    instruction: bool = True
    history: Literal["own", "off", "stranger", "filler"] = "own"
    labels: bool = True
    glosses: bool = False
    anonymous: bool = False
    deduction: Literal["off", "anchor", "utterance"] = "off"
    deductions: str | None = None
    strangers: bool = False

    @field_validator("history", mode="before")
    @classmethod
    def _is_word(cls, history: object) -> object:
        return "off" if history is False else history  # what YAML makes of it

    @field_validator("deduction", mode="before")
    @classmethod
    def _is_mode(cls, deduction: object) -> object:
        return "off" if deduction is False else deduction

    @model_validator(mode="after")
    def _has_deductions(self) -> Shown:
        if (self.deduction != "off") != (self.deductions is not None):
            raise ValueError("'deduction' and 'deductions' go together; give both or neither")
        if self.strangers and self.deductions is None:
            raise ValueError("'strangers' needs 'deductions'")
        return self


class Demonstrations(Section):
    """Demonstrations retrieved from the training parts, the same ones at every step.

    Attributes:
        count: How many a dialogue gets.
        by: ``tfidf``, ``embeddings`` (multilingual; the extra of that name), or ``random``, a
            control.
        per_label: Most demonstrations of one label.
        opening: How many of a dialogue's first turns are compared; without it all of them, later
            turns included, which is an offline protocol.
    """

    count: Count = 4
    by: Literal["tfidf", "embeddings", "random"] = "tfidf"
    per_label: Count | None = None
    opening: Count | None = 1


class Loss(Section):
    """The loss.

    Attributes:
        gamma: γ of the focal loss; 0 is cross-entropy.
        variant: ``closed`` over the labels, or ``vocabulary`` over all tokens.
        balance: α by label: ``inverse`` frequency or ``effective`` number, counted per label set.
        adjust: τ of logit adjustment in training (closed variant); frequencies are counted per
            label set.
        distil: Share of the generator's loss that is the cross-entropy to the fold models'
            probabilities for a turn instead of to its label (closed variant).
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


class Draw(Section):
    """How label sets are drawn (see :class:`~sentixrl.training.drawing.LabelDraw`).

    Attributes:
        shuffle: Show the labels in a new order in every pack.
        subset: How often labels that a pack does not need may be left out.
        wording: How often a label is shown by another word.
    """

    shuffle: bool = False
    subset: Share = 0.0
    wording: Share = 0.0


class Optimiser(Section):
    """AdamW and its schedule.

    Attributes:
        learning_rate: Peak learning rate.
        warmup: Share of the steps over which it rises.
        weight_decay: Weight decay.
        max_grad_norm: Gradients of a larger norm are scaled down to it.
        pack_tokens: About how many tokens a pack has.
        packs_per_step: Packs whose gradients are added up for one step.
        ema: Decay of an exponential moving average of the weights, updated at each step. Dev is
            evaluated with it and it is what is shipped; 0 takes the weights themselves.
    """

    learning_rate: Positive = 6e-5
    warmup: Share = 0.05
    weight_decay: NotNegative = 0.01
    max_grad_norm: Positive = 1.0
    pack_tokens: Annotated[Whole, Field(ge=64, le=LARGEST)] = 2048
    packs_per_step: Count = 1
    ema: Annotated[Real, Field(ge=0, lt=1)] = 0.0
