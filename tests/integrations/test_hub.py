"""Bundles and cards as the hub keeps them, against a stand-in of the hub on this machine."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import huggingface_hub
import pytest
from huggingface_hub import CommitOperationAdd, ModelCard, constants
from huggingface_hub.utils import validate_repo_id  # type: ignore[attr-defined]

from sentixrl import LabelSet, ModelBundle, loaded
from sentixrl.bundle import release_folder
from sentixrl.errors import ModelError
from sentixrl.hub import MOST_TEXT_BYTES, check_files, hub_bundle, is_hub_name
from sentixrl.named_models import bundle_of
from sentixrl.spec import ClassifierSpec

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class _Hub(BaseHTTPRequestHandler):
    """Answers as the hub does, from the folder ``root/owner/name``."""

    root: Path

    def log_message(self, format: str, *args: object) -> None: ...

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        parts = self.path.partition("?")[0].strip("/").split("/")
        if parts[:2] == ["api", "models"]:
            folder = self.root / "/".join(parts[2:4])
            files = sorted(file for file in folder.rglob("*") if file.is_file())
            siblings = [{"rfilename": str(file.relative_to(folder))} for file in files]
            told = {"id": "/".join(parts[2:4]), "sha": COMMIT, "siblings": siblings, "tags": []}
            tree = [
                {
                    "type": "file",
                    "path": str(file.relative_to(folder)),
                    "size": file.stat().st_size,
                    "oid": hashlib.sha1(file.read_bytes()).hexdigest(),
                }
                for file in files
            ]
            content = json.dumps(tree if "tree" in parts else told).encode()
            return self._send(200 if files else 404, content, body, "RepoNotFound")
        file = self.root.joinpath(*parts[:2], *parts[4:])
        if not file.is_file():
            return self._send(404, b"", body, "EntryNotFound")
        return self._send(200, file.read_bytes(), body)

    def _send(self, status: int, content: bytes, body: bool, error: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        self.send_header("Content-Type", "application/json")
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        self.send_header("X-Repo-Commit", COMMIT)
        if status != 200:
            self.send_header("X-Error-Code", error)
        self.end_headers()
        if body:
            self.wfile.write(content)


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder whose repositories the stand-in shows."""
    root = tmp_path / "hub"
    handler = type("Handler", (_Hub,), {"root": root})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    here = f"http://127.0.0.1:{server.server_address[1]}"
    monkeypatch.setattr(constants, "ENDPOINT", here)
    template = here + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(huggingface_hub.hf_api.api, "endpoint", here)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
    loaded.release()
    yield root
    server.shutdown()
    server.server_close()
    thread.join()


def published(root: Path, name: str = "someone/moods") -> Path:
    """A repository with a bundle that has labels and an adapter of its own."""
    adapter = root.parent / "adapter"
    adapter.mkdir(parents=True)
    (adapter / "adapter_config.json").write_text("{}")
    (adapter / "adapter_model.safetensors").write_bytes(b"weights")
    labels = LabelSet("moods", ["calm", "annoyed"])
    bundle = ModelBundle("moods", "smollm2-135m", True, labels, adapter=adapter)
    bundle.save(root / name)
    return root / name


def test_a_bundle_is_found_by_its_name(hub: Path) -> None:
    published(hub)
    bundle = bundle_of("someone/moods")
    assert (bundle.name, bundle.base, bundle.trained) == ("moods", "smollm2-135m", True)
    assert ClassifierSpec("someone/moods").resolved().labels == LabelSet("m", ["calm", "annoyed"])
    assert bundle.adapter is not None
    assert (bundle.adapter / "adapter_model.safetensors").read_bytes() == b"weights"


