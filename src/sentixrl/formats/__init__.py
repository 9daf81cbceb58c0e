"""Reading dialogues from files, streams and texts; writing and reopening results."""

from sentixrl.formats.objects import dialogue_object
from sentixrl.formats.reading import Format, read_dialogues, read_text
from sentixrl.formats.result_rows import csv_header, dialogue_csv
from sentixrl.formats.results import dialogue_json, read_dialogue_json, utterance_json
from sentixrl.formats.schema import input_schema, output_schema
from sentixrl.formats.source import MAX_BYTES
from sentixrl.formats.tables import Columns

__all__ = [
    "MAX_BYTES",
    "Columns",
    "Format",
    "csv_header",
    "dialogue_csv",
    "dialogue_json",
    "dialogue_object",
    "input_schema",
    "output_schema",
    "read_dialogue_json",
    "read_dialogues",
    "read_text",
    "utterance_json",
]
