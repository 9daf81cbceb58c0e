"""The prompt trie: shared prefixes computed once. Pure numpy; knows no model."""

from sentixrl.trie.packing import Pack, PackBudget, Row, plan
from sentixrl.trie.readout import ReadOut, Steps, totals
from sentixrl.trie.trie import Node, PromptTrie

__all__ = ["Node", "Pack", "PackBudget", "PromptTrie", "ReadOut", "Row", "Steps", "plan", "totals"]
