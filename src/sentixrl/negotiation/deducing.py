"""Emotional deduction carried out: the model is asked for E before it judges.

Contract: deductions are asked for in one engine call a part for all dialogues of a chunk, or in
sessions of their own where there are too many for one, and kept in a bounded cache by prompt.
Where the model says nothing or fails, E is left out, never invented: a turn too long to deduce
from must not take its neighbours down. Failures are not kept.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence

from sentixrl.context.deduction import MAX_TOKENS, PARTS, Deduction, deduction_prompt
from sentixrl.context.prompt import Prompt
from sentixrl.context.retrieval import ContextBuilder, TargetContext, one_line
from sentixrl.context.templates import TemplateSet
from sentixrl.dialogue import Dialogue
from sentixrl.engines.protocol import Engine, Failure, GenerateRequest, Session
from sentixrl.negotiation.lockstep import Turn, together, write

CACHE_SIZE = 10_000
SOURCE_TOKENS = len(PARTS) * (MAX_TOKENS + 50)
"""About how many tokens a session holds for a deduction: what is asked and what is said."""

Source = tuple[Prompt, TemplateSet]
"""What a deduction is drawn from: the turns so far, and the language it is asked in."""

_log = logging.getLogger(__name__)


class Deducer:
    """Builds contexts, with deductions where the options ask for them.

    Args:
        engine: Who is asked.
        builder: Makes each utterance's context.
        chunk_tokens: About how many tokens a session may hold.
        cache_size: How many deductions are kept for later dialogues.
    """

    def __init__(
        self,
        engine: Engine,
        builder: ContextBuilder,
        chunk_tokens: int,
        cache_size: int = CACHE_SIZE,
    ) -> None:
        self._engine = engine
        self._builder = builder
        self._room = max(1, chunk_tokens // SOURCE_TOKENS)
        self._cache: dict[Source, Deduction | None] = {}
        self._cache_size = cache_size

    def contexts(
        self, session: Session, dialogues: Sequence[Dialogue]
    ) -> list[list[TargetContext]]:
        """The context of every utterance of each dialogue.

        Args:
            session: Where deductions are asked for, if it can hold them all: what they share with
                the prompts that follow is computed once.
            dialogues: The dialogues.
        """
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
        answers = self._ask(session, unknown)
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

    def _ask(self, session: Session, sources: Sequence[Source]) -> list[Deduction | Failure | None]:
        if len(sources) <= self._room:
            return together(session, [_deduction(*source) for source in sources])
        answers: list[Deduction | Failure | None] = []
        for start in range(0, len(sources), self._room):
            part = sources[start : start + self._room]
            with self._engine.session() as own:
                answers += together(own, [_deduction(*source) for source in part])
        return answers


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
