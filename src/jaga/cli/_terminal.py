"""What may be put on a terminal, and how lines of four scripts are broken there."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import unicodedata
from itertools import pairwise

from rich.cells import get_character_cell_size
from rich.console import Console, Group, JustifyMethod, OverflowMethod
from rich.containers import Lines
from rich.text import Text as _Text

__all__ = ["Text", "cells", "columns", "folded", "plain", "put", "trimmed"]

_LEAST = 40
# Where no stream is a terminal.
_USUAL = 80
# Characters that turn the direction of what follows: a name could use them to look like another.
_TURNING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")
_NOT_FIRST = frozenset("，。、；：！？）】」』》〉”’…·％,.;:!?)]}%")
_NOT_LAST = frozenset("（【「『《〈“‘([{")
_CODE = r"\x1b\[[0-9;]*m"
_TRAILING = re.compile(rf"(?: |{_CODE})+$")


def columns(most: int) -> int:
    """How many cells a line may have; never more than `most`, wider is hard to read."""
    width = shutil.get_terminal_size((0, 0)).columns
    # Piped into a pager, the terminal is still the one that the other streams know.
    for stream in (2, 0):
        with contextlib.suppress(OSError):
            width = width or os.get_terminal_size(stream).columns
    return max(_LEAST, min(most, width or _USUAL))


def plain(text: str) -> str:
    """Text from an export as it may be put on a terminal: one line, without control sequences or turned direction."""
    text = text.replace("\r\n", " ").replace("\n", " ").replace("\t", " ")
    return "".join(
        "\ufffd" if unicodedata.category(letter) in ("Cc", "Cs") else letter
        for letter in text
        if letter not in _TURNING
    )


def trimmed(page: str) -> str:
    """The page without the spaces that fill its lines: on a terminal that counts letters otherwise they would spill over."""
    return "\n".join(
        _TRAILING.sub(lambda found: "".join(re.findall(_CODE, found[0])), line) for line in page.split("\n")
    )


class Text(_Text):
    """Text that breaks between Chinese characters, and leaves room for the vowel signs of Tamil.

    Rich breaks at spaces only, which Chinese has few of, and gives a vowel sign no cell, where most terminals give it one.
    """

    def wrap(
        self,
        console: Console,
        width: int,
        *,
        justify: JustifyMethod | None = None,
        overflow: OverflowMethod | None = None,
        tab_size: int = 8,
        no_wrap: bool | None = None,
    ) -> Lines:
        """Lines of at most `width` cells."""
        if no_wrap or self.no_wrap:
            return super().wrap(console, width, justify=justify, overflow=overflow, tab_size=tab_size, no_wrap=no_wrap)
        lines = Lines()
        for line in self.split(allow_blank=True):
            for piece in line.divide(_breaks(line.plain, width)):
                piece.rstrip()
                lines.append(piece)
        return lines


def cells(text: str) -> int:
    """How wide a terminal may draw it."""
    return sum(map(_cells, text))


def folded(text: str, width: int) -> list[str]:
    """The lines of a paragraph."""
    edges = [0, *_breaks(text, width), len(text)]
    return [text[start:end].rstrip() for start, end in pairwise(edges)]


def put(console: Console, text: Text) -> None:
    """Print a paragraph. Given a text by itself, Rich would make one of its own kind of it."""
    console.print(Group(text))


def _cells(letter: str) -> int:
    return 1 if unicodedata.category(letter) == "Mc" else get_character_cell_size(letter)


def _may_break(before: str, after: str) -> bool:
    if after.isspace() or _cells(after) == 0 or before == "\u200d":
        return False
    if before.isspace():
        return True
    return 2 in (_cells(before), _cells(after)) and after not in _NOT_FIRST and before not in _NOT_LAST


def _breaks(text: str, width: int) -> list[int]:
    """Offsets at which new lines begin."""
    offsets: list[int] = []
    start = used = 0
    last: int | None = None
    for at, letter in enumerate(text):
        if at > start and _may_break(text[at - 1], letter):
            last = at
        wide = _cells(letter)
        # A space that hangs over the edge is not seen.
        if used + wide > width and at > start and not letter.isspace():
            cut = last if last is not None else at
            # A letter and its signs stay together.
            while cut > start + 1 and unicodedata.category(text[cut]).startswith("M"):
                cut -= 1
            # Unless together they are wider than any line.
            if cells(text[cut:at]) + wide > width:
                cut = at
            offsets.append(cut)
            start, last = cut, None
            used = cells(text[cut:at])
        used += wide
    return offsets
