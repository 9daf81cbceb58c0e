"""Asking a model about a split as a condition says, and keeping what it answers.

Contract: answers are logged dialogue by dialogue, so that a stopped experiment goes on where it
was; once all are there they become one compact file, and the log is removed.
"""

from __future__ import annotations

import math
import shutil
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from sentixrl.calibration.several import given, probabilities
from sentixrl.classifier import Classifier
from sentixrl.context.building import ContextOptions, Supplements
from sentixrl.datasets.dataset import Dataset
from sentixrl.evaluation.baselines import label_orders
from sentixrl.evaluation.baselines.system import System
from sentixrl.evaluation.running import Watch, answer_all, plainly
from sentixrl.experiments.held import FLOOR, Chain, Held, write_held
from sentixrl.experiments.plan import Ask
from sentixrl.experiments.verifying import VerifierSystem
from sentixrl.labels import LabelSet
from sentixrl.negotiation.options import NegotiationOptions
from sentixrl.negotiation.protocol import Rules
from sentixrl.prediction import Prediction, Verdict
from sentixrl.runs import Entry, RunFolder, labels_identity, read_entries
from sentixrl.training.answering import SeveralAnswers, answer
from sentixrl.training.pairs import Evidence

ALWAYS = 1.0
"""The threshold of P(agree) that only certainty reaches: the discriminator always objects."""


@dataclass(frozen=True)
class Asked:
    """A model ready to be asked, and what prompts show besides the dialogues.

    Attributes:
        classifier: The model.
        supplements: By split.
        evidence: What a verifier is shown, if anything.
    """

    classifier: Classifier
    supplements: Any
    evidence: Evidence | None = None


def ask(
    asked: Asked,
    how: Ask,
    data: Dataset,
    labels: LabelSet,
    file: Path,
    about: Mapping[str, Any],
    *,
    dev: Dataset | None = None,
    pairs: Held | None = None,
    seed: int = 0,
    watch: Watch = plainly,
) -> Held:
    """Ask a model about every labelled turn and keep the answers in ``file``.

    Args:
        asked: The model.
        how: How it is asked.
        data: The split.
        labels: The labels that are asked under.
        file: Where the answers go.
        about: What they are of, for the file's record.
        dev: Where the share of objections is set, if ``how`` names one.
        pairs: The answers between whose first two labels a verifier decides.
        seed: Draws the orders of labels.
        watch: Shows progress.

    Raises:
        SentixError: The model cannot be asked so.
    """
    classifier = _asking(asked, how, data, labels)
    if pairs is not None:
        verifier = VerifierSystem(classifier, pairs, asked.evidence)
        held = answered_by(verifier, classifier.label_set, data, file, about, watch)
    elif data.several:
        held = _several(classifier, data)
    else:
        if how.objects is not None:
            judge = _asking(asked, replace_rounds(how), dev or data, labels)
            classifier = _objecting(classifier, judge, how, dev or data)
        system: System = classifier
        if how.orders is not None:
            system = label_orders(classifier, how.orders, seed=seed)
        held = answered_by(system, classifier.label_set, data, file, about, watch)
    write_held(file, held, dict(about))
    return held


def replace_rounds(how: Ask) -> Ask:
    """The same for one round in which everything is objected to: it tells P(agree)."""
    return how.model_copy(update={"rounds": 1, "agreements": 1, "objects": None})


def answered_by(
    system: System,
    label_set: LabelSet,
    data: Dataset,
    file: Path,
    about: Mapping[str, Any],
    watch: Watch = plainly,
) -> Held:
    """A system's answers about every labelled turn, logged beside ``file`` on the way."""
    folder = file.with_suffix(".run")
    with RunFolder(folder, {"about": dict(about), "labels": labels_identity(label_set)}) as run:
        answer_all(system, data.dialogues, run, watch)
    held = held_of(read_entries(folder), label_set.names, data.label_set.names)
    shutil.rmtree(folder)
    return held


def _asking(asked: Asked, how: Ask, data: Dataset, labels: LabelSet) -> Classifier:
    """The classifier that asks so."""
    classifier = asked.classifier
    supplements: Supplements = asked.supplements(data)
    chosen = classifier.replace(labels=labels, supplements=supplements)
    return chosen.replace(
        context=_context(chosen.context, how),
        negotiation=_negotiation(chosen.negotiation, how, alone=_is_talk(data)),
    )


def _is_talk(data: Dataset) -> bool:
    """Whether dialogues have several turns; single texts are faster asked about together."""
    return any(len(dialogue) > 1 for dialogue in data)


def _context(own: ContextOptions, how: Ask) -> ContextOptions:
    changes: dict[str, Any] = {
        "instruction": how.instruction,
        "labels": how.labels,
        "anonymous": how.anonymous,
        "history": None if how.history is None else how.history != "off",
        "window": None if how.window is None else own.window.of_turns(how.window),
        "deduction": "off" if how.deductions == "off" else None,
    }
    return replace(own, **{key: value for key, value in changes.items() if value is not None})


