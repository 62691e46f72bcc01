"""Files that were brought in and wait to be read: encrypted as they arrive, never lying in the clear beside the store.

Each has a key of its own, derived (HKDF-SHA256, RFC 5869) from the store's key and a random salt, and is encrypted in chunks with
ChaCha20-Poly1305 (RFC 8439) by the STREAM construction (Hoang, Reyhanitabar, Rogaway & Vizár 2015): a chunk's nonce is its number and
whether it is the last one, so that chunks cannot be left out, put in another order or cut off at the end without it being seen.

To be read by the sources it has to be a file for a while: in memory where the machine has room (/dev/shm), else in the store's folder;
`opened` removes it again, and `clear_opened` what a crash left.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from types import TracebackType

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from jaga.errors import StoreError
from jaga.store._database import Store

__all__ = ["WaitingFile", "clear_opened", "opened", "waiting_folder"]

_MAGIC = b"JAGAWAIT"
_VERSION = b"\x01"
_SALT_BYTES = 16
_CHUNK = 64 * 1024
_TAG = 16
_IN_MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own is made in it
_NAME_BYTES = 200


def waiting_folder(store: Store) -> Path:
    return store.folder / "waiting"


def _cipher(store: Store, salt: bytes) -> ChaCha20Poly1305:
    key = HKDF(algorithm=hashes.SHA256(), length=32, salt=salt, info=b"jaga file that waits 1").derive(store.key)
    return ChaCha20Poly1305(key)


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + (b"\x01" if last else b"\x00")


class WaitingFile(io.RawIOBase):
    """Takes in bytes and writes them encrypted. As a context it removes the file if an exception leaves it.

    Raises: StoreError, if the disk is full or cannot be written.
    """

    def __init__(self, store: Store) -> None:
        self.path = waiting_folder(store) / secrets.token_hex(16)
        self.size_bytes = 0
        salt = secrets.token_bytes(_SALT_BYTES)
        self._cipher = _cipher(store, salt)
        self._held = bytearray()
        self._number = 0
        try:
            self.path.parent.mkdir(mode=0o700, exist_ok=True)
            descriptor = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            self._file = os.fdopen(descriptor, "wb")
            self._file.write(_MAGIC + _VERSION + salt)
        except OSError as error:
            raise self._failed(error) from error

    def _failed(self, error: OSError) -> StoreError:
        return StoreError(
            f"what is brought in cannot be kept: {error.strerror}",
            where=str(self.path.parent),
            remedy="free some space; nothing that was there before is lost",
        )

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.size_bytes += len(data)
        self._held += data
        # One chunk is held back, for only at the end it is known which is the last.
        while len(self._held) > _CHUNK:
            self._put(bytes(self._held[:_CHUNK]), last=False)
            del self._held[:_CHUNK]
        return len(data)

    def _put(self, chunk: bytes, *, last: bool) -> None:
        try:
            self._file.write(self._cipher.encrypt(_nonce(self._number, last), chunk, _MAGIC + _VERSION))
        except OSError as error:
            raise self._failed(error) from error
        self._number += 1

    def finish(self) -> Path:
        """Write the end; it is on the disk when this returns."""
        self._put(bytes(self._held), last=True)
        self._held.clear()
        try:
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
        except OSError as error:
            raise self._failed(error) from error
        return self.path

    def abandon(self) -> None:
        """Remove it."""
        with contextlib.suppress(OSError):
            self._file.close()
        self.path.unlink(missing_ok=True)

    def __enter__(self) -> WaitingFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.abandon()


def _chunks(store: Store, path: Path) -> Iterator[bytes]:
    """The plain chunks. Raises: StoreError, if it is damaged or not of this store."""
    damaged = StoreError("the file that waits is damaged", where=str(path), remedy="bring the export in again")
    try:
        with path.open("rb") as file:
            if file.read(len(_MAGIC) + 1) != _MAGIC + _VERSION:
                raise damaged
            cipher = _cipher(store, file.read(_SALT_BYTES))
            number = 0
            chunk = file.read(_CHUNK + _TAG)
            while True:
                following = file.read(_CHUNK + _TAG)
                try:
                    yield cipher.decrypt(_nonce(number, not following), chunk, _MAGIC + _VERSION)
                except InvalidTag as error:
                    raise damaged from error
                if not following:
                    return
                number, chunk = number + 1, following
    except OSError as error:
        raise StoreError(f"the file that waits cannot be read: {error.strerror}", where=str(path)) from error


@contextlib.contextmanager
def opened(store: Store, path: Path, name: str) -> Iterator[Path]:
    """The file in the clear, under (nearly) its own name, while it is read. Raises: StoreError."""
    folder: Path | None = None
    try:
        try:
            folder = _room(store, path.stat().st_size)
            plain = folder / _fit(name)
            descriptor = os.open(plain, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(descriptor, "wb") as file:
                for chunk in _chunks(store, path):
                    file.write(chunk)
        except OSError as error:
            raise StoreError(
                f"no room to read what was brought in: {error.strerror}", where=str(path), remedy="free some space"
            ) from error
        yield plain
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def clear_opened(store: Store) -> None:
    """Remove what a crash left in the clear. For the start, before anything is read."""
    for place in (_IN_MEMORY, waiting_folder(store)):
        if place.is_dir():
            for left in place.glob(f"{_prefix(store)}*"):
                # Of our own only: /dev/shm belongs to all.
                with contextlib.suppress(OSError):
                    if left.stat().st_uid == os.getuid() if hasattr(os, "getuid") else True:
                        shutil.rmtree(left, ignore_errors=True)


def _prefix(store: Store) -> str:
    # Of this store only: the same person may run another one.
    return f"jaga-reading-{sha256(str(store.folder.resolve()).encode()).hexdigest()[:12]}-"


def _room(store: Store, size: int) -> Path:
    if _IN_MEMORY.is_dir() and shutil.disk_usage(_IN_MEMORY).free > 2 * size:
        return Path(tempfile.mkdtemp(prefix=_prefix(store), dir=_IN_MEMORY))
    return Path(tempfile.mkdtemp(prefix=_prefix(store), dir=waiting_folder(store)))


def _fit(name: str) -> str:
    """Its own name as far as a file system takes it: some exports say in the name whose chat it is."""
    plain = re.sub(r'[\x00-\x1f\x7f/\\:*?"<>|]', "_", name).strip(". ") or "export"
    stem, dot, ending = plain.rpartition(".")
    if not dot or len(ending) > 10:
        stem, ending = plain, ""
    room = _NAME_BYTES - len((dot + ending).encode()) if ending else _NAME_BYTES
    raw = stem.encode("utf-8", "replace")[:room]
    return raw.decode("utf-8", "ignore") + (f".{ending}" if ending else "")
