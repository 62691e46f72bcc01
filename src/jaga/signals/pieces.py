"""Cuts normalised text into the pieces the learned ear counts: words, pairs of words, and parts of words.

Parts of words (character n-grams, as in fastText: Bojanowski et al. 2017) carry SMS spelling and the endings of Malay and Tamil;
a Chinese character counts as a word, so that pairs and triples of them stand for words without a dictionary. Pieces are hashed
(Weinberger et al. 2009): the table has a fixed size whatever people type.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator
from itertools import pairwise

__all__ = ["BUCKETS", "MASK", "PAIR", "chunks", "is_han", "pairs", "parts", "triples", "words"]

BUCKETS = 1 << 16
MASK = BUCKETS - 1
# Weight of all parts of a word together, and of a pair, where the word itself weighs 1.
_PARTS = 0.7
PAIR = 0.7
_TOKEN = re.compile(r"[\u3400-\u9fff]|[\u0b80-\u0bff]+|[^\W_\u0b80-\u0bff\u3400-\u9fff]+|[?]")
# A long message is heard in overlapping parts: one worrying sentence must not drown in a page.
_CHUNK, _STEP = 24, 12
_WORD_CHARS = 40


def words(normalised: str) -> list[str]:
    """The words of a normalised text; every Han character is one."""
    return _TOKEN.findall(normalised)


def chunks(found: list[str]) -> Iterator[list[str]]:
    """The whole of a short message, overlapping stretches of a long one."""
    if len(found) <= _CHUNK:
        yield found
        return
    for start in range(0, len(found) - _STEP, _STEP):
        yield found[start : start + _CHUNK]


def is_han(word: str) -> bool:
    """True if the word starts with a Han character (then it is one, or a pair of them)."""
    return "\u3400" <= word[0] <= "\u9fff"


def _bucket(piece: str) -> int:
    return zlib.crc32(piece.encode("utf-8", "surrogatepass")) & MASK


def parts(word: str) -> list[tuple[int, float]]:
    """(bucket, weight) of a word and its parts of three to five characters."""
    word = word[:_WORD_CHARS]
    found = [(_bucket(word), 1.0)]
    if len(word) > 2 and not word.isdigit():
        edged = f"<{word}>"
        grams = [edged[at : at + size] for size in (3, 4, 5) for at in range(len(edged) - size + 1)]
        weight = _PARTS / len(grams) ** 0.5
        found += [(_bucket("#" + gram), weight) for gram in grams]
    return found


def pairs(found: list[str]) -> list[int]:
    """Buckets of neighbouring words, and of three Han characters in a row; each weighs `PAIR`."""
    crc = zlib.crc32
    buckets = [crc(f"{one}_{other}".encode("utf-8", "surrogatepass")) & MASK for one, other in pairwise(found)]
    if max(found, default="") < "\u3400":
        return buckets
    return buckets + triples(found)


def triples(found: list[str]) -> list[int]:
    """Buckets of three Han characters in a row."""
    return [
        _bucket(one + other + third)
        for one, other, third in zip(found, found[1:], found[2:], strict=False)
        # A word that starts with a Han character is one.
        if is_han(one) and is_han(other) and is_han(third)
    ]
