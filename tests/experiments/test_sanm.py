"""Does negotiation pay: on opinions whose truth is known, every measurement says so."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import sentixrl
from sentixrl import ContextOptions, Dialogue, NegotiationOptions, Rules, Utterance
from sentixrl.engines.scripted import ScriptedEngine
from sentixrl.errors import InputError
from sentixrl.evaluation.intervals import Resampling
from sentixrl.experiments import sanm
from sentixrl.runs import Entry

from ..negotiation.worlds import LABELS, Roles

NAMES = ("joy", "anger", "calm")
QUICK = Resampling(resamples=100, permutations=200)


def log_softmax(scores: np.ndarray) -> np.ndarray:
    return np.asarray(scores - np.log(np.exp(scores).sum(-1, keepdims=True)))


def made(knows: float, n: int = 600, seed: int = 0) -> sanm.Opinions:
    """Opinions of a generator that is often wrong and a discriminator that ``knows`` the truth.

    With 0, what the discriminator says is noise; with 3, it is nearly always right.
    """
    rng = np.random.default_rng(seed)
    gold = rng.integers(3, size=n)
    truth = np.eye(3)[gold]
    generator = log_softmax(truth + rng.normal(size=(n, 3)))
    discriminator = log_softmax(knows * truth + rng.normal(size=(n, 3)))
    right = generator.argmax(-1) == gold
    agree = knows * (right - 0.5) + rng.normal(size=n)
    return sanm.Opinions(NAMES, gold, np.arange(n) // 6, generator, agree, discriminator)


def measured(policy: sanm.Policy, held: sanm.Opinions) -> float:
    return float(sanm.measure(policy(held), held, QUICK)["difference"])


def test_the_oracle_is_right_wherever_the_first_two_hold_the_truth() -> None:
    held = made(0.0)
    found = sanm.oracle(held)
    ranks = (-held.generator).argsort(-1).argsort(-1)[np.arange(600), held.gold]
    assert found["accuracy"] == pytest.approx((ranks == 0).mean())
    assert found["top2_accuracy"] == pytest.approx((ranks <= 1).mean())
    assert found["top2_weighted_f1"] > found["weighted_f1"] + 0.1


def test_information_is_found_where_there_is_some_and_only_there() -> None:
    knowing, guessing = sanm.information(made(3.0)), sanm.information(made(0.0))
    assert knowing["auc_both"] > knowing["auc_own"] + 0.1
    assert knowing["log_loss_both"] < knowing["log_loss_own"]
    assert guessing["auc_both"] == pytest.approx(guessing["auc_own"], abs=0.03)
    assert guessing["auc_agree"] == pytest.approx(0.5, abs=0.08)


def test_objections_at_the_ends() -> None:
    held = made(1.0)
    assert (sanm.by_objection(-np.inf)(held) == held.first).all()
    assert (sanm.by_objection(np.inf)(held) != held.first).all()
    assert (sanm.by_runner_up(np.inf)(held) == held.second).all()
    assert (sanm.by_stacking(0.0)(held) == held.first).all()


@given(st.floats(0, 1))
def test_the_margin_control_makes_as_many_changes(share: float) -> None:
    held = made(1.0, n=60)
    answers = sanm.by_margin(share)(held)
    changed = answers != held.first
    assert changed.sum() == round(share * 60)
    ranked = -np.sort(-held.generator, axis=-1)
    margins = ranked[:, 0] - ranked[:, 1]
    if changed.any() and not changed.all():
        assert margins[changed].max() <= margins[~changed].min()


def test_chosen_policies_gain_where_the_discriminator_knows() -> None:
    dev, test = made(2.0, seed=1), made(2.0, seed=2)
    for policy in sanm.choose(dev).values():
        assert measured(policy, test) > 0.03


def test_the_verdicts_of_other_turns_gain_nothing() -> None:
    dev, test = made(2.0, seed=1), made(2.0, seed=2)
    for name, policy in sanm.choose(dev).items():
        own, strange = measured(policy, test), measured(sanm.by_strangers(policy), test)
        assert strange < own - 0.05, name
    # The control keeps what verdicts are given to each proposal.
    policy = sanm.by_objection(0.0)
    for label in range(3):
        mine = test.first == label
        changes = [(p(test) != test.first)[mine].sum() for p in (policy, sanm.by_strangers(policy))]
        assert changes[0] == changes[1]


def test_biases_mend_a_generator_that_leans_to_one_label() -> None:
    leaning = [
        replace(held, generator=log_softmax(held.generator + np.array([2.0, 0.0, 0.0])))
        for held in (made(0.0, seed=1), made(0.0, seed=2))
    ]
    policy = sanm.fit_weights(leaning[0], both=False)
    assert measured(policy, leaning[1]) > 0.05
    # The control hears the generator alone.
    deaf = replace(leaning[1], discriminator=made(9.0, seed=2).discriminator)
    assert (policy(deaf) == policy(leaning[1])).all()


def test_changes_are_counted_by_label() -> None:
    held = made(1.0)
    found = sanm.measure(held.second, held, QUICK)
    fixed = (held.second == held.gold) & (held.first != held.gold)
    assert found["changed"] == 600
    assert found["fixed"] == fixed.sum() == sum(found["fixed_by_label"].values())
    assert found["broken"] == held.right.sum() == sum(found["broken_by_label"].values())
    assert found["fixed_by_label"]["anger"] == (fixed & (held.gold == 1)).sum()
    assert found["low"] < found["difference"] < found["high"]
    nothing = sanm.measure(held.first, held, QUICK)
    assert (nothing["difference"], nothing["fixed"], nothing["broken"]) == (0, 0, 0)


def test_abstaining_profits_from_a_discriminator_that_knows() -> None:
    found = sanm.abstaining(made(3.0, seed=1), made(3.0, seed=2))
    assert found["both"] < found["confidence"] - 0.05
    assert found["agree"] < found["confidence"]


def run_of(agreement: float, *, enabled: bool = True) -> list[Entry]:
    """One dialogue of two turns, judged by a script."""
    engine = ScriptedEngine(Roles([{"joy": 6, "anger": 3}], [agreement], [{"anger": 1.0}]))
    options = NegotiationOptions(enabled=enabled, agree_threshold=1.0, rules=Rules(1, 1))
    model = sentixrl.load(
        engine, labels=LABELS, context=ContextOptions(language="en"), negotiation=options
    )
    dialogue = Dialogue("1", (Utterance("Well.", gold="joy"), Utterance("Oh no.", gold="anger")))
    return [Entry(dialogue, model.predict(dialogue))]


def test_opinions_are_read_off_the_first_round() -> None:
    held = sanm.opinions(run_of(0.2), LABELS.names)
    assert held.gold.tolist() == [LABELS.names.index("joy"), LABELS.names.index("anger")]
    assert held.agree == pytest.approx([-np.log(4)] * 2)
    assert [LABELS.names[place] for place in held.first] == ["joy", "joy"]
    assert [LABELS.names[place] for place in held.discriminator.argmax(-1)] == ["anger", "anger"]
    assert held.cluster.tolist() == [0, 0]


def test_a_run_that_did_not_negotiate_is_refused() -> None:
    with pytest.raises(InputError, match="turn 1, was not judged"):
        sanm.opinions(run_of(0.8, enabled=False), LABELS.names)
