"""Answers of one condition about one split, kept whole: what everything else is computed from.

A file of them has the posterior of every labelled turn and, if it was negotiated, every round: a
few megabytes a split. Pools, gates, thresholds and round limits are tried on it without a model.

Contract: a file holds plain numbers and text. It is refused if it is larger than it may be, holds
objects, or its parts do not fit each other.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sentixrl.calibration.posterior import normalise
from sentixrl.errors import InputError
from sentixrl.evaluation.confusion import Bools, Floats, Ints, count
from sentixrl.labels import LabelMap
from sentixrl.runs.storage import write_file
from sentixrl.untrusted import read_bounded

MAX_BYTES = 1 << 28
"""Of a file, packed and unpacked."""
FLOOR = -50.0
"""The least log-probability: what is impossible stays finite in sums."""


@dataclass(frozen=True)
class Chain:
    """The rounds of every turn's negotiation, ``R`` at most.

    Attributes:
        proposed: The generator's log-probabilities, ``[n, R, L]``; NaN where there was no round.
        agree: log P(agree), ``[n, R]``; NaN likewise.
        judged: The discriminator's log-probabilities, ``[n, R, L]``; NaN likewise.
        objected: Whether it objected, ``[n, R]``.
    """

    proposed: Floats
    agree: Floats
    judged: Floats
    objected: Bools


@dataclass(frozen=True)
class Held:
    """Answers about the labelled turns of a split.

    Attributes:
        names: The labels that were asked under, L of them.
        gold_names: The labels of the data.
        keys: (dialogue id, turn) of each, ``[n]``.
        gold: Index of the gold label, ``[n]``; where a turn may have several, whether each label
            applies, ``[n, L]``.
        cluster: The unit that resampling draws, ``[n]``.
        log_probs: The first answers' log-probabilities, ``[n, L]``; where a turn may have several
            labels, the log-odds of each.
        answers: Index of the forced answer, ``[n]``, L for none; or whether each label is given.
        seconds: What each took, ``[n]``.
        chain: The rounds, if it was negotiated.
    """

    names: tuple[str, ...]
    gold_names: tuple[str, ...]
    keys: tuple[tuple[str, int], ...]
    gold: NDArray[Any]
    cluster: Ints
    log_probs: Floats
    answers: NDArray[Any]
    seconds: Floats
    chain: Chain | None = None

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def several(self) -> bool:
        """Whether a turn may have several labels."""
        return self.gold.ndim == 2

    @property
    def dialogues(self) -> Ints:
        """Index of each turn's dialogue, ``[n]``."""
        codes: dict[str, int] = {}
        return np.array([codes.setdefault(id, len(codes)) for id, _ in self.keys], np.int64)

    @property
    def clusters(self) -> int:
        """How many units resampling draws from."""
        return int(self.cluster.max(initial=-1)) + 1

    def tallies(self, clusters: int | None = None) -> Floats:
        """Right answers, gold labels and answers of each class by cluster, ``[C, 3, L]``.

        Args:
            clusters: C, if there are more than these turns come from.
        """
        clusters = clusters or self.clusters
        if not self.several:
            return count(
                *(self.gold, self.answers, self.cluster),
                n_labels=len(self.names),
                n_clusters=clusters,
            )
        parts = (self.gold & self.answers, self.gold, self.answers)
        found = np.zeros((clusters, 3, len(self.names)))
        for place, part in enumerate(parts):
            np.add.at(found[:, place], self.cluster, part.astype(float))
        return found

    def confusion(self) -> Ints:
        """Turns by gold label and answer, the last column for none, ``[L, L + 1]``.

        Raises:
            ValueError: A turn may have several labels.
        """
        if self.several:
            raise ValueError("there is no such table where a turn may have several labels")
        shape = (len(self.names), len(self.names) + 1)
        cells = self.gold * shape[1] + self.answers
        return np.bincount(cells, minlength=shape[0] * shape[1]).reshape(shape)

    def answering(self, answers: NDArray[Any], seconds: Floats | None = None) -> Held:
        """The same turns with other answers."""
        other = self.seconds if seconds is None else seconds
        return replace(self, answers=answers, seconds=other, chain=None)

    def only(self, rows: Bools) -> Held:
        """Some of the turns, without their rounds. Clusters keep their numbers."""
        return replace(
            self,
            keys=tuple(key for key, stays in zip(self.keys, rows, strict=True) if stays),
            gold=self.gold[rows],
            cluster=self.cluster[rows],
            log_probs=self.log_probs[rows],
            answers=self.answers[rows],
            seconds=self.seconds[rows],
            chain=None,
        )

    def scored_as(self, own: LabelMap, gold: LabelMap) -> Held:
        """Scored under the labels of two maps' common target.

        Args:
            own: From the labels that were asked under.
            gold: From the data's labels.

        Turns whose gold label is left out are left out; a label that is left out is no answer.
        """
        names = own.target.names
        kept = np.array([gold(self.gold_names[code]) is not None for code in self.gold], bool)
        shares = np.zeros((int(kept.sum()), len(names)))
        for column, name in enumerate(self.names):
            target = own(name)
            if target is not None:
                shares[:, names.index(target)] += np.exp(self.log_probs[kept, column])
        with np.errstate(divide="ignore"):
            log_probs = normalise(np.maximum(np.log(shares), FLOOR))
        codes = [names.index(str(gold(self.gold_names[code]))) for code in self.gold[kept]]
        return Held(
            names,
            names,
            tuple(key for key, stays in zip(self.keys, kept, strict=True) if stays),
            np.array(codes, np.int64),
            self.cluster[kept],
            log_probs,
            log_probs.argmax(-1),
            self.seconds[kept],
        )


