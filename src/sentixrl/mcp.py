"""A server of the Model Context Protocol: two tools, for a text and for a conversation.

Contract: results are typed, and their schemas are told to clients. What a client sends is bounded;
whatever it can do wrong is one sentence in the tool's answer. The server writes nothing anywhere.
It sends nothing on but to a model that is on a server itself, and then says so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, Field

from sentixrl import __version__
from sentixrl.classifier import Classifier
from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.engines.roles import hosts_of
from sentixrl.errors import InputError, MissingDependencyError, SentixError
from sentixrl.formats.results import DECIMALS
from sentixrl.formats.values import dialogue_of
from sentixrl.prediction import DialoguePrediction, Prediction, Status

if TYPE_CHECKING:
    from mcp.server.mcpserver import MCPServer

MOST_TURNS = 500
MOST_CHARACTERS = 100_000
"""The most turns and characters of one call; a novel has several times as many."""
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
    best_guess: str | None = Field(description="The likeliest emotion, also without consensus.")
    status: Status = Field(description="How the label came about.")
    confidence: float | None = Field(description="Probability that the label is right, if known.")
    probabilities: dict[str, float] = Field(description="Emotion to probability; empty if unknown.")
    error: str | None = Field(description="Why there is no answer, if there is none.")


class Emotions(BaseModel):
    """The answers for a conversation, in its order."""

    model: str = Field(description="The model that answered.")
    language: str = Field(description="The conversation's language, as its text tells.")
    turns: list[Emotion]


Labels = Annotated[
    list[str] | None,
    Field(description="Emotions to choose from; the model's own set if not given."),
]


def require_mcp() -> None:
    """Raise :class:`MissingDependencyError` unless the library ``mcp`` is installed."""
    try:
        import mcp.server.mcpserver  # noqa: F401
    except ImportError:
        raise MissingDependencyError.of("mcp", "mcp") from None


def make_server(classifier: Classifier) -> MCPServer[Any]:
    """A server that asks a classifier, ready to ``run``.

    Args:
        classifier: The model, and the labels where a client names none.

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

    def answer(turns: Sequence[Turn], labels: list[str] | None) -> Emotions:
        try:
            return emotions_of(classifier, turns, labels)
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
        turns: Annotated[list[Turn], Field(description="The turns, oldest first.")],
        labels: Labels = None,
    ) -> Emotions:
        """Tell the emotion of every turn of a conversation, each in the light of those before."""
        return answer(turns, labels)

    return server


def emotions_of(
    classifier: Classifier, turns: Sequence[Turn], labels: list[str] | None = None
) -> Emotions:
    """The answers to the turns of one conversation.

    Raises:
        InputError: It is longer than one call may be, or a turn is none.
        LabelError: The labels are none.
    """
    size = sum(len(turn.text) + len(turn.speaker or "") for turn in turns)
    if len(turns) > MOST_TURNS or size > MOST_CHARACTERS:
        raise InputError(
            f"One call takes {MOST_TURNS:,} turns and {MOST_CHARACTERS:,} characters at most, not "
            f"{len(turns):,} turns with {size:,} characters.",
            hint="Send a part of it at a time.",
        )
    said = tuple(Utterance(turn.text, speaker=turn.speaker or None) for turn in turns)
    dialogue = dialogue_of(Dialogue("1", said))
    asked = classifier if labels is None else classifier.replace(labels=labels)
    found: DialoguePrediction = asked.predict(dialogue)
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
        best_guess=item.label or item.fallback,
        status=item.status,
        confidence=None if item.confidence is None else round(item.confidence, DECIMALS),
        probabilities={name: round(share, DECIMALS) for name, share in shares.items()},
        error=item.error.message if item.error else None,
    )
