"""Plain transcripts: a turn a line, ``Speaker: text`` or bare, blank lines between dialogues.

Contract: every line that is not blank becomes exactly one utterance, in order. What counts as a
speaker is decided line by line, by the rule in :func:`split_speaker` and in ``docs/formats.md``.
"""

from __future__ import annotations

import re
import string

from sentixrl.dialogue import Dialogue, Utterance
from sentixrl.errors import InputError
from sentixrl.formats.characters import BIDI_CONTROLS, is_blank, name_fault, shown

MAX_SPEAKER_LENGTH = 40
"""The longest prefix that is taken for a speaker, in characters."""

_COLON = re.compile("[:：]")
_AROUND_SPEAKERS = string.whitespace + "\u00a0\u3000\u200b\ufeff" + BIDI_CONTROLS
_ABBREVIATION = re.compile(r"(?:^|(?<=[\s.]))[^\s\d.]{1,4}\.")
_SENTENCE_MARKS = re.compile('[\t.,;!?…¿¡‼⁇。，、；！？．｡؟،؛۔।॥"“”„«»「」『』]')
_EMOTICON = re.compile(r"['’]?-?(?:([DPpOoSsXx3])\1*|[)(\]\[}{|*<>$@]+)(?=[\s.,!?…]|$)")
_EMOJI_CODE = re.compile(r"[a-z0-9_+-]+:")


def parse_transcript(text: str, name: str) -> list[Dialogue]:
    r"""Read a transcript.

    Args:
        text: Decoded text, lines ending in ``\n``.
        name: What errors call the input.

    Returns:
        The dialogues, with the ids ``1``, ``2``, … in order.

    Raises:
        InputError: A speaker says nothing, or the name holds a control character.
    """
    dialogues: list[Dialogue] = []
    turns: list[Utterance] = []
    for number, line in enumerate([*text.split("\n"), ""], start=1):
        if not is_blank(line):
            turns.append(_turn(line, f"{name}, line {number}"))
        elif turns:
            dialogues.append(Dialogue(str(len(dialogues) + 1), tuple(turns)))
            turns = []
    return dialogues


def split_speaker(line: str) -> tuple[str | None, str]:
    r"""Split a line into speaker and text.

    The speaker is what stands before the line's first ``:`` or ``：``, without the white space
    and direction marks around it, if

    * it has 1 to 40 characters, not all of them invisible,
    * it holds no tab; no comma, semicolon, question or exclamation mark, ellipsis or double
      quotation mark of any script; a full stop only after a word of at most four letters; and
    * the colon does not stand between two digits (``10:30``), before ``/``, ``\`` or another
      colon (``https://``), nor begins an emoticon (``:-)``) or an emoji code (``:smile:``).

    Returns:
        Speaker and text; the speaker is ``None`` for a bare line. Both without outer white
        space; the text keeps its direction marks.
    """
    colon = _COLON.search(line)
    if colon is None:
        return None, line.strip()
    speaker = line[: colon.start()].strip(_AROUND_SPEAKERS)
    if _is_speaker(speaker) and not _belongs_to_text(line, colon):
        return speaker, line[colon.end() :].strip()
    return None, line.strip()


def _is_speaker(prefix: str) -> bool:
    if is_blank(prefix) or len(prefix) > MAX_SPEAKER_LENGTH:
        return False
    return not _SENTENCE_MARKS.search(_ABBREVIATION.sub("", prefix))


def _belongs_to_text(line: str, colon: re.Match[str]) -> bool:
    before, after = line[: colon.start()], line[colon.end() :]
    if before[-1:].isdigit() and after[:1].isdigit():
        return True
    if colon[0] == "：":  # people type addresses and emoticons with the plain colon
        return False
    if after.startswith((":", "/", "\\")):
        return True
    return bool(_EMOTICON.match(after) or _EMOJI_CODE.match(after))


def _turn(line: str, place: str) -> Utterance:
    speaker, text = split_speaker(line)
    if speaker is not None and (fault := name_fault(speaker)):
        raise InputError(
            f"{place}: the speaker '{shown(speaker)}' {fault}.",
            hint="Remove the character, or give the dialogue as JSON.",
        )
    if is_blank(text):
        raise InputError(
            f"{place}: the speaker '{shown(speaker or '')}' says nothing.",
            hint="Write the text after the colon on the same line, or remove the line.",
        )
    return Utterance(text, speaker=speaker)
