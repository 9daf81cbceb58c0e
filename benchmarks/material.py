"""The dialogues that are measured: a sample of MELD's test split, or our own examples repeated.

Contract: the same material for every contender, named by a hash of all its prompts.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from sentixrl import Classifier, Dialogue
from sentixrl.context.building import ContextBuilder
from sentixrl.context.prompt import Prompt
from sentixrl.formats import read_dialogues
from sentixrl.negotiation.state import NegotiationState

ROOT = Path(__file__).parent.parent
LABELS = "meld-7"


@dataclass(frozen=True, slots=True)
class Material:
    """What is measured.

    Attributes:
        source: Where it comes from, in words.
        dialogues: The sample.
        prompts: One prompt an utterance, as the default model asks it.
        digest: SHA-256 of all prompts.
    """

    source: str
    dialogues: tuple[Dialogue, ...]
    prompts: tuple[Prompt, ...]
    digest: str


def gather(classifier: Classifier, count: int) -> Material:
    """A sample of ``count`` dialogues."""
    source, dialogues = dialogues_of("test", count)
    prompts = questions(classifier, dialogues)
    text = "\x00".join("\x01".join(s for m in p.messages for s in m.segments) for p in prompts)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return Material(source, tuple(dialogues), tuple(prompts), digest)


def write(dialogues: Sequence[Dialogue], path: Path) -> Path:
    """Write dialogues to a file that :mod:`benchmarks.engine_process` reads."""
    content = [
        {
            "language": dialogue.language,
            "turns": [(turn.speaker, turn.text) for turn in dialogue],
        }
        for dialogue in dialogues
    ]
    path.write_text(json.dumps(content), "utf-8")
    return path


def questions(classifier: Classifier, dialogues: Sequence[Dialogue]) -> list[Prompt]:
    """The generator's first question about every utterance."""
    builder = ContextBuilder(
        classifier.label_set, classifier.context, classifier.engine.count_tokens
    )
    prompts = []
    for dialogue in dialogues:
        template = builder.template_for(dialogue)
        for context in builder.build(dialogue):
            talk = NegotiationState.of(context, template)
            prompts.append(context.prompt.line("user", talk.say("generator", "question")))
    return prompts


def of_length(dialogues: Sequence[Dialogue], turns: int, total: int) -> list[Dialogue]:
    """Dialogues of exactly ``turns`` turns, about ``total`` turns in all, by concatenation."""
    pool = [turn for dialogue in dialogues for turn in dialogue]
    while len(pool) < total:
        pool += pool
    count = max(1, total // turns)
    return [
        Dialogue(str(n), tuple(pool[n * turns : (n + 1) * turns]), language="en")
        for n in range(count)
    ]


def published_folder(name: str) -> Path:
    """Where a published set lies: in the folder that ``SENTIXRL_DATA`` names, or beside us."""
    return Path(os.environ.get("SENTIXRL_DATA", ROOT.parent / "shared" / "data")) / name


def dialogues_of(split: str, count: int) -> tuple[str, list[Dialogue]]:
    """About ``count`` dialogues of a MELD split, or our example repeated, and what they are."""
    folder = published_folder("meld")
    path = folder / f"{split}_sent_emo.csv"
    if path.is_file():
        from sentixrl.datasets.registry import load

        everything = load("meld", folder, split).dialogues
        step = max(1, len(everything) // count)
        chosen = list(everything[::step][:count])
        return f"MELD {split}, one dialogue in {step} of {len(everything)}", chosen
    examples = read_dialogues(ROOT / "examples" / "en.txt")
    turns = [replace(turn, gold="neutral") for turn in examples[0]]
    repeated = [Dialogue(str(n), tuple(turns)) for n in range(count)]
    return f"examples/en.txt, {count} times", repeated
