"""What a kind of hash must offer, and the registry (entry points `jaga.hash_types`).

Owners of PhotoDNA or others add theirs by one class and one line; see docs/media.md.
"""

from __future__ import annotations

import functools
import re
from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
import numpy.typing as npt

from jaga.errors import UsageError
from jaga.plugins import load_plugins

__all__ = ["FileHash", "HashType", "Hasher", "Looked", "PictureHash", "all_hash_types", "hash_type", "parse_hex"]


class Looked(NamedTuple):
    """What a picture hashes to. `quality` is 0 to 100, None if the kind has none."""

    value: bytes
    quality: int | None


class Hasher(Protocol):
    """As in `hashlib`; must let other threads run while it works on large pieces, or reading waits for it."""

    def update(self, data: Any, /) -> Any:
        """Take in bytes."""
        ...

    def digest(self) -> bytes:
        """The hash of everything taken in."""
        ...


@runtime_checkable
class HashType(Protocol):
    """A kind of hash: its name (lower case), its length, and how near two must be to be the same."""

    name: str
    bits: int
    # Hamming distance up to which two are taken for the same; 0 for exact hashes.
    threshold_bits: int

    def parse(self, text: str) -> bytes:
        """From what people write. Raises: UsageError, if it is none."""
        ...


@runtime_checkable
class FileHash(HashType, Protocol):
    """Taken of a file's bytes, whatever they are."""

    def begin(self) -> Hasher:
        """A fresh hasher."""
        ...


@runtime_checkable
class PictureHash(HashType, Protocol):
    """Taken of decoded pixels, in a worker process."""

    def look(self, pixels: npt.NDArray[np.uint8]) -> Looked:
        """Hash uint8[height, width, 1 or 3], grey or red-green-blue."""
        ...


def parse_hex(name: str, text: str, bits: int) -> bytes:
    """Hex digits, in either case, to bytes. Raises: UsageError, with the digits that were expected."""
    text = text.strip()
    if not re.fullmatch(rf"[0-9A-Fa-f]{{{bits // 4}}}", text):
        raise UsageError(f"not a {name} hash: {text[:80]!r} is not {bits // 4} hex digits")
    return bytes.fromhex(text)


@functools.cache
def all_hash_types() -> dict[str, HashType]:
    """Every installed kind, by name. Raises: CatalogueError, if two have one name or one lacks a part."""
    return load_plugins("jaga.hash_types", HashType, "docs/media.md")


def hash_type(name: str) -> HashType:
    """The kind of this name. Raises: UsageError, if there is none."""
    try:
        return all_hash_types()[name.lower()]
    except KeyError:
        raise UsageError(f"no kind of hash is named {name!r}", remedy=f"one of {', '.join(all_hash_types())}") from None
