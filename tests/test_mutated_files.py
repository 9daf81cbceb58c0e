"""Label files, predictions, bundles, specifications and recipes with a few bytes changed.

Readers of dialogues have tests of their own: ``test_formats_attack.py`` and in ``chats/``.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from sentixrl.bundle import BUNDLE_FILE, ModelBundle, release_folder
from sentixrl.datasets.dataset import Dataset
from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.errors import SentixError
from sentixrl.evaluation.foreign import read_predictions
from sentixrl.formats import dialogue_json
from sentixrl.labels import read_label_file, scheme
from sentixrl.labels.files import scheme_text
from sentixrl.prediction import DialoguePrediction, Prediction, Status
from sentixrl.spec import ClassifierSpec
from sentixrl.training.recipe_file import read_recipe

ROUNDS = 700
SCRAPS = [
    *(b"", b"\n", b"\0", b'"', b"'", b"{", b"}]", b": ", b"- ", b"&a [*a]", b"*a", b"<<: *a"),
    *(b"!", b"!!python/object", b"~", b"null", b"NaN", b"1e999", b"-1", b"9" * 400, b"[" * 3000),
    *(b"\xff", b"\xe2\x80\xae", b"\\ud800", b"? ", b"yes", b"../../x", b",,,", b";", b"\t", b"\r"),
]  # fmt: skip
DATA = Dataset(
    "own",
    "test",
    "emotion",
    scheme("ekman-7"),
    tuple(
        Dialogue(f"d{number}", (Utterance("Well.", "Ana", gold="joy"), Utterance("No.", "Ben")))
        for number in range(3)
    ),
)


def table() -> bytes:
    rows = [f"d{number},{turn},joy" for number in range(3) for turn in range(2)]
    return "\n".join(["dialogue_id,index,label", *rows, ""]).encode()


def results() -> bytes:
    answers = (Prediction(0, Status.SINGLE, "joy"), Prediction(1, Status.SINGLE, "fear"))
    found = [
        dialogue_json(dialogue, DialoguePrediction(dialogue.id, "en", "m", "v1", answers))
        for dialogue in DATA
    ]
    return "\n".join(json.dumps(one) for one in found).encode()


def read_bundle(path: Path) -> object:
    return ModelBundle.load(path.parent)


def read_rows(path: Path) -> object:
    return read_predictions(path, DATA)


RELEASED = release_folder("sentixrl-135m") / BUNDLE_FILE
RECIPES = Path(__file__).parent.parent / "recipes"
KINDS: dict[str, tuple[str, Callable[[Path], object], Callable[[], bytes]]] = {
    "labels": ("own.yaml", read_label_file, lambda: scheme_text("ekman-7").encode()),
    "predictions, CSV": ("p.csv", read_rows, table),
    "predictions, JSON": ("p.jsonl", read_rows, results),
    "bundle": (BUNDLE_FILE, read_bundle, RELEASED.read_bytes),
    "specification": (
        "spec.json",
        ClassifierSpec.read,
        lambda: json.dumps(ClassifierSpec(labels=scheme("ekman-7")).as_dict()).encode(),
    ),
    "recipe": ("r.yaml", read_recipe, (RECIPES / "meld.yaml").read_bytes),
}


def mutated(raw: bytes, dice: random.Random) -> bytes:
    changed = bytearray(raw)
    for _ in range(dice.randint(1, 4)):
        place = dice.randrange(len(changed) + 1)
        piece = bytes(changed[place : place + dice.choice([0, 1, 3, 12, 60])])
        changed[place : place + len(piece)] = dice.choice([*SCRAPS, piece * 2, piece * 20])
        if dice.random() < 0.05:
            del changed[place:]
    return bytes(changed)


@pytest.mark.parametrize("kind", KINDS)
def test_changed_files_are_read_or_refused_in_a_sentence(kind: str, tmp_path: Path) -> None:
    name, read, original = KINDS[kind]
    path = tmp_path / name
    (tmp_path / "adapter").mkdir()
    raw = original()
    path.write_bytes(raw)
    read(path)  # as it was
    dice = random.Random(kind)
    sentences = []
    for _ in range(ROUNDS):
        path.write_bytes(mutated(raw, dice))
        try:
            read(path)
        except SentixError as error:
            sentences.append(error.message)
    assert ROUNDS // 10 < len(sentences) < ROUNDS
    assert all(sentence.endswith(".") and "\n" not in sentence for sentence in sentences)
