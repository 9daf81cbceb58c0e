"""Which calibration a bundle gives: by what the labels are, by old keys, or the fallback."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import sentixrl
from sentixrl import Calibration, Classifier, LabelSet, ModelBundle, NegotiationOptions, scheme
from sentixrl.bundle import calibration_key, release_folder
from sentixrl.calibration.fitting import (
    fit_fallback,
    fit_several_fallback,
    fit_temperature,
    fit_with_bias,
)
from sentixrl.calibration.posterior import normalise
from sentixrl.engines.scripted import ScriptedEngine
from sentixrl.errors import ConfigError
from sentixrl.labels import Label

MELD, EKMAN = scheme("meld-7"), scheme("ekman-7")
HAPPY = LabelSet("mine", ["happy", "sad", "angry", "scared", "disgusted", "surprised", "none"])


def biased(labels: LabelSet) -> Calibration:
    """A bias by which each label can be told."""
    bias = tuple(float(ord(name[0].lower())) for name in labels.names)
    return Calibration(0.5, bias, fitted=True)


def test_a_calibration_is_found_under_any_name_with_its_bias_in_order() -> None:
    bundle = ModelBundle("m").with_calibration(MELD, biased(MELD))
    found = bundle.calibration(EKMAN)
    assert found == biased(EKMAN)
    by_concept = bundle.calibration(HAPPY).bias
    assert by_concept[0] == biased(EKMAN).bias[EKMAN.index("joy")]
    assert by_concept[6] == biased(EKMAN).bias[EKMAN.index("neutral")]
    assert bundle.calibration(MELD, several=True) == Calibration()


def test_thresholds_of_several_labels_are_kept_apart_and_move_too() -> None:
    fitted = Calibration(2.0, fitted=True, thresholds=(0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7))
    bundle = ModelBundle("m").with_calibration(MELD, fitted, several=True)
    found = bundle.calibration(EKMAN, several=True)
    by_name = dict(zip(MELD.names, fitted.thresholds, strict=True))
    assert found.thresholds == tuple(by_name[name] for name in EKMAN.names)
    assert bundle.calibration(EKMAN) == Calibration()


def test_the_digests_of_first_bundles_are_found_and_replaced() -> None:
    old = ModelBundle("m", calibrations={MELD.digest: biased(MELD)})
    assert old.calibration(MELD) == biased(MELD)
    assert old.calibration(HAPPY).scale == 0.5
    new = old.with_calibration(HAPPY, Calibration(3.0, fitted=True))
    assert set(new.calibrations) == {calibration_key(EKMAN)}
    assert new.calibration(MELD).scale == 3.0


def test_the_released_bundle_still_has_its_calibrations() -> None:
    released = ModelBundle.load(release_folder("sentixrl-135m"))
    (digest, fitted), *_ = released.calibrations.items()
    known = [one for one in map(scheme, sentixrl.labels.scheme_names()) if one.digest == digest]
    assert [released.calibration(one) for one in known] == [fitted] * len(known)
    assert released.calibration(HAPPY).fitted


def test_unknown_labels_have_the_fallback_which_is_not_fitted(tmp_path: Path) -> None:
    fallbacks = {
        "single": Calibration(0.6),
        "several": Calibration(0.8, thresholds=(0.3,)),
    }
    ModelBundle("m", base="tiny", fallbacks=fallbacks).save(tmp_path / "b")
    bundle = ModelBundle.load(tmp_path / "b")
    other = LabelSet("other", ["calm", "wistful", "bored"])
    assert bundle.calibration(other) == Calibration(0.6)
    assert bundle.calibration(other, several=True).thresholds == (0.3, 0.3, 0.3)


def test_predictions_say_whether_they_are_calibrated() -> None:
    engine = ScriptedEngine(score=lambda prompt, choices: range(1, len(choices) + 1))
    bundle = ModelBundle("m", fallbacks={"single": Calibration(0.5)})
    bundle = bundle.with_calibration(MELD, Calibration(2.0, fitted=True))
    off = NegotiationOptions(enabled=False)
    known = sentixrl.Classifier(engine, HAPPY, negotiation=off, bundle=bundle)
    other = known.replace(labels="calm, annoyed")
    one, two = known.predict("Well.").items[0], other.predict("Well.").items[0]
    assert one.calibrated
    assert not two.calibrated
    assert two.probabilities is not None
    assert two.probabilities["annoyed"] == pytest.approx(2**0.5 / (1 + 2**0.5))


def draws(seed: int, scale: float, shares: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Answers whose true scale is the inverse of ``scale``, over labels of these shares."""
    rng = np.random.default_rng(seed)
    true = normalise(rng.normal(0, 1.5, (4000, len(shares))) + np.log(shares))
    gold = np.array([rng.choice(len(shares), p=np.exp(row)) for row in true])
    return normalise(scale * true), gold


