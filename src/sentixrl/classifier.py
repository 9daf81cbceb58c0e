"""The facade: load a model, tell the emotion of every turn.

Contract: :func:`load` turns a name, folder or engine into a :class:`Classifier`; a classifier
answers dialogues in order. What it keeps between calls besides the model changes no answer: what
the model says of an empty conversation, and deductions already made.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import numpy as np
from numpy.typing import NDArray

from sentixrl.bundle import BUNDLE_FILE, RELEASE_NAMES, ModelBundle, release_folder
from sentixrl.calibration.posterior import Calibration
from sentixrl.context.retrieval import ContextBuilder, ContextOptions
from sentixrl.context.window import HistoryWindow
from sentixrl.dialogue import Dialogue
from sentixrl.engines.protocol import Engine
from sentixrl.errors import ConfigError, InputError, MissingDependencyError
from sentixrl.formats.characters import is_blank
from sentixrl.labels import LabelSet, resolve_labels, scheme, scheme_names
from sentixrl.negotiation.negotiator import NegotiationOptions, Negotiator
from sentixrl.prediction import DialoguePrediction

if TYPE_CHECKING:
    from sentixrl.engines.local.loading import LocalOptions

# Below this, models describe a situation too poorly for their deductions to help.
DEDUCTION_PARAMETERS = 1_000_000_000

DialogueLike = Dialogue | str | Sequence[str | tuple[str, str]]


class Classifier:
    """A model, a label set, and how they meet.

    Args:
        engine: The language model.
        label_set: The closed set of labels.
        context: What prompts show.
        negotiation: How the roles negotiate.
        bundle: What the engine was loaded from.
    """

    def __init__(
        self,
        engine: Engine,
        label_set: LabelSet,
        context: ContextOptions,
        negotiation: NegotiationOptions,
        bundle: ModelBundle,
    ) -> None:
        self.engine = engine
        self.label_set = label_set
        self.context = context
        self.negotiation = negotiation
        self.bundle = bundle
        self._builder = ContextBuilder(label_set, context, engine.count_tokens)
        self._negotiator = Negotiator(engine, label_set, self._builder, negotiation)
        once = replace(negotiation, enabled=False)
        self._proposer = Negotiator(engine, label_set, self._builder, once)

    def __repr__(self) -> str:
        return f"<Classifier {self.engine.name}: {', '.join(self.label_set.names)}>"

    def predict(self, dialogue: DialogueLike) -> DialoguePrediction:
        """The emotion of every turn of one dialogue.

        Args:
            dialogue: A :class:`Dialogue`, one text, or a list of texts or (speaker, text) pairs.

        Raises:
            InputError: There is no turn, or one that is no turn or has no text.
        """
        return next(self.predict_many([dialogue]))

    def predict_many(self, dialogues: Iterable[DialogueLike]) -> Iterator[DialoguePrediction]:
        """Predictions for many dialogues, in order, as they are finished.

        Raises:
            InputError: As :meth:`predict`, once the dialogues before are answered.
        """
        return self._negotiator.run(_dialogue(item) for item in dialogues)

    def predict_proba(self, dialogue: DialogueLike) -> NDArray[np.float64]:
        """The calibrated first-round posterior of every turn.

        Returns:
            Shape ``[n_turns, n_labels]``, labels in the label set's order; rows of turns that
            failed are NaN.

        Raises:
            ConfigError: The engine gives no scores.
        """
        if not self.engine.capabilities.score:
            raise ConfigError(f"The engine '{self.engine.name}' gives no probabilities.")
        items = next(self._proposer.run([_dialogue(dialogue)])).items
        nothing = dict.fromkeys(self.label_set.names, np.nan)
        return np.array(
            [
                [(item.probabilities or nothing)[name] for name in self.label_set.names]
                for item in items
            ],
            np.float64,
        )

    def with_labels(
        self, label_set: str | LabelSet, negotiation: NegotiationOptions | None = None
    ) -> Classifier:
        """The same model over another label set, with the calibration fitted for it, if any.

        Args:
            label_set: The other labels, as :func:`load` takes them.
            negotiation: How the roles negotiate; default: as here. A fitted calibration that is
                not this classifier's own is kept.
        """
        label_set = label_set if isinstance(label_set, LabelSet) else resolve_labels(label_set)
        options = negotiation or self.negotiation
        own = options.calibration == self.negotiation.calibration
        if own and label_set.digest != self.label_set.digest:
            # It was fitted for the labels here, not for the others.
            options = replace(options, calibration=Calibration())
        options = _calibrated(options, self.bundle, label_set)
        return Classifier(self.engine, label_set, self.context, options, self.bundle)

    def save(self, folder: str | Path) -> None:
        """Save the model bundle, with this label set and its calibration; :func:`load` takes it.

        Whether and when it negotiates is saved too; the round limit and what prompts show are
        not.

        Raises:
            ModelError: The folder holds something else, or the engine was made by hand.
        """
        named = self.label_set.name in scheme_names()
        # Labels that prompts show alike may still be read otherwise.
        known = named and _same(scheme(self.label_set.name), self.label_set)
        calibrations = dict(self.bundle.calibrations)
        if self.negotiation.calibration != Calibration():
            calibrations[self.label_set.digest] = self.negotiation.calibration
        bundle = replace(
            self.bundle,
            labels=self.label_set.name if known else self.label_set,
            calibrations=calibrations,
            negotiate=self.negotiation.enabled,
            gate=self.negotiation.gate,
            agree_threshold=self.negotiation.agree_threshold,
        )
        bundle.save(Path(folder))


def load(
    model: str | Path | Engine | None = None,
    *,
    labels: str | LabelSet | None = None,
    context: ContextOptions | None = None,
    negotiation: NegotiationOptions | None = None,
    local: LocalOptions | None = None,
) -> Classifier:
    """Load a classifier.

    Args:
        model: A bundle's or model's folder, a bundled model's name, a hub id, or an engine;
            default: the trained model that comes along.
        labels: A label set, a scheme's name, a YAML file, or names with commas; default: the
            bundle's own.
        context: What prompts show; default: as the bundle was trained.
        negotiation: How the roles negotiate; default: the bundle's policy. To change one thing,
            load first and ``dataclasses.replace`` the classifier's own.
        local: How a local model is loaded. An adapter named here is taken for a trained one,
            without calibration and with the policy of the model it adapts.

    Raises:
        ModelError: The model is missing or unusable.
        LabelError: The label set is unusable.
    """
    bundle = _bundle(model)
    if local is not None:
        bundle = _with_options(bundle, local)
    wanted = bundle.labels if labels is None else labels
    label_set = wanted if isinstance(wanted, LabelSet) else resolve_labels(wanted)
    local_model = model is None or isinstance(model, str | Path)
    engine = _open_local(bundle, local) if local_model else cast(Engine, model)
    if context is None:
        context = ContextOptions(
            deduction="anchor" if _deduces(engine) and not bundle.trained else "off",
            language=bundle.language,
            window=bundle.window or HistoryWindow(),
        )
    if negotiation is None:
        negotiation = NegotiationOptions(
            enabled=bundle.negotiate,
            gate=bundle.gate,
            agree_threshold=bundle.agree_threshold,
            correct_priors=local_model and not bundle.trained,
        )
    negotiation = _calibrated(negotiation, bundle, label_set)
    return Classifier(engine, label_set, context, negotiation, bundle)


def _calibrated(
    options: NegotiationOptions, bundle: ModelBundle, label_set: LabelSet
) -> NegotiationOptions:
    """The options with the bundle's calibration for a label set, unless they bring one."""
    if options.calibration != Calibration():
        return options
    fitted = bundle.calibrations.get(label_set.digest, Calibration())
    return replace(options, calibration=fitted)


