"""The modes in which the roles answer: scored and written, or one role in each.

Contract: a mode is written for one utterance; drivers run many in step. Scored roles answer by
probabilities and write nothing; written roles give an analysis or assessment first. A reply that
holds no allowed word gives ``None``, never a nearby label. An utterance whose verdict is agreement
skips the step in which the others ask for a counter-label, so that all stay in step.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import replace

from sentixrl.context.building import one_line
from sentixrl.context.prompt import lead
from sentixrl.engines.protocol import Capabilities, GenerateRequest, RoleName
from sentixrl.labels import LabelSet
from sentixrl.negotiation.answers import (
    Answers,
    Judging,
    LabelAnswer,
    VerdictAnswer,
    discriminator_view,
)
from sentixrl.negotiation.state import NegotiationState
from sentixrl.negotiation.turns import Turn, write
from sentixrl.prediction import Judgement, Proposal, Verdict

WRITTEN_TOKENS = 64


class Mode(ABC):
    """How the roles answer.

    Args:
        capabilities: What the engine can do.
        judging: How answers become labels and verdicts.
    """

    def __init__(self, capabilities: Capabilities, judging: Judging) -> None:
        self._proposing = Answers(capabilities, judging, "generator")
        self._judging = Answers(capabilities, judging, "discriminator")
        self.label_set: LabelSet = judging.label_set

    @abstractmethod
    def propose(self, state: NegotiationState) -> Turn[Proposal]:
        """The generator's turn; appends it to the state's prompt."""

    @abstractmethod
    def judge(self, state: NegotiationState) -> Turn[Judgement]:
        """The discriminator's turn on a readable proposal; appends it to the state's prompt."""

    def _counter(self, state: NegotiationState, found: VerdictAnswer) -> Turn[LabelAnswer | None]:
        """The label the discriminator would give instead, if it disagrees."""
        if found.verdict is not Verdict.DISAGREE:
            yield None
            return None
        self._ask_for_counter(state)
        return (yield from self._judging.label(state, other_than=state.proposed))

    @abstractmethod
    def _ask_for_counter(self, state: NegotiationState) -> None: ...

    def _judged(
        self,
        state: NegotiationState,
        found: VerdictAnswer,
        counter: LabelAnswer | None,
        assessment: str | None = None,
    ) -> Judgement:
        view = None
        if found.agree_log_prob is not None and state.proposed is not None:
            view = discriminator_view(state.proposed, found.agree_log_prob, counter, self.label_set)
        return Judgement(
            found.verdict,
            counter.name if counter else None,
            assessment,
            found.agree_log_prob,
            view,
            exact=found.exact and (counter is None or counter.exact),
        )


class ScoredMode(Mode):
    """Roles that answer by probabilities over labels and verdicts."""

    def propose(self, state: NegotiationState) -> Turn[Proposal]:
        """The generator's distribution over the labels."""
        state.ask("generator", "question" if state.round == 1 else "question_again")
        label = yield from self._proposing.label(state)
        return _proposal(label)

    def judge(self, state: NegotiationState) -> Turn[Judgement]:
        """P(agree) and, on disagreement, a distribution over the other labels."""
        state.ask("discriminator", "question")
        found = yield from self._judging.verdict(state)
        counter = yield from self._counter(state, found)
        return self._judged(state, found, counter)

    def _ask_for_counter(self, state: NegotiationState) -> None:
        state.go_on("discriminator", "counter")


class WrittenMode(Mode):
    """Roles that write an analysis or an assessment before they answer.

    Args:
        capabilities: What the engine can do.
        judging: How answers become labels and verdicts.
        max_tokens: Longest analysis and assessment.
    """

    def __init__(
        self, capabilities: Capabilities, judging: Judging, max_tokens: int = WRITTEN_TOKENS
    ) -> None:
        super().__init__(capabilities, judging)
        self._max_tokens = max_tokens

    def propose(self, state: NegotiationState) -> Turn[Proposal]:
        """An analysis, then a label."""
        state.ask("generator", "explain_again" if state.objected else "explain")
        analysis = yield from self._finish(state, "generator", "analysis")
        state.begin("generator", "answer")
        label = yield from self._proposing.label(state)
        return _proposal(label, analysis)

    def judge(self, state: NegotiationState) -> Turn[Judgement]:
        """An assessment, a verdict and, on disagreement, a counter-label."""
        state.ask("discriminator", "assess")
        assessment = yield from self._finish(state, "discriminator", "assessment")
        state.begin("discriminator", "verdict")
        found = yield from self._judging.verdict(state)
        counter = yield from self._counter(state, found)
        return self._judged(state, found, counter, assessment)

    def _ask_for_counter(self, state: NegotiationState) -> None:
        state.begin("discriminator", "counter_answer")

    def _finish(self, state: NegotiationState, role: RoleName, block: str) -> Turn[str]:
        """A line that the template begins and the model finishes, as the prompt then holds it."""
        state.begin(role, block)
        opening = state.say(role, block)
        asked = GenerateRequest(state.prompt, self._max_tokens, ("\n",), role=role)
        reply = yield from write(asked)
        said = one_line(reply)
        if not said:
            return opening
        state.answer(said)
        return opening + lead(opening) + said


class TwoModels(Mode):
    """Roles played by different models, each in the mode that its own model can answer in.

    Args:
        generator: How the generator answers.
        discriminator: How the discriminator answers.
        names: The models' names, for the record.
    """

    def __init__(self, generator: Mode, discriminator: Mode, names: tuple[str, str]) -> None:
        self.label_set = generator.label_set
        self._generator, self._discriminator = generator, discriminator
        self._names = names

    def propose(self, state: NegotiationState) -> Turn[Proposal]:
        """The generator's turn; the record says whose."""
        proposal = yield from self._generator.propose(state)
        return replace(proposal, model=self._names[0])

    def judge(self, state: NegotiationState) -> Turn[Judgement]:
        """The discriminator's turn; the record says whose."""
        judgement = yield from self._discriminator.judge(state)
        return replace(judgement, model=self._names[1])

    def _ask_for_counter(self, state: NegotiationState) -> None:
        self._discriminator._ask_for_counter(state)


def _proposal(answer: LabelAnswer, analysis: str | None = None) -> Proposal:
    return Proposal(
        answer.name,
        analysis,
        answer.log_probs,
        answer.exact,
        label_mass=answer.mass,
        flips=answer.flips,
    )
