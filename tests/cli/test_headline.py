"""The numbers of an evaluation to look at first: which rows stand there."""

from __future__ import annotations

from sentixrl.cli.headline import headline_rows
from sentixrl.evaluation.intervals import Resampling
from sentixrl.evaluation.items import Item
from sentixrl.evaluation.summary import metrics_json
from sentixrl.labels import LabelSet
from sentixrl.prediction import Status

LABELS = LabelSet("two", ["calm", "upset"])
STRICT = "weighted-F1, outlier as wrong"
PROPOSAL = "ECE of the first posterior"
ANSWER = "ECE of the confidence"


def rows(*, negotiated: bool) -> list[str]:
    items = [
        Item(
            dialogue_id=str(number),
            index=0,
            cluster=str(number),
            gold=("calm", "upset")[number % 2],
            status=Status.CONSENSUS if negotiated else Status.SINGLE,
            label="calm",
            fallback="calm",
            single="calm",
            # What two roles agree on is surer than the first answer was.
            confidence=round(0.6 + number / 49, 6) + 0.1 * negotiated,
            probabilities={"calm": 0.6 + number / 49, "upset": 0.4 - number / 49},
            rounds=int(negotiated),
        )
        for number in range(12)
    ]
    if negotiated:
        items[0] = Item(
            "0", 0, "0", "calm", Status.OUTLIER, fallback="calm", single="calm", rounds=1
        )
    found = metrics_json(items, LABELS, how=Resampling(resamples=100, permutations=100))
    return [name for name, _ in headline_rows(found)]


def test_without_negotiation_nothing_stands_there_twice() -> None:
    names = rows(negotiated=False)
    assert ANSWER in names
    assert not {STRICT, PROPOSAL} & set(names)


def test_an_outlier_and_a_second_opinion_have_rows_of_their_own() -> None:
    assert {STRICT, PROPOSAL, ANSWER} <= set(rows(negotiated=True))
