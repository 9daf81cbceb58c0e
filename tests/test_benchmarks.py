"""The benchmark's judgements, and that it measures the engine it says it measures."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

import sentixrl
from benchmarks import results as names
from benchmarks.agreement import compare, margin
from benchmarks.children import ChildError, EngineProcess, Run
from benchmarks.contenders import BATCH, Answers, batches
from benchmarks.llama_cpp import _interleaved
from benchmarks.material import write
from benchmarks.reference import source_of
from benchmarks.results import Results, details, headline
from benchmarks.timing import Timing
from sentixrl import Dialogue, EngineOptions

TIMING = Timing("trie, single pass", seconds=2.0, utterances=100, tokens=500)
DIALOGUES = [
    Dialogue.from_texts([("Ann", "You kept the letter?"), ("Bob", "All these years.")]),
    Dialogue.from_texts(["The rain stopped."], language="en"),
]


def answered(*answers: tuple[str, tuple[float, ...]]) -> Run:
    return Run(TIMING, (0.0,), answers)


def test_equal_answers_are_bit_equal() -> None:
    run = answered(("joy", (0.7, 0.3)), ("anger", (0.1, 0.9)))
    found = compare(run, run)
    assert found.bit_equal
    assert (found.labels_differ, found.largest_difference) == (0, 0)


def test_a_label_may_differ_only_where_the_first_two_are_close() -> None:
    reference = answered(("joy", (0.505, 0.495)), ("joy", (0.6, 0.4)), ("joy", (0.9, 0.1)))
    other = answered(("anger", (0.495, 0.505)), ("anger", (0.4, 0.6)), ("joy", (0.9, 0.1)))
    found = compare(reference, other)
    assert not found.bit_equal
    assert found.labels_differ == pytest.approx(2 / 3)
    assert found.clear_labels_differ == pytest.approx(1 / 3)
    assert found.largest_difference == pytest.approx(0.2)


def test_the_margin_of_a_certain_answer_is_infinite() -> None:
    assert margin((1.0, 0.0)) == math.inf
    assert margin((0.2, 0.4, 0.4)) == 0


def test_of_runs_of_one_name_the_fastest_counts() -> None:
    results = Results()
    for seconds in (2.0, 1.0, 3.0):
        results.add(replace(TIMING, seconds=seconds))
    assert results.rate(names.SINGLE) == 100


def test_figures_beside_others_are_not_valid() -> None:
    results = Results()
    results.add(TIMING)
    assert headline(results, None, None)["valid"]
    results.contended[19] = replace(TIMING, name="beside nice 19", others=0.2)
    assert not headline(results, None, None)["valid"]
    assert details(results)["disturbed"] == [
        "beside nice 19: other processes took 20% of the processors"
    ]


def test_a_disturbed_run_does_no_harm_if_an_undisturbed_one_was_faster() -> None:
    results = Results()
    results.add(replace(TIMING, seconds=4.0, others=0.5))
    results.add(TIMING)
    assert not results.disturbances()


def test_headline_has_every_figure_and_null_for_what_was_left_out() -> None:
    results = Results()
    results.add(TIMING)
    results.add(replace(TIMING, name=names.REFERENCE, seconds=3.0))
    results.add(replace(TIMING, name=names.TOGETHER, seconds=1.0))
    results.contended[19] = replace(TIMING, seconds=4.0)
    found = headline(results, None, 1.0)
    assert (found["default_gain"], found["threads_gain"]) == (1.5, 3.0)
    assert found["contended_fraction"] == 0.5
    nothing = {name for name, value in found.items() if value is None}
    assert {"ratio_llama_cpp", "ratio_decision_pipeline", "contended_fraction_nice0"} <= nothing


def test_batches_hold_every_prompt_once_beside_others_of_like_length() -> None:
    lengths = [7 * n % 40 + 1 for n in range(3 * BATCH + 5)]
    found = list(batches([[0] * length for length in lengths]))
    assert Counter(place for batch in found for place in batch) == Counter(range(len(lengths)))
    spans = sorted((min(row), max(row)) for row in ([lengths[n] for n in b] for b in found))
    assert all(last[1] <= following[0] for last, following in pairwise(spans))


def test_a_contender_whose_time_is_up_begins_nothing_more_but_answers_once() -> None:
    answers = Answers(limit=0.0)
    for place in answers.until_late(iter(range(5))):
        answers.labels[place] = 0
    assert list(answers.labels) == [0]
    assert answers.seconds > 0


def test_rotation_by_neighbours_is_rotation_by_halves_of_interleaved_rows() -> None:
    rows = np.arange(8, dtype=np.float32)[:, None]  # two heads of four
    assert _interleaved(rows, heads=2)[:, 0].tolist() == [0, 2, 1, 3, 4, 6, 5, 7]


def test_a_commit_that_is_not_here_is_no_reference() -> None:
    with source_of("0" * 40) as source:
        assert source is None


def test_an_engine_in_its_own_process_answers_as_one_here(tiny_model: Path, tmp_path: Path) -> None:
    path = write(DIALOGUES, tmp_path / "dialogues.json")
    loading = {
        "model": str(tiny_model), "labels": "meld-7", "dtype": "float32",
        "workers": 2, "threads": 1,
    }  # fmt: skip
    here = sentixrl.load(tiny_model, labels="meld-7", engine=EngineOptions(dtype="float32"))
    with EngineProcess(loading) as engine:
        assert (engine.facts["workers"], engine.facts["threads"]) == (2, 1)
        run = engine.run("all", path, reproducible=True, answers=True)
        forced = engine.run("forced", path, task="forced", first=1)
    plain = here.replace(
        negotiation=replace(here.negotiation, enabled=False, reproducible=True)
    ).predict_many(DIALOGUES)
    expected = [item for result in plain for item in result.items]
    assert [label for label, _ in run.answers] == [item.label for item in expected]
    for (_, found), item in zip(run.answers, expected, strict=True):
        assert found == pytest.approx(list((item.probabilities or {}).values()), abs=1e-6)
    assert (run.timing.utterances, forced.timing.utterances) == (3, 2)
    assert run.timing.tokens > 0
    assert run.timing.resident_mib > 0
    assert forced.survival == (1.0, 1.0, 1.0)


def test_an_engine_that_cannot_be_loaded_says_why(tmp_path: Path) -> None:
    loading = {
        "model": str(tmp_path / "nothing"), "labels": "meld-7", "dtype": "float32",
        "workers": None, "threads": None,
    }  # fmt: skip
    with pytest.raises(ChildError, match="nothing"):
        EngineProcess(loading)
