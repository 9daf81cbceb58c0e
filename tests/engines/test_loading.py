"""Loading: what is not a model is a sentence; adapters are merged as PEFT merges them."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from sentixrl.context.prompt import Prompt
from sentixrl.engines.local import _hf, checkpoint, hardware
from sentixrl.engines.local._hf import TransformersDecoder, load_model
from sentixrl.engines.local.adapters import read_lora
from sentixrl.engines.local.loading import context_tokens, open_engine
from sentixrl.engines.options import EngineOptions
from sentixrl.engines.protocol import ScoreRequest, Scores
from sentixrl.errors import ModelError

from ..conftest import CHAT_TEMPLATE, MakeModel
from .test_local_scores import reference, write_foreign

CPU = torch.device("cpu")
REQUEST = ScoreRequest(Prompt().then("user", "Ann: hi").line("user", "Emotion:"), ("joy", "anger"))


def test_a_missing_path_is_not_a_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="is not a model"):
        open_engine(tmp_path / "nowhere" / "deep")


def test_a_folder_without_config_is_not_a_model(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"config\.json"):
        open_engine(tmp_path)


def test_a_folder_without_safetensors_is_refused(make_model: MakeModel) -> None:
    folder = make_model()
    (folder / "model.safetensors").unlink()
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x04.")
    with pytest.raises(ModelError, match="safetensors"):
        open_engine(folder)


def test_damaged_weights_are_a_sentence(make_model: MakeModel) -> None:
    folder = make_model()
    (folder / "model.safetensors").write_bytes(b"\x00" * 64)
    with pytest.raises(ModelError, match="cannot be read as safetensors"):
        open_engine(folder)


def test_a_damaged_tokenizer_is_a_sentence(make_model: MakeModel) -> None:
    folder = make_model()
    (folder / "tokenizer.json").write_text("{}", "utf-8")
    with pytest.raises(ModelError, match="tokenizer"):
        open_engine(folder)


@pytest.mark.parametrize("file", ["tokenizer_config.json", "generation_config.json", "config.json"])
@pytest.mark.parametrize(
    "content", [b'{"chat_template": "{% for', b"[]", b"[" * 100_000], ids=["cut", "list", "deep"]
)
def test_damaged_settings_are_a_sentence_and_not_taken_for_none(
    make_model: MakeModel, file: str, content: bytes
) -> None:
    folder = make_model()
    (folder / file).write_bytes(content)
    with pytest.raises(ModelError, match=rf"{file} cannot be read as a model's settings: \S"):
        open_engine(folder)


def test_settings_that_are_too_large_are_refused(
    make_model: MakeModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = make_model()
    monkeypatch.setattr(checkpoint, "MAX_SETTINGS", 5_000)
    path = folder / "tokenizer_config.json"
    path.write_text(path.read_text("utf-8") + " " * 5_000, "utf-8")
    with pytest.raises(ModelError, match="larger than 5,000 bytes"):
        open_engine(folder)


@pytest.mark.parametrize(
    "templates",
    [
        [{"name": "tool_use", "template": "{{ x }}"}],
        [],
        [7, {"name": "default", "template": 7}],
        {"default": CHAT_TEMPLATE},
    ],
)
def test_of_several_chat_templates_the_default_is_used_or_all_are_refused(
    make_model: MakeModel,
    templates: Any,  # noqa: ANN401
) -> None:
    folder = make_model()
    path = folder / "tokenizer_config.json"
    settings = json.loads(path.read_text("utf-8"))

    def opened(template: Any, prompt_format: Any = None) -> Any:  # noqa: ANN401
        path.write_text(json.dumps({**settings, "chat_template": template}), "utf-8")
        return open_engine(folder, EngineOptions(dtype="float32", prompt_format=prompt_format))

    default = {"name": "default", "template": CHAT_TEMPLATE}
    with opened([{"name": "rag", "template": "{{ x }}"}, default]).session() as session:
        (found,) = session.score([REQUEST])
    with opened(CHAT_TEMPLATE, "chat").session() as session:
        (expected,) = session.score([REQUEST])
    assert found.log_probs == expected.log_probs
    with pytest.raises(ModelError, match="neither a text nor a list"):
        opened(templates)
    opened(templates, "plain")


def test_an_unknown_dtype_names_the_known_ones(tiny_model: Path) -> None:
    with pytest.raises(Exception, match="float32, bfloat16, float16"):
        open_engine(tiny_model, EngineOptions(dtype="int3"))


def test_quantised_weights_need_cuda(tiny_model: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("has CUDA")
    with pytest.raises(ModelError, match="CUDA"):
        open_engine(tiny_model, EngineOptions(bits=4))


@pytest.mark.parametrize("rslora", [False, True])
def test_merged_adapters_equal_peft(tiny_model: Path, tmp_path: Path, rslora: bool) -> None:
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(1)
    model = load_model(tiny_model, torch.float32, CPU)
    config = LoraConfig(
        r=3, lora_alpha=6, target_modules="all-linear", init_lora_weights=False, use_rslora=rslora
    )
    get_peft_model(model, config).save_pretrained(str(tmp_path))
    results = []
    for decoder in ("own", "transformers"):
        options = EngineOptions(dtype="float32", adapter=tmp_path, decoder=decoder)
        with open_engine(tiny_model, options).session() as session:
            results.append(session.score([REQUEST])[0])
    with open_engine(tiny_model, EngineOptions(dtype="float32")).session() as session:
        plain = session.score([REQUEST])[0]
    own, peft = results
    assert isinstance(own, Scores)
    assert isinstance(peft, Scores)
    assert isinstance(plain, Scores)
    assert own.log_probs == pytest.approx(peft.log_probs, abs=1e-4)
    assert own.log_probs != pytest.approx(plain.log_probs, abs=1e-3)


def adapted(folder: Path, out: Path, **settings: Any) -> Any:  # noqa: ANN401
    """A model under a random adapter, which is saved."""
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(1)
    model = get_peft_model(load_model(folder, torch.float32, CPU), LoraConfig(r=3, **settings))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if "lora_" in name or "modules_to_save" in name:
                parameter.normal_(0, 0.3)
    model.save_pretrained(str(out))
    return model.eval()


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(
    "settings",
    [
        {"target_modules": ["q_proj", "embed_tokens"]},
        {"target_modules": ["q_proj", "lm_head"]},
        {"target_modules": ["q_proj"], "modules_to_save": ["lm_head"]},
    ],
    ids=["embedding", "head", "saved head"],
)
def test_an_adapter_of_more_than_pairs_gives_what_peft_gives(
    make_model: MakeModel, tmp_path: Path, settings: dict[str, Any], tied: bool
) -> None:
    """Merged into a model whose embedding is its head, neither end's difference may reach both."""
    folder = make_model(tie_word_embeddings=tied)
    model = adapted(folder, tmp_path, **settings)
    assert read_lora(tmp_path) is None
    engine = open_engine(
        folder, EngineOptions(dtype="float32", adapter=tmp_path, prompt_format="plain")
    )
    with engine.session() as session:
        (scores,) = session.score([REQUEST])
    assert isinstance(scores, Scores)
    assert scores.log_probs == pytest.approx(reference(model, engine, REQUEST), abs=1e-4)


