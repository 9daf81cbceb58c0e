"""Models of several makes: what is trained of them, and those that are refused before it is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

from sentixrl.bundle import ModelBundle
from sentixrl.engines.local._hf import load_model
from sentixrl.engines.local.checkpoint import read_weights
from sentixrl.errors import ConfigError, ModelError
from sentixrl.training.finishing import trained_matrices
from sentixrl.training.lowrank import difference, write_adapter
from sentixrl.training.model import load_trainable, start_adapter

from ..conftest import MakeModel
from .small import recipe

pytestmark = pytest.mark.usefixtures("float32")

OTHERS: dict[str, dict[str, Any]] = {
    "GPTNeoX": {"hidden_size": 16, "num_hidden_layers": 2, "intermediate_size": 32},
    "OPT": {"hidden_size": 16, "num_hidden_layers": 2, "ffn_dim": 32, "word_embed_proj_dim": 16},
    "GPT2": {"n_embd": 16, "n_layer": 2},
}


def other(make: str, folder: Path, base: Path) -> Path:
    """A tiny random model that is no Llama, with the tokeniser of one."""
    heads = {"n_head": 2} if make == "GPT2" else {"num_attention_heads": 2}
    size = json.loads((base / "config.json").read_text())["vocab_size"]
    ends = {"bos_token_id": 0, "eos_token_id": 1, "pad_token_id": 1}
    config = getattr(transformers, f"{make}Config")(
        vocab_size=size, **OTHERS[make], **heads, **ends
    )
    name = "GPT2LMHeadModel" if make == "GPT2" else f"{make}ForCausalLM"
    torch.manual_seed(0)
    getattr(transformers, name)(config).save_pretrained(folder)
    for path in base.glob("tokenizer*"):
        (folder / path.name).write_text(path.read_text("utf-8"), "utf-8")
    return folder


@pytest.mark.parametrize("method", ["full", "lora"])
@pytest.mark.parametrize("make", ["GPTNeoX", "OPT"])
def test_what_is_trained_is_shipped_whatever_its_name(
    base: Path, tmp_path: Path, make: str, method: str
) -> None:
    folder = other(make, tmp_path / "base", base)
    trainable = load_trainable(recipe(folder, method=method))
    with torch.no_grad():
        for parameter in trainable.trained.values():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    trained = dict(trained_matrices(trainable))
    assert len(trained) > 7
    assert "head" not in " ".join(trained)
    held = read_weights(folder)
    pairs = difference(held, trained.items(), 16)
    write_adapter(pairs, tmp_path / "adapter", str(folder))
    model = load_model(folder, torch.float32, torch.device("cpu"), adapter=tmp_path / "adapter")
    shipped = model.state_dict()
    for name, value in trained.items():
        assert not torch.equal(value, held[name])
        assert (shipped[name] - value).norm() < 0.01 * (value - held[name]).norm()


@pytest.mark.parametrize("method", ["full", "lora"])
def test_layers_that_are_not_linear_are_refused_at_the_start(
    base: Path, tmp_path: Path, method: str
) -> None:
    folder = other("GPT2", tmp_path, base)
    with pytest.raises(ModelError, match="has layers of its own kind"):
        load_trainable(recipe(folder, method=method))


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_checkpoint_of_other_names_is_refused_at_the_start(
    make_model: MakeModel, method: str
) -> None:
    """As one that was saved without its head, which transformers loads all the same."""
    folder = make_model(seed=1, num_hidden_layers=2)
    weights = load_file(folder / "model.safetensors")
    bare = {name.removeprefix("model."): value for name, value in weights.items()}
    save_file(bare, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"has no 'model\.layers\.0\.") as caught:
        load_trainable(recipe(folder, method=method))
    assert "save_pretrained" in (caught.value.hint or "")


def test_a_base_is_the_same_however_its_folder_is_written(
    base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "foo").symlink_to(base)
    monkeypatch.chdir(tmp_path)
    ModelBundle("begun", "models/foo", trained=True).save(Path("start"))
    one = recipe(Path("models/foo"), start="start")
    assert start_adapter(one) is None
    with pytest.raises(ConfigError, match="starts from 'begun', which has the base"):
        start_adapter(recipe(tmp_path / "models", start="start"))
