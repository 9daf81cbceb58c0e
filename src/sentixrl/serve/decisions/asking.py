"""Questions on their way through the workers, and what becomes of the answers.

Contract: a choice between emotions, or labels of the model's own, is asked as ``/v1/classify``
asks, about the last speaker, with the model's calibration; the user's words stand before the
question. So is any choice for which negotiation is asked for or declined. Everything else is asked
in the words of :mod:`~sentixrl.serve.decisions.prompts`. Both kinds share the workers with all
other requests.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from functools import cache, partial
from typing import cast

from sentixrl.dialogue import Dialogue
from sentixrl.engines.protocol import Cost, Failure, Scores
from sentixrl.errors import ModelError
from sentixrl.formats import utterance_json
from sentixrl.labels import LabelSet, scheme, scheme_names
from sentixrl.negotiation.tasks import DialogueTask, Told
from sentixrl.negotiation.turns import Job, score
from sentixrl.prediction import ItemError, Prediction
from sentixrl.serve.batcher import Cancellable, Part, estimated_tokens
from sentixrl.serve.classifying import described
from sentixrl.serve.decisions.prompts import StatePrompt
from sentixrl.serve.decisions.questions import Answer, Kind, Question, answer_of, margin
from sentixrl.serve.refusals import RefusedError
from sentixrl.serve.served import Asking, ServedModel

QUESTIONS = "question"
"""What the label set of a question is called."""


class QuestionsTask:
    """Questions about one state, run by a scheduler.

    Args:
        state: What they are about.
        questions: At least one.
        told: Called with ``None`` once all are answered, or none can be.

    Attributes:
        answers: What was answered, by position.
        error: What broke it, if anything did.
    """

    alone = False

    def __init__(self, state: Dialogue, questions: Sequence[Question], told: Told) -> None:
        self._state, self._questions, self._told = state, questions, told
        self.answers: dict[int, tuple[Scores | Failure, Cost]] = {}
        self.error: BaseException | None = None
        self.finished = threading.Event()
        self.cancelled = False

    def __len__(self) -> int:
        return len(self._questions)

    @property
    def over(self) -> bool:
        """Whether it is answered, broken or cancelled."""
        return self.cancelled or self.finished.is_set()

    def start(self, add: Callable[[Job], None]) -> None:
        """Hand out the questions that are not answered."""
        prompt = StatePrompt(self._state)
        for place, question in enumerate(self._questions):
            if place not in self.answers:
                turn = score(prompt.asked(question))
                add(Job(turn, partial(self._keep, place), lambda: not self.over, self.broke))

    def broke(self, error: BaseException) -> None:
        """Give up."""
        self.error = error
        self.finished.set()
        self._told(None)

    def result(self) -> dict[int, tuple[Scores | Failure, Cost]]:
        """The answers.

        Raises:
            BaseException: What broke it.
        """
        if self.error is not None:
            raise self.error
        return self.answers

    def _keep(self, place: int, answer: Scores | Failure, cost: Cost) -> None:
        self.answers[place] = (answer, cost)
        if len(self.answers) == len(self._questions):
            self.finished.set()
            self._told(None)


class Interview:
    """All questions of a request.

    Args:
        model: Who answers.
        state: What they are about.
        questions: At least one.

    Raises:
        SentixError: A question cannot be asked of this model.
    """

    def __init__(self, model: ServedModel, state: Dialogue, questions: Sequence[Question]) -> None:
        if not model.engine.capabilities.score:
            raise RefusedError(422, f"The model '{model.name}' gives no probabilities.")
        self._model, self._state, self._questions = model, state, questions
        own = model.classifier.label_set
        self._emotional = [n for n, one in enumerate(questions) if as_emotion(one, own)]
        self._plain = [n for n, one in enumerate(questions) if n not in set(self._emotional)]
        self.parts = [self._emotion_part(questions[place]) for place in self._emotional]
        if self._plain:
            self.parts.append(self._plain_part())

    def answers(self, tasks: Sequence[Cancellable | None]) -> list[Answer]:
        """The answers, in the order of the questions.

        Raises:
            RefusedError: A question could not be answered.
            BaseException: What broke the request.
        """
        found: dict[int, Answer] = {}
        for place, task in zip(self._emotional, tasks, strict=False):
            found[place] = self._emotion(self._questions[place], cast(DialogueTask, task))
        if self._plain:
            scored = cast(QuestionsTask, tasks[-1]).result()
            for number, place in enumerate(self._plain):
                scores, cost = scored[number]
                question = self._questions[place]
                if isinstance(scores, Failure):
                    raise _unanswered(question, ItemError.of(scores))
                found[place] = answer_of(question, scores.log_probs, cost.tokens)
        return [found[place] for place in range(len(self._questions))]

    def _plain_part(self) -> Part:
        questions = [self._questions[place] for place in self._plain]
        scheduler = self._model.classifier.scheduler

        def submit(told: Told) -> QuestionsTask:
            task = QuestionsTask(self._state, questions, told)
            scheduler.submit(task)
            return task

        texts = (
            [one.instructions, *(f"{o.word}{o.description}" for o in one.options)]
            for one in questions
        )
        own = sum(len("".join(text).encode("utf-8", "replace")) // 3 + 24 for text in texts)
        return Part(submit, len(questions), estimated_tokens(self._state) + own)

    def _emotion_part(self, question: Question) -> Part:
        own = self._model.classifier
        labels = labels_of(question, own.label_set)
        single = own.negotiation.kind == "several"  # a choice is of one, whatever the model says
        asking = Asking(labels, question.negotiation, single=single)
        classifier = self._model.asked(asking)

        def submit(told: Told) -> DialogueTask:
            last = {len(self._state) - 1}
            return classifier.submit(self._state, told, only=last, preface=question.instructions)

        return Part(submit, 1, estimated_tokens(self._state))

    def _emotion(self, question: Question, task: DialogueTask) -> Answer:
        item = task.result().items[0]
        if item.error is not None:
            raise _unanswered(question, item.error)
        if item.probabilities is None:
            raise ModelError(f"The model '{self._model.name}' gave no probabilities.")
        words = [option.word for option in question.options]
        probabilities = tuple(item.probabilities[word] for word in words)
        said = item.label or item.fallback or max(words, key=item.probabilities.__getitem__)
        chosen = words.index(said)
        sure = margin(probabilities, chosen)
        if item.rounds and item.confidence is not None:
            sure = item.confidence
        record = _record(self._state, item)
        return Answer(question, probabilities, chosen, sure, item.tokens, record)


def as_emotion(question: Question, own: LabelSet) -> bool:
    """Whether a question is asked as ``/v1/classify`` asks.

    Args:
        question: The question.
        own: The labels of the model that answers.
    """
    if question.kind is not Kind.CHOICE or len(question.options) < 2:
        return False
    if question.negotiation is not None:
        return True
    known = emotion_words() | _words(own)
    return all(option.word.strip().casefold() in known for option in question.options)


@cache
def emotion_words() -> frozenset[str]:
    """What the labels of all schemes are called, in any language."""
    return frozenset().union(*(_words(scheme(name)) for name in scheme_names()))


def _words(labels: LabelSet) -> frozenset[str]:
    return frozenset(
        word.casefold()
        for label in labels
        for word in (label.name, *label.display.values(), *label.aliases)
    )


def labels_of(question: Question, own: LabelSet) -> LabelSet:
    """A question's options as labels: a set that is known where they are its labels.

    Raises:
        LabelError: They cannot be labels.
    """
    names = [option.word for option in question.options]
    if not any(option.description for option in question.options):
        for known in (own, *map(scheme, scheme_names())):
            if sorted(known.names) == sorted(names) and not known.multi_label:
                return known
    labels = [described(option.word, option.description) for option in question.options]
    return LabelSet(QUESTIONS, labels)


def _record(state: Dialogue, item: Prediction) -> dict[str, object]:
    shown = utterance_json(state.utterances[item.index], item)
    return {"status": shown["status"], "negotiation": shown["negotiation"]}


def _unanswered(question: Question, error: ItemError) -> RefusedError:
    status = {"too_long": 413}.get(error.code, 503 if error.retryable else 500)
    name = question.fault("could not be answered").message.rstrip(".")
    return RefusedError(status, f"{name}: {error.message}", error.hint)
