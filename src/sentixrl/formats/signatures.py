"""Formats that are known by how they begin: those we read, and those we can only name.

Contract: what is refused here is refused by its name, with what to do instead.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from sentixrl.errors import InputError

PARQUET, ZIP = b"PAR1", b"PK\x03\x04"

_AUDIO = "a recording", "Transcribe it first: .srt, .vtt and the JSON of WhisperX are read."
_PACKED = "Unpack it first; of packed files only .gz is read."
_TABLE = "Save it as .xlsx or CSV."
_BINARY: tuple[tuple[bytes, str, str], ...] = (
    (b"%PDF-", "a PDF document", "Export the conversation as text, CSV or JSON."),
    (b"SQLite format 3\0", "an SQLite database", "Export the table of messages as CSV."),
    (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel or Word file (.xls, .doc)", _TABLE),
    (b"BZh", "a bzip2 archive", _PACKED),
    (b"\xfd7zXZ\0", "an xz archive", _PACKED),
    (b"\x28\xb5\x2f\xfd", "a Zstandard archive", _PACKED),
    (b"7z\xbc\xaf\x27\x1c", "a 7-Zip archive", _PACKED),
    (b"Rar!\x1a\x07", "a RAR archive", _PACKED),
    (b"\x1f\x8b", "a gzip archive inside of another", _PACKED),
    (b"ARROW1", "an Arrow (Feather) file", "Save it as Parquet or CSV."),
    (b"\x89HDF\r\n", "an HDF5 file", "Save the table as Parquet or CSV."),
    (b"\x80\x02", "a Python pickle", "Pickles are never loaded: save it as JSON or CSV."),
    (b"\x80\x03", "a Python pickle", "Pickles are never loaded: save it as JSON or CSV."),
    (b"\x80\x04", "a Python pickle", "Pickles are never loaded: save it as JSON or CSV."),
    (b"\x80\x05", "a Python pickle", "Pickles are never loaded: save it as JSON or CSV."),
    (b"\x89PNG", "a picture", "Copy the conversation as text."),
    (b"\xff\xd8\xff", "a picture", "Copy the conversation as text."),
    (b"GIF8", "a picture", "Copy the conversation as text."),
    (b"RIFF", *_AUDIO),
    (b"ID3", *_AUDIO),
    (b"OggS", *_AUDIO),
    (b"fLaC", *_AUDIO),
)
_HTML = re.compile(
    r"<(?:!doctype\s+html|!--|html|head|body|title|meta|script|style|table|div|p|h1)\b[^<]*",
    re.IGNORECASE,
)
_ROOT = re.compile(r"<(?:\w+:)?([A-Za-z_][\w.-]*)[\s/>]")
_XML_ROOTS = {
    "ANNOTATION_DOCUMENT": "an ELAN annotation (.eaf)",
    "TEI": "a TEI document",
    "tt": "a TTML subtitle file",
    "smses": "an SMS backup in XML",
    "html": "an HTML page",
}
_HTML_HINT = "Export the conversation as text, CSV or JSON; Telegram offers JSON beside HTML."
_XML_HINT = "Export the conversation as text, SRT, CSV or JSON."
_TEXT: tuple[tuple[re.Pattern[str], str, str], ...] = (
    (re.compile(r"\{\\rtf"), "an RTF document", "Save it as plain text (.txt)."),
    (
        re.compile(r"@(?:UTF8|Begin)\b"),
        "a CHAT transcript (.cha)",
        "Export it as text or CSV, with CLAN for example.",
    ),
    (
        re.compile(r'(?:File type = )?"ooTextFile'),
        "a Praat TextGrid",
        "Export its tiers as a table, one interval a row.",
    ),
    (re.compile(r"BEGIN:V(?:CARD|CALENDAR)"), "a calendar or address file", "Name a conversation."),
)
_OFFICE = {
    "word/": "a Word document (.docx)",
    "ppt/": "a PowerPoint file",
    "META-INF/manifest.xml": "an OpenDocument file",
    "mimetype": "an OpenDocument or EPUB file",
    "xl/workbook.bin": "a binary Excel file (.xlsb)",
}


def refuse_binary(head: bytes, name: str) -> None:
    """Refuse what begins like a binary format that is not read.

    Raises:
        InputError: It names the format.
    """
    for start, kind, hint in _BINARY:
        if head.startswith(start):
            raise InputError(f"{name} is {kind}, not text.", hint=hint)
    if head[4:8] == b"ftyp":
        raise InputError(f"{name} is {_AUDIO[0]}, not text.", hint=_AUDIO[1])


def refuse_markup(start: str, name: str) -> None:
    """Refuse a text that begins like a format that is not read.

    Raises:
        InputError: It names the format.
    """
    for pattern, kind, hint in _TEXT:
        if pattern.match(start):
            raise InputError(f"{name} is {kind}, which is not read.", hint=hint)
    if start.startswith("<"):
        root = _ROOT.search(start)
        known = _XML_ROOTS.get(root[1]) if root else None
        if _HTML.match(start) or known == "an HTML page":
            raise InputError(f"{name} is an HTML page, which is not read.", hint=_HTML_HINT)
        if known or start.startswith(("<?xml", "<!DOCTYPE")):
            kind = known or "an XML file"
            raise InputError(f"{name} is {kind}, which is not read.", hint=_XML_HINT)


def office_kind(members: Sequence[str]) -> str:
    """What a ZIP archive is that is none of those read, by the names in it."""
    for start, kind in _OFFICE.items():
        if any(member.startswith(start) for member in members):
            return kind
    return "a ZIP archive without a conversation that is known"