def test_an_adapter_with_layers_of_its_own_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    """Repeated layers share the number under which keys are kept."""
    adapted(tiny_model, tmp_path, target_modules=["q_proj"], layer_replication=[[0, 2], [1, 3]])
    assert read_lora(tmp_path) is None
    with pytest.raises(ModelError, match="computes otherwise"):
        open_engine(tiny_model, EngineOptions(dtype="float32", adapter=tmp_path))


def test_only_pairs_that_are_all_there_is_are_read(tiny_model: Path, tmp_path: Path) -> None:
    adapted(tiny_model, tmp_path, target_modules=["q_proj", "up_proj"])
    found = read_lora(tmp_path)
    assert found is not None
    assert len(found[1]) == 2 * 3
    weights = tmp_path / "adapter_model.safetensors"
    tensors = load_file(weights)
    (half, *_) = (name for name in tensors if "lora_A" in name)
    for changed in (
        {name: tensor for name, tensor in tensors.items() if name != half},
        {**tensors, "base_model.model.model.norm.weight": torch.ones(32)},
    ):
        save_file(changed, weights)
        assert read_lora(tmp_path) is None
    save_file(tensors, weights)
    path = tmp_path / "adapter_config.json"
    config = json.loads(path.read_text("utf-8"))
    for key, value in {
        "use_dora": True,
        "bias": "all",
        "init_lora_weights": "pissa",
        "alora_invocation_tokens": [1, 2],
        "a_setting_of_tomorrow": {"on": True},
    }.items():
        path.write_text(json.dumps({**config, key: value}), "utf-8")
        assert read_lora(tmp_path) is None, key