def _negotiation(own: NegotiationOptions, how: Ask, *, alone: bool) -> NegotiationOptions:
    options = replace(
        own,
        enabled=how.rounds is not None,
        confidence_threshold=None,
        agree_threshold=ALWAYS,
        reproducible=alone,
        rules=Rules(how.rounds or 1, how.agreements),
    )
    if how.priors is not None:
        options = replace(options, correct_priors=how.priors)
    return replace(options, mode=how.mode) if how.mode is not None else options


def _objecting(classifier: Classifier, judge: Classifier, how: Ask, dev: Dataset) -> Classifier:
    """The classifier, objecting to a share of dev's first proposals."""
    agree = [
        entry.rounds[0].judgement.agree_log_prob
        for result in judge.predict_many(dev)
        for entry in result.items
        if entry.rounds and entry.rounds[0].judgement is not None
    ]
    found = np.exp([value for value in agree if value is not None])
    assert how.objects is not None
    threshold = float(np.quantile(found, how.objects)) if len(found) else ALWAYS
    options = replace(classifier.negotiation, agree_threshold=threshold)
    return classifier.replace(negotiation=options)


def held_of(entries: Iterable[Entry], names: Sequence[str], gold_names: Sequence[str]) -> Held:
    """A run's labelled turns as kept answers.

    Args:
        entries: The run's log.
        names: The labels that were asked under.
        gold_names: The labels of the data.
    """
    codes: dict[str, int] = {}
    rows: list[tuple[tuple[str, int], int, int, Prediction]] = []
    for entry in entries:
        cluster = codes.setdefault(entry.dialogue.cluster, len(codes))
        for turn, item in zip(entry.dialogue, entry.prediction.items, strict=True):
            if turn.gold is not None:
                key = (entry.dialogue.id, item.index)
                rows.append((key, gold_names.index(turn.gold), cluster, item))
    items = [item for _, _, _, item in rows]
    return Held(
        tuple(names),
        tuple(gold_names),
        tuple(key for key, _, _, _ in rows),
        np.array([gold for _, gold, _, _ in rows], np.int64),
        np.array([cluster for _, _, cluster, _ in rows], np.int64),
        np.array([_first(item, names) for item in items]).reshape(-1, len(names)),
        np.array([_forced(item, names) for item in items], np.int64),
        np.array([item.seconds for item in items], float),
        _chain(items, names),
    )


def _first(item: Prediction, names: Sequence[str]) -> list[float]:
    """The first answer's log-probabilities; even ones for a turn that failed."""
    proposed = item.rounds[0].proposal.log_probs if item.rounds else None
    if proposed is not None:
        return [max(proposed[name], FLOOR) for name in names]
    if item.probabilities is None:
        return [-math.log(len(names))] * len(names)
    return [max(math.log(max(item.probabilities[name], 1e-12)), FLOOR) for name in names]


def _forced(item: Prediction, names: Sequence[str]) -> int:
    label = item.label if item.label is not None else item.fallback
    return len(names) if label is None else names.index(label)


def _chain(items: Sequence[Prediction], names: Sequence[str]) -> Chain | None:
    most = max((len(item.rounds) for item in items), default=0)
    if not most:
        return None
    shape = (len(items), most)
    proposed, judged = (np.full((*shape, len(names)), np.nan) for _ in range(2))
    agree, objected = np.full(shape, np.nan), np.zeros(shape, bool)
    for row, item in enumerate(items):
        for column, past in enumerate(item.rounds):
            judgement = past.judgement
            if past.proposal.log_probs is None or judgement is None or not judgement.log_probs:
                continue  # a written role's turn has no scores
            proposed[row, column] = [max(past.proposal.log_probs[n], FLOOR) for n in names]
            judged[row, column] = [max(judgement.log_probs[n], FLOOR) for n in names]
            agree[row, column] = judgement.agree_log_prob
            objected[row, column] = judgement.verdict is Verdict.DISAGREE
    return Chain(proposed, agree, judged, objected)


def _several(classifier: Classifier, data: Dataset) -> Held:
    """Answers where each label is a question of its own."""
    begun = time.perf_counter()
    found = answer(classifier.engine, classifier.context, data, classifier.supplements)
    seconds = time.perf_counter() - begun
    assert isinstance(found, SeveralAnswers)
    calibration = classifier.bundle.calibration(data.label_set, several=True)
    codes: dict[str, int] = {}
    cluster = {dialogue.id: codes.setdefault(dialogue.cluster, len(codes)) for dialogue in data}
    return Held(
        data.label_set.names,
        data.label_set.names,
        tuple(found.turns),
        found.gold,
        np.array([cluster[id] for id, _ in found.turns], np.int64),
        found.log_odds,
        given(probabilities(found.log_odds, calibration), calibration),
        np.full(len(found), seconds / max(1, len(found))),
    )
