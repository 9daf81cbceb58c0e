"""Answers made of kept answers: pools, gates and rounds, tried without a model.

Contract: what has to be fitted (weights, temperatures, thresholds) is fitted on dev. Answers about
dev itself are made by cross-fitting: each dialogue's by weights that were fitted without its
cluster. Everything drawn is drawn from the seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from sentixrl.calibration.posterior import normalise
from sentixrl.errors import ConfigError
from sentixrl.evaluation.confusion import Bools, Floats, Ints
from sentixrl.experiments.held import Chain, Held, check_alike
from sentixrl.experiments.plan import Combine

FOLDS = 5
SHRINKAGE = 0.01
"""Penalty of a squared bias, in nats per item: biases without it fit dev's noise."""

Weights = Floats
Scores = Callable[[Weights, Sequence[Floats]], Floats]
"""From weights and each part's log-probabilities, ``[n, L]``, to scores, ``[n, L]``."""


def combine(
    how: Combine, parts: Sequence[Held], dev: Sequence[Held], *, same: bool, seed: int
) -> Held:
    """The answers of a combined condition about one split.

    Args:
        how: How it is combined.
        parts: The answers of what it is made of, about the split.
        dev: The same about dev, where weights are fitted.
        same: Whether the split is dev itself.
        seed: Draws random gates and verdicts.

    Raises:
        InputError: The parts do not answer the same turns.
        ConfigError: A part holds no record of a negotiation, or turns with several labels.
    """
    for other in parts[1:]:
        check_alike(parts[0], other, how.of if len(how.of) > 1 else how.of * 2)
    if parts[0].several:
        raise ConfigError("Answers with several labels per turn cannot be combined.")
    if how.how == "rounds":
        return _rounds(how, parts, dev, seed)
    return _MAKERS[how.how](how, parts, dev, same, seed)


Maker = Callable[[Combine, Sequence[Held], Sequence[Held], bool, int], Held]


def _pool(how: Combine, parts: Sequence[Held], dev: Sequence[Held], same: bool, seed: int) -> Held:
    scores = fitted(_pooled, np.ones(len(parts)) / len(parts), parts, dev, same=same)
    return _with_scores(parts, scores)


def _strangers(
    how: Combine, parts: Sequence[Held], dev: Sequence[Held], same: bool, seed: int
) -> Held:
    """The pool, where the second speaks of another turn on which the first says the same."""
    own, other = parts
    mixed = replace(other, log_probs=other.log_probs[alike(own.log_probs.argmax(-1), seed)])
    scores = fitted(_pooled, np.ones(2) / 2, [own, mixed], dev, same=same, fit=parts)
    return _with_scores(parts, scores)


def _pick(how: Combine, parts: Sequence[Held], dev: Sequence[Held], same: bool, seed: int) -> Held:
    """The likeliest label of whichever model is more confident, each by its own temperature."""
    sides = [
        fitted(_scaled, np.ones(1), [part], [own], same=same)
        for part, own in zip(parts, dev, strict=True)
    ]
    posteriors = [normalise(scores) for scores in sides]
    first = posteriors[0].max(-1) >= posteriors[1].max(-1)
    return _with_scores(parts, np.where(first[:, None], *posteriors))


def _gate(how: Combine, parts: Sequence[Held], dev: Sequence[Held], same: bool, seed: int) -> Held:
    """The second model's answers for the dialogues of which the first is least certain."""
    certain = _certainty(parts[0])
    bound = np.quantile(list(_by_dialogue(dev[0]).values()), how.share)
    return _escalated(parts, certain < bound)


def _random_gate(
    how: Combine, parts: Sequence[Held], dev: Sequence[Held], same: bool, seed: int
) -> Held:
    rng = np.random.default_rng(seed)
    drawn = rng.random(int(parts[0].dialogues.max(initial=-1)) + 1) < how.share
    return _escalated(parts, drawn[parts[0].dialogues])


def _oracle(
    how: Combine, parts: Sequence[Held], dev: Sequence[Held], same: bool, seed: int
) -> Held:
    answers = parts[0].answers.copy()
    for other in parts[1:]:
        answers = np.where(other.answers == other.gold, other.answers, answers)
    return _together(parts, answers)


def _pair(how: Combine, parts: Sequence[Held], dev: Sequence[Held], same: bool, seed: int) -> Held:
    """Whichever of the first model's two likeliest labels the second prefers, where it is asked."""
    own, other = parts
    first, second = first_two(own.log_probs)
    bound = np.quantile(margins(dev[0].log_probs), how.share) if how.share < 1 else np.inf
    asked = margins(own.log_probs) <= bound
    rows = np.arange(len(own))
    prefers = other.log_probs[rows, second] > other.log_probs[rows, first]
    answers = np.where(asked, np.where(prefers, second, first), own.answers)
    # A dialogue is read whole for any of its turns.
    read = np.isin(own.dialogues, own.dialogues[asked])
    extra = np.where(read & (other is not own), other.seconds, 0.0)
    found = own.answering(answers, own.seconds + extra)
    return found.only((own.gold == first) | (own.gold == second)) if how.decidable else found