@pytest.mark.parametrize(
    "change",
    [
        {"rms_norm_eps": None},
        {"num_attention_heads": 0},
        {"vocab_size": None},
        {"rope_scaling": {"rope_type": "llama3", "factor": 8}, "rope_parameters": None},
        {"hidden_size": 64},
        {"head_dim": -16},
        {"rope_scaling": "x", "rope_parameters": None},
        {"max_position_embeddings": "x"},
        {"intermediate_size": 11},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_configuration_that_does_not_fit_its_weights_is_refused(
    make_model: MakeModel, change: dict[str, Any]
) -> None:
    folder = make_model()
    path = folder / "config.json"
    config = {**json.loads(path.read_text("utf-8")), **change}
    path.write_text(
        json.dumps({key: value for key, value in config.items() if value is not None}), "utf-8"
    )
    with pytest.raises(ModelError, match=r"config\.json"):
        open_engine(folder)


def test_a_bias_of_another_size_is_refused(make_model: MakeModel) -> None:
    folder = write_foreign(make_model, "Qwen2")
    weights = load_file(folder / "model.safetensors")
    weights["model.layers.0.self_attn.k_proj.bias"] = torch.zeros(5)
    save_file(weights, folder / "model.safetensors")
    with pytest.raises(ModelError, match=r"k_proj\.bias' has the shape \(5,\).* makes it \(16,\)"):
        open_engine(folder)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "cannot be read as an adapter's configuration"),
        ("[]", "cannot be read as an adapter's configuration"),
        ("[" * 100_000, "cannot be read as an adapter's configuration"),
        ({"r": None}, "says no rank"),
        ({"r": 0}, "says no rank"),
        ({"r": "4"}, "says no rank"),
        ({"lora_alpha": None}, "says no rank"),
        ({"lora_alpha": int("9" * 400)}, "says no rank"),
        ({"lora_alpha": 0}, "says no rank"),
        ({"lora_alpha": float("nan")}, "says no rank"),
        ({"lora_alpha": True}, "says no rank"),
        ({"r": 3}, "do not fit"),
        ({"peft_type": "PROMPT_TUNING"}, "of the kind PROMPT_TUNING, which changes no weights"),
        ({"peft_type": "OF_TOMORROW"}, "cannot be used as an adapter"),
        ({"peft_type": 7}, "cannot be used as an adapter"),
    ],
)
def test_a_malformed_configuration_of_an_adapter_is_refused(
    tiny_model: Path, tmp_path: Path, content: str | dict[str, Any], says: str
) -> None:
    from peft import LoraConfig, get_peft_model

    plain = load_model(tiny_model, torch.float32, CPU)
    get_peft_model(plain, LoraConfig(r=2, target_modules="all-linear")).save_pretrained(tmp_path)
    path = tmp_path / "adapter_config.json"
    if isinstance(content, dict):
        content = json.dumps({**json.loads(path.read_text("utf-8")), **content})
    path.write_text(content, "utf-8")
    with pytest.raises(ModelError, match=says):
        open_engine(tiny_model, EngineOptions(adapter=tmp_path))


def test_an_adapter_whose_matrices_do_not_fit_each_other_is_refused(
    tiny_model: Path, tmp_path: Path
) -> None:
    from peft import LoraConfig, get_peft_model

    plain = load_model(tiny_model, torch.float32, CPU)
    get_peft_model(plain, LoraConfig(r=2, target_modules="all-linear")).save_pretrained(tmp_path)
    path = tmp_path / "adapter_model.safetensors"
    tensors = load_file(path)
    name = next(name for name in tensors if name.endswith("lora_B.weight"))
    tensors[name] = torch.zeros(len(tensors[name]), 3)
    save_file(tensors, path)
    with pytest.raises(ModelError, match="that do not fit"):
        open_engine(tiny_model, EngineOptions(adapter=tmp_path))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda tensors: {}, "holds no weights"),
        (lambda tensors: {name: t[:0] for name, t in tensors.items()}, "holds no weights"),
        (lambda tensors: {name: t.int() for name, t in tensors.items()}, "holds int32 numbers"),
        (lambda tensors: {name: t / 0 for name, t in tensors.items()}, "is not finite"),
    ],
    ids=["no tensors", "rank 0", "integers", "no numbers"],
)
def test_an_adapter_that_was_never_trained_is_refused(
    tiny_model: Path, tmp_path: Path, change: Callable[[dict[str, Any]], dict[str, Any]], says: str
) -> None:
    adapted(tiny_model, tmp_path, target_modules="all-linear")
    path = tmp_path / "adapter_model.safetensors"
    save_file(change(load_file(path)), path)
    with pytest.raises(ModelError, match=says):
        open_engine(tiny_model, EngineOptions(adapter=tmp_path))


