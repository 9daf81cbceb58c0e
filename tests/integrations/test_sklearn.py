"""The estimators in scikit-learn's own hands: its checks, pipelines, searches, clones, frames."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss
from sklearn.model_selection import GridSearchCV, GroupKFold, cross_val_predict
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils import Tags
from sklearn.utils.estimator_checks import parametrize_with_checks
from sklearn.utils.validation import validate_data

import sentixrl
from sentixrl import ContextOptions, LabelSet, loaded
from sentixrl.errors import ConfigError
from sentixrl.samples import SampleError
from sentixrl.sklearn import EmotionClassifier, EmotionFeatures
from sentixrl.spec import ClassifierSpec

from .stand_in import LABELS, classifier

pytestmark = [  # five texts are enough for what most tests ask
    pytest.mark.filterwarnings("ignore:A calibration on"),
    pytest.mark.filterwarnings("ignore:The classes are numbers"),
]
TEXTS = ["so calm today", "I am annoyed", "we are grateful", "calm, very calm", "annoyed again"]
GOLD = ["calm", "annoyed", "grateful", "calm", "annoyed"]


class NumbersAsTexts(EmotionClassifier):
    """Writes rows of numbers as texts, which scikit-learn's checks do not have."""

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.one_d_array = tags.input_tags.string = False
        return tags

    def fit(self, X: Any, y: Any) -> NumbersAsTexts:  # noqa: ANN401, N803
        super().fit(_written(validate_data(self, X)), y)
        return self

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: ANN401, N803
        return super().predict(self._texts(X))

    def predict_proba(self, X: Any) -> NDArray[np.float64]:  # noqa: ANN401, N803
        return super().predict_proba(self._texts(X))

    def _texts(self, X: Any) -> list[str]:  # noqa: ANN401, N803
        self._classifier()  # says first that it is not fitted
        return _written(validate_data(self, X, reset=False))


def _written(rows: NDArray[Any]) -> list[str]:
    return [" ".join(f"{number:.3g}" for number in row) for row in rows]


# No check is expected to fail. Accuracy alone is not asked for: made-up numbers carry no emotion,
# and the tag "poor_score" is scikit-learn's own word for that.
@parametrize_with_checks([NumbersAsTexts()])  # type: ignore[untyped-decorator]
def test_it_is_an_estimator(
    estimator: Any,  # noqa: ANN401
    check: Callable[[Any], None],
    loads: list[ClassifierSpec],
) -> None:
    check(estimator)


def test_labels_are_enough_to_predict(loads: list[ClassifierSpec]) -> None:
    model = EmotionClassifier(LABELS)
    assert list(model.predict(TEXTS)) == GOLD
    assert list(model.classes_) == ["annoyed", "calm", "grateful"]
    shares = model.predict_proba(TEXTS)
    assert shares.shape == (5, 3)
    assert [model.classes_[at] for at in shares.argmax(1)] == GOLD
    assert model.score(TEXTS, GOLD) == 1
    assert not hasattr(model, "decision_function")


def test_fit_calibrates_and_keeps_the_labels(loads: list[ClassifierSpec]) -> None:
    model = EmotionClassifier(LABELS)
    before = model.predict_proba(TEXTS)
    model.fit(TEXTS, GOLD)
    after = model.predict_proba(TEXTS)
    assert list(model.classes_) == ["annoyed", "calm", "grateful"]
    assert log_loss(GOLD, after) < log_loss(GOLD, before)
    assert list(after.argmax(1)) == list(before.argmax(1))
    assert model.calibration_.scale > 1
    with pytest.raises(SampleError, match="'bored', which is none of the labels"):
        model.fit(TEXTS, [*GOLD[:4], "bored"])


def test_without_labels_fit_takes_them_from_y(loads: list[ClassifierSpec]) -> None:
    model = EmotionClassifier()
    with pytest.raises(ValueError, match="give 'labels', or call 'fit'"):
        model.predict(TEXTS)
    assert list(model.fit(TEXTS, GOLD).classes_) == sorted(set(GOLD))
    assert list(model.predict(TEXTS)) == GOLD


def test_few_samples_and_classes_without_names_are_told(loads: list[ClassifierSpec]) -> None:
    with pytest.warns(UserWarning, match="A calibration on 5 samples says little"):
        EmotionClassifier(LABELS).fit(TEXTS, GOLD)
    with pytest.warns(UserWarning, match="reads the words '0', '1' as labels. Name them: labels="):
        EmotionClassifier().fit(TEXTS[:2], [0, 1])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        EmotionClassifier({0: "calm", 1: "annoyed"}).fit(TEXTS[:2] * 15, [0, 1] * 15)
        EmotionClassifier().fit(TEXTS * 6, GOLD * 6)


