"""A model's answers about dev: asked, scored, and what is fitted on them.

Contract: the model's own probabilities are kept, uncalibrated. Where a turn may have several
labels, its figures depend on thresholds; these are fitted on all dev parts of the label set
together, as the bundle ships them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from sentixrl.bundle import ModelBundle, calibration_key
from sentixrl.calibration.fitting import (
    fit_fallback,
    fit_several,
    fit_several_fallback,
    fit_temperature,
)
from sentixrl.calibration.posterior import Calibration, Floats
from sentixrl.calibration.several import Flags, given, probabilities
from sentixrl.classifier import Classifier
from sentixrl.context.building import (
    NOTHING_BESIDES,
    ContextBuilder,
    ContextOptions,
    Supplements,
)
from sentixrl.datasets.dataset import Dataset
from sentixrl.engines.protocol import Engine
from sentixrl.evaluation.confusion import count
from sentixrl.evaluation.metrics import HEADLINE, headline
from sentixrl.evaluation.several import macro_and_micro
from sentixrl.labels import canonical_order
from sentixrl.negotiation.options import NegotiationOptions
from sentixrl.negotiation.several import LabelQuestion, judge_together, label_questions

TOGETHER = 512
"""Yes/no questions that are asked in one call, or a dialogue's where it has more."""


@dataclass(frozen=True, slots=True)
class Answers:
    """Answers about the labelled turns of a split; turns that failed are left out.

    Attributes:
        log_probs: ``[n, n_labels]``.
        gold: The gold labels' indices, ``[n]``.
        turns: (dialogue id, turn) of each, ``[n]``.
    """

    log_probs: Floats
    gold: np.ndarray
    turns: Sequence[tuple[str, int]]

    def __len__(self) -> int:
        return len(self.turns)

    def scores(self) -> dict[str, float]:
        """Accuracy, weighted-F1 and macro-F1 of the likeliest labels."""
        best, n_labels = self.log_probs.argmax(-1), self.log_probs.shape[1]
        (counts,) = count(self.gold, best, n_labels=n_labels)
        return dict(zip(HEADLINE, np.round(headline(counts), 6).tolist(), strict=True))


@dataclass(frozen=True, slots=True)
class SeveralAnswers:
    """The same where a turn may have several labels.

    Attributes:
        log_odds: Of each label, ``[n, n_labels]``.
        gold: Whether each label applies, ``[n, n_labels]``.
        turns: (dialogue id, turn) of each, ``[n]``.
    """

    log_odds: Floats
    gold: Flags
    turns: Sequence[tuple[str, int]]

    def __len__(self) -> int:
        return len(self.turns)

    def scores(self, calibration: Calibration) -> dict[str, float]:
        """Macro-F1 and micro-F1 of the labels given by a calibration's thresholds."""
        said = given(probabilities(self.log_odds, calibration), calibration)
        macro, micro = macro_and_micro(self.gold, said)
        return {"macro_f1": round(macro, 6), "micro_f1": round(micro, 6)}


def answer(
    engine: Engine,
    context: ContextOptions,
    data: Dataset,
    supplements: Supplements = NOTHING_BESIDES,
) -> Answers | SeveralAnswers:
    """An engine's uncalibrated first answers about every labelled turn.

    Args:
        engine: Who answers.
        context: What prompts show.
        data: Dialogues with gold labels.
        supplements: What they show besides.
    """
    asked = _judgements if data.several else posteriors
    return asked(engine, context, data, supplements)


def posteriors(
    engine: Engine,
    context: ContextOptions,
    data: Dataset,
    supplements: Supplements = NOTHING_BESIDES,
) -> Answers:
    """An engine's distribution over the labels for every turn that has one label."""
    names = data.label_set.names
    # Which dialogues share a batch is chance where several workers take them: then each is computed
    # alone, so that a resumed training finds the same numbers.
    alone = engine.capabilities.workers > 1
    options = NegotiationOptions(enabled=False, reproducible=alone, kind="single")
    bundle = ModelBundle("training", None, trained=True)
    classifier = Classifier(
        engine, data.label_set, context, options, bundle, supplements=supplements
    )
    floor = np.finfo(np.float64).tiny
    rows, gold, turns = [], [], []
    for dialogue, prediction in zip(data, classifier.predict_many(data), strict=True):
        for number, (turn, item) in enumerate(zip(dialogue, prediction.items, strict=True)):
            if turn.gold is not None and item.probabilities is not None:
                rows.append([np.log(max(item.probabilities[name], floor)) for name in names])
                gold.append(names.index(turn.gold))
                turns.append((dialogue.id, number))
    return Answers(np.array(rows).reshape(-1, len(names)), np.array(gold, np.int64), turns)


