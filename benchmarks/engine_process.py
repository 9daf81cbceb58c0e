"""One engine in a process of its own, told what to do line by line.

Contract: a script, run by path, that imports nothing but ``sentixrl`` and what that needs; the
same script drives this tree's engine and that of the reference commit, whose interface differs in
a few names. Its argument is a JSON object (``model``, ``labels``, ``dtype``, ``workers``,
``threads``). It says what it loaded, then answers each line of standard input, a JSON object, with
one line, until there is none.
"""

from __future__ import annotations

import inspect
import json
import os
import sys
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

import torch

import sentixrl
from sentixrl import Classifier, Dialogue, Rules

ROUNDS = 3
NEVER = 1.0
"""The P(agree) that no verdict reaches: every round is full, with a counter-label."""
# How a model is loaded: the argument of ``load``, and the class of what it takes.
_LOADING = {
    "engine": ("sentixrl.engines.options", "EngineOptions"),
    "local": ("sentixrl.engines.local.loading", "LocalOptions"),
}


def load(wanted: Mapping[str, Any]) -> Classifier:
    """Load the classifier, with so many workers if it is told how many."""
    known = inspect.signature(sentixrl.load).parameters
    argument = next(name for name in _LOADING if name in known)
    module, options = _LOADING[argument]
    loading = getattr(import_module(module), options)(dtype=wanted["dtype"])
    settings = {"labels": wanted["labels"], argument: loading}
    classifier: Classifier = sentixrl.load(wanted["model"], **settings)
    if wanted["workers"] is None:
        return classifier
    return _with_threads(classifier, wanted["workers"], wanted["threads"])


def _with_threads(classifier: Classifier, workers: int, threads: int) -> Classifier:
    """The same model with this way of threading, whatever the machine would choose."""
    from sentixrl.engines.local.engine import LocalEngine
    from sentixrl.engines.local.threads import Threading

    loaded = classifier.engine
    assert isinstance(loaded, LocalEngine)
    engine = LocalEngine(
        *(loaded.name, loaded.decoder, loaded.text, loaded.prompt_format),
        loaded.capabilities.context_tokens or 0,
        loaded.budget,
        Threading(workers, threads),
    )
    return Classifier(
        *(engine, classifier.label_set, classifier.context, classifier.negotiation),
        classifier.bundle,
    )


def with_task(classifier: Classifier, task: str, reproducible: bool | None) -> Classifier:
    """The classifier with the options of a task.

    Args:
        classifier: As it was loaded.
        task: ``single`` pass, ``forced`` negotiation to the round limit, or ``natural``.
        reproducible: Whether each dialogue is computed alone; ``None`` for the default.
    """
    own = classifier.negotiation
    threshold = "confidence_threshold" if hasattr(own, "confidence_threshold") else "gate"
    changed: dict[str, Any] = {
        "enabled": task != "single",
        "rules": Rules(max_rounds=ROUNDS),
        threshold: None,
    }
    if task == "forced":
        changed["agree_threshold"] = NEVER
    if reproducible is not None:
        changed["reproducible"] = reproducible
    options = replace(own, **changed)
    if hasattr(classifier, "replace"):
        return classifier.replace(negotiation=options)
    return Classifier(
        *(classifier.engine, classifier.label_set, classifier.context, options), classifier.bundle
    )


def run(classifier: Classifier, request: Mapping[str, Any]) -> dict[str, Any]:
    """Answer the dialogues of a request, and say what that took."""
    asked = with_task(classifier, request["task"], request["reproducible"])
    dialogues = read(request["dialogues"])[: request["first"]]
    before, cpu = _computed(classifier.engine), time.process_time()
    start = time.perf_counter()
    items = [item for result in asked.predict_many(dialogues) for item in result.items]
    seconds, cpu = time.perf_counter() - start, time.process_time() - cpu
    after = _computed(classifier.engine)
    lasted = Counter(len(item.rounds) for item in items)
    reply: dict[str, Any] = {
        "seconds": seconds,
        "cpu_seconds": cpu,
        "utterances": len(items),
        "tokens": after[0] - before[0],
        "pairs": after[1] - before[1],
        "survival": [
            sum(n for rounds, n in lasted.items() if rounds >= number) / len(items)
            for number in range(1, ROUNDS + 1)
        ],
    }
    if request["answers"]:
        reply["answers"] = [
            [item.label, list((item.probabilities or {}).values())] for item in items
        ]
    return reply


def _computed(engine: Any) -> tuple[int, int]:  # noqa: ANN401 - of either version
    """Tokens and query–key pairs that an engine has computed so far."""
    usage = engine.usage if hasattr(engine, "usage") else engine.counters
    return usage.tokens, usage.visible_pairs


@cache
def read(path: str) -> list[Dialogue]:
    """The dialogues of a file that :func:`benchmarks.material.write` wrote."""
    content = json.loads(Path(path).read_text("utf-8"))
    return [
        Dialogue.from_texts([tuple(turn) for turn in entry["turns"]], language=entry["language"])
        for entry in content
    ]


def facts(classifier: Classifier) -> dict[str, Any]:
    """What was loaded, from where, and how it computes."""
    threading = getattr(classifier.engine, "threading", None)
    return {
        "package": str(Path(sentixrl.__file__).parent),
        "workers": threading.workers if threading else 1,
        "threads": (threading and threading.threads) or torch.get_num_threads(),
    }


def main(replies: TextIO) -> None:
    """Load, then answer line by line."""
    classifier = load(json.loads(sys.argv[1]))
    print(json.dumps(facts(classifier)), file=replies, flush=True)
    for line in sys.stdin:
        print(json.dumps(run(classifier, json.loads(line))), file=replies, flush=True)


if __name__ == "__main__":
    # Replies alone go to standard output, whatever libraries print.
    own_output = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    main(own_output)
