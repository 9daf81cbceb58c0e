"""From a recipe and data to a bundle that answers, on a tiny random model."""

from __future__ import annotations

import dataclasses
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

import sentixrl
from sentixrl.bundle import ModelBundle
from sentixrl.datasets.dataset import Dataset
from sentixrl.datasets.registry import load as load_data
from sentixrl.errors import ConfigError, SentixError
from sentixrl.labels import scheme
from sentixrl.training.ancestry import check_start, earlier, kept_apart
from sentixrl.training.card import write_card
from sentixrl.training.checkpoints import last_checkpoint
from sentixrl.training.estimate import Estimate, check_memory, estimate
from sentixrl.training.examples import Packer
from sentixrl.training.finishing import Finished
from sentixrl.training.material import load_apart, load_part
from sentixrl.training.mining import fold_recipe
from sentixrl.training.recipe import Recipe, as_plain
from sentixrl.training.running import train_bundle
from sentixrl.training.setting import draw_of, objective_of, prepare

from ..cli.shell import Shell
from ..cli.shell import make_shell as make_shell
from .small import SIGNS, Noted, recipe, sources_of, write_meld

pytestmark = pytest.mark.usefixtures("float32")
MAJORITY = 0.25  # weighted-F1 of always the same one of three labels lies below
LEARNED = 0.8


def train(one: Recipe, meld: Path, folder: Path, noted: Noted | None = None) -> Finished | None:
    return train_bundle(one, meld, folder, (noted or Noted()).watch, lambda cost: True)


def shipped_f1(found: Finished) -> float:
    (score,) = found.shipped.values()
    return score


@pytest.fixture(scope="module")
def trained(
    base: Path, meld: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, Finished, Noted]:
    """A full training, done once."""
    noted = Noted()
    folder = tmp_path_factory.mktemp("full") / "out"
    with pytest.MonkeyPatch.context() as patch:
        for room in ("training.model", "engines.local.loading"):
            patch.setattr(f"sentixrl.{room}.choose_dtype", lambda device: torch.float32)
        found = train(recipe(base), meld, folder, noted)
    assert found is not None
    return folder, found, noted


Trained = tuple[Path, Finished, Noted]


def test_a_full_training_learns_and_its_bundle_keeps_it(trained: Trained) -> None:
    folder, found, noted = trained
    assert found.folder == folder / "bundle"
    assert shipped_f1(found) > LEARNED
    assert found.kept == pytest.approx(1, abs=0.1)
    best = max(check.score for check, _ in noted.checks)
    assert list(found.full.values()) == [pytest.approx(best)]
    assert noted.checks[0][1]
    assert {check.step for check, _ in noted.checks} == {
        entry["step"] for entry in json.loads((folder / "history.json").read_text())
    }
    assert 4 <= len(noted.checks) <= 6
    last = noted.progress[-1]
    assert last.loss < noted.progress[0].loss
    assert 0 < last.step <= last.steps
    assert last.tokens_per_second > 0


def test_the_bundle_classifies_and_says_so(trained: Trained, meld: Path) -> None:
    _, found, _ = trained
    classifier = sentixrl.load(found.folder)
    data = load_data("meld", meld / "meld", "dev", None)
    answers = [item.label for result in classifier.predict_many(data) for item in result.items]
    golds = [turn.gold for turn in data.utterances]
    right = np.mean([a == g for a, g in zip(answers, golds, strict=True)])
    facts = json.loads((found.folder / "training.json").read_text())
    assert right == pytest.approx(facts["shipped"]["meld:dev"]["accuracy"], abs=1e-6)
    assert right > LEARNED
    assert classifier.negotiation.calibration.fitted
    assert not classifier.negotiation.enabled
    assert classifier.engine.name == "tiny"
    assert sum(classifier.predict_proba("rain")[0]) == pytest.approx(1)


def test_the_trained_matrices_alone_are_changed(trained: Trained, base: Path) -> None:
    from sentixrl.engines.local.adapters import merge_lora
    from sentixrl.engines.local.checkpoint import read_weights

    _, found, _ = trained
    before, after = read_weights(base), read_weights(base)
    assert merge_lora(after, found.folder / "adapter")
    changed = {name for name in after if not torch.equal(after[name], before[name])}
    assert len(changed) == 2 * 7
    assert all(name.startswith("model.layers.") for name in changed)


def test_card_and_training_facts_are_written(trained: Trained, base: Path) -> None:
    folder, found, _ = trained
    card = (found.folder / "README.md").read_text("utf-8")
    assert card.startswith("# tiny\n")
    assert str(base) in card
    assert "| meld | train | 60 | 180 | 6.0 | 0 |" in card
    assert "`meld:test`, `meld:dev`." in card
    assert f"{100 * shipped_f1(found):.1f}" in card
    assert "{{" not in card
    facts = json.loads((found.folder / "training.json").read_text())
    assert facts["recipe"] == as_plain(recipe(base))
    assert facts["sources"][0]["utterances"] == 180
    assert facts["adapter_bytes"] == found.adapter_bytes
    assert len(facts["history"]) == len(json.loads((folder / "history.json").read_text()))
    assert facts["best"]["score"] == max(look["score"] for look in facts["history"])
    bundle = ModelBundle.load(found.folder)
    assert bundle.window is not None
    assert (bundle.window.history_max, bundle.language) == (0, "en")
    assert bundle.trained
    assert not bundle.negotiate


def test_a_card_names_data_of_ones_own(trained: Trained, tmp_path: Path) -> None:
    _, found, _ = trained
    facts = json.loads((found.folder / "training.json").read_text("utf-8"))
    facts["sources"][0] |= {"dataset": "custom", "variant": "shifts", "task": "label"}
    write_card(facts, tmp_path)
    card = (tmp_path / "README.md").read_text("utf-8")
    assert "| custom, shifts | train | 60 | 180 | 6.0 | 0 | a file of the trainer's own |" in card


