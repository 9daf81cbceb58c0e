"""A server of the Model Context Protocol: two tools, for a text and for a conversation.

Contract: results are typed, and their schemas are told to clients. What a client sends is bounded;
whatever it can do wrong is one sentence in the tool's answer. The server writes nothing anywhere.
It sends nothing on but to a model that is on a server itself, and then says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, FailFast, Field, SkipValidation, TypeAdapter, ValidationError

from sentixrl import __version__
from sentixrl.classifier import Classifier
from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.engines.roles import hosts_of
from sentixrl.errors import (
    InputError,
    LabelError,
    MissingDependencyError,
    SentixError,
    fault_words,
)
from sentixrl.formats.results import DECIMALS
from sentixrl.formats.values import dialogue_of
from sentixrl.labels import LabelSet, is_file, resolve_labels, scheme_names
from sentixrl.prediction import DialoguePrediction, Prediction, Status

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

MOST_TURNS = 500
MOST_CHARACTERS = 100_000
"""The most turns and characters of one call; a novel has several times as many."""
MOST_LABEL_CHARACTERS = 2_000
_INSTRUCTIONS = (
    "Tells which emotion a text or each turn of a conversation carries, computed {where}. "
    "Use classify_conversation wherever turns answer each other: earlier turns change the answer."
)


class Turn(BaseModel):
    """One turn of a conversation."""

    text: str = Field(description="What was said.")
    speaker: str | None = Field(default=None, description="Who said it.")


class Emotion(BaseModel):
    """The answer for one text or turn."""

    index: int = Field(description="Position in the conversation, counted from 0.")
    speaker: str | None = Field(description="Who said it, if known.")
    label: str | None = Field(description="The emotion; null if the model found no consensus.")
    labels: list[str] | None = Field(description="All emotions, where several were asked for.")
    fallback: str | None = Field(
        description="The best guess: the label, or without consensus the likeliest emotion."
    )
    status: Status = Field(description="How the label came about.")
    confidence: float | None = Field(description="Probability that the label is right, if known.")
    calibrated: bool | None = Field(
        description="Whether the probabilities were calibrated on data with these emotions; if "
        "not, they only rank. Null if unknown."
    )
    probabilities: dict[str, float] = Field(description="Emotion to probability; empty if unknown.")
    error: str | None = Field(description="Why there is no answer, if there is none.")


class Emotions(BaseModel):
    """The answers for a conversation, in its order."""

    model: str = Field(description="The model that answered.")
    language: str = Field(description="The conversation's language, as its text tells.")
    turns: list[Emotion]


Labels = Annotated[
    list[str] | str | None,
    SkipValidation,
    Field(
        description="Emotions to choose from: names, also as one text with commas, or a label "
        "scheme's name such as meld-7; the model's own set if not given."
    ),
]
"""What the tools take. The server checks it itself: errors of the library would list each item."""
_TURNS = TypeAdapter(Annotated[list[Turn], FailFast()])


def require_mcp() -> None:
    """Raise :class:`MissingDependencyError` unless the library ``mcp`` is installed."""
    try:
        import mcp.server.mcpserver  # noqa: F401
    except ImportError:
        raise MissingDependencyError.of("mcp", "mcp") from None


def make_server(classifier: Classifier, glosses: bool | None = None) -> MCPServer[Any]:
    """A server that asks a classifier, ready to ``run``.

    Args:
        classifier: The model, and the labels where a client names none.
        glosses: Whether prompts explain the labels that a client names; default: as
            :meth:`~sentixrl.Classifier.asking` says.

    Raises:
        MissingDependencyError: The library ``mcp`` is not installed.
    """
    require_mcp()
    from mcp.server.mcpserver import MCPServer
    from mcp.server.mcpserver.exceptions import ToolError
    from mcp.types import ToolAnnotations

    hosts = ", ".join(hosts_of(classifier.engine))
    where = f"by a model at {hosts}, to which texts are sent" if hosts else "on this machine"
    instructions = _INSTRUCTIONS.format(where=where)
    server: MCPServer[Any] = MCPServer(
        "sentixrl", instructions=instructions, version=__version__, log_level="ERROR"
    )
    harmless = ToolAnnotations(read_only_hint=True, idempotent_hint=True, open_world_hint=False)

    def answer(turns: object, labels: object) -> Emotions:
        try:
            named = _labels_of(labels)
            asked = classifier if named is None else classifier.asking(named, glosses)
            return emotions_of(asked, _turns_of(turns))
        except SentixError as error:
            raise ToolError(f"{error.message} {error.hint or ''}".strip()) from None

    @server.tool(title="Emotion of a text", annotations=harmless)
    def classify_text(
        text: Annotated[str, Field(description="The text, judged by itself.")],
        labels: Labels = None,
    ) -> Emotion:
        """Tell the emotion of one text."""
        return answer([Turn(text=text)], labels).turns[0]

    @server.tool(title="Emotions of a conversation", annotations=harmless)
    def classify_conversation(
        turns: Annotated[
            list[Turn],
            SkipValidation,
            Field(
                description="The turns, oldest first.",
                json_schema_extra={"maxItems": MOST_TURNS},
            ),
        ],
        labels: Labels = None,
    ) -> Emotions:
        """Tell the emotion of every turn of a conversation, each in the light of those before."""
        return answer(turns, labels)

    return server


def _turns_of(value: object) -> list[Turn]:
    """The turns that a client sent.

    Raises:
        InputError: They are too many, or one is none.
    """
    if isinstance(value, list) and len(value) > MOST_TURNS:
        raise InputError(
            f"One call takes {MOST_TURNS:,} turns at most, not {len(value):,}.",
            hint="Send a part of it at a time.",
        )
    try:
        return _TURNS.validate_python(value)
    except ValidationError as error:
        fault = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(["turns", *map(str, fault["loc"])])
        raise InputError(
            f"At '{place}': {fault_words(fault['type'], fault['msg'])}.",
            hint='A turn is {"text": …}, or {"speaker": …, "text": …}.',
        ) from None


def _labels_of(value: object) -> LabelSet | None:
    """The label set that a client named. Nothing that it says is looked for on the disk.

    Raises:
        LabelError: It is none.
    """
    if value is None:
        return None
    if isinstance(value, str) and len(value) > MOST_LABEL_CHARACTERS:
        raise LabelError(
            f"The labels take {MOST_LABEL_CHARACTERS:,} characters at most, not {len(value):,}."
        )
    if isinstance(value, str) and (is_file(value.strip()) or ": " in value):
        raise LabelError(
            "Labels are names or a label scheme, not a file and no descriptions.",
            hint=f"The schemes are: {', '.join(scheme_names())}.",
        )
    named = isinstance(value, str) or (
        isinstance(value, list) and all(isinstance(name, str) for name in value)
    )
    if not named:
        raise LabelError(
            "Labels are a list of names, or one text with commas.",
            hint='For example: ["calm", "annoyed"].',
        )
    return resolve_labels(value)  # type: ignore[arg-type]  # a text or a list of texts


def emotions_of(classifier: Classifier, turns: Sequence[Turn]) -> Emotions:
    """The answers to the turns of one conversation.

    Raises:
        InputError: It is longer than one call may be, or a turn is none.
    """
    size = sum(len(turn.text) + len(turn.speaker or "") for turn in turns)
    if size > MOST_CHARACTERS:
        raise InputError(
            f"One call takes {MOST_CHARACTERS:,} characters at most, not {size:,}.",
            hint="Send a part of it at a time.",
        )
    said = tuple(Utterance(turn.text, speaker=turn.speaker or None) for turn in turns)
    dialogue = dialogue_of(Dialogue("1", said))
    found: DialoguePrediction = classifier.predict(dialogue)
    return Emotions(
        model=found.model,
        language=found.language,
        turns=[_emotion(turn, item) for turn, item in zip(dialogue, found.items, strict=True)],
    )


def _emotion(turn: Utterance, item: Prediction) -> Emotion:
    shares = item.probabilities or {}
    return Emotion(
        index=item.index,
        speaker=turn.speaker,
        label=item.label,
        labels=None if item.labels is None else list(item.labels),
        fallback=item.fallback,
        status=item.status,
        confidence=None if item.confidence is None else round(item.confidence, DECIMALS),
        calibrated=item.calibrated if item.probabilities else None,
        probabilities={name: round(share, DECIMALS) for name, share in shares.items()},
        error=item.error.message if item.error else None,
    )
