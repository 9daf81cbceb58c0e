"""Where the choices of closed questions are read off a trie.

Contract: a question is a prompt and the token sequences that may continue it. Each token of each
choice is one *step*: the node whose last token predicts it, and the token. A choice's last token
is predicted, never computed. Inference and training share this plan.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sentixrl.trie.trie import Node, PromptTrie, Tokens

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Steps:
    """All steps of a read-out, in the order of questions, choices and tokens.

    Attributes:
        read: Which of the read-out's nodes predicts the step, ``[n_steps]``.
        token: Which token is predicted, ``[n_steps]``.
        inner: Whether the step lies inside a choice and so needs the normaliser over the whole
            vocabulary; at a prompt's end all choices share one normaliser, which cancels.
            ``[n_steps]``.
        choice: Which choice the step belongs to, counted over all questions, ``[n_steps]``.
    """

    read: Ints
    token: Ints
    inner: NDArray[np.bool_]
    choice: Ints


class ReadOut:
    """A read-out to which questions are added one by one.

    Args:
        trie: Holds the questions.

    Attributes:
        nodes: The nodes whose last hidden states are needed, each once.
        ends: For each question, which of the nodes ends its prompt.
        sizes: For each question, how many choices it has.
    """

    def __init__(self, trie: PromptTrie) -> None:
        self._trie = trie
        self.nodes: list[Node] = []
        self.ends: list[int] = []
        self.sizes: list[int] = []
        self._index: dict[int, int] = {}
        self._steps: list[tuple[int, int, bool, int]] = []
        self._choices = 0

    def add(self, prompt: Tokens, choices: Sequence[tuple[int, ...]]) -> None:
        """Put a question into the trie.

        Args:
            prompt: Its tokens, shape ``[length]``.
            choices: What may follow, each of one token or more.
        """
        end = self._trie.insert(prompt)
        self.ends.append(self._place(end))
        for number, choice in enumerate(choices, self._choices):
            for length, token in enumerate(choice):
                before = np.array(choice[:length], np.int64)
                node = self._trie.insert(before, below=end) if length else end
                self._steps.append((self._place(node), token, length > 0, number))
        self.sizes.append(len(choices))
        self._choices += len(choices)

    def steps(self) -> Steps:
        """All steps so far."""
        table = np.array(self._steps, np.int64).reshape(-1, 4)
        read, token, inner, choice = table.T
        return Steps(read, token, inner.astype(np.bool_), choice)

    def _place(self, node: Node) -> int:
        place = self._index.setdefault(id(node), len(self.nodes))
        if place == len(self.nodes):
            self.nodes.append(node)
        return place


def totals(values: NDArray[np.float64], choices: Ints, sizes: Sequence[int]) -> list[list[float]]:
    """Log-probabilities of each question's choices: steps summed, normalised over whole choices.

    Args:
        values: Each step's log-probability, ``[n_steps]``.
        choices: Which choice each step belongs to, as :attr:`Steps.choice`.
        sizes: How many choices each question has.
    """
    sums = np.add.reduceat(values, np.flatnonzero(np.diff(choices, prepend=-1)))
    results: list[list[float]] = []
    at = 0
    for size in sizes:
        part = sums[at : at + size]
        at += size
        with np.errstate(invalid="ignore"):  # NaN stays NaN; the caller reports it
            results.append((part - np.logaddexp.reduce(part)).tolist())
    return results
