"""Run the tests that use the real libraries, and record date, versions and outcome.

Nothing may be skipped: a library that is missing is a failure here. Writes
``results/integrations.json``.
"""

from __future__ import annotations

import importlib.metadata
import json
import os
import platform
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LIBRARIES = (
    *("scikit-learn", "pandas", "polars", "pyarrow", "datasets", "convokit", "mcp"),
    *("huggingface_hub", "transformers", "numpy"),
)


class Outcomes:
    """Counts what became of the tests."""

    def __init__(self) -> None:
        self.counts = {"passed": 0, "failed": 0, "skipped": 0, "xfailed": 0}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note one phase of a test."""
        if hasattr(report, "wasxfail"):
            self.counts["xfailed"] += report.when == "call"
        elif report.when == "call" or report.outcome != "passed":
            self.counts[report.outcome] += 1


def main() -> int:
    """Run and record."""
    os.environ["SCIPY_ARRAY_API"] = "1"  # without it, scikit-learn skips a check of its own
    outcomes = Outcomes()
    pytest.main(["-q", str(ROOT / "tests" / "integrations")], plugins=[outcomes])
    versions = {name: importlib.metadata.version(name) for name in LIBRARIES}
    content = {
        "date": datetime.now(UTC).date().isoformat(),
        "python": platform.python_version(),
        "versions": versions,
        "tests": outcomes.counts,
    }
    path = ROOT / "results" / "integrations.json"
    path.write_text(json.dumps(content, indent=1) + "\n", "utf-8")
    print(json.dumps(content))
    return int(bool(outcomes.counts["failed"] or outcomes.counts["skipped"]))


if __name__ == "__main__":
    sys.exit(main())