def _same(one: LabelSet, other: LabelSet) -> bool:
    return (one.labels, one.multi_label) == (other.labels, other.multi_label)


def _bundle(model: str | Path | Engine | None) -> ModelBundle:
    from sentixrl.engines.local.bundled import DEFAULT

    if model is None or model in RELEASE_NAMES:
        return ModelBundle.load(release_folder())
    if model == DEFAULT.name:
        # Its discriminator was never trained to judge, so it negotiates only when asked. It was
        # taught English above all: on Chinese dev data it does better under English prompts.
        return ModelBundle(
            DEFAULT.name, DEFAULT.name, framing="plain", language="en", negotiate=False
        )
    if not isinstance(model, str | Path):
        return ModelBundle(name=model.name)
    if (Path(model) / BUNDLE_FILE).is_file():
        return ModelBundle.load(Path(model))
    folder = Path(model)
    return ModelBundle(
        name=folder.resolve().name if folder.is_dir() else str(model), base=str(model)
    )


def _with_options(bundle: ModelBundle, local: LocalOptions) -> ModelBundle:
    """The bundle with what was asked for on top: framing, and an adapter with its name."""
    bundle = replace(bundle, framing=local.framing or bundle.framing)
    if local.adapter is None or bundle.base is None:
        return bundle
    # What was fitted on another adapter's answers says nothing about this one's.
    unfitted = _bundle(bundle.base)
    return replace(
        bundle,
        name=f"{bundle.name}+{local.adapter.resolve().name}",
        adapter=local.adapter,
        trained=True,
        calibrations=unfitted.calibrations,
        negotiate=unfitted.negotiate,
        gate=unfitted.gate,
        agree_threshold=unfitted.agree_threshold,
    )


