"""A tokenizer's pieces and merges as arrays, made once when a model is installed.

Contract: a ``tokenizer.json`` of a quarter of a million pieces takes seconds to parse; arrays take
milliseconds to read. They are in a safetensors file beside it, with the SHA-256 of the
``tokenizer.json`` it was made from and of its own content. If either differs, or the tokenizer
makes a choice that :class:`~sentixrl.engines.local.piece_tokenizer.PieceTokenizer` does not
support, there is no table and ``tokenizer.json`` itself is read.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

TABLE_FILE = "tokenizer.table"
SPACE = "▁"
"""The mark for a space within pieces."""
_VERSION = "1"
_ARRAYS = {"text": np.uint8, "ends": np.int32, "starts": np.int32} | dict.fromkeys(
    ("rights", "ranks", "merged"), np.int32
)
# A tokenizer like SentencePiece's: spaces are ordinary pieces; the rest is bytes.
_STEPS: dict[str, Any] = {
    "normalizer": {"type": "Replace", "pattern": {"String": " "}, "content": SPACE},
    "pre_tokenizer": {
        "type": "Split",
        "pattern": {"String": " "},
        "behavior": "MergedWithPrevious",
        "invert": False,
    },
    "decoder": {
        "type": "Sequence",
        "decoders": [
            {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
            {"type": "ByteFallback"},
            {"type": "Fuse"},
        ],
    },
}
_MODEL = {
    "type": "BPE",
    "dropout": None,
    "continuing_subword_prefix": None,
    "end_of_word_suffix": None,
    "byte_fallback": True,
    "ignore_merges": False,
}


@dataclass(frozen=True, slots=True)
class AddedToken:
    """A token that takes no part in merges.

    Attributes:
        id: Its id.
        content: Its text.
        special: Whether it is markup, which decoding leaves out.
    """

    id: int
    content: str
    special: bool


@dataclass(frozen=True, slots=True)
class TokenizerTable:
    """A tokenizer as arrays.

    Attributes:
        text: All pieces in UTF-8, one after the other, by id.
        ends: Where each ends in ``text``, ``[pieces]``.
        starts: Where the merges of each left piece start in the next three arrays,
            ``[pieces + 1]``.
        rights: The right piece of each merge, ascending for each left piece, ``[merges]``.
        ranks: Its rank; lower ones go first.
        merged: The piece it makes.
        added: The added tokens.
        begin: Tokens that every text begins with.
        unknown: The unknown token, if there is one.
        first_byte: The token of the byte 0; the other 255 follow it.
        joining: Characters after which a space may be merged with what precedes it.
    """

    text: NDArray[np.uint8]
    ends: NDArray[np.int32]
    starts: NDArray[np.int32]
    rights: NDArray[np.int32]
    ranks: NDArray[np.int32]
    merged: NDArray[np.int32]
    added: tuple[AddedToken, ...]
    begin: tuple[int, ...]
    unknown: int | None
    first_byte: int
    joining: str


def write_table(folder: Path) -> bool:
    """Write a model folder's table, if its tokenizer is of this kind.

    Returns:
        Whether there is one now.
    """
    source = folder / "tokenizer.json"
    content = source.read_bytes()
    made = _pack(json.loads(content))
    if made is None:
        return False
    from safetensors.numpy import save_file

    arrays, facts = made
    facts |= {
        "version": _VERSION,
        "source": hashlib.sha256(content).hexdigest(),
        "content": _digest(arrays, facts),
    }
    save_file(arrays, folder / TABLE_FILE, facts)
    return True


def read_table(folder: Path) -> TokenizerTable | None:
    """A model folder's table; ``None`` if there is none for this ``tokenizer.json``."""
    path = folder / TABLE_FILE
    if not path.is_file():
        return None
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            facts = dict(file.metadata() or {})
            arrays = {name: file.get_tensor(name) for name in _ARRAYS}
        said, source = facts.pop("content", None), facts.pop("source", None)
        if facts.pop("version", None) != _VERSION or said != _digest(arrays, facts):
            return None
        with (folder / "tokenizer.json").open("rb") as stream:
            if hashlib.file_digest(stream, "sha256").hexdigest() != source:
                return None
    except (SafetensorError, OSError):
        return None
    # The digest shows that this module wrote them.
    return TokenizerTable(
        **arrays,
        added=tuple(AddedToken(*token) for token in json.loads(facts["added"])),
        begin=tuple(json.loads(facts["begin"])),
        unknown=json.loads(facts["unknown"]),
        first_byte=int(facts["first_byte"]),
        joining=facts["joining"],
    )