def test_one_scale_for_all_lies_between_those_of_each_set() -> None:
    even = np.full(4, 0.25)
    sets = {"sure": draws(1, 3.0, even), "surer": draws(2, 5.0, even), "fair": draws(3, 1.0, even)}
    found = fit_fallback(sets)
    own = {name: fit_temperature(*answers).scale for name, answers in sets.items()}
    assert min(own.values()) < found.calibration.scale < max(own.values())
    assert not found.calibration.fitted
    scale, posteriors = found.left_out["fair"]
    assert scale < found.calibration.scale  # the honest set is not there
    np.testing.assert_allclose(np.exp(posteriors).sum(-1), 1)
    with pytest.raises(ConfigError, match="at least 2 sets, not 1"):
        fit_fallback({"sure": sets["sure"]})


def test_each_set_counts_the_same_however_large() -> None:
    even = np.full(4, 0.25)
    few, many = draws(1, 3.0, even), draws(2, 1.0, even)
    twice = (np.concatenate([many[0]] * 2), np.concatenate([many[1]] * 2))
    one, other = fit_fallback({"a": few, "b": many}), fit_fallback({"a": few, "b": twice})
    assert one.calibration.scale == pytest.approx(other.calibration.scale, rel=1e-3)


def test_a_bias_finds_shares_that_the_model_missed_and_keeps_them() -> None:
    shares = np.array([0.7, 0.1, 0.1, 0.1])
    log_probs, gold = draws(4, 1.0, shares)
    blind = normalise(log_probs - np.log(shares))
    fitted = fit_with_bias(blind, gold)
    assert np.argmax(fitted.bias) == 0
    assert fitted.bias[0] - fitted.bias[1] == pytest.approx(np.log(7), abs=0.3)
    np.testing.assert_allclose(fitted.shares, np.bincount(gold) / len(gold), atol=0.01)


def test_a_bias_from_few_turns_is_small() -> None:
    log_probs, gold = draws(5, 1.0, np.array([0.7, 0.1, 0.1, 0.1]))
    many = fit_with_bias(normalise(log_probs - np.log([0.7, 0.1, 0.1, 0.1])), gold).bias
    few = fit_with_bias(log_probs[:10], gold[:10]).bias
    assert np.abs(few).max() < np.abs(many).max() / 2


def test_several_unknown_labels_share_a_scale_and_a_threshold() -> None:
    rng = np.random.default_rng(6)
    sets = []
    for sure, labels in ((3.0, 4), (1.0, 6)):
        true = rng.normal(-1.5, 2.0, (2000, labels))
        gold = rng.random(true.shape) < 1 / (1 + np.exp(-true))
        sets.append((sure * true, gold))
    found = fit_several_fallback(sets)
    assert 1 / 3 < found.scale < 1
    assert len(found.thresholds) == 1
    assert 0.2 < found.thresholds[0] < 0.5  # F1 wants rare labels given early
    assert not found.fitted


def test_a_calibration_counts_only_under_prompts_as_it_was_fitted() -> None:
    bundle = ModelBundle("m").with_calibration(EKMAN, Calibration(2.0, fitted=True))
    plain = Classifier(ScriptedEngine(), EKMAN, bundle=bundle)
    assert plain.negotiation.calibration == Calibration(2.0, fitted=True)
    shown = plain.replace(context=replace(plain.context, glosses=True))
    assert shown.negotiation.calibration == Calibration(2.0)
    mine = LabelSet(
        "mine", [Label(name, {"*": f"my {name}"}) for name in EKMAN.names]
    )  # the same labels, explained in words that nothing was fitted with
    asked = plain.asking(mine)
    assert asked.context.glosses
    assert asked.negotiation.calibration == Calibration(2.0)
    assert plain.asking(mine, glosses=False).negotiation.calibration.fitted


def test_descriptions_of_ones_own_labels_are_not_the_models_way_with_others(tmp_path: Path) -> None:
    own = LabelSet("own", [Label("calm", {"*": "at ease"}), "cross"])
    bundle = ModelBundle("m", base=str(tmp_path)).with_calibration(
        EKMAN, Calibration(2.0, fitted=True)
    )
    fitted = NegotiationOptions(calibration=Calibration(3.0, fitted=True))
    context = replace(bundle.context, glosses=True)
    Classifier(ScriptedEngine(), own, context, fitted, bundle).save(tmp_path / "own")
    loaded = ModelBundle.load(tmp_path / "own")
    again = Classifier(ScriptedEngine(), own, bundle=loaded)
    assert (again.context.glosses, again.negotiation.calibration.scale) == (True, 3.0)
    assert again.negotiation.calibration.fitted
    other = again.asking(EKMAN)
    assert not other.context.glosses
    assert other.negotiation.calibration == Calibration(2.0, fitted=True)
    explained = again.asking(EKMAN, glosses=True)
    assert not explained.negotiation.calibration.fitted
    # With a scheme explained, everything is: nothing else was fitted so.
    explained.save(tmp_path / "all")
    assert set(ModelBundle.load(tmp_path / "all").calibrations) == set()
