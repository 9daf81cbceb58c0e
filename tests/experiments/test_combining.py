"""Answers made of kept answers: what is replayed is what would have been said."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

import sentixrl
from sentixrl import Dialogue, NegotiationOptions, Rules, Utterance
from sentixrl.context.prompt import Prompt
from sentixrl.engines.scripted import ScriptedEngine
from sentixrl.errors import ConfigError, InputError
from sentixrl.experiments.answering import ALWAYS, held_of
from sentixrl.experiments.combining import combine, first_two, margins, replay
from sentixrl.experiments.held import Chain, Held
from sentixrl.experiments.plan import Combine
from sentixrl.runs import Entry

NAMES = ("joy", "anger", "sadness")


def capricious(prompt: Prompt, choices: tuple[str, ...]) -> list[float]:
    """Weights that depend on everything said so far, the same each time."""
    seed = hashlib.sha256(prompt.text.encode()).digest()
    return list(np.random.default_rng(list(seed)).dirichlet(np.ones(len(choices))) + 1e-6)


def talks(number: int) -> list[Dialogue]:
    rng = np.random.default_rng(0)
    return [
        Dialogue(
            f"d{n}",
            tuple(Utterance(f"Line {n} {k}", gold=NAMES[rng.integers(3)]) for k in range(3)),
            language="en",
        )
        for n in range(number)
    ]


def run(dialogues: Sequence[Dialogue], **options: object) -> Held:
    model = sentixrl.load(
        ScriptedEngine(capricious),
        labels=list(NAMES),
        negotiation=NegotiationOptions(**options),  # type: ignore[arg-type]
    )
    entries = [Entry(d, p) for d, p in zip(dialogues, model.predict_many(dialogues), strict=True)]
    return held_of(entries, NAMES, NAMES)


@pytest.mark.parametrize("limit", [1, 2, 3, 5])
@pytest.mark.parametrize("threshold", [0.1, 0.5, 0.9])
def test_a_replayed_negotiation_ends_as_the_real_one(limit: int, threshold: float) -> None:
    dialogues = talks(12)
    record = run(dialogues, agree_threshold=ALWAYS, rules=Rules(5, 1))
    real = run(dialogues, agree_threshold=threshold, rules=Rules(limit, 1))
    assert record.chain is not None
    assert real.chain is not None
    objected = np.exp(record.chain.agree) < threshold
    answers, asked = replay(record.chain, objected, limit, 1)
    assert answers.tolist() == real.answers.tolist()
    there = ~np.isnan(real.chain.agree)
    spent = 2 * there.sum(1) - 1 + real.chain.objected.sum(1)
    assert asked.tolist() == spent.tolist()


@pytest.mark.parametrize("limit", [2, 3, 5])
def test_a_record_of_two_agreements_is_cut_short_at_any_limit(limit: int) -> None:
    dialogues = talks(12)
    record = run(dialogues, agree_threshold=0.5, rules=Rules(5, 2))
    real = run(dialogues, agree_threshold=0.5, rules=Rules(limit, 2))
    assert record.chain is not None
    answers, _ = replay(record.chain, record.chain.objected, limit, 2)
    assert answers.tolist() == real.answers.tolist()


def test_a_record_that_is_too_short_is_refused() -> None:
    record = run(talks(4), agree_threshold=ALWAYS, rules=Rules(2, 1))
    assert record.chain is not None
    with pytest.raises(ConfigError, match="fewer than 5 rounds"):
        replay(record.chain, record.chain.objected, 5, 1)


def held(seed: int, skill: float, turns: int = 300) -> Held:
    """A model that finds the gold label more surely the more skill it has."""
    gold = np.random.default_rng(7).integers(0, 3, turns)
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(turns, 3))
    scores[np.arange(turns), gold] += skill
    log_probs = scores - np.log(np.exp(scores).sum(1, keepdims=True))
    keys = tuple((f"d{n // 5}", n % 5) for n in range(turns))
    cluster = np.arange(turns) // 5
    return Held(
        NAMES, NAMES, keys, gold, cluster, log_probs, log_probs.argmax(1), np.full(turns, 1.0)
    )


def right(one: Held) -> float:
    return float((one.answers == one.gold).mean())


def test_a_pool_of_two_beats_both_and_costs_both() -> None:
    parts = [held(1, 1.0), held(2, 1.0)]
    pool = combine(Combine(how="pool", of=["a", "b"]), parts, parts, same=True, seed=0)
    assert right(pool) > max(map(right, parts)) + 0.03
    assert pool.seconds.sum() == 600
    strangers = combine(Combine(how="strangers", of=["a", "b"]), parts, parts, same=True, seed=0)
    assert right(strangers) < right(pool) - 0.03


def test_weights_for_dev_are_fitted_without_the_judged_clusters() -> None:
    """Changing one cluster's gold labels does not change how that cluster is answered."""
    parts = [held(1, 1.0), held(2, 0.2)]
    how = Combine(how="bias", of=["a"])
    before = combine(how, parts[:1], parts[:1], same=True, seed=0)
    gold = parts[0].gold.copy()
    gold[:5] = (gold[:5] + 1) % 3
    changed = replace(parts[0], gold=gold)
    after = combine(how, [changed], [changed], same=True, seed=0)
    assert np.allclose(before.log_probs[:5], after.log_probs[:5])
    assert not np.allclose(before.log_probs[5:], after.log_probs[5:])