def _digest(arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, str]) -> str:
    """The content's digest."""
    digest = hashlib.sha256(json.dumps(facts, sort_keys=True).encode())
    for name in _ARRAYS:
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.hexdigest()


def _pack(content: Mapping[str, Any]) -> tuple[dict[str, NDArray[Any]], dict[str, str]] | None:
    """A ``tokenizer.json`` as arrays and facts; ``None`` if it is of another kind."""
    model, added = content["model"], content["added_tokens"]
    vocabulary: dict[str, int] = model.get("vocab") or {}
    begin = _begin(content.get("post_processor"))
    flags = ("single_word", "lstrip", "rstrip", "normalized")
    known = (
        all(content.get(step) == known for step, known in _STEPS.items())
        and all(model.get(key) == value for key, value in _MODEL.items())
        and sorted(vocabulary.values()) == list(range(len(vocabulary)))
        and _bytes_follow(vocabulary)
        and not any(token[flag] for token in added for flag in flags)
        and all(vocabulary.get(token["content"]) == token["id"] for token in added)
        and begin is not None
    )
    if not known:
        return None
    merges = [tuple(merge) for merge in model["merges"]]
    if len(set(merges)) < len(merges):
        return None
    pieces = sorted(vocabulary, key=vocabulary.__getitem__)
    encoded = [piece.encode() for piece in pieces]
    arrays = {
        "text": np.frombuffer(b"".join(encoded), np.uint8),
        "ends": np.cumsum([len(piece) for piece in encoded], dtype=np.int32),
        **_merges(merges, vocabulary),
    }
    joining = {
        found for one in merges for found in re.findall(f"([^{SPACE}]){SPACE}", "".join(one))
    }
    facts = {
        "added": json.dumps([[t["id"], t["content"], t["special"]] for t in added]),
        "begin": json.dumps(begin),
        "unknown": json.dumps(vocabulary.get(model.get("unk_token"))),
        "first_byte": str(vocabulary["<0x00>"]),
        "joining": "".join(sorted(joining)),
    }
    return arrays, facts


def _bytes_follow(vocabulary: Mapping[str, int]) -> bool:
    """Whether the tokens of all bytes are there, in order, and no other token looks like one."""
    first = vocabulary.get("<0x00>", 0)
    return all(vocabulary.get(f"<0x{byte:02X}>") == first + byte for byte in range(256)) and (
        sum(bool(re.fullmatch("<0x..>", piece)) for piece in vocabulary) == 256
    )


def _merges(merges: list[tuple[str, ...]], vocabulary: Mapping[str, int]) -> dict[str, Any]:
    """Merges sorted by their left and right pieces."""
    found = np.array(
        [(vocabulary[a], vocabulary[b], vocabulary[a + b]) for a, b in merges], np.int32
    ).reshape(-1, 3)
    order = np.lexsort((found[:, 1], found[:, 0]))
    lefts = found[order, 0]
    return {
        "starts": np.searchsorted(lefts, np.arange(len(vocabulary) + 1)).astype(np.int32),
        "rights": np.ascontiguousarray(found[order, 1]),
        "ranks": order.astype(np.int32),
        "merged": np.ascontiguousarray(found[order, 2]),
    }


def _begin(processor: Mapping[str, Any] | None) -> list[int] | None:
    """The tokens that a post-processor puts before a text; ``None`` if it does anything else."""
    if processor is None:
        return []
    if processor.get("type") != "TemplateProcessing":
        return None
    *before, sequence = processor["single"]
    if "Sequence" not in sequence or any("SpecialToken" not in step for step in before):
        return None
    names = [step["SpecialToken"]["id"] for step in before]
    return [token for name in names for token in processor["special_tokens"][name]["ids"]]