def _bias(how: Combine, parts: Sequence[Held], dev: Sequence[Held], same: bool, seed: int) -> Held:
    start = np.concatenate([[1.0], np.zeros(len(parts[0].names))])
    return _with_scores(parts, fitted(_biased, start, parts, dev, same=same))


_MAKERS: dict[str, Maker] = {
    "pool": _pool,
    "seeds": _pool,
    "pick": _pick,
    "gate": _gate,
    "random-gate": _random_gate,
    "oracle": _oracle,
    "strangers": _strangers,
    "bias": _bias,
    "pair": _pair,
}


def first_two(log_probs: Floats) -> tuple[Ints, Ints]:
    """Each turn's likeliest label and the next, ``[n]`` each; ties go to the earlier label."""
    order = np.argsort(-log_probs, axis=-1, kind="stable")
    return order[:, 0], order[:, 1]


def margins(log_probs: Floats) -> Floats:
    """By how many nats the likeliest label is likelier than the next, ``[n]``."""
    ranked = -np.sort(-log_probs, axis=-1)
    return np.asarray(ranked[:, 0] - ranked[:, 1])


def _pooled(weights: Weights, parts: Sequence[Floats]) -> Floats:
    return np.asarray(sum(w * part for w, part in zip(weights, parts, strict=True)))


def _scaled(weights: Weights, parts: Sequence[Floats]) -> Floats:
    return np.asarray(weights[0] * parts[0])


def _biased(weights: Weights, parts: Sequence[Floats]) -> Floats:
    return np.asarray(weights[0] * parts[0] + weights[1:])


def fitted(
    scores: Scores,
    start: Weights,
    parts: Sequence[Held],
    dev: Sequence[Held],
    *,
    same: bool,
    fit: Sequence[Held] | None = None,
) -> Floats:
    """Scores under the weights that make dev's gold labels likeliest. Shape ``[n, L]``.

    Args:
        scores: From weights and log-probabilities to scores.
        start: Where the search begins.
        parts: What is scored.
        dev: What weights are fitted on.
        same: Whether ``parts`` are about dev: then weights are fitted on the other folds.
        fit: With ``same``, what is fitted on, if it is not ``parts``.
    """
    rows = [part.log_probs for part in parts]
    if not same:
        return scores(_fit(scores, start, dev, np.ones(len(dev[0]), bool)), rows)
    source = fit or parts
    fold = np.random.default_rng(0).permutation(source[0].clusters)[source[0].cluster] % FOLDS
    found = np.zeros_like(rows[0])
    for number in range(FOLDS):
        inside = fold == number
        if inside.any():
            weights = _fit(scores, start, source, ~inside)
            found[inside] = scores(weights, [row[inside] for row in rows])
    return found


def _fit(scores: Scores, start: Weights, dev: Sequence[Held], rows: Bools) -> Weights:
    from scipy.optimize import minimize

    parts, gold = [held.log_probs[rows] for held in dev], dev[0].gold[rows]
    if not len(gold):
        return start
    places = np.arange(len(gold))
    penalised = slice(1, None) if len(start) > len(parts) else slice(0, 0)

    def loss(weights: Weights) -> float:
        bias = weights[penalised]
        likelihood = normalise(scores(weights, parts))[places, gold].mean()
        return float(SHRINKAGE * bias @ bias - likelihood)

    return np.asarray(minimize(loss, start).x)


def _with_scores(parts: Sequence[Held], scores: Floats) -> Held:
    found = _together(parts, scores.argmax(-1))
    return replace(found, log_probs=normalise(scores))


def _together(parts: Sequence[Held], answers: Ints) -> Held:
    """The answers, at the cost of all parts."""
    return parts[0].answering(answers, np.sum([part.seconds for part in parts], axis=0))


def _certainty(held: Held) -> Floats:
    """The mean confidence of each turn's dialogue, ``[n]``."""
    mean = _by_dialogue(held)
    return np.array([mean[int(code)] for code in held.dialogues])


def _by_dialogue(held: Held) -> dict[int, float]:
    best, codes = held.log_probs.max(-1), held.dialogues
    sums, sizes = np.bincount(codes, best), np.bincount(codes)
    return dict(enumerate((sums / sizes).tolist()))


def _escalated(parts: Sequence[Held], to_second: Bools) -> Held:
    first, second = parts
    answers = np.where(to_second, second.answers, first.answers)
    return first.answering(answers, first.seconds + np.where(to_second, second.seconds, 0.0))


