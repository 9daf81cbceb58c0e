"""Reading dialogues from files, streams and texts; writing and reopening results."""

from sentixrl.formats.columns import Columns
from sentixrl.formats.ledger import Ledger
from sentixrl.formats.objects import dialogue_object
from sentixrl.formats.plans import ReadingOptions
from sentixrl.formats.reading import (
    DialogueReader,
    iter_dialogues,
    open_bytes,
    open_dialogues,
    open_text,
    read_dialogues,
    read_text,
)
from sentixrl.formats.result_rows import csv_header, dialogue_csv
from sentixrl.formats.results import dialogue_json, read_dialogue_json, utterance_json
from sentixrl.formats.schema import input_schema, output_schema
from sentixrl.formats.source import MAX_BYTES

__all__ = [
    "MAX_BYTES",
    "Columns",
    "DialogueReader",
    "Ledger",
    "ReadingOptions",
    "csv_header",
    "dialogue_csv",
    "dialogue_json",
    "dialogue_object",
    "input_schema",
    "iter_dialogues",
    "open_bytes",
    "open_dialogues",
    "open_text",
    "output_schema",
    "read_dialogue_json",
    "read_dialogues",
    "read_text",
    "utterance_json",
]
