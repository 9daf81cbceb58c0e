"""llama.cpp's server on the same weights and prompts, its prompt cache on.

Contract: the weights as they are loaded here, adapter merged, are written to a GGUF file in 8 bits;
that moves a few labels, and the results say how many stay. The wheels of ``xllamacpp`` are built
for processors of every kind, without AVX-512 and AMX: a server built for the machine is faster.
Prompts come in the dialogues' order, so that each finds the last one's beginning
in the cache. Scores are exact: the labels' first tokens are lifted above all others, and what the
server normalises is their softmax.
"""

from __future__ import annotations

import http.client
import importlib.util
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from benchmarks.children import HERE, ended_with
from benchmarks.contenders import Answers, Questions
from sentixrl.engines.remote.llama_cpp import softmax_of, softmax_request

_SPECIAL, _NORMAL = 3, 1  # GGUF's types of tokens


def ask_server(
    model: Any,  # noqa: ANN401
    folder: Path,
    questions: Questions,
    threads: int,
    limit: float,
) -> Answers | None:
    """Answers of llama.cpp's server.

    ``None`` where it cannot be asked: it is not installed, labels of several tokens, a model of
    another shape than Llama's.
    """
    installed = importlib.util.find_spec("xllamacpp") and importlib.util.find_spec("gguf")
    if not installed or not questions.single_tokens or model.config.model_type != "llama":
        return None
    with tempfile.TemporaryDirectory(prefix="sentixrl-gguf-") as scratch:
        gguf = Path(scratch) / "model.gguf"
        write_gguf(model, folder, gguf)
        with serving(gguf, threads) as (address, _):
            return _ask(address, questions, limit)


def _ask(address: str, questions: Questions, limit: float) -> Answers:
    place_of = {token: place for place, token in enumerate(questions.firsts)}
    connection = http.client.HTTPConnection(urlsplit(address).netloc)
    answers = Answers(limit)
    for place in answers.until_late(iter(range(len(questions.prompts)))):
        body = json.dumps(softmax_request(questions.prompts[place], list(place_of)))
        connection.request("POST", "/completion", body, {"Content-Type": "application/json"})
        reply = json.loads(connection.getresponse().read())
        found = softmax_of(reply)
        answers.labels[place] = place_of[max(found, key=found.__getitem__)]
        answers.tokens += reply["timings"]["prompt_n"]
    connection.close()
    return answers


@contextmanager
def serving(
    gguf: Path, threads: int, port: int = 0, cache: Literal["f16", "f32"] = "f16"
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server: where it listens, and its process.

    Args:
        gguf: The model.
        threads: On how many threads it computes.
        port: Where it is to listen; 0 for any port that is free.
        cache: How keys and values are kept.
    """
    script = str(HERE / "llama_server.py")
    command = [sys.executable, "-P", script, str(gguf), str(threads), str(port), cache]
    server = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    with ended_with(server) as process:
        assert process.stdout is not None
        yield process.stdout.readline().strip(), process


def write_gguf(
    model: Any,  # noqa: ANN401
    folder: Path,
    path: Path,
    bits: Literal[8, 32] = 8,
) -> None:
    """Write a Llama-shaped transformers model to a GGUF file.

    Args:
        model: The model, adapters merged.
        folder: Where its tokenizer is.
        path: The file.
        bits: Of each weight; 32 loses nothing.
    """
    import gguf

    config = model.config
    writer = gguf.GGUFWriter(str(path), "llama")
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_vocab_size(config.vocab_size)
    _add_vocabulary(writer, folder)
    names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
    heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
    for name, tensor in model.state_dict().items():
        if name == "lm_head.weight" and config.tie_word_embeddings:
            continue
        weight = tensor.float().cpu().numpy()
        projection = name.split(".")[-2]
        if projection in heads:
            weight = _interleaved(weight, heads[projection])
        small = bits == 8 and weight.ndim == 2
        form = gguf.GGMLQuantizationType.Q8_0 if small else gguf.GGMLQuantizationType.F32
        stored = gguf.quants.quantize(weight, form)
        writer.add_tensor(names.get_name(name, (".weight",)), stored, raw_dtype=form)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def _add_vocabulary(writer: Any, folder: Path) -> None:  # noqa: ANN401
    """What the server needs to load and to print tokens; prompts come as token ids."""
    content = json.loads((folder / "tokenizer.json").read_text("utf-8"))
    ids = content["model"]["vocab"] | {t["content"]: t["id"] for t in content["added_tokens"]}
    special = {token["id"] for token in content["added_tokens"]}
    config = json.loads((folder / "config.json").read_text("utf-8"))
    by_id = {place: text for text, place in ids.items()}
    tokens = [by_id.get(place, f"[unused {place}]") for place in range(config["vocab_size"])]
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types(
        [_SPECIAL if place in special else _NORMAL for place in range(len(tokens))]
    )
    merges = content["model"]["merges"]
    writer.add_token_merges([pair if isinstance(pair, str) else " ".join(pair) for pair in merges])
    writer.add_bos_token_id(config["bos_token_id"])
    writer.add_eos_token_id(config["eos_token_id"])
    writer.add_add_bos_token(False)
    settings = json.loads((folder / "tokenizer_config.json").read_text("utf-8"))
    if isinstance(template := settings.get("chat_template"), str):
        writer.add_chat_template(template)


def _interleaved(weight: NDArray[np.float32], heads: int) -> NDArray[np.float32]:
    """Rows in the order of llama.cpp's rotation, which turns neighbours instead of halves."""
    rows, width = weight.shape
    return weight.reshape(heads, 2, rows // heads // 2, width).swapaxes(1, 2).reshape(rows, width)
