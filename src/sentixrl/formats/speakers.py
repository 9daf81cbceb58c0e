"""Who says a line of a transcript: the rule that tells ``Speaker: text`` from a colon in a text.

Contract: a line is cut at one colon or not at all, and nothing visible is lost but that colon and
the marks around a name. The rule goes by the shape of the line, not by lists of words.
"""

from __future__ import annotations

import re
import string
import unicodedata
from typing import NamedTuple

from sentixrl.formats.characters import BIDI_CONTROLS, is_blank

MAX_SPEAKER_LENGTH = 40
"""The longest prefix that is taken for a speaker, in characters."""

_AROUND_SPEAKERS = string.whitespace + "\u00a0\u3000\u200b\ufeff" + BIDI_CONTROLS
_COLON = re.compile("[:：]")
_ABBREVIATION = re.compile(r"(?:^|(?<=[\s.]))[^\s\d.]{1,4}\.")
_SENTENCE_MARKS = re.compile('[\t.,;!?…¿¡‼⁇。，、；！？．｡؟،؛۔।॥"“”„«»「」『』]')
_EMOJI_CODE = re.compile(r"[a-z0-9_+-]+:")
_END = r"(?=[\s.,!?…]|$)"
# A nose, if any, and a mouth of signs; or of one letter, where only mouths are written so.
_SIGN_MOUTH = re.compile(r"(?P<face>[^\w\s]+)" + _END)
_NOSED_MOUTH = re.compile(r"[^\w\s]{1,2}([^\W_])\1*" + _END)
_LETTER_MOUTH = re.compile(r"([^\W_])\1*" + _END)
_USUAL_MOUTH = re.compile(r"([DPpOoSsXx3])\1*" + _END)
_PUNCTUATION = frozenset(".,;!?…\"'’“”()[]*_–—-")
_SENTENCE_ENDS = frozenset(".!?…–—")
_HALF_FACE = re.compile(r"[()\[\]{}<>|=^~'’*]+")
_FACE_AT_END = re.compile(r"(?:^|.*\s)[D>(\[{]")

# What marks a name as bold, quoted or listed: an opening, the name, the same closing.
_BULLET = re.compile(r"(?:[-•*+>]\s+){1,6}")
_MARKS_INSIDE = re.compile(r"\*\*|__|`|</?[a-z]", re.IGNORECASE)
_MARKED = re.compile(
    r"(?P<open>(?:\*{1,3}|_{1,3}|~~|`|\[|<(?:b|i|u|em|strong|span|code)(?:\s[^<>]*)?>){1,6})(?P<rest>.+)",
    re.DOTALL,
)
_CLOSING = {"[": "]"}
_TOKEN = re.compile(r"\*{1,3}|_{1,3}|~~|`|\[|<([a-z]+)[^<>]*>")


class Split(NamedTuple):
    """A line taken apart.

    Attributes:
        speaker: Who says it; ``None`` for a bare line.
        text: What is said, without outer white space.
        doubtful: The prefix reads like a part of a sentence (``Then he said``): it is a speaker
            only if it stands before other lines, too.
    """

    speaker: str | None
    text: str
    doubtful: bool = False


def split_speaker(line: str) -> Split:
    r"""Split a line into speaker and text.

    The speaker is what stands before the line's first ``:`` or ``：``, without the white space,
    direction marks, bullets and Markdown or HTML marks around it, if

    * it has 1 to 40 characters, not all of them invisible, and is not half a face such as ``(``;
    * it holds no tab; no comma, semicolon, question or exclamation mark, ellipsis or double
      quotation mark of any script; a full stop only after a word of at most four letters; and
    * the colon does not stand between two digits (``10:30``), before ``/``, ``\`` or another
      colon (``https://``), inside a word (``re:invent``), nor begins an emoticon (``:-)``) or an
      emoji code (``:smile:``).

    Returns:
        Speaker and text. The text keeps its direction marks.
    """
    bare = Split(None, line.strip())
    body = _without_bullet(line)
    if (marked := _unmarked(body)) is not None:
        return marked if _is_speaker(marked.speaker or "") else bare
    colon = _COLON.search(body)
    if colon is None:
        return bare
    speaker = body[: colon.start()].strip(_AROUND_SPEAKERS)
    text = body[colon.end() :].strip()
    if not _is_speaker(speaker) or _belongs_to_text(body, colon):
        return bare
    if is_blank(text) and _FACE_AT_END.fullmatch(speaker) and len(speaker) > 1:
        return bare  # "oh no D:"
    return Split(speaker, text, _is_doubtful(speaker))


