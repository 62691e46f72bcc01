"""Decrypts a SQLCipher file page by page, free pages included, to see what is still in it.

Layout of SQLCipher 4: pages of 4,096 bytes; the last 80 of each are an initialisation vector (16) and an HMAC-SHA-512 (64); the rest is
AES-256 in CBC mode. The first 16 bytes of the first page are the salt, in the clear. A write-ahead log has a head of 32 bytes and
before each page 24 (https://www.zetetic.net/sqlcipher/design, https://www.sqlite.org/fileformat2.html#walformat).
"""

from __future__ import annotations

from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from jaga.store import Store

__all__ = ["RESERVE", "SIZE", "decrypted", "holds"]

SIZE = 4096
RESERVE = 80


def decrypted(path: Path, key: bytes) -> list[bytes]:
    """Every page of a database file."""
    raw = path.read_bytes()
    return [_page(raw[at : at + SIZE], key, first=at == 0) for at in range(0, len(raw), SIZE)]


def _page(page: bytes, key: bytes, *, first: bool = False) -> bytes:
    vector = page[-RESERVE : -RESERVE + 16]
    body = page[16 if first else 0 : -RESERVE]
    decryptor = Cipher(algorithms.AES(key), modes.CBC(vector)).decryptor()
    plain = decryptor.update(body) + decryptor.finalize()
    return b"SQLite format 3\0" + plain if first else plain


def _logged(path: Path, key: bytes) -> list[bytes]:
    if not path.exists():
        return []
    raw = path.read_bytes()
    found = []
    for at in range(32, len(raw) - SIZE - 23, SIZE + 24):
        number = int.from_bytes(raw[at : at + 4], "big")
        found.append(_page(raw[at + 24 : at + 24 + SIZE], key, first=number == 1))
    return found


def holds(store: Store, word: str) -> bool:
    """Whether a word stands anywhere in the decrypted file or its log."""
    data = store.folder / "jaga.db"
    every = [*decrypted(data, store.key), *_logged(data.with_name("jaga.db-wal"), store.key)]
    # Any page that SQLite wrote begins with a kind of page or is zeros: the reader can read.
    assert every[0][16:18] == SIZE.to_bytes(2, "big")
    return any(word.encode() in page for page in every)
