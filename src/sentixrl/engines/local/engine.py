"""The local engine: prompts become a trie, the trie becomes packs, the model computes packs.

Contract: scores are exact log-probabilities of whole choices. Sessions keep keys and values, so
the next round's prompts cost only their new tokens, and they count what they keep against a budget.
What all prompts begin with is computed once for all sessions.
A request that is too long for the model is a ``too_long`` failure in its place. Threads share the
weights; each session computes on the threads its engine gives it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from threading import Lock
from types import TracebackType
from typing import Self

import numpy as np
import torch

from sentixrl.context.prompt import Prompt
from sentixrl.engines.local.computing import SHORTEST_PREAMBLE, Decoder, Preambles, compute
from sentixrl.engines.local.decoding import Decoding
from sentixrl.engines.local.hardware import processor_name
from sentixrl.engines.local.memory import FreedMemory
from sentixrl.engines.local.prompt_format import PromptFormat, Text, branches
from sentixrl.engines.local.store import KeyValueStore
from sentixrl.engines.local.threads import Threading, compute_on
from sentixrl.engines.protocol import (
    Capabilities,
    Completion,
    Cost,
    Facts,
    Failure,
    GenerateRequest,
    ScoreRequest,
    Scores,
    Usage,
)
from sentixrl.trie import Node, PackBudget, PromptTrie, ReadOut, totals
from sentixrl.trie.trie import Tokens

SESSION_TOKENS = 12_000
"""The tokens a session holds before it admits no more: some 280 MB at 135M parameters."""


class LocalEngine:
    """A model on this machine.

    Args:
        name: The model's name in results.
        decoder: The model.
        text: Its tokenisation.
        prompt_format: How prompts become text.
        context_tokens: The longest sequence it reads.
        budget: Bounds on packs.
        threading: How many sessions compute at once, each on how many threads.
        facts: Gives what is known about its weights, for :meth:`describe`.
        session_tokens: What a session may hold before it admits no more.
    """

    def __init__(
        self,
        name: str,
        decoder: Decoder,
        text: Text,
        prompt_format: PromptFormat,
        context_tokens: int,
        budget: PackBudget | None = None,
        threading: Threading | None = None,
        facts: Callable[[], Facts] | None = None,
        session_tokens: int = SESSION_TOKENS,
    ) -> None:
        self.name = name
        self.decoder = decoder
        self.text = text
        self.prompt_format = prompt_format
        self.budget = budget or PackBudget()
        self.threading = threading or Threading(workers=1, threads=None)
        self.session_tokens = session_tokens
        self.preambles = Preambles(decoder, self.budget, self.count)
        self.freed = FreedMemory()
        self._facts = facts or dict
        self._usage = Usage()
        self._counting = Lock()
        self.capabilities = Capabilities(
            score=True,
            constrain=True,
            context_tokens=context_tokens,
            parameters=decoder.parameters,
            workers=self.threading.workers,
        )

    @property
    def usage(self) -> Usage:
        """What it has computed so far, in all threads."""
        return self._usage

    def describe(self) -> Facts:
        """Hash of the weights if known, prompt format and number format."""
        return {
            **self._facts(),
            "prompt_format": self.prompt_format.name,
            "dtype": str(self.decoder.dtype).removeprefix("torch."),
        }

    def machine(self) -> Facts:
        """Processor, device, number format, and how its threads are used."""
        return {
            "processor": processor_name(self.decoder.device),
            "device": str(self.decoder.device),
            "dtype": str(self.decoder.dtype).removeprefix("torch."),
            "workers": self.threading.workers,
            "threads": self.threading.threads or torch.get_num_threads(),
        }

    def count_tokens(self, text: str) -> int:
        """How many tokens ``text`` takes as one segment."""
        return len(self.text.bare(text))

    def session(self) -> LocalSession:
        """Open a session; closing it frees its keys and values."""
        return LocalSession(self)

    def count(self, more: Usage) -> None:
        """Add to what was computed."""
        with self._counting:
            self._usage += more


class LocalSession:
    """Scores and generates over one growing trie.

    Args:
        engine: Whose model computes.
    """

    def __init__(self, engine: LocalEngine) -> None:
        self._engine = engine
        self._trie = PromptTrie()
        self._store = KeyValueStore()
        # The prompt (kept, because the key is its id), its tokens, and how many of them were new.
        self._admitted: dict[int, tuple[Prompt, Tokens, int]] = {}

    @property
    def nbytes(self) -> int:
        """Memory its keys and values hold, in bytes."""
        return self._store.nbytes

    def __enter__(self) -> Self:
        compute_on(self._engine.threading.threads)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        held = self._store.nbytes
        self._trie = PromptTrie()
        self._store = KeyValueStore()
        self._admitted.clear()
        if self._engine.decoder.device.type == "cpu":
            self._engine.freed.add(held)

    def admit(self, request: ScoreRequest | GenerateRequest) -> bool:
        """Whether the prompt's new tokens fit the session's budget; if so, they are in the trie."""
        prompt = self._engine.prompt_format.encode(request.prompt)
        held, room = self._trie.slots, self._engine.session_tokens
        tight = held and held + len(prompt) > room  # else it fits, whatever it shares
        if tight and held + self._trie.missing(prompt) > room:
            return False
        if self._too_long(len(prompt)) is None:  # otherwise it fails when it is asked
            begun = self._begin(request.prompt, prompt)
            held = self._trie.slots
            self._trie.insert(prompt)
            known = (request.prompt, prompt, begun + self._trie.slots - held)
            self._admitted.setdefault(id(request.prompt), known)
        return True

    def _encoded(self, request: ScoreRequest | GenerateRequest) -> tuple[Tokens, int]:
        """A request's prompt, and how many tokens were computed or became pending for it so far."""
        known = self._admitted.pop(id(request.prompt), None)
        if known is None:
            prompt = self._engine.prompt_format.encode(request.prompt)
            return prompt, self._begin(request.prompt, prompt)
        return known[1:]

    @torch.inference_mode()
    def _begin(self, prompt: Prompt, tokens: Tokens) -> int:
        """Take over a session's first preamble; returns how many tokens were computed now."""
        if self._trie.slots:
            return 0
        length = self._engine.prompt_format.preamble(prompt)
        if length < SHORTEST_PREAMBLE or self._too_long(len(tokens)) is not None:
            return 0
        preamble, computed = self._engine.preambles.of(tokens[:length])
        self._trie.insert(tokens[:length])
        self._trie.take_pending()
        self._store.reserve(len(tokens))
        self._store.adopt(preamble, length)
        return computed

    @torch.inference_mode()
    def score(self, requests: Sequence[ScoreRequest]) -> list[Scores | Failure]:
        """Log P(choice | prompt) of each choice, normalised over the request's choices."""
        start = time.perf_counter()
        answers: list[Scores | Failure | None] = [None] * len(requests)
        out, places, tokens = ReadOut(self._trie), list[int](), list[int]()
        alone = 0
        for index, request in enumerate(requests):
            prompt, fresh = self._encoded(request)
            choices = branches(self._engine.prompt_format, request.prompt, request.choices)
            failure = self._too_long(len(prompt) + max(map(len, choices)))
            if failure is not None:
                answers[index] = failure
                continue
            slots, nodes = self._trie.slots, len(out.nodes)
            out.add(prompt, choices)
            places.append(index)
            again = sum(not node.pending for node in out.nodes[nodes:])  # their last tokens
            tokens.append(fresh + self._trie.slots - slots + again)
            alone += sum(len(prompt) + len(choice) - 1 for choice in choices)
        hidden = self._compute(out.nodes)
        scores = self._read_off(hidden, out)
        masses = self._masses(hidden, out, [requests[place].mass for place in places])
        seconds = time.perf_counter() - start
        costs = _shares(tokens, seconds)
        for place, log_probs, mass, cost in zip(places, scores, masses, costs, strict=True):
            answers[place] = Scores(tuple(log_probs), True, mass, cost)
        self._count(len(requests), alone, seconds)
        return [answer for answer in answers if answer is not None]

    @torch.inference_mode()
    def generate(self, requests: Sequence[GenerateRequest]) -> list[Completion | Failure]:
        """Continue each prompt greedily, or with the likeliest of its choices."""
        closed = {place: request for place, request in enumerate(requests) if request.choices}
        free = {place: request for place, request in enumerate(requests) if not request.choices}
        answers = self._choose(closed) | self._write(free)
        return [answers[place] for place in range(len(requests))]

    def _choose(self, requests: Mapping[int, GenerateRequest]) -> dict[int, Completion | Failure]:
        asked = [ScoreRequest(one.prompt, one.choices or ()) for one in requests.values()]
        scored = self.score(asked) if asked else []
        return {
            place: self._likeliest(request, scores)
            for (place, request), scores in zip(requests.items(), scored, strict=True)
        }

    def _write(self, requests: Mapping[int, GenerateRequest]) -> dict[int, Completion | Failure]:
        if not requests:
            return {}
        start = time.perf_counter()
        answers: dict[int, Completion | Failure] = {}
        decoding = Decoding(self._engine.text, self._engine.prompt_format)
        alone = 0
        for place, request in requests.items():
            prompt, fresh = self._encoded(request)
            failure = self._too_long(len(prompt) + request.max_tokens)
            if failure is not None:
                answers[place] = failure
                continue
            alone += len(prompt)
            fresh += self._trie.missing(prompt)
            decoding.add(place, self._trie.insert(prompt), request, fresh)
        while decoding.open:
            hidden = self._compute(decoding.ends())
            decoding.step(self._engine.decoder.head.likeliest(hidden).tolist(), self._trie)
        said = decoding.completions()
        seconds = time.perf_counter() - start
        costs = _shares([reply.cost.tokens for reply in said.values()], seconds)
        for (place, reply), cost in zip(said.items(), costs, strict=True):
            answers[place] = replace(reply, cost=cost)
        self._count(len(requests), alone, seconds)
        return answers

    def _likeliest(
        self, request: GenerateRequest, scores: Scores | Failure
    ) -> Completion | Failure:
        if isinstance(scores, Failure):
            return scores
        best = max(range(len(scores.log_probs)), key=scores.log_probs.__getitem__)
        word = (request.choices or ())[best]
        return Completion(word, self._engine.count_tokens(word), scores.cost)

    def _too_long(self, length: int) -> Failure | None:
        limit = self._engine.capabilities.context_tokens
        if limit is None or length <= limit:
            return None
        return Failure(
            "too_long",
            f"The prompt takes at least {length:,} tokens; the model reads {limit:,}.",
            hint="Shorten the utterance or the history window, or use a model that reads more.",
        )

    def _compute(self, reads: Sequence[Node]) -> torch.Tensor:
        """Hidden states at the end of each read, ``[n_reads, hidden]``."""
        hidden, more = compute(
            self._engine.decoder, self._trie, self._store, reads, self._engine.budget
        )
        self._engine.count(more)
        return hidden

    def _count(self, requests: int, prompt_tokens: int, seconds: float) -> None:
        self._engine.count(Usage(requests, 0, prompt_tokens, 0, 0, seconds))

    def _read_off(self, hidden: torch.Tensor, out: ReadOut) -> list[list[float]]:
        """Normalised log-probabilities of each question's choices.

        At the prompt's end all choices share one normaliser, which cancels: only the rows of their
        first tokens are needed. Inside choices the whole vocabulary is needed.
        """
        steps = out.steps()
        if not len(steps.read):
            return []
        head, device = self._engine.decoder.head, hidden.device
        where = torch.from_numpy(steps.read).to(device)
        used, position = torch.unique(torch.from_numpy(steps.token).to(device), return_inverse=True)
        values = head.logits(hidden, used)[where, position]
        if steps.inner.any():
            inner = torch.from_numpy(steps.inner).to(device)
            states, place = torch.unique(where[inner], return_inverse=True)
            values[inner] -= head.normalisers(hidden.index_select(0, states))[place]
        return totals(values.double().cpu().numpy(), steps.choice, out.sizes)

    def _masses(
        self, hidden: torch.Tensor, out: ReadOut, wanted: Sequence[bool]
    ) -> list[float | None]:
        """How much of the probability the first tokens of each question's choices hold."""
        masses: list[float | None] = [None] * len(wanted)
        asked = [number for number, mass in enumerate(wanted) if mass]
        if not asked:
            return masses
        head, steps = self._engine.decoder.head, out.steps()
        question = np.repeat(np.arange(len(out.sizes)), out.sizes)[steps.choice]
        states = hidden[[out.ends[number] for number in asked]]
        totals = head.normalisers(states)
        for place, number in enumerate(asked):
            first = torch.from_numpy(np.unique(steps.token[(question == number) & ~steps.inner]))
            logits = head.logits(states[place : place + 1], first.to(hidden.device))
            masses[number] = min(1.0, float((logits.logsumexp(-1) - totals[place]).exp()))
        return masses


def _shares(tokens: Sequence[int], seconds: float) -> list[Cost]:
    """The cost of each answer of a batch: its own tokens, and its share of the time by tokens."""
    total = sum(tokens)
    even = seconds / len(tokens) if tokens else 0.0
    return [Cost(own, seconds * own / total if total else even) for own in tokens]
