"""Does negotiation pay? Two measurements and controls, from runs that negotiated.

Contract: everything is computed from the first round of a negotiating run: the generator's
posterior, and the discriminator's verdict on its proposal. Choices (thresholds, weights) are fitted
on one
run, dev, and applied to another, test. Three questions, in order: is the gold label among the first
two (otherwise no judge can find it); does P(agree) tell anything that the generator's own
confidence and margin do not; and does any policy built on it beat its controls: the same number of
changes by margin alone, the generator with one bias per label, the verdicts of other turns.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sentixrl.calibration.posterior import normalise
from sentixrl.errors import InputError
from sentixrl.evaluation.confusion import Floats, Ints, count
from sentixrl.evaluation.intervals import Resampling
from sentixrl.evaluation.metrics import weighted_f1
from sentixrl.evaluation.risk_coverage import risk_coverage
from sentixrl.evaluation.significance import differences, permutation_p
from sentixrl.experiments.telling import held_out, own_features, p_right
from sentixrl.runs import Entry

SHRINKAGE = 0.01
"""Penalty of a squared bias, in nats per item: biases without it fit dev's noise."""
_FLOOR = 1e-9


@dataclass(frozen=True)
class Opinions:
    """Both roles' opinions on every labelled turn in the first round.

    Attributes:
        names: The labels.
        gold: Index of the gold label, ``[n]``.
        cluster: The unit that resampling draws, ``[n]``.
        generator: The generator's log-probabilities, ``[n, n_labels]``.
        agree: Log-odds that the discriminator agrees with the proposal, ``[n]``.
        discriminator: Its log-probabilities over the labels, ``[n, n_labels]``.
    """

    names: tuple[str, ...]
    gold: Ints
    cluster: Ints
    generator: Floats
    agree: Floats
    discriminator: Floats

    @property
    def first(self) -> Ints:
        """The generator's proposals, ``[n]``."""
        return np.asarray(self.generator.argmax(-1))

    @property
    def second(self) -> Ints:
        """Its runners-up, ``[n]``."""
        return np.argsort(-self.generator, axis=-1, kind="stable")[:, 1]

    @property
    def right(self) -> NDArray[np.bool_]:
        """Whether the proposal is the gold label, ``[n]``."""
        return np.asarray(self.first == self.gold)


def opinions(entries: Sequence[Entry], names: Sequence[str]) -> Opinions:
    """Read a negotiating run.

    Args:
        entries: Its log.
        names: The labels.

    Raises:
        InputError: Not every labelled turn was judged with scores.
    """
    codes: dict[str, int] = {}
    rows: list[tuple[int, int, list[float], float, list[float]]] = []
    for entry in entries:
        cluster = codes.setdefault(entry.dialogue.cluster, len(codes))
        for turn, answer in zip(entry.dialogue, entry.prediction.items, strict=True):
            if turn.gold is None:
                continue
            first = answer.rounds[0] if answer.rounds else None
            said = first.proposal.log_probs if first else None
            judged = first.judgement if first else None
            if said is None or judged is None or judged.agree_log_prob is None:
                raise InputError(
                    f"Dialogue '{entry.dialogue.id}', turn {answer.index + 1}, was not judged "
                    "with scores.",
                    hint="Make the run with --negotiate and no --confidence-threshold.",
                )
            view = judged.log_probs or said
            rows.append(
                (
                    names.index(turn.gold),
                    cluster,
                    [said[name] for name in names],
                    _odds(judged.agree_log_prob),
                    [view[name] for name in names],
                )
            )
    gold, clusters, generator, agree, discriminator = zip(*rows, strict=True)
    return Opinions(
        tuple(names),
        np.array(gold),
        np.array(clusters),
        np.maximum(np.array(generator), math.log(_FLOOR)),
        np.array(agree),
        np.maximum(np.array(discriminator), math.log(_FLOOR)),
    )


def _odds(log_prob: float) -> float:
    probability = min(max(math.exp(log_prob), _FLOOR), 1 - _FLOOR)
    return math.log(probability) - math.log1p(-probability)


def oracle(held: Opinions) -> dict[str, float]:
    """Accuracy and weighted-F1 if the better of the first two were always known."""
    best = by_oracle(held)
    return {
        "accuracy": float((held.first == held.gold).mean()),
        "top2_accuracy": float((best == held.gold).mean()),
        "weighted_f1": _score(held, held.first),
        "top2_weighted_f1": _score(held, best),
    }


def information(held: Opinions, seed: int = 0) -> dict[str, float]:
    """What P(agree) adds to the generator's own confidence and margin in telling right from wrong.

    Two logistic regressions of whether the proposal is right, both judged on dialogues they were
    not fitted on: with confidence and margin alone, and with the log-odds of agreement too.

    Returns:
        Area under the ROC curve and log-loss of each, and of P(agree) alone.
    """
    from sklearn.metrics import log_loss, roc_auc_score

    own = own_features(held.generator)
    both = np.column_stack([own, held.agree])
    found = {}
    for name, features in (("own", own), ("both", both), ("agree", held.agree[:, None])):
        guess = held_out(features, held.right, held.cluster, seed)
        found[f"auc_{name}"] = float(roc_auc_score(held.right, guess))
        found[f"log_loss_{name}"] = float(log_loss(held.right, guess))
    return found


Policy = Callable[[Opinions], Ints]
"""From opinions to answers, ``[n]``."""


def by_objection(threshold: float) -> Policy:
    """If log-odds of agreement are below ``threshold``, the discriminator's best other label."""

    def answer(held: Opinions) -> Ints:
        others = held.discriminator.copy()
        others[np.arange(len(others)), held.first] = -np.inf
        return np.where(held.agree < threshold, others.argmax(-1), held.first)

    return answer


