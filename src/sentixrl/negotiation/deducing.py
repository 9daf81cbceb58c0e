"""Emotional deduction carried out: the model is asked for E before it judges.

Contract: deductions are asked for in one engine call a part for all dialogues of a chunk and kept
in a bounded cache by prompt. Where the model says nothing or fails, E is left out, never
invented: a turn too long to deduce from must not take its neighbours down. Failures are not
kept.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from sentixrl.context.deduction import MAX_TOKENS, PARTS, Deduction, deduction_prompt
from sentixrl.context.prompt import Prompt
from sentixrl.context.retrieval import ContextBuilder, TargetContext, one_line
from sentixrl.context.templates import TemplateSet
from sentixrl.dialogue import Dialogue
from sentixrl.engines.protocol import Failure, GenerateRequest, Session
from sentixrl.negotiation.lockstep import Turn, together, write

CACHE_SIZE = 10_000

Source = tuple[Prompt, TemplateSet]
"""What a deduction is drawn from: the turns so far, and the language it is asked in."""

_log = logging.getLogger(__name__)


class Deducer:
    """Builds contexts, with deductions where the options ask for them.

    Args:
        builder: Makes each utterance's context.
        cache_size: How many deductions are kept for later dialogues.
    """

    def __init__(self, builder: ContextBuilder, cache_size: int = CACHE_SIZE) -> None:
        self._builder = builder
        self._cache: dict[Source, Deduction | None] = {}
        self._cache_size = cache_size

    def contexts(
        self, session: Session, dialogues: Sequence[Dialogue]
    ) -> list[list[TargetContext]]:
        """The context of every utterance of each dialogue."""
        if self._builder.options.deduction == "off":
            return [self._builder.build(dialogue) for dialogue in dialogues]
        sources = [self._sources(dialogue) for dialogue in dialogues]
        found = self._deduce(session, (source for group in sources for source in group if source))
        return [
            self._builder.build(dialogue, [found[source] if source else None for source in group])
            for dialogue, group in zip(dialogues, sources, strict=True)
        ]

    def _sources(self, dialogue: Dialogue) -> list[Source | None]:
        """What each target's deduction is drawn from, if it gets one."""
        template = self._builder.template_for(dialogue)
        contexts = self._builder.build(dialogue)
        if self._builder.options.deduction == "utterance":
            return [(context.prompt, template) for context in contexts]
        if not self._builder.options.history:
            # What came before a turn is not to be known, not even by hearsay.
            return [None] * len(contexts)
        # Once an anchor: from what was said before the window starts.
        starts = [context.dropped_turns for context in contexts]
        return [(contexts[start - 1].prompt, template) if start else None for start in starts]

    def _deduce(
        self, session: Session, sources: Iterable[Source]
    ) -> dict[Source, Deduction | None]:
        wanted = dict.fromkeys(sources)
        unknown = [source for source in wanted if source not in self._cache]
        failures = []
        answers = together(session, [_deduction(*source) for source in unknown])
        for source, answer in zip(unknown, answers, strict=True):
            if isinstance(answer, Failure):
                failures.append(answer)
            else:
                self._cache[source] = answer
        if failures:
            _log.warning(
                "%d of %d deductions failed and are left out: %s",
                len(failures), len(unknown), failures[0].message,
            )  # fmt: skip
        found = {source: self._cache.get(source) for source in wanted}
        while len(self._cache) > self._cache_size:
            del self._cache[next(iter(self._cache))]
        return found


def _deduction(context: Prompt, template: TemplateSet) -> Turn[Deduction | None]:
    """Scenario, people and relationships, one after the other."""
    known: tuple[str, ...] = ()
    for _ in PARTS:
        prompt = deduction_prompt(context, template, known)
        said = one_line((yield from write(GenerateRequest(prompt, MAX_TOKENS, ("\n",)))))
        if not said:
            return None
        known += (said,)
    return Deduction(*known)
