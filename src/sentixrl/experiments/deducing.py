"""Writing deductions once, for all trainings of an experiment that show them.

Contract: some dialogues are written together, and kept when all of their turns have their
deductions, so that a stopped writing goes on with the next ones. They are asked for as at
inference: the same plan, the same words.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

from sentixrl.classifier import Classifier
from sentixrl.context.building import ContextBuilder
from sentixrl.context.deduction import Deduction
from sentixrl.dialogue import Dialogue
from sentixrl.engines.protocol import Failure
from sentixrl.errors import ConfigError
from sentixrl.experiments.plan import Writer
from sentixrl.formats.characters import shown
from sentixrl.negotiation.deducing import DeductionPlan, Deductions, deduce
from sentixrl.negotiation.turns import in_step
from sentixrl.runs.deductions import deductions_line, dialogue_digest, read_lines
from sentixrl.runs.storage import AppendLog, Scan

TOGETHER = 8
"""Dialogues that are written side by side: a large model reads its weights once for all of them."""


def write_deductions(
    path: Path,
    dialogues: Iterable[Dialogue],
    writer: Writer,
    classifier: Callable[[], Classifier],
    say: Callable[[str], None],
) -> None:
    """Write the deductions of all dialogues that the file lacks.

    Args:
        path: The file.
        dialogues: The dialogues.
        writer: How they are made.
        classifier: Opens the model, if anything is missing.
        say: Receives a sentence about what is done.

    Raises:
        ConfigError: The model cannot write.
        SentixError: A deduction fails.
    """
    known = read_lines(path) if path.is_file() else {}
    missing = {dialogue_digest(one): one for one in dialogues if dialogue_digest(one) not in known}
    if not missing:
        return
    say(f"Writing the deductions of {len(missing):,} dialogues with {writer.by}.")
    model = classifier()
    context = replace(
        model.context,
        deduction=writer.mode,
        window=model.context.window.of_turns(writer.window),
    )
    builder = ContextBuilder(model.label_set, context, model.engine.count_tokens)
    path.parent.mkdir(parents=True, exist_ok=True)
    found = Scan(path)
    for _ in found:  # to its end
        pass
    wanted, began = list(missing.values()), time.monotonic()
    with AppendLog(found) as log:
        for place in range(0, len(wanted), TOGETHER):
            some = wanted[place : place + TOGETHER]
            for dialogue, deductions in zip(some, _of(model, builder, some), strict=True):
                log.append(deductions_line(dialogue, deductions))
            done = place + len(some)
            left = (time.monotonic() - began) / done * (len(wanted) - done)
            say(f"deductions of {done:,}/{len(wanted):,} dialogues  {left / 60:.0f} min left")


def _of(
    model: Classifier, builder: ContextBuilder, dialogues: Sequence[Dialogue]
) -> list[list[Deduction | None]]:
    """The deductions of some dialogues, all of them written side by side.

    Raises:
        ConfigError: One fails.
    """
    plans = [DeductionPlan(builder, dialogue, Deductions(0)) for dialogue in dialogues]
    asked = [(plan, source) for plan in plans for source in plan.missing]
    with model.engine.session() as session:
        answers = in_step(session, [deduce(source) for _, source in asked])
    for (plan, source), answer in zip(asked, answers, strict=True):
        if isinstance(answer, Failure):
            name = dialogues[plans.index(plan)].id
            raise ConfigError(f"A deduction of dialogue '{shown(name)}' failed: {answer.message}")
        plan.settle(source, answer)
    return [plan.deductions() for plan in plans]
