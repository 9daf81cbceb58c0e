"""Known label shares, and sets that hold the truth."""

from __future__ import annotations

import numpy as np
import pytest

import sentixrl
from sentixrl import Calibration, LabelSet, NegotiationOptions
from sentixrl.calibration.conformal import MOST_TRUTHS, in_set, kept, threshold
from sentixrl.calibration.shift import prior_shift, read_prior
from sentixrl.engines.scripted import ScriptedEngine
from sentixrl.errors import ConfigError, LabelError, SentixError

LABELS = LabelSet("three", ["joy", "anger", "calm"])
FAIR = ScriptedEngine(score=lambda prompt, choices: [0.5, 0.3, 0.2][: len(choices)])


def ask(**options: object) -> sentixrl.Prediction:
    negotiation = NegotiationOptions(enabled=False, **options)  # type: ignore[arg-type]
    return sentixrl.load(FAIR, labels=LABELS, negotiation=negotiation).predict("Well.").items[0]


def test_posteriors_are_multiplied_by_the_shares() -> None:
    item = ask(prior={"joy": 0.1, "ANGER": 0.6, "calm": 0.3})
    weighed = np.array([0.5 * 0.1, 0.3 * 0.6, 0.2 * 0.3])
    assert item.probabilities is not None
    np.testing.assert_allclose(list(item.probabilities.values()), weighed / weighed.sum())
    assert item.label == "anger"
    assert item.confidence == pytest.approx(item.probabilities["anger"])


def test_even_shares_change_nothing_and_none_rules_a_label_out() -> None:
    even = ask(prior=dict.fromkeys(LABELS.names, 1 / 3))
    assert even.probabilities == pytest.approx(ask().probabilities)
    item = ask(prior={"joy": 0, "anger": 0.5, "calm": 0.5})
    assert item.probabilities == pytest.approx({"joy": 0, "anger": 0.6, "calm": 0.4})


def test_a_fitted_bias_assumes_the_shares_it_was_fitted_on() -> None:
    fitted = Calibration(bias=(0.0, 0.0, 0.0), fitted=True, shares=(0.5, 0.25, 0.25))
    np.testing.assert_allclose(prior_shift((0.5, 0.25, 0.25), fitted), 0, atol=1e-12)
    np.testing.assert_allclose(prior_shift((0.5, 0.25, 0.25), Calibration())[0], np.log(1.5))


@pytest.mark.parametrize(
    ("prior", "kind", "said"),
    [
        ({"joy": 0.5, "anger": 0.2, "calm": 0.2}, ConfigError, "sum to 0.9, not to 1"),
        ({"joy": 0.5, "anger": 0.2}, ConfigError, "not to 1; it says nothing of calm"),
        ({"joy": 0.5, "anger": 0.5}, ConfigError, "says nothing of calm"),
        ({"joy": 0.5, "rage": 0.5}, LabelError, "'rage', which is not a label of 'three'"),
        ({"joy": 0.5, "Joy": 0.5}, ConfigError, "the label 'joy' twice"),
        ({"joy": 1.5, "anger": -0.5, "calm": 0}, ConfigError, "between 0 and 1"),
        ({"joy": float("nan"), "anger": 0.5, "calm": 0.5}, ConfigError, "between 0 and 1"),
    ],
)
def test_a_prior_that_is_none_is_said(
    prior: dict[str, float], kind: type[SentixError], said: str
) -> None:
    with pytest.raises(kind, match=said):
        read_prior(prior, LABELS)


def test_a_prior_needs_scores_and_one_label_a_turn() -> None:
    prior = dict.fromkeys(LABELS.names, 1 / 3)
    writer = ScriptedEngine(write=lambda prompt: "joy")
    options = NegotiationOptions(prior=prior)
    with pytest.raises(ConfigError, match="gives no scores, which a prior needs"):
        sentixrl.load(writer, labels=LABELS, negotiation=options)
    with pytest.raises(ConfigError, match="--prior is for one label a turn"):
        ask(prior=prior, kind="several")


def test_coverage_over_exchangeable_splits_is_what_was_asked_for() -> None:
    rng = np.random.default_rng(0)
    coverages = []
    for _ in range(1000):
        posteriors = rng.dirichlet([0.6] * 7, size=150)
        gold = np.array([rng.choice(7, p=row) for row in posteriors**0.7 / (posteriors**0.7).sum(
            1, keepdims=True)])  # the model is too sure  # fmt: skip
        truths = posteriors[np.arange(150), gold]
        cut = threshold(np.sort(truths[:50]).tolist(), 0.9)
        held = in_set(posteriors[50:], cut)[np.arange(100), gold[50:]]
        coverages.append(held.mean())
    assert 0.89 <= np.mean(coverages) <= 0.91


@pytest.mark.parametrize(
    ("level", "cut"), [(0.9, 0.1), (0.5, 0.5), (0.95, 0.0), (1.0, 0.0), (0.0, 1.0)]
)
def test_the_threshold_is_a_rank_with_the_correction_for_size(level: float, cut: float) -> None:
    assert threshold([number / 10 for number in range(1, 10)], level) == pytest.approx(cut)


def test_the_likeliest_label_is_in_every_set() -> None:
    assert in_set(np.array([[0.5, 0.3, 0.2], [0.4, 0.4, 0.2]]), 0.9).tolist() == [
        [True, False, False],
        [True, True, False],
    ]


def test_many_probabilities_are_kept_as_quantiles() -> None:
    truths = np.random.default_rng(1).random(20_000)
    few = kept(truths)
    assert len(few) == MOST_TRUTHS
    assert list(few) == sorted(few)
    for level in (0.5, 0.9, 0.99):
        assert threshold(few, level) == pytest.approx(
            threshold(np.sort(truths).tolist(), level), abs=0.002
        )


def test_candidates_come_likeliest_first() -> None:
    fitted = Calibration(fitted=True, truths=(0.05, 0.25, 0.4, 0.5))
    assert ask(sets=0.6, calibration=fitted).candidates == ("joy", "anger")
    assert ask(sets=0.2, calibration=fitted).candidates == ("joy",)
    assert ask(sets=0.99, calibration=fitted).candidates == ("joy", "anger", "calm")
    assert ask(calibration=fitted).candidates is None


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"sets": 0.9}, "How large sets must be is not known"),
        ({"sets": 90.0}, "'sets' is 90"),
        (
            {"sets": 0.9, "prior": dict.fromkeys(LABELS.names, 1 / 3)},
            "a prior says that they are others",
        ),
        ({"sets": 0.9, "kind": "several"}, "--sets is for one label a turn"),
    ],
)
def test_sets_that_cannot_be_made_are_refused(options: dict[str, object], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        ask(**options)
