"""The hundred turns that the project tests on stay as they were, and apart from the talk."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

from sentixrl.datasets.overlap import Part, overlap
from sentixrl.dialogue import Dialogue

ROOT = Path(__file__).parent.parent
TURNS = ROOT / "benchmarks" / "turns"
TALK = sorted((ROOT / "recipes" / "talk").glob("*.jsonl"))
HASHES = {
    "ar": "ce6f973b7e77d36ee8523cc2e0ec11dae4ab04e33aec78d5c9a45ba9f5671166",
    "en": "7e9ad9a263547c62ef90d8c23c5cdba8d2e3c5b3cf2fe2889992b8351522fec5",
    "es": "21ec76ade5e1890913d7fae02f779385a7cb957bb0ee6b8be7b79d96d281a78c",
    "hi": "405bbfba2b4d6887c1d4582dc05b59a2ac38f21991752dc5a6eca57c9f90f0a6",
    "zh": "a9030f0ad0d9b67c162e4acf0f22694c11c6fd4d9effacd2c62e0963a21599cc",
}
LENGTH = 8
"""Words, or Chinese characters, in a run that no two files may share."""


def part(*paths: Path) -> Part:
    lines = [json.loads(line) for path in paths for line in path.read_text("utf-8").splitlines()]
    talks = [
        Dialogue.from_texts([turn["text"] for turn in line["utterances"]], id=f"{number}")
        for number, line in enumerate(lines)
    ]
    return Part(paths[0].name, talks)


def test_the_turns_are_those_that_earlier_figures_were_measured_on() -> None:
    found = {
        path.stem: hashlib.sha256(path.read_bytes()).hexdigest() for path in TURNS.glob("*.jsonl")
    }
    assert found == HASHES


def test_no_talk_shares_a_run_of_eight_words_with_them() -> None:
    turns = part(*TURNS.glob("*.jsonl"))
    assert len(overlap(turns, [turns], n=LENGTH, threshold=1).drop) == 20
    assert TALK
    for path in TALK:
        assert overlap(part(path), [turns], n=LENGTH, threshold=1).drop == (), path.name
