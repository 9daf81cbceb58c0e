"""Writing deductions once, for all trainings of an experiment that show them.

Contract: a dialogue's deductions are written when all of its turns have theirs, so that a stopped
writing goes on with the next dialogue. They are asked for as at inference: the same plan, the same
words.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from sentixrl.classifier import Classifier
from sentixrl.context.building import ContextBuilder
from sentixrl.context.deduction import Deduction
from sentixrl.dialogue import Dialogue
from sentixrl.engines.protocol import Failure
from sentixrl.errors import ConfigError
from sentixrl.experiments.plan import Writer
from sentixrl.negotiation.deducing import DeductionPlan, Deductions, deduce
from sentixrl.negotiation.turns import in_step
from sentixrl.runs.deductions import deductions_line, dialogue_digest, read_lines
from sentixrl.runs.storage import AppendLog, Scan


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
    with AppendLog(found) as log:
        for dialogue in missing.values():
            log.append(deductions_line(dialogue, _of(model, builder, dialogue)))


def _of(model: Classifier, builder: ContextBuilder, dialogue: Dialogue) -> list[Deduction | None]:
    plan = DeductionPlan(builder, dialogue, Deductions(0))
    sources = list(plan.missing)
    with model.engine.session() as session:
        answers = in_step(session, [deduce(source) for source in sources])
    for source, answer in zip(sources, answers, strict=True):
        if isinstance(answer, Failure):
            raise ConfigError(f"A deduction of dialogue '{dialogue.id}' failed: {answer.message}")
        plan.settle(source, answer)
    return plan.deductions()
