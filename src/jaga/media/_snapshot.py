"""Arrays in one file that is mapped, not read: how an index comes back in milliseconds.

Layout, little-endian: the magic `JAGASNAP`, the length of the head (uint64), the head (JSON), BLAKE2b-256 of the
head; then the arrays, each at a multiple of 64 bytes. The head names the kind, the size of the whole file, and each
array's place, type, shape and BLAKE2b-256.
"""

from __future__ import annotations

import hashlib
import math
import mmap
import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeAlias

import msgspec
import numpy as np
import numpy.typing as npt

from jaga.errors import StoreError
from jaga.files import whole_file

__all__ = ["read", "write"]

Group: TypeAlias = dict[str, npt.NDArray[Any]]

_MAGIC = b"JAGASNAP"
_VERSION = 1
_ALIGNED = 64
_CHECK = 32
# A head describes a few arrays; one of more than this is not ours.
_LONGEST_HEAD = 1 << 24
_TYPES = ("uint8", "uint32", "uint64", "int64")


class _Array(msgspec.Struct, frozen=True):
    at: int
    type: str
    shape: tuple[int, ...]
    check: str


class _Head(msgspec.Struct, frozen=True):
    version: int
    kind: str
    # Counted from the end of the head, as are the arrays' places: the head can then be made before its length is known.
    body: int
    facts: dict[str, Any]
    groups: list[dict[str, _Array]]


def write(path: Path, kind: str, facts: dict[str, Any], groups: Sequence[Group]) -> None:
    """Write a snapshot beside `path`, see it onto the disk, then put it in place. Raises: StoreError."""
    if sys.byteorder != "little":
        raise StoreError("snapshots are only written on little-endian machines", where=str(path))
    arrays = [np.ascontiguousarray(array) for group in groups for array in group.values()]
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        checks = list(pool.map(_digest, arrays))
    described: list[dict[str, _Array]] = []
    position, index = 0, 0
    for group in groups:
        entry: dict[str, _Array] = {}
        for name in group:
            array = arrays[index]
            entry[name] = _Array(position, array.dtype.name, array.shape, checks[index])
            position = _up(position + array.nbytes)
            index += 1
        described.append(entry)
    head = msgspec.json.encode(_Head(_VERSION, kind, position, facts, described))
    opening = _MAGIC + len(head).to_bytes(8, "little") + head + hashlib.blake2b(head, digest_size=_CHECK).digest()
    opening += bytes(_up(len(opening)) - len(opening))
    try:
        with whole_file(path) as file:
            file.write(opening)
            for array in arrays:
                file.write(array.reshape(-1).view(np.uint8).data)
                file.write(bytes(_up(array.nbytes) - array.nbytes))
    except OSError as error:
        raise StoreError(f"cannot be written: {error.strerror or error}", where=str(path)) from error


def read(path: Path, kind: str, *, verify: bool) -> tuple[dict[str, Any], list[Group]]:
    """Map a snapshot of this kind: (facts, groups of arrays). The arrays may be written to; the file will not be.

    Raises: StoreError, if it is cut, damaged in its head (with `verify` anywhere) or not of this kind.
    """

    def broken(what: str) -> StoreError:
        return StoreError(what, where=str(path), remedy="build the index from the bank again")

    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size < len(_MAGIC) + 8:
                raise broken("too short to be a snapshot")
            # Copy-on-write rather than read-only: compiled code is then the same as for arrays in memory.
            mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    except OSError as error:
        raise StoreError(f"cannot be read: {error.strerror or error}", where=str(path)) from error
    if mapped[: len(_MAGIC)] != _MAGIC:
        raise broken("not a snapshot of Jaga")
    start = len(_MAGIC) + 8
    length = int.from_bytes(mapped[len(_MAGIC) : start], "little")
    if length > _LONGEST_HEAD or start + length + _CHECK > size:
        raise broken("cut short, or its head is damaged")
    raw = mapped[start : start + length]
    if hashlib.blake2b(raw, digest_size=_CHECK).digest() != mapped[start + length : start + length + _CHECK]:
        raise broken("its head is damaged")
    try:
        head = msgspec.json.decode(raw, type=_Head)
    except msgspec.DecodeError as error:
        raise broken(f"its head cannot be read: {error}") from error
    if head.version != _VERSION or head.kind != kind:
        raise broken(f"a snapshot of kind {head.kind!r}, version {head.version}; expected {kind!r}, version {_VERSION}")
    body = _up(start + length + _CHECK)
    if body + head.body != size:
        raise broken(f"cut short: {size} bytes where {body + head.body} were written")
    groups: list[Group] = []
    for described in head.groups:
        group: Group = {}
        for name, one in described.items():
            count = math.prod(one.shape)
            if one.type not in _TYPES or one.at < 0 or min(one.shape, default=0) < 0:
                raise broken("its head is damaged")
            kind_of = np.dtype(one.type).newbyteorder("<")
            if one.at + count * kind_of.itemsize > head.body:
                raise broken("its head is damaged")
            array = np.frombuffer(mapped, kind_of, count, body + one.at) if count else np.zeros(0, kind_of)
            group[name] = array.reshape(one.shape)
        groups.append(group)
    if verify:
        flat = [
            (group[name], one.check)
            for group, described in zip(groups, head.groups, strict=True)
            for name, one in described.items()
        ]
        with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
            for digest, (_, check) in zip(pool.map(_digest, [array for array, _ in flat]), flat, strict=True):
                if digest != check:
                    raise broken("damaged: its content is not what was written")
    return head.facts, groups


def _digest(array: npt.NDArray[Any]) -> str:
    return hashlib.blake2b(array.reshape(-1).view(np.uint8).data, digest_size=_CHECK).hexdigest()


def _up(size: int) -> int:
    return -(-size // _ALIGNED) * _ALIGNED
