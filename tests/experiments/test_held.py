"""Kept answers as files: whole, compact, and refused where they are not what they should be."""

from __future__ import annotations

import io
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sentixrl.errors import InputError
from sentixrl.experiments.held import Chain, Held, read_held, write_held
from sentixrl.labels import label_map, scheme

NAMES = ("joy", "anger")


def small(several: bool = False, rounds: int = 0) -> Held:
    rng = np.random.default_rng(0)
    gold: NDArray[Any] = rng.random((4, 2)) < 0.5 if several else rng.integers(0, 2, 4)
    chain = None
    if rounds:
        shape = (4, rounds)
        chain = Chain(
            rng.normal(size=(*shape, 2)), rng.normal(size=shape), rng.normal(size=(*shape, 2)),
            rng.random(shape) < 0.5,
        )  # fmt: skip
    return Held(
        NAMES, NAMES, (("a", 0), ("a", 2), ("猫\ud800", 0), ("b", 1)), gold,
        np.array([0, 0, 1, 2]), rng.normal(size=(4, 2)), gold, rng.random(4), chain,
    )  # fmt: skip


@pytest.mark.parametrize(("several", "rounds"), [(False, 0), (False, 3), (True, 0)])
def test_what_is_written_is_read(tmp_path: Path, several: bool, rounds: int) -> None:
    path = tmp_path / "x.npz"
    held = small(several, rounds)
    write_held(path, held, {"of": "a test"})
    found, about = read_held(path)
    assert about == {"of": "a test"}
    assert (found.names, found.keys, found.several) == (held.names, held.keys, several)
    for name in ("gold", "cluster", "answers"):
        assert np.array_equal(getattr(found, name), getattr(held, name)), name
    assert np.allclose(found.log_probs, held.log_probs, atol=1e-6)
    assert (found.chain is None) == (held.chain is None)
    assert np.array_equal(found.tallies(), held.tallies())


@given(st.binary(max_size=300))
def test_bytes_from_anywhere_are_refused_with_one_sentence(content: bytes) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.npz"
        path.write_bytes(content)
        with pytest.raises(InputError):
            read_held(path)


def test_objects_are_never_read(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return (pytest.fail, ("it was unpickled",))

    path = tmp_path / "x.npz"
    stream = io.BytesIO()
    np.savez(stream, text=np.array([Trap()], dtype=object))
    assert pickle.dumps(Trap())
    path.write_bytes(stream.getvalue())
    with pytest.raises(InputError, match="does not hold kept answers"):
        read_held(path)


def test_parts_of_different_sizes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "x.npz"
    held = small()
    write_held(path, held, {})
    with np.load(path) as found:
        parts = {name: found[name] for name in found.files}
    parts["gold"] = parts["gold"][:2]
    np.savez(path, **parts)
    with pytest.raises(InputError, match="different sizes"):
        read_held(path)


def test_answers_scored_under_a_shared_scheme() -> None:
    """Probabilities of merged labels add up; a turn whose gold label is left out is left out."""
    source = scheme("emorynlp-7")
    names = source.names
    gold = np.array([names.index(name) for name in ("Joyful", "Neutral", "Mad")])
    shares = np.full((3, 7), 0.01)
    shares[0, names.index("Peaceful")] = shares[0, names.index("Powerful")] = 0.3
    shares[0, names.index("Mad")] = 0.35
    held = Held(
        names, names, (("a", 0), ("a", 1), ("b", 0)), gold, np.array([0, 0, 1]),
        np.log(shares / shares.sum(1, keepdims=True)), gold, np.ones(3),
    )  # fmt: skip
    ekman = label_map(source, "ekman-7")
    found = held.scored_as(ekman, ekman)
    assert found.names[found.answers[0]] == "joy"
    assert len(found) == 3
    plutchik = label_map(source, "plutchik-8")
    assert held.scored_as(plutchik, plutchik).keys == (("a", 0), ("b", 0))
