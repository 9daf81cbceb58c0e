"""The two voices in which the roles speak: scored and written.

Contract: a voice turns open talks into proposals and judgements, in order; a talk whose request
failed has a :class:`Failure` in its place. Each turn is written for one talk; all talks take it
in step. Scored roles answer by probabilities and write nothing; written roles give an analysis
or assessment first. A reply that holds no allowed word yields ``None``, never a nearby label.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Protocol

from sentixrl.context.prompt import lead
from sentixrl.context.retrieval import one_line
from sentixrl.engines.protocol import Capabilities, Failure, GenerateRequest, Session
from sentixrl.negotiation.answers import (
    Answers,
    Judging,
    LabelAnswer,
    VerdictAnswer,
    discriminator_view,
)
from sentixrl.negotiation.lockstep import Turn, together, write
from sentixrl.negotiation.talk import Talk
from sentixrl.prediction import Judgement, Proposal, Verdict

__all__ = ["Judging", "ScoredVoice", "Voice", "WrittenVoice"]

WRITTEN_TOKENS = 64


class Voice(Protocol):
    """How the roles answer."""

    def propose(self, session: Session, talks: Sequence[Talk]) -> list[Proposal | Failure]:
        """The generator's turn in each talk; appends it to the talk's prompt."""
        ...

    def judge(self, session: Session, talks: Sequence[Talk]) -> list[Judgement | Failure]:
        """The discriminator's turn on each talk's proposal; appends it to the talk's prompt."""
        ...


class _InStep(ABC):
    """What both voices share: turns for one talk, taken by all talks in step."""

    def __init__(self, capabilities: Capabilities, judging: Judging) -> None:
        self._answers = Answers(capabilities, judging)
        self._label_set = judging.label_set

    def propose(self, session: Session, talks: Sequence[Talk]) -> list[Proposal | Failure]:
        """The generator's turn in each talk."""
        return together(session, [self._proposal(talk) for talk in talks])

    def judge(self, session: Session, talks: Sequence[Talk]) -> list[Judgement | Failure]:
        """The discriminator's turn on each talk's proposal."""
        return together(session, [self._judgement(talk) for talk in talks])

    @abstractmethod
    def _proposal(self, talk: Talk) -> Turn[Proposal]: ...

    @abstractmethod
    def _judgement(self, talk: Talk) -> Turn[Judgement]: ...

    def _judged(
        self,
        talk: Talk,
        found: VerdictAnswer,
        counter: LabelAnswer | None,
        assessment: str | None = None,
    ) -> Judgement:
        view = None
        if found.agree_log_prob is not None and talk.proposed is not None:
            view = discriminator_view(talk.proposed, found.agree_log_prob, counter, self._label_set)
        return Judgement(
            found.verdict,
            counter.name if counter else None,
            assessment,
            found.agree_log_prob,
            view,
        )


class ScoredVoice(_InStep):
    """Roles that answer by probabilities over labels and verdicts.

    Args:
        capabilities: What the engine can do.
        judging: How answers become labels and verdicts.
    """

    def _proposal(self, talk: Talk) -> Turn[Proposal]:
        talk.ask("generator", "question" if talk.round == 1 else "question_again")
        label = yield from self._answers.label(talk)
        return Proposal(label.name, log_probs=label.log_probs)

    def _judgement(self, talk: Talk) -> Turn[Judgement]:
        talk.ask("discriminator", "question")
        found = yield from self._answers.verdict(talk)
        counter = None
        if found.verdict is Verdict.DISAGREE:
            talk.go_on("discriminator", "counter")
            counter = yield from self._answers.label(talk, other_than=talk.proposed)
        return self._judged(talk, found, counter)


class WrittenVoice(_InStep):
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

    def _proposal(self, talk: Talk) -> Turn[Proposal]:
        talk.ask("generator", "explain_again" if talk.objected else "explain")
        analysis = yield from self._finish(talk, "generator", "analysis")
        talk.begin("generator", "answer")
        label = yield from self._answers.label(talk)
        return Proposal(label.name, analysis, label.log_probs)

    def _judgement(self, talk: Talk) -> Turn[Judgement]:
        talk.ask("discriminator", "assess")
        assessment = yield from self._finish(talk, "discriminator", "assessment")
        talk.begin("discriminator", "verdict")
        found = yield from self._answers.verdict(talk)
        counter = None
        if found.verdict is Verdict.DISAGREE:
            talk.begin("discriminator", "counter_answer")
            counter = yield from self._answers.label(talk, other_than=talk.proposed)
        return self._judged(talk, found, counter, assessment)

    def _finish(self, talk: Talk, role: str, block: str) -> Turn[str]:
        """A line that the template begins and the model finishes, as it stands in the prompt."""
        talk.begin(role, block)
        opening = talk.say(role, block)
        reply = yield from write(GenerateRequest(talk.prompt, self._max_tokens, ("\n",)))
        said = one_line(reply)
        if not said:
            return opening
        talk.answer(said)
        return opening + lead(opening) + said
