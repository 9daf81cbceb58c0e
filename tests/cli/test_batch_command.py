"""``sentixrl batch`` on the command line: what it prints, and what it refuses."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import torch

from sentixrl.batch.meter import WINDOW, Meter, Standing
from sentixrl.cli.batch import duration, hosts_named, money, standing_line
from sentixrl.negotiation.options import NegotiationOptions
from sentixrl.spec import ClassifierSpec

from ..engines.remote.fakes import Vllm, fake_server
from .shell import Shell, make_shell

__all__ = ["make_shell"]

TABLE = "dialogue,speaker,text,shop\na,Ann,You kept it?,north\na,Bob,I did.,north\nb,Cy,No.,south\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "in.csv"
    path.write_text(TABLE, "utf-8")
    return path


def test_a_job_its_estimate_and_its_repetition(
    shell: Shell, tiny_model: Path, table: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    job = ("batch", table, out, "--model", tiny_model, "--labels", "ekman-7", "--threads", "1")
    told = shell(*job, "--estimate", "--price", "2")
    assert told.code == 0
    assert "3 turns at " in told.flat
    assert "At 2 an hour that is" in told.flat
    assert not list(out.glob("part-*"))
    first = shell(*job)
    assert (first.code, "2 dialogues, 3 turns" in first.flat) == (0, True)
    lines = (out / "part-000001.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["id"] for line in lines] == ["a", "b"]
    again = shell(*job)
    assert (again.code, "turns now" in again.flat) == (0, False)
    assert "output.format was" in shell.refuses(*job, "--to", "csv")


def test_a_job_goes_on_in_the_number_format_it_began_in(
    shell: Shell,
    tiny_model: Path,
    table: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    out = tmp_path / "out"
    job = ("batch", table, out, "--model", tiny_model, "--labels", "ekman-7", "--threads", "1")
    assert shell(*job, "--dtype", "float32", "--estimate").code == 0
    faster = "sentixrl.engines.local.loading.choose_dtype"
    monkeypatch.setattr(faster, lambda _: torch.bfloat16)
    found = shell(*job)
    assert found.code == 0, found.err
    assert "goes on in float32, the number format it began in." in found.err
    said = shell.refuses(*job, "--dtype", "bfloat16")
    assert 'model.dtype was "float32" and is now "bfloat16"' in said
    assert "Say --dtype float32" in said


def test_what_a_server_was_asked_is_told_at_the_end(
    shell: Shell, table: Path, tmp_path: Path
) -> None:
    with fake_server(Vllm()) as served:
        model = ("--model", f"vllm:{served.url}", "--labels", "calm, curious, annoyed")
        found = shell("batch", table, tmp_path / "out", *model)
    host = served.url.removeprefix("http://")
    assert found.code == 0, found.err
    lines = found.err.splitlines()
    assert f"Note: texts are sent to {host}." in lines
    assert lines[-1].startswith(f"Asked of {host}: ")


def test_where_a_cluster_sends_texts_is_known_without_loading_a_model(tiny_model: Path) -> None:
    judged = NegotiationOptions(discriminator="vllm:http://judge.example:8000#m")
    assert hosts_named(ClassifierSpec(str(tiny_model), negotiation=judged)) == [
        "judge.example:8000"
    ]
    both = ClassifierSpec("openai:https://far.example#m", negotiation=judged)
    assert hosts_named(both) == ["far.example", "judge.example:8000"]
    assert hosts_named(ClassifierSpec(str(tiny_model))) == []


def test_what_failed_is_said_and_the_exit_code_is_two(
    shell: Shell, tiny_model: Path, table: Path, tmp_path: Path
) -> None:
    table.write_text(TABLE + "c,Di,,east\n", "utf-8")
    answer = shell(
        *("batch", table, tmp_path / "out", "--model", tiny_model, "--labels", "ekman-7"),
        *("--threads", "1", "--to", "csv"),
    )
    assert answer.code == 2
    assert "1 could not be read or answered" in answer.err
    assert "2 dialogues, 3 turns" in answer.flat
    assert "3 of 4 turns are answered, in " in answer.flat
    assert "All of it" not in answer.flat


def test_a_file_that_cannot_be_read_is_said_to_be_one(
    shell: Shell, tiny_model: Path, table: Path, tmp_path: Path
) -> None:
    (tmp_path / "files").mkdir()
    table.rename(tmp_path / "files" / "good.csv")
    (tmp_path / "files" / "bad.csv").write_text("a,b\n1,2\n", "utf-8")
    out = tmp_path / "out"
    answer = shell("batch", tmp_path / "files", out, "--model", tiny_model, "--labels", "ekman-7")
    assert answer.code == 2
    assert f"not every file could be read: {out / 'errors.jsonl'}." in answer.err
    assert "1 file was not read to the end" in answer.err


def test_what_is_refused_at_once(shell: Shell, table: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    for arguments, said in (
        (("s3://bucket/a.csv", out), "renaming in one step"),
        ((table, "gs://bucket/out"), "renaming in one step"),
        ((tmp_path / "no.csv", out), "There is no file"),
        ((table, out, "--workers", "2"), "--workers is for a cluster"),
        ((out,), "Missing argument"),
    ):
        assert said in shell.refuses("batch", *arguments)
    assert not out.exists()


def test_without_ray_the_extra_is_named(
    shell: Shell, table: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    assert "[ray]" in shell.refuses("batch", table, tmp_path / "out", "--ray", "local")


def test_a_line_says_how_a_job_stands() -> None:
    standing = Standing(1500, 3000, 2, 4, seconds=1800, rate=0.5, note="a worker ended")
    assert standing_line(standing, 3.0) == (
        "1,500 of 3,000 turns · 0.5/s · 50 min left · 2 errors · 4 workers · cost 1.50 · "
        "a worker ended"
    )
    assert standing_line(standing, None, "far: 9 requests").endswith(
        "4 workers · far: 9 requests · a worker ended"
    )
    assert [duration(seconds) for seconds in (5, 600, 9000, 900_000)] == [
        "5 s",
        "10 min",
        "2.5 h",
        "10 days",
    ]


def test_small_amounts_are_told_too() -> None:
    amounts = (0.0, 0.000123, 0.05, 0.5, 1234.567)
    assert [money(one) for one in amounts] == ["0.00", "0.00012", "0.050", "0.50", "1,234.57"]


def test_the_rate_is_that_of_the_last_minute() -> None:
    now = [0.0]
    meter = Meter(10_000, 100, clock=lambda: now[0])
    for _ in range(120):
        now[0] += 1
        meter.answered(1)
    assert meter.standing.rate == pytest.approx(1.0, rel=0.05)
    for _ in range(int(WINDOW) + 5):
        now[0] += 1
        meter.answered(10, errors=1)
    standing = meter.standing
    assert standing.rate == pytest.approx(10.0, rel=0.05)
    assert standing.done == 100 + 120 + 650
    assert standing.errors == 65
    assert standing.remaining == pytest.approx((10_000 - standing.done) / standing.rate)
