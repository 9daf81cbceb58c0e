"""Carrying out emotional deduction: the model is asked for E before it judges.

Contract: it is known from the start which deductions a dialogue needs. Each is asked for once, and
results are kept in a bounded cache by prompt. If the model says nothing or fails, E is left out,
never invented: a turn that is too long for a deduction must not make its neighbours fail. Failures
are not kept.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from threading import Lock

from sentixrl.context.building import NO_DEDUCTION, ContextBuilder, TargetContext, one_line
from sentixrl.context.deduction import MAX_TOKENS, PARTS, Deduction, deduction_prompt
from sentixrl.context.prompt import Prompt
from sentixrl.context.templates import TemplateSet
from sentixrl.dialogue import Dialogue
from sentixrl.engines.protocol import Failure, GenerateRequest
from sentixrl.negotiation.turns import Turn, write

CACHE_SIZE = 10_000

Source = tuple[Prompt, TemplateSet]
"""The input of a deduction: the turns so far, and the language it is asked in."""

_log = logging.getLogger(__name__)


class Deductions:
    """Deductions already made. May be used from many threads.

    Args:
        size: How many are kept; 0 to keep none.
    """

    def __init__(self, size: int = CACHE_SIZE) -> None:
        self._size = size
        self._known: dict[Source, Deduction | None] = {}
        self._lock = Lock()

    def known(self, sources: list[Source]) -> dict[Source, Deduction | None]:
        """The deductions that are known already, by source."""
        with self._lock:
            return {source: self._known[source] for source in sources if source in self._known}

    def keep(self, found: Mapping[Source, Deduction | None]) -> None:
        """Keep deductions for later dialogues; the oldest are dropped."""
        with self._lock:
            self._known |= found
            while len(self._known) > self._size:
                del self._known[next(iter(self._known))]


class DeductionPlan:
    """The deductions one dialogue needs, and their results so far.

    Args:
        builder: Makes the contexts.
        dialogue: The turns.
        kept: Deductions already made.

    Attributes:
        missing: The sources whose deductions are still missing, each once.
    """

    def __init__(self, builder: ContextBuilder, dialogue: Dialogue, kept: Deductions) -> None:
        self._builder, self._dialogue, self._kept = builder, dialogue, kept
        self._sources = self._find_sources()
        wanted = list(dict.fromkeys(source for source in self._sources if source))
        self._found = kept.known(wanted)
        self.missing = [source for source in wanted if source not in self._found]
        self._failures: list[Failure] = []
        self._asked = len(self.missing)

    def settle(self, source: Source, answer: Deduction | Failure | None) -> None:
        """Note the result for one of the missing sources."""
        self.missing.remove(source)
        if isinstance(answer, Failure):
            self._failures.append(answer)
        else:
            self._found[source] = answer
            self._kept.keep({source: answer})

    def contexts(self) -> list[TargetContext]:
        """The context of every utterance, once nothing is missing."""
        if self._failures:
            _log.warning(
                "%d of %d deductions failed and are left out: %s",
                len(self._failures), self._asked, self._failures[0].message,
            )  # fmt: skip
        return self._builder.build(self._dialogue, self.deductions())

    def deductions(self) -> list[Deduction | None]:
        """The deduction of every utterance, as far as they are known."""
        return [self._found.get(source) if source else None for source in self._sources]

    def _find_sources(self) -> list[Source | None]:
        """The source of each target's deduction, if it gets one."""
        options = self._builder.options
        made = self._builder.supplements.deductions is not None
        if options.deduction in NO_DEDUCTION or made:
            return [None] * len(self._dialogue)
        template = self._builder.template_for(self._dialogue)
        contexts = self._builder.build(self._dialogue)
        if options.deduction == "utterance":
            return [(context.prompt, template) for context in contexts]
        if not options.history:
            # With history off, nothing said before a turn may be shown, not even as a summary.
            return [None] * len(contexts)
        # Once per anchor, from what was said before the window starts.
        starts = [context.dropped_turns for context in contexts]
        return [(contexts[start - 1].prompt, template) if start else None for start in starts]


def deduce(source: Source) -> Turn[Deduction | None]:
    """Scenario, people and relationships, one after the other."""
    context, template = source
    known: tuple[str, ...] = ()
    for _ in PARTS:
        prompt = deduction_prompt(context, template, known)
        said = one_line((yield from write(GenerateRequest(prompt, MAX_TOKENS, ("\n",)))))
        if not said:
            return None
        known += (said,)
    return Deduction(*known)
