"""What the trie is measured against in transformers: the same weights, prompt by prompt.

Contract: each contender answers the material's prompts until it is through or its time is up, in
an order that makes any beginning a fair sample, and says which label each prompt got.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from sentixrl.context.prompt import Prompt
from sentixrl.engines.local.engine import LocalEngine
from sentixrl.labels import LabelSet

BATCH = 16
NEW_TOKENS = 4


@dataclass(frozen=True, slots=True)
class Questions:
    """What every contender is asked.

    Attributes:
        prompts: Token ids of each prompt, one per utterance.
        labels: The names of the labels.
        choices: Token ids of each label as it continues a prompt.
        end: A token that ends texts, for padding.
    """

    prompts: tuple[list[int], ...]
    labels: tuple[str, ...]
    choices: tuple[tuple[int, ...], ...]
    end: int

    @classmethod
    def of(cls, engine: LocalEngine, prompts: Sequence[Prompt], labels: LabelSet) -> Questions:
        """Prompts and labels as an engine encodes them."""
        encode = engine.prompt_format.encode
        return cls(
            tuple(encode(prompt).tolist() for prompt in prompts),
            labels.names,
            tuple(engine.prompt_format.answers(prompts[0], labels.words("en"))),
            min(engine.text.end_ids),
        )

    @property
    def firsts(self) -> list[int]:
        """The first token of each label."""
        return [choice[0] for choice in self.choices]

    @property
    def single_tokens(self) -> bool:
        """Whether each label is a token of its own."""
        return all(len(choice) == 1 for choice in self.choices)


@dataclass(slots=True)
class Answers:
    """What a contender answered.

    Attributes:
        limit: Seconds after which it begins nothing more.
        tokens: Tokens that the model computed, padding included.
        labels: Prompt → place of its label; ``None`` where the answer is free text.
        seconds: How long it took.
    """

    limit: float
    tokens: int = 0
    labels: dict[int, int | None] = field(default_factory=dict)
    seconds: float = 0.0

    def until_late(self, work: Iterator[Any]) -> Iterator[Any]:
        """The pieces of work that are begun in time, one at least."""
        start = time.perf_counter()
        for piece in work:
            if self.labels and time.perf_counter() - start > self.limit:
                return
            yield piece
            self.seconds = time.perf_counter() - start


def batches(prompts: Sequence[list[int]]) -> Iterator[list[int]]:
    """Places of prompts in batches of 16 of like length, the batches shuffled."""
    places = sorted(range(len(prompts)), key=lambda place: len(prompts[place]))
    cut = [places[start : start + BATCH] for start in range(0, len(places), BATCH)]
    random.Random(0).shuffle(cut)
    yield from cut


def padded(batch: Sequence[Sequence[int]], fill: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Left-padded ids and their mask, each ``[batch, length]``."""
    length = max(map(len, batch))
    ids = torch.tensor([[fill] * (length - len(row)) + list(row) for row in batch])
    mask = torch.tensor([[0] * (length - len(row)) + [1] * len(row) for row in batch])
    return ids, mask


@torch.inference_mode()
def generate(model: Any, questions: Questions, limit: float) -> Answers:  # noqa: ANN401
    """Transformers' ``generate``: greedy, four new tokens."""
    answers = Answers(limit)
    for places in answers.until_late(batches(questions.prompts)):
        ids, mask = padded([questions.prompts[place] for place in places], questions.end)
        model.generate(
            input_ids=ids, attention_mask=mask, max_new_tokens=NEW_TOKENS,
            min_new_tokens=NEW_TOKENS, do_sample=False, pad_token_id=questions.end,
        )  # fmt: skip
        answers.tokens += ids.numel() + len(places) * (NEW_TOKENS - 1)
        answers.labels |= dict.fromkeys(places)
    return answers


@torch.inference_mode()
def unshared(model: Any, questions: Questions, limit: float) -> Answers:  # noqa: ANN401
    """One forward pass per prompt, in batches, reading the first token of each label."""
    answers = Answers(limit)
    firsts = model.get_output_embeddings().weight[torch.tensor(questions.firsts)].t()
    for places in answers.until_late(batches(questions.prompts)):
        ids, mask = padded([questions.prompts[place] for place in places], questions.end)
        positions = (mask.cumsum(-1) - 1).clamp(min=0)
        state = model.base_model(input_ids=ids, attention_mask=mask, position_ids=positions)
        best = (state.last_hidden_state[:, -1] @ firsts).argmax(-1).tolist()
        answers.tokens += ids.numel()
        answers.labels |= dict(zip(places, best, strict=True))
    return answers


def decision_pipeline(
    model: Any,  # noqa: ANN401
    folder: Path,
    questions: Questions,
    limit: float,
) -> Answers | None:
    """Transformers' ``pipeline("decision")`` on the same prompts.

    Its template is set to the prompt itself, and its labels to ours; it takes one request at a
    time. ``None`` where it cannot be asked: labels of several tokens, another transformers.
    """
    try:
        from transformers import AutoTokenizer, pipeline
        from transformers.decision import DecisionConfig
    except ImportError:
        return None
    if not questions.single_tokens:
        return None
    tokenizer = AutoTokenizer.from_pretrained(folder)
    labels = [tokenizer.decode(list(choice)) for choice in questions.choices]
    config = DecisionConfig(
        labels={"choice": labels}, chat_template="{{ state }}", sanitize_control_tokens=False
    )
    decide = pipeline("decision", model=model, tokenizer=tokenizer, decision_config=config)
    ask = {"emotion": {"type": "choice", "criteria": dict.fromkeys(labels)}}
    order = list(range(len(questions.prompts)))
    random.Random(0).shuffle(order)
    answers = Answers(limit)
    for place in answers.until_late(iter(order)):
        prompt = questions.prompts[place]
        found = decide({"state": tokenizer.decode(prompt), "questions": ask})
        answers.labels[place] = labels.index(found["emotion"]["choice"])
        answers.tokens += len(prompt)
    return answers
