"""What batch jobs load in the benchmark: a script that keeps no record, or a model."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from sentixrl import Classifier, ClassifierSpec, ContextOptions, EngineOptions, NegotiationOptions
from sentixrl.batch.running import Loader
from sentixrl.bundle import ModelBundle
from sentixrl.context.prompt import Prompt
from sentixrl.engines.protocol import GenerateRequest, ScoreRequest, Usage
from sentixrl.engines.scripted import ScriptedEngine
from sentixrl.labels import scheme

LABELS = "ekman-7"


class ForgetfulEngine(ScriptedEngine):
    """A script without a list of its requests, which would grow with them."""

    def heard(self, requests: Sequence[ScoreRequest | GenerateRequest]) -> None:
        """Count a call."""
        with self._counting:
            self.usage += Usage(len(requests), passes=1)


@dataclass(frozen=True)
class Scripted:
    """Answers by the prompt's checksum, each dialogue alone."""

    def load(self) -> Classifier:
        """Make the classifier."""

        def weigh(prompt: Prompt, choices: tuple[str, ...]) -> list[float]:
            seed = zlib.crc32(prompt.text.encode())
            return [1 + (seed >> place) % 7 for place in range(len(choices))]

        options = NegotiationOptions(enabled=False)
        bundle = ModelBundle(name="scripted")
        return Classifier(
            *(ForgetfulEngine(weigh), scheme(LABELS), ContextOptions(language="en"), options),
            bundle,
        )


def loader(name: str, threads: int | None) -> Loader:
    """``scripted``, or a model's name, on so many threads."""
    if name == "scripted":
        return Scripted()
    return ClassifierSpec(name, labels=LABELS, engine=EngineOptions(threads=threads))
