"""JSON Schemas of what is read and what is written, for other people's validators."""

from __future__ import annotations

from typing import Any

from sentixrl.formats.objects import InputDocument
from sentixrl.formats.results import DialogueResult

DIALECT = "https://json-schema.org/draft/2020-12/schema"


def input_schema() -> dict[str, Any]:
    """The schema of a JSON input file; its ``Dialogue`` is that of one JSONL line."""
    title = {"$schema": DIALECT, "title": "sentixrl input: a dialogue or a list of dialogues"}
    return title | InputDocument.json_schema()


def output_schema() -> dict[str, Any]:
    """The schema of the object that ``--json`` prints for each dialogue."""
    return {"$schema": DIALECT} | DialogueResult.model_json_schema(mode="serialization")
