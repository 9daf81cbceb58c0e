"""A model, a label set, and how they meet: what tells the emotion of every turn.

Contract: a classifier answers dialogues in order. It may be called from many threads at once: all
calls share the workers of its engine, and no answer depends on who else is asking beyond what
:class:`~sentixrl.negotiation.options.NegotiationOptions` says of ``reproducible``. What it keeps
between calls besides the model changes no answer: what the model says of an empty conversation,
and deductions already made. It is immutable; :meth:`Classifier.replace` makes others that share
its model. The file is long because this is the library's face: half of it says what each call takes
and gives.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from queue import Empty, SimpleQueue

import numpy as np
from numpy.typing import NDArray

from sentixrl.bundle import ModelBundle, canonical_base
from sentixrl.calibration.posterior import Calibration
from sentixrl.context.building import (
    NOTHING_BESIDES,
    ContextBuilder,
    ContextOptions,
    Supplements,
)
from sentixrl.context.templates import SEVERAL
from sentixrl.dialogue import Dialogue
from sentixrl.engines.protocol import Engine, Failure
from sentixrl.engines.roles import roles_of
from sentixrl.errors import ConfigError
from sentixrl.evidence.parts import HidingPlan
from sentixrl.evidence.task import (
    EvidenceTask,
    Posteriors,
    Question,
    QuestionsTask,
    check_explainable,
)
from sentixrl.formats.values import dialogue_of, dialogues_of
from sentixrl.labels import LabelSet, of_ones_own, resolve_labels, scheme, scheme_names
from sentixrl.negotiation.negotiator import Negotiator
from sentixrl.negotiation.options import NegotiationOptions
from sentixrl.negotiation.pairwise import Between, PairAnswer, PairTask
from sentixrl.negotiation.scheduling import Scheduler
from sentixrl.negotiation.tasks import DialogueTask, Told
from sentixrl.prediction import DialoguePrediction, Prediction

# Below this, models describe a situation too poorly for their deductions to help.
DEDUCTION_PARAMETERS = 1_000_000_000
_WAKE = 0.2  # seconds between checks that the workers are still there


class Classifier:
    """A model, a label set, and how they meet.

    Args:
        engine: The language model.
        label_set: The closed set of labels.
        context: What prompts show; default: as the bundle says.
        negotiation: How the roles negotiate; default: as the bundle says, with the calibration it
            has for the label set, if any.
        bundle: What the engine was loaded from; default: an engine made by hand.
        scheduler: Workers to share with others over the same engine.
        supplements: What prompts show that is not in the dialogues themselves.
        discriminator: What the discriminator was loaded from, if the engine is two.

    Attributes:
        several: Whether an utterance may get several of the labels, each judged by itself.

    Raises:
        ConfigError: The options name a discriminator that the engine has not.
    """

    def __init__(
        self,
        engine: Engine,
        label_set: LabelSet,
        context: ContextOptions | None = None,
        negotiation: NegotiationOptions | None = None,
        bundle: ModelBundle | None = None,
        scheduler: Scheduler | None = None,
        supplements: Supplements = NOTHING_BESIDES,
        discriminator: ModelBundle | None = None,
    ) -> None:
        self.engine = engine
        self.label_set = label_set
        self.bundle = bundle or ModelBundle(engine.name)
        self.context = _settle_deduction(context or self.bundle.context, engine, self.bundle)
        self.negotiation = _calibrated(
            negotiation or self.bundle.negotiation, self.bundle, label_set, self.context
        )
        self.discriminator = discriminator
        if self.negotiation.discriminator is not None and roles_of(engine)[1] is None:
            raise ConfigError(
                f"The options name the discriminator '{self.negotiation.discriminator}', which is "
                "not loaded.",
                hint="Load both: sentixrl.load(model, discriminator=…).",
            )
        judge = discriminator or ModelBundle("")
        judging = _calibrated(judge.negotiation, judge, label_set, self.context)
        self.supplements = supplements
        self.several = self.negotiation.several(label_set)
        self._builder = ContextBuilder(
            label_set, self.context, engine.count_tokens, supplements, several=self.several
        )
        self._negotiator = Negotiator(engine, label_set, self._builder, self.negotiation, judging)
        self.scheduler = scheduler or Scheduler(engine)

    def __repr__(self) -> str:
        negotiates = self.negotiation.enabled and not self.several
        how = f"{'with' if negotiates else 'without'} negotiation"
        return f"<Classifier {self.engine.name}, {how}: {', '.join(self.label_set.names)}>"

    def __deepcopy__(self, memo: dict[int, object]) -> Classifier:
        return self  # it cannot change, and a second model would take as much memory again

    @property
    def workers(self) -> int:
        """How many dialogues are computed side by side."""
        return self.scheduler.workers

    def predict(self, dialogue: object, *, explain: bool = False) -> DialoguePrediction:
        """The emotion of every turn of one dialogue.

        Args:
            dialogue: A :class:`~sentixrl.Dialogue`; one text; a list of texts, of (speaker, text)
                pairs or of dicts with ``text`` and ``speaker``; the dict of our JSON; or a pandas
                or polars frame with a row per turn.
            explain: Whether to measure which earlier turns moved each answer; see :meth:`explain`.

        Raises:
            InputError: There is no turn, or one that is no turn or has no text.
            ConfigError: Evidence is asked for, and this model or these labels have none.
        """
        return next(self._asked(iter([dialogue_of(dialogue)]), explain=explain))

    def predict_many(
        self, dialogues: object, *, explain: bool = False
    ) -> Iterator[DialoguePrediction]:
        """Predictions for many dialogues, in order, as they are finished.

        Args:
            dialogues: An iterable of what :meth:`predict` takes, taken from as it is needed, some
                thousand utterances ahead of the answers; or a frame of several dialogues.
            explain: As in :meth:`predict`.

        Raises:
            InputError: As :meth:`predict`, once the dialogues before are answered; or it is one
                value, not several.
            ConfigError: As :meth:`predict`.
        """
        return self._asked(dialogues_of(dialogues), explain=explain)

    def explain(
        self, dialogue: object, prediction: DialoguePrediction, plan: HidingPlan | None = None
    ) -> DialoguePrediction:
        """The same answers, with the evidence for each: which earlier turns moved it.

        Each turn of a prompt's history is hidden once, far ones several at a time. Its evidence
        is the change of the answer's log-odds in the generator's first posterior, where no
        deduction is shown. Measuring takes some five to fifteen times as long as answering.

        Args:
            dialogue: What was answered, as :meth:`predict` takes it.
            prediction: This classifier's answers to it.
            plan: Which turns are hidden together.

        Raises:
            ConfigError: The engine gives no scores, or an utterance may have several labels.
            InputError: It is no dialogue.
            ValueError: It is not the dialogue that was answered.
        """
        return next(self._with_evidence(iter([(dialogue_of(dialogue), prediction)]), plan))

    def what_if(self, asked: Iterable[tuple[Dialogue, Sequence[Question]]]) -> Iterator[Posteriors]:
        """The first-round posteriors of targets before which some turns are changed.

        Args:
            asked: Dialogues, each with questions: a target's index, and which earlier turn is
                hidden (``None``) or says something else. Turns that the target's prompt does not
                show may be named without effect.

        Returns:
            For each dialogue, label → log-probability of each question, in order.

        Raises:
            ConfigError: The engine gives no scores, or an utterance may have several labels.
        """
        return self.scheduler.run(
            QuestionsTask(self._negotiator, dialogue, questions) for dialogue, questions in asked
        )

    def between(
        self, asked: Iterable[tuple[Dialogue, Sequence[Between]]]
    ) -> Iterator[list[PairAnswer | Failure]]:
        """A verifier's answers: which of two labels, or neither, averaged over both orders.

        Args:
            asked: Dialogues, each with what is asked about its turns.

        Returns:
            For each dialogue an answer to each question, in order.

        Raises:
            ConfigError: The engine gives no scores, or an utterance may have several labels.
            LabelError: A label reads as the word for neither does.
        """
        return self.scheduler.run(
            PairTask(self._negotiator, dialogue, questions) for dialogue, questions in asked
        )

    def _asked(
        self, dialogues: Iterator[Dialogue], *, explain: bool
    ) -> Iterator[DialoguePrediction]:
        if not explain:
            return self._answers(dialogues)
        check_explainable(self._negotiator)
        return self._explained(dialogues)

    def stream(self, dialogue: object) -> Iterator[Prediction]:
        """Each turn's prediction as soon as it is known, in no fixed order.

        Closing the iterator drops what is not answered yet.

        Args:
            dialogue: What :meth:`predict` takes.

        Yields:
            One prediction per turn; its ``index`` says which.

        Raises:
            InputError: As :meth:`predict`.
            SentixError: The dialogue's session broke, or the workers were closed.
        """
        told: SimpleQueue[Prediction | None] = SimpleQueue()
        task = self.submit(dialogue_of(dialogue), told.put)
        try:
            while True:
                try:
                    answer = told.get(timeout=_WAKE)
                except Empty:
                    self.scheduler.check()
                    continue
                if answer is None:
                    task.result()  # raises what broke it
                    return
                yield answer
        finally:
            task.cancelled = True

    def submit(
        self,
        dialogue: Dialogue,
        told: Told,
        *,
        only: Collection[int] | None = None,
        preface: str = "",
    ) -> DialogueTask:
        """Have a dialogue answered without waiting for it, beside whatever else is being computed.

        Args:
            dialogue: The turns, at least one of them to be answered.
            told: Called from a worker's thread with each prediction as it is known, in no fixed
                order, and with ``None`` at the end. It must not raise.
            only: The utterances to answer, by position; default: all.
            preface: A line that each prompt shows before the model is asked, such as a question in
                a user's own words.

        Returns:
            The task: set its ``cancelled`` to drop what is not computed yet; its ``result`` is
            there after the end.
        """
        task = self._negotiator.task(dialogue, told, only=only, preface=preface)
        self.scheduler.submit(task)
        return task

    def check_explainable(self) -> None:
        """Refuse at once what :meth:`explain` would refuse.

        Raises:
            ConfigError: The engine gives no scores, or an utterance may have several labels.
        """
        check_explainable(self._negotiator)

    def submit_evidence(
        self, dialogue: Dialogue, prediction: DialoguePrediction, told: Told
    ) -> EvidenceTask:
        """Have the evidence of a dialogue measured without waiting for it; see :meth:`explain`.

        Args:
            dialogue: What was answered.
            prediction: This classifier's answers to it.
            told: Called from a worker's thread with ``None`` at the end. It must not raise.

        Returns:
            The task: set its ``cancelled`` to drop what is not computed yet; its ``result``, the
            prediction with its evidence, is there after the end.

        Raises:
            ConfigError: As :meth:`explain`.
        """
        task = EvidenceTask(self._negotiator, dialogue, prediction, told=told)
        self.scheduler.submit(task)
        return task

    def _answers(self, dialogues: Iterator[Dialogue]) -> Iterator[DialoguePrediction]:
        return self.scheduler.run(self._negotiator.task(dialogue) for dialogue in dialogues)

    def _explained(self, dialogues: Iterator[Dialogue]) -> Iterator[DialoguePrediction]:
        asked: deque[Dialogue] = deque()

        def taken() -> Iterator[Dialogue]:
            for dialogue in dialogues:
                asked.append(dialogue)
                yield dialogue

        return self._with_evidence((asked.popleft(), one) for one in self._answers(taken()))

    def _with_evidence(
        self,
        answered: Iterator[tuple[Dialogue, DialoguePrediction]],
        plan: HidingPlan | None = None,
    ) -> Iterator[DialoguePrediction]:
        return self.scheduler.run(
            EvidenceTask(self._negotiator, dialogue, prediction, plan)
            for dialogue, prediction in answered
        )

    def predict_proba(self, dialogue: object) -> NDArray[np.float64]:
        """The calibrated first-round posterior of every turn.

        Returns:
            Shape ``[n_turns, n_labels]``, labels in the label set's order; rows of turns that
            failed are NaN. Where several labels are asked for, each is the probability that the
            label applies, and rows sum to anything.

        Raises:
            ConfigError: The engine gives no scores.
        """
        if not self.engine.capabilities.score:
            raise ConfigError(f"The engine '{self.engine.name}' gives no probabilities.")
        items = self._proposer.predict(dialogue).items
        nothing = dict.fromkeys(self.label_set.names, np.nan)
        return np.array(
            [
                [(item.probabilities or nothing)[name] for name in self.label_set.names]
                for item in items
            ],
            np.float64,
        )

    def replace(
        self,
        *,
        labels: str | Sequence[str] | LabelSet | None = None,
        context: ContextOptions | None = None,
        negotiation: NegotiationOptions | None = None,
        supplements: Supplements | None = None,
    ) -> Classifier:
        """A classifier with other labels or options. What is not given stays as it is here.

        The new one shares the loaded model and its workers, so it costs almost no time or memory.

        Args:
            labels: Other labels, as :func:`~sentixrl.load` takes them. If the model's bundle has a
                calibration for them, it is used; this classifier's, which is for other labels, is
                not.
            context: What prompts show, whole. To change one thing:
                ``dataclasses.replace(classifier.context, history=False)``.
            negotiation: How the roles negotiate, whole. To change one thing:
                ``dataclasses.replace(classifier.negotiation, sets=0.9)``. A calibration that you
                put into it is used for the labels of the new classifier.
            supplements: What prompts show that is not in the dialogues themselves.

        Raises:
            LabelError: The labels make no set.
            ConfigError: The options do not go together; for example, ``sets`` are asked for and the
                labels have no calibration.
        """
        label_set = self.label_set if labels is None else resolve_labels(labels)
        options = negotiation or self.negotiation
        shown = context or self.context
        own = options.calibration == self.negotiation.calibration
        asked = (self.label_set.digest, self.several, self.context.glosses)
        if own and (label_set.digest, options.several(label_set), shown.glosses) != asked:
            # It was fitted for the labels here, as they are shown here.
            options = replace(options, calibration=Calibration())
        return self._with(label_set, shown, options, supplements)

    def asking(self, labels: LabelSet, glosses: bool | None = None) -> Classifier:
        """The same model asked for labels that somebody else chose, such as a client of a service.

        Args:
            labels: The labels.
            glosses: Whether prompts explain them; default: as :meth:`ModelBundle.explains` says,
                but this classifier's own labels stay as they are here.
        """
        if glosses is None:
            own = labels == self.label_set
            glosses = self.context.glosses if own else self.bundle.explains(labels)
        return self.replace(labels=labels, context=replace(self.context, glosses=glosses))

    def reordered(self, order: Sequence[int]) -> Classifier:
        """The same labels in another order, which some models' answers depend on.

        Args:
            order: Which of the labels stands at each place, a permutation.
        """
        labels, options = self.label_set, self.negotiation
        shuffled = LabelSet(
            labels.name, [labels.labels[place] for place in order], multi_label=labels.multi_label
        )
        calibration = options.calibration.reordered(order)
        return self._with(shuffled, self.context, replace(options, calibration=calibration))

    def _with(
        self,
        labels: LabelSet,
        context: ContextOptions,
        negotiation: NegotiationOptions,
        supplements: Supplements | None = None,
        bundle: ModelBundle | None = None,
    ) -> Classifier:
        return Classifier(
            *(self.engine, labels, context, negotiation, bundle or self.bundle, self.scheduler),
            supplements=supplements or self.supplements,
            discriminator=self.discriminator,
        )

    def uncalibrated(self) -> Classifier:
        """A classifier whose probabilities are the model's own: no calibration, no negotiation.

        Prior and sets are left out as well. A calibration is fitted on what this one answers.
        """
        options = replace(
            self.negotiation, enabled=False, calibration=Calibration(), prior=None, sets=None
        )
        bundle = replace(self.bundle, calibrations={}, fallbacks={})
        return self._with(self.label_set, self.context, options, bundle=bundle)

    def templates_of(self, dialogues: Iterable[Dialogue]) -> list[str]:
        """The identities of the prompt templates these dialogues are asked with, sorted."""
        used = {self._builder.template_for(dialogue).identity for dialogue in dialogues}
        return sorted(used)

    def prompts(self, dialogue: object) -> list[str]:
        """What the model reads before it names each turn's emotion, as plain text.

        Args:
            dialogue: As for :meth:`predict`.

        Returns:
            The prompt of each turn's first question, as a model that gives probabilities is asked;
            without deductions, which the model would have to write first. With several labels a
            turn, each question goes on with a label.
        """
        talk = dialogue_of(dialogue)
        template, shown = self._builder.template_for(talk), self._builder.lines(talk)
        role = SEVERAL if self.several else "generator"
        contexts = [shown.context(index) for index in range(len(talk))]
        return [
            one.prompt.line("user", template.render(role, "question", speaker=one.speaker)).text
            for one in contexts
        ]

    def save(self, folder: str | Path) -> None:
        """Save the model bundle with all of this classifier's options, for :func:`~sentixrl.load`.

        Raises:
            ModelError: The folder holds something else, or an engine was made by hand.
        """
        if self.discriminator is not None and self.discriminator.base is None:
            raise self.discriminator.made_by_hand()
        listed = self.label_set.name in scheme_names()
        # Labels that prompts show alike may still be read otherwise.
        known = listed and _same(scheme(self.label_set.name), self.label_set)
        bundle, fitted = self.bundle, self.negotiation.calibration
        shown = self.context.glosses
        if shown != bundle.explained(self.label_set) and not of_ones_own(self.label_set):
            # From now on all labels are explained, or none: nothing was fitted so.
            bundle = replace(bundle, calibrations={})
        plain = replace(self.negotiation, calibration=Calibration())
        if fitted != _calibrated(plain, self.bundle, self.label_set, self.context).calibration:
            bundle = bundle.with_calibration(self.label_set, fitted, several=self.several)
        named = self.negotiation.discriminator
        judge = None if named is None else canonical_base(named)
        bundle = replace(
            bundle,
            labels=self.label_set.name if known else self.label_set,
            context=self.context,
            negotiation=replace(self.negotiation, discriminator=judge),
        )
        bundle.save(Path(folder))

    @cached_property
    def _proposer(self) -> Classifier:
        """The classifier that lets the generator's first word stand."""
        if not self.negotiation.enabled:
            return self
        return self.replace(negotiation=replace(self.negotiation, enabled=False))


def _settle_deduction(
    options: ContextOptions, engine: Engine, bundle: ModelBundle
) -> ContextOptions:
    if options.deduction != "auto":
        return options
    size = engine.capabilities.parameters
    able = not bundle.trained and size is not None and size >= DEDUCTION_PARAMETERS
    return replace(options, deduction="anchor" if able else "off")


def _calibrated(
    options: NegotiationOptions, bundle: ModelBundle, label_set: LabelSet, context: ContextOptions
) -> NegotiationOptions:
    """The options with the bundle's calibration for a label set, unless they bring one.

    It was fitted under prompts that explain the labels, or under prompts that do not; under the
    others its scale is the best there is, but the probabilities are not calibrated.
    """
    if options.calibration != Calibration():
        return options
    found = bundle.calibration(label_set, several=options.several(label_set))
    if context.glosses != bundle.explained(label_set):
        found = replace(found, fitted=False, truths=())
    return replace(options, calibration=found)


def _same(one: LabelSet, other: LabelSet) -> bool:
    return (one.labels, one.multi_label) == (other.labels, other.multi_label)
