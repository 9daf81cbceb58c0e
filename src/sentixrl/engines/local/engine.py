"""The local engine: prompts become a trie, the trie becomes packs, packs meet the model.

Contract: scores are exact log-probabilities of whole choices. Sessions keep keys and values, so
the next round's prompts cost only their new tokens. A request that does not fit the model is a
``too_long`` failure in its place.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Protocol, Self

import numpy as np
import torch

from sentixrl.engines.local.attention import PackPlan
from sentixrl.engines.local.decoding import Decoding
from sentixrl.engines.local.framing import Framing, Text, branches
from sentixrl.engines.local.head import Head
from sentixrl.engines.local.store import KeyValueStore
from sentixrl.engines.protocol import (
    Capabilities,
    Completion,
    Failure,
    GenerateRequest,
    ScoreRequest,
    Scores,
)
from sentixrl.trie import Node, PackBudget, PromptTrie, plan
from sentixrl.trie.trie import Tokens


class Decoder(Protocol):
    """A language model that computes packs."""

    dtype: torch.dtype
    device: torch.device
    head: Head
    """What makes logits of its hidden states."""
    parameters: int
    """How many the model has."""

    def hidden(self, plan: PackPlan) -> torch.Tensor:
        """Final hidden states of the tokens a pack reads, ``[n_reads, hidden]``."""
        ...


@dataclass(slots=True)
class Counters:
    """What an engine has computed, in tokens and pairs.

    Attributes:
        tokens: Tokens computed.
        prompt_tokens: Tokens the prompts and choices hold when each stands alone.
        visible_pairs: Query–key pairs that carry attention, a layer.
        packs: Forward passes.
    """

    tokens: int = 0
    prompt_tokens: int = 0
    visible_pairs: int = 0
    packs: int = 0


class LocalEngine:
    """A model on this machine.

    Args:
        name: What results say answered them.
        decoder: The model.
        text: Its tokenisation.
        framing: How prompts become text.
        context_tokens: The longest sequence it reads.
        budget: Bounds on packs.
    """

    def __init__(
        self,
        name: str,
        decoder: Decoder,
        text: Text,
        framing: Framing,
        context_tokens: int,
        budget: PackBudget | None = None,
    ) -> None:
        self.name = name
        self.decoder = decoder
        self.text = text
        self.framing = framing
        self.budget = budget or PackBudget()
        self.counters = Counters()
        self.capabilities = Capabilities(
            score=True,
            constrain=True,
            context_tokens=context_tokens,
            parameters=decoder.parameters,
        )

    def count_tokens(self, text: str) -> int:
        """How many tokens ``text`` takes as one segment."""
        return len(self.text.bare(text))

    def session(self) -> LocalSession:
        """Open a session; closing it frees its keys and values."""
        return LocalSession(self)


@dataclass(slots=True)
class _Choices:
    """One score request in the trie: where each choice's tokens are read off.

    Attributes:
        reads: Nodes whose hidden states predict the next token, the prompt's end first.
        steps: For each choice, pairs of (index into ``reads``, token predicted there).
    """

    reads: list[Node] = field(default_factory=list)
    steps: list[list[tuple[int, int]]] = field(default_factory=list)


class LocalSession:
    """Scores and generates over one growing trie.

    Args:
        engine: Whose model computes.
    """

    def __init__(self, engine: LocalEngine) -> None:
        self._engine = engine
        self._trie = PromptTrie()
        self._store = KeyValueStore()

    @property
    def nbytes(self) -> int:
        """Memory its keys and values hold, in bytes."""
        return self._store.nbytes

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._trie = PromptTrie()
        self._store = KeyValueStore()

    @torch.inference_mode()
    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores | Failure]:
        """Log P(choice | prompt) of each choice, normalised over the request's choices."""
        answers: list[Scores | Failure | None] = [None] * len(requests)
        items: dict[int, _Choices] = {}
        for index, request in enumerate(requests):
            prompt = self._engine.framing.encode(request.prompt)
            choices = branches(self._engine.framing, request.prompt, request.choices)
            longest = len(prompt) + max(len(branch) for branch in choices)
            failure = self._too_long(longest)
            if failure is not None:
                answers[index] = failure
                continue
            items[index] = self._insert(prompt, choices)
        hidden = self._compute([node for item in items.values() for node in item.reads])
        offset = 0
        pieces = []
        for item in items.values():
            pieces.append((offset, item))
            offset += len(item.reads)
        for index, log_probs in zip(items, self._read_off(hidden, pieces), strict=True):
            answers[index] = Scores(tuple(log_probs))
        return [answer for answer in answers if answer is not None]

    @torch.inference_mode()
    def generate(self, requests: Sequence[GenerateRequest]) -> list[Completion | Failure]:
        """Continue each prompt greedily, or with the likeliest of its choices."""
        answers: list[Completion | Failure | None] = [None] * len(requests)
        closed = [index for index, request in enumerate(requests) if request.choices]
        scored = self.score(
            [
                ScoreRequest(requests[index].prompt, requests[index].choices or ())
                for index in closed
            ]
        )
        for index, scores in zip(closed, scored, strict=True):
            if isinstance(scores, Failure):
                answers[index] = scores
                continue
            best = max(range(len(scores.log_probs)), key=scores.log_probs.__getitem__)
            word = (requests[index].choices or ())[best]
            answers[index] = Completion(word, self._engine.count_tokens(word))
        decoding = Decoding(self._engine.text, self._engine.framing)
        for index, request in enumerate(requests):
            if request.choices:
                continue
            prompt = self._engine.framing.encode(request.prompt)
            failure = self._too_long(len(prompt) + request.max_tokens)
            if failure is not None:
                answers[index] = failure
                continue
            self._engine.counters.prompt_tokens += len(prompt)
            decoding.add(index, self._trie.insert(prompt), request)
        while decoding.open:
            hidden = self._compute(decoding.ends())
            tokens = self._engine.decoder.head.likeliest(hidden).tolist()
            decoding.step(tokens, self._trie)
        for index, completion in decoding.completions().items():
            answers[index] = completion
        return [answer for answer in answers if answer is not None]

    def _too_long(self, length: int) -> Failure | None:
        limit = self._engine.capabilities.context_tokens
        if limit is None or length <= limit:
            return None
        return Failure(
            "too_long",
            f"The prompt takes at least {length:,} tokens; the model reads {limit:,}.",
            hint="Shorten the utterance or the history window, or use a model that reads more.",
        )

    def _insert(self, prompt: Tokens, branches: Sequence[tuple[int, ...]]) -> _Choices:
        """Put a prompt and its choices into the trie.

        A choice's last token is predicted, never computed.
        """
        item = _Choices()
        end = self._trie.insert(prompt)
        places: dict[tuple[int, ...], int] = {(): 0}
        item.reads.append(end)
        for branch in branches:
            steps = []
            for length, token in enumerate(branch):
                before = branch[:length]
                if before not in places:
                    places[before] = len(item.reads)
                    node = self._trie.insert(np.array(before, np.int64), below=end)
                    item.reads.append(node)
                steps.append((places[before], token))
            item.steps.append(steps)
            self._engine.counters.prompt_tokens += len(prompt) + len(branch) - 1
        return item

    def _compute(self, reads: Sequence[Node]) -> torch.Tensor:
        """Hidden states at the end of each read, ``[n_reads, hidden]``."""
        engine = self._engine
        return compute(
            engine.decoder, self._trie, self._store, reads, engine.budget, engine.counters
        )

    def _read_off(
        self, hidden: torch.Tensor, pieces: Sequence[tuple[int, _Choices]]
    ) -> list[list[float]]:
        """Normalised log-probabilities of each item's choices.

        At the prompt's end all choices share one normaliser, which cancels: only the rows of
        their first tokens are needed. Further down the whole vocabulary is.
        """
        head = self._engine.decoder.head
        steps = [
            (offset + read, token)
            for offset, item in pieces
            for choice in item.steps
            for read, token in choice
        ]
        if not steps:
            return []
        where = torch.tensor([read for read, _ in steps], device=hidden.device)
        token = torch.tensor([token for _, token in steps], device=hidden.device)
        used, position = torch.unique(token, return_inverse=True)
        values = head.logits(hidden, used)[where, position]
        inner = torch.tensor(
            [read != 0 for _, item in pieces for choice in item.steps for read, _ in choice],
            device=hidden.device,
        )
        if bool(inner.any()):
            states, place = torch.unique(where[inner], return_inverse=True)
            values[inner] -= head.normalisers(hidden.index_select(0, states))[place]
        totals = values.double().cpu().numpy()
        return list(_totals(totals, [item for _, item in pieces]))


