"""What a format of hash lists must offer."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol, runtime_checkable

from jaga.errors import UsageError
from jaga.media._hash_types import all_hash_types
from jaga.media.banks import Item, parsed
from jaga.records import Problem

__all__ = ["ListFormat", "kind_named", "parse_all"]


@runtime_checkable
class ListFormat(Protocol):
    """A format: its name, a cheap test, and a stream."""

    name: str

    def recognises(self, head: bytes) -> bool:
        """True if `head` (the first 4 KiB) can be this format. Never raises."""
        ...

    def read(self, path: Path, *, kind: str | None = None) -> Iterator[Item | Problem]:
        """Yield items in file order, a Problem for each broken entry. Raises: UnreadableInput, OSError."""
        ...


def kind_named(name: str) -> str | None:
    """Which kind a list means by "SHA-1", "sha_256", "PDQ" ...; None if no such kind is installed."""
    plain = "".join(letter for letter in name.lower() if letter.isalnum())
    # "MD5 hash", "Hash (SHA-1)".
    return next(
        (one for one in (plain, plain.removesuffix("hash"), plain.removeprefix("hash")) if one in all_hash_types()),
        None,
    )


def parse_all(texts: Sequence[tuple[str, str]], where: str) -> tuple[tuple[tuple[str, bytes], ...], list[Problem]]:
    """Hashes (kind, text), and a Problem for each that is none; one bad hash does not cost an item its others."""
    values, problems = [], []
    for kind, text in texts:
        try:
            values.append(parsed(kind, text))
        except UsageError as error:
            problems.append(Problem(where=where, what=str(error), skipped=0))
    return tuple(values), problems