def test_once_fetched_it_is_found_without_the_hub(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(hub)
    first = bundle_of("someone/moods")
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    again = bundle_of("someone/moods")
    assert again.adapter == first.adapter
    with pytest.raises(ModelError, match="the hub cannot be reached"):
        bundle_of("someone/else")


def cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let nobody be there where the hub was, which nobody was told of."""
    nowhere = "http://127.0.0.1:9"
    monkeypatch.setattr(constants, "ENDPOINT", nowhere)
    template = nowhere + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr(huggingface_hub.hf_api.api, "endpoint", nowhere)
    monkeypatch.setattr("huggingface_hub.utils._http.time.sleep", lambda seconds: None)


def test_once_fetched_it_is_found_while_the_network_is_down(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(hub)
    first = bundle_of("someone/moods")
    cut_off(monkeypatch)
    assert bundle_of("someone/moods").adapter == first.adapter


def test_a_bundle_that_was_fetched_in_part_is_one_sentence(
    hub: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(hub)
    bundle = bundle_of("someone/moods")
    assert bundle.adapter is not None
    (bundle.adapter / "adapter_model.safetensors").unlink()
    cut_off(monkeypatch)
    with pytest.raises(ModelError, match="'someone/moods' could not be had whole"):
        bundle_of("someone/moods")


def test_terms_and_notices_come_along_and_are_kept_by_what_is_saved(
    hub: Path, tmp_path: Path
) -> None:
    folder = published(hub)
    for name in ("README.md", "TERMS.txt", "NOTICE.txt", "LICENSE"):
        (folder / name).write_text(f"the {name}")
    (folder / "notes.txt").write_text("nobody asked for these")
    bundle_of("someone/moods").save(tmp_path / "mine")
    assert (tmp_path / "mine" / "TERMS.txt").read_text() == "the TERMS.txt"
    assert {"README.md", "NOTICE.txt", "LICENSE"} <= {f.name for f in (tmp_path / "mine").iterdir()}
    assert not (tmp_path / "mine" / "notes.txt").exists()


def test_texts_of_no_usual_size_are_refused(hub: Path) -> None:
    (published(hub) / "TERMS.txt").write_text("x" * (MOST_TEXT_BYTES + 1))
    with pytest.raises(ModelError, match=r"is refused: 'TERMS\.txt' has 4,194,305 bytes"):
        bundle_of("someone/moods")


@pytest.mark.parametrize(
    ("file", "said"),
    [
        ("adapter/adapter_model.bin", "a pickle or alike"),
        ("optimizer.PT", "a pickle or alike"),
        ("modeling_moods.py", "code"),
    ],
)
def test_pickles_and_code_are_refused(file: str, said: str, hub: Path) -> None:
    (published(hub) / file).write_bytes(b"\x80\x04.")
    with pytest.raises(ModelError, match=f"'someone/moods' is refused: it holds '{file}', {said}"):
        bundle_of("someone/moods")


def test_a_plain_model_is_no_bundle(hub: Path) -> None:
    (hub / "someone" / "model").mkdir(parents=True)
    (hub / "someone" / "model" / "config.json").write_text("{}")
    assert hub_bundle("someone/model") is None
    assert hub_bundle("nobody/nothing") is None
    assert bundle_of("someone/model").base == "someone/model"


def test_a_link_out_of_the_cache_is_refused(hub: Path, tmp_path: Path) -> None:
    published(hub)
    bundle = bundle_of("someone/moods")
    assert bundle.adapter is not None
    weights = bundle.adapter / "adapter_model.safetensors"
    weights.unlink()
    (tmp_path / "secret").write_text("x")
    weights.symlink_to(tmp_path / "secret")
    with pytest.raises(ModelError, match="a link that leads out of it"):
        ModelBundle.load(bundle.adapter.parent, links_within=bundle.adapter.parents[2])


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("owner/name", True), ("./name", False), ("/abs", False), ("a/b/c", False), ("name", False)],
)
def test_what_is_a_name_of_the_hub(name: str, is_one: bool) -> None:
    assert is_hub_name(name) is is_one


def test_the_release_passes_the_hubs_own_checks() -> None:
    folder = release_folder()
    card = ModelCard.load(folder / "README.md")
    data = card.data.to_dict()
    assert data["library_name"] == "sentixrl"
    assert data["pipeline_tag"] == "text-classification"
    assert data["license"] == "gemma"
    assert {"en", "es", "hi", "zh"} <= set(data["language"])
    validate_repo_id(data["base_model"])
    validate_repo_id(f"someone/{folder.name}")
    files = [file for file in folder.rglob("*") if file.is_file()]
    sizes = {str(file.relative_to(folder)): file.stat().st_size for file in files}
    check_files("someone/release", sizes)
    for file in sizes:  # the hub's client checks paths and contents as it would for an upload
        CommitOperationAdd(path_in_repo=file, path_or_fileobj=folder / file)


def test_a_bundle_survives_the_way_over_the_hub(hub: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(release_folder(), hub / "someone" / "release")
    there, here = bundle_of("someone/release"), ModelBundle.load(release_folder())
    assert there.adapter is not None
    assert here.adapter is not None
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        assert (there.adapter / name).read_bytes() == (here.adapter / name).read_bytes()
    assert (there.calibrations, there.context) == (here.calibrations, here.context)
