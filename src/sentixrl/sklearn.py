"""scikit-learn's interface: a classifier for pipelines and searches, and emotions as features.

Contract: a sample has one class. It is a text, a dialogue whose last turn is asked about, or a row
of a frame that may see the earlier rows of its dialogue. Each sample gets exactly one answer: the
forced one where a negotiation ended in an outlier. Columns of probabilities are sorted by class, as
scikit-learn's metrics expect; prompts show labels in the order of ``labels``. Estimators hold
parameters and what was fitted, never a model: all that name the same one share it
(:mod:`sentixrl.loaded`), clones included.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sentixrl.calibration.posterior import Calibration
from sentixrl.classifier import Classifier
from sentixrl.context.building import ContextOptions
from sentixrl.engines.options import EngineOptions
from sentixrl.errors import ConfigError, MissingDependencyError
from sentixrl.formats.characters import shown
from sentixrl.labels import CUSTOM, LabelSet, resolve_labels
from sentixrl.loaded import classifier_of
from sentixrl.negotiation.options import NegotiationOptions
from sentixrl.samples import Floats, SampleError, Samples, answers_to, forced, samples_of, shares_of
from sentixrl.spec import ClassifierSpec

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, TransformerMixin
    from sklearn.exceptions import NotFittedError
    from sklearn.utils import Tags, column_or_1d
    from sklearn.utils.multiclass import check_classification_targets
except ImportError:
    raise MissingDependencyError.of("scikit-learn", "sklearn") from None

Labels = str | Sequence[str] | Mapping[Any, str] | LabelSet
"""A scheme, a list of names, a label set, or classes of ``y`` → names."""


class _Emotions(BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """What both estimators share: how a model is named, and how samples are read."""

    labels: Labels | None
    model: str | Path | Classifier | None
    context: ContextOptions | None
    negotiation: NegotiationOptions | None
    engine: EngineOptions | None

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.input_tags.one_d_array = True
        return tags

    def __getstate__(self) -> dict[str, Any]:
        if isinstance(self.model, Classifier):
            raise ConfigError(
                "An estimator that holds a loaded model cannot be pickled or sent to another "
                "process.",
                hint="Name the model instead: model='FOLDER'.",
            )
        state: dict[str, Any] = super().__getstate__()
        return state

    def _loaded(self, labels: LabelSet | None, bundle: str | None = None) -> Classifier:
        """The classifier that the parameters describe.

        Args:
            labels: The labels to ask about; default: the model's own.
            bundle: A model to take instead of the one named.
        """
        if bundle is None and isinstance(self.model, Classifier):
            model = self.model
        else:
            name = self._name() if bundle is None else bundle
            model = classifier_of(ClassifierSpec(name, engine=self.engine or EngineOptions()))
        # Sets are asked for by predict_sets alone; labels without a calibration cannot have them.
        policy = replace(self.negotiation or model.negotiation, sets=None)
        found = model.replace(labels=labels, context=self.context, negotiation=policy)
        if not found.several:
            return found
        return found.replace(negotiation=replace(found.negotiation, kind="single"))

    def _name(self) -> str | None:
        """What the model is called, where it was named."""
        named = self.model is not None and not isinstance(self.model, Classifier)
        return str(self.model) if named else None


class EmotionClassifier(ClassifierMixin, _Emotions):  # type: ignore[misc]
    """Tell the emotion of texts or of turns in dialogues.

    With ``labels`` it predicts without being fitted; :meth:`fit` then calibrates its probabilities
    and changes neither the labels nor, without negotiation, the answers. Without ``labels``,
    :meth:`fit` takes them from ``y``; those that the model's bundle names are not used.

    Args:
        labels: The label set: a scheme's name, names with commas, a list, a
            :class:`~sentixrl.LabelSet`, or a dict from the classes of ``y`` to names, such as
            ``{0: "calm", 1: "annoyed"}``.
        model: A bundle, a model's folder, a bundled name or a hub id; or a loaded
            :class:`~sentixrl.Classifier`, which cannot go to other processes. Default: the
            trained model that comes along.
        context: What prompts show; default: as the model's bundle says.
        negotiation: How the roles negotiate; default: the model's policy, of which one thing is
            changed by ``dataclasses.replace(ClassifierSpec(model).bundle().negotiation, …)``; a new
            :class:`~sentixrl.NegotiationOptions` has negotiation on. ``sets`` has no effect here,
            see :meth:`predict_sets`.
        engine: How the model is loaded.
        train: Whether :meth:`fit` trains an adapter instead of calibrating; needs the extra
            ``train``.
        recipe: With ``train``: keys of the recipe, such as ``{"epochs": 4, "method": "lora"}``.
        out: With ``train``: the folder that keeps trainings. The same samples and parameters find
            theirs again.

    Attributes:
        calibration_: What :meth:`fit` fitted, unless it trained. From 30 samples on it has what
            :meth:`predict_sets` needs; with fewer, :meth:`fit` warns.
        bundle_: The folder of the trained model, if :meth:`fit` trained.
    """

    calibration_: Calibration
    bundle_: str

    def __init__(
        self,
        labels: Labels | None = None,
        *,
        model: str | Path | Classifier | None = None,
        context: ContextOptions | None = None,
        negotiation: NegotiationOptions | None = None,
        engine: EngineOptions | None = None,
        train: bool = False,
        recipe: Mapping[str, Any] | None = None,
        out: str | Path | None = None,
    ) -> None:
        self.labels = labels
        self.model = model
        self.context = context
        self.negotiation = negotiation
        self.engine = engine
        self.train = train
        self.recipe = recipe
        self.out = out

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = self.labels is None
        tags.classifier_tags.poor_score = True  # no emotion is in the data that tests make
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return self.labels is not None or hasattr(self, "fitted_classes_")

    @property
    def classes_(self) -> NDArray[Any]:
        """The classes, sorted; shape ``[n_labels]``.

        Raises:
            AttributeError: There are no labels yet.
        """
        if self.labels is not None:
            return np.array(sorted(_classes_to_names(self.labels)))
        if not hasattr(self, "fitted_classes_"):
            raise AttributeError("classes_: give 'labels', or fit the classifier first")
        fitted: NDArray[Any] = self.fitted_classes_
        return fitted

    def fit(self, X: object, y: object) -> Self:  # noqa: N803  (scikit-learn's name)
        """Calibrate on labelled samples, or train.

        Args:
            X: The samples.
            y: The class of each; shape ``[n_samples]``.

        Raises:
            SampleError: A sample or class cannot be used.
            ConfigError: The engine gives no scores to calibrate, or ``train`` lacks ``out``.
        """
        samples = samples_of(X)
        targets = self._targets(y, len(samples.places))
        if self.labels is None:
            self.fitted_classes_ = np.unique(targets)
            self._warn_of_numbers()
        names, classes = self._label_set(), list(self.classes_)
        gold = [classes.index(target) for target in targets]
        if self.train:
            self.bundle_ = self._trained(samples, names, gold)
        else:
            self.calibration_ = self._calibration(samples, names, np.array(gold))
        return self

    def predict(self, X: object) -> NDArray[Any]:  # noqa: N803
        """The class of each sample, shape ``[n_samples]``: the forced answer where roles disagree.

        Raises:
            SampleError: A sample cannot be used.
            ModelError: The model could not answer one.
        """
        samples, classifier = samples_of(X), self._classifier()
        columns, classes = self._columns(), self.classes_
        found = [
            columns.index(forced(item, number))
            for number, item in enumerate(answers_to(classifier, samples), start=1)
        ]
        answers: NDArray[Any] = classes[np.array(found, int)]
        return answers

    def predict_proba(self, X: object) -> Floats:  # noqa: N803
        """The first-round posterior of each sample, shape ``[n_samples, n_labels]``.

        Columns are in the order of :attr:`classes_`.

        Raises:
            SampleError: A sample cannot be used.
            ConfigError: The engine gives no scores.
        """
        samples, classifier = samples_of(X), self._classifier()
        first = replace(classifier.negotiation, enabled=False)
        return shares_of(classifier.replace(negotiation=first), samples, self._columns())

    def predict_sets(self, X: object, level: float = 0.9) -> NDArray[np.bool_]:  # noqa: N803
        """Which labels belong to each sample's set, shape ``[n_samples, n_labels]``.

        A set holds the true label with probability ``level``, on average over samples like those
        that the calibration was fitted on. The likeliest label is always in it. Columns are in the
        order of :attr:`classes_`.

        Args:
            X: The samples.
            level: The probability, 0 to 1.

        Raises:
            SampleError: A sample cannot be used.
            ConfigError: Neither :meth:`fit`, on 30 samples or more, nor ``sentixrl calibrate`` has
                told how large sets must be; or ``negotiation`` has a ``prior``.
        """
        samples, classifier = samples_of(X), self._classifier()
        first = replace(classifier.negotiation, enabled=False, sets=level)
        answers = answers_to(classifier.replace(negotiation=first), samples)
        columns, rows = self._columns(), []
        for number, item in enumerate(answers, start=1):
            forced(item, number)  # says why there is no answer
            rows.append([name in (item.candidates or ()) for name in columns])
        return np.array(rows, bool)

    def _calibration(self, samples: Samples, names: LabelSet, gold: NDArray[Any]) -> Calibration:
        """The temperature for these samples; with what sets need, if there are enough of them."""
        from sentixrl.calibration.fitting import fit_temperature
        from sentixrl.evaluation.recalibration import FEWEST, SMALLEST, FirstAnswers, cross_fitted

        shares = shares_of(self._loaded(names).uncalibrated(), samples, self._columns())
        log_probs = np.log(np.maximum(shares, SMALLEST))
        if len(gold) < FEWEST:
            warnings.warn(
                f"A calibration on {len(gold)} samples says little: probabilities may become far "
                f"too sure or too unsure, and there are no sets. Give {FEWEST} or more; 50 are "
                "enough.",
                stacklevel=3,
            )
            return fit_temperature(log_probs, gold)
        owners = np.array([dialogue for dialogue, _ in samples.places])
        return cross_fitted(FirstAnswers(log_probs, gold, owners))[0]

    def _warn_of_numbers(self) -> None:
        """Say that a model can make nothing of classes that are numbers."""
        classes = self.classes_.tolist()
        if all(isinstance(name, int | float) for name in classes):
            first, second = classes[:2]
            warnings.warn(
                f"The classes are numbers, and the model reads the words '{first}', '{second}' as "
                f"labels. Name them: labels={{{first!r}: 'calm', {second!r}: 'annoyed'}}.",
                stacklevel=3,
            )

    def _label_set(self) -> LabelSet:
        if self.labels is None:
            return LabelSet(CUSTOM, list(map(str, self.classes_.tolist())))
        if isinstance(self.labels, Mapping):
            return LabelSet(CUSTOM, list(self.labels.values()))
        return resolve_labels(self.labels)

    def _columns(self) -> list[str]:
        """The names of the labels, in the order of the classes."""
        if self.labels is None:
            return list(map(str, self.classes_.tolist()))
        names = _classes_to_names(self.labels)
        return [names[key] for key in sorted(names)]

    def _classifier(self) -> Classifier:
        """The classifier with what was fitted."""
        if not self.__sklearn_is_fitted__():
            raise NotFittedError(
                "This EmotionClassifier has no labels yet: give 'labels', or call 'fit', which "
                "takes them from y. For example: EmotionClassifier('calm, annoyed'). The labels "
                "that a model's bundle names are not taken by themselves."
            )
        if self.train:
            if not hasattr(self, "bundle_"):
                raise NotFittedError("With train=True, call 'fit' before predicting.")
            return self._loaded(self._label_set(), self.bundle_)
        found = self._loaded(self._label_set())
        if not hasattr(self, "calibration_"):
            return found
        fitted = replace(found.negotiation, calibration=self.calibration_)
        return found.replace(negotiation=fitted)

    def _targets(self, y: object, count: int) -> NDArray[Any]:
        """The classes of the samples, checked; shape ``[n_samples]``."""
        if y is None:
            raise SampleError(
                "EmotionClassifier requires y to be passed, but the target y is None."
            )
        targets: NDArray[Any] = column_or_1d(y, warn=True)
        if len(targets) != count:
            raise SampleError(f"X has {count} samples, but y has {len(targets)}.")
        for row, target in enumerate(targets.tolist(), start=1):
            if target is None or target != target or target in {"", np.inf, -np.inf}:
                raise SampleError(f"y has no class for sample {row}: it is '{target}'.")
        check_classification_targets(targets)
        found = set(targets.tolist())
        if self.labels is None and len(found) < 2:
            raise SampleError(
                f"y holds one class, '{shown(str(*found))}'; a label set needs at least two.",
                hint="Give 'labels' to calibrate on samples of one class.",
            )
        if self.labels is not None and (unknown := found - set(_classes_to_names(self.labels))):
            known = ", ".join(map(str, self.classes_.tolist()))
            first = sorted(map(str, unknown))[0]
            raise SampleError(
                f"y holds '{shown(first)}', which is none of the labels ({shown(known, 200)}).",
                hint="Map the classes to labels: labels={0: 'calm', 1: 'annoyed'}.",
            )
        return targets

    def _trained(self, samples: Samples, names: LabelSet, gold: Sequence[int]) -> str:
        """Train on the samples; the bundle's folder."""
        if self.out is None or isinstance(self.model, Classifier):
            raise ConfigError(
                "Training needs a folder to keep what it makes, and a model by name.",
                hint="For example: EmotionClassifier(train=True, out='runs/mine').",
            )
        from sentixrl.training.samples import train_on_samples

        columns = self._columns()
        # What is trained on is y, not labels that the samples may bring along.
        marked = [[replace(turn, gold=None) for turn in one] for one in samples.dialogues]
        for (dialogue, turn), answer in zip(samples.places, gold, strict=True):
            marked[dialogue][turn] = replace(marked[dialogue][turn], gold=columns[answer])
        labelled = [
            replace(dialogue, id=str(number), utterances=tuple(turns))
            for number, (dialogue, turns) in enumerate(
                zip(samples.dialogues, marked, strict=True), start=1
            )
        ]
        device = None if self.engine is None else self.engine.device
        return str(
            train_on_samples(
                labelled,
                names,
                Path(self.out),
                model=self._name(),
                keys=self.recipe or {},
                device=device,
            )
        )


