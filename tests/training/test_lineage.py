"""Starting from a bundle: what it was trained on, and what is refused because of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from sentixrl.datasets.dataset import Dataset
from sentixrl.errors import ConfigError
from sentixrl.labels import scheme
from sentixrl.training.card import write_card
from sentixrl.training.lineage import check_start, earlier, holdout_record
from sentixrl.training.material import load_holdout, load_part
from sentixrl.training.out_of_fold import fold_recipe

from .small import Noted, Trained, recipe, shipped_f1, sources_of, train

pytestmark = pytest.mark.usefixtures("float32")


@pytest.mark.parametrize("method", ["full", "lora"])
def test_a_training_may_start_from_a_bundle(
    trained: Trained, base: Path, meld: Path, tmp_path: Path, method: str
) -> None:
    _, first, _ = trained
    one = recipe(
        base, start=str(first.folder), method=method, epochs=0.2, optimiser={"learning_rate": 1e-6}
    )
    found = train(one, meld, tmp_path / "out")
    assert found is not None
    assert shipped_f1(found) == pytest.approx(shipped_f1(first), abs=0.1)
    facts = json.loads((found.folder / "training.json").read_text("utf-8"))
    begun = json.loads((first.folder / "training.json").read_text("utf-8"))
    kept: list[dict[str, Any]] = [
        {"dataset": "meld", "split": part.split, "kind": "single", "switches": {}, "limit": None,
         "file": None, "data_hash": data.data_hash}
        for part, data in load_holdout(one, meld)
    ]  # fmt: skip
    assert [part["split"] for part in kept] == ["test", "dev"]
    assert facts["earlier"] == [{"name": "tiny", "sources": begun["sources"], "holdout": kept}]
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
        {"name": "tiny", "sources": [], "holdout": None}
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
        holdout=[],
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
        check_start(same, load_holdout(same, meld), meld)
    # Under another name its texts tell.
    other = recipe(base, start=str(begun), dev=[{**part, "split": "dev", "file": str(copy)}])
    with pytest.raises(ConfigError, match=r"where 2 of the 2 dialogues of .*copy\.csv:dev stand"):
        check_start(other, load_holdout(other, meld), meld)


def test_a_fold_is_looked_at_by_its_own_epochs(base: Path, meld: Path) -> None:
    part = {"dataset": "meld", "epochs": 6}
    one = recipe(base, train=[part], discriminator={"epochs": 1})
    assert one.epochs_of_checks == 6
    assert fold_recipe(one, sources_of(one, meld)).epochs_of_checks == 1


@pytest.mark.parametrize(
    ("known", "changes", "met"),
    [
        (("meld", "dev"), {}, "meld:dev"),
        (("meld", "test"), {}, "meld:test"),
        (("meld", "train"), {}, None),
        (("emorynlp", "dev"), {}, None),
        (("cped", "lowres-train"), {"holdout": [{"dataset": "cped", "split": "dev"}]}, "cped:dev"),
        (("cped", "dev"), {"holdout": [{"dataset": "cped", "split": "lowres-dev"}]}, "cped:lowres"),
        (("cped", "lowres-train"), {"holdout": [{"dataset": "cped", "split": "lowres-dev"}]}, None),
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
    holdout = [(part, nothing) for part in [*one.holdout, *one.dev]]
    if met is None:
        check_start(one, holdout, tmp_path)
        return
    with pytest.raises(ConfigError, match=f"shares dialogues with {met}") as caught:
        check_start(one, holdout, tmp_path)
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
    one = recipe(base, start=str(folder / "bundle"), holdout=[part])
    with pytest.raises(ConfigError) as caught:
        check_start(one, load_holdout(one, meld), meld)
    assert "'tiny' was trained on meld:train" in caught.value.message
    assert f"where 2 of the 2 dialogues of {own}:test stand" in caught.value.message
    assert "train 'tiny' anew with these under 'holdout'" in (caught.value.hint or "")
    check_start(one, load_holdout(one, meld), tmp_path)  # its data are not at hand
    known = recipe(base, start=str(folder / "bundle"))
    check_start(known, load_holdout(known, meld), meld)  # what the start kept apart as well
    kept = recipe(base, start=str(folder / "bundle"), holdout=[part], keep_overlap="So published.")
    check_start(kept, load_holdout(kept, meld), meld)
    other = recipe(base, start=kept.start, holdout=[part], keep_overlap="So published.",
                   train=[{**part, "split": "train"}])  # fmt: skip
    with pytest.raises(ConfigError, match="was trained on meld:train"):
        check_start(other, load_holdout(other, meld), meld)

    # Of files of one's own, one is not another.
    begun = shutil.copytree(folder / "bundle", tmp_path / "begun")
    facts = json.loads((begun / "training.json").read_text("utf-8"))
    row = {**part, "split": "train", "data_hash": "0" * 16}
    (begun / "training.json").write_text(json.dumps({**facts, "sources": [row]}), "utf-8")
    new = shutil.copy(own, tmp_path / "copy.csv")
    mine = recipe(base, start=str(begun), keep_overlap="So published.",
                  train=[{**part, "split": "train", "file": str(tmp_path / "other.csv")}],
                  holdout=[{**part, "file": str(new)}])  # fmt: skip
    with pytest.raises(ConfigError, match="was trained on custom:train"):
        check_start(mine, load_holdout(mine, meld), meld)


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
    check_start(one, load_holdout(one, root), root)
    facts = json.loads((begun / "training.json").read_text("utf-8"))
    for part in facts["holdout"]:
        part |= {"switches": {"version": "v2"}, "data_hash": "0" * 16}  # which is not at hand
    (begun / "training.json").write_text(json.dumps(facts), "utf-8")
    with pytest.raises(ConfigError, match="10 of the 10 dialogues of meld:test stand"):
        check_start(one, load_holdout(one, root), root)


def test_a_file_of_ones_own_was_kept_apart_as_what_it_held(
    trained: Trained, base: Path, meld: Path, tmp_path: Path
) -> None:
    _, first, _ = trained
    begun = shutil.copytree(first.folder, tmp_path / "begun")
    own = write_own(tmp_path / "mine.csv", meld)
    part = {"dataset": "custom", "split": "test", "file": str(own), "labels": "meld-7"}
    one = recipe(base, start=str(begun), holdout=[part])
    holdout = load_holdout(one, meld)
    facts = json.loads((begun / "training.json").read_text("utf-8"))

    def record(**changed: str | None) -> None:
        rows = [{**row, **changed} for row in holdout_record(holdout)]
        (begun / "training.json").write_text(json.dumps({**facts, "holdout": rows}), "utf-8")

    record()
    check_start(one, holdout, meld)
    record(data_hash=None)  # as in a record of an earlier version
    check_start(one, holdout, meld)
    record(data_hash="0" * 16)
    with pytest.raises(ConfigError, match=f"dialogues of {own}:test stand"):
        check_start(one, holdout, meld)


def test_a_start_that_kept_what_shares_text_has_kept_nothing_apart(
    trained: Trained, base: Path, tmp_path: Path
) -> None:
    _, first, _ = trained
    begun = shutil.copytree(first.folder, tmp_path / "begun")
    facts = json.loads((begun / "training.json").read_text("utf-8"))
    assert [part["split"] for part in earlier(recipe(base, start=str(begun)))[0]["holdout"]] == [
        "test",
        "dev",
    ]
    facts["recipe"]["keep_overlap"] = "All sessions act the same plays."
    (begun / "training.json").write_text(json.dumps(facts), "utf-8")
    assert earlier(recipe(base, start=str(begun)))[0]["holdout"] == []


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


def test_who_mines_with_such_a_start_is_told(
    trained: Trained, base: Path, meld: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, first, _ = trained
    monkeypatch.setattr("sentixrl.training.running.answer_out_of_fold", lambda *arguments: None)
    noted = Noted()
    one = recipe(base, start=str(first.folder), discriminator={})
    assert train(one, meld, tmp_path / "out", noted) is None
    assert [text for text in noted.said if text.startswith("The fold models start from the base")]


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