def _open_local(bundle: ModelBundle, local: LocalOptions | None) -> Engine:
    try:
        from sentixrl.engines.local.hardware import check_device
        from sentixrl.engines.local.loading import LocalOptions, open_engine
    except ImportError as error:
        raise MissingDependencyError.of(error.name or "torch", "local") from None
    options = local or LocalOptions()
    if options.device is not None:
        check_device(options.device)
    options = replace(options, framing=bundle.framing, adapter=bundle.adapter)
    engine = open_engine(bundle.base, options)
    if bundle.trained:
        engine.name = bundle.name
    return engine


def _deduces(engine: Engine) -> bool:
    size = engine.capabilities.parameters
    return size is not None and size >= DEDUCTION_PARAMETERS


def _dialogue(item: DialogueLike) -> Dialogue:
    dialogue = item if isinstance(item, Dialogue) else _from_texts(item)
    if not dialogue.utterances:
        raise InputError(f"Dialogue '{dialogue.id}' has no utterance.")
    for number, turn in enumerate(dialogue, 1):
        where = f"Utterance {number} of dialogue '{dialogue.id}'"
        for part, value in (("speaker", turn.speaker or ""), ("text", turn.text)):
            if not isinstance(value, str):
                kind = type(value).__name__
                raise InputError(f"{where} has a {part} that is of type '{kind}', not a text.")
        if is_blank(turn.text):
            raise InputError(f"{where} has no text.")
    return dialogue


def _from_texts(item: str | Sequence[str | tuple[str, str]]) -> Dialogue:
    if isinstance(item, str):
        item = [item]
    if not isinstance(item, Iterable):
        raise InputError(f"A dialogue is a text or a list of turns, not '{type(item).__name__}'.")
    turns = list(item)
    for number, turn in enumerate(turns, 1):
        pair = isinstance(turn, tuple | list) and len(turn) == 2
        if not pair and not isinstance(turn, str):
            raise InputError(
                f"Utterance {number} is neither a text nor a (speaker, text) pair.",
                hint="For example: [('Ann', 'You came back!'), 'I did.']",
            )
    return Dialogue.from_texts(turns)