def alike(labels: Ints, seed: int) -> Ints:
    """For each turn another one with the same label, ``[n]``; a permutation.

    Args:
        labels: Each turn's label, ``[n]``.
        seed: Draws it.
    """
    rng = np.random.default_rng(seed)
    source = np.arange(len(labels))
    for label in np.unique(labels):
        same = np.flatnonzero(labels == label)
        source[same] = rng.permutation(same)
    return source


def _rounds(how: Combine, parts: Sequence[Held], dev: Sequence[Held], seed: int) -> Held:
    """A negotiation replayed from a record that holds every round it may need."""
    whole, single = parts
    if whole.chain is None or dev[0].chain is None:
        raise ConfigError(
            f"'{how.of[0]}' holds no record of a negotiation.", hint="Give it 'ask: {rounds: 10}'."
        )
    objected = _verdicts(how, whole.chain, dev[0].chain, seed)
    answers, asked = replay(whole.chain, objected, how.limit, how.agreements)
    answers = np.where(answers < 0, single.answers, answers)
    return whole.answering(answers, single.seconds + asked * _question_seconds(whole, single))


def _verdicts(how: Combine, chain: Chain, dev: Chain, seed: int) -> Bools:
    """Whether each round of each turn is objected to, ``[n, R]``."""
    if how.objects is None:
        return chain.objected
    if how.verdicts == "random":
        return np.random.default_rng(seed).random(chain.agree.shape) < how.objects
    threshold = np.nanquantile(dev.agree[:, 0], how.objects)
    agree = chain.agree
    if how.verdicts == "strangers":
        columns = [
            agree[alike(chain.proposed[:, number].argmax(-1), seed + number), number]
            for number in range(agree.shape[1])
        ]
        agree = np.stack(columns, axis=1)
    return np.asarray(agree < threshold)


def replay(chain: Chain, objected: Bools, limit: int, agreements: int) -> tuple[Ints, Ints]:
    """What a negotiation would have answered, and how many questions it would have asked.

    A record is only good for verdicts that it follows: of a record in which everything was
    objected to, any round may be the first agreement, which ends it if one is enough.

    Args:
        chain: The record.
        objected: The verdicts, ``[n, R]``.
        limit: The round limit.
        agreements: Agreements in a row on one label that make a consensus.

    Returns:
        The forced answer of each turn, -1 where nothing was said; and its questions after the
        first proposal. Both of shape ``[n]``.

    Raises:
        ConfigError: The record does not go so far.
    """
    there = ~np.isnan(chain.agree)
    turns, held = there.shape
    answers, asked = np.full(turns, -1), np.zeros(turns, np.int64)
    labels = np.where(there, np.nan_to_num(chain.proposed, nan=-np.inf).argmax(-1), -1)
    running, last = np.zeros(turns, np.int64), np.full(turns, -1)
    total = np.zeros((turns, chain.proposed.shape[-1]))
    open_ = there[:, 0].copy()
    for number in range(limit):
        if not open_.any():
            break
        if number >= held or (open_ & ~there[:, number]).any():
            raise ConfigError(
                f"The record of a negotiation has fewer than {limit} rounds for these verdicts."
            )
        agrees = open_ & ~objected[:, number]
        running = np.where(agrees, np.where(labels[:, number] == last, running + 1, 1), 0)
        last = labels[:, number]
        asked += open_ * (1 + (number > 0) + objected[:, number])  # verdict, proposal, counter
        total[open_] += (_spoken(chain, objected, number))[open_]
        done = agrees & (running >= agreements)
        answers[done] = labels[done, number]
        open_ &= ~done
    answers[open_] = total[open_].argmax(-1)
    return answers, asked


def _spoken(chain: Chain, objected: Bools, number: int) -> Floats:
    """Both roles' log-probabilities in one round, ``[n, L]``.

    A discriminator that agrees is not asked for another label: what it leaves to the others is
    shared out evenly.
    """
    proposed, judged = chain.proposed[:, number], chain.judged[:, number]
    labels = np.nan_to_num(proposed, nan=-np.inf).argmax(-1)
    agree = np.clip(np.exp(chain.agree[:, number]), 1e-12, 1 - 1e-12)
    n_labels = proposed.shape[-1]
    even = np.repeat(np.log((1 - agree) / (n_labels - 1))[:, None], n_labels, axis=1)
    even[np.arange(len(labels)), labels] = np.log(agree)
    return proposed + np.where(objected[:, number, None], judged, even)


def _question_seconds(whole: Held, single: Held) -> float:
    """What a question after the first proposal takes, from the whole record against one pass."""
    chain = whole.chain
    assert chain is not None
    there = ~np.isnan(chain.agree)
    questions = int((there.sum(1) * 2 - 1 + chain.objected.sum(1)).sum())
    extra = float(whole.seconds.sum() - single.seconds.sum())
    return max(0.0, extra / questions) if questions else 0.0
