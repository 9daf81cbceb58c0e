"""Byte-pair encoding from a table of merges: as ``tokenizers`` does, but starting at once.

Contract: the same ids, offsets of markers and text as ``tokenizers.Tokenizer`` of the
``tokenizer.json`` that the table was made from. Of a quarter of a million pieces, only those that a
text needs become Python objects. Safe to call from many threads.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence, Set
from copy import copy
from dataclasses import dataclass
from functools import cached_property, lru_cache
from heapq import heappop, heappush

import numpy as np
from numpy.typing import NDArray

from sentixrl.engines.local.tokenizer_table import SPACE, AddedToken, TokenizerTable

# Words are repeated often; long ones are not, and would fill the cache.
_CACHED_WORDS = 50_000
_CACHED_CHARACTERS = 40
_CACHED_PAIRS = 100_000
_GONE = -1


@dataclass(frozen=True, slots=True)
class PieceEncoding:
    """A text's tokens.

    Attributes:
        ids: Their ids.
        widths: How many characters each covers; if a character is several bytes, the first covers
            it.
        pieces: Looks up their text.
    """

    ids: list[int]
    widths: list[int]
    pieces: Pieces

    @property
    def tokens(self) -> list[str]:
        """Their text as pieces."""
        return [self.pieces[token] for token in self.ids]

    @property
    def offsets(self) -> list[tuple[int, int]]:
        """Where each starts and ends in the text."""
        found, at = [], 0
        for width in self.widths:
            found.append((at, at + width))
            at += width
        return found


class PieceTokenizer:
    """A tokenizer of SentencePiece's kind.

    Args:
        table: Its pieces and merges.
    """

    def __init__(self, table: TokenizerTable) -> None:
        self._begin, self._unknown, self._added = table.begin, table.unknown, table.added
        self._special = {token.id for token in table.added if token.special}
        self._pieces = Pieces(table)
        self._finder = _Finder(table.added)

    def encode(self, text: str, add_special_tokens: bool = True) -> PieceEncoding:
        """The tokens of a text; if asked for, those that begin every text come first."""
        begin = self._begin if add_special_tokens else ()
        ids, widths = list(begin), [0] * len(begin)
        for part, token in self._finder.split(text):
            if token is None:
                self._pieces.extend(part, ids, widths)
            else:
                ids.append(token)
                widths.append(len(part))
        return PieceEncoding(ids, widths, self._pieces)

    def decode(self, ids: Sequence[int], skip_special_tokens: bool = True) -> str:
        """The text of tokens."""
        skipped = self._special if skip_special_tokens else set()
        return self._pieces.text(token for token in ids if token not in skipped)

    def token_to_id(self, token: str) -> int | None:
        """A piece's id, if there is such a piece."""
        return self._pieces.find(token)

    def get_vocab(self) -> dict[str, int]:
        """Piece → id."""
        return self._pieces.vocabulary

    def unmarked(self) -> tuple[PieceTokenizer, frozenset[int]]:
        """A tokenizer that reads markers as the text they are, and the markers' ids.

        Every added token is a marker, except single characters and the unknown token.
        """
        markers = {token.id for token in self._added if token.special or len(token.content) > 1}
        other = copy(self)
        other._special, other._finder = markers, _Finder(self._added, markers)
        return other, frozenset(markers - {self._unknown})


class _Finder:
    """Finds added tokens in texts: the longest of those that start earliest.

    Args:
        added: The tokens.
        passed: Ids of tokens that are read as plain text; no others are looked for inside them.
    """

    def __init__(self, added: Iterable[AddedToken], passed: Set[int] = frozenset()) -> None:
        self._passed = passed
        self._ids = {token.content: token.id for token in added}
        self._lengths = sorted({len(content) for content in self._ids}, reverse=True)
        first = "".join(sorted({content[0] for content in self._ids}))
        self._first = re.compile(f"[{re.escape(first)}]") if first else None

    def split(self, text: str) -> Iterator[tuple[str, int | None]]:
        """The text's parts in order, each with its token if it is one."""
        start = at = 0
        while self._first is not None and (found := self._first.search(text, at)):
            at = found.start()
            length = next((n for n in self._lengths if text[at : at + n] in self._ids), 0)
            part = text[at : at + length]
            if not length or self._ids[part] in self._passed:
                at += length or 1
                continue
            if at > start:
                yield text[start:at], None
            yield part, self._ids[part]
            start = at = at + length
        if start < len(text):
            yield text[start:], None


