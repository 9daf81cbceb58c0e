"""SANM's specification: its pseudocode and the prompts of every turn, and a hash of both.

``build_docs.py`` writes the prompts to ``docs/sanm-prompts.md``. The version in ``docs/sanm.md`` is
frozen: whoever changes the pseudocode or a template it uses gets another hash, and has to call it
another version.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import sentixrl
from sentixrl import Dialogue, NegotiationOptions, Rules
from sentixrl.context.building import ContextOptions
from sentixrl.context.prompt import Prompt
from sentixrl.engines.protocol import ScoreRequest
from sentixrl.engines.scripted import ScriptedEngine
from sentixrl.labels import scheme
from sentixrl.negotiation.options import ModeName

VERSION = 1
DOCS = Path(__file__).parent.parent / "docs"
TALKS = {
    "en": (
        ("Mara", "The letter came. They took me."),
        ("Jon", "That is wonderful! When do you leave?"),
        ("Mara", "On Sunday. I have not told Dad yet."),
    ),
    "zh": (
        ("小雨", "信到了，他们录取我了。"),
        ("阿杰", "太好了！你什么时候走？"),
        ("小雨", "星期天。我还没跟爸爸说。"),
    ),
}
NAMES = {"en": "English", "zh": "Chinese"}
SHOWN = ("joy", "sadness", "fear")
WRITTEN = {
    "en": (
        "is glad that it is settled.",
        "overlooks the last sentence.",
        "is afraid to tell her father.",
        "fits the last sentence.",
    ),
    "zh": ("为此事定下而高兴。", "没有顾及最后一句。", "怕跟爸爸开口。", "与最后一句相符。"),
}
"""What the written roles say in two rounds, the generator first."""


def prompts_page() -> str:
    """The page with the prompts of one worked dialogue."""
    parts = [
        "# SANM: the prompts of every turn",
        "This page is made from the program itself: `python scripts/build_docs.py`. It belongs to "
        f"the [specification](sanm.md), version {VERSION}.",
        "The last turn of a conversation of three is negotiated. In the first round the generator "
        "proposes *joy* and the discriminator objects; in the second they agree on *fear*. What a "
        "role answers stands under each prompt; the answers are a script's, the prompts are those "
        "that any model gets. They are shown as plain text; a chat model gets the same segments in "
        "its own markup.",
    ]
    for language, talk in TALKS.items():
        for mode in ("scored", "written"):
            parts.append(f"## {NAMES[language]}, {mode} mode")
            parts += _turns(language, talk, "scored" if mode == "scored" else "written")
    return "\n\n".join(parts) + "\n"


def _turns(language: str, talk: Sequence[tuple[str, str]], mode: ModeName) -> Iterator[str]:
    engine, answered = _engine(language)
    labels = scheme("ekman-7").only(SHOWN)
    model = sentixrl.load(
        engine,
        labels=labels,
        context=ContextOptions(language=language),
        negotiation=NegotiationOptions(mode=mode, rules=Rules(2, 1)),
    )
    model.predict(replace(Dialogue.from_texts(talk), language=language))
    last = talk[-1][1]
    number = 0
    for request, said in zip(engine.calls, answered, strict=True):
        if last not in request.prompt.text:
            continue
        number += 1
        choices = request.choices if isinstance(request, ScoreRequest) else None
        kind = f"one of {', '.join(choices)}" if choices else "a line of its own"
        yield f"Turn {number}, {kind}; answered *{said}*:\n\n```text\n{request.prompt.text}\n```"


def _engine(language: str) -> tuple[ScriptedEngine, list[str]]:
    """A script that objects once, and what it answered."""
    answered: list[str] = []
    labels = scheme("ekman-7").only(SHOWN)
    words = tuple(labels[name].word(language) for name in SHOWN)

    def score(prompt: Prompt, choices: tuple[str, ...]) -> list[float]:
        weights = _weights(prompt, choices, words)
        answered.append(choices[weights.index(max(weights))])
        return weights

    def write(prompt: Prompt) -> str:
        turns = sum(message.role == "assistant" for message in prompt.messages)
        answered.append(WRITTEN[language][turns - 1])
        return answered[-1]

    return ScriptedEngine(score, write), answered


def _weights(prompt: Prompt, choices: tuple[str, ...], words: Sequence[str]) -> list[float]:
    joy, _, fear = words
    again = sum(message.role == "user" for message in prompt.messages) > 2
    if set(choices) <= set(words):
        wanted = fear if again or joy not in choices else joy
        return [0.8 if choice == wanted else 0.1 for choice in choices]
    return [0.9, 0.1] if again else [0.2, 0.8]


def digest() -> str:
    """The hash of the pseudocode and of all prompts."""
    page = (DOCS / "sanm.md").read_text("utf-8")
    section = page.partition("## The protocol")[2]
    found = re.search(r"```python\n(.*?)```", section, re.DOTALL)
    if found is None:
        raise SystemExit("docs/sanm.md has no pseudocode under 'The protocol'.")
    content = f"{found[1]}\n{prompts_page()}"
    return hashlib.sha256(content.encode()).hexdigest()
