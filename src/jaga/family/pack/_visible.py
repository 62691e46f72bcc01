"""Text of strangers made fit to be shown: what would hide, reorder or pile up letters is named in its place.

The exact text is in report.json; this is what a person reads on paper and on a page.
"""

from __future__ import annotations

import unicodedata

__all__ = ["in_block", "in_line", "visible"]

# Bidirectional embeddings, overrides and isolates (UAX 9) make a line read otherwise than it was written; the mark of byte order is invisible.
_MISLEADING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\ufeff\ufffe\uffff")
# Nothing is assigned, private, half a pair, a control, or a format character of the block that smuggles letters (tags).
_NAMED = frozenset(("Cc", "Cn", "Co", "Cs"))
# More marks than this on one letter are no writing of any language.
_MARKS = 8


def visible(text: str) -> str:
    """The text with every control and misleading character named, such as [U+202E]; line ends and tabs are kept as such."""
    out: list[str] = []
    marks = 0
    for character in text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n"):
        category = unicodedata.category(character)
        if category in ("Mn", "Me"):
            marks += 1
            if marks > _MARKS:
                continue
        elif marks > _MARKS:
            out.append(f"[+{marks - _MARKS}]")
            marks = 0
        else:
            marks = 0
        if character == "\t":
            out.append("    ")
        elif character == "\n":
            out.append("\n")
        elif category in _NAMED or character in _MISLEADING or 0xE0000 <= ord(character) <= 0xE007F:
            out.append(f"[U+{ord(character):04X}]")
        else:
            out.append(character)
    if marks > _MARKS:
        out.append(f"[+{marks - _MARKS}]")
    return "".join(out)


def in_line(text: str, letters: int = 200) -> str:
    """For a name or a place: one line, its beginning and its end if it is longer than `letters`."""
    one = " ".join(text.split("\n")).strip()
    if len(one) > letters:
        one = f"{one[: letters * 2 // 3]} … {one[-letters // 3 :]}"
    return visible(one).replace("\n", " ")


def in_block(text: str, letters: int, lines: int) -> tuple[str, int]:
    """For what was written: (its beginning, how many characters were left out)."""
    kept = "\n".join(text[:letters].split("\n")[:lines])
    return visible(kept), len(text) - len(kept)