def check_alike(first: Held, other: Held, names: Sequence[str]) -> None:
    """Check that two conditions answered the same turns under the same labels.

    Raises:
        InputError: They did not.
    """
    same = first.keys == other.keys and first.names == other.names
    if not (same and np.array_equal(first.gold, other.gold)):
        raise InputError(f"'{names[0]}' and '{names[1]}' do not answer the same turns.")


def write_held(path: Path, held: Held, about: dict[str, Any]) -> None:
    """Write answers to a file, whole or not at all.

    Args:
        path: The file.
        held: The answers.
        about: What they are of, as plain data.
    """
    text = json.dumps(
        {"names": held.names, "gold": held.gold_names, "keys": held.keys, "about": about},
        ensure_ascii=False,
    )
    arrays: dict[str, NDArray[Any]] = {
        "text": np.frombuffer(text.encode("utf-8", "surrogatepass"), np.uint8),
        "gold": held.gold.astype(bool if held.several else np.int16),
        "cluster": held.cluster.astype(np.int32),
        "log_probs": held.log_probs.astype(np.float32),
        "answers": held.answers.astype(bool if held.several else np.int16),
        "seconds": held.seconds.astype(np.float32),
    }
    if held.chain is not None:
        arrays |= {
            "proposed": held.chain.proposed.astype(np.float32),
            "agree": held.chain.agree.astype(np.float32),
            "judged": held.chain.judged.astype(np.float32),
            "objected": held.chain.objected,
        }
    stream = io.BytesIO()
    np.savez_compressed(stream, allow_pickle=False, **arrays)
    write_file(path, stream.getvalue())


def read_held(path: Path) -> tuple[Held, dict[str, Any]]:
    """Answers from a file, and what they are of.

    Raises:
        InputError: It is too large, or not such a file.
    """
    try:
        content = read_bounded(path, MAX_BYTES)
        with zipfile.ZipFile(io.BytesIO(content)) as packed:
            if sum(part.file_size for part in packed.infolist()) > MAX_BYTES:
                raise ValueError("it is too large unpacked")
        with np.load(io.BytesIO(content), allow_pickle=False) as found:
            arrays = {name: found[name] for name in found.files}
        return _held(arrays)
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise InputError(
            f"{path} does not hold kept answers: {error}.",
            hint="Remove it; the experiment asks again.",
        ) from None


def _held(arrays: dict[str, NDArray[Any]]) -> tuple[Held, dict[str, Any]]:
    told = json.loads(arrays["text"].tobytes().decode("utf-8", "surrogatepass"))
    keys = tuple((str(id), int(turn)) for id, turn in told["keys"])
    several = arrays["gold"].ndim == 2
    whole = bool if several else np.int64
    chain = None
    if "agree" in arrays:
        proposed, agree, judged = (
            arrays[name].astype(float) for name in ("proposed", "agree", "judged")
        )
        chain = Chain(proposed, agree, judged, arrays["objected"].astype(bool))
    held = Held(
        tuple(map(str, told["names"])),
        tuple(map(str, told["gold"])),
        keys,
        arrays["gold"].astype(whole),
        arrays["cluster"].astype(np.int64),
        arrays["log_probs"].astype(float),
        arrays["answers"].astype(whole),
        arrays["seconds"].astype(float),
        chain,
    )
    sizes = {len(arrays[name]) for name in arrays if name != "text"} | {len(keys)}
    if len(sizes) != 1 or held.log_probs.shape != (len(keys), len(held.names)):
        raise ValueError("its parts are of different sizes")
    return held, told["about"]
