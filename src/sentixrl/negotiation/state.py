"""One utterance's negotiation in progress: the words so far and the protocol's state.

Contract: a state's prompt is everything both roles have said, and every method only appends to
it, so each question's prompt begins with the one before.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from sentixrl.context.building import TargetContext
from sentixrl.context.prompt import Prompt
from sentixrl.context.templates import TemplateSet
from sentixrl.engines.protocol import Failure
from sentixrl.negotiation.protocol import Rules, State, advance
from sentixrl.prediction import ItemError, Judgement, Proposal, Round, Verdict


@dataclass(slots=True)
class NegotiationState:
    """What the roles share about one utterance.

    Attributes:
        context: The utterance and what a prompt shows before it.
        template: The wording.
        prompt: Context and conversation so far.
        state: The protocol's state.
        proposal: The generator's latest proposal, while its round is open.
        error: Why it failed, if it did.
    """

    context: TargetContext
    template: TemplateSet
    prompt: Prompt
    state: State = field(default_factory=State)
    proposal: Proposal | None = None
    error: ItemError | None = None

    @classmethod
    def of(cls, context: TargetContext, template: TemplateSet) -> NegotiationState:
        """The state before anybody has spoken."""
        return cls(context, template, context.prompt)

    @property
    def round(self) -> int:
        """Number of the current round, from 1."""
        return len(self.state.rounds) + 1

    @property
    def objected(self) -> bool:
        """Whether the round before ended in an objection."""
        last = self.state.rounds[-1].judgement if self.state.rounds else None
        return last is not None and last.verdict is Verdict.DISAGREE

    @property
    def open(self) -> bool:
        """Whether it has neither ended nor failed."""
        return self.error is None and self.state.status is None

    @property
    def proposed(self) -> str | None:
        """The label to be judged, if there is a readable one."""
        return self.proposal.label if self.proposal else None

    @property
    def record(self) -> tuple[Round, ...]:
        """All that was said: the finished rounds, and a proposal that was not judged."""
        if self.proposal is None:
            return self.state.rounds
        return (*self.state.rounds, Round(self.round, self.proposal))

    def say(self, role: str, block: str) -> str:
        """A line of the generator's or discriminator's template for this utterance's speaker."""
        return self.template.render(role, block, speaker=self.context.speaker)

    def ask(self, role: str, block: str) -> None:
        """Put a question to the model, on a line of its own."""
        self.prompt = self.prompt.line("user", self.say(role, block))

    def begin(self, role: str, block: str) -> None:
        """Begin a line that the model is to finish."""
        self.prompt = self.prompt.line("assistant", self.say(role, block))

    def go_on(self, role: str, block: str) -> None:
        """Continue the model's own line, spaced as the template spaces it."""
        self.prompt = self.prompt.then("assistant", self.say(role, block))

    def answer(self, text: str) -> None:
        """Append what the model said."""
        self.prompt = self.prompt.answer(text)

    def fail(self, failure: Failure) -> None:
        """Give up; what was said so far is kept."""
        self.error = ItemError.of(failure)

    def end_round(self, judgement: Judgement | None, rules: Rules) -> None:
        """Close the current round. There is no judgement if there was nothing to judge."""
        if self.proposal is None:
            raise ValueError("a round cannot end before its proposal")
        self.state = advance(self.state, rules, Round(self.round, self.proposal, judgement))
        self.proposal = None
