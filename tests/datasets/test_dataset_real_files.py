"""The published files: every number of their README, and the repairs that they need.

Skipped where the files are not (they are not ours to commit).
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sentixrl.datasets import REGISTRY, Dataset, load
from sentixrl.datasets.dataset import Switch

SPLITS = {"validation": "dev", "valid": "dev", "val": "dev"}
NOT_HERE = {("cped", "train")}


@dataclass(frozen=True)
class Line:
    """A row of the README's table."""

    name: str
    split: str
    task: str | None
    switches: dict[str, Switch]
    rows: int
    dialogues: int | None
    labels: dict[str, int]


def lines(readme: str) -> Iterator[Line]:
    for row in re.findall(r"^\| (\w+) \| ([^|]+) \| (\d+) \| (\d*) \| (.*) \|$", readme, re.M):
        name, split, rows, dialogues, labels = (cell.strip() for cell in row)
        task: str | None = None
        switches: dict[str, Switch] = {}
        if name.endswith("_sentiment"):
            name, task = name.removesuffix("_sentiment"), "sentiment"
        elif name.startswith("ch_sims_"):
            name, switches = "ch_sims", {"version": name.removeprefix("ch_sims_")}
        elif name == "emorynlp":
            switches = {"layout": "full" if "full" in split else "timestamped"}
        elif name == "emotiontalk":
            task = "emotion-multimodal" if "multimodal" in split else "emotion"
        elif name == "brighter":
            split, language = split.split("/")
            switches = {"language": language}
        elif name == "xed":
            stem = re.sub(r"(-projections)?\.tsv$", "", split.replace("projections2", "2"))
            split, switches = "all", {"language": stem.replace("tr-2", "tr2")}
        counts = {label: int(n) for label, n in re.findall(r"([\w-]+|\(none\)) (\d+)", labels)}
        yield Line(
            name,
            SPLITS.get(split.split()[0], split.split()[0]),
            task,
            switches,
            int(rows),
            int(dialogues) if dialogues else None,
            {} if "blank in source" in labels else counts,
        )


def test_every_count_of_the_readme(real: Path) -> None:
    found = list(lines((real / "README.md").read_text("utf-8")))
    assert len(found) == 76
    for line in found:
        check_line(real, line)


def check_line(real: Path, line: Line) -> None:
    dataset = load(line.name, real / line.name, line.split, line.task, **line.switches)
    assert dataset.warnings == ()
    assert dataset.rows == line.rows, line
    if line.dialogues is not None:
        by_group = line.name == "ch_sims"
        assert (len(dataset.groups) if by_group else len(dataset)) == line.dialogues, line
    expected = dict(line.labels)
    unlabelled = expected.pop("(none)", 0)
    if expected:
        counts = {name.casefold(): n for name, n in dataset.source_labels.items() if n}
        assert counts == {name.casefold(): n for name, n in expected.items()}, line
        assert dataset.left_out.get("without any label", 0) == unlabelled, line
    if not REGISTRY[line.name].multi_label:
        assert dataset.labelled == line.rows, line
        assert dataset.left_out == {}, line


@pytest.mark.parametrize("name", [name for name in REGISTRY if name != "iemocap"])
def test_every_split_has_the_size_the_registry_states(real: Path, name: str) -> None:
    entry = REGISTRY[name]
    for key in entry.expected:
        split, _, variant = key.partition("/")
        if (name, split) in NOT_HERE or variant == "json":
            continue
        switches: dict[str, Switch] = {entry.sweep: variant} if entry.sweep else {}
        dataset = load(name, real / name, split, None, **switches)
        assert (dataset.variant, dataset.warnings) == (variant, ()), key


def test_single_label_subsets_and_rows_account_for_each_other(real: Path) -> None:
    for name, split, switches in (
        ("goemotions", "dev", {}),
        ("brighter", "test", {"language": "arq"}),
        ("xed", "all", {"language": "tr2"}),
    ):
        dataset = load(name, real / name, split, **switches)
        assert dataset.labelled + sum(dataset.left_out.values()) == dataset.rows
        everything = load(name, real / name, split, **switches, single_label=False)
        assert len(everything) == dataset.rows - dataset.left_out.get("without text", 0)


@pytest.mark.parametrize(("split", "file"), [("train", "train"), ("dev", "val")])
def test_the_official_json_of_emasac_is_the_table(
    real: Path, tmp_path: Path, split: str, file: str
) -> None:
    source = real / "emasac" / f"MaSaC_{file}_erc.json"
    (tmp_path / source.name).write_bytes(source.read_bytes())
    official, ours = load("emasac", tmp_path, split), load("emasac", real / "emasac", split)
    assert official.data_hash == ours.data_hash
    assert official.groups == ours.groups
    nameless = [turn for turn in ours.utterances if turn.speaker is None]
    assert len(nameless) == (1 if split == "train" else 0)


def test_known_faults_are_mended_and_reported(real: Path) -> None:
    romanian = load("xed", real / "xed", "all", language="ro")
    assert [str(repair) for repair in romanian.repairs] == [
        "ro.csv: control characters removed (9)"
    ]
    assert load("xed", real / "xed", "all", language="tr2").left_out["without text"] == 1
    assert not any(has_controls(dataset) for dataset in (romanian,))


def has_controls(dataset: Dataset) -> bool:
    return any(re.search(r"[\x80-\x9f]", turn.text) for turn in dataset.utterances)


def test_low_resource_splits_of_cped_are_whole_shows(real: Path) -> None:
    train, dev = (load("cped", real / "cped", f"lowres-{part}") for part in ("train", "dev"))
    assert set(train.groups).isdisjoint(dev.groups)
    assert all(count > 0 for count in dev.label_counts.values())
    whole = load("cped", real / "cped", "dev")
    assert Counter(train.label_counts) + Counter(dev.label_counts) == whole.label_counts


def test_ch_sims_labels_are_the_annotated_ones(real: Path) -> None:
    """Sign of the score against the column 'annotation', which the loader does not read."""
    dataset = load("ch_sims", real / "ch_sims", "test")
    text = load("ch_sims", real / "ch_sims", "test", "sentiment-text")
    same = [a.gold == b.gold for a, b in zip(dataset.utterances, text.utterances, strict=True)]
    assert round(sum(same) / len(same), 3) == 0.711