def test_sets_come_from_what_fit_found(loads: list[ClassifierSpec]) -> None:
    asked = replace(classifier().negotiation, sets=0.5)  # which fit and predict do without
    model = EmotionClassifier(LABELS, negotiation=asked)
    assert list(model.predict(TEXTS)) == GOLD
    with pytest.raises(ConfigError, match="How large sets must be is not known"):
        model.fit(TEXTS, GOLD).predict_sets(TEXTS)
    wrong = [*GOLD * 7, *GOLD[::-1]]
    model.fit([f"{text} {at}" for at, text in enumerate(TEXTS * 8)], wrong)
    assert len(model.calibration_.truths) == 40
    sets = model.predict_sets(TEXTS, 0.95)
    assert sets.shape == (5, 3)
    assert sets[range(5), [list(model.classes_).index(name) for name in GOLD]].all()
    assert sets.sum() > model.predict_sets(TEXTS, 0.5).sum() == 5
    assert np.array_equal(pickle.loads(pickle.dumps(model)).predict_sets(TEXTS, 0.95), sets)


def test_classes_may_be_numbers(loads: list[ClassifierSpec]) -> None:
    numbers = EmotionClassifier().fit(["it is 3", "it is 7", "3"], np.array([3, 7, 3]))
    assert numbers.predict(["7"]).dtype.kind == "i"
    assert list(numbers.predict(["say 3", "say 7"])) == [3, 7]
    named = EmotionClassifier({2: "calm", 0: "annoyed"}).fit(TEXTS[:2], [2, 0])
    assert list(named.classes_) == [0, 2]
    assert list(named.predict(TEXTS[:2])) == [2, 0]


def test_a_set_that_allows_several_labels_is_asked_for_one(loads: list[ClassifierSpec]) -> None:
    labels = LabelSet("moods", ["calm", "annoyed"], multi_label=True)
    assert list(EmotionClassifier(labels).predict(TEXTS[:2])) == ["calm", "annoyed"]


def test_a_clone_shares_the_model(loads: list[ClassifierSpec]) -> None:
    model = EmotionClassifier(LABELS, model="some-model").fit(TEXTS, GOLD)
    other = clone(model)
    assert not hasattr(other, "calibration_")
    assert list(other.predict(TEXTS)) == GOLD
    clone(other.set_params(labels="annoyed, calm")).predict(["calm"])
    assert len(loads) == 1
    EmotionClassifier(LABELS, model="other-model").predict(["calm"])
    assert len(loads) == 2


def test_a_loaded_model_is_shared_by_clones_but_not_pickled(loads: list[ClassifierSpec]) -> None:
    ready = classifier()
    model = EmotionClassifier(LABELS, model=ready)
    assert clone(model).model is ready
    assert list(clone(model).predict(TEXTS)) == GOLD
    assert loads == []
    with pytest.raises(ConfigError, match="cannot be pickled"):
        pickle.dumps(model)


def test_a_pickle_holds_what_was_fitted_and_no_model(loads: list[ClassifierSpec]) -> None:
    model = EmotionClassifier(LABELS).fit(TEXTS, GOLD)
    raw = pickle.dumps(model)
    assert len(raw) < 3000
    loaded.release()
    assert np.allclose(pickle.loads(raw).predict_proba(TEXTS), model.predict_proba(TEXTS))


def test_in_a_pipeline_and_a_search(loads: list[ClassifierSpec]) -> None:
    lower = FunctionTransformer(lambda texts: [text.lower() for text in texts])
    pipe = make_pipeline(lower, EmotionClassifier(LABELS))
    options = [ContextOptions(language="en", glosses=on) for on in (False, True)]
    search = GridSearchCV(pipe, {"emotionclassifier__context": options}, cv=2, scoring="accuracy")
    search.fit(TEXTS * 2, GOLD * 2)
    assert search.best_score_ == 1
    assert list(search.predict(["CALM"])) == ["calm"]
    assert len(loads) == 1