def test_a_card_says_what_stayed_in_although_it_shares_text(
    trained: Trained, tmp_path: Path
) -> None:
    _, found, _ = trained
    facts = json.loads((found.folder / "training.json").read_text("utf-8"))
    facts["recipe"]["keep_overlap"] = "All sessions act the same plays."
    facts["sources"][0]["kept_with_overlap"] = 1234
    write_card(facts, tmp_path)
    card = (tmp_path / "README.md").read_text("utf-8")
    assert "| meld | train | 60 | 180 | 6.0 | 0 (1,234 kept) |" in card
    assert "(1,234 of them), for this reason: “All sessions act the same plays.”. The dev" in card
    assert "were dropped" not in card


def test_nothing_is_left_over(trained: Trained) -> None:
    folder, _, _ = trained
    left = sorted(path.name for path in folder.iterdir())
    notes = ["history.json", "material.json", "recipe.json", "trained.json"]
    assert left == [".lock", "best", "bundle", *notes]


def test_a_finished_training_is_not_repeated(trained: Trained, base: Path, meld: Path) -> None:
    folder, first, _ = trained
    noted = Noted()
    again = train(recipe(base), meld, folder, noted)
    assert again is not None
    assert again.shipped == first.shipped
    assert not noted.checks
    assert any("trained already" in text for text in noted.said)


def test_nor_is_its_bundle_made_again_but_one_that_is_gone_is(
    trained: Trained, base: Path, meld: Path, tmp_path: Path
) -> None:
    folder = shutil.copytree(trained[0], tmp_path / "out")
    record = folder / "bundle" / "training.json"
    made = record.read_bytes()
    (folder / "checkpoint-3").mkdir()  # by a crash between its end and the removal
    again = train(recipe(base), meld, folder)
    assert again == dataclasses.replace(trained[1], folder=folder / "bundle")
    assert record.read_bytes() == made
    record.unlink()
    anew = train(recipe(base), meld, folder)
    assert anew is not None
    assert anew.shipped == pytest.approx(trained[1].shipped)
    assert record.is_file()
    assert not (folder / "checkpoint-3").exists()


