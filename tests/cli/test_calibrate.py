"""``sentixrl calibrate``, ``--prior``, ``--sets`` and ``--several`` as a person uses them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from sentixrl.cli.options import ModelOptions

from .shell import Shell, make_shell

__all__ = ["make_shell"]
LABELS = "calm, annoyed, afraid"
NAMES = ("calm", "annoyed", "afraid")


def labelled(path: Path, turns: int, labels: tuple[str, ...] = NAMES) -> Path:
    rows = [
        f"talk {number // 6},No. {number} and the rain went on,{labels[number % len(labels)]}"
        for number in range(turns)
    ]
    path.write_text("\n".join(["dialogue,text,label", *rows]) + "\n", "utf-8")
    return path


def test_a_calibrated_model_is_written_says_so_and_makes_sets(
    shell: Shell, tiny_model: Path, tmp_path: Path
) -> None:
    file, out = labelled(tmp_path / "mine.csv", 48), tmp_path / "model"
    answer = shell("calibrate", tiny_model, file, "--labels", LABELS, "--out", out)
    assert answer.code == 0, answer
    assert "expected calibration error" in answer.out
    assert "48 labelled turns in 8 dialogues; cross-validated, dialogues held out" in answer.flat
    written = json.loads((out / "bundle.json").read_text("utf-8"))
    assert len(written["calibrations"]["annoyed; calm; fear"]["truths"]) == 48

    (found,) = shell("classify", "--model", out, "--text", "So.", "--sets", "0.9", "--json").objects
    (turn,) = found["utterances"]
    assert turn["calibrated"] is True
    assert set(turn["candidates"]) <= set(NAMES)
    (other,) = shell("classify", "--model", tiny_model, "--labels", LABELS, "-t", "So.",
                     "--json").objects  # fmt: skip
    assert other["utterances"][0]["calibrated"] is False
    screen = shell("classify", "--model", out, "--text", "So.", "--sets", "0.9")
    assert "· calibrated" in screen.flat
    assert "candidates" in screen.out
    rows = shell("classify", "--model", out, "--text", "So.", "--sets", "0.9", "--csv").out
    assert rows.splitlines()[0].endswith(",error,calibrated,candidates")

    again = shell("evaluate", "--dataset", "custom", "--data", file, "--labels", LABELS, "--model",
                  out, "--sets", "0.9", "--out", tmp_path / "run")  # fmt: skip
    assert again.code == 0, again
    assert "sets that hold the truth" in again.out
    metrics = json.loads((tmp_path / "run" / "metrics.json").read_text("utf-8"))
    assert {"coverage", "mean_size", "full", "n"} == set(metrics["calibration"]["sets"])


def test_a_card_says_what_was_calibrated(shell: Shell, tiny_model: Path, tmp_path: Path) -> None:
    out = tmp_path / "model"
    for turns in (36, 48):
        file = labelled(tmp_path / "mine.csv", turns)
        shell("calibrate", tiny_model, file, "--labels", LABELS, "--out", out)
        card = out / "README.md"
        if turns == 36:
            assert not card.exists()  # the model had none
            card.write_text("# A model\n")
    told = card.read_text("utf-8")
    assert told.startswith("# A model\n\n## Calibrated since\n\nAll above is about ")
    assert "on 48 labelled turns for these labels: calm, annoyed, afraid.\n" in told
    shell("calibrate", out, file, "--out", out)
    assert card.read_text("utf-8").count("## Calibrated since") == 1


def test_a_model_calibrated_with_descriptions_is_asked_with_them(
    shell: Shell, tiny_model: Path, tmp_path: Path
) -> None:
    own = tmp_path / "own.yaml"
    lines = [
        "name: own",
        "labels:",
        "- {name: calm, description: at ease}",
        "- annoyed",
        "- afraid",
    ]
    own.write_text("\n".join(lines) + "\n", "utf-8")
    file = labelled(tmp_path / "mine.csv", 48)
    for switch, shows in (((), True), (("--no-glosses",), False)):
        out = tmp_path / f"model-{shows}"
        answer = shell("calibrate", tiny_model, file, "--labels", own, "--out", out, *switch)
        assert answer.code == 0, answer
        written = json.loads((out / "bundle.json").read_text("utf-8"))
        assert written["context"]["glosses"] is shows
        for labels in ((), ("--labels", own)):
            (found,) = shell("classify", "--model", out, "-t", "So.", "--json", *labels).objects
            assert found["utterances"][0]["calibrated"] is True
            spec = ModelOptions(str(out)).spec(*map(str, labels[1:]))
            assert spec.context is not None
            assert spec.context.glosses is shows


def test_thresholds_of_several_labels_are_fitted_and_used(
    shell: Shell, tiny_model: Path, tmp_path: Path
) -> None:
    cells = ("calm", "calm; afraid", "[]", "annoyed; afraid")
    file, out = labelled(tmp_path / "mine.csv", 48, cells), tmp_path / "model"
    ask = ("calibrate", tiny_model, file, "--labels", LABELS, "--several")
    answer = shell(*ask, "--out", out)
    assert answer.code == 0, answer
    assert "macro-F1" in answer.out
    assert "accuracy" not in answer.out
    written = json.loads((out / "bundle.json").read_text("utf-8"))
    assert list(written["calibrations"]) == ["several: annoyed; calm; fear"]
    thresholds = written["calibrations"]["several: annoyed; calm; fear"]["thresholds"]
    (found,) = shell("classify", "--model", out, "--text", "So.", "--json").objects
    (turn,) = found["utterances"]
    assert turn["calibrated"] is True
    shares = [turn["probabilities"][name] for name in ("annoyed", "calm", "afraid")]
    named = zip(("annoyed", "calm", "afraid"), shares, thresholds, strict=True)
    assert set(turn["labels"]) == {name for name, share, least in named if share >= least}
    assert "--bias) is for one label a turn" in shell.refuses(*ask, "--bias")


@pytest.mark.parametrize(
    ("turns", "labels", "said"),
    [
        (10, NAMES, "has 10 labelled turns; a calibration needs at least 30"),
        (40, ("calm",), "have the label 'calm'; a calibration needs at least two"),
        (40, ("calm", "rage"), "'rage' is not a label of 'custom'"),
        (40, ("calm; afraid", "calm"), "it has 2 labels, and 'custom' asks for exactly one"),
    ],
)
def test_files_that_cannot_be_calibrated_on(
    shell: Shell, tmp_path: Path, turns: int, labels: tuple[str, ...], said: str
) -> None:
    file = labelled(tmp_path / "mine.csv", turns, labels)
    assert said in shell.refuses("calibrate", "default", file, "--labels", LABELS)


def test_a_folder_that_holds_something_else_is_refused_at_once(
    shell: Shell, tmp_path: Path
) -> None:
    (tmp_path / "note.txt").write_text("mine", "utf-8")
    file = labelled(tmp_path / "mine.csv", 40)
    said = shell.refuses("calibrate", "default", file, "--labels", LABELS, "--out", tmp_path)
    assert "not empty and not a model bundle" in said


@pytest.mark.parametrize(
    ("prior", "said"),
    [
        ("calm=0.5, annoyed=0.1, afraid=0.1", "sum to 0.7, not to 1"),
        ("calm=0.5, rage=0.5", "'rage', which is not a label"),
        ("calm", "'calm' in the prior is no label with its share"),
        ("calm=much", "'calm=much' in the prior"),
        ("calm=0.5, calm=0.5", "names the label 'calm' twice"),
    ],
)
def test_priors_that_are_none(shell: Shell, tiny_model: Path, prior: str, said: str) -> None:
    text = ("classify", "--model", tiny_model, "--labels", LABELS, "--text", "So.")
    assert said in shell.refuses(*text, "--prior", prior)


def test_a_prior_counts_on_screen_and_in_json(shell: Shell, tiny_model: Path) -> None:
    text = ("classify", "--model", tiny_model, "--labels", LABELS, "--text", "So.", "--json")
    prior = "calm=0, annoyed=0, afraid=1"
    (found,) = shell(*text, "--no-negotiate", "--prior", prior).objects
    assert found["utterances"][0]["label"] == "afraid"
    assert found["utterances"][0]["confidence"] == 1


def test_several_labels_from_a_label_file(shell: Shell, tiny_model: Path, tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("name: mine\nmulti_label: true\nlabels: [calm, annoyed, afraid]\n", "utf-8")
    ask = ("classify", "--model", tiny_model, "--labels", mine, "--text", "So.")
    (found,) = shell(*ask, "--json").objects
    (turn,) = found["utterances"]
    assert turn["label"] is None
    assert turn["labels"] == [name for name in NAMES if turn["probabilities"][name] >= 0.5]
    header, *_ = shell(*ask, "--csv").out.splitlines()
    assert header.endswith(",labels,p_calm,p_annoyed,p_afraid")
    screen = shell(*ask, "--rounds", "5")
    assert "several labels a turn, each judged by itself" in screen.flat
    assert "--rounds has no effect: each label is judged by itself" in screen.err
    (single,) = shell(*ask, "--no-several", "--json").objects
    assert "labels" not in single["utterances"][0]


def test_one_label_a_turn_is_not_evaluated_as_several(shell: Shell, tmp_path: Path) -> None:
    file = labelled(tmp_path / "mine.csv", 12)
    ask = ("evaluate", "--dataset", "custom", "--data", file, "--labels", LABELS)
    said = shell.refuses(*ask, "--several", "--out", tmp_path / "run")
    assert "gives each of its turns exactly one label" in said
    said = shell.refuses("evaluate", "--dataset", "meld", "--data", tmp_path, "--several",
                              "--out", tmp_path / "run")  # fmt: skip
    assert "has one label per utterance, and --several asks for any number" in said
