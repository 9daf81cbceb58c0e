"""Emotion retrieval enhancement: the context of each utterance, ``T = (I, H, L, E)``.

Contract: a target's prompt holds instruction, label statement, demonstrations, deduction and the
turns up to and including the target — each part by its own switch — and nothing that comes
after. The parts that a dialogue's prompts share stand first and are equal segment by segment.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal, get_args

from sentixrl.context.deduction import Deduction
from sentixrl.context.language import template_language
from sentixrl.context.prompt import Prompt
from sentixrl.context.templates import SEVERAL, TemplateSet, templates
from sentixrl.context.window import HistoryWindow
from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.errors import ConfigError
from sentixrl.formats.language import UNKNOWN, identify_language
from sentixrl.labels import LabelSet

DeductionMode = Literal["auto", "off", "utterance", "anchor"]

NO_DEDUCTION: tuple[DeductionMode, ...] = ("auto", "off")

# Line breaks of every kind and control characters would imitate the prompt's own layout.
_LAYOUT = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\s]+")
_HALF_CHARACTER = re.compile("[\ud800-\udfff]")  # a lone surrogate, which no tokenizer takes
MAX_SPEAKER_CHARACTERS = 60


def one_line(text: str) -> str:
    """``text`` on one line: line breaks, control characters and runs of space become a space."""
    return _HALF_CHARACTER.sub("\ufffd", _LAYOUT.sub(" ", text).strip())


def language_of(dialogue: Dialogue) -> str:
    """The language a dialogue names, else the one its text is recognised as, else ``unknown``."""
    return dialogue.language or identify_language(turn.text for turn in dialogue) or UNKNOWN


@dataclass(frozen=True, slots=True)
class Demonstration:
    """A labelled utterance shown as an example.

    Attributes:
        text: What was said.
        label: The name of its label in the label set that prompts show.
        speaker: Who said it, if known; not shown where speakers are anonymous.
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 (pydantic declares it so)

    text: str
    label: str
    speaker: str | None = None


Demonstrator = Callable[[Dialogue], tuple[Demonstration, ...]]
"""Chooses the demonstrations of a dialogue; one choice for all its prompts."""


@dataclass(frozen=True, slots=True)
class Supplements:
    """What prompts show that is not in the dialogue itself: functions, so no bundle holds them.

    Attributes:
        demonstrator: Chooses demonstrations for each dialogue, shown after the fixed ones (see
            :class:`~sentixrl.datasets.demonstrations.DemonstrationPool`).
        earlier: What each later turn sees in the place of a dialogue's turns, one for one; for
            controls of an ablation (see :mod:`sentixrl.context.controls`).
        deductions: E of every turn, made beforehand; asked of the model itself otherwise.
    """

    demonstrator: Demonstrator | None = None
    earlier: Callable[[Dialogue], Sequence[Utterance]] | None = None
    deductions: Callable[[Dialogue], Sequence[Deduction | None]] | None = None


NOTHING_BESIDES = Supplements()


@dataclass(frozen=True, slots=True)
class ContextOptions:
    """Which parts a prompt has. Each can be switched off by itself, for ablations.

    Attributes:
        instruction: I, the task.
        history: H, the turns before the target.
        labels: L, the closed set.
        glosses: Whether L explains each label.
        deduction: E, inferred per utterance, once per anchor, or not at all. ``auto`` lets the
            classifier choose by what its model can do; here it means ``off``.
        demonstrations: Labelled examples placed after L, the same for all dialogues.
        window: How far H looks back.
        language: The templates' language; ``auto`` follows the dialogue's own, else its text.
        anonymous: Show speakers as A, B, C … instead of by name (names in texts stay).
    """

    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 (pydantic declares it so)

    instruction: bool = True
    history: bool = True
    labels: bool = True
    glosses: bool = False
    deduction: DeductionMode = "off"
    demonstrations: tuple[Demonstration, ...] = ()
    window: HistoryWindow = field(default_factory=HistoryWindow)
    language: str = "auto"
    anonymous: bool = False

    def __post_init__(self) -> None:
        if self.deduction not in get_args(DeductionMode):
            raise ConfigError(
                f"There is no deduction '{self.deduction}'.",
                hint=f"There are: {', '.join(get_args(DeductionMode))}.",
            )


