"""Emotional deduction E = (S, P, R): scenario, people and relationships, by the model.

Contract: this module says what to ask and how to read the reply; the caller, which has a session,
asks. The model completes three short openers one after the other, so any model that can continue
text gives the three parts.
"""

from __future__ import annotations

from dataclasses import dataclass

from sentixrl.context.prompt import Prompt
from sentixrl.context.templates import TemplateSet

PARTS = ("scenario", "people", "relationships")
MAX_TOKENS = 32


@dataclass(frozen=True, slots=True)
class Deduction:
    """What the model infers about the situation before it judges an emotion."""

    scenario: str
    people: str
    relationships: str

    def parts(self) -> dict[str, str]:
        """Part → text, for the template."""
        return {part: getattr(self, part) for part in PARTS}


def deduction_prompt(context: Prompt, template: TemplateSet, known: tuple[str, ...]) -> Prompt:
    """The prompt whose continuation is the next part.

    Args:
        context: The turns the deduction may draw on.
        template: The language's templates.
        known: The parts read so far, in the order of :data:`PARTS`.
    """
    prompt = context.line("user", template.render("deduction", "request"))
    for position, part in enumerate(PARTS[: len(known) + 1]):
        prompt = prompt.line("assistant", template.render("deduction", part))
        if position < len(known):
            prompt = prompt.answer(known[position])
    return prompt