def compute(
    decoder: Decoder,
    trie: PromptTrie,
    store: KeyValueStore,
    reads: Sequence[Node],
    budget: PackBudget,
    counters: Counters,
) -> torch.Tensor:
    """Compute what is pending of a trie.

    Args:
        decoder: The model.
        trie: The prompts.
        store: Keys and values of what was computed before; grows.
        reads: Nodes at whose ends hidden states are wanted.
        budget: Bounds on packs.
        counters: Count along.

    Returns:
        ``[n_reads, hidden]``.
    """
    packs = plan(trie, reads, budget)
    store.reserve(trie.slots)
    width = decoder.head.weight.shape[1]
    hidden = torch.empty((len(reads), width), dtype=decoder.dtype, device=decoder.device)
    for pack in packs:
        tensors = PackPlan.of(pack, store, decoder.dtype, decoder.device)
        ids = torch.from_numpy(pack.read_ids).to(decoder.device)
        hidden.index_copy_(0, ids, decoder.hidden(tensors))
        counters.tokens += len(pack)
        counters.visible_pairs += pack.visible_pairs
        counters.packs += 1
    return hidden


def _totals(values: np.ndarray, items: Sequence[_Choices]) -> list[list[float]]:
    """Sum each choice's steps and normalise within its item."""
    results = []
    at = 0
    for item in items:
        sums = np.empty(len(item.steps))
        for choice, steps in enumerate(item.steps):
            sums[choice] = values[at : at + len(steps)].sum()
            at += len(steps)
        with np.errstate(invalid="ignore"):  # NaN stays NaN; whoever asked says what that means
            sums -= np.logaddexp.reduce(sums)
        results.append(sums.tolist())
    return results
