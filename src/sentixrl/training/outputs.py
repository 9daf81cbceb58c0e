"""What a model says at a pack's reads: hidden states, and logits of the tokens that are asked for.

Contract: the whole vocabulary's logits are made only where a loss needs their normaliser. A closed
question of single tokens never does, and for a wide vocabulary they would cost as much as all
layers. Logits are float32, as at inference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from sentixrl.engines.local._hf import TransformersDecoder, attending
from sentixrl.engines.local.head import Head
from sentixrl.training.attention import TrainingPlan
from sentixrl.trie import Pack


@dataclass(frozen=True, slots=True)
class Outputs:
    """A model's answer to a pack.

    Attributes:
        states: Final hidden states at the pack's reads, ``[n_reads, hidden]``.
        head: Makes logits of them.
    """

    states: torch.Tensor
    head: Head

    def logits(self, read: torch.Tensor, token: torch.Tensor) -> torch.Tensor:
        """The logit of one token at each of some reads, ``[n]`` from ``[n]`` and ``[n]``."""
        return self.head.paired(self.states[read], token)

    def normalisers(self, read: torch.Tensor) -> torch.Tensor:
        """Log Σ exp of the whole vocabulary's logits at some reads, ``[n]`` from ``[n]``."""
        reads, places = torch.unique(read, return_inverse=True)
        return self.head.normalisers(self.states[reads])[places]


def compute(
    model: Any,  # noqa: ANN401 - transformers has no useful base type
    decoder: TransformersDecoder,
    pack: Pack,
    reads: torch.Tensor,
) -> Outputs:
    """Run a pack through a model, with gradients.

    Args:
        model: What is stepped: the decoder's model, or something around it.
        decoder: Around the model within.
        pack: All tokens.
        reads: Tokens of the pack at which it is read, ``[n_reads]``.
    """
    plan = TrainingPlan(pack, decoder.dtype, decoder.device)
    found: list[torch.Tensor] = []

    def keep(module: object, inputs: object, output: Any) -> None:  # noqa: ANN401
        found.append(output[0])

    # Whatever stands around the model (an adapter, several processes) must see the call whole, so
    # the states are caught within it; of the logits it makes, one is the least.
    hook = decoder.model.base_model.register_forward_hook(keep)
    try:
        with attending(plan):
            model(
                input_ids=plan.tokens,
                position_ids=plan.positions,
                use_cache=False,
                logits_to_keep=reads[:1],
            )
    finally:
        hook.remove()
    return Outputs(found[0][0].index_select(0, reads), decoder.head)
