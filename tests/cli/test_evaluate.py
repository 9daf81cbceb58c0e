"""``sentixrl evaluate``: what it writes, says, resumes and refuses."""

from __future__ import annotations

import csv
import io
import json
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from sentixrl.classifier import Classifier
from sentixrl.cli.main import app, main
from sentixrl.errors import ConfigError, InputError, MissingDependencyError, SentixError
from sentixrl.runs import read_items, read_run

from .shell import Shell, make_shell

__all__ = ["make_shell"]
EMOTIONS = ("neutral", "joy", "anger", "surprise", "sadness", "disgust", "fear")
HEADER = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode"
SAID = ("The rain stopped.", "Is that right?", "We walked home.", "No, but better.")
ANSWERS = ("dialogue_id", "utterance_id", "label")
Evaluate = Callable[..., Result]


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(header)
    writer.writerows(rows)
    return stream.getvalue()


@pytest.fixture(scope="session")
def meld(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small MELD: 8 dialogues of 4 turns a split."""
    folder = tmp_path_factory.mktemp("meld")
    for split in ("train", "dev", "test"):
        rows = []
        for dialogue in range(8):
            for turn in range(4):
                emotion = EMOTIONS[(dialogue + turn) % (3 if turn else 2)]
                text = f"{SAID[turn]} {emotion} {dialogue}"
                rows.append((1, text, "Ann", emotion, "neutral", dialogue, turn, 1, 1))
        (folder / f"{split}_sent_emo.csv").write_text(table(HEADER.split(","), rows), "utf-8")
    return folder


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> list[Path]:
    """Where reports would have been written."""
    folders: list[Path] = []
    monkeypatch.setattr("sentixrl.evaluation.report.write_report", folders.append)
    return folders


@pytest.fixture
def evaluate(
    meld: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reported: list[Path]
) -> Evaluate:
    """Evaluate on the small MELD, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")

    def invoke(*arguments: str | Path, dataset: str = "meld", data: Path = meld) -> Result:
        command = ["evaluate", "--dataset", dataset, "--data", data, *arguments]
        if dataset == "meld" and "--split" not in arguments:
            command += ["--split", "test"]
        return CliRunner().invoke(app, list(map(str, command)))

    return invoke


def answers_of(folder: Path) -> list[tuple[str, int, str, str | None, str | None, int]]:
    """Everything but the last digits of probabilities."""
    return [
        (dialogue.id, item.index, item.status.value, item.label, item.fallback, len(item.rounds))
        for dialogue, prediction in read_items(folder)
        for item in prediction.items
    ]


def refused(result: Result, kind: type[SentixError] = SentixError) -> SentixError:
    assert isinstance(result.exception, kind), result.output
    return result.exception


def metrics(folder: Path | str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((Path(folder) / "metrics.json").read_text("utf-8"))
    return found


def test_a_model_is_measured_logged_and_said(
    evaluate: Evaluate, tiny_model: Path, reported: list[Path]
) -> None:
    Path("results").mkdir()
    result = evaluate("--model", tiny_model, "--out", "run", "--limit", "3", "--dtype", "float32")
    assert result.exit_code == 0, result.output
    assert "3 dialogues (of 8, drawn with seed 0), 12 utterances" in result.output
    assert "it is logged in results/ledger.jsonl" in result.output
    for name in ("weighted-F1", "macro-F1", "accuracy", "coverage", "ECE"):
        assert name in result.output
    assert "utterances/s" in result.output

    found = metrics("run")
    assert {"value", "low", "high"} <= set(found["weighted_f1"])
    assert found["n"] == 12
    assert found["micro_f1_without_neutral"]["neutral"] == "neutral"
    assert found["negotiation"]["tokens"]["total"] > 0
    identity = read_run(Path("run"))["identity"]
    assert identity["model"]["dtype"] == "float32"
    assert identity["model"]["weights"]
    assert identity["negotiation"]["reproducible"]
    assert identity["data"]["limit"] == 3
    assert len(read_items(Path("run"))) == 3
    assert reported == [Path("run")]

    (line,) = map(json.loads, Path("results/ledger.jsonl").read_text().splitlines())
    assert line["run"] == found["run"]
    assert line["headline"]["weighted_f1"] == found["weighted_f1"]["value"]
    assert (line["dataset"], line["split"], line["n"]) == ("meld", "test", 12)

    again = evaluate("--model", tiny_model, "--out", "run", "--limit", "3", "--dtype", "float32")
    assert again.exit_code == 0, again.output
    assert "3 of 3 dialogues are done already; 0 to go" in again.output
    assert metrics("run") == found
    assert len(Path("results/ledger.jsonl").read_text().splitlines()) == 1

    for other in (("--dtype", "bfloat16"), ("--dtype", "float32", "--rounds", "5")):
        result = evaluate("--model", tiny_model, "--out", "run", "--limit", "3", *other)
        assert other[-2].strip("-")[:5] in refused(result, ConfigError).message


def test_ctrl_c_keeps_what_is_done_and_the_same_command_goes_on(
    evaluate: Evaluate, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    command = ("--model", tiny_model, "--out", "run", "--split", "dev", "--dtype", "float32")
    whole = evaluate(*command[:2], "--out", "whole", *command[4:])
    assert whole.exit_code == 0, whole.output
    predict_many = Classifier.predict_many

    def until_stopped(self: Classifier, dialogues: Any) -> Any:  # noqa: ANN401
        for number, found in enumerate(predict_many(self, dialogues)):
            if number == 2:
                raise KeyboardInterrupt
            yield found

    monkeypatch.setattr(Classifier, "predict_many", until_stopped)
    stopped = evaluate(*command)
    assert stopped.exit_code == 130
    assert "2 of 8 dialogues are done and kept in run" in stopped.output
    assert "the same command" in stopped.output
    assert not Path("run/metrics.json").exists()

    monkeypatch.setattr(Classifier, "predict_many", predict_many)
    resumed = evaluate(*command)
    assert "2 of 8 dialogues are done already; 6 to go" in resumed.output
    assert answers_of(Path("run")) == answers_of(Path("whole"))


def test_looking_at_dev_is_not_logged(evaluate: Evaluate) -> None:
    Path("results").mkdir()
    result = evaluate("--baseline", "majority", "--split", "dev", "--out", "run")
    assert "logged" not in result.output
    assert not Path("results/ledger.jsonl").exists()
    result = evaluate("--baseline", "majority", "--out", "test", "--ledger", "book.jsonl")
    assert "it is logged in book.jsonl" in result.output
    assert Path("book.jsonl").exists()


def test_a_ledger_that_cannot_be_written_is_refused_before_anything_is_seen(
    evaluate: Evaluate,
) -> None:
    Path("book").mkdir()
    result = evaluate("--baseline", "majority", "--out", "run", "--ledger", "book")
    assert "book cannot be written" in refused(result, SentixError).message
    assert not Path("run").exists()


def test_a_look_is_logged_before_its_figures_are_written(
    evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("sentixrl.runs.folder.RunFolder.write_metrics", stop)
    result = evaluate("--baseline", "majority", "--out", "run", "--ledger", "ledger.jsonl")
    assert result.exit_code == 130
    assert len(Path("ledger.jsonl").read_text().splitlines()) == 1


def test_the_command_that_is_recorded_is_the_one_that_was_given(
    meld: Path, tmp_path: Path, reported: list[Path]
) -> None:
    folder = os.fsdecode(bytes(tmp_path) + b"/r\xffn")  # no UTF-8
    words = ["--dataset", "meld", "--data", str(meld), "--split", "dev", "--baseline", "majority"]
    with pytest.raises(SystemExit, match="0"):
        main(["evaluate", *words, "--out", folder])
    command = read_run(Path(folder))["sessions"][0]["command"]
    assert command == f"sentixrl evaluate {' '.join(words)} --out '{tmp_path}/r\ufffdn'"


def test_a_negative_seed_is_refused_at_once(shell: Shell, meld: Path, tmp_path: Path) -> None:
    data = ("--dataset", "meld", "--data", meld, "--baseline", "majority")
    said = shell.refuses("evaluate", *data, "--out", tmp_path / "run", "--seed", "-1")
    assert "--seed" in said
    assert not (tmp_path / "run").exists()


def test_without_a_results_folder_it_says_that_nothing_is_logged(evaluate: Evaluate) -> None:
    result = evaluate("--baseline", "majority", "--out", "run")
    assert "it is not logged" in result.output
    assert "--ledger" in result.output


@pytest.mark.parametrize("baseline", ["majority", "tfidf"])
def test_baselines_learn_from_train(evaluate: Evaluate, baseline: str) -> None:
    result = evaluate("--baseline", baseline, "--out", "run")
    assert result.exit_code == 0, result.output
    model = read_run(Path("run"))["identity"]["model"]
    assert model["name"] == baseline
    assert model["train_hash"]
    assert metrics("run")["n"] == 32


def test_an_ensemble_over_label_orders(evaluate: Evaluate, tiny_model: Path) -> None:
    result = evaluate(
        "--baseline", "label-orders", "--model", tiny_model, "--rounds", "2", "--limit", "1",
        "--out", "run",
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert read_run(Path("run"))["identity"]["label_orders"] == 2
    ((_, prediction),) = read_items(Path("run"))
    assert "label orders: 2" in prediction.model
    assert not read_run(Path("run"))["identity"]["negotiation"]["enabled"]
    assert "no negotiation" in result.output
    for option in (("--negotiate",), ("--confidence-threshold", "0.5"), ("--agreements", "2")):
        result = evaluate("--baseline", "label-orders", *option, "--out", "other")
        assert f"{option[0]} is for negotiating" in refused(result).message


def test_data_without_a_gold_label_are_refused_before_a_model_answers(
    evaluate: Evaluate, tiny_model: Path
) -> None:
    rows = [f"{number},A,Well done.,{'calm' if number == 7 else ''}" for number in range(40)]
    Path("mine.csv").write_text("\n".join(["dialogue,speaker,text,label", *rows]))
    result = evaluate(
        "--labels", "calm, annoyed", "--split", "all", "--model", tiny_model, "--limit", "1",
        "--out", "run", dataset="custom", data=Path("mine.csv"),
    )  # fmt: skip
    assert "nothing to score" in refused(result, InputError).message
    assert not Path("run").exists()


def test_nobody_looks_at_test_by_accident(evaluate: Evaluate, meld: Path, tiny_model: Path) -> None:
    Path("results").mkdir()
    command = ["evaluate", "--dataset", "meld", "--data", meld, "--baseline", "majority"]
    result = CliRunner().invoke(app, [*map(str, command), "--out", "run"])
    assert result.exit_code == 0, result.output
    assert read_run(Path("run"))["identity"]["data"]["split"] == "dev"
    assert not list(Path("results").iterdir())


def test_a_folder_too_high_is_pointed_out(evaluate: Evaluate, meld: Path) -> None:
    Path("data").mkdir()
    Path("data/meld").symlink_to(meld)
    error = refused(evaluate("--baseline", "majority", "--out", "run", data=Path("data")))
    assert "Did you mean --data data/meld?" in (error.hint or "")


def test_names_of_files_need_not_be_text(evaluate: Evaluate) -> None:
    name = os.fsdecode(b"pr\xe9d.csv")
    Path(name).write_text(table(ANSWERS, gold_rows()))
    Path("results").mkdir()
    result = evaluate("--predictions", name, "--out", "run")
    assert result.exit_code == 0, result.exception
    result = evaluate("--predictions", name, "--out", "run")
    assert result.exit_code == 0, result.exception


def gold_rows() -> list[list[object]]:
    return [
        [dialogue, turn, EMOTIONS[(dialogue + turn) % (3 if turn else 2)]]
        for dialogue in range(8)
        for turn in range(4)
    ]


def test_anybody_s_predictions_are_scored(evaluate: Evaluate) -> None:
    rows = gold_rows()
    rows[5][2] = "Fear"  # read as labels are
    rows.reverse()
    Path("theirs.csv").write_text(table(ANSWERS, rows))
    result = evaluate("--predictions", "theirs.csv", "--out", "run")
    assert result.exit_code == 0, result.output
    found = metrics("run")
    assert found["accuracy"]["value"] == pytest.approx(31 / 32, abs=1e-6)
    assert found["calibration"] is None
    assert read_run(Path("run"))["identity"]["model"]["name"] == "theirs.csv"
    part = evaluate("--predictions", "theirs.csv", "--out", "part", "--limit", "2")
    assert part.exit_code == 0, part.output
    assert metrics("part")["n"] == 8
    Path("theirs.csv").write_text(table(ANSWERS, gold_rows()))
    assert "weights" in refused(evaluate("--predictions", "theirs.csv", "--out", "run")).message


def test_probabilities_of_predictions_are_used(evaluate: Evaluate) -> None:
    header = ("dialogue_id", "index", "label", *(f"p_{name}" for name in EMOTIONS))
    rows = [
        [*row, *((0.7 if name == row[2] else 0.05) for name in EMOTIONS)] for row in gold_rows()
    ]
    Path("theirs.csv").write_text(table(header, rows))
    result = evaluate("--predictions", "theirs.csv", "--out", "run", "--split", "dev")
    assert result.exit_code == 0, result.output
    calibration = metrics("run")["calibration"]
    assert calibration["proposal"]["ece"] == pytest.approx(0.3)
    assert calibration["answer"]["mean_confidence"] == pytest.approx(0.7)


def test_predictions_without_ids_are_found_by_their_index(evaluate: Evaluate) -> None:
    header = ("dialogue_id", "index", "utterance_id", "label")
    rows = [(dialogue, turn, "", label) for dialogue, turn, label in gold_rows()]
    Path("theirs.csv").write_text(table(header, rows))
    result = evaluate("--predictions", "theirs.csv", "--out", "run")
    assert result.exit_code == 0, result.output
    assert metrics("run")["accuracy"]["value"] == 1


def changed(row: int, column: int, value: object) -> str:
    rows = gold_rows()
    rows[row][column] = value
    return table(ANSWERS, rows)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (changed(2, 2, "bored"), "theirs.csv, line 4: 'bored' is not a label of 'meld-7'"),
        (changed(2, 2, ""), "theirs.csv, line 4: the column 'label' is empty"),
        (changed(2, 0, 77), "theirs.csv, line 4: there is no dialogue '77' in the split"),
        (changed(2, 1, 9), "theirs.csv, line 4: dialogue '0' has no utterance '9'"),
        (changed(2, 1, 1), "line 4: utterance '1' of dialogue '0' is answered in line 3 already"),
        (
            table(ANSWERS, gold_rows()[:-3]),
            "answers 29 of the 32 annotated utterances of meld/test; the first that is missing is "
            "dialogue '7', index 1, utterance_id '1'",
        ),
        (table(("dialogue_id", "label"), [(0, "joy")]), "'utterance_id' nor a column 'index'"),
        (table(("dialogue_id", "index"), [(0, 0)]), "there is no column 'label'"),
        (table(ANSWERS, []), "a header line but no rows"),
        (
            table((*ANSWERS, "p_joy"), [(0, 0, "joy", 1)]),
            "theirs.csv, line 1: there is no column 'p_neutral'",
        ),
        (
            table((*ANSWERS, "p_bored"), [(0, 0, "joy", 1)]),
            "the column 'p_bored' names no label of the task",
        ),
        (
            table((*ANSWERS, "confidence"), [(0, 0, "joy", 7)]),
            "theirs.csv, line 2: 7 in the column 'confidence' lies outside of 0 to 1",
        ),
        (
            table(
                (*ANSWERS, *(f"p_{name}" for name in EMOTIONS)), [(0, 0, "joy", *([0.5] * 7))]
            ),
            "theirs.csv, line 2: the probabilities sum to 3.5",
        ),
        ("", "theirs.csv is empty"),
    ],
)  # fmt: skip
def test_faulty_predictions_are_one_sentence(evaluate: Evaluate, content: str, says: str) -> None:
    Path("theirs.csv").write_text(content)
    error = refused(evaluate("--predictions", "theirs.csv", "--out", "run"), InputError)
    assert says in error.message
    assert not Path("run").exists()


def test_missing_predictions_are_one_sentence(evaluate: Evaluate) -> None:
    error = refused(evaluate("--predictions", "none.csv", "--out", "run"), InputError)
    assert error.message == "There is no file none.csv."


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--baseline", "tfidf", "--predictions", "a.csv"), "--predictions and --baseline"),
        (("--baseline", "tfidf", "--model", "m"), "--model and --baseline"),
        (("--model", "m", "--predictions", "a.csv"), "--model and --predictions"),
        (("--labels", "a, b"), "has its own labels"),
        (("--split", "middle"), "no split called 'middle'"),
        (("--task", "mood"), "no task called 'mood'"),
        (("--switch", "layout"), "is not a switch"),
        (("--switch", "task=sentiment"), "no switch called 'task'"),
        (("--switch", "path=x"), "no switch called 'path'"),
        (("--predictions", "a.csv", "--adapter", "mine"), "--adapter is for a model"),
        (("--predictions", "a.csv", "--fast"), "--fast is for a model"),
        (("--baseline", "majority", "--window", "5"), "--window is for a model"),
    ],
)
def test_options_that_do_not_fit(evaluate: Evaluate, arguments: tuple[str, ...], says: str) -> None:
    assert says in refused(evaluate(*arguments, "--out", "run")).message
    assert not Path("run").exists()


def test_a_missing_library_is_missed_before_anything_is_answered(
    evaluate: Evaluate, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    error = refused(evaluate("--model", tiny_model, "--out", "run"), MissingDependencyError)
    assert "scipy" in error.message
    assert not Path("run").exists()


def test_a_file_of_one_s_own(evaluate: Evaluate, tiny_model: Path) -> None:
    Path("mine.csv").write_text(
        "dialogue,speaker,text,label\n1,A,Well done.,calm\n1,B,No!,annoyed\n"
    )
    mine = {"dataset": "custom", "data": Path("mine.csv")}
    assert "labels" in refused(evaluate("--out", "run", **mine)).message
    for option in (("--task", "emotion"), ("--switch", "layout=full")):
        result = evaluate("--labels", "calm, annoyed", *option, "--out", "run", **mine)
        assert f"{option[0]} is for a known data set" in refused(result).message
    result = evaluate(
        "--labels", "calm, annoyed", "--split", "all", "--model", tiny_model, "--fast",
        "--out", "run", **mine,
    )  # fmt: skip
    assert result.exit_code == 0, result.output
    assert metrics("run")["label_set"]["labels"] == ["calm", "annoyed"]
    assert not read_run(Path("run"))["identity"]["negotiation"]["reproducible"]


def test_ch_sims_has_its_own_metrics(evaluate: Evaluate) -> None:
    header = "video_id,clip_id,text,label,label_T,label_A,label_V,annotation,mode"
    scores = (-1.0, -0.4, 0.0, 0.2, 0.8, 1.0)
    rows = [
        (f"v{place % 3}", place, "你好。", score, score, 0, 0, "", mode)
        for mode in ("train", "valid", "test")
        for place, score in enumerate(scores)
    ]
    Path("sims").mkdir()
    Path("sims/label.csv").write_text(table(header.split(","), rows), "utf-8")
    signs = [("negative", "neutral", "positive")[(score > 0) + (score >= 0)] for score in scores]
    answers = [(f"v{place % 3}/{place}", 0, sign) for place, sign in enumerate(signs)]
    Path("theirs.csv").write_text(table(("dialogue_id", "index", "label"), answers))
    result = evaluate(
        "--predictions", "theirs.csv", "--out", "run", dataset="ch_sims", data=Path("sims")
    )
    assert result.exit_code == 0, result.output
    graded = metrics("run")["graded"]
    assert {name: found["value"] for name, found in graded.items()} == {
        "acc_2": 1.0,
        "f1_2": 1.0,
        "acc_3": 1.0,
        "f1_3": 1.0,
    }
    assert "Acc-2 (CH-SIMS)" in result.output
    with_posterior = evaluate(
        "--baseline", "majority", "--out", "base", dataset="ch_sims", data=Path("sims")
    )
    assert with_posterior.exit_code == 0, with_posterior.output
    # P(positive) - P(negative) = 1/6 lies in (0.1, 0.7], as 0.2 of the six scores does.
    assert metrics("base")["graded"]["acc_5"]["value"] == pytest.approx(1 / 6, abs=1e-6)


def test_the_report_stands_beside_the_numbers(
    evaluate: Evaluate, monkeypatch: pytest.MonkeyPatch, meld: Path, tmp_path: Path
) -> None:
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    result = evaluate("--baseline", "majority", "--out", "run", "--split", "dev")
    assert result.exit_code == 0, result.output
    assert "<html" in Path("run/report.html").read_text("utf-8")
    assert Path("run/report.md").read_text("utf-8").startswith("#")
