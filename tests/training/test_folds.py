"""Folds: what is held out is new to the rest, whatever parts of a recipe it stands in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pytest

from sentixrl.datasets.dataset import Dataset
from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.errors import ConfigError
from sentixrl.training.folds import folds

from .test_material import make


@pytest.mark.parametrize("count", [2, 3, 5])
def test_folds_hold_out_every_cluster_once(count: int) -> None:
    data = make([2] * 23, group=2).data
    (pairs,) = folds([data], count, seed=4)
    assert len(pairs) == count
    held = [d.id for _, inside in pairs for d in inside]
    assert sorted(held) == sorted(d.id for d in data)
    for outside, inside in pairs:
        assert not {d.cluster for d in outside} & {d.cluster for d in inside}
        assert len(outside) + len(inside) == len(data)
        assert [d.id for d in outside] == [d.id for d in data if d in outside.dialogues]
    assert [pairs] == folds([data], count, seed=4)
    assert [pairs] != folds([data], count, seed=5)


def test_what_one_part_holds_out_no_other_part_of_its_data_set_trains_on() -> None:
    whole = make([2] * 23, group=2).data
    part = replace(whole, task="sentiment", dialogues=whole.dialogues[4:17])
    other = replace(whole, name="other")
    for pairs in zip(*folds([whole, part, other], 3, seed=4), strict=True):
        (rest, held), (part_rest, part_held), _ = pairs
        out = {d.cluster for d in held} | {d.cluster for d in part_held}
        assert not out & {d.cluster for d in (*rest, *part_rest)}


def test_what_shares_text_with_what_another_data_set_holds_out_is_not_trained_on() -> None:
    """As lines of MELD stand in EmoryNLP."""
    lines = [f"line {n} " + " ".join(f"word{n}-{m}" for m in range(12)) for n in range(24)]

    def told(name: str, texts: Sequence[str]) -> Dataset:
        dialogues = tuple(
            Dialogue(f"{name}{n}", (Utterance(text, "Ann", gold="joy"),))
            for n, text in enumerate(texts)
        )
        return replace(make([1]).data, name=name, dialogues=dialogues)

    one, other = told("one", lines[:16]), told("other", lines[8:])
    shared = set(lines[8:16])
    cuts = folds([one, other], 3, seed=4)
    gone = 0
    for (rest, held), (other_rest, other_held) in zip(*cuts, strict=True):
        for trained, out in ((rest, other_held), (other_rest, held)):
            assert not {d.utterances[0].text for d in trained} & {d.utterances[0].text for d in out}
        gone += 16 - len(rest) - len(held)
        assert not {d.utterances[0].text for d in held} - set(lines[:16])
    # Each shared line is held out of the other once; it stays where it is held out of both.
    assert 0 < gone <= len(shared)
    # Files of one's own are all called custom, and may hold the same texts under other ids.
    mine = [replace(data, name="custom", variant=data.name) for data in (one, other)]
    cuts = folds(mine, 3, seed=4)
    for (rest, held), (other_rest, other_held) in zip(*cuts, strict=True):
        for trained, out in ((rest, other_held), (other_rest, held)):
            assert not {d.utterances[0].text for d in trained} & {d.utterances[0].text for d in out}
    # Plays that recur within a data set are not held out together, whatever its labels.
    played = [told("plays", [lines[0]] * 9), replace(told("plays", [lines[0]] * 9), task="other")]
    for pairs in zip(*folds(played, 3, seed=4), strict=True):
        assert [(len(rest), len(held)) for rest, held in pairs] == [(6, 3), (6, 3)]
    with pytest.raises(ConfigError, match="shares text with other parts of 'train'"):
        folds([played[0], replace(played[0], name="other plays")], 3, seed=4)


def test_too_few_clusters_for_the_folds() -> None:
    with pytest.raises(ConfigError, match=r"2 dialogue\(s\), too few for 3 folds"):
        folds([make([2] * 4, group=2).data], 3, seed=0)
