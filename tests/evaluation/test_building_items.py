from __future__ import annotations

from dataclasses import replace

import pytest

from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.engines.protocol import Cost
from sentixrl.errors import InputError
from sentixrl.evaluation.items import Answer, Item, build_items
from sentixrl.prediction import (
    DialoguePrediction,
    Judgement,
    Prediction,
    Proposal,
    Round,
    Status,
    Verdict,
)


def dialogue() -> Dialogue:
    turns = (
        Utterance("Hi there, you two!", speaker="A", gold="joy"),
        Utterance("what now", speaker="B"),
        Utterance("I said hi.", speaker="A", gold="anger"),
        Utterance("  Sorry!  ", speaker="B", gold="sadness"),
        Utterance("I was away.", speaker="B", gold="sadness"),
        Utterance("hm", gold="neutral"),
    )
    return Dialogue(id="d", utterances=turns, language="en", group="show")


def predictions() -> DialoguePrediction:
    turned = (
        Round(1, Proposal("joy"), Judgement(Verdict.DISAGREE, "anger")),
        Round(2, Proposal("anger"), Judgement(Verdict.AGREE)),
    )
    lost = (Round(1, Proposal(None)), Round(2, Proposal("joy"), Judgement(Verdict.DISAGREE)))
    return DialoguePrediction(
        "d",
        "en",
        "model",
        "v1",
        (
            Prediction(0, Status.SINGLE, "joy", "joy", confidence=0.9),
            Prediction(1, Status.SINGLE, "joy", "joy"),
            Prediction(2, Status.CONSENSUS, "anger", "anger", rounds=turned, tokens=7, seconds=0.5),
            Prediction(3, Status.OUTLIER, None, "joy", rounds=lost),
            Prediction(4, Status.ERROR, None, None),
            Prediction(5, Status.INVALID, None, "neutral"),
        ),
    )


def built() -> dict[int, Item]:
    return {item.index: item for item in build_items([(dialogue(), predictions())])}


def test_unannotated_turns_are_context_and_keep_their_position() -> None:
    items = built()
    assert list(items) == [0, 2, 3, 4, 5]
    assert {item.cluster for item in items.values()} == {"show"}
    assert items[2].key == ("d", 2)


def test_first_proposal_is_the_single_pass() -> None:
    items = built()
    assert [items[at].single for at in (0, 2, 3, 4, 5)] == ["joy", "joy", None, None, "neutral"]
    assert [items[at].rounds for at in (0, 2, 3)] == [0, 2, 2]
    assert [items[at].negotiated for at in (0, 2, 3, 4)] == [False, True, True, False]


def test_answers() -> None:
    outlier = built()[3]
    assert outlier.answer() == "joy"
    assert outlier.answer(Answer.STRICT) is None
    assert outlier.answer(Answer.SINGLE) is None
    assert not outlier.covered
    assert built()[4].answer() is None
    assert built()[2].answer(Answer.SINGLE) == "joy"


def test_speaker_change_and_emotion_shift() -> None:
    items = built()
    assert [items[at].same_speaker for at in (0, 2, 3, 4, 5)] == [None, False, False, True, None]
    # Turn 1 of B has no gold, so B's first known emotion is at turn 3.
    assert [items[at].emotion_shift for at in (0, 2, 3, 4, 5)] == [None, True, None, False, None]


def test_shifts_look_past_turns_without_gold_and_first_turns_follow_nobody() -> None:
    golds = ["joy", None, "joy", "anger"]
    turns = tuple(Utterance("x", speaker="A", gold=gold) for gold in golds)
    answers = tuple(Prediction(index, Status.SINGLE, "joy") for index in range(4))
    pair = Dialogue("d", turns), DialoguePrediction("d", "en", "m", "v1", answers)
    items = build_items([pair])
    assert [item.emotion_shift for item in items] == [None, False, True]
    assert [item.same_speaker for item in items] == [None, True, True]


def test_lengths_and_costs() -> None:
    items = built()
    assert (items[0].words, items[0].characters) == (4, 18)
    assert items[3].characters == len("Sorry!")
    assert items[2].cost == Cost(7, 0.5)
    assert items[0].cost is None
    chinese = replace(dialogue(), language="zh")
    assert build_items([(chinese, predictions())])[0].words is None
    turns = tuple(replace(turn, text="我今天 很高兴。") for turn in chinese)
    untold = replace(chinese, language=None, utterances=turns)  # then its text tells
    assert build_items([(untold, predictions())])[0].words is None


def test_mismatched_pairs_are_refused() -> None:
    other = replace(predictions(), dialogue_id="e")
    with pytest.raises(InputError, match="'e' was joined with dialogue 'd'"):
        build_items([(dialogue(), other)])
    short = replace(predictions(), items=predictions().items[:-1])
    with pytest.raises(InputError, match="has 6 utterances, but its prediction holds 5"):
        build_items([(dialogue(), short)])
    swapped = replace(predictions(), items=predictions().items[::-1])
    with pytest.raises(InputError, match="in another order"):
        build_items([(dialogue(), swapped)])
    with pytest.raises(InputError, match="'d' occurs twice"):
        build_items([(dialogue(), predictions())] * 2)
