"""From questions to a pack and its read-out: what one training step computes.

Contract: the questions of a pack share every prefix they can; ``log_probs`` of the model's outputs
at the reads are exact log-probabilities of whole choices, normalised over each question's own.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch

from sentixrl.engines.local.prompt_format import PromptFormat, branches
from sentixrl.training.outputs import Outputs
from sentixrl.training.questions import Question
from sentixrl.trie import Pack, PackBudget, PromptTrie, ReadOut, plan

ROW = PackBudget(pack=1 << 40, row=128, waste=64)
"""One pack a step, whatever its length; rows as the engine cuts them."""


@dataclass(frozen=True, slots=True)
class TrainingPack:
    """A pack with the answers it is to learn.

    Attributes:
        pack: All tokens of the questions.
        reads: Tokens of the pack at which the model is read, ``[n_reads]``.
        read: Which read predicts each step, ``[n_steps]``.
        token: Which token the step predicts, ``[n_steps]``.
        inner: Whether the step lies inside a choice, ``[n_steps]``.
        place: Where the step's choice stands in ``[n_questions * width]``, ``[n_steps]``.
        width: Most choices of a question.
        target: Index of each question's answer, ``[n_questions]``.
        beliefs: What a model that never saw the dialogue believes, ``[n_questions, width]``; rows
            of zeros where there is none.
        questions: The questions.
        repeated: Whether it only keeps a process busy while the others have one pack more; it is
            worth nothing.
    """

    pack: Pack
    reads: torch.Tensor
    read: torch.Tensor
    token: torch.Tensor
    inner: torch.Tensor
    place: torch.Tensor
    width: int
    target: torch.Tensor
    beliefs: torch.Tensor
    questions: tuple[Question, ...]
    repeated: bool = False

    def __len__(self) -> int:
        return len(self.questions)

    @property
    def share(self) -> float:
        """What it counts for in a step's mean: the sum of its questions' shares."""
        return math.fsum(question.share for question in self.questions)

    def log_probs(self, outputs: Outputs) -> torch.Tensor:
        """Log-probabilities of each question's choices, padded with -inf.

        At a prompt's end all choices share one normaliser, which cancels; inside a choice the
        whole vocabulary competes.

        Args:
            outputs: What the model says at the reads.

        Returns:
            ``[n_questions, width]``, float32.
        """
        values = outputs.logits(self.read, self.token)
        if bool(self.inner.any()):
            within = outputs.normalisers(self.read[self.inner])
            values = values.index_add(0, self.inner.nonzero()[:, 0], -within)
        size = len(self) * self.width
        sums = torch.zeros(size, device=values.device).index_add(0, self.place, values)
        there = torch.zeros(size, dtype=torch.bool, device=values.device)
        there[self.place] = True
        scores = sums.masked_fill(~there, float("-inf")).view(len(self), self.width)
        return scores.log_softmax(-1)

    def target_steps(self, outputs: Outputs) -> tuple[torch.Tensor, torch.Tensor]:
        """Log-probability of each token of each answer among the whole vocabulary.

        Returns:
            The log-probabilities, and the question each belongs to, ``[n_target_steps]`` each.
        """
        number = self.place // self.width
        answers = self.place == number * self.width + self.target[number]
        read = self.read[answers]
        values = outputs.logits(read, self.token[answers]) - outputs.normalisers(read)
        return values, number[answers]

    def to(self, device: torch.device) -> TrainingPack:
        """The same pack with its tensors on a device."""
        names = ("reads", "read", "token", "inner", "place", "target", "beliefs")
        return replace(self, **{name: getattr(self, name).to(device) for name in names})


def pack_questions(questions: Sequence[Question], prompt_format: PromptFormat) -> TrainingPack:
    """Put questions into one trie and lay it out as one pack."""
    trie = PromptTrie()
    out = ReadOut(trie)
    for question in questions:
        choices = branches(prompt_format, question.prompt, question.choices)
        out.add(prompt_format.encode(question.prompt), choices)
    (pack,) = plan(trie, out.nodes, ROW)
    reads = np.empty(len(out.nodes), np.int64)
    reads[pack.read_ids] = pack.reads
    steps, width = out.steps(), max(out.sizes)
    places = [number * width + n for number, size in enumerate(out.sizes) for n in range(size)]
    beliefs = torch.zeros(len(questions), width)
    for number, question in enumerate(questions):
        beliefs[number, : len(question.beliefs)] = torch.tensor(question.beliefs)
    return TrainingPack(
        pack=pack,
        reads=torch.from_numpy(reads),
        read=torch.from_numpy(steps.read),
        token=torch.from_numpy(steps.token),
        inner=torch.from_numpy(steps.inner),
        place=torch.tensor(places)[torch.from_numpy(steps.choice)],
        width=width,
        target=torch.tensor([question.target for question in questions]),
        beliefs=beliefs,
        questions=tuple(questions),
    )
