"""Results as people read them: a table a dialogue, legible without colour too."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sentixrl.classifier import Classifier
from sentixrl.cli.console import new_table, note, short_names, styled
from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.labels import Label, LabelSet
from sentixrl.pages.view import percent
from sentixrl.prediction import DialoguePrediction, Prediction, Round, Status, Verdict

BAR = 8
SPEAKER_WIDTH = 18
TEXT_WIDTH = 24
"""Cells that the text has at least, as long as there is something else to leave out."""
GAP = 2
SHOWN = 2_000
"""Characters of a text that are shown."""
_ISOLATES = dict.fromkeys(map(ord, "\u2066\u2067\u2068\u2069"))
_COLOURS = {"positive": "green", "negative": "red", "neutral": "dim", "ambiguous": "yellow"}
_STATUS = {
    Status.CONSENSUS: ("✓ consensus", "dim"),
    Status.SINGLE: ("· single", "dim"),
    Status.OUTLIER: ("? outlier", "yellow"),
    Status.INVALID: ("! invalid", "red"),
    Status.ERROR: ("✗ error", "red"),
}


def header(classifier: Classifier) -> Text:
    """One line: which model, how trained, which labels, whether it negotiates."""
    negotiation = classifier.negotiation
    how = (
        f"up to {negotiation.rules.max_rounds} rounds" if negotiation.enabled else "no negotiation"
    )
    if classifier.several:
        how = "several labels a turn, each judged by itself"
    kind = "" if classifier.bundle.trained else " (untrained base model)"
    names = ", ".join(classifier.label_set.names)
    trust = "calibrated" if negotiation.calibration.fitted else "not calibrated for these labels"
    if negotiation.prior is not None:
        trust += " · label shares given"
    return styled(
        (classifier.engine.name, "bold"),
        f"{kind} · {classifier.label_set.name}: {names} · {how} · {trust}",
    )


def dialogue_table(
    dialogue: Dialogue, result: DialoguePrediction, label_set: LabelSet
) -> RenderableType:
    """The dialogue's turns with their emotions."""
    turns = zip(dialogue, result.items, strict=True)
    rows = [(str(item.index + 1), turn, item, result.language) for turn, item in turns]
    return Group(_title(dialogue, result), Turns(rows, label_set), "")


def messages_table(
    pairs: Sequence[tuple[Dialogue, DialoguePrediction]], label_set: LabelSet
) -> RenderableType:
    """Many dialogues of one turn each, a row a dialogue."""
    rows = [
        (dialogue.id, turn, item, result.language)
        for dialogue, result in pairs
        for turn, item in zip(dialogue, result.items, strict=True)
    ]
    return Group(Turns(rows, label_set), "")


@dataclass(frozen=True)
class Layout:
    """What a table of turns has beside number, text and emotion.

    Attributes:
        bars: Bars before the confidences.
        confidence: The confidences.
        words: Statuses in words, not by their sign alone.
        speaker: Cells of a speaker's name; 0 for no such column.
    """

    bars: bool = True
    confidence: bool = True
    words: bool = True
    speaker: int = SPEAKER_WIDTH


MOST_EVIDENCE = 3
"""How many of the turns that moved an answer are listed."""

