"""A worker on any machine: loads a specification once, then answers chunks.

Contract: it needs no cluster software itself. What goes wrong and a person can mend is returned,
not raised, so that it arrives as the sentence it is.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from typing import Any

from sentixrl import __version__
from sentixrl.batch.answering import answer_chunks, sample
from sentixrl.batch.estimate import Estimate
from sentixrl.batch.job import Place, Receipt, run_of
from sentixrl.batch.running import Loader, classifier_identity
from sentixrl.batch.spool import Chunk
from sentixrl.classifier import Classifier
from sentixrl.errors import ConfigError, SentixError
from sentixrl.runs.identity import Json, plain


@dataclass(frozen=True, slots=True)
class Introduction:
    """What a worker says of itself once its model is loaded.

    Attributes:
        identity: What its answers depend on.
        version: Its version of this package.
        where: Its machine.
        engine: On what it computes.
    """

    identity: Json
    version: str
    where: str
    engine: dict[str, Any]


class Answerer:
    """A worker.

    Args:
        loader: What its classifier is loaded from.
    """

    def __init__(self, loader: Loader) -> None:
        self._loader = loader
        self._classifier: Classifier | None = None
        self._run: str | None = None

    def load(self) -> Introduction | SentixError:
        """Load the model."""
        try:
            self._classifier = self._loader.load()
        except SentixError as error:
            return _placed(error)
        engine = dict(self._classifier.engine.machine())
        identity = plain(classifier_identity(self._classifier))
        return Introduction(identity, __version__, platform.node(), engine)

    def answer(self, place: Place, chunk: Chunk) -> Receipt | SentixError:
        """Answer a chunk and write its shard beside its place."""
        assert self._classifier is not None
        try:
            self._check(place)
            return next(answer_chunks(self._classifier, place, [chunk]))
        except SentixError as error:
            return _placed(error)

    def rate(self, place: Place, chunks: list[Chunk]) -> Estimate | SentixError:
        """Answer a few dialogues of some chunks."""
        assert self._classifier is not None
        try:
            self._check(place)
            return sample(self._classifier, place.work, chunks)
        except SentixError as error:
            return _placed(error)

    def _check(self, place: Place) -> None:
        """See that the job's folder is the same here as where it was made."""
        if self._run == place.run:
            return
        try:
            self._run = run_of(place.folder)
        except SentixError:
            self._run = None
        if self._run != place.run:
            raise ConfigError(
                f"{place.folder} is not there, or is another folder.",
                hint="The job's folder must be on a disk that all machines share, under the same "
                "path.",
            )


def _placed(error: SentixError) -> SentixError:
    """The error, with the machine it happened on."""
    return type(error)(
        f"On {platform.node()}: {error.message}",
        hint=error.hint,
        code=error.code,
        retryable=error.retryable,
    )
