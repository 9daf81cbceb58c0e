"""From answers to HTML: a file that stands alone, and a compact form for notebooks."""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.labels import LabelSet
from sentixrl.pages.arc import Arc, arc
from sentixrl.pages.view import (
    NAMELESS,
    Shown,
    SpeakerView,
    TurnView,
    Words,
    speaker_views,
    turn_views,
)
from sentixrl.prediction import DialoguePrediction, MoodTurn

NOTEBOOK_TURNS = 60
"""How many turns a notebook shows."""
_UNSEEN = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x84\x86-\x9f\ud800-\udfff\ufffe\uffff]")
_TURNING = re.compile("[\u202a-\u202e]")  # isolates end where an element does


@dataclass(frozen=True, slots=True)
class MoodView:
    """Where a speaker's mood turns, as it is shown."""

    speaker: str
    number: int
    before: Shown
    after: Shown


@dataclass(frozen=True, slots=True)
class Page:
    """What the template is given of one conversation."""

    key: str
    title: str
    when: str
    language: str
    model: str
    calibrated: bool
    explained: bool
    arc: Arc
    moods: tuple[MoodView, ...]
    speakers: Sequence[SpeakerView]
    turns: Sequence[TurnView]


@dataclass(frozen=True, slots=True)
class Answered:
    """A conversation with its answers, and where moods turn in it."""

    dialogue: Dialogue
    prediction: DialoguePrediction
    moods: Sequence[MoodTurn] = ()


def conversation_page(
    answered: Sequence[Answered],
    label_set: LabelSet,
    title: str,
    *,
    calibrated: bool = False,
    remarks: Sequence[str] = (),
) -> str:
    """Conversations as a file for a browser: arc, turns, negotiation, evidence.

    Args:
        answered: The conversations, in order.
        label_set: The labels; their words in each dialogue's language are shown.
        title: The page's.
        calibrated: Whether probabilities were calibrated for these labels.
        remarks: What else a reader has to know of how the answers came about, a clause each.
    """
    pages = [
        _page(f"c{number}", one, label_set, calibrated=calibrated)
        for number, one in enumerate(answered, start=1)
    ]
    css = looks() + _file("templates/conversation.css")
    template = _environment().get_template("conversation.html.jinja")
    text = template.render(
        title=title, pages=pages, remarks=remarks, css=Markup(css), style_hash=_hash(css)
    )
    return _shown(text).lstrip()


def _page(key: str, one: Answered, label_set: LabelSet, *, calibrated: bool) -> Page:
    dialogue, prediction = one.dialogue, one.prediction
    words = Words(label_set, prediction.language)
    turns = turn_views(dialogue, prediction, words, [mood.index for mood in one.moods])
    moods = (
        MoodView(mood.speaker or NAMELESS, mood.index + 1, words(mood.before), words(mood.after))
        for mood in one.moods
    )
    return Page(
        key=key,
        title=dialogue.id,
        when=_day(dialogue),
        language=prediction.language,
        model=prediction.model,
        calibrated=calibrated,
        explained=any(item.evidence is not None for item in prediction.items),
        arc=arc(dialogue, prediction, label_set, words, one.moods),
        moods=tuple(moods),
        speakers=speaker_views(turns),
        turns=turns,
    )


def _day(dialogue: Dialogue) -> str:
    """The day of the first turn whose time is known; empty if none is."""
    times = (turn.metadata.get("time") for turn in dialogue)
    return str(next((time for time in times if time), ""))[:10]


def notebook_view(prediction: DialoguePrediction) -> str:
    """A compact table of answers, for notebooks.

    Args:
        prediction: The answers; texts are shown if it holds its dialogue.
    """
    spoken = prediction.dialogue
    dialogue = spoken or Dialogue(
        prediction.dialogue_id, tuple(Utterance("") for _ in prediction.items)
    )
    turns = turn_views(dialogue, prediction, Words(None))
    template = _environment().get_template("notebook.html.jinja")
    text = template.render(
        title=prediction.dialogue_id,
        language=prediction.language,
        model=prediction.model,
        spoken=spoken is not None,
        total=len(turns),
        turns=turns[:NOTEBOOK_TURNS],
        css=Markup(_scoped(looks()) + _file("templates/notebook.css")),
    )
    return _shown(text).strip()


@cache
def looks() -> str:
    """The style sheet of everything that sentixrl shows."""
    return _file("looks.css")


def _scoped(css: str) -> str:
    """The same for a part of somebody else's page."""
    css = css.replace(":root, .sentixrl", ".sentixrl").replace("  * {", "  .sentixrl * {")
    return re.sub(r"(^|[,}] ?)(\.(?!sentixrl))", r"\1.sentixrl \2", css, flags=re.MULTILINE)


def _file(name: str) -> str:
    return (resources.files("sentixrl") / "pages" / name).read_text("utf-8")


def _hash(css: str) -> str:
    """What allows exactly this style under a content security policy."""
    return f"sha256-{base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()}"


def _shown(text: str) -> str:
    """Text with visible characters alone: those that change the direction are spelt out."""
    return _TURNING.sub(lambda found: f"\\u{ord(found[0]):04x}", _UNSEEN.sub("\ufffd", text))


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("sentixrl.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