def by_runner_up(threshold: float) -> Policy:
    """If log-odds of agreement are below ``threshold``, the generator's second choice."""
    return lambda held: np.where(held.agree < threshold, held.second, held.first)


def by_stacking(weight: float) -> Policy:
    """The largest log p_G + weight · log p_D."""
    return by_weights(1.0, weight)


def by_margin(changes: float) -> Policy:
    """A control: the same number of changes to the second choice, where the margin is smallest."""

    def answer(held: Opinions) -> Ints:
        ranked = -np.sort(-held.generator, axis=-1)
        number = round(changes * len(held.gold))
        lowest = np.argsort(ranked[:, 0] - ranked[:, 1], kind="stable")[:number]
        answers = held.first.copy()
        answers[lowest] = held.second[lowest]
        return answers

    return answer


def by_weights(own: float, other: float, bias: Floats | float = 0.0) -> Policy:
    """The largest own · log p_G + other · log p_D + bias."""
    return lambda held: (own * held.generator + other * held.discriminator + bias).argmax(-1)


def fit_weights(held: Opinions, *, both: bool) -> Policy:
    """The weights and biases under which dev's gold labels are likeliest, biases shrunk.

    Args:
        held: Dev.
        both: Weigh both roles; otherwise the generator alone, with its biases: a control.
    """
    from scipy.optimize import minimize

    rows = np.arange(len(held.gold))

    def loss(weights: Floats) -> float:
        own, other, bias = weights[0], weights[1] * both, weights[2:]
        scores = own * held.generator + other * held.discriminator + bias
        likelihood = normalise(scores)[rows, held.gold].mean()
        return float(SHRINKAGE * bias @ bias - likelihood)

    found = minimize(loss, np.concatenate([[1.0, 0.0], np.zeros(len(held.names))]))
    return by_weights(float(found.x[0]), float(found.x[1]) * both, found.x[2:])


def by_strangers(policy: Policy, seed: int = 0) -> Policy:
    """A control: the same policy, fed the verdicts on other turns with the same proposal."""

    def answer(held: Opinions) -> Ints:
        rng = np.random.default_rng(seed)
        source = np.arange(len(held.gold))
        for label in range(len(held.names)):
            alike = np.flatnonzero(held.first == label)
            source[alike] = rng.permutation(alike)
        return policy(
            replace(held, agree=held.agree[source], discriminator=held.discriminator[source])
        )

    return answer


def by_oracle(held: Opinions) -> Ints:
    """An upper bound: whichever of the first two is right."""
    return np.where(held.second == held.gold, held.second, held.first)


def choose(held: Opinions) -> dict[str, Policy]:
    """The best policy of each family on dev; changing nothing counts as one."""
    thresholds = np.quantile(held.agree, np.linspace(0, 0.4, 41))
    thresholds = np.concatenate([[-np.inf], thresholds])
    families: Mapping[str, list[Policy]] = {
        "objection": [by_objection(float(at)) for at in thresholds],
        "runner-up": [by_runner_up(float(at)) for at in thresholds],
        "stacking": [by_stacking(float(w)) for w in np.linspace(0, 2, 21)],
    }
    chosen = {
        name: max(policies, key=lambda policy: _score(held, policy(held)))
        for name, policies in families.items()
    }
    return chosen | {"stacking with biases": fit_weights(held, both=True)}


def measure(answers: Ints, held: Opinions, how: Resampling | None = None) -> dict[str, Any]:
    """Answers compared with the generator alone: the gain, its interval and a paired test."""
    how = how or Resampling()
    fixed = (answers == held.gold) & ~held.right
    broken = (answers != held.gold) & held.right
    before, after = _tallies(held, held.first), _tallies(held, answers)
    statistic = lambda tallies: weighted_f1(tallies)[..., None]  # noqa: E731
    (p,) = permutation_p(before, after, statistic, how)
    (gain,), _ = differences(before[None], after[None], statistic, how)
    return {
        "weighted_f1": _score(held, answers),
        "difference": gain.value,
        "low": gain.low,
        "high": gain.high,
        "changed": int((answers != held.first).sum()),
        "fixed": int(fixed.sum()),
        "broken": int(broken.sum()),
        "fixed_by_label": _by_label(held, fixed),
        "broken_by_label": _by_label(held, broken),
        "p": p,
    }


def abstaining(dev: Opinions, held: Opinions) -> dict[str, float]:
    """Areas under the risk–coverage curve: ranked by confidence, by P(agree), by both.

    The weights of "both" are a logistic regression's, fitted on dev.
    """
    known, asked = (
        np.column_stack([own_features(one.generator), one.agree]) for one in (dev, held)
    )
    both = p_right(known, dev.right, asked)
    scores = {"confidence": held.generator.max(-1), "agree": held.agree, "both": both}
    return {name: risk_coverage(score, held.right).aurc for name, score in scores.items()}


def _by_label(held: Opinions, chosen: NDArray[np.bool_]) -> dict[str, int]:
    return {
        name: int((chosen & (held.gold == place)).sum()) for place, name in enumerate(held.names)
    }


def _tallies(held: Opinions, answers: Ints) -> Floats:
    clusters = int(held.cluster.max()) + 1
    return count(held.gold, answers, held.cluster, n_labels=len(held.names), n_clusters=clusters)


def _score(held: Opinions, answers: Ints) -> float:
    return float(weighted_f1(_tallies(held, answers).sum(axis=0)))