def _without_bullet(line: str) -> str:
    body = line.lstrip(_AROUND_SPEAKERS)
    bullet = _BULLET.match(body)
    return body[bullet.end() :] if bullet else line


def _unmarked(line: str) -> Split | None:
    """A line whose name stands between marks, such as ``**Anna:** hi``, taken apart."""
    found = _MARKED.match(line.lstrip(_AROUND_SPEAKERS))
    if not found:
        return None
    tokens = list(_TOKEN.finditer(found["open"]))
    closing = "".join(
        f"</{token[1]}>" if token[1] else _CLOSING.get(token[0], token[0])
        for token in reversed(tokens)
    )
    inside, closed, rest = found["rest"].partition(closing)
    if not closed:
        return None
    strong = any(len(token[0]) > 1 for token in tokens)
    if strong and is_blank(rest) and not inside.rstrip().endswith((":", "：")):
        whole = split_speaker(inside)  # all of the line is marked
        return None if whole.speaker is None else whole
    name = inside.strip(_AROUND_SPEAKERS)
    after = rest.lstrip(_AROUND_SPEAKERS)
    if name.endswith((":", "：")):
        name = name[:-1].strip(_AROUND_SPEAKERS)
    elif after.startswith((":", "：")) and not after.startswith("::"):
        rest = after[1:]
    else:
        return None
    return Split(name, rest.strip()) if not _COLON.search(name) else None


def _is_speaker(prefix: str) -> bool:
    if is_blank(prefix) or len(prefix) > MAX_SPEAKER_LENGTH or _HALF_FACE.fullmatch(prefix):
        return False
    marks = _MARKS_INSIDE.search(prefix) or _SENTENCE_MARKS.search(_ABBREVIATION.sub("", prefix))
    return marks is None


def _is_doubtful(speaker: str) -> bool:
    """Whether several words end in one that no name ends in: ``Then he said``."""
    words = speaker.split()
    if len(words) < 2 or not words[-1][0].islower():
        return False
    return words[0][0].isupper() or len(words) > 2


def _belongs_to_text(line: str, colon: re.Match[str]) -> bool:
    before, after = line[: colon.start()], line[colon.end() :]
    if before[-1:].isdigit() and after[:1].isdigit():
        return True
    if colon[0] == "：":  # people type addresses and emoticons with the plain colon
        return False
    if after.startswith((":", "/", "\\")) or _EMOJI_CODE.match(after):
        return True
    return _is_face(before, after) or _is_inside_word(before, after)


def _is_face(before: str, after: str) -> bool:
    """Whether the colon is a pair of eyes."""
    signs = _SIGN_MOUTH.match(after)
    face = set(signs["face"]) if signs else set()
    if face and not (face <= _PUNCTUATION and face & _SENTENCE_ENDS):
        # A picture is something to say; the signs that mouths are made of are not.
        return not any(unicodedata.category(sign) == "So" for sign in face)
    if _NOSED_MOUTH.match(after) or _USUAL_MOUTH.match(after):
        return True
    return before[-1:].isspace() and bool(_LETTER_MOUTH.match(after))


def _is_inside_word(before: str, after: str) -> bool:
    """Whether several words run into a colon that letters follow: ``see re:invent``."""
    words = before.split()
    glued = bool(before) and not before[-1].isspace() and after[:1].isalnum()
    return glued and len(words) > 1 and unicodedata.category(words[-1][0]) == "Ll"
