"""The registry: complete entries, names and switches that are checked, counts, hashes, dropping."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentixrl.datasets import REGISTRY, Dataset, info, load
from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.errors import ConfigError, InputError
from sentixrl.labels import LabelSet, scheme

if TYPE_CHECKING:
    from tests.datasets.conftest import Sample

Write = Callable[[Mapping[str, str]], Path]
METRICS = {"weighted_f1", "macro_f1", "accuracy", "micro_f1_without_neutral"}


@pytest.mark.parametrize("name", REGISTRY)
def test_entries_are_complete(name: str) -> None:
    entry = REGISTRY[name]
    assert entry.name == name
    assert all([entry.title, entry.licence, entry.citation, entry.source, entry.layouts])
    assert entry.remotes or entry.not_fetched
    for task in entry.tasks.values():
        labels = scheme(task.scheme)
        assert task.neutral is None or task.neutral in labels
        assert labels.multi_label == entry.multi_label
        assert set(task.metrics) <= METRICS
    assert entry.sweep is None or entry.sweep in entry.switches
    assert {key.split("/")[0] for key in entry.expected} <= set(entry.splits)


@pytest.mark.parametrize("name", REGISTRY)
def test_remote_files_are_pinned(name: str) -> None:
    for remote in REGISTRY[name].remotes:
        assert re.fullmatch("[0-9a-f]{64}", remote.sha256)
        assert re.fullmatch(
            r"https://raw\.githubusercontent\.com/[\w-]+/[\w.-]+/[0-9a-f]{40}/\S+", remote.url
        )
        assert not Path(remote.path).is_absolute()


def test_names_are_forgiving_and_unknown_ones_get_a_hint() -> None:
    assert info("CH-SIMS").name == "ch_sims"
    with pytest.raises(ConfigError, match="no data set called 'melt'") as caught:
        info("melt")
    assert "Did you mean 'meld'?" in str(caught.value.hint)


@pytest.mark.parametrize(
    ("arguments", "switches", "message"),
    [
        (("meld", ".", "final"), {}, "no split called 'final'"),
        (("meld", ".", "test", "mood"), {}, "no task called 'mood'"),
        (("meld", ".", "test"), {"layout": "full"}, "no switch called 'layout'"),
        (("emorynlp", ".", "test"), {"layout": "flat"}, "cannot be 'flat'"),
        (("iemocap", ".", "test"), {"merge_excited": "maybe"}, "cannot be 'maybe'"),
        (("brighter", ".", "test"), {"single_label": 1}, "cannot be '1'"),
    ],
)
def test_unknown_splits_tasks_and_switches(
    arguments: tuple[str, ...], switches: dict[str, str], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        load(*arguments, **switches)


def test_split_aliases_and_switches_as_text(write: Write, samples: Mapping[str, Sample]) -> None:
    path = write(samples["cped-valid_split.csv"].files)
    assert load("cped", path, "Validation").split == "dev"
    path = write(samples["goemotions-train.tsv"].files)
    assert load("goemotions", path, "train", single_label="off").switches == {"single_label": False}


def test_counts_that_differ_are_warnings(write: Write, samples: Mapping[str, Sample]) -> None:
    dataset = load("cped", write(samples["cped-valid_split.csv"].files), "dev")
    assert dataset.warnings == (
        "There are 2 labelled utterances, not the published 11,137.",
        "There are 2 dialogues, not the published 934.",
        "There are 2 groups, not the published 5.",
    )


LABELS = LabelSet("two", ["calm", "cross"])
turns = st.builds(
    Utterance,
    text=st.text(min_size=1, max_size=5),
    speaker=st.sampled_from([None, "A", "B"]),
    gold=st.sampled_from([None, "calm", "cross"]),
)
conversations = st.lists(st.lists(turns, min_size=1, max_size=3), min_size=1, max_size=3)


def build(conversation: list[list[Utterance]]) -> Dataset:
    dialogues = tuple(
        Dialogue(str(number), tuple(turns)) for number, turns in enumerate(conversation)
    )
    return Dataset("mine", "test", "label", LABELS, dialogues)


@given(conversations, conversations)
def test_hashes_tell_data_apart(
    first: list[list[Utterance]], second: list[list[Utterance]]
) -> None:
    assert (build(first).data_hash == build(second).data_hash) == (first == second)


def test_hashes_are_stable() -> None:
    dialogue = Dialogue("1", (Utterance("Hm. ए", speaker="A", gold="calm"),))
    dataset = Dataset("mine", "test", "label", LABELS, (dialogue,))
    assert dataset.data_hash == "9a0fd1df268e91fa"


def test_dropping_dialogues() -> None:
    dataset = build([[Utterance("a", gold="calm")], [Utterance("b")], [Utterance("c")]])
    kept = dataset.without(["0", "2"])
    assert [dialogue.id for dialogue in kept] == ["1"]
    assert kept.left_out == {"in a dropped dialogue": 2}
    assert dataset.without([]) == dataset
    with pytest.raises(InputError, match="1 of the 2 dialogues to drop are not in mine/test"):
        dataset.without(["0", "7"])
    with pytest.raises(InputError, match="Nothing of mine/test would remain"):
        dataset.without(["0", "1", "2"])


def test_groups_and_label_counts() -> None:
    dialogues = (
        Dialogue("1", (Utterance("a", gold="cross"),), group="g"),
        Dialogue("2", (Utterance("b"),), group="g"),
        Dialogue("3", (Utterance("c", gold="cross"),)),
    )
    dataset = Dataset("mine", "test", "label", LABELS, dialogues)
    assert dataset.groups == ("g", "3")
    assert dataset.label_counts == {"calm": 0, "cross": 2}
    assert (len(dataset), dataset.labelled) == (3, 2)
