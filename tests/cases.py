"""Where the shared folder of small inputs is, for tests that are skipped without it."""

from __future__ import annotations

from pathlib import Path

_FOLDERS = [folder / "shared" / "cases" for folder in Path(__file__).resolve().parents]
CASES = next((folder for folder in _FOLDERS if folder.is_dir()), _FOLDERS[0])
