"""Talks opened: each utterance's context, with the emotional deduction E carried out first.

Contract: deductions are asked for in one engine call a part for all dialogues of a chunk, kept in
a bounded cache by prompt, and left out, never invented, where the model says nothing. Where one
fails, the utterances that needed it fail with it: without E they would be another experiment.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sentixrl.context.deduction import MAX_TOKENS, PARTS, Deduction, deduction_prompt
from sentixrl.context.prompt import Prompt
from sentixrl.context.retrieval import ContextBuilder, TargetContext, one_line
from sentixrl.context.templates import TemplateSet
from sentixrl.dialogue import Dialogue
from sentixrl.engines.protocol import Failure, GenerateRequest, Session
from sentixrl.negotiation.lockstep import Turn, together, write
from sentixrl.negotiation.talk import Talk

CACHE_SIZE = 10_000

Source = tuple[Prompt, TemplateSet]
"""What a deduction is drawn from: the turns so far, and the language it is asked in."""


class Deducer:
    """Opens the talks of dialogues, with deductions where the options ask for them.

    Args:
        builder: Makes each utterance's context.
        cache_size: How many deductions are kept for later dialogues.
    """

    def __init__(self, builder: ContextBuilder, cache_size: int = CACHE_SIZE) -> None:
        self._builder = builder
        self._cache: dict[Source, Deduction | None] = {}
        self._cache_size = cache_size

    def talks(self, session: Session, dialogues: Sequence[Dialogue]) -> list[list[Talk]]:
        """A talk for every utterance of each dialogue, in order."""
        sources = [self._sources(dialogue) for dialogue in dialogues]
        found = self._deduce(session, (source for group in sources for source in group))
        return [
            self._open(dialogue, [found[source] for source in group])
            for dialogue, group in zip(dialogues, sources, strict=True)
        ]

    def _open(
        self, dialogue: Dialogue, deductions: Sequence[Deduction | Failure | None]
    ) -> list[Talk]:
        template = self._builder.template_for(dialogue)
        usable = [None if isinstance(found, Failure) else found for found in deductions]
        talks = []
        for context, found in zip(self._builder.build(dialogue, usable), deductions, strict=True):
            talk = Talk(context, template, context.prompt)
            if isinstance(found, Failure):
                talk.fail(found)
            talks.append(talk)
        return talks

    def _sources(self, dialogue: Dialogue) -> list[Source | None]:
        """What each target's deduction is drawn from, if it gets one."""
        mode = self._builder.options.deduction
        if mode == "off":
            return [None] * len(dialogue)
        template = self._builder.template_for(dialogue)
        contexts = self._builder.build(dialogue)
        if mode == "utterance":
            return [(context.prompt, template) for context in contexts]
        return [_before_window(contexts, context, template) for context in contexts]

    def _deduce(
        self, session: Session, sources: Iterable[Source | None]
    ) -> dict[Source | None, Deduction | Failure | None]:
        wanted = [source for source in dict.fromkeys(sources) if source is not None]
        unknown = [source for source in wanted if source not in self._cache]
        fresh = together(session, [_deduction(*source) for source in unknown])
        failed: dict[Source, Failure] = {}
        for source, found in zip(unknown, fresh, strict=True):
            if isinstance(found, Failure):
                failed[source] = found
            else:
                self._cache[source] = found
        known = {source: self._cache[source] for source in wanted if source not in failed}
        while len(self._cache) > self._cache_size:
            del self._cache[next(iter(self._cache))]
        return {None: None, **known, **failed}


def _before_window(
    contexts: Sequence[TargetContext], target: TargetContext, template: TemplateSet
) -> Source | None:
    """Once an anchor: from what was said before the window starts."""
    start = target.dropped_turns
    return (contexts[start - 1].prompt, template) if start else None


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