def test_emotions_are_features_of_other_models(loads: list[ClassifierSpec]) -> None:
    frame = pd.DataFrame({"text": TEXTS, "age": [3, 4, 5, 6, 7]})
    columns = ColumnTransformer(
        [("mood", EmotionFeatures(LABELS), "text"), ("age", "passthrough", ["age"])]
    ).set_output(transform="pandas")
    made = columns.fit_transform(frame)
    names = ["mood__calm", "mood__annoyed", "mood__grateful", "age__age"]
    assert list(made.columns) == names
    assert columns.set_output(transform="polars").transform(frame).columns == names
    stays = [1, 0, 1, 1, 0]
    both = FeatureUnion([("mood", EmotionFeatures(LABELS))])
    model = make_pipeline(both, LogisticRegression()).fit(TEXTS, stays)
    assert list(model.predict(TEXTS)) == stays


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame])
def test_rows_of_a_frame_see_their_dialogue(
    kind: Callable[[Any], Any], loads: list[ClassifierSpec]
) -> None:
    rows = {
        "dialogue": ["b", "a", "b", "a"],
        "speaker": ["Ann", "Ben", "Cleo", "Ann"],
        "text": ["annoyed", "calm", "grateful", "annoyed"],
    }
    frame = kind(rows)
    model = EmotionClassifier(LABELS)
    assert list(model.predict(frame)) == rows["text"]
    ready = classifier()
    shares = EmotionClassifier(model=ready, labels=LABELS).predict_proba(frame)
    talk = ready.predict_proba([("Ann", "annoyed"), ("Cleo", "grateful")])
    order = [ready.label_set.names.index(name) for name in model.classes_]
    assert np.allclose(shares[[0, 2]], talk[:, order])


def test_groups_keep_dialogues_together(loads: list[ClassifierSpec]) -> None:
    frame = pd.DataFrame({"dialogue": list("aabbb"), "text": TEXTS})
    found = cross_val_predict(
        EmotionClassifier(LABELS), frame, GOLD, groups=frame["dialogue"], cv=GroupKFold(2)
    )
    assert list(found) == GOLD


def test_dialogues_are_asked_about_their_last_turn(loads: list[ClassifierSpec]) -> None:
    talks = [[("Ann", "calm"), ("Ben", "annoyed")], [("Ann", "grateful")]]
    assert list(EmotionClassifier(LABELS).predict(talks)) == ["annoyed", "grateful"]


def test_a_negotiation_without_consensus_has_a_forced_answer() -> None:
    negotiation = sentixrl.NegotiationOptions(agree_threshold=1.0, rules=sentixrl.Rules(1))
    model = EmotionClassifier(LABELS, model=classifier(), negotiation=negotiation)
    assert list(model.predict(["so calm"])) == ["calm"]


@pytest.mark.parametrize(
    ("samples", "said"),
    [
        (
            pd.DataFrame({"text": ["calm", None]}),
            r"The frame, row at position 1: the text column 'text' is empty",
        ),
        (
            pd.DataFrame({"text": ["calm", None], "speaker": ["Ann", "Ben"]}),
            r"position 1: the text column 'text' is empty",
        ),
        (pd.DataFrame({"a": [1], "b": [2]}), r"none of the columns \(a, b"),
        (pd.Series(["calm", None]), r"Sample 2 of X has no text"),
        (["calm", float("nan")], r"Sample 2 of X has no text"),
        (["calm", " "], r"number 2\) has no text"),
        (np.zeros((2, 3)), r"Dialogue|Utterance"),
        ("calm", r"X is one value of type 'str'"),
        ([], r"X is empty"),
    ],
)
def test_samples_that_are_none_are_one_sentence(
    samples: object, said: str, loads: list[ClassifierSpec]
) -> None:
    with pytest.raises(SampleError, match=said) as caught:
        EmotionClassifier(LABELS).predict(samples)
    assert "\n" not in str(caught.value)
    assert loads == []


@pytest.mark.parametrize(
    ("targets", "said"),
    [
        (GOLD[:4], r"X has 5 samples, but y has 4"),
        (["calm"] * 5, r"one class, 'calm'"),
        ([*GOLD[:4], None], r"no class for sample 5"),
        ([0.5, 1.5, 2.5, 3.5, 4.5], "continuous"),
        (None, "requires y"),
    ],
)
def test_classes_that_are_none_are_one_sentence(
    targets: object, said: str, loads: list[ClassifierSpec]
) -> None:
    with pytest.raises(ValueError, match=said):
        EmotionClassifier().fit(TEXTS, targets)


def test_training_says_what_it_needs(loads: list[ClassifierSpec]) -> None:
    with pytest.raises(ConfigError, match="Training needs a folder"):
        EmotionClassifier(LABELS, train=True).fit(TEXTS, GOLD)
    with pytest.raises(NotFittedError, match="call 'fit' before"):
        EmotionClassifier(LABELS, train=True, out="x").predict(TEXTS)
