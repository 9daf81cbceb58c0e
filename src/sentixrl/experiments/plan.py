"""Experiments as data: conditions, seeds, what they are asked about, and what is compared.

Contract: an experiment is checked whole before anything runs. Its ``dev`` parts decide everything;
a test split stands under ``test`` alone, and is looked at only when that is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from sentixrl.labels import sources_of
from sentixrl.training.sections import (
    SEEDS,
    Count,
    DataPart,
    Demonstrations,
    Section,
    Share,
    Whole,
    refusing,
)

Metric = Literal["accuracy", "weighted_f1", "macro_f1"]
METRIC_NAMES: Mapping[str, str] = {
    "accuracy": "accuracy",
    "weighted_f1": "weighted-F1",
    "macro_f1": "macro-F1",
}
"""What readers call them."""
Seed = Annotated[Whole, Field(ge=0, lt=SEEDS)]
Name = Annotated[str, Field(min_length=1, max_length=80)]
TRAINED = "trained"
"""What ``under`` says for the labels that a model was trained on."""
WRITTEN = "written"
"""What a recipe names as its ``deductions`` to have those that the experiment writes."""
TEST = "test"


class Place(Section):
    """What conditions are asked about.

    Attributes:
        dev: The part that decides.
        test: The part that ``--test`` looks at.
    """

    dev: DataPart
    test: DataPart | None = None

    @field_validator("dev")
    @classmethod
    def _is_no_test(cls, dev: DataPart) -> DataPart:
        if dev.split == TEST:
            raise ValueError(
                "a test split decides nothing", "Put it under 'test'; --test looks at it."
            )
        return dev


class Track(Section):
    """A recipe's data, and what the models trained on it are asked about.

    Attributes:
        about: A clause for readers.
        recipe: Keys of a recipe, on top of the experiment's.
        places: Names of places; all if not given.
    """

    about: str = ""
    recipe: dict[str, Any] = {}  # noqa: RUF012
    places: list[str] | None = None


class Ask(Section):
    """How a model is asked; what is not given is as it was trained.

    Attributes:
        instruction: Whether prompts hold I.
        history: H: the ``own`` turns, none (``off``), or a control.
        labels: Whether prompts hold L.
        anonymous: Whether speakers are letters.
        deductions: E: none (``off``), those the experiment wrote (``written``), or those of other
            dialogues (``strangers``).
        window: Most earlier turns.
        demonstrations: Retrieved from the track's training parts.
        under: The labels that are asked under: a scheme, or ``trained`` for those of the recipe's
            first dev part; the data's own if not given.
        rounds: Negotiate over so many rounds, always objecting, and keep the whole record: what
            ``combine`` replays.
        agreements: With ``objects``: agreements in a row that end a negotiation.
        objects: Object to this share of dev's first proposals instead of always.
        orders: Average over so many orders of the labels.
        priors: Whether an untrained model's preferences are subtracted.
        mode: Whether roles answer by probabilities or write.
        pairs: Ask which of the first two labels of this condition a turn has, or neither: a
            verifier's question, whether or not the model was trained for it.
    """

    instruction: bool | None = None
    history: Literal["own", "off", "stranger", "filler"] | None = None
    labels: bool | None = None
    anonymous: bool | None = None
    deductions: Literal["off", "written", "strangers"] | None = None
    window: Annotated[Whole, Field(ge=0)] | None = None
    demonstrations: Demonstrations | None = None
    under: str | None = None
    rounds: Count | None = None
    agreements: Count = 1
    objects: Share | None = None
    orders: Count | None = None
    priors: bool | None = None
    mode: Literal["scored", "written"] | None = None
    pairs: str | None = None

    @field_validator("history", "deductions", mode="before")
    @classmethod
    def _is_word(cls, value: object) -> object:
        return "off" if value is False else value  # what YAML makes of it

    @model_validator(mode="after")
    def _fits(self) -> Ask:
        if self.rounds is not None and self.orders is not None:
            raise ValueError("'rounds' and 'orders' exclude each other")
        if self.rounds is None and (self.objects is not None or self.agreements > 1):
            raise ValueError("'objects' and 'agreements' are for 'rounds'")
        if self.agreements > 1 and (self.objects is None or self.agreements > (self.rounds or 0)):
            raise ValueError("'agreements' above 1 need 'objects' and at least as many 'rounds'")
        others = [key for key in ("rounds", "orders", "under", "mode") if getattr(self, key)]
        if self.pairs is not None and others:
            raise ValueError(f"'pairs' and '{others[0]}' exclude each other")
        return self


class Combine(Section):
    """Answers made from kept answers, without a model.

    Attributes:
        how: ``pool`` (log-linear, weights fitted on dev), ``pick`` (the more confident one),
            ``gate`` (the second model for the least certain dialogues), ``random-gate``,
            ``oracle`` (right if any is), ``strangers`` (a pool with the second's answers about
            other turns), ``seeds`` (a pool of two seeds of one condition), ``bias`` (one bias per
            label, fitted on dev), ``rounds`` (a negotiation, replayed), ``pair`` (whichever of the
            first model's two likeliest labels the second one prefers).
        of: The conditions it is made of; for ``rounds`` the one with the record, and the single
            pass that tells what its questions cost.
        share: ``gate``: the share of dialogues that go to the second model; ``pair``: the second
            decides where the margin is as small as in this share of dev's turns.
        decidable: ``pair``: count only turns whose gold label is one of the first two.
        limit: ``rounds``: the round limit.
        objects: ``rounds``: the share of dev's first proposals that is objected to; without it
            verdicts are as recorded.
        agreements: ``rounds``: agreements in a row that end it.
        verdicts: ``rounds``: the discriminator's ``own``, ``random`` ones at the same rate, or
            those on other turns with the same proposal (``strangers``).
    """

    how: Literal[
        "pool", "pick", "gate", "random-gate", "oracle", "strangers", "seeds", "bias", "rounds",
        "pair",
    ]  # fmt: skip
    of: Annotated[list[str], Field(min_length=1, max_length=4)]
    share: Share = 0.4
    decidable: bool = False
    limit: Count = 3
    objects: Share | None = None
    agreements: Count = 1
    verdicts: Literal["own", "random", "strangers"] = "own"

    @model_validator(mode="after")
    def _has_its_parts(self) -> Combine:
        needed = {"seeds": 1, "bias": 1}.get(self.how, 2)
        exact = self.how not in {"pool", "oracle"}
        if len(self.of) < needed or (exact and len(self.of) > needed):
            raise ValueError(f"'{self.how}' is made of {needed} condition(s), not {len(self.of)}")
        if self.how == "rounds" and self.agreements > self.limit:
            raise ValueError("'agreements' is above 'limit'")
        if self.decidable and self.how != "pair":
            raise ValueError("'decidable' is for 'pair'")
        return self


class Condition(Section):
    """One thing that is measured.

    Attributes:
        about: A clause for tables.
        group: Conditions of one group are joined by a line in the figure.
        panel: The panel of the figure that it stands in; in every one if not given.
        drawn: Whether it stands in the figure.
        train: Keys of a recipe, on top of the track's: a model is trained for each track and seed.
        model: A bundle or model that is there already.
        like: Another condition whose models are asked otherwise.
        baseline: Trained on the track's training parts.
        combine: Made of other conditions' answers.
        ask: How it is asked.
        unify: Score answers and gold labels under this shared scheme, or under a map of the data's
            labels: label → what it becomes.
        tracks: Only these tracks.
        places: Only these places.
        seeds: Only so many of the experiment's seeds; the row says so.
    """

    about: str = ""
    group: str = ""
    panel: str = ""
    drawn: bool = True
    train: dict[str, Any] | None = None
    model: str | None = None
    like: str | None = None
    baseline: Literal["majority", "tfidf", "embeddings", "neighbours"] | None = None
    combine: Combine | None = None
    ask: Ask = Ask()
    unify: str | dict[str, str | None] | None = None
    tracks: list[str] | None = None
    places: list[str] | None = None
    seeds: Count | None = None

    @field_validator("unify")
    @classmethod
    def _is_shared(cls, unify: object) -> object:
        if isinstance(unify, str):
            with refusing():
                sources_of(unify)
        return unify

    @model_validator(mode="after")
    def _is_one_thing(self) -> Condition:
        kinds = ("train", "model", "like", "baseline", "combine")
        given = [kind for kind in kinds if getattr(self, kind) is not None]
        if len(given) != 1:
            raise ValueError(f"it needs exactly one of {', '.join(kinds)}; it has {len(given)}")
        if given[0] in {"baseline", "combine"} and self.ask != Ask():
            raise ValueError(f"'ask' is for models, not for '{given[0]}'")
        return self


class Contrast(Section):
    """A difference that is tested.

    Attributes:
        name: What the table calls it; "A against B" if not given.
        better: The condition that is expected to be better.
        than: The other.
        weights: Instead of these: condition → weight. The value tested is the weighted sum.
        places: Only these places.
        least: What the difference has to reach on dev, as a fraction; below it the idea is dead,
            and the verdict says so.
    """

    name: str | None = None
    better: str | None = None
    than: str | None = None
    weights: dict[str, float] = {}  # noqa: RUF012
    places: list[str] | None = None
    least: Share | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Contrast:
        if bool(self.weights) == (self.better is not None and self.than is not None):
            raise ValueError("it needs 'better' and 'than', or 'weights'")
        if self.weights and self.name is None:
            raise ValueError("a contrast by 'weights' needs a 'name'")
        return self

    @property
    def title(self) -> str:
        """What tables call it."""
        return self.name or f"{self.better} against {self.than}"

    @property
    def terms(self) -> dict[str, float]:
        """Condition → weight."""
        if self.weights:
            return self.weights
        assert self.better is not None
        assert self.than is not None
        return {self.better: 1.0, self.than: -1.0}


class Signal(Section):
    """What may tell right answers from wrong ones, beyond their own confidence and margin.

    Attributes:
        of: The condition whose answers are told apart, on dev.
        by: The condition whose view of each answer's first two labels is added.
        least: The gain in area under the ROC curve that it has to reach; below it the idea is dead.
        places: Only these places.
    """

    of: str
    by: str
    least: Share | None = None
    places: list[str] | None = None


class Writer(Section):
    """Who writes the deductions that recipes call ``written``.

    Attributes:
        by: A bundle or model.
        mode: Once per anchor of the window, or for each turn.
        window: Most earlier turns; the recipes' window should be the same.
    """

    by: str
    mode: Literal["anchor", "utterance"] = "anchor"
    window: Count = 4


class Experiment(Section):
    """A question with all that answers it.

    Attributes:
        name: What its results are called.
        question: In one sentence.
        metric: The one metric that its family of tests is about.
        seeds: Of the trainings.
        data: Name → what is asked about.
        recipe: Keys that all trained conditions share.
        tracks: Name → data to train on; one unnamed track if not given.
        deductions: Who writes deductions beforehand.
        conditions: Name → what is measured.
        family: The tests that Holm's adjustment covers together.
        signals: Name → what may tell right answers from wrong ones.
        figure: ``forest`` (differences with intervals) or ``cost`` (the metric against seconds).
        notes: What a reader has to know, a sentence each.
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]
    question: str
    metric: Metric = "weighted_f1"
    seeds: Annotated[list[Seed], Field(min_length=1)] = [0]  # noqa: RUF012
    data: Annotated[dict[Name, Place], Field(min_length=1)]
    recipe: dict[str, Any] = {}  # noqa: RUF012
    tracks: dict[Name, Track] = {"": Track()}  # noqa: RUF012 (pydantic copies it)
    deductions: Writer | None = None
    conditions: Annotated[dict[Name, Condition], Field(min_length=1)]
    family: list[Contrast] = []  # noqa: RUF012
    signals: dict[Name, Signal] = {}  # noqa: RUF012
    figure: Literal["forest", "cost"] = "forest"
    notes: list[str] = []  # noqa: RUF012

    @model_validator(mode="after")
    def _names_what_is_there(self) -> Experiment:
        for name, condition in self.conditions.items():
            parts = [condition.like] if condition.like else []
            parts += condition.combine.of if condition.combine else []
            parts += [condition.ask.pairs] if condition.ask.pairs else []
            _known(f"condition '{name}'", parts, self.conditions)
            _known(f"condition '{name}'", condition.tracks or [], self.tracks)
            _known(f"condition '{name}'", condition.places or [], self.data)
            if condition.like and self.conditions[condition.like].train is None:
                raise ValueError(
                    f"condition '{name}' is like '{condition.like}', which trains none"
                )
        for name, track in self.tracks.items():
            _known(f"track '{name}'", track.places or [], self.data)
        for contrast in self.family:
            _known(f"contrast '{contrast.title}'", contrast.terms, self.conditions)
            _known(f"contrast '{contrast.title}'", contrast.places or [], self.data)
        for name, signal in self.signals.items():
            _known(f"signal '{name}'", (signal.of, signal.by), self.conditions)
            _known(f"signal '{name}'", signal.places or [], self.data)
        self._check_order()
        return self

    def _check_order(self) -> None:
        """What is made of other answers, or asked about them, stands after these."""
        seen: set[str] = set()
        for name, condition in self.conditions.items():
            pairs = condition.ask.pairs
            parts = condition.combine.of if condition.combine else [pairs] if pairs else []
            late = [part for part in parts if part not in seen]
            if late:
                raise ValueError(
                    f"condition '{name}' stands before '{late[0]}', of which it is made"
                )
            if pairs and self.conditions[pairs].combine:
                raise ValueError(f"condition '{name}' asks about '{pairs}', which is combined")
            seen.add(name)


def _known(what: str, names: Any, there: Any) -> None:  # noqa: ANN401 (names of any mapping)
    missing = next((name for name in names if name not in there), None)
    if missing is not None:
        raise ValueError(f"{what} names '{missing}', which is not there")
