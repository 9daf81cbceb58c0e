"""Utterances and dialogues: what the library reads, before any model sees it.

Contract: plain immutable data. Gold labels ride along for evaluation and training; nothing that
builds a prompt reads them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Utterance:
    """One turn of a dialogue.

    Attributes:
        text: What was said. May hold any Unicode text, on one or several lines.
        speaker: Who said it, if known.
        gold: The annotated label's name, if there is exactly one. Never part of a prompt.
        id: The source's own identifier, if it has one.
        metadata: Further fields of the source (scores, times, …), for slicing results.
        golds: The names of all annotated labels, where an utterance may have several of them;
            empty where none applies, ``None`` where it was not annotated this way. Never part of
            a prompt.
    """

    text: str
    speaker: str | None = None
    gold: str | None = None
    id: str | None = None
    metadata: Mapping[str, str | float] = field(default_factory=dict)
    golds: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Dialogue:
    """Utterances in the order they were said.

    Attributes:
        id: Unique within a data set or file.
        utterances: The turns, oldest first.
        language: BCP-47 tag (``en``, ``zh``, ``hi-Latn``, …) if known.
        group: The unit that is drawn when results are resampled (a show, a video, an episode);
            the dialogue itself when ``None``.
    """

    id: str
    utterances: tuple[Utterance, ...]
    language: str | None = None
    group: str | None = None

    @classmethod
    def from_texts(
        cls, texts: Sequence[str | tuple[str, str]], *, id: str = "1", language: str | None = None
    ) -> Dialogue:
        """Build a dialogue from texts, or from ``(speaker, text)`` pairs."""
        turns = [
            Utterance(turn) if isinstance(turn, str) else Utterance(turn[1], speaker=turn[0])
            for turn in texts
        ]
        return cls(id=id, utterances=tuple(turns), language=language)

    def __len__(self) -> int:
        return len(self.utterances)

    def __iter__(self) -> Iterator[Utterance]:
        return iter(self.utterances)

    @property
    def cluster(self) -> str:
        """The identifier that resampling draws: the group, or the dialogue itself."""
        return self.group if self.group is not None else self.id