LAYOUTS = (
    Layout(),
    Layout(bars=False),
    Layout(bars=False, words=False),
    Layout(bars=False, words=False, speaker=SPEAKER_WIDTH // 2),
    Layout(bars=False, confidence=False, words=False, speaker=SPEAKER_WIDTH // 2),
    Layout(bars=False, confidence=False, words=False, speaker=0),
)
"""From wide terminals to narrow ones; the text is always there."""


@dataclass(frozen=True)
class Turns:
    """A table with a row for each name, utterance, answer and language, as wide as it may be."""

    rows: Sequence[tuple[str, Utterance, Prediction, str]]
    label_set: LabelSet

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """Take the first layout that leaves the text enough room."""
        for layout in LAYOUTS:
            beside = console.measure(self._table(layout, text=False), options=_endless(options))
            if options.max_width - beside.maximum - GAP >= TEXT_WIDTH:
                break
        yield self._table(layout)

    def _table(self, layout: Layout, *, text: bool = True) -> Table:
        table = new_table()
        table.add_column("#", justify="right", style="dim", no_wrap=True)
        names: dict[str, str] = {}
        if layout.speaker:
            spoken = (turn.speaker for _, turn, _, _ in self.rows if turn.speaker)
            names = short_names(spoken, layout.speaker)
        if names:
            table.add_column("speaker", no_wrap=True)
        if text:
            table.add_column("text", overflow="fold", ratio=1, min_width=TEXT_WIDTH // 3)
        several = any(item.labels is not None for _, _, item, _ in self.rows)
        confidence = layout.confidence and not several  # each label has its own
        sets = any(item.candidates is not None for _, _, item, _ in self.rows)
        told = [
            "emotions" if several else "emotion",
            *["confidence"] * confidence,
            *["candidates"] * sets,
        ]
        for name in (*told, "status" if layout.words else ""):
            table.add_column(name, no_wrap=True)
        for name, turn, item, language in self.rows:
            table.add_row(
                styled(name),
                *([styled(names.get(turn.speaker or "", ""))] if names else []),
                *([_said(turn, item)] if text else []),
                _emotion(item, self.label_set, language, shares=layout.confidence),
                *([_bar(item.confidence, bars=layout.bars)] if confidence else []),
                *([styled((", ".join(item.candidates or ()), "dim"))] if sets else []),
                _status(item, words=layout.words),
            )
        return table


def _endless(options: ConsoleOptions) -> ConsoleOptions:
    return options.update(width=10_000)


def _status(item: Prediction, *, words: bool = True) -> Text:
    name, style = _STATUS[item.status]
    return styled((name if words else name[:1], style))


def negotiation_view(
    dialogue: Dialogue, result: DialoguePrediction, label_set: LabelSet
) -> RenderableType:
    """Each turn with the whole record of its negotiation, and what moved its answer."""
    parts: list[RenderableType] = [_title(dialogue, result), ""]
    for turn, item in zip(dialogue, result.items, strict=True):
        speaker = f"{_cut(turn.speaker)}: " if turn.speaker else ""
        parts.append(styled((f"{item.index + 1} ", "dim"), (speaker, "bold"), _said(turn, item)))
        for entry in item.rounds:
            parts += [Padding(line, (0, 0, 0, 4)) for line in _round_lines(entry)]
        parts += [Padding(line, (0, 0, 0, 4)) for line in _evidence_lines(item)]
        emotion = _emotion(item, label_set, result.language, joint=", ")
        bar = styled() if item.labels is not None else styled(_bar(item.confidence), "  ")
        outcome = styled("→ ", emotion, "  ", bar, _status(item))
        parts += [Padding(outcome, (0, 0, 1, 4))]
    return Group(*parts)


def prompt_view(prompt: str) -> RenderableType:
    """What a model reads before it names an emotion, line by line."""
    title = styled(("what the model reads before it names the last turn's emotion", "italic"))
    lines = [Padding(styled(line), (0, 0, 0, 4)) for line in prompt.splitlines()]
    return Group(title, *lines, "")


def item_errors(result: DialoguePrediction) -> Iterator[Text]:
    """A sentence for each turn that failed."""
    for item in result.items:
        if item.error is not None:
            hint = f" {item.error.hint}" if item.error.hint else ""
            yield note(
                f"{item.error.message}{hint}",
                f"Turn {item.index + 1} of dialogue {result.dialogue_id}:",
                "bold red",
            )


def _title(dialogue: Dialogue, result: DialoguePrediction) -> Text:
    asked_in = result.template.partition("-v")[0]
    prompts = "" if asked_in == result.language else f" · prompts in {asked_in}"
    return styled(
        ("dialogue ", "dim"), (dialogue.id, "bold"), (f" · {result.language}{prompts}", "dim")
    )


def _said(turn: Utterance, item: Prediction) -> Text:
    # Isolates keep a name's direction to itself, and end here where the text does.
    said = styled(_cut(turn.text.translate(_ISOLATES)).strip())
    if (more := len(turn.text) - SHOWN) > 0:
        said.append_text(styled((f" … [{more:,} more characters]", "dim")))
    if item.dropped_turns:
        turns = "turn" if item.dropped_turns == 1 else "turns"
        said.append_text(styled((f"  [{item.dropped_turns} earlier {turns} left out]", "dim")))
    return said


def _cut(text: str) -> str:
    """As much of a text as is shown: to wrap a megabyte takes seconds, and nobody reads it."""
    return text[:SHOWN]


def _round_lines(entry: Round) -> Iterator[Text]:
    proposal, judgement = entry.proposal, entry.judgement
    speaker = (f"   {proposal.model}", "dim") if proposal.model else ""
    proposed = proposal.label or "no readable label"
    yield styled((f"{entry.number}  generator      ", "dim"), proposed, speaker)
    if proposal.analysis:
        yield styled((f"   “{_cut(proposal.analysis)}”", "italic dim"))
    if judgement is None:
        return
    counter = f", rather {judgement.counter_label}" if judgement.counter_label else ""
    sure = judgement.agree_log_prob
    agreement = f"   P(agree) {math.exp(sure):.2f}" if sure is not None else ""
    speaker = (f"   {judgement.model}", "dim") if judgement.model else ""
    verdict = _verdict(judgement.verdict) + counter
    yield styled(("   discriminator  ", "dim"), verdict, (agreement, "dim"), speaker)
    if judgement.assessment:
        yield styled((f"   “{_cut(judgement.assessment)}”", "italic dim"))


def _evidence_lines(item: Prediction) -> Iterator[Text]:
    """The turns that moved the answer most, each with the change of its log-odds."""
    most = sorted(item.evidence or (), key=lambda one: -abs(one.log_odds))[:MOST_EVIDENCE]
    for one in sorted(most, key=lambda one: one.turn):
        last = one.turn + one.turns
        turns = f"turn {last}" if one.turns == 1 else f"turns {one.turn + 1}–{last}"
        change = f"{one.log_odds:+.2f}".replace("-", "−")
        for_it = "for" if one.log_odds >= 0 else "against it, for"
        yield styled((f"   {turns} {change} {for_it} ", "dim"), one.towards)


def _verdict(verdict: Verdict | None) -> str:
    if verdict is None:
        return "no readable verdict"
    return "agrees" if verdict is Verdict.AGREE else "disagrees"


def _emotion(
    item: Prediction,
    label_set: LabelSet,
    language: str,
    *,
    shares: bool = True,
    joint: str = "\n",
) -> Text:
    if item.labels is not None:
        return styled(joint).join(_emotions(item, label_set, language, shares=shares))
    if item.label is None:
        return styled((f"({item.fallback}?)" if item.fallback else "–", "dim"))
    return _word(label_set[item.label], language)


def _emotions(item: Prediction, label_set: LabelSet, language: str, *, shares: bool) -> list[Text]:
    """Each label that applies, likeliest first, with its probability."""
    found = item.probabilities or {}
    ranked = sorted(item.labels or (), key=lambda name: -found.get(name, 0.0))
    words = [
        styled(
            _word(label_set[name], language),
            *([(f" {percent(found[name])}", "dim")] if shares and name in found else []),
        )
        for name in ranked
    ]
    return words or [styled(("none", "dim"))]


def _word(label: Label, language: str) -> Text:
    word = label.word(language)
    same = word.casefold() == label.name.casefold()
    style = _COLOURS.get(label.polarity or "", "default")
    return styled((label.name if same else f"{label.name} {word}", style))


def _bar(confidence: float | None, *, bars: bool = True) -> Text:
    if confidence is None:
        return styled(("–", "dim"))
    share = percent(confidence)
    if not bars:
        return styled(f"{share:>4}")
    filled = round(confidence * BAR)
    return styled(("█" * filled, "cyan"), ("░" * (BAR - filled), "dim"), f" {share:>4}")