@pytest.mark.parametrize("where", ["_write_adapter", "training_facts"])
def test_what_breaks_off_after_the_last_step_costs_no_training(
    base: Path, meld: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str
) -> None:
    def interrupt(*arguments: object) -> None:
        raise KeyboardInterrupt

    one = recipe(base, epochs=0.5)
    with monkeypatch.context() as patch:
        patch.setattr(f"sentixrl.training.finishing.{where}", interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(one, meld, tmp_path / "out")
    assert not (tmp_path / "out" / "bundle").exists()  # a bundle is there whole or not at all
    history = (tmp_path / "out" / "history.json").read_text()
    noted = Noted()
    found = train(one, meld, tmp_path / "out", noted)
    assert found is not None
    assert not noted.checks
    assert (tmp_path / "out" / "history.json").read_text() == history
    assert sentixrl.load(found.folder).predict("rain").items[0].label
    assert len(list((tmp_path / "out").iterdir())) == 7


def test_another_recipe_is_refused_in_the_same_folder(
    trained: Trained, base: Path, meld: Path
) -> None:
    folder, _, _ = trained
    with pytest.raises(ConfigError, match="training of another recipe"):
        train(recipe(base, epochs=4), meld, folder)


def test_a_folder_with_something_else_is_refused(base: Path, meld: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine", "utf-8")
    with pytest.raises(ConfigError, match="holds no training"):
        train(recipe(base), meld, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_lora_learns_too(base: Path, meld: Path, tmp_path: Path) -> None:
    one = recipe(base, method="lora", alpha=32.0, dropout=0.05,
                 optimiser={"rate": 6e-3, "pack_tokens": 128},
                 loss={"gamma": 1.0, "balance": "effective", "adjust": 0.3})  # fmt: skip
    found = train(one, meld, tmp_path / "out")
    assert found is not None
    assert shipped_f1(found) > LEARNED
    assert found.kept == pytest.approx(1, abs=0.03)  # its difference is of that rank already


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_training_may_start_from_a_bundle(
    trained: Trained, base: Path, meld: Path, tmp_path: Path, method: str
) -> None:
    _, first, _ = trained
    one = recipe(base, start=str(first.folder), method=method, epochs=0.2, optimiser={"rate": 1e-6})
    found = train(one, meld, tmp_path / "out")
    assert found is not None
    assert shipped_f1(found) == pytest.approx(shipped_f1(first), abs=0.1)
    facts = json.loads((found.folder / "training.json").read_text("utf-8"))
    begun = json.loads((first.folder / "training.json").read_text("utf-8"))
    kept: list[dict[str, Any]] = [
        {"dataset": "meld", "split": part.split, "switches": {}, "limit": None, "file": None,
         "data_hash": data.data_hash}
        for part, data in load_apart(one, meld)
    ]  # fmt: skip
    assert [part["split"] for part in kept] == ["test", "dev"]
    assert facts["earlier"] == [{"name": "tiny", "sources": begun["sources"], "apart": kept}]
    card = (found.folder / "README.md").read_text("utf-8")
    assert card.count("| meld | train |") == 2
    assert "Before that, as `tiny`:" in card


@pytest.mark.parametrize("record", [None, "{", "[]", '{"recipe": {"name": "older"}}'])
def test_a_start_without_a_record_is_said_to_have_none(
    trained: Trained, base: Path, tmp_path: Path, record: str | None
) -> None:
    _, first, _ = trained
    begun = shutil.copytree(first.folder, tmp_path / "begun")
    (begun / "training.json").unlink()
    if record is not None:
        (begun / "training.json").write_text(record, "utf-8")
    assert earlier(recipe(base, start=str(begun))) == [
        {"name": "tiny", "sources": [], "apart": None}
    ]
    facts = json.loads((first.folder / "training.json").read_text("utf-8"))
    write_card({**facts, "earlier": [{"name": "tiny", "sources": []}]}, tmp_path)
    card = (tmp_path / "README.md").read_text("utf-8")
    assert "Before that, as `tiny`, on data of which there is no record." in card


def test_a_record_of_an_earlier_version_may_lack_what_this_one_shows(
    trained: Trained, base: Path, tmp_path: Path
) -> None:
    _, first, _ = trained
    begun = shutil.copytree(first.folder, tmp_path / "begun")
    facts = json.loads((first.folder / "training.json").read_text("utf-8"))
    rows = [{"dataset": "meld", "split": "train", "dialogues": 6}, {"utterances": 4}]
    old = {"recipe": {"name": "older"}, "sources": rows}
    (begun / "training.json").write_text(json.dumps(old), "utf-8")
    before = earlier(recipe(base, start=str(begun)))
    assert [one["name"] for one in before] == ["older"]
    write_card({**facts, "earlier": before}, tmp_path)
    card = (tmp_path / "README.md").read_text("utf-8")
    assert "| meld | train | 6 | – | – | – |" in card
    assert "| – | – | – | 4 | – | – | – |" in card


@pytest.mark.parametrize(
    ("split", "rows", "kept"),
    [
        ("train", None, False),  # that of the start itself: meld:train
        ("dev", None, True),
        ("dev", [], False),
        ("dev", [{"dataset": "meld"}], False),  # any split
    ],
)
def test_folds_start_from_the_base_where_the_start_knows_what_is_held_out(
    trained: Trained, base: Path, meld: Path, tmp_path: Path,
    split: str, rows: list[dict[str, str]] | None, kept: bool,
) -> None:  # fmt: skip
    _, first, _ = trained
    begun = shutil.copytree(first.folder, tmp_path / "begun")
    facts = json.loads((begun / "training.json").read_text("utf-8"))
    if rows is not None:
        (begun / "training.json").write_text(json.dumps({**facts, "sources": rows}), "utf-8")
    one = recipe(
        base,
        start=str(begun),
        discriminator={},
        train=[{"dataset": "meld", "split": split}],
        dev=[{"dataset": "meld", "split": "test"}],
        apart=[],
    )
    sources = sources_of(one, meld)
    assert fold_recipe(one, sources).start == (one.start if kept else None)


def test_folds_start_from_the_base_where_the_start_knows_a_file_of_ones_own(
    trained: Trained, base: Path, meld: Path, tmp_path: Path
) -> None:
    """Told by what it holds, whatever it is called."""
    _, first, _ = trained
    begun = shutil.copytree(first.folder, tmp_path / "begun")
    own = tmp_path / "mine.csv"
    own.write_text("dialogue,speaker,text,label\n1,A,Well done.,joy\n2,B,No!,anger\n", "utf-8")
    part = {"dataset": "custom", "file": str(own), "labels": "joy, anger"}
    one = recipe(base, start=str(begun), discriminator={}, train=[part])
    sources = sources_of(one, meld)
    facts = json.loads((begun / "training.json").read_text("utf-8"))
    for content, kept in ((sources[0].data.data_hash, False), ("0" * 16, True)):
        row = {"dataset": "custom", "split": "train", "variant": "others", "data_hash": content}
        (begun / "training.json").write_text(json.dumps({**facts, "sources": [row]}), "utf-8")
        assert (fold_recipe(one, sources).start is not None) == kept


def test_a_file_of_ones_own_that_has_grown_is_known_by_its_path(
    trained: Trained, base: Path, meld: Path, tmp_path: Path
) -> None:
    _, first, _ = trained
    begun = shutil.copytree(first.folder, tmp_path / "begun")
    own, copy = (write_own(tmp_path / name, meld) for name in ("mine.csv", "copy.csv"))
    part = {"dataset": "custom", "file": str(own), "labels": "meld-7"}
    facts = json.loads((begun / "training.json").read_text("utf-8"))
    row = {**part, "split": "train", "data_hash": "0" * 16}
    (begun / "training.json").write_text(json.dumps({**facts, "sources": [row]}), "utf-8")
    for path in (own, tmp_path / "data" / ".." / "mine.csv"):  # however it is spelled
        one = recipe(base, start=str(begun), discriminator={}, train=[{**part, "file": str(path)}])
        (tmp_path / "data").mkdir(exist_ok=True)
        assert fold_recipe(one, sources_of(one, meld)).start is None
    same = recipe(base, start=str(begun), dev=[{**part, "split": "dev"}])
    with pytest.raises(ConfigError, match="shares dialogues with"):
        check_start(same, load_apart(same, meld), meld)
    # Under another name its texts tell.
    other = recipe(base, start=str(begun), dev=[{**part, "split": "dev", "file": str(copy)}])
    with pytest.raises(ConfigError, match=r"where 2 of the 2 dialogues of .*copy\.csv:dev stand"):
        check_start(other, load_apart(other, meld), meld)


def test_a_fold_is_looked_at_by_its_own_epochs(base: Path, meld: Path) -> None:
    part = {"dataset": "meld", "epochs": 6}
    one = recipe(base, train=[part], discriminator={"epochs": 1})
    assert one.epochs_of_looks == 6
    assert fold_recipe(one, sources_of(one, meld)).epochs_of_looks == 1


@pytest.mark.parametrize(
    ("known", "changes", "met"),
    [
        (("meld", "dev"), {}, "meld:dev"),
        (("meld", "test"), {}, "meld:test"),
        (("meld", "train"), {}, None),
        (("emorynlp", "dev"), {}, None),
        (("cped", "lowres-train"), {"apart": [{"dataset": "cped", "split": "dev"}]}, "cped:dev"),
        (("cped", "dev"), {"apart": [{"dataset": "cped", "split": "lowres-dev"}]}, "cped:lowres"),
        (("cped", "lowres-train"), {"apart": [{"dataset": "cped", "split": "lowres-dev"}]}, None),
    ],
)
def test_a_start_that_knows_what_is_kept_apart_is_refused(
    trained: Trained, base: Path, tmp_path: Path,
    known: tuple[str, str], changes: dict[str, Any], met: str | None,
) -> None:  # fmt: skip
    _, first, _ = trained
    begun = shutil.copytree(first.folder, tmp_path / "begun")
    facts = json.loads((begun / "training.json").read_text("utf-8"))
    rows = [{"dataset": known[0], "split": known[1]}]
    (begun / "training.json").write_text(json.dumps({**facts, "sources": rows}), "utf-8")
    one = recipe(base, start=str(begun), **changes)
    nothing = make_nothing()
    apart = [(part, nothing) for part in [*one.apart, *one.dev]]
    if met is None:
        check_start(one, apart, tmp_path)
        return
    with pytest.raises(ConfigError, match=f"shares dialogues with {met}") as caught:
        check_start(one, apart, tmp_path)
    assert "'tiny' was trained on" in caught.value.message


def write_own(path: Path, meld: Path) -> Path:
    """The first lines of MELD's train split, as a file of one's own."""
    lines = (meld / "meld" / "train_sent_emo.csv").read_text("utf-8").splitlines()[1:7]
    rows = [line.split(",") for line in lines]
    turns = [f"{row[5]},{row[2]},{row[1]},{row[3]}" for row in rows]
    path.write_text("\n".join(["dialogue,speaker,text,label", *turns, ""]), "utf-8")
    return path


def make_nothing() -> Dataset:
    return Dataset("none", "test", "emotion", scheme("meld-7"), ())


def test_a_start_that_has_read_what_is_kept_apart_in_another_data_set_is_refused(
    trained: Trained, base: Path, meld: Path, tmp_path: Path
) -> None:
    """As a model that was trained on EmoryNLP has read lines of MELD's test split."""
    folder, _, _ = trained
    own = write_own(tmp_path / "mine.csv", meld)
    part = {"dataset": "custom", "split": "test", "file": str(own), "labels": "meld-7"}
    one = recipe(base, start=str(folder / "bundle"), apart=[part])
    with pytest.raises(ConfigError) as caught:
        check_start(one, load_apart(one, meld), meld)
    assert "'tiny' was trained on meld:train" in caught.value.message
    assert f"where 2 of the 2 dialogues of {own}:test stand" in caught.value.message
    assert "train 'tiny' anew with these under 'apart'" in (caught.value.hint or "")
    check_start(one, load_apart(one, meld), tmp_path)  # its data are not at hand
    known = recipe(base, start=str(folder / "bundle"))
    check_start(known, load_apart(known, meld), meld)  # what the start kept apart as well
    kept = recipe(base, start=str(folder / "bundle"), apart=[part], keep_overlap="So published.")
    check_start(kept, load_apart(kept, meld), meld)
    other = recipe(base, start=kept.start, apart=[part], keep_overlap="So published.",
                   train=[{**part, "split": "train"}])  # fmt: skip
    with pytest.raises(ConfigError, match="was trained on meld:train"):
        check_start(other, load_apart(other, meld), meld)

    # Of files of one's own, one is not another.
    begun = shutil.copytree(folder / "bundle", tmp_path / "begun")
    facts = json.loads((begun / "training.json").read_text("utf-8"))
    row = {**part, "split": "train", "data_hash": "0" * 16}
    (begun / "training.json").write_text(json.dumps({**facts, "sources": [row]}), "utf-8")
    new = shutil.copy(own, tmp_path / "copy.csv")
    mine = recipe(base, start=str(begun), keep_overlap="So published.",
                  train=[{**part, "split": "train", "file": str(tmp_path / "other.csv")}],
                  apart=[{**part, "file": str(new)}])  # fmt: skip
    with pytest.raises(ConfigError, match="was trained on custom:train"):
        check_start(mine, load_apart(mine, meld), meld)


def test_a_part_read_otherwise_was_not_kept_apart(
    trained: Trained, base: Path, meld: Path, tmp_path: Path
) -> None:
    """As another version or language of a data set, whose texts may be those trained on."""
    _, first, _ = trained
    begun = shutil.copytree(first.folder, tmp_path / "begun")
    root = shutil.copytree(meld, tmp_path / "data")
    lines = (root / "meld" / "train_sent_emo.csv").read_text("utf-8").splitlines()[:31]
    (root / "meld" / "test_sent_emo.csv").write_text("\n".join([*lines, ""]), "utf-8")
    one = recipe(base, start=str(begun))
    check_start(one, load_apart(one, root), root)
    facts = json.loads((begun / "training.json").read_text("utf-8"))
    for part in facts["kept_apart"]:
        part |= {"switches": {"version": "v2"}, "data_hash": "0" * 16}  # which is not at hand
    (begun / "training.json").write_text(json.dumps(facts), "utf-8")
    with pytest.raises(ConfigError, match="10 of the 10 dialogues of meld:test stand"):
        check_start(one, load_apart(one, root), root)


def test_a_file_of_ones_own_was_kept_apart_as_what_it_held(
    trained: Trained, base: Path, meld: Path, tmp_path: Path
) -> None:
    _, first, _ = trained
    begun = shutil.copytree(first.folder, tmp_path / "begun")
    own = write_own(tmp_path / "mine.csv", meld)
    part = {"dataset": "custom", "split": "test", "file": str(own), "labels": "meld-7"}
    one = recipe(base, start=str(begun), apart=[part])
    apart = load_apart(one, meld)
    facts = json.loads((begun / "training.json").read_text("utf-8"))

    def record(**changed: str | None) -> None:
        rows = [{**row, **changed} for row in kept_apart(apart)]
        (begun / "training.json").write_text(json.dumps({**facts, "kept_apart": rows}), "utf-8")

    record()
    check_start(one, apart, meld)
    record(data_hash=None)  # as in a record of an earlier version
    check_start(one, apart, meld)
    record(data_hash="0" * 16)
    with pytest.raises(ConfigError, match=f"dialogues of {own}:test stand"):
        check_start(one, apart, meld)


def test_a_start_that_kept_what_shares_text_has_kept_nothing_apart(
    trained: Trained, base: Path, tmp_path: Path
) -> None:
    _, first, _ = trained
    begun = shutil.copytree(first.folder, tmp_path / "begun")
    facts = json.loads((begun / "training.json").read_text("utf-8"))
    assert [part["split"] for part in earlier(recipe(base, start=str(begun)))[0]["apart"]] == [
        "test",
        "dev",
    ]
    facts["recipe"]["keep_overlap"] = "All sessions act the same plays."
    (begun / "training.json").write_text(json.dumps(facts), "utf-8")
    assert earlier(recipe(base, start=str(begun)))[0]["apart"] == []


def test_a_start_that_knows_a_dev_file_of_ones_own_is_refused(
    trained: Trained, base: Path, meld: Path, tmp_path: Path
) -> None:
    _, first, _ = trained
    begun = shutil.copytree(first.folder, tmp_path / "begun")
    facts = json.loads((begun / "training.json").read_text("utf-8"))
    dev = load_part(recipe(base).dev[0], meld, 0)
    row = {"dataset": "custom", "split": "train", "data_hash": dev.data_hash}
    (begun / "training.json").write_text(json.dumps({**facts, "sources": [row]}), "utf-8")
    with pytest.raises(ConfigError, match="shares dialogues with meld:dev"):
        train(recipe(base, start=str(begun)), meld, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_dev_data_without_a_label_are_refused(base: Path, meld: Path, tmp_path: Path) -> None:
    own = tmp_path / "dev.csv"
    part = {"dataset": "custom", "split": "dev", "file": str(own), "labels": "joy, anger",
            "limit": 1}  # fmt: skip
    refused = []
    for labels in (("joy", ""), ("", "joy")):  # one of the two dialogues is drawn
        rows = [f"{number},A,Well done.,{label}" for number, label in enumerate(labels)]
        own.write_text("\n".join(["dialogue,speaker,text,label", *rows]), "utf-8")
        try:
            prepare(recipe(base, dev=[part]), meld, lambda text: None)
        except ConfigError as error:
            refused.append(error.message)
    assert refused == [f"No utterance of the dev data {own}:dev has a label to choose by."]


def test_a_window_longer_than_the_model_reads_is_refused(
    base: Path, meld: Path, tmp_path: Path
) -> None:
    window = {"history_max": 9, "history_min": 3, "max_tokens": 1000}
    with pytest.raises(
        ConfigError, match=r"'window\.max_tokens' is 1,000, but of the 1,024"
    ) as caught:
        train(recipe(base, window=window), meld, tmp_path / "out")
    room = int((caught.value.hint or "").removeprefix("Set it to ").split(" ")[0])
    prepare(recipe(base, window={**window, "max_tokens": room}), meld, lambda text: None)


def test_turns_longer_than_the_model_reads_are_left_out_and_counted(
    base: Path, tmp_path: Path
) -> None:
    own = tmp_path / "mine.csv"
    long = "rain and letter " * 400
    own.write_text(
        f"dialogue,speaker,text,label\n1,A,Well done.,joy\n1,B,{long},anger\n2,B,No!,anger\n",
        "utf-8",
    )
    part = {"dataset": "custom", "file": str(own), "labels": "joy, anger"}
    dev = {**part, "split": "dev", "file": str(tmp_path / "dev.csv")}
    (tmp_path / "dev.csv").write_text("text,label\nYes,joy\n", "utf-8")
    said: list[str] = []
    one = recipe(base, train=[part], dev=[dev], apart=[])
    setting = prepare(one, tmp_path, said.append)
    assert [text for text in said if "1 labelled turns are too long for the base" in text]
    asked = [q for plan in setting.packs for q in setting.packer().questions(plan)]
    assert sorted({question.label for question in asked}) == ["anger", "joy"]
    lengths = [len(setting.trainee.engine.prompt_format.encode(q.prompt)) for q in asked]
    assert max(lengths) <= 1024
    own.write_text(f"text,label\n{long},joy\n", "utf-8")
    with pytest.raises(ConfigError, match="No labelled utterance of"):
        prepare(one, tmp_path, said.append)


def test_who_mines_with_such_a_start_is_told(
    trained: Trained, base: Path, meld: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, first, _ = trained
    monkeypatch.setattr("sentixrl.training.running.mine", lambda *arguments: None)
    noted = Noted()
    one = recipe(base, start=str(first.folder), discriminator={})
    assert train(one, meld, tmp_path / "out", noted) is None
    assert [text for text in noted.said if text.startswith("The fold models start from the base")]


def test_the_bundle_is_judged_where_and_as_it_was_trained(
    trained: Trained, base: Path, meld: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not on the device it would choose, nor with deductions, which large models have else."""
    asked: list[dict[str, Any]] = []

    def noting(folder: Path, **options: Any) -> Any:  # noqa: ANN401
        asked.append(options)
        return sentixrl.load(folder, **options)

    monkeypatch.setattr("sentixrl.training.finishing.load", noting)
    monkeypatch.setattr("sentixrl.classifier._deduces", lambda engine: True)
    folder = shutil.copytree(trained[0], tmp_path / "out")
    shutil.rmtree(folder / "bundle")
    assert train_bundle(recipe(base), meld, folder, Noted().watch, lambda cost: True, "cpu")
    (options,) = asked
    assert options["local"].device == "cpu"
    assert options["context"].deduction == "off"


def test_an_adapter_that_is_not_plain_lora_is_not_trained_on(
    trained: Trained, base: Path, meld: Path, tmp_path: Path
) -> None:
    _, first, _ = trained
    begun = shutil.copytree(first.folder, tmp_path / "begun")
    config = begun / "adapter" / "adapter_config.json"
    config.write_text(json.dumps({**json.loads(config.read_text()), "use_dora": True}), "utf-8")
    one = recipe(base, start=str(begun), method="lora")
    with pytest.raises(ConfigError, match="not plain LoRA"):
        train(one, meld, tmp_path / "out")


def test_an_adapter_of_another_rank_is_not_trained_on(
    trained: Trained, base: Path, meld: Path, tmp_path: Path
) -> None:
    _, first, _ = trained
    one = recipe(base, start=str(first.folder), method="lora", rank=5)
    with pytest.raises(ConfigError, match="says 'rank: 5'") as caught:
        train(one, meld, tmp_path / "out")
    assert "rank: 8" in (caught.value.hint or "")


def test_a_discriminator_learns_from_out_of_fold_mistakes(
    base: Path, meld: Path, tmp_path: Path
) -> None:
    one = recipe(base, discriminator={"folds": 2, "epochs": 1, "challenge": 0.5, "weight": 0.5},
                 epochs=4, loss={"distil": 0.3})  # fmt: skip
    noted = Noted()
    found = train(one, meld, tmp_path / "out", noted)
    assert found is not None
    assert shipped_f1(found) > 2 * MAJORITY
    turns: list[Any] = []
    for number in range(2):
        (source,) = json.loads((tmp_path / "out" / f"fold-{number}.json").read_text())
        turns += source
        assert json.loads((tmp_path / "out" / f"fold-{number}" / "recipe.json").read_text()) == (
            as_plain(fold_recipe(one, sources_of(one, meld)))
        )
    assert len({(id, turn) for id, turn, _ in turns}) == len(turns) == 180
    assert all(sum(shares) == pytest.approx(1, abs=1e-4) for _, _, shares in turns)
    assert [text for text in noted.said if "fold-" in text]
    trials = json.loads((found.folder / "training.json").read_text("utf-8"))["negotiation"]
    assert len(trials) == 5
    assert trials[0]["weighted_f1"] == max(trial["weighted_f1"] for trial in trials)
    policy = sentixrl.load(found.folder).negotiation
    assert policy.enabled == (trials[0]["threshold"] is not None)
    if policy.enabled:
        assert policy.agree_threshold == trials[0]["threshold"]
    result = sentixrl.load(found.folder).predict(["I walked along the rain"])
    assert result.items[0].fallback or result.items[0].label


def test_a_turn_that_is_too_long_to_answer_is_left_out(
    base: Path, meld: Path, tmp_path: Path
) -> None:
    """It fails alone: looks at dev and the discriminator's material go without it."""
    root = write_meld(tmp_path / "data", train=24, dev=6)
    path = root / "meld" / "dev_sent_emo.csv"
    path.write_text(path.read_text("utf-8").replace("walked", "walked " * 1200, 1), "utf-8")
    one = recipe(base, epochs=1, discriminator={"folds": 2, "epochs": 0.5})
    found = train(one, root, tmp_path / "out")
    assert found is not None

    from sentixrl.training.checking import posteriors

    setting = prepare(one, root, lambda text: None)
    (data,) = setting.dev.values()
    answers = posteriors(setting.trainee, setting.context, data)
    assert len(answers) == len(answers.gold) == len(answers.log_probs) == 17
    assert len(set(answers.turns)) == 17


def test_several_seeds_are_trained_and_averaged(
    shell: Shell, base: Path, meld: Path, tmp_path: Path
) -> None:
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(as_plain(recipe(base, epochs=2))), "utf-8")
    out = tmp_path / "out"
    command = ("train", path, "--data", meld, "--out", out, "--seeds", "3,5", "--average")
    answer = shell(*command)
    assert answer.code == 0, answer.err
    assert sorted(entry.name for entry in out.iterdir()) == ["average", "seed-3", "seed-5"]
    facts = {
        name: json.loads((out / name / "bundle" / "training.json").read_text("utf-8"))
        for name in ("seed-3", "seed-5", "average")
    }
    assert [facts[name]["averaged"] for name in facts] == [[], [], [3, 5]]
    assert [facts[f"seed-{n}"]["recipe"]["seed"] for n in (3, 5)] == [3, 5]
    card = (out / "average" / "bundle" / "README.md").read_text("utf-8")
    assert "the mean of the weights of 2 trainings, seeds 3, 5" in card
    assert answer.out.count("keeps") == 3
    again = shell(*command)  # nothing is trained again
    assert again.code == 0
    assert again.err.count("is trained already") == 2


@pytest.mark.parametrize(
    ("more", "changes", "said"),
    [
        (["--average"], {}, "--average is for several trainings"),
        (["--average", "--seeds", "1"], {}, "--average is for several trainings"),
        (["--average", "--seeds", "1,2"], {"method": "lora"}, "cannot be averaged"),
        (["--seeds", ""], {}, "'' is not a list of seeds"),  # often a variable that is not set
    ],
)
def test_what_has_no_average_is_refused_before_anything_is_trained(
    shell: Shell, base: Path, meld: Path, tmp_path: Path,
    more: list[str], changes: dict[str, Any], said: str,
) -> None:  # fmt: skip
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(as_plain(recipe(base, **changes))), "utf-8")
    answer = shell("train", path, "--data", meld, "--out", tmp_path / "out", *more)
    assert answer.code == 2
    assert said in " ".join(answer.err.split())
    assert not (tmp_path / "out").exists()


def test_an_estimate_starts_nothing(base: Path, meld: Path, tmp_path: Path) -> None:
    told: list[Estimate] = []

    def announce(cost: Estimate) -> bool:
        told.append(cost)
        return False

    assert train_bundle(recipe(base), meld, tmp_path / "out", Noted().watch, announce) is None
    assert not (tmp_path / "out").exists()
    (cost,) = told
    setting = prepare(recipe(base), meld, lambda text: None)
    assert cost.steps == len(setting.packs)
    packer = Packer(setting.sources, setting.context, draw_of(setting.recipe),
                            setting.trainee.engine.prompt_format,
                            setting.trainee.engine.count_tokens)  # fmt: skip
    exact = sum(len(packer(plan).pack) for plan in setting.packs)
    assert cost.tokens == pytest.approx(exact, rel=0.5)
    assert cost.minutes is not None
    assert cost.gibibytes > 0


def test_an_estimate_counts_the_second_role_and_its_fold_models(base: Path, meld: Path) -> None:
    said: list[str] = []
    alone = estimate(prepare(recipe(base), meld, said.append))
    second = {"folds": 3, "epochs": 1}
    both = estimate(prepare(recipe(base, discriminator=second), meld, said.append))
    epochs = recipe(base).epochs
    assert (alone.folds, alone.fold_tokens) == (0, 0)
    assert both.folds == 3
    assert both.tokens > alone.tokens
    # Three models, each through two thirds of the data: two times through all of them.
    assert both.fold_tokens == pytest.approx(2 * alone.tokens / epochs, rel=0.3)


def test_an_estimate_counts_the_largest_pack_and_a_model_that_waits(
    base: Path, tmp_path: Path
) -> None:
    """A dialogue longer than a pack should be is one all the same."""
    root = write_meld(tmp_path / "data")
    short = estimate(prepare(recipe(base), root, lambda text: None))
    path = root / "meld" / "train_sent_emo.csv"
    path.write_text(path.read_text("utf-8").replace("walked", "walked " * 900, 1), "utf-8")
    setting = prepare(recipe(base), root, lambda text: None)
    long = estimate(setting)
    config, number = setting.trainee.model.config, 4
    each = 60 * config.num_hidden_layers * config.hidden_size * number
    assert (long.gibibytes - short.gibibytes) * 2**30 > 700 * each
    weights = sum(p.numel() for p in setting.trainee.model.parameters()) * number
    two = estimate(prepare(recipe(base, discriminator={}), root, lambda text: None))
    assert (two.gibibytes - long.gibibytes) * 2**30 >= weights


def test_a_training_that_does_not_fit_is_refused(base: Path, meld: Path) -> None:
    cost = estimate(prepare(recipe(base), meld, lambda text: None))
    check_memory(cost)
    large = dataclasses.replace(cost, gibibytes=700.0, available=16.0)
    with pytest.raises(ConfigError, match=r"about 700\.0 GiB of memory; there are 16\.0"):
        check_memory(large)


def test_weights_by_class_need_one_label_set(base: Path, meld: Path) -> None:
    one = recipe(base, train=[{"dataset": "meld"}, {"dataset": "meld", "task": "sentiment"}],
                 loss={"balance": "inverse"})  # fmt: skip
    with pytest.raises(ConfigError, match="need one label set; the recipe trains on 2"):
        prepare(one, meld, lambda text: None)
    two = one.model_copy(update={"loss": recipe(base).loss})
    assert objective_of(two, ()).weights == {}


def test_qlora_needs_another_machine(base: Path, meld: Path) -> None:
    with pytest.raises(ConfigError, match="needs a CUDA device"):
        prepare(recipe(base, method="qlora"), meld, lambda text: None, "cpu")


@pytest.mark.parametrize("checks", [1, 30])
def test_a_rate_that_is_far_too_high_stops_with_a_sentence(
    base: Path, meld: Path, tmp_path: Path, checks: int
) -> None:
    """Whether the loss meets the ruin first, or a look at dev does."""
    one = recipe(base, optimiser={"rate": 1e25, "pack_tokens": 256, "warmup": 0.0},
                 checks_per_epoch=checks)  # fmt: skip
    with pytest.raises(SentixError) as caught:
        train(one, meld, tmp_path / "out")
    assert caught.value.code == "nan_loss"
    assert " at step " in caught.value.message
    assert caught.value.hint
    assert "There is no checkpoint yet" in caught.value.hint
    assert "--out" in caught.value.hint


def test_a_loss_that_is_no_number_names_the_last_checkpoint(
    base: Path, meld: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import signal

    from sentixrl.training.trainer import TrieTrainer

    monkeypatch.setattr("sentixrl.training.trainer.SAVE_SECONDS", 0.0)
    before = signal.getsignal(signal.SIGINT)
    compute = TrieTrainer.compute_loss

    def spoiled(self: TrieTrainer, model: Any, inputs: Any, *rest: Any, **more: Any) -> Any:  # noqa: ANN401
        if self.state.global_step == 3:
            with torch.no_grad():
                next(iter(self.trainee.trained.values())).fill_(float("nan"))
        return compute(self, model, inputs, *rest, **more)

    monkeypatch.setattr(TrieTrainer, "compute_loss", spoiled)
    one = recipe(base, epochs=0.5)
    with pytest.raises(SentixError) as caught:
        train(one, meld, tmp_path / "out")
    assert caught.value.message == "The loss is not a number at step 4."
    last = last_checkpoint(tmp_path / "out")
    assert last == tmp_path / "out" / "checkpoint-3"
    assert caught.value.hint
    assert str(last) in caught.value.hint
    assert signal.getsignal(signal.SIGINT) is before

    monkeypatch.setattr(TrieTrainer, "compute_loss", compute)
    noted = Noted()
    assert train(one, meld, tmp_path / "out", noted) is not None  # and it can go on
    assert f"Going on from {last}." in noted.said


def test_a_checkpoint_that_the_disk_refuses_is_said_to_be_and_leaves_nothing(
    base: Path, meld: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from transformers import Trainer

    save = Trainer._save_checkpoint

    def full(self: Trainer, model: Any, trial: Any) -> None:  # noqa: ANN401
        save(self, model, trial)
        if self.state.global_step == 3:  # as torch's writer says it
            raise RuntimeError("PytorchStreamWriter failed writing file data/0: file write failed")

    monkeypatch.setattr("sentixrl.training.trainer.SAVE_SECONDS", 0.0)
    monkeypatch.setattr(Trainer, "_save_checkpoint", full)
    with pytest.raises(
        SentixError, match="checkpoint-3 cannot be written: PytorchStream"
    ) as caught:
        train(recipe(base, epochs=0.5), meld, tmp_path / "out")
    assert caught.value.hint
    left = sorted(path.name for path in (tmp_path / "out").glob("checkpoint-*"))
    assert left[-1] == "checkpoint-2"
    assert last_checkpoint(tmp_path / "out") == tmp_path / "out" / "checkpoint-2"


def test_gradients_that_are_no_numbers_never_reach_the_weights(
    base: Path, meld: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from sentixrl.training.trainer import TrieTrainer

    seen: list[dict[str, torch.Tensor]] = []
    compute = TrieTrainer.compute_loss

    def steep(self: TrieTrainer, model: Any, inputs: Any, *rest: Any, **more: Any) -> Any:  # noqa: ANN401
        loss = compute(self, model, inputs, *rest, **more)
        if self.state.global_step < 2:
            return loss
        seen.append({name: p.detach() for name, p in self.trainee.trained.items()})
        first = next(iter(self.trainee.trained.values()))
        return loss + (first.sum() * 0).sqrt()  # worth nothing, with an infinite slope

    monkeypatch.setattr(TrieTrainer, "compute_loss", steep)
    with pytest.raises(SentixError, match="A gradient is not a number at step 3"):
        train(recipe(base), meld, tmp_path / "out")
    assert all(torch.isfinite(value).all() for value in seen[0].values())


def write_recipe(one: Recipe, folder: Path) -> Path:
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(as_plain(one)), "utf-8")
    return path


def test_the_command_trains_several_seeds(
    shell: Shell, base: Path, meld: Path, tmp_path: Path
) -> None:
    path = write_recipe(recipe(base, epochs=0.5), tmp_path)
    arguments = ("train", path, "--data", meld, "--out", tmp_path / "out", "--seeds", "3,4")
    answer = shell(*arguments)
    assert answer.code == 0, answer.err
    assert answer.flat.count("adapter of") == 2
    assert "{" not in answer.out  # transformers prints its log there if it may
    assert "shards" not in answer.err
    assert "steps, about" in answer.err
    assert "best so far" in answer.err
    found = [tmp_path / "out" / f"seed-{seed}" / "bundle" for seed in (3, 4)]
    facts = [json.loads((path / "training.json").read_text()) for path in found]
    assert [fact["recipe"]["seed"] for fact in facts] == [3, 4]
    weights = [(path / "adapter" / "adapter_model.safetensors").read_bytes() for path in found]
    assert weights[0] != weights[1]
    again = shell(*arguments)
    assert again.code == 0
    assert again.err.count("trained already") == 2
    said = shell("classify", "--model", found[0], "--text", "rain along the river")
    assert said.code == 0, said.err


def test_the_command_estimates_and_stops(
    shell: Shell, base: Path, meld: Path, tmp_path: Path
) -> None:
    path = write_recipe(recipe(base), tmp_path)
    answer = shell("train", path, "--data", meld, "--out", tmp_path / "out", "--estimate")
    assert answer.code == 0, answer.err
    assert "GiB of memory" in answer.err
    assert not (tmp_path / "out").exists()


def test_what_the_command_refuses(shell: Shell, base: Path, meld: Path, tmp_path: Path) -> None:
    path = write_recipe(recipe(base), tmp_path)
    out = tmp_path / "out"
    assert "cannot be read" in shell.refuses("train", "none.yaml", "--data", meld, "--out", out)
    said = shell.refuses("train", path, "--data", meld, "--out", out, "--seeds", "1,two")
    assert "'1,two' is not a list of seeds" in said
    for seeds in ("-1", str(2**32)):
        said = shell.refuses("train", path, "--data", meld, "--out", out, f"--seeds={seeds}")
        assert f"'{seeds}' is not a list of seeds" in said
    said = shell.refuses("train", path, "--data", meld, "--out", out, "--device", "gpu")
    assert "The device 'gpu' cannot be used" in said
    assert "no folder" in shell.refuses("train", path, "--data", tmp_path, "--out", out)
    assert not out.exists()


def test_labels_are_learned_from_words_the_test_knows() -> None:
    assert set(SIGNS) <= set(sentixrl.labels.scheme("meld-7").names)


def test_a_library_that_the_end_needs_is_missed_at_the_start(
    shell: Shell, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("calibration.fitting", "training.finishing", "training.running"):
        monkeypatch.delitem(sys.modules, f"sentixrl.{module}", raising=False)
    monkeypatch.setitem(sys.modules, "scipy.optimize", None)
    path = tmp_path / "recipe.yaml"
    path.write_text(yaml.safe_dump(as_plain(recipe(base))), "utf-8")
    said = shell.refuses("train", path, "--data", tmp_path, "--out", tmp_path / "out")
    assert "'scipy" in said
    assert "[train]" in said
    assert not (tmp_path / "out").exists()
