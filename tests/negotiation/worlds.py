"""Small worlds to negotiate in: a label set, engines that answer by fixed rules, shortcuts."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import cycle
from typing import TypeVar

from hypothesis import strategies as st

from sentixrl.context.building import ContextBuilder, ContextOptions
from sentixrl.context.prompt import Prompt
from sentixrl.context.templates import templates
from sentixrl.dialogue import Dialogue
from sentixrl.engines.protocol import Engine, Failure
from sentixrl.engines.scripted import ScriptedEngine
from sentixrl.labels import Label, LabelSet
from sentixrl.negotiation.negotiator import Negotiator
from sentixrl.negotiation.options import NegotiationOptions
from sentixrl.negotiation.protocol import Rules
from sentixrl.negotiation.scheduling import Scheduler
from sentixrl.negotiation.state import NegotiationState
from sentixrl.negotiation.turns import Turn, in_step
from sentixrl.prediction import DialoguePrediction, Judgement, Prediction, Proposal, Round, Verdict

LABELS = LabelSet(
    "three",
    [
        Label("joy", display={"es": "alegría", "zh": "快乐"}, aliases=("happiness",)),
        Label("sadness", display={"es": "tristeza", "zh": "悲伤"}),
        Label("anger", display={"es": "enfado", "zh": "愤怒"}),
    ],
)
NAMES = LABELS.names
WORDS = {label.word(language) for label in LABELS for language in (None, "es", "zh")}
ENGLISH = ContextOptions(language="en")
AGREE, DISAGREE = Verdict.AGREE, Verdict.DISAGREE


def dialogue(*texts: str, id: str = "1") -> Dialogue:
    """Ann and Ben take turns."""
    return Dialogue.from_texts(list(zip(cycle(("Ann", "Ben")), texts, strict=False)), id=id)


def negotiator(
    engine: Engine,
    options: NegotiationOptions | None = None,
    context: ContextOptions = ENGLISH,
    labels: LabelSet = LABELS,
) -> Negotiator:
    builder = ContextBuilder(labels, context, engine.count_tokens)
    return Negotiator(engine, labels, builder, options or NegotiationOptions())


def answers_of(
    negotiator: Negotiator, dialogues: Iterable[Dialogue]
) -> Iterator[DialoguePrediction]:
    """What the workers of a scheduler make of dialogues."""
    return Scheduler(negotiator.engine).run(negotiator.task(one) for one in dialogues)


def run(
    engine: Engine,
    dialogues: Sequence[Dialogue],
    options: NegotiationOptions | None = None,
    context: ContextOptions = ENGLISH,
) -> list[DialoguePrediction]:
    return list(answers_of(negotiator(engine, options, context), dialogues))


def drive(engine: Engine, turn: Turn[T]) -> T | Failure:
    """Run one turn to its end."""
    with engine.session() as session:
        [found] = in_step(session, [turn])
    return found


def run_one(
    engine: Engine,
    options: NegotiationOptions | None = None,
    context: ContextOptions = ENGLISH,
) -> Prediction:
    """The prediction for a dialogue of one utterance."""
    return run(engine, [dialogue("Well.")], options, context)[0].items[0]


def rules(max_rounds: int = 3, agreements_needed: int = 1) -> NegotiationOptions:
    return NegotiationOptions(rules=Rules(max_rounds, agreements_needed))


def fresh(text: str = "Well.", language: str = "en") -> NegotiationState:
    options = ContextOptions(language=language)
    builder = ContextBuilder(LABELS, options, lambda said: len(said.split()))
    [context] = builder.build(dialogue(text))
    return NegotiationState.of(context, templates(language))


def exchange(
    number: int, label: str | None, verdict: Verdict | None = None, counter: str | None = None
) -> Round:
    """A round without scores."""
    if label is None:
        return Round(number, Proposal(None))
    return Round(number, Proposal(label), Judgement(verdict, counter))


def segments(prompt: Prompt) -> list[tuple[str, str]]:
    """A prompt as a flat list of (role, segment)."""
    return [(m.role, segment) for m in prompt.messages for segment in m.segments]


def begins_with(longer: Prompt, shorter: Prompt) -> bool:
    start = segments(shorter)
    return segments(longer)[: len(start)] == start


def target(prompt: Prompt) -> str:
    """The turn a negotiation is about: what stands before the first question."""
    return next(m for m in prompt.messages if m.role == "user").segments[-2]


def asks_for_label(choices: Sequence[str]) -> bool:
    return set(choices) <= WORDS


Weights = dict[str, float]
T = TypeVar("T")


class Roles:
    """A script by role and round: each role's k-th turn, the last one repeated.

    Args:
        proposals: The generator's weights a label.
        agreement: The discriminator's P(agree).
        counters: Its weights a label when it disagrees.
    """

    def __init__(
        self,
        proposals: Sequence[Weights | Failure],
        agreement: Sequence[float | Failure] = (1.0,),
        counters: Sequence[Weights | Failure] = ({},),
    ) -> None:
        self.proposals, self.agreement, self.counters = proposals, agreement, counters

    def __call__(self, prompt: Prompt, choices: tuple[str, ...]) -> Sequence[float] | Failure:
        # Each turn of a role begins with one question.
        turn, judging = divmod(sum(m.role == "user" for m in prompt.messages) - 1, 2)
        if not asks_for_label(choices):
            agree = _at(self.agreement, turn)
            return agree if isinstance(agree, Failure) else [agree, 1 - agree]
        weights = _at(self.counters if judging else self.proposals, turn)
        if isinstance(weights, Failure):
            return weights
        return [weights.get(choice, 1e-3) for choice in choices]


def _at(turns: Sequence[T], turn: int) -> T:
    return turns[min(turn, len(turns) - 1)]


def always(label: str) -> Weights:
    return {label: 1.0}


# Replies that no engine is held to: labels in many dresses, and much that is none.
NOISE = (
    "joy", " JOY", "joy.", "«Sadness»", "anger!", "alegría", "悲伤", "Happiness",
    "joyful", "joy and anger", "The emotion is joy.", "", "   ", "¿?", "no idea", "jo",
    "yes", "No.", "YES!", "yes and no", "agree",
)  # fmt: skip


def _dice(seed: int, *words: str) -> int:
    return zlib.crc32("\x00".join((str(seed), *words)).encode())


def chaotic_score(
    seed: int, zeros: bool, failing: int
) -> Callable[[Prompt, tuple[str, ...]], Sequence[float] | Failure]:
    """Weights that look random but depend on the prompt alone."""

    def score(prompt: Prompt, choices: tuple[str, ...]) -> Sequence[float] | Failure:
        if _dice(seed, "fails", prompt.text) % 100 < failing:
            return Failure("too_long", "The prompt does not fit.")
        weights = [_dice(seed, prompt.text, choice) % 1000 / 1000 + 1e-6 for choice in choices]
        if zeros:
            weights = [0.0 if weight < 0.6 else weight for weight in weights]
            if not any(weights):
                weights[_dice(seed, prompt.text) % len(weights)] = 1.0
        return weights

    return score


def chaotic_write(seed: int, failing: int) -> Callable[[Prompt], str | Failure]:
    """Replies that look random but depend on the prompt alone."""

    def write(prompt: Prompt) -> str | Failure:
        if _dice(seed, "fails", prompt.text) % 100 < failing:
            return Failure("timeout", "No answer in time.")
        return NOISE[_dice(seed, prompt.text) % len(NOISE)]

    return write


def chaotic_engine(seed: int, kind: str, failing: int) -> ScriptedEngine:
    """``scores``, ``zeros``, ``constrained`` or ``free``; ``failing`` percent of the requests."""
    scores = chaotic_score(seed, kind == "zeros", failing) if kind in ("scores", "zeros") else None
    return ScriptedEngine(scores, chaotic_write(seed, failing), constrain=kind != "free")


kinds = st.sampled_from(["scores", "zeros", "constrained", "free"])
seeds = st.integers(0, 2**16)
failing = st.sampled_from([0, 0, 10, 50])
texts = st.lists(st.sampled_from(["Oh.", "You kept it?", "No!", "yes", "joy", "???"]), max_size=5)


@st.composite
def many_dialogues(draw: st.DrawFn) -> list[Dialogue]:
    groups = draw(st.lists(texts, max_size=4))
    return [dialogue(*group, id=str(place)) for place, group in enumerate(groups)]


@st.composite
def many_options(draw: st.DrawFn, *, scores: bool) -> NegotiationOptions:
    most = draw(st.integers(1, 4))
    return NegotiationOptions(
        enabled=draw(st.sampled_from([True, True, True, False])),
        rules=Rules(most, draw(st.integers(1, most))),
        mode=draw(st.sampled_from(["auto", "written"])),
        confidence_threshold=draw(st.sampled_from([None, 0.5, 0.9, 1.0])) if scores else None,
        agree_threshold=draw(st.sampled_from([0.0, 0.3, 0.5, 1.0])),
    )