def test_weights_of_an_adapter_are_never_unpickled(tiny_model: Path, tmp_path: Path) -> None:
    adapted(tiny_model, tmp_path, target_modules=["q_proj"], use_dora=True)
    (tmp_path / "adapter_model.safetensors").rename(tmp_path / "adapter_model.bin")
    with pytest.raises(ModelError, match=r"has no adapter_model\.safetensors"):
        open_engine(tiny_model, EngineOptions(adapter=tmp_path))


@pytest.mark.parametrize("ends", ["x", -1, 1.5, True, {"id": 1}, [1, [2]], [None], int("9" * 400)])
def test_an_odd_end_of_text_is_refused(make_model: MakeModel, ends: Any) -> None:  # noqa: ANN401
    folder = make_model()
    config = json.loads((folder / "config.json").read_text("utf-8"))
    (folder / "config.json").write_text(json.dumps({**config, "eos_token_id": ends}), "utf-8")
    with pytest.raises(ModelError, match=r"config\.json says 'eos_token_id: "):
        open_engine(folder)


@pytest.mark.parametrize(
    "file", ["config.json", "model.safetensors", "tokenizer.json", "chat_template.jinja"]
)
@pytest.mark.parametrize("kind", ["device", "pipe"])
def test_what_is_no_file_is_not_read(make_model: MakeModel, file: str, kind: str) -> None:
    folder = make_model()
    (folder / file).unlink(missing_ok=True)
    if kind == "device":
        (folder / file).symlink_to("/dev/zero")
    else:
        os.mkfifo(folder / file)
    if file == "chat_template.jinja":  # taken for none, as it is no file
        assert open_engine(folder).name == folder.name
        return
    with pytest.raises(ModelError):
        open_engine(folder)


def test_an_adapter_for_another_model_is_refused(
    tiny_model: Path, make_model: MakeModel, tmp_path: Path
) -> None:
    from peft import LoraConfig, get_peft_model

    other = load_model(make_model(intermediate_size=64), torch.float32, CPU)
    config = LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False)
    get_peft_model(other, config).save_pretrained(str(tmp_path))
    with pytest.raises(ModelError, match="lacks or has otherwise") as caught:
        open_engine(tiny_model, EngineOptions(adapter=tmp_path))
    assert "another base model" in (caught.value.hint or "")


def test_a_folder_that_is_no_adapter_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not an adapter"):
        open_engine(tiny_model, EngineOptions(adapter=tmp_path))


def test_a_missing_bundled_model_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENTIXRL_HOME", str(tmp_path))
    with pytest.raises(ModelError) as caught:
        open_engine("smollm2-135m")
    assert "sentixrl models install" in (caught.value.hint or "")


def test_the_number_format_is_the_faster_one(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = {torch.float32: 3.0, torch.bfloat16: 1.0}
    monkeypatch.setattr(hardware, "_seconds_of_product", lambda dtype, size: seconds[dtype])
    threads = torch.get_num_threads()
    hardware._bfloat16_pays.cache_clear()
    assert hardware.choose_dtype(CPU) is torch.bfloat16
    seconds[torch.bfloat16] = 2.9
    hardware._bfloat16_pays.cache_clear()
    assert hardware.choose_dtype(CPU) is torch.float32
    hardware._bfloat16_pays.cache_clear()
    assert torch.get_num_threads() == threads


def test_remote_code_is_not_run(make_model: MakeModel) -> None:
    folder = make_model()
    (folder / "evil.py").write_text("raise SystemExit('ran')", "utf-8")
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config |= {
        "architectures": ["EvilModel"],
        "model_type": "evil",
        "auto_map": {"AutoConfig": "evil.EvilConfig", "AutoModelForCausalLM": "evil.EvilModel"},
    }
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    with pytest.raises(ModelError, match="cannot be loaded"):
        open_engine(folder)


SINKS = {"head_dim": 8, "num_local_experts": 4, "num_experts_per_tok": 2}
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "Lfm2": ({"layer_types": ["conv", "full_attention"]}, "layers of the kind conv"),
    "RecurrentGemma": ({"head_dim": 8, "attention_window_size": 8}, "linear_attention"),
    "Bloom": ({"n_head": 4}, "attention in its own way"),
    "GptOss": (SINKS, "attention sinks"),
    "Gemma2": ({"head_dim": 8}, "capped scores"),
    "Roberta": ({}, "RobertaForCausalLM computes otherwise"),
}


