"""What the terminal is like: how wide, and what may be put on it."""

from __future__ import annotations

import shutil
import unicodedata

from jaga.words import Words

__all__ = ["columns", "plain"]

# Rich gives a Tamil vowel sign no cell, most terminals give it one: lines of Tamil come out up to half as long again.
_ROOM = {"ta": 0.7}
_LEAST = 40
# Characters that turn the direction of what follows: a name could use them to look like another.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")


def columns(say: Words, most: int) -> int:
    """How many cells a line may have, as Rich counts them; never more than `most`, wider is hard to read."""
    width = min(most, shutil.get_terminal_size((80, 24)).columns)
    return max(_LEAST, int(width * _ROOM.get(say.language, 1)))


def plain(text: str) -> str:
    """Text from an export as it may be put on a terminal: one line, without control sequences or turned direction."""
    text = text.replace("\r\n", " ").replace("\n", " ").replace("\t", " ")
    return "".join(
        "\ufffd" if unicodedata.category(letter) in ("Cc", "Cs") else letter
        for letter in text
        if letter not in _TURNING
    )
