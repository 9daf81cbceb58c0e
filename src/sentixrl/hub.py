"""Model bundles on the Hugging Face hub.

Contract: a repository is a bundle if it holds a ``bundle.json``. One that also holds files that
run code when they are read (pickles, Python, native libraries) is refused, whether or not they
would be read. Only JSON, YAML, safetensors, and texts of bounded size (the card, terms, notices)
are fetched.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from sentixrl.bundle import ADAPTER_FOLDER, BUNDLE_FILE, COMPANIONS, LABELS_FILE, ModelBundle
from sentixrl.errors import ModelError
from sentixrl.formats.characters import shown
from sentixrl.untrusted import boundary

_WANTED = [
    *(BUNDLE_FILE, LABELS_FILE, *COMPANIONS),
    *(f"{ADAPTER_FOLDER}/*.json", f"{ADAPTER_FOLDER}/*.safetensors"),
]
MOST_TEXT_BYTES = 4 << 20
"""The largest card, record, terms or notice that is fetched."""
_PICKLES = {".bin", ".pt", ".pth", ".pkl", ".pickle", ".ckpt", ".joblib", ".npy", ".npz", ".h5"}
_CODE = {".py", ".pyc", ".so", ".dll", ".dylib", ".sh"}


def is_hub_name(model: str) -> bool:
    """Whether a model's name has the form ``owner/name`` and is no path here."""
    owner, slash, name = model.partition("/")
    plain = owner and slash and name and "/" not in name and owner not in {".", ".."}
    return bool(plain) and not Path(model).exists()


def hub_bundle(name: str) -> ModelBundle | None:
    """The bundle of this name on the hub, or in the hub's cache here.

    Args:
        name: ``owner/name``.

    Returns:
        The bundle; ``None`` where the hub has none of this name, which may still be a plain model.

    Raises:
        ModelError: The repository holds pickles, code or huge texts, its bundle cannot be used, or
            a part of it cannot be had.
    """
    try:
        from huggingface_hub import RepoFile, hf_hub_download, list_repo_tree, snapshot_download
        from huggingface_hub.errors import LocalEntryNotFoundError
    except ImportError:
        return None  # who loads the model says what is missing
    try:
        with _without_warnings():
            hf_hub_download(name, BUNDLE_FILE)
    except LocalEntryNotFoundError:
        _check_kept(name)
        return None
    except Exception:  # the hub's own errors, and those of its client, which have no common kind
        return None
    try:
        tree = list_repo_tree(name, recursive=True)
        sizes = {file.path: file.size for file in tree if isinstance(file, RepoFile)}
    except Exception:  # as above; what is in the cache was checked when it was fetched
        sizes = {}
    check_files(name, sizes)
    again = "Check the network, then run the same command again."
    with boundary(f"The bundle '{name}' could not be had whole", kind=ModelError, hint=again):
        folder = Path(snapshot_download(name, allow_patterns=_WANTED))
    # The cache keeps files once per repository, and links to them.
    return ModelBundle.load(folder, links_within=folder.parent.parent)


class _Grave(logging.Filter):
    """Lets errors pass, and nothing below."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record is told."""
        return record.levelno >= logging.ERROR


@contextmanager
def _without_warnings() -> Iterator[None]:
    """Let the hub's client try again without a line each time; what comes of it is said once."""
    # A filter of its own: of two threads neither can put back what the other one has set.
    grave, handlers = _Grave(), list(logging.getLogger("huggingface_hub").handlers)
    for handler in handlers:
        handler.addFilter(grave)
    try:
        yield
    finally:
        for handler in handlers:
            handler.removeFilter(grave)


def _check_kept(name: str) -> None:
    """Refuse a model that is not here while the hub cannot be reached, without trying again.

    Raises:
        ModelError: Nothing of it is in the hub's cache.
    """
    from huggingface_hub import try_to_load_from_cache

    if not isinstance(try_to_load_from_cache(name, "config.json"), str):
        raise ModelError(
            f"The model '{name}' is not a folder here and could not be had from the hub: the hub "
            "cannot be reached.",
            hint="Check the name and the network, or give the folder of a saved model.",
            retryable=True,
        )


def check_files(name: str, sizes: Mapping[str, int]) -> None:
    """Refuse a repository that holds what runs code when it is read, or texts of no usual size.

    Args:
        name: What errors call it.
        sizes: Path → bytes of each file in it.

    Raises:
        ModelError: One of them does.
    """
    for file, size in sizes.items():
        ending = PurePosixPath(file).suffix.lower()
        if ending in _PICKLES | _CODE:
            what = "code" if ending in _CODE else "a pickle or alike, which can run code when read"
            raise ModelError(
                f"The bundle '{name}' is refused: it holds '{shown(file, 120)}', {what}.",
                hint="A bundle is JSON, YAML, texts and safetensors; ask its owner to remove it.",
            )
        if file in COMPANIONS and size > MOST_TEXT_BYTES:
            raise ModelError(
                f"The bundle '{name}' is refused: '{file}' has {size:,} bytes; a text beside a "
                f"bundle has {MOST_TEXT_BYTES:,} at most.",
                hint="Ask its owner to shorten it.",
            )
