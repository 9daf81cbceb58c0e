"""The packs of a training as a torch data set: each is built on access, from its plan alone.

Contract: the same plan gives the same pack in every process and after every resume.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from torch.utils.data import Dataset as TorchDataset

from sentixrl.context.building import (
    NOTHING_BESIDES,
    ContextBuilder,
    ContextOptions,
    Supplements,
)
from sentixrl.dialogue import Dialogue
from sentixrl.engines.local.prompt_format import PromptFormat
from sentixrl.training.drawing import LabelDraw
from sentixrl.training.material import Source
from sentixrl.training.packs import TrainingPack, pack_questions
from sentixrl.training.pairs import Pairs
from sentixrl.training.plans import PackPlan
from sentixrl.training.processes import world_size
from sentixrl.training.questions import OutOfFoldTurns, Question, questions, several_questions


@dataclass(frozen=True)
class Packer:
    """Turns pack plans into packs.

    Attributes:
        sources: What plans point into.
        context: What prompts show.
        draws: How label sets are drawn.
        prompt_format: How prompts become tokens.
        count_tokens: Length of a segment in tokens.
        out_of_fold: Out-of-fold proposals, by source; none, no second role.
        challenge: How often a right proposal is objected to.
        supplements: What prompts show besides the dialogues, by source; none, nothing.
        pairs: What a verifier is asked about, by source; none, no verifier.
    """

    sources: Sequence[Source]
    context: ContextOptions
    draws: LabelDraw
    prompt_format: PromptFormat
    count_tokens: Callable[[str], int]
    out_of_fold: Sequence[OutOfFoldTurns] = field(default_factory=tuple)
    challenge: float = 0.0
    supplements: Sequence[Supplements] = field(default_factory=tuple)
    pairs: Sequence[Pairs] = field(default_factory=tuple)

    def __call__(self, plan: PackPlan) -> TrainingPack:
        """Build one pack."""
        return pack_questions(self.questions(plan), self.prompt_format)

    def questions(self, plan: PackPlan) -> list[Question]:
        """The questions of one pack."""
        rng = random.Random(plan.seed)
        source = self.sources[plan.source]
        dialogues = [source.data.dialogues[index] for index in plan.dialogues]
        out_of_fold = self.out_of_fold[plan.source] if self.out_of_fold else {}
        pairs = self.pairs[plan.source] if self.pairs else None
        labels, several = source.data.label_set, source.data.several
        # Where each label is a question of its own, none has to be there.
        needed = (
            set() if several else _needed(plan, dialogues, pairs.turns if pairs else out_of_fold)
        )
        language = (
            ContextBuilder(labels, self.context, self.count_tokens)
            .template_for(dialogues[0])
            .language
        )
        shown = self.draws(labels, needed, language, rng)
        if plan.allowed:
            shown = shown.only(plan.allowed)
        besides = self.supplements[plan.source] if self.supplements else NOTHING_BESIDES
        builder = ContextBuilder(shown, self.context, self.count_tokens, besides, several=several)
        asked: list[Question] = []
        for dialogue in dialogues:
            template = builder.template_for(dialogue)
            for context, turn in zip(builder.build(dialogue), dialogue, strict=True):
                if several:
                    if turn.golds is not None:
                        asked += several_questions(context, template, shown, turn.golds)
                elif turn.gold is not None:
                    asked += questions(
                        context,
                        template,
                        shown,
                        turn.gold,
                        out_of_fold.get((dialogue.id, context.index)),
                        challenge=rng.random() < self.challenge,
                    )
                    if pairs is not None:
                        asked += pairs.questions(
                            builder, context, template, dialogue, turn.gold, rng
                        )
        return asked


def _needed(plan: PackPlan, dialogues: Sequence[Dialogue], out_of_fold: OutOfFoldTurns) -> set[str]:
    """The labels that a pack's questions cannot do without."""
    needed = set(plan.allowed) or {
        turn.gold for dialogue in dialogues for turn in dialogue if turn.gold is not None
    }
    for dialogue in dialogues:
        for found in (out_of_fold.get((dialogue.id, n)) for n in range(len(dialogue))):
            needed |= {found.proposal, found.runner_up} if found else set()
    return needed


class PackDataset(TorchDataset[TrainingPack]):
    """Packs in training order, as many for each process: the last is repeated where some lack."""

    def __init__(self, plans: Sequence[PackPlan], packer: Packer) -> None:
        self._plans = plans
        self._packer = packer

    def __len__(self) -> int:
        return -(-len(self._plans) // world_size()) * world_size()

    def __getitem__(self, index: int) -> TrainingPack:
        last = len(self._plans) - 1
        pack = self._packer(self._plans[min(index, last)])
        return pack if index <= last else replace(pack, repeated=True)
