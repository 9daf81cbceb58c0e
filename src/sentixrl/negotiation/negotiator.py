"""Negotiation over whole dialogues: chunk by chunk, round by round.

Contract: one prediction an utterance, in order, whatever the chunking. The open talks of a chunk
go through each round together in one engine call a role; a chunk's session is closed before the
next begins (and a dialogue too long for one session takes several), so memory is bounded and a
crash loses only the chunk at hand.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from sentixrl.calibration.posterior import Calibration
from sentixrl.context.prompt import lead
from sentixrl.context.retrieval import ContextBuilder, language_of, one_line
from sentixrl.context.templates import TemplateSet
from sentixrl.dialogue import Dialogue
from sentixrl.engines.protocol import Engine, Failure, Session
from sentixrl.errors import ConfigError
from sentixrl.labels import LabelSet
from sentixrl.negotiation.deducing import CACHE_SIZE, SOURCE_TOKENS, Deducer
from sentixrl.negotiation.outcome import predict
from sentixrl.negotiation.priors import Priors
from sentixrl.negotiation.protocol import Rules
from sentixrl.negotiation.talk import Talk
from sentixrl.negotiation.voices import (
    WRITTEN_TOKENS,
    Judging,
    ScoredVoice,
    Voice,
    WrittenVoice,
)
from sentixrl.prediction import DialoguePrediction

VoiceName = Literal["auto", "scored", "written"]
TURN_TOKENS = 12  # what a turn's speaker, question and answers take besides text and choices
REPLY_TOKENS = WRITTEN_TOKENS + 40  # a written reply and what asks for it


@dataclass(frozen=True, slots=True)
class NegotiationOptions:
    """How the roles negotiate.

    Attributes:
        enabled: Off means the generator's first word stands (status ``single``).
        rules: Round limit and agreements needed.
        voice: ``scored``, ``written``, or what the engine does best.
        gate: No negotiation where the first posterior reaches this; ``None`` for no gate.
        agree_threshold: The discriminator agrees from this P(agree) on.
        calibration: From raw label scores to posteriors.
        correct_priors: Take an untrained model's preferences off its scores (scored voice).
        chunk_tokens: About how many tokens of dialogue are negotiated together.
        reproducible: A chunk is one dialogue, so its numbers depend on that dialogue alone.
    """

    enabled: bool = True
    rules: Rules = field(default_factory=Rules)
    voice: VoiceName = "auto"
    gate: float | None = None
    agree_threshold: float = 0.5
    calibration: Calibration = field(default_factory=Calibration)
    correct_priors: bool = False
    chunk_tokens: int = 12_000
    reproducible: bool = False

    def __post_init__(self) -> None:
        for name in ("gate", "agree_threshold"):
            value = getattr(self, name)
            if value is not None and not 0 <= value <= 1:
                raise ConfigError(f"'{name}' is {value}; a probability lies between 0 and 1.")
        if self.voice not in get_args(VoiceName):
            raise ConfigError(
                f"There is no voice '{self.voice}'.",
                hint=f"There are: {', '.join(get_args(VoiceName))}.",
            )
        if self.chunk_tokens < 1:
            raise ConfigError(f"'chunk_tokens' is {self.chunk_tokens}; it needs to be at least 1.")


class Negotiator:
    """Classifies dialogues by negotiation.

    Args:
        engine: The language model.
        label_set: The closed set.
        builder: Makes each utterance's context.
        options: How the roles negotiate.

    Raises:
        ConfigError: The voice or the gate needs scores, and the engine gives none.
    """

    def __init__(
        self,
        engine: Engine,
        label_set: LabelSet,
        builder: ContextBuilder,
        options: NegotiationOptions,
    ) -> None:
        self._engine = engine
        self._label_set = label_set
        self._builder = builder
        self._options = options
        scored = engine.capabilities.score and options.voice != "written"
        self._priors = None
        if options.correct_priors and scored:
            self._priors = Priors(label_set, builder, verdicts=options.enabled)
        self._voice = self._choose_voice()
        # A deduction known from another dialogue would change the shape of this one's batch.
        kept = 0 if options.reproducible else CACHE_SIZE
        self._deducer = Deducer(engine, builder, options.chunk_tokens, kept)

    def run(self, dialogues: Iterable[Dialogue]) -> Iterator[DialoguePrediction]:
        """Predictions for each dialogue, in order, as chunks are finished."""
        for chunk in self._chunks(dialogues):
            yield from self._negotiate(chunk)

    def _choose_voice(self) -> Voice:
        capabilities, options = self._engine.capabilities, self._options
        if options.enabled and options.gate is not None and not capabilities.score:
            raise self._needs_scores("a confidence gate", "Leave the gate out.")
        if options.voice == "scored" and not capabilities.score:
            raise self._needs_scores("the scored voice", "Use --voice written.")
        judging = Judging(
            self._label_set, options.calibration, options.agree_threshold, self._priors
        )
        if options.voice == "written" or not capabilities.score:
            return WrittenVoice(capabilities, judging)
        return ScoredVoice(capabilities, judging)

    def _needs_scores(self, what: str, hint: str) -> ConfigError:
        name = self._engine.name
        return ConfigError(f"The engine '{name}' gives no scores, which {what} needs.", hint=hint)

    def _sizes(self, dialogue: Dialogue) -> list[int]:
        """About how many tokens a session holds for each turn after its first round."""
        besides = TURN_TOKENS + self._choice_tokens(self._builder.template_for(dialogue))
        if isinstance(self._voice, WrittenVoice):
            besides += REPLY_TOKENS * (2 if self._options.enabled else 1)
        if self._builder.options.deduction == "utterance":
            besides += SOURCE_TOKENS
        return [self._engine.count_tokens(one_line(turn.text)) + besides for turn in dialogue]

    def _choice_tokens(self, template: TemplateSet) -> int:
        """How many tokens a round's choices take: all but each one's last, which is predicted."""
        space = lead(template.render("generator", "question", speaker=None))
        words = [*self._label_set.words(template.language)]
        if self._options.enabled:  # a proposal, a verdict, a counter-label
            verdicts = (template.render("discriminator", word) for word in ("agree", "disagree"))
            words = [*words, *verdicts, *words]
        return sum(self._engine.count_tokens(space + word) - 1 for word in words)

    def _chunks(self, dialogues: Iterable[Dialogue]) -> Iterator[list[Dialogue]]:
        chunk: list[Dialogue] = []
        held = 0
        try:
            for dialogue in dialogues:
                size = sum(self._sizes(dialogue))
                full = held + size > self._options.chunk_tokens or self._options.reproducible
                if chunk and full:
                    yield chunk
                    chunk, held = [], 0
                chunk.append(dialogue)
                held += size
        except Exception:
            # A dialogue that cannot be read does not take those before it along.
            if chunk:
                yield chunk
            raise
        if chunk:
            yield chunk

    def _parts(
        self, chunk: Sequence[Dialogue], talks: Sequence[Sequence[Talk]]
    ) -> list[list[Talk]]:
        """The chunk's talks, cut where one dialogue alone is more than a session may hold."""
        parts: list[list[Talk]] = [[]]
        held = 0
        for dialogue, group in zip(chunk, talks, strict=True):
            for size, talk in zip(self._sizes(dialogue), group, strict=True):
                if held > self._options.chunk_tokens:
                    parts.append([])
                    held = 0
                held += size
                parts[-1].append(talk)
        return parts

    def _negotiate(self, chunk: Sequence[Dialogue]) -> list[DialoguePrediction]:
        templates = [self._builder.template_for(dialogue) for dialogue in chunk]
        if self._priors is not None:
            # In a session of its own: what a chunk computes must not depend on its being first.
            with self._engine.session() as session:
                self._priors.learn(session, templates)
        with self._engine.session() as session:
            contexts = self._deducer.contexts(session, chunk)
            talks = [
                [Talk(context, template, context.prompt) for context in group]
                for template, group in zip(templates, contexts, strict=True)
            ]
            first, *others = self._parts(chunk, talks)
            self._rounds(session, first)
        for part in others:
            with self._engine.session() as session:
                self._rounds(session, part)
        return [
            DialoguePrediction(
                dialogue_id=dialogue.id,
                language=language_of(dialogue),
                model=self._engine.name,
                template=template.identity,
                items=tuple(predict(talk, self._label_set.names) for talk in group),
            )
            for dialogue, template, group in zip(chunk, templates, talks, strict=True)
        ]

    def _rounds(self, session: Session, talks: Sequence[Talk]) -> None:
        """Run all talks to their ends, round by round."""
        going = [talk for talk in self._propose(session, talks) if not self._settled(talk)]
        while going:
            going = self._propose(session, self._judge(session, going))

    def _propose(self, session: Session, talks: Sequence[Talk]) -> list[Talk]:
        """The generator's turn; the talks that did not fail."""
        for talk, result in zip(talks, self._voice.propose(session, talks), strict=True):
            if isinstance(result, Failure):
                talk.fail(result)
            else:
                talk.proposal = result
        return [talk for talk in talks if talk.open]

    def _judge(self, session: Session, talks: Sequence[Talk]) -> list[Talk]:
        """The discriminator's turn on readable proposals; the talks that go on."""
        readable = [talk for talk in talks if talk.proposed is not None]
        results = iter(self._voice.judge(session, readable))
        for talk in talks:
            judged = None if talk.proposed is None else next(results)
            if isinstance(judged, Failure):
                talk.fail(judged)
            else:
                talk.end_round(judged, self._options.rules)
        return [talk for talk in talks if talk.open]

    def _settled(self, talk: Talk) -> bool:
        """Whether a first proposal stands without negotiation."""
        if not self._options.enabled:
            return True
        gate, proposal = self._options.gate, talk.proposal
        if gate is None or proposal is None or proposal.label is None or not proposal.log_probs:
            return False
        return math.exp(proposal.log_probs[proposal.label]) >= gate