class Pieces:
    """The pieces and merges of a table, looked up as they are needed.

    Args:
        table: Holds them.
    """

    def __init__(self, table: TokenizerTable) -> None:
        self._table = table
        self._text, self._ends = table.text.tobytes(), table.ends.data
        self._starts, self._rights = table.starts.data, table.rights.data
        self._ranks, self._merged = table.ranks.data, table.merged.data
        self._bytes = range(table.first_byte, table.first_byte + 256)
        self._characters = self._single_characters()
        # No merge crosses these places, so the parts between them are merged separately.
        self._joints = re.compile(f"(?<![{SPACE}{re.escape(table.joining)}])(?={SPACE})")
        self._pair = lru_cache(maxsize=_CACHED_PAIRS)(self._find_pair)
        self._word = lru_cache(maxsize=_CACHED_WORDS)(self._merge)

    def extend(self, text: str, ids: list[int], widths: list[int]) -> None:
        """Append the tokens of a text without added tokens, and their widths."""
        for word in self._joints.split(text.replace(" ", SPACE)):
            merge = self._word if len(word) <= _CACHED_CHARACTERS else self._merge
            made, wide = merge(word)
            ids += made
            widths += wide

    def text(self, ids: Iterable[int]) -> str:
        """The text of tokens; bytes that are no text become one mark each."""
        parts: list[str] = []
        pending = bytearray()
        for token in ids:
            if token in self._bytes:
                pending.append(token - self._bytes.start)
                continue
            parts += [_decoded(pending), self[token].replace(SPACE, " ")]
            pending.clear()
        return "".join([*parts, _decoded(pending)])

    @cached_property
    def vocabulary(self) -> dict[str, int]:
        """Piece → id: a quarter of a million, rarely needed."""
        return {self[number]: number for number in range(len(self._ends))}

    def find(self, piece: str) -> int | None:
        """A piece's id, if there is one, without the whole vocabulary."""
        wanted = np.frombuffer(piece.encode(), np.uint8)
        starts = self._beginnings()
        same = np.flatnonzero(self._table.ends - starts == len(wanted))
        places = starts[same, None] + np.arange(len(wanted))
        found = same[(self._table.text[places] == wanted).all(axis=1)]
        return int(found[-1]) if len(found) else None

    def _beginnings(self) -> NDArray[np.int32]:
        """Where each piece begins in the text. Shape ``[n_pieces]``."""
        ends = self._table.ends
        return np.concatenate([np.zeros(1, ends.dtype), ends[:-1]])

    def __getitem__(self, token: int) -> str:
        start = self._ends[token - 1] if token else 0
        return self._text[start : self._ends[token]].decode()

    def _single_characters(self) -> dict[str, int]:
        """Pieces of one character → id."""
        ends, starts = self._table.ends, self._beginnings()
        first = self._table.text[starts]
        # As many bytes as a character's first byte says.
        size = np.select([first < 0x80, first < 0xE0, first < 0xF0], [1, 2, 3], 4)
        alone = np.flatnonzero(ends - starts == size)
        return {self[number]: number for number in alone.tolist()}

    def _find_pair(self, left: int, right: int) -> tuple[int, int] | None:
        """(Rank, piece) of a merge, if these two merge."""
        stop = self._starts[left + 1]
        at = bisect_left(self._rights, right, self._starts[left], stop)
        if at == stop or self._rights[at] != right:
            return None
        return self._ranks[at], self._merged[at]

    def _symbols(self, word: str) -> tuple[list[int], list[int]]:
        """A word before any merge: its characters, or the bytes of unknown ones."""
        ids: list[int] = []
        widths: list[int] = []
        for character in word:
            known = self._characters.get(character)
            values = character.encode() if known is None else b""
            ids += [self._bytes[value] for value in values] if known is None else [known]
            widths += [1, *(0 for _ in values[1:])]
        return ids, widths

    def _merge(self, word: str) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """A word's tokens and their widths. Merges go by rank, lowest first, from the left."""
        ids, widths = self._symbols(word)
        count = len(ids)
        after, before = list(range(1, count + 1)), list(range(-1, count - 1))
        heap: list[tuple[int, int, int]] = []

        def consider(at: int) -> None:
            """Queue the merge of the piece at ``at`` with the next one."""
            if at >= 0 and after[at] < count:
                found = self._pair(ids[at], ids[after[at]])
                if found is not None:
                    heappush(heap, (found[0], at, found[1]))

        for at in range(count):
            consider(at)
        while heap:
            _, at, made = heappop(heap)
            right = after[at]
            if ids[at] == _GONE or right >= count:
                continue
            found = self._pair(ids[at], ids[right])
            if found is None or found[1] != made:  # one of the two has merged since
                continue
            ids[at], ids[right] = made, _GONE
            widths[at] += widths[right]
            after[at] = after[right]
            if after[at] < count:
                before[after[at]] = at
            consider(before[at])
            consider(at)
        left = [at for at in range(count) if ids[at] != _GONE]
        return tuple(ids[at] for at in left), tuple(widths[at] for at in left)


def _decoded(values: bytearray) -> str:
    """The text of bytes; if they are none, a mark for each."""
    try:
        return values.decode()
    except UnicodeDecodeError:
        return "\ufffd" * len(values)
