"""What Instagram's and Facebook's downloads have in common: their mojibake, their folders, their names."""

from __future__ import annotations

import re
from typing import Any

from jaga.sources._tree import Entry

__all__ = ["platform_of", "repair", "repair_all"]

_BROKEN = re.compile(r"[\u0080-\u00ff]{2,}")


def repair(text: str) -> str:
    """Undo Meta's encoding: every byte of the UTF-8 was written as a character of its own (`\\u00e2\\u009d\\u00a4`).

    Per string and guarded: one that is right already, or cut inside a character, stays as far as it is right.
    """
    if text.isascii():
        return text
    try:
        raw = text.encode("latin-1")
    except UnicodeEncodeError:
        # Holds characters no single byte has: this string, or part of it, is right already.
        return _BROKEN.sub(_repair_part, text)
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return _BROKEN.sub(_repair_part, text)


def _repair_part(match: re.Match[str]) -> str:
    try:
        return match.group().encode("latin-1").decode("utf-8")
    except UnicodeError:
        return match.group()


def repair_all(value: Any) -> Any:
    """`repair` for every string in a JSON value, keys too."""
    if isinstance(value, str):
        return repair(value)
    if isinstance(value, list):
        return [repair_all(item) for item in value]
    if isinstance(value, dict):
        return {repair(key): repair_all(item) for key, item in value.items()}
    return value


def platform_of(entry: Entry) -> str:
    """ "instagram" or "messenger"/"facebook", from what the file and its folders hold."""
    for path in (entry.path.lower(), entry.tree.root.lower()):
        if "facebook" in path:
            return "messenger"
        if "instagram" in path:
            return "instagram"
    if b"messages/stickers_used" in entry.head:
        return "messenger"
    if any("instagram" in other.lower() for other in list(entry.tree.entries)[:200]):
        return "instagram"
    head = entry.head[:65_536]
    if b"instagram" in head.lower() or b"is_unsent" in head or (b"magic_words" in head and b"thread_type" not in head):
        return "instagram"
    return "messenger"