@pytest.mark.parametrize("architecture", REFUSED)
def test_models_that_packs_cannot_go_through_are_refused(
    make_model: MakeModel, architecture: str
) -> None:
    settings, reason = REFUSED[architecture]
    folder = write_foreign(make_model, architecture, **settings)
    with pytest.raises(ModelError, match=reason) as caught:
        open_engine(folder, EngineOptions(dtype="float32"))
    assert "Llama" in (caught.value.hint or "")


def test_a_state_between_tokens_is_refused(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = load_model(tiny_model, torch.float32, CPU)
    monkeypatch.setattr(type(model), "_is_stateful", True, raising=False)
    with pytest.raises(ModelError, match="LlamaForCausalLM has a state between tokens"):
        TransformersDecoder(model)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_what_no_name_tells_shows_in_the_numbers(
    make_model: MakeModel, monkeypatch: pytest.MonkeyPatch, dtype: str
) -> None:
    monkeypatch.setattr(_hf, "LAYERS", {*_hf.LAYERS, "conv"})
    folder = write_foreign(make_model, "Lfm2", layer_types=["conv", "full_attention"])
    with pytest.raises(ModelError, match="Lfm2ForCausalLM computes otherwise"):
        open_engine(folder, EngineOptions(dtype=dtype))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_logits_made_in_an_unknown_way_are_refused(tiny_model: Path, dtype: torch.dtype) -> None:
    model = load_model(tiny_model, dtype, CPU).train()
    TransformersDecoder(model)
    assert model.training
    model.lm_head.register_forward_hook(lambda module, inputs, logits: logits * 1.25)
    with pytest.raises(ModelError, match="LlamaForCausalLM computes otherwise"):
        TransformersDecoder(model)


@pytest.mark.parametrize("ours", [True, False])
@pytest.mark.parametrize("hubs", [True, False])
def test_progress_bars_are_left_as_the_program_had_them(
    monkeypatch: pytest.MonkeyPatch, ours: bool, hubs: bool
) -> None:
    from huggingface_hub.utils.tqdm import are_progress_bars_disabled, progress_bar_states
    from transformers.utils import logging

    monkeypatch.setattr(logging, "_tqdm_active", ours)
    monkeypatch.setitem(progress_bar_states, "_global", hubs)
    with contextlib.suppress(ValueError), _hf.quiet():
        assert not logging.is_progress_bar_enabled()
        assert are_progress_bars_disabled()
        raise ValueError
    assert logging.is_progress_bar_enabled() is ours
    assert are_progress_bars_disabled() is not hubs


def test_a_model_stands_whole_on_the_device_that_was_named(
    tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import AutoModelForCausalLM

    load, asked = AutoModelForCausalLM.from_pretrained, []

    def spy(folder: Path, device_map: object, **settings: Any) -> Any:  # noqa: ANN401
        asked.append(device_map)
        return load(folder, **settings)

    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", spy)
    load_model(tiny_model, torch.float32, torch.device("cuda:1"))
    assert asked == [{"": torch.device("cuda:1")}]


@pytest.mark.parametrize("place", ["config", "rope"])
def test_a_model_whose_frequencies_follow_the_longest_prompt_reads_no_longer_ones(
    place: str,
) -> None:
    """Else one long prompt would change the answers to all others of its pack."""
    rope: dict[str, Any] = {"rope_type": "longrope"}
    config: dict[str, Any] = {"max_position_embeddings": 4096, "rope_parameters": rope}
    (config if place == "config" else rope)["original_max_position_embeddings"] = 256
    assert context_tokens(config) == 256
    rope["rope_type"] = "default"
    assert context_tokens(config) == 4096
