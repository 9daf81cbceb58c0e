"""Configurations become architectures; what is another model is none of ours."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from sentixrl.engines.local.architecture import Architecture, Rotary
from sentixrl.errors import ModelError

HUB_GEMMA: dict[str, Any] = {
    # As published: what equals transformers' defaults is left out.
    "architectures": ["Gemma3ForCausalLM"],
    "hidden_size": 1152,
    "intermediate_size": 6912,
    "num_hidden_layers": 7,
    "num_attention_heads": 4,
    "num_key_value_heads": 1,
    "sliding_window": 512,
    "rope_theta": 1e6,
    "rope_local_base_freq": 1e4,
    "vocab_size": 262_144,
    "rope_scaling": {"rope_type": "linear", "factor": 8.0},
}


def read(**changes: Any) -> Architecture | None:  # noqa: ANN401
    return Architecture.of({**HUB_GEMMA, **changes})


def test_a_published_configuration_says_what_transformers_takes_it_for() -> None:
    from transformers import Gemma3TextConfig

    settings = {key: value for key, value in HUB_GEMMA.items() if key != "architectures"}
    whole = {**Gemma3TextConfig(**settings).to_dict(), "architectures": ["Gemma3ForCausalLM"]}
    found = read()
    assert found is not None
    assert found == Architecture.of(whole)
    assert [kind.window for kind in found.layers] == [512] * 5 + [None, 512]
    assert found.layers[5].rotary == Rotary(1e6, 8.0)
    assert found.layers[6].rotary == Rotary(1e4)
    assert (found.head_dim, found.tied, found.attention_scale) == (256, True, 1 / 16)


@pytest.mark.parametrize(
    "changes",
    [
        {"architectures": ["Gemma3ForConditionalGeneration"]},
        {"architectures": None},
        {"architectures": [["Gemma3ForCausalLM"]]},
        {"attn_logit_softcapping": 50.0},
        {"use_bidirectional_attention": True},
        {"layer_types": ["full_attention"] * 6 + ["linear_attention"]},
        {"rope_scaling": {"rope_type": "yarn", "factor": 8.0}},
        {"quantization_config": {"bits": 4}},
    ],
    ids=str,
)
def test_other_choices_are_none_of_ours(changes: dict[str, Any]) -> None:
    assert read(**changes) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"hidden_size": None},
        {"num_hidden_layers": "x"},
        {"sliding_window_pattern": 0},
        {"query_pre_attn_scalar": 0},
        {"sliding_window": None},
        {"rope_scaling": {"rope_type": "linear"}},
        {"rope_parameters": "x"},
        {"layer_types": [["full_attention"]] * 7},
        {"head_dim": -2},
    ],
    ids=str,
)
def test_numbers_that_cannot_be_right_are_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(ModelError, match=r"config\.json does not fit a Gemma3ForCausalLM"):
        read(**changes)


def test_linear_scaling_slows_all_rotations_alike() -> None:
    plain, slowed = (Rotary(1e4, scaling).frequencies(8) for scaling in (1.0, 4.0))
    torch.testing.assert_close(slowed * 4, plain)
