"""What a pack is worth: the loss of its answers, weighted by label and role."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch

from sentixrl.training.losses import Focal
from sentixrl.training.outputs import Outputs
from sentixrl.training.packs import TrainingPack
from sentixrl.training.questions import Role

FIRST: tuple[Role, ...] = ("generator", "label")
"""Who is asked first; the other roles count by :attr:`Objective.second`."""


@dataclass(frozen=True)
class Objective:
    """What a pack is worth.

    Attributes:
        focal: The loss of one answer.
        weights: Name of a label set → label → α.
        log_priors: Name of a label set → label → log frequency, where logits are adjusted.
        adjust: τ of logit adjustment.
        second: Weight of a question that is not the generator's first.
        distil: Share of the loss of a question with beliefs that is the cross-entropy to them
            (Hinton et al. 2015, arXiv 1503.02531; here the teacher is out of fold).
    """

    focal: Focal
    weights: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    log_priors: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    adjust: float = 0.0
    second: float = 1.0
    distil: float = 0.0

    def __call__(self, pack: TrainingPack, outputs: Outputs) -> torch.Tensor:
        """The sum of the weighted losses of a pack's questions.

        Args:
            pack: On the outputs' device.
            outputs: What the model says at its reads.
        """
        if self.focal.variant == "vocabulary":
            steps, number = pack.target_steps(outputs)
            losses = torch.zeros(len(pack), device=steps.device)
            losses = losses.index_add(0, number, self.focal(steps))
        else:
            scores = answered = pack.log_probs(outputs)
            if self.adjust:
                scores = (scores + self.adjust * self._priors(pack, scores)).log_softmax(-1)
            losses = self.focal(scores.gather(-1, pack.target[:, None])[:, 0])
            if self.distil:  # fold models answer as this one does: unadjusted
                share = self.distil * pack.beliefs.sum(-1)
                taught = -(pack.beliefs * answered.masked_fill(answered.isinf(), 0.0)).sum(-1)
                losses = (1 - share) * losses + self.distil * taught
        return (losses * self.of(pack).to(losses.device)).sum()

    def of(self, pack: TrainingPack) -> torch.Tensor:
        """The weight of each of a pack's questions, ``[n_questions]``."""
        return torch.tensor(
            [
                question.share
                * self.weights.get(question.label_set, {}).get(question.label, 1.0)
                * (1.0 if question.role in FIRST else self.second)
                for question in pack.questions
            ]
        )

    def _priors(self, pack: TrainingPack, like: torch.Tensor) -> torch.Tensor:
        rows = torch.zeros_like(like)
        for number, question in enumerate(pack.questions):
            priors = self.log_priors.get(question.label_set, {})
            for place, name in enumerate(question.names):
                rows[number, place] = priors.get(name, 0.0)
        return rows