def _judgements(
    engine: Engine, context: ContextOptions, data: Dataset, supplements: Supplements
) -> SeveralAnswers:
    names = data.label_set.names
    rows, gold, turns = [], [], []
    builder = ContextBuilder(
        data.label_set, context, engine.count_tokens, supplements, several=True
    )
    for batch in _batches(builder, data):
        asked = [question for _, _, questions in batch for question in questions]
        with engine.session() as session:
            found = judge_together(session, asked)
        for place, (turn, golds, _) in enumerate(batch):
            row = found[place * len(names) : (place + 1) * len(names)]
            numbers = [value for value in row if isinstance(value, float)]
            if len(numbers) == len(names):
                rows.append(numbers)
                gold.append([name in golds for name in names])
                turns.append(turn)
    shape = (-1, len(names))
    return SeveralAnswers(np.array(rows).reshape(shape), np.array(gold, bool).reshape(shape), turns)


Asked = tuple[tuple[str, int], Sequence[str], Sequence[LabelQuestion]]
"""(Dialogue id, turn), its labels, and the questions about it."""


def _batches(builder: ContextBuilder, data: Dataset) -> Iterator[list[Asked]]:
    """Questions about whole dialogues, about as many as go into one call."""
    batch: list[Asked] = []
    for dialogue in data:
        template = builder.template_for(dialogue)
        for number, (about, turn) in enumerate(zip(builder.build(dialogue), dialogue, strict=True)):
            if turn.golds is not None:
                questions = label_questions(about, template, data.label_set)
                batch.append(((dialogue.id, number), turn.golds, questions))
        if len(batch) * len(data.label_set) >= TOGETHER:
            yield batch
            batch = []
    if batch:
        yield batch


def fit_calibrations(
    dev: Mapping[str, Dataset], answers: Mapping[str, Answers | SeveralAnswers]
) -> dict[str, Calibration]:
    """Key → calibration, fitted on all dev parts whose labels are the same by any name."""
    single, several = _by_labels(dev, answers)
    fitted = {key: fit_temperature(*found) for key, found in single.items()}
    return fitted | {key: fit_several(*found) for key, found in several.items()}


def fit_fallbacks(
    dev: Mapping[str, Dataset], answers: Mapping[str, Answers | SeveralAnswers]
) -> dict[str, Calibration]:
    """Kind → what to use for labels that nothing was fitted for, if two sets of labels tell."""
    single, several = _by_labels(dev, answers)
    fallbacks: dict[str, Calibration] = {}
    if len(single) > 1:
        fallbacks["single"] = fit_fallback(single).calibration
    if len(several) > 1:
        fallbacks["several"] = fit_several_fallback(list(several.values()))
    return fallbacks


Scored = dict[str, tuple[Floats, np.ndarray]]
"""Calibration key → scores and gold of all dev parts with such labels, in their canonical order."""


def _by_labels(
    dev: Mapping[str, Dataset], answers: Mapping[str, Answers | SeveralAnswers]
) -> tuple[Scored, Scored]:
    """The answers about one label a turn, and those about several."""
    single: dict[str, list[tuple[Floats, np.ndarray]]] = {}
    several: dict[str, list[tuple[Floats, np.ndarray]]] = {}
    for name, data in dev.items():
        found, key, order = answers[name], _key(data), canonical_order(data.label_set)
        if isinstance(found, SeveralAnswers):
            several.setdefault(key, []).append((found.log_odds[:, order], found.gold[:, order]))
        else:
            gold = np.argsort(order)[found.gold]
            single.setdefault(key, []).append((found.log_probs[:, order], gold))
    return _joined(single), _joined(several)


def _joined(parts: Mapping[str, Sequence[tuple[Floats, np.ndarray]]]) -> Scored:
    return {
        key: (np.concatenate([one for one, _ in some]), np.concatenate([gold for _, gold in some]))
        for key, some in parts.items()
    }


def score_parts(
    dev: Mapping[str, Dataset],
    answers: Mapping[str, Answers | SeveralAnswers],
    calibrations: Mapping[str, Calibration],
) -> dict[str, dict[str, float]]:
    """Name of a dev part → its figures by name."""
    found = {}
    for name, given_answers in answers.items():
        if isinstance(given_answers, SeveralAnswers):
            fitted, order = calibrations[_key(dev[name])], canonical_order(dev[name].label_set)
            found[name] = given_answers.scores(fitted.reordered(np.argsort(order).tolist()))
        else:
            found[name] = given_answers.scores()
    return found


def _key(data: Dataset) -> str:
    return calibration_key(data.label_set, several=data.several)


def decisive(part: Mapping[str, float]) -> float:
    """The figure of a dev part that choices go by: weighted-F1, or macro-F1 for several labels."""
    return part["weighted_f1"] if "weighted_f1" in part else part["macro_f1"]
