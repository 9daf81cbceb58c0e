"""What the library answers: one prediction an utterance, with the negotiation that led there.

Contract: every input utterance has exactly one :class:`Prediction`, in order. A prediction's
``label`` is a member of the label set or ``None``, never anything else. Where an utterance may have
several labels, ``labels`` holds them and ``label`` is ``None``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from sentixrl.dialogue import Dialogue


class Status(StrEnum):
    """How an utterance's label came about."""

    CONSENSUS = "consensus"
    """Generator and discriminator agreed."""
    SINGLE = "single"
    """No negotiation: switched off, or the first answer was confident enough."""
    OUTLIER = "outlier"
    """The rounds ran out without consensus."""
    INVALID = "invalid"
    """No allowed label could be read (only engines that cannot constrain their answers)."""
    ERROR = "error"
    """This utterance failed; the others went on."""


class Verdict(StrEnum):
    """The discriminator's judgement of a proposal."""

    AGREE = "agree"
    DISAGREE = "disagree"


class Reason(Protocol):
    """What a failed request and an error of ours say alike."""

    @property
    def code(self) -> str:
        """Short and stable, for programs."""

    @property
    def message(self) -> str:
        """One sentence."""

    @property
    def hint(self) -> str | None:
        """What to do about it."""

    @property
    def retryable(self) -> bool:
        """Whether asking again later may help."""


@dataclass(frozen=True, slots=True)
class ItemError:
    """Why one utterance has no answer, and whether asking again later may help."""

    code: str
    message: str
    hint: str | None = None
    retryable: bool = False

    @classmethod
    def of(cls, why: Reason) -> ItemError:
        """The same, from what went wrong."""
        return cls(why.code, why.message, why.hint, why.retryable)


@dataclass(frozen=True, slots=True)
class Proposal:
    """The generator's turn.

    Attributes:
        label: The proposed label's name; ``None`` if the reply held no allowed label.
        analysis: The written reasoning; ``None`` in the scored mode.
        log_probs: Label name → log-probability over the label set, where the engine scores.
        exact: Whether those are the model's own; bounds and coded choices are not.
        label_mass: How much of the probability the labels held before they were set against each
            other, where that was measured: little of it points to a wrong prompt format.
        model: Who spoke, where the roles are different models.
        flips: Of a model that was asked by letters in several orders: the share of the further
            orders that gave another label.
    """

    label: str | None
    analysis: str | None = None
    log_probs: Mapping[str, float] | None = None
    exact: bool = True
    label_mass: float | None = None
    model: str | None = None
    flips: float | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """The discriminator's turn.

    Attributes:
        verdict: Agreement or disagreement; ``None`` if the reply held no readable verdict.
        counter_label: On disagreement, the label it would give instead.
        assessment: The written reasoning; ``None`` in the scored mode.
        agree_log_prob: log P(agree), where the engine scores.
        log_probs: Label name → the discriminator's own log-probability, where the engine scores.
        model: Who spoke, where the roles are different models.
        exact: Whether the probabilities are the model's own; bounds and coded choices are not.
    """

    verdict: Verdict | None
    counter_label: str | None = None
    assessment: str | None = None
    agree_log_prob: float | None = None
    log_probs: Mapping[str, float] | None = None
    model: str | None = None
    exact: bool = True


@dataclass(frozen=True, slots=True)
class Round:
    """One exchange: a proposal and, unless the proposal was unreadable, its judgement."""

    number: int
    proposal: Proposal
    judgement: Judgement | None = None


@dataclass(frozen=True, slots=True)
class Evidence:
    """How far an earlier turn moved the model's answer: measured by hiding it.

    Attributes:
        turn: The hidden turn, from 0; of several, the first.
        log_odds: The answer's log-odds with the turn shown, less those with it hidden, in nats.
            Above zero, the turn moved the model towards its answer.
        towards: The label it moved the model towards: the answer, or the label that gained most
            from the answer.
        turns: How many turns in a row were hidden together.
    """

    turn: int
    log_odds: float
    towards: str
    turns: int = 1


@dataclass(frozen=True, slots=True)
class MoodTurn:
    """Where a speaker's emotions change most.

    Attributes:
        index: The first turn of the new mood.
        speaker: Whose mood it is.
        divergence: The Jensen–Shannon divergence, in bits (0 to 1), between the mean posteriors of
            the speaker's turns before and after.
        chance: What orders by chance reach at most, 95 times of 100.
        before: The likeliest label before.
        after: The likeliest label after.
    """

    index: int
    speaker: str | None
    divergence: float
    chance: float
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Prediction:
    """The answer for one utterance. Predictions are equal whatever they cost.

    Attributes:
        index: Position of the utterance in its dialogue, from 0.
        status: How the label came about.
        label: The label's name; ``None`` for outlier, invalid and error, and where several labels
            were asked for.
        fallback: The forced answer at full coverage; ``None`` only when nothing was readable, or
            where several labels were asked for.
        probabilities: Label name → posterior of the first round, where the engine scores. Where
            several labels were asked for: the probability that each applies; they sum to anything.
        confidence: Probability that ``label`` is right, where the engine scores.
        dropped_turns: Earlier turns that the history window left out.
        rounds: The negotiation's record, oldest first; empty when there was none.
        error: Set exactly when ``status`` is ``error``.
        tokens: How many the model computed for it. What it shares with another utterance counts
            once, for the one that came first.
        seconds: Its share of the time its batches took.
        exact: Whether its probabilities are the model's own.
        label_mass: As :attr:`Proposal.label_mass` of the first proposal.
        evidence: Which earlier turns moved the answer, oldest first; ``None`` if not measured.
        labels: The names of all labels that apply, in the label set's order, which may be none;
            ``None`` where one label was asked for, and on errors.
        calibrated: Whether its probabilities were calibrated on data with these labels.
        candidates: The labels that hold the true one with the probability that was asked for,
            likeliest first; ``None`` if none was.
        flips: As :attr:`Proposal.flips` of the first proposal.
    """

    index: int
    status: Status
    label: str | None = None
    fallback: str | None = None
    probabilities: Mapping[str, float] | None = None
    confidence: float | None = None
    dropped_turns: int = 0
    rounds: tuple[Round, ...] = ()
    error: ItemError | None = None
    tokens: int = field(default=0, compare=False)
    seconds: float = field(default=0.0, compare=False)
    exact: bool = True
    label_mass: float | None = None
    evidence: tuple[Evidence, ...] | None = None
    labels: tuple[str, ...] | None = None
    calibrated: bool = False
    candidates: tuple[str, ...] | None = None
    flips: float | None = None


@dataclass(frozen=True, slots=True)
class DialoguePrediction:
    """The answers for one dialogue, in the order of its utterances.

    Attributes:
        dialogue_id: The dialogue's identifier.
        language: The dialogue's language, as it names it or as its text tells.
        model: A name for the model that answered.
        template: The prompt templates' version and hash.
        items: One prediction an utterance.
        dialogue: What was answered, where it is known; predictions are equal with and without.
    """

    dialogue_id: str
    language: str
    model: str
    template: str
    items: tuple[Prediction, ...] = field(default_factory=tuple)
    dialogue: Dialogue | None = field(default=None, compare=False, repr=False)

    def _repr_html_(self) -> str:
        """What notebooks show: a table, escaped, without script."""
        from sentixrl.pages import notebook_view

        return notebook_view(self)
