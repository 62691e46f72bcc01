"""Exact hashes of a file's bytes. One changed bit, or one resaved picture, defeats them all; PDQ is for those.

MD5 and SHA-1 are broken against forgery (RFC 6151; Stevens et al. 2017). They are here since hash sets are kept in
them: a match says "known", and no more than that.
"""

from __future__ import annotations

import hashlib

from jaga.errors import DataNeeded
from jaga.media._hash_types import Hasher, parse_hex

__all__ = ["Blake3", "Md5", "Sha1", "Sha256"]


class Md5:
    """RFC 1321."""

    name = "md5"
    bits = 128
    threshold_bits = 0

    def parse(self, text: str) -> bytes:
        """32 hex digits. Raises: UsageError."""
        return parse_hex(self.name, text, self.bits)

    def begin(self) -> Hasher:
        """A fresh hasher; allowed where MD5 is barred for security, which this is not."""
        return hashlib.md5(usedforsecurity=False)


class Sha1:
    """FIPS 180-4."""

    name = "sha1"
    bits = 160
    threshold_bits = 0

    def parse(self, text: str) -> bytes:
        """40 hex digits. Raises: UsageError."""
        return parse_hex(self.name, text, self.bits)

    def begin(self) -> Hasher:
        """A fresh hasher."""
        return hashlib.sha1(usedforsecurity=False)


class Sha256:
    """FIPS 180-4."""

    name = "sha256"
    bits = 256
    threshold_bits = 0

    def parse(self, text: str) -> bytes:
        """64 hex digits. Raises: UsageError."""
        return parse_hex(self.name, text, self.bits)

    def begin(self) -> Hasher:
        """A fresh hasher."""
        return hashlib.sha256()


class Blake3:
    """O'Connor, Aumasson, Neves, Wilcox-O'Hearn: "BLAKE3" (2020). Needs the package `blake3`."""

    name = "blake3"
    bits = 256
    threshold_bits = 0

    def parse(self, text: str) -> bytes:
        """64 hex digits. Raises: UsageError."""
        return parse_hex(self.name, text, self.bits)

    def begin(self) -> Hasher:
        """A fresh hasher. Raises: DataNeeded."""
        try:
            from blake3 import blake3
        except ImportError as error:
            raise DataNeeded("BLAKE3 needs the package blake3", remedy="pip install 'jaga[media]'") from error
        hasher: Hasher = blake3()
        return hasher
