"""The test of evidence tells a model that listens from one that does not."""

from __future__ import annotations

import pytest

from sentixrl.classifier import Classifier
from sentixrl.context.building import ContextOptions
from sentixrl.context.prompt import Prompt
from sentixrl.dialogue import Dialogue
from sentixrl.engines.scripted import ScriptedEngine
from sentixrl.evaluation.intervals import Resampling
from sentixrl.experiments.faithfulness import Fillers, measure
from sentixrl.negotiation.options import NegotiationOptions

from ..negotiation.worlds import LABELS

FEW = Resampling(resamples=200)


def talks(how_many: int = 8) -> list[Dialogue]:
    """Each tells good news at its second turn, and goes on about something else."""
    plain = ["Pass me the salt.", "The bus is late.", "It is half past four.", "Mind the step."]
    found = []
    for number in range(how_many):
        texts = [plain[(number + place) % 4] for place in range(7)]
        texts[1] = f"We won flat {number}!"
        found.append(
            Dialogue.from_texts(
                [("Uma" if place % 2 else "Lev", text) for place, text in enumerate(texts)],
                id=str(number),
            )
        )
    return found


def classifier(weigh: object) -> Classifier:
    return Classifier(
        ScriptedEngine(weigh),  # type: ignore[arg-type]
        LABELS,
        ContextOptions(language="en"),
        NegotiationOptions(enabled=False),
    )


def listens(prompt: Prompt, choices: tuple[str, ...]) -> list[float]:
    won = "We won" in prompt.text
    return [{"joy": 8.0 if won else 1.0, "anger": 2.0}.get(choice, 1.0) for choice in choices]


def test_evidence_of_a_model_that_listens_falls_further() -> None:
    found = measure(classifier(listens), talks(), sizes=(1,), resampling=FEW)["1"]
    assert found["fall"]["evidence"] > found["fall"]["random"] >= found["fall"]["nearest"]
    assert found["evidence_less"]["nearest"]["low"] > 0
    assert found["changed"]["evidence"] > found["changed"]["nearest"]


def test_evidence_of_a_model_that_hears_nothing_falls_no_further() -> None:
    def deaf(prompt: Prompt, choices: tuple[str, ...]) -> list[float]:
        return [3.0 if choice == "joy" else 1.0 for choice in choices]

    found = measure(classifier(deaf), talks(), sizes=(1, 2), resampling=FEW)
    for one in found.values():
        assert one["fall"] == {"evidence": 0, "random": 0, "nearest": 0}
        assert one["evidence_less"]["random"] == {"value": 0, "low": 0, "high": 0}


def test_targets_without_a_choice_are_left_out() -> None:
    found = measure(classifier(listens), talks(2), sizes=(1, 6), resampling=FEW)
    # Of seven turns, those from the third on have more than one turn before them.
    assert found["1"]["targets"] == 2 * 5
    assert found["6"] == {"targets": 0}


def test_a_filler_is_of_another_dialogue_and_of_about_the_same_length() -> None:
    dialogues = talks()
    fillers = Fillers(dialogues, lambda text: len(text.split()))
    own = {turn.text for turn in dialogues[3]} - {
        turn.text for other in dialogues if other is not dialogues[3] for turn in other
    }
    for _ in range(50):
        text = fillers.like("We won flat 3!", dialogues[3].cluster)
        assert text not in own
        assert len(text.split()) == pytest.approx(4, abs=1)


def test_without_another_dialogue_a_turn_stays_as_it_is() -> None:
    [alone] = talks(1)
    assert Fillers([alone], len).like("Well.", alone.cluster) == "Well."
