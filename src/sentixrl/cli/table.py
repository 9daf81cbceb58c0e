"""Results as people read them: a table a dialogue, legible without colour too."""

from __future__ import annotations

from collections.abc import Iterator

from rich import box
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from sentixrl.classifier import Classifier
from sentixrl.dialogue import Dialogue
from sentixrl.labels import LabelSet
from sentixrl.prediction import DialoguePrediction, Prediction, Round, Status, Verdict

BAR = 8
_COLOURS = {"positive": "green", "negative": "red", "neutral": "dim", "ambiguous": "yellow"}
_STATUS = {
    Status.CONSENSUS: "✓ consensus",
    Status.SINGLE: "· single",
    Status.OUTLIER: "? outlier",
    Status.INVALID: "! invalid",
    Status.ERROR: "✗ error",
}


def header(classifier: Classifier) -> Text:
    """One line: which model, how trained, which labels, whether it negotiates."""
    negotiation = classifier.negotiation
    rules = negotiation.rules
    how = f"up to {rules.max_rounds} rounds" if negotiation.enabled else "no negotiation"
    kind = "" if classifier.bundle.trained else " (untrained base model)"
    line = Text()
    line.append(classifier.engine.name, style="bold")
    line.append(f"{kind} · {classifier.label_set.name}: ")
    line.append(", ".join(classifier.label_set.names))
    line.append(f" · {how}")
    return line


def dialogue_table(
    dialogue: Dialogue, result: DialoguePrediction, label_set: LabelSet, negotiation: bool
) -> RenderableType:
    """The dialogue's turns with their emotions, and the record below each if asked for."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, expand=False)
    table.add_column("#", justify="right", style="dim", no_wrap=True)
    speakers = any(turn.speaker for turn in dialogue)
    if speakers:
        table.add_column("speaker", no_wrap=True, max_width=18)
    table.add_column("text", overflow="fold", ratio=1)
    table.add_column("emotion", no_wrap=True)
    table.add_column("confidence", no_wrap=True)
    table.add_column("status", no_wrap=True)
    for turn, item in zip(dialogue, result.items, strict=True):
        cells: list[RenderableType] = [str(item.index + 1)]
        if speakers:
            cells.append(Text(" ".join((turn.speaker or "").split())))
        cells.append(_said(turn.text, item, negotiation))
        cells += [_emotion(item, label_set, result.language), _bar(item.confidence)]
        cells.append(Text(_STATUS[item.status], style=_status_style(item.status)))
        table.add_row(*cells)
    title = Text.assemble(("dialogue ", "dim"), (dialogue.id, "bold"), (f" · {result.language}", "dim"))
    return Group(title, table)


def item_errors(result: DialoguePrediction) -> Iterator[str]:
    """A sentence for each turn that failed."""
    for item in result.items:
        if item.error is not None:
            hint = f" {escape(item.error.hint)}" if item.error.hint else ""
            yield (
                f"[bold red]Turn {item.index + 1} of dialogue {escape(result.dialogue_id)}:[/] "
                f"{escape(item.error.message)}{hint}"
            )


def _said(text: str, item: Prediction, negotiation: bool) -> RenderableType:
    said = Text(" ".join(text.split()))
    if item.dropped_turns:
        said.append(f"  [{item.dropped_turns} earlier turns not shown to the model]", style="dim")
    if not negotiation or not item.rounds:
        return said
    return Group(said, *(line for entry in item.rounds for line in _round_lines(entry)))


def _round_lines(entry: Round) -> Iterator[Text]:
    proposal, judgement = entry.proposal, entry.judgement
    line = Text(f"  {entry.number}. generator: ", style="dim")
    line.append(proposal.label or "no readable label", style="default")
    yield line
    if proposal.analysis:
        yield Text(f"     “{proposal.analysis}”", style="italic dim")
    if judgement is None:
        return
    line = Text("     discriminator: ", style="dim")
    line.append(_verdict(judgement.verdict), style="default")
    if judgement.counter_label:
        line.append(f", rather {judgement.counter_label}", style="default")
    if judgement.agree_log_prob is not None:
        line.append(f"  (P(agree) {2.718281828 ** judgement.agree_log_prob:.2f})")
    yield line
    if judgement.assessment:
        yield Text(f"     “{judgement.assessment}”", style="italic dim")


def _verdict(verdict: Verdict | None) -> str:
    if verdict is None:
        return "no readable verdict"
    return "agrees" if verdict is Verdict.AGREE else "disagrees"


def _emotion(item: Prediction, label_set: LabelSet, language: str) -> Text:
    if item.label is not None:
        label = label_set[item.label]
        word = label.word(language)
        shown = label.name if word.casefold() == label.name.casefold() else f"{label.name} {word}"
        return Text(shown, style=_COLOURS.get(label.polarity or "", "default"))
    return Text(f"({item.fallback}?)" if item.fallback else "–", style="dim")


def _bar(confidence: float | None) -> Text:
    if confidence is None:
        return Text("–", style="dim")
    filled = round(confidence * BAR)
    return Text.assemble(
        ("█" * filled, "cyan"), ("░" * (BAR - filled), "dim"), f" {confidence:4.0%}"
    )


def _status_style(status: Status) -> str:
    if status in (Status.ERROR, Status.INVALID):
        return "red"
    return "yellow" if status is Status.OUTLIER else "dim"
