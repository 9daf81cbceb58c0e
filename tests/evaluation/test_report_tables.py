"""The script that rebuilds the tables of docs/results.md."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_tables", ROOT / "scripts/build_tables.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def an_interval(value: float) -> dict[str, float | None]:
    return {"value": value, "low": value - 0.02, "high": value + 0.02, "se": 0.01}


CONTENT: dict[str, Any] = {
    "command": "python x.py",
    "date": "2025-01-01",
    "machine": "2 CPU cores",
    "versions": {"numpy": "2.0"},
    "seed": 0,
    "selected_on": "dev",
    "runs": [
        {
            "title": "MELD",
            "anchor_weighted_f1": 0.566,
            "dev_weighted_f1": 0.52,
            "settings": {"strength": 4.0, "characters": "char"},
            "weighted_f1": an_interval(0.56),
            "macro_f1": an_interval(0.4),
            "accuracy": {"value": 0.6, "low": None, "high": None, "se": None},
            "n_clusters": 10,
            "warnings": ["Careful."],
        }
    ],
}
PAGE = "# Results\n\nKept.\n\n<!-- table: tfidf -->\nold\n<!-- end -->\n\nKept too.\n"


def test_a_table_is_made_from_its_file_and_the_rest_is_kept(
    script: ModuleType, tmp_path: Path
) -> None:
    (tmp_path / "tfidf.json").write_text(json.dumps(CONTENT))
    text = script.rebuilt(PAGE, tmp_path)
    row = "| MELD | 56.0 (54.0–58.0) | 40.0 (38.0–42.0) | 60.0 | 56.6 | −0.6 | 52.0 | 4 | `char` |"
    assert row in text
    assert "old" not in text
    assert "- MELD: Careful." in text
    assert text.startswith("# Results\n\nKept.\n\n<!-- table: tfidf -->\n")
    assert text.endswith("<!-- end -->\n\nKept too.\n")
    assert script.rebuilt(text, tmp_path) == text


def test_from_fewer_than_ten_clusters_there_is_no_interval(
    script: ModuleType, tmp_path: Path
) -> None:
    few = {**CONTENT, "runs": [{**CONTENT["runs"][0], "n_clusters": 9}]}
    (tmp_path / "tfidf.json").write_text(json.dumps(few))
    assert "| MELD | 56.0 | 40.0 | 60.0 | 56.6 |" in script.rebuilt(PAGE, tmp_path)


def test_a_difference_says_whether_it_is_paired(script: ModuleType) -> None:
    split = {"weighted_f1": {"value": 0.62}}
    paired = {"value": 0.09, "low": 0.07, "high": 0.11, "clusters": 114}
    assert script._over_tfidf([split], 0.5, None) == "+12.0 unpaired"
    assert script._over_tfidf([split], 0.5, paired) == "+9.0 (+7.0 to +11.0)"
    assert script._over_tfidf([split], 0.5, {**paired, "clusters": 9}) == "+9.0"
    assert script._over_tfidf([], None, None) == "–"


def test_a_table_without_file_or_maker_is_an_error(script: ModuleType, tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"tfidf\.json"):
        script.rebuilt(PAGE, tmp_path)
    with pytest.raises(SystemExit, match="nobody"):
        script.rebuilt(PAGE.replace("tfidf", "other"), tmp_path)


def test_check_tells_a_stale_page_and_writes_nothing(
    script: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = tmp_path / "results.md"
    page.write_text("<!-- table: tfidf -->\nold\n<!-- end -->\n", "utf-8")
    monkeypatch.setattr(script, "PAGE", page)
    monkeypatch.setattr(script, "ROOT", tmp_path)
    monkeypatch.setattr(script, "rebuilt", lambda text: text.replace("old", "new"))
    monkeypatch.setattr("sys.argv", ["build_tables.py", "--check"])
    assert script.main() == 1
    assert "old" in page.read_text("utf-8")
    monkeypatch.setattr("sys.argv", ["build_tables.py"])
    assert script.main() == 0
    monkeypatch.setattr("sys.argv", ["build_tables.py", "--check"])
    assert script.main() == 0
