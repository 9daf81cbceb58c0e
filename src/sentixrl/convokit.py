"""ConvoKit: corpora in and out, and a transformer that writes emotions into utterances.

Contract: nothing of ConvoKit is imported; a corpus is whatever has its methods, and a folder is
read and written by :mod:`sentixrl.formats.chats.convokit`, which opens no pickle. Within a
conversation an utterance comes after the one it replies to.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from sentixrl.classifier import Classifier
from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.errors import ConfigError
from sentixrl.formats.characters import is_blank
from sentixrl.formats.chats import convokit as folders
from sentixrl.formats.chats import convokit_writing
from sentixrl.formats.label_cells import label_cell
from sentixrl.formats.ledger import Ledger
from sentixrl.formats.results import DECIMALS
from sentixrl.formats.values import dialogues_of
from sentixrl.frames import Predictions, pairs_of
from sentixrl.labels import LabelSet, resolve_labels
from sentixrl.loaded import classifier_of
from sentixrl.prediction import Prediction
from sentixrl.spec import ClassifierSpec

META = "emotion"
"""What keys in ``meta`` begin with, unless told otherwise."""


def read_corpus(folder: str | Path) -> list[Dialogue]:
    """The dialogues of a corpus on disk.

    Raises:
        InputError: A file is missing or malformed, an id stands twice, or replies go in a circle.
    """
    return list(folders.read_corpus(Path(folder), Ledger(folders.NAME), str(folder)))


def write_corpus(
    folder: str | Path, dialogues: object, predictions: Predictions | None = None
) -> None:
    """Write dialogues as a corpus that ConvoKit loads.

    Args:
        folder: Where to write; it must not exist yet.
        dialogues: What ``predict_many`` takes.
        predictions: What it answered; written into ``meta`` as :class:`EmotionTransformer` does,
            but for several labels, which are one text, ``joy; surprise``.

    Raises:
        InputError: The folder exists or cannot be written, or the predictions are of others.
    """
    if predictions is None:
        convokit_writing.write_corpus(Path(folder), dialogues_of(dialogues))
        return
    marked = (
        replace(
            dialogue,
            utterances=tuple(
                replace(turn, metadata={**turn.metadata, **_written(item)})
                for turn, item in zip(dialogue, answer.items, strict=True)
            ),
        )
        for dialogue, answer in pairs_of(dialogues, predictions)
    )
    convokit_writing.write_corpus(Path(folder), marked)


class EmotionTransformer:
    """Write the emotion of every utterance of a corpus into its ``meta``.

    It follows ConvoKit's ``Transformer`` and may stand in a ``ConvokitPipeline``. Keys are
    ``emotion`` (the label, ``None`` where there is no answer), ``emotion_status``,
    ``emotion_fallback``, ``emotion_confidence`` and, where asked for, ``emotion_probabilities``;
    where an utterance may have several labels, ``emotion_labels`` lists them.
    Utterances without words get ``None`` everywhere.

    Args:
        labels: The label set; default: the model's own.
        model: A bundle, a model's folder, a bundled name, a hub id, or a loaded classifier.
        key: What the keys begin with.
        probabilities: Whether the posterior is written, a dict from label to probability.
    """

    def __init__(
        self,
        labels: str | LabelSet | None = None,
        *,
        model: str | Path | Classifier | None = None,
        key: str = META,
        probabilities: bool = False,
    ) -> None:
        self.labels = labels
        self.model = model
        self.key = key
        self.probabilities = probabilities

    def fit(self, corpus: object, y: object = None, **_: object) -> EmotionTransformer:
        """Nothing is fitted; here so that pipelines can call it."""
        return self

    def transform(self, corpus: Any, **_: object) -> Any:  # noqa: ANN401  (ConvoKit's Corpus)
        """Write into the corpus's utterances, and return the corpus.

        Raises:
            InputError: The replies of a conversation go in a circle.
            ConfigError: It is no corpus.
        """
        if not hasattr(corpus, "iter_conversations"):
            raise ConfigError(
                f"A corpus of ConvoKit is wanted, not a value of type '{type(corpus).__name__}'."
            )
        conversations = list(corpus.iter_conversations())
        for found in conversations:
            for utterance in found.iter_utterances():
                self._write(utterance, None)
        spoken = [one for one in map(_dialogue, conversations) if one.utterances]
        for dialogue, answer in zip(spoken, self._classifier().predict_many(spoken), strict=True):
            for turn, item in zip(dialogue, answer.items, strict=True):
                self._write(corpus.get_utterance(turn.id), item)
        return corpus

    def fit_transform(self, corpus: object, y: object = None, **_: object) -> Any:  # noqa: ANN401
        """The same as :meth:`transform`."""
        return self.transform(corpus)

    def transform_utterance(self, utterance: Any, **_: object) -> Any:  # noqa: ANN401
        """Write into one utterance, which is read without its conversation."""
        blank = is_blank(utterance.text or "")
        answer = None if blank else self._classifier().predict(utterance.text).items[0]
        self._write(utterance, answer)
        return utterance

    def summarize(self, corpus: Any, **_: object) -> dict[str, int]:  # noqa: ANN401
        """Label → utterances that have it, most frequent first; of a transformed corpus."""
        found = (utterance.meta.get(self.key) for utterance in corpus.iter_utterances())
        return dict(Counter(label for label in found if label is not None).most_common())

    def _classifier(self) -> Classifier:
        labels = None if self.labels is None else resolve_labels(self.labels)
        if isinstance(self.model, Classifier):
            return self.model.replace(labels=labels)
        name = None if self.model is None else str(self.model)
        return classifier_of(ClassifierSpec(name, labels))

    def _write(self, utterance: Any, item: Prediction | None) -> None:  # noqa: ANN401
        shares = item.probabilities if item and self.probabilities else None
        if item is not None and item.labels is not None:
            utterance.add_meta(f"{self.key}_labels", list(item.labels))
        for key, value in _described(item, self.key):
            utterance.add_meta(key, value)
        if self.probabilities:
            rounded = {name: round(share, DECIMALS) for name, share in (shares or {}).items()}
            utterance.add_meta(f"{self.key}_probabilities", rounded or None)


def _dialogue(conversation: Any) -> Dialogue:  # noqa: ANN401  (ConvoKit's Conversation)
    """A conversation as a dialogue, without utterances that have no words."""
    return Dialogue(str(conversation.id), tuple(_turns(conversation)))


def _turns(conversation: Any) -> Iterator[Utterance]:  # noqa: ANN401
    entries = []
    for found in conversation.iter_utterances():
        speaker = str(found.speaker.id)
        time = found.timestamp
        try:
            timestamp = float("inf") if time is None else float(time)
        except (TypeError, ValueError):  # corpora keep times as they like
            timestamp = float("inf")
        turn = Utterance(found.text or "", None if is_blank(speaker) else speaker, id=str(found.id))
        entries.append(folders.Entry(turn, turn.id or "", str(found.reply_to or ""), timestamp))
    ordered = folders.in_order(entries, str(conversation.id), "The corpus")
    return (turn for turn in ordered if not is_blank(turn.text))


def _described(item: Prediction | None, key: str) -> Iterable[tuple[str, str | float | None]]:
    """Keys of ``meta`` and their values."""
    names = (key, f"{key}_status", f"{key}_fallback", f"{key}_confidence")
    if item is None:
        return zip(names, (None,) * len(names), strict=True)
    sure = None if item.confidence is None else round(item.confidence, DECIMALS)
    return zip(names, (item.label, item.status.value, item.fallback, sure), strict=True)


def _written(item: Prediction) -> dict[str, str | float]:
    several = {} if item.labels is None else {f"{META}_labels": label_cell(item.labels)}
    one = {key: value for key, value in _described(item, META) if value is not None}
    return several | one
