"""What moved an answer, measured by hiding turns; and where the mood of a conversation turns.

Contract: nothing here is told by the model about itself. Evidence is a difference between two
answers of the same model, with a turn and without it. It says what moved the model's answer; it
does not say why the speaker feels anything, and single figures do not add up.
"""

from sentixrl.evidence.mood import mood_turns
from sentixrl.evidence.parts import HidingPlan

__all__ = ["HidingPlan", "mood_turns"]
