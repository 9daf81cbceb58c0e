"""The call that users of transformers know: ``pipeline("text-classification", top_k=None)``.

Contract: what is returned has the shapes that transformers returns: per text a list of
``{"label", "score"}``, best first, scores adding up to one; where several labels may apply, a score
each. Each text is judged by itself; for
turns that see the ones before, use :func:`sentixrl.load`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypedDict, overload

from sentixrl.classifier import Classifier
from sentixrl.engines.options import EngineOptions
from sentixrl.errors import ConfigError, InputError, ModelError
from sentixrl.formats.characters import shown
from sentixrl.labels import LabelSet, resolve_labels
from sentixrl.loaded import classifier_of
from sentixrl.prediction import Prediction
from sentixrl.spec import ClassifierSpec

TASKS = ("text", "text-classification", "sentiment-analysis")
"""The names of the one task there is; the last two are those of transformers."""


class LabelScore(TypedDict):
    """A label and its probability."""

    label: str
    score: float


Ranked = list[LabelScore]
"""The labels of one text, best first."""
Text = str | Mapping[str, str]
"""A text, or a dict with it under ``text``, as transformers takes it."""


class TextPipeline:
    """Texts in, ranked labels out.

    Args:
        classifier: The model and its labels.
        top_k: How many labels a text gets; ``None`` for all.
    """

    def __init__(self, classifier: Classifier, top_k: int | None = None) -> None:
        first = replace(classifier.negotiation, enabled=False)
        self.classifier = classifier.replace(negotiation=first)
        self.top_k = _checked(top_k)

    @overload
    def __call__(self, inputs: str) -> list[Ranked]: ...

    @overload
    def __call__(self, inputs: str, *, top_k: int | None) -> Ranked: ...

    @overload
    def __call__(self, inputs: Mapping[str, str], *, top_k: int | None = ...) -> Ranked: ...

    @overload
    def __call__(
        self,
        inputs: list[Text] | list[str] | list[dict[str, str]] | tuple[Text, ...],
        *,
        top_k: int | None = ...,
    ) -> list[Ranked]: ...

    @overload
    def __call__(self, inputs: Iterator[Text], *, top_k: int | None = ...) -> Iterator[Ranked]: ...

    def __call__(
        self, inputs: Text | Iterable[Text], **options: int | None
    ) -> list[Ranked] | Ranked | Iterator[Ranked]:
        """Rank the labels of one text or several.

        Args:
            inputs: A text, a list of texts, or an iterator, which is read as answers are taken. A
                text may stand in a dict, ``{"text": "It works!"}``.
            **options: ``top_k`` for this call.

        Returns:
            A list with one ranking per text, for one text too; an iterator for an iterator. As in
            transformers, one text with a ``top_k`` of its own gives the ranking alone, and so does
            one text in a dict.

        Raises:
            ConfigError: There is no such option, or the engine gives no scores.
            InputError: A text is none.
            ModelError: A text could not be answered.
        """
        if unknown := options.keys() - {"top_k"}:
            raise ConfigError(
                f"This pipeline has no option '{shown(min(unknown))}'.", hint="It has: top_k."
            )
        top_k = _checked(options.get("top_k", self.top_k))
        if isinstance(inputs, str | Mapping):
            [ranked] = self._ranked([inputs], top_k)
            return [ranked] if isinstance(inputs, str) and "top_k" not in options else ranked
        if isinstance(inputs, Sequence):
            return list(self._ranked(inputs, top_k))
        return self._ranked(inputs, top_k)

    def _ranked(self, texts: Iterable[Text], top_k: int | None) -> Iterator[Ranked]:
        answers = self.classifier.predict_many(map(_text, texts))
        return (_ranking(answer.items[0])[:top_k] for answer in answers)


def pipeline(
    task: str = "text",
    model: str | Path | Classifier | None = None,
    *,
    labels: str | Sequence[str] | LabelSet | None = None,
    top_k: int | None = None,
    device: str | int | None = None,
) -> TextPipeline:
    """What ``transformers.pipeline("text-classification", top_k=None)`` gives, for any labels.

    Args:
        task: ``text``; ``text-classification`` and ``sentiment-analysis`` are the same.
        model: A bundle, a model's folder, a bundled name, a hub id, or a loaded classifier.
        labels: The label set; default: the model's own.
        top_k: How many labels a text gets; all if not given.
        device: ``cpu``, ``cuda``, ``cuda:1``, …; or a number as in transformers, -1 for the CPU.

    Raises:
        ConfigError: There is no such task.
        ModelError: The model is missing or unusable.
    """
    if task not in TASKS:
        raise ConfigError(
            f"There is no task '{shown(str(task))}'.",
            hint="The task is 'text'; the text itself goes to what comes back: "
            "sentixrl.pipeline('text')('It works!').",
        )
    label_set = None if labels is None else resolve_labels(labels)
    if isinstance(model, Classifier):
        return TextPipeline(model.replace(labels=label_set), top_k)
    name = None if model is None else str(model)
    if isinstance(device, int):
        device = "cpu" if device < 0 else f"cuda:{device}"
    spec = ClassifierSpec(name, label_set, engine=EngineOptions(device=device))
    return TextPipeline(classifier_of(spec), top_k)


def _checked(top_k: int | None) -> int | None:
    if top_k is not None and (not isinstance(top_k, int) or top_k < 1):
        raise ConfigError(f"'top_k' is {top_k}; it is a number from 1, or None for all labels.")
    return top_k


def _text(value: object) -> str:
    if isinstance(value, Mapping):
        if value.keys() != {"text"}:
            keys = shown(", ".join(sorted(map(str, value))), 80)
            raise InputError(
                f"A pipeline takes a text alone, not a dict with the keys '{keys}'.",
                hint="Give {'text': …}; give turns that answer each other to "
                "sentixrl.load().predict.",
            )
        value = value["text"]
    if not isinstance(value, str):
        raise InputError(
            f"A pipeline takes texts, not a value of type '{type(value).__name__}'.",
            hint="Give dialogues to sentixrl.load().predict.",
        )
    return value


def _ranking(item: Prediction) -> Ranked:
    if item.probabilities is None:
        why = item.error.message if item.error else "The engine gives no probabilities."
        raise ModelError(why, hint=item.error.hint if item.error else None)
    best = sorted(item.probabilities.items(), key=lambda pair: -pair[1])
    return [LabelScore(label=label, score=score) for label, score in best]