def test_a_gate_sends_whole_dialogues_to_the_second_and_pays_for_them_alone() -> None:
    parts = [held(1, 0.5), held(2, 3.0)]
    how = Combine(how="gate", of=["a", "b"], share=0.4)
    gated = combine(how, parts, parts, same=True, seed=0)
    sent = gated.seconds > 1
    assert sent.reshape(-1, 5).all(1).sum() == sent.reshape(-1, 5).any(1).sum() == 24
    assert right(parts[0]) < right(gated) < right(parts[1])
    nobody = combine(how.model_copy(update={"share": 0.0}), parts, parts, same=True, seed=0)
    assert nobody.answers.tolist() == parts[0].answers.tolist()


def test_an_oracle_is_right_wherever_one_is() -> None:
    parts = [held(1, 0.5), held(2, 0.5)]
    both = combine(Combine(how="oracle", of=["a", "b"]), parts, parts, same=True, seed=0)
    hit = np.any([one.answers == one.gold for one in parts], axis=0)
    assert right(both) == hit.mean()


def test_random_verdicts_object_at_the_rate_that_is_asked_for() -> None:
    turns = 2000
    chain = Chain(
        np.log(np.full((turns, 3, 3), 1 / 3)),
        np.log(np.full((turns, 3), 0.5)),
        np.log(np.full((turns, 3, 3), 1 / 3)),
        np.ones((turns, 3), bool),
    )
    whole = replace(held(1, 1.0, turns), chain=chain)
    how = Combine(how="rounds", of=["a", "b"], limit=1, objects=0.2, verdicts="random")
    found = combine(how, [whole, held(1, 1.0, turns)], [whole, whole], same=True, seed=3)
    assert found.answers.shape == (turns,)
    with pytest.raises(ConfigError, match="no record"):
        combine(how, [held(1, 1.0), held(1, 1.0)], [held(1, 1.0)] * 2, same=True, seed=0)


def test_other_turns_are_refused() -> None:
    other = replace(held(2, 1.0), gold=np.zeros(300, np.int64))
    with pytest.raises(InputError, match="do not answer the same turns"):
        combine(Combine(how="pool", of=["a", "b"]), [held(1, 1.0), other], [], same=True, seed=0)


def test_two_labels_are_decided_by_the_second_where_the_margin_is_small() -> None:
    own, other = held(1, 1.0), held(2, 3.0)
    first, second = first_two(own.log_probs)
    how = Combine(how="pair", of=["a", "b"], share=0.5)
    found = combine(how, [own, other], [own, other], same=True, seed=0)
    asked = margins(own.log_probs) <= np.quantile(margins(own.log_probs), 0.5)
    assert found.answers[~asked].tolist() == own.answers[~asked].tolist()
    rows = np.arange(300)
    prefers = other.log_probs[rows, second] > other.log_probs[rows, first]
    assert found.answers[asked].tolist() == np.where(prefers, second, first)[asked].tolist()
    assert right(own) < right(found)
    read = {place // 5 for place in np.flatnonzero(asked)}
    assert found.seconds.sum() == 300 + 5 * len(read)  # dialogues are read whole
    whole = combine(how.model_copy(update={"share": 1.0}), [own, other], [own, other],
                    same=True, seed=0)  # fmt: skip
    assert right(found) < right(whole)
    assert set(map(tuple, np.stack([first, second, whole.answers], 1))) <= {
        (a, b, c) for a in range(3) for b in range(3) for c in (a, b)
    }


def test_pairwise_accuracy_counts_turns_whose_gold_label_is_one_of_the_two() -> None:
    own, other = held(1, 1.0), held(2, 3.0)
    how = Combine(how="pair", of=["a", "a"], decidable=True)
    alone = combine(how, [own, own], [own, own], same=True, seed=0)
    first, second = first_two(own.log_probs)
    there = (own.gold == first) | (own.gold == second)
    assert len(alone) == there.sum() < 300
    assert right(alone) == pytest.approx((own.gold == first)[there].mean())
    assert alone.seconds.sum() == there.sum()  # asking itself costs nothing
    assert alone.keys == tuple(key for key, stays in zip(own.keys, there, strict=True) if stays)
    both = combine(how, [own, other], [own, other], same=True, seed=0)
    assert both.keys == alone.keys
    assert right(both) > right(alone)
    assert own.only(np.zeros(300, bool)).tallies(own.clusters).shape == own.tallies().shape
