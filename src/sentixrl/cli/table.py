"""Results as people read them: a table a dialogue, legible without colour too."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from sentixrl.classifier import Classifier
from sentixrl.cli.console import new_table, printable
from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.labels import LabelSet
from sentixrl.prediction import DialoguePrediction, Prediction, Round, Status, Verdict

BAR = 8
SPEAKER_WIDTH = 18
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
    kind = "" if classifier.bundle.trained else " (untrained base model)"
    names = ", ".join(classifier.label_set.names)
    return Text.assemble(
        (classifier.engine.name, "bold"), f"{kind} · {classifier.label_set.name}: {names} · {how}"
    )


def dialogue_table(
    dialogue: Dialogue, result: DialoguePrediction, label_set: LabelSet
) -> RenderableType:
    """The dialogue's turns with their emotions."""
    turns = zip(dialogue, result.items, strict=True)
    rows = [(str(item.index + 1), turn, item, result.language) for turn, item in turns]
    return Group(_title(dialogue, result), _table(rows, label_set), "")


def messages_table(
    pairs: Sequence[tuple[Dialogue, DialoguePrediction]], label_set: LabelSet
) -> RenderableType:
    """Many dialogues of one turn each, a row a dialogue."""
    rows = [
        (printable(dialogue.id), turn, item, result.language)
        for dialogue, result in pairs
        for turn, item in zip(dialogue, result.items, strict=True)
    ]
    return Group(_table(rows, label_set), "")


def _table(rows: Sequence[tuple[str, Utterance, Prediction, str]], label_set: LabelSet) -> Table:
    """A row for each name, utterance, answer and language."""
    table = new_table()
    table.add_column("#", justify="right", style="dim", no_wrap=True)
    speakers = any(turn.speaker for _, turn, _, _ in rows)
    if speakers:
        table.add_column("speaker", no_wrap=True, max_width=SPEAKER_WIDTH)
    table.add_column("text", overflow="fold", ratio=1)
    for name in ("emotion", "confidence", "status"):
        table.add_column(name, no_wrap=True)
    for name, turn, item, language in rows:
        who = [Text(_speaker(turn))] if speakers else []
        table.add_row(
            Text(name),
            *who,
            _said(turn, item),
            _emotion(item, label_set, language),
            _bar(item.confidence),
            Text(*_STATUS[item.status]),
        )
    return table


def negotiation_view(
    dialogue: Dialogue, result: DialoguePrediction, label_set: LabelSet
) -> RenderableType:
    """Each turn with the whole record of its negotiation."""
    parts: list[RenderableType] = [_title(dialogue, result), ""]
    for turn, item in zip(dialogue, result.items, strict=True):
        speaker = f"{_speaker(turn)}: " if turn.speaker else ""
        parts.append(
            Text.assemble((f"{item.index + 1} ", "dim"), (speaker, "bold"), _said(turn, item))
        )
        for entry in item.rounds:
            parts += [Padding(line, (0, 0, 0, 4)) for line in _round_lines(entry)]
        outcome = Text.assemble(
            "→ ", _emotion(item, label_set, result.language), "  ", _bar(item.confidence), "  "
        )
        outcome.append(*_STATUS[item.status])
        parts += [Padding(outcome, (0, 0, 1, 4))]
    return Group(*parts)


def item_errors(result: DialoguePrediction) -> Iterator[str]:
    """A sentence for each turn that failed."""
    for item in result.items:
        if item.error is not None:
            hint = f" {escape(printable(item.error.hint))}" if item.error.hint else ""
            yield (
                f"[bold red]Turn {item.index + 1} of dialogue "
                f"{escape(printable(result.dialogue_id))}:[/] "
                f"{escape(printable(item.error.message))}{hint}"
            )


def _title(dialogue: Dialogue, result: DialoguePrediction) -> Text:
    return Text.assemble(
        ("dialogue ", "dim"), (printable(dialogue.id), "bold"), (f" · {result.language}", "dim")
    )


def _speaker(turn: Utterance) -> str:
    return printable(turn.speaker or "")


def _said(turn: Utterance, item: Prediction) -> Text:
    said = Text(printable(turn.text))
    if item.dropped_turns:
        turns = "turn" if item.dropped_turns == 1 else "turns"
        said.append(f"  [{item.dropped_turns} earlier {turns} left out]", style="dim")
    return said


def _round_lines(entry: Round) -> Iterator[Text]:
    proposal, judgement = entry.proposal, entry.judgement
    yield Text.assemble(
        (f"{entry.number}  generator      ", "dim"), proposal.label or "no readable label"
    )
    if proposal.analysis:
        yield Text(f"   “{printable(proposal.analysis)}”", style="italic dim")
    if judgement is None:
        return
    counter = f", rather {judgement.counter_label}" if judgement.counter_label else ""
    sure = judgement.agree_log_prob
    agreement = f"   P(agree) {math.exp(sure):.2f}" if sure is not None else ""
    yield Text.assemble(
        ("   discriminator  ", "dim"), _verdict(judgement.verdict) + counter, (agreement, "dim")
    )
    if judgement.assessment:
        yield Text(f"   “{printable(judgement.assessment)}”", style="italic dim")


def _verdict(verdict: Verdict | None) -> str:
    if verdict is None:
        return "no readable verdict"
    return "agrees" if verdict is Verdict.AGREE else "disagrees"


def _emotion(item: Prediction, label_set: LabelSet, language: str) -> Text:
    if item.label is None:
        return Text(f"({item.fallback}?)" if item.fallback else "–", style="dim")
    label = label_set[item.label]
    word = label.word(language)
    same = word.casefold() == label.name.casefold()
    return Text(
        label.name if same else f"{label.name} {word}",
        style=_COLOURS.get(label.polarity or "", "default"),
    )


def _bar(confidence: float | None) -> Text:
    if confidence is None:
        return Text("–", style="dim")
    filled = round(confidence * BAR)
    # Only what is certain is 100%.
    share = ">99%" if 0.995 <= confidence < 1 else f"{confidence:.0%}"
    return Text.assemble(("█" * filled, "cyan"), ("░" * (BAR - filled), "dim"), f" {share:>4}")
