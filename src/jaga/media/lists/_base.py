"""What a format of hash lists must offer."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, Protocol, runtime_checkable

import ijson

from jaga.errors import UsageError
from jaga.media._hash_types import all_hash_types
from jaga.media.banks import Item, parsed
from jaga.records import Problem

__all__ = ["BOM", "ListFormat", "kind_named", "parse_all", "read_json"]

BOM = b"\xef\xbb\xbf"


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


def read_json(
    path: Path,
    parts: Callable[[BinaryIO], Iterator[tuple[str, dict[str, Any]]]],
    item: Callable[[str, dict[str, Any], str], Iterator[Item | Problem]],
    unit: str,
) -> Generator[Item | Problem, None, int]:
    """Yield what `item` makes of each of a document's parts (what it is, and it), and a Problem where it stops being JSON.

    `unit`: what a part is called there. Gives back how many parts there were. Raises: OSError.
    """
    with path.open("rb") as file:
        if file.read(len(BOM)) != BOM:
            file.seek(0)
        number = 0
        try:
            for number, (what, found) in enumerate(parts(file), 1):
                yield from item(what, found, f"{path}, {what} {number}")
        # The C parser raises the first, and lets broken UTF-8 and numbers without end escape as the others.
        except (ijson.JSONError, UnicodeDecodeError, ValueError, OverflowError, RecursionError) as error:
            yield Problem(
                where=f"{path}, after {unit} {number}",
                what=f"not JSON from here on: {error}; the rest is left out",
                fatal=True,
                skipped=0,
            )
    return number
