"""The trie shares every prefix once, and its packs let each token see its ancestors and no more."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from sentixrl.trie import Node, Pack, PackBudget, PromptTrie, plan

Sequences = list[list[int]]
sequences = st.lists(st.lists(st.integers(0, 3), min_size=1, max_size=9), min_size=1, max_size=12)
budgets = st.builds(
    PackBudget, pack=st.integers(1, 12), row=st.integers(1, 9), waste=st.integers(1, 9)
)


def insert_all(trie: PromptTrie, items: Sequences) -> list[Node]:
    return [trie.insert(np.array(item, np.int64)) for item in items]


def text_of(node: Node) -> list[int]:
    runs = [n.tokens.tolist() for n in node.path()]
    return [token for run in reversed(runs) for token in run]


def prefixes(items: Sequences) -> set[tuple[int, ...]]:
    return {tuple(item[:length]) for item in items for length in range(1, len(item) + 1)}


def seen_by(packs: list[Pack], known: dict[int, tuple[int, ...]]) -> dict[int, tuple[int, ...]]:
    """Slot → the sequence that ends there, told from what each token attends to alone."""
    for pack in packs:
        own = dict(zip(pack.slots.tolist(), pack.tokens.tolist(), strict=True))
        position = dict(zip(pack.slots.tolist(), pack.positions.tolist(), strict=True))
        fresh: dict[int, tuple[int, ...]] = {}
        for row in pack.rows:
            visible = row.visible()
            for place, slot in enumerate(pack.slots[row.start : row.stop].tolist()):
                keys = row.keys[visible[place]].tolist()
                assert slot in keys, "a token sees itself"
                before = [key for key in keys if key != slot]
                last = max(before, key=lambda k: len(known.get(k) or fresh[k]), default=None)
                above = () if last is None else (known.get(last) or fresh[last])
                assert len(above) == len(before) == position[slot], "it sees its ancestors alone"
                fresh[slot] = (*above, own[slot])
        known |= fresh
    return known


@given(sequences)
def test_every_prefix_is_stored_once(items: Sequences) -> None:
    trie = PromptTrie()
    nodes = insert_all(trie, items)
    assert trie.slots == len(prefixes(items))
    assert [text_of(node) for node in nodes] == items


@given(sequences, sequences)
def test_nodes_keep_their_meaning_when_more_is_inserted(first: Sequences, then: Sequences) -> None:
    trie = PromptTrie()
    nodes = insert_all(trie, first)
    slots = [node.slot + len(node.tokens) - 1 for node in nodes]
    insert_all(trie, then)
    assert [text_of(node) for node in nodes] == first
    assert [node.slot + len(node.tokens) - 1 for node in nodes] == slots


@given(sequences)
def test_what_is_missing_is_what_inserting_takes(items: Sequences) -> None:
    trie = PromptTrie()
    for item in items:
        tokens = np.array(item, np.int64)
        before, missing = trie.slots, trie.missing(tokens)
        assert trie.slots == before, "asking changes nothing"
        trie.insert(tokens)
        assert trie.slots - before == missing
        assert trie.missing(tokens) == 0


@settings(max_examples=200)
@given(sequences, sequences, budgets)
def test_packs_compute_each_token_once_under_its_own_ancestors(
    first: Sequences, then: Sequences, budget: PackBudget
) -> None:
    trie = PromptTrie()
    known: dict[int, tuple[int, ...]] = {}
    for items in (first, then):
        before = set(known)
        nodes = insert_all(trie, items)
        packs = plan(trie, nodes, budget)
        slots = [slot for pack in packs for slot in pack.slots.tolist()]
        assert len(slots) == len(set(slots))
        known = seen_by(packs, known)
        fresh = set(slots) - before
        assert {known[slot] for slot in fresh} == prefixes(items) - {known[s] for s in before}
        for read_id, node in enumerate(nodes):
            pack = next(p for p in packs if read_id in p.read_ids)
            place = int(pack.reads[pack.read_ids.tolist().index(read_id)])
            assert known[int(pack.slots[place])] == tuple(items[read_id])
            assert pack.slots[place] == node.slot + len(node.tokens) - 1


@given(sequences, budgets)
def test_packs_keep_to_their_budget(items: Sequences, budget: PackBudget) -> None:
    trie = PromptTrie()
    packs = plan(trie, insert_all(trie, items), budget)
    assert all(len(pack) <= budget.pack for pack in packs)
    assert all(row.stop - row.start <= budget.row for pack in packs for row in pack.rows)
    for pack in packs:
        assert pack.rows[0].start == 0
        assert pack.rows[-1].stop == len(pack)


@given(sequences)
def test_pair_counts_are_those_of_the_masks(items: Sequences) -> None:
    trie = PromptTrie()
    for pack in plan(trie, insert_all(trie, items), PackBudget()):
        assert pack.visible_pairs == sum(int(row.visible().sum()) for row in pack.rows)
        for row in pack.rows:
            reach = row.distance()[row.visible()]
            assert (reach >= 0).all()


def test_a_node_read_again_costs_one_token() -> None:
    trie = PromptTrie()
    node = trie.insert(np.array([5, 6, 7], np.int64))
    plan(trie, [node], PackBudget())
    (pack,) = plan(trie, [node], PackBudget())
    assert pack.tokens.tolist() == [7]
    assert pack.positions.tolist() == [2]
    assert len(pack.rows[0].keys) == 3


def test_nothing_to_compute_gives_no_packs() -> None:
    assert plan(PromptTrie(), [], PackBudget()) == []


def test_a_dialogue_shares_its_trunk() -> None:
    """Ten turns of five tokens and a two-token branch each: 70 tokens, not 10 · (5 + … + 50)."""
    trie = PromptTrie()
    turns = [[100 + turn] * 5 for turn in range(10)]
    reads = [
        trie.insert(np.array([t for turn in turns[: end + 1] for t in turn] + [1, 200 + end]))
        for end in range(10)
    ]
    packs = plan(trie, reads, PackBudget())
    assert sum(len(pack) for pack in packs) == 10 * 5 + 10 * 2