class EmotionFeatures(TransformerMixin, _Emotions):  # type: ignore[misc]
    """Emotions as columns: the probability of each label, for models that come after.

    It is fitted on nothing: ``y`` may be anything.

    Args:
        labels: A label set as :class:`EmotionClassifier` takes it; default: the model's own.
        model: As :class:`EmotionClassifier` takes it.
        context: What prompts show; default: as the model's bundle says.
        negotiation: How the roles negotiate; only its calibration matters here.
        engine: How the model is loaded.
    """

    def __init__(
        self,
        labels: Labels | None = None,
        *,
        model: str | Path | Classifier | None = None,
        context: ContextOptions | None = None,
        negotiation: NegotiationOptions | None = None,
        engine: EngineOptions | None = None,
    ) -> None:
        self.labels = labels
        self.model = model
        self.context = context
        self.negotiation = negotiation
        self.engine = engine

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def fit(self, X: object, y: object = None) -> Self:  # noqa: N803
        """Do nothing but check the samples.

        Raises:
            SampleError: A sample cannot be used.
        """
        samples_of(X)
        return self

    def transform(self, X: object) -> Floats:  # noqa: N803
        """The first-round posterior of each sample, shape ``[n_samples, n_labels]``.

        Raises:
            SampleError: A sample cannot be used.
            ConfigError: The engine gives no scores.
        """
        samples, classifier = samples_of(X), self._plain()
        return shares_of(classifier, samples, list(classifier.label_set.names))

    def get_feature_names_out(self, input_features: object = None) -> NDArray[Any]:
        """The labels' names, shape ``[n_labels]``."""
        return np.array(self._plain().label_set.names, object)

    def _plain(self) -> Classifier:
        labels = self.labels
        names = list(labels.values()) if isinstance(labels, Mapping) else labels
        label_set = None if names is None else resolve_labels(names)
        classifier = self._loaded(label_set)
        return classifier.replace(negotiation=replace(classifier.negotiation, enabled=False))


def _classes_to_names(labels: Labels) -> dict[Any, str]:
    if isinstance(labels, Mapping):
        return dict(labels)
    return {name: name for name in resolve_labels(labels).names}