@dataclass(frozen=True, slots=True)
class TargetContext:
    """The context of one utterance.

    Attributes:
        index: The target's position in its dialogue.
        speaker: Its speaker as prompts show it.
        prompt: Everything up to and including the target turn.
        dropped_turns: Earlier turns the window left out (all of them where H is off).
    """

    index: int
    speaker: str | None
    prompt: Prompt
    dropped_turns: int


@dataclass(frozen=True, slots=True)
class Lines:
    """What the prompts of one dialogue are put together from.

    Attributes:
        head: What stands before any turn.
        turns: Each turn as a line, shape ``[n_turns]``.
        earlier: The same where it is history: others may stand in its place.
        speakers: Each turn's speaker as prompts show it.
        starts: The oldest turn that each target's prompt shows.
    """

    head: Prompt
    turns: tuple[str, ...]
    earlier: tuple[str, ...]
    speakers: tuple[str | None, ...]
    starts: tuple[int, ...]

    def context(self, index: int, changed: Mapping[int, str | None] | None = None) -> TargetContext:
        """A target's context, without its deduction.

        Args:
            index: The target.
            changed: Lines to show in place of earlier turns; ``None`` hides a turn.
        """
        lines: list[str] = []
        for place in range(self.starts[index], index):
            line = (changed or {}).get(place, self.earlier[place])
            if line is not None:
                lines.append(line)
        return self.of(index, [*lines, self.turns[index]])

    def of(self, index: int, lines: Sequence[str]) -> TargetContext:
        """A target's context that shows these lines."""
        prompt = self.head.then("user", *_lines(lines))
        return TargetContext(index, self.speakers[index], prompt, self.starts[index])


