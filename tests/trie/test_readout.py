"""A read-out finds, for every token of every choice, the node that predicts it."""

from __future__ import annotations

import zlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sentixrl.trie import PromptTrie, ReadOut

from .test_trie import insert_all, prefixes, sequences, text_of

Tokens = tuple[int, ...]
Questions = list[tuple[list[int], list[Tokens]]]
tokens = st.lists(st.integers(0, 3), min_size=1, max_size=4)
questions = st.lists(
    st.tuples(
        st.lists(st.integers(0, 3), min_size=1, max_size=6),
        st.lists(tokens.map(tuple), min_size=1, max_size=5),
    ),
    max_size=6,
)


def log_prob(before: list[int], token: int) -> float:
    """What a model might say: anything, but always the same."""
    return -(zlib.crc32(bytes([*before, 255, token])) % 1000) / 100


def alone(prompt: list[int], choice: Tokens) -> float:
    """log P(choice | prompt), a token at a time."""
    told = range(len(choice))
    return sum(log_prob([*prompt, *choice[:length]], choice[length]) for length in told)


def read_out(trie: PromptTrie, asked: Questions) -> ReadOut:
    out = ReadOut(trie)
    for prompt, choices in asked:
        out.add(np.array(prompt, np.int64), choices)
    return out


@given(sequences, questions)
def test_steps_add_up_to_each_choice_s_likelihood(
    before: list[list[int]], asked: Questions
) -> None:
    trie = PromptTrie()
    insert_all(trie, before)
    out = read_out(trie, asked)
    steps = out.steps()
    said = [
        log_prob(text_of(out.nodes[read]), token)
        for read, token in zip(steps.read.tolist(), steps.token.tolist(), strict=True)
    ]
    expected = [alone(prompt, choice) for prompt, choices in asked for choice in choices]
    sums = np.bincount(steps.choice, said, minlength=len(expected))
    assert sums.tolist() == pytest.approx(expected)


@given(sequences, questions)
def test_a_read_out_says_where_prompts_end_and_choices_begin(
    before: list[list[int]], asked: Questions
) -> None:
    trie = PromptTrie()
    insert_all(trie, before)
    out = read_out(trie, asked)
    assert [text_of(out.nodes[end]) for end in out.ends] == [prompt for prompt, _ in asked]
    assert out.sizes == [len(choices) for _, choices in asked]
    steps = out.steps()
    every = [choice for _, choices in asked for choice in choices]
    assert steps.choice.tolist() == [n for n, choice in enumerate(every) for _ in choice]
    assert steps.token.tolist() == [token for choice in every for token in choice]
    assert steps.inner.tolist() == [place > 0 for choice in every for place in range(len(choice))]


@given(sequences, questions)
def test_nothing_is_read_twice_and_no_last_token_computed(
    before: list[list[int]], asked: Questions
) -> None:
    trie = PromptTrie()
    insert_all(trie, before)
    out = read_out(trie, asked)
    read = [
        [*prompt, *choice[:length]]
        for prompt, choices in asked
        for choice in choices
        for length in range(len(choice))
    ]
    assert len(out.nodes) == len({id(node) for node in out.nodes})
    assert {tuple(text_of(node)) for node in out.nodes} == set(map(tuple, read))
    assert trie.slots == len(prefixes([*before, *read]))


def test_nothing_asked_has_no_steps() -> None:
    steps = ReadOut(PromptTrie()).steps()
    parts = (steps.read, steps.token, steps.inner, steps.choice)
    assert [part.shape for part in parts] == [(0,)] * 4
