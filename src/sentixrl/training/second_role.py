"""The sections of a recipe's second role: a discriminator, or a verifier.

Contract: as :mod:`sentixrl.training.sections`. Either learns from the answers of fold models, each
of which has not seen what it answers.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator

from sentixrl.training.sections import (
    LARGEST,
    Loss,
    Optimiser,
    Positive,
    Real,
    Section,
    Share,
    Whole,
)


class Discriminator(Section):
    """How the second role is trained.

    Attributes:
        folds: The proposals to judge come from this many models, each trained without one fold of
            the dialogues.
        epochs: Epochs of each of these models.
        challenge: How often a right proposal is objected to, so that the generator learns to stand
            by it.
        weight: Weight of all questions after the generator's first, whose weight is 1.
    """

    folds: Annotated[Whole, Field(ge=2, le=LARGEST)] = 2
    epochs: Positive = 1.0
    challenge: Share = 0.1
    weight: Positive = 1.0


class Verifier(Section):
    """How a second role is trained that decides between two labels: a discriminator's alternative.

    It is asked which of the fold models' first two labels a turn has, or neither, about the turns
    with the smallest margins. The generator's question is trained beside it, as it always is.

    Attributes:
        folds: The labels to decide between come from this many models, each trained without one
            fold of the dialogues.
        epochs: Epochs of each of these models; if not given, they are trained just as long as the
            recipe's own.
        base: Their base; the recipe's own if not given. A larger model thus learns to verify a
            smaller one.
        loss: Their loss; the recipe's own if not given.
        optimiser: Their optimiser; the recipe's own if not given.
        share: The share of the turns, those with the smallest margins, that are asked about.
        evidence: How many training turns of each of the two labels it is shown, those that resemble
            the turn most, from other dialogues.
        by: By what they are found: ``embeddings``, ``tfidf``, or at ``random``, a control.
        weight: Weight of its questions; the generator's is 1.
    """

    folds: Annotated[Whole, Field(ge=2, le=LARGEST)] = 2
    epochs: Positive | None = None
    base: str | None = None
    loss: Loss | None = None
    optimiser: Optimiser | None = None
    share: Annotated[Real, Field(gt=0, le=1)] = 0.5
    evidence: Annotated[Whole, Field(ge=0, le=100)] = 0
    by: Literal["embeddings", "tfidf", "random"] = "embeddings"
    weight: Positive = 1.0

    @field_validator("loss")
    @classmethod
    def _teaches_nobody(cls, loss: Loss | None) -> Loss | None:
        if loss is not None and loss.distil:
            raise ValueError("'distil' has no teachers here")
        return loss