class ContextBuilder:
    """Builds the prompts of dialogues for one label set.

    Args:
        label_set: The closed set the label statement shows.
        options: Which parts the prompts have.
        count_tokens: Length of a segment in tokens, for the window.
        supplements: What prompts show that is not in the dialogue itself.
        several: Whether an utterance may have several of the labels, each judged by itself (see
            :mod:`sentixrl.negotiation.several`).
    """

    def __init__(
        self,
        label_set: LabelSet,
        options: ContextOptions,
        count_tokens: Callable[[str], int],
        supplements: Supplements = NOTHING_BESIDES,
        *,
        several: bool = False,
    ) -> None:
        self.label_set = label_set
        self.options = options
        self._count = count_tokens
        self.supplements = supplements
        self._instruction = (SEVERAL if several else "context", "instruction")

    def template_for(self, dialogue: Dialogue) -> TemplateSet:
        """The templates this dialogue's prompts are made with."""
        language = self.options.language
        if language == "auto":
            language = template_language(language_of(dialogue))
        return templates(language)

    def head(self, template: TemplateSet, chosen: Sequence[Demonstration] = ()) -> Prompt:
        """What stands before any turn: instruction, label statement, demonstrations.

        Args:
            template: The language's templates.
            chosen: Demonstrations for one dialogue, after those that all dialogues share.

        Raises:
            LabelError: A demonstration's label is not in the label set.
        """
        segments: list[str] = []
        if self.options.instruction:
            segments.append(template.render(*self._instruction))
        if self.options.labels:
            segments.append(self._label_statement(template))
        for shown in (*self.options.demonstrations, *chosen):
            segments.append(self.demonstration(template, shown))
        prompt = Prompt()
        return prompt.then("system", *_lines(segments)) if segments else prompt

    def build(
        self, dialogue: Dialogue, deductions: Sequence[Deduction | None] | None = None
    ) -> list[TargetContext]:
        """The context of every utterance.

        Args:
            dialogue: The turns; gold labels are not read.
            deductions: E of each target, shape ``[n_turns]``, if deduction is on.
        """
        template, shown = self.template_for(dialogue), self.lines(dialogue)
        mode = self.options.deduction
        if self.supplements.deductions is not None:
            deductions = self.supplements.deductions(dialogue)
        contexts = []
        for index, start in enumerate(shown.starts):
            lines: Sequence[str] = [*shown.earlier[start:index], shown.turns[index]]
            deduction = deductions[index] if deductions and mode not in NO_DEDUCTION else None
            if deduction is not None:
                parts = {part: one_line(said) for part, said in deduction.parts().items()}
                said = template.render("context", "deduction", **parts)
                # Once per anchor: it stands before the turns, where neighbours share it.
                lines = [said, *lines] if mode == "anchor" else [*lines, said]
            contexts.append(shown.of(index, lines))
        return contexts

    def lines(self, dialogue: Dialogue) -> Lines:
        """What the prompts of a dialogue are put together from."""
        template = self.template_for(dialogue)
        chosen = self.supplements.demonstrator
        head = self.head(template, chosen(dialogue) if chosen else ())
        speakers = self._speakers(dialogue)
        turns = self._turns(template, dialogue, speakers)
        earlier = self._earlier(template, dialogue) or turns
        starts = self._starts(earlier)
        return Lines(head, tuple(turns), tuple(earlier), tuple(speakers), tuple(starts))

    def line(self, template: TemplateSet, speaker: str | None, text: str) -> str:
        """A turn as its own line.

        Args:
            template: The language's templates.
            speaker: As prompts show it.
            text: What was said.
        """
        return template.render("context", "turn", speaker=speaker, text=one_line(text))

    def demonstration(self, template: TemplateSet, shown: Demonstration) -> str:
        """A labelled utterance as its own line.

        Args:
            template: The language's templates.
            shown: The utterance.

        Raises:
            LabelError: Its label is not in the label set.
        """
        return template.render(
            "context",
            "demonstration",
            speaker=None if self.options.anonymous else _shown_name(shown.speaker),
            text=one_line(shown.text),
            label=self.label_set[shown.label].word(template.language),
        )

    def _starts(self, turns: Sequence[str]) -> list[int]:
        if not self.options.history:
            return list(range(len(turns)))
        return self.options.window.starts([self._count(f"\n{turn}") for turn in turns])

    def _earlier(self, template: TemplateSet, dialogue: Dialogue) -> list[str] | None:
        """The lines that stand in the place of the dialogue's own as history, if others do."""
        if self.supplements.earlier is None:
            return None
        shown = replace(dialogue, utterances=tuple(self.supplements.earlier(dialogue)))
        return self._turns(template, shown, self._speakers(shown))

    def _turns(
        self, template: TemplateSet, dialogue: Dialogue, speakers: Sequence[str | None]
    ) -> list[str]:
        """Each turn as its own line."""
        return [
            self.line(template, speaker, turn.text)
            for speaker, turn in zip(speakers, dialogue, strict=True)
        ]

    def _label_statement(self, template: TemplateSet) -> str:
        language = template.language
        shown = [
            {"word": label.word(language), "gloss": one_line(label.gloss(language))}
            for label in self.label_set
        ]
        block = "glosses" if self.options.glosses else "labels"
        return template.render("context", block, labels=shown)

    def _speakers(self, dialogue: Dialogue) -> list[str | None]:
        """Each turn's speaker as prompts show it; letters are given by first appearance."""
        if not self.options.anonymous:
            return [_shown_name(turn.speaker) for turn in dialogue]
        letters: dict[str, str] = {}
        names = [one_line(turn.speaker or "") for turn in dialogue]
        for name in filter(None, names):
            letters.setdefault(name, _letter(len(letters)))
        return [letters.get(name) for name in names]


def _lines(texts: Sequence[str]) -> list[str]:
    """Segments that each begin a line, except a message's first."""
    return [text if position == 0 else f"\n{text}" for position, text in enumerate(texts)]


def _shown_name(speaker: str | None) -> str | None:
    name = one_line(speaker or "")[:MAX_SPEAKER_CHARACTERS].rstrip()
    return name or None


def _letter(position: int) -> str:
    """A, B, … Z, AA, AB, … as spreadsheets name columns."""
    name = ""
    position += 1
    while position:
        position, rest = divmod(position - 1, 26)
        name = chr(ord("A") + rest) + name
    return name
