"""Which known PDQ hashes lie within some bits of a hash? Exact, by multi-index hashing.

The 256 bits are cut into sixteen chunks of 16. Two hashes that differ in at most 31 bits agree in some chunk but for
at most one bit (else they would differ in 16 x 2 = 32), so seventeen look-ups in each of sixteen tables find them all:
recall is 1.0 by construction. Norouzi, Punjani, Fleet: "Fast exact search in Hamming space with multi-index hashing"
(2014). Figures, and what was tried besides: docs/decisions/0005-pdq-index.md.
"""

from __future__ import annotations

import dataclasses
import os
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from jaga.errors import DataNeeded, StoreError, UsageError
from jaga.media import _snapshot

try:
    from jaga.media import _pdq_kernels as kernels
except ImportError as error:
    raise DataNeeded("matching PDQ hashes needs Numba", remedy="pip install 'jaga[media]'") from error

__all__ = ["PdqIndex"]

Words: TypeAlias = npt.NDArray[np.uint64]
Ids: TypeAlias = npt.NDArray[np.int64]
Rows: TypeAlias = npt.NDArray[np.int64]

# The number changes with the order of the bits and with the tables.
_KIND = "pdq-index-1"
_BYTES = 32
# Every query costs 1 ns for each hash that has no tables yet; sixteen tables cost 4 MB, however few hashes they hold.
_TAIL = 8192
# A slot is 24 bits wide.
_LARGEST = 1 << 24
# Merging once a part is less than four times the next keeps parts few (log4 n) and each hash's rebuilds as few.
_GROWTH = 4
# One in 64.
_FEW_COPIES = 6
# Queries that are worth a second thread: below, handing over costs more than it gains.
_SHARED = 64
_CORES = os.cpu_count() or 1
_CHUNK_LIMIT = 2 * kernels.CHUNKS - 1
_EMPTY_TABLES = (
    np.zeros((0, kernels.VALUES + 1), np.uint32),
    np.zeros((0, 0), np.uint8),
    np.zeros((0, 0), np.uint64),
)


@dataclasses.dataclass(frozen=True, slots=True)
class _Part:
    """Hashes with the entries they belong to. Never changed: searches go on in it while another replaces it."""

    # uint64[n, 4]
    words: Words
    # Entries of hash s: ids[starts[s]:starts[s + 1]]; empty when each hash has one entry.
    starts: npt.NDArray[np.int64]
    ids: Ids
    # uint8[entries], or empty when none was removed.
    dead: npt.NDArray[np.uint8]
    # uint32[16, 65537], uint8[16, 3 n], uint64[16, 16 ceil(n / 8)]; no rows for a part that is only scanned.
    offsets: npt.NDArray[np.uint32]
    slots: npt.NDArray[np.uint8]
    blocks: npt.NDArray[np.uint64]

    @property
    def entries(self) -> int:
        return len(self.ids)

    @property
    def alive(self) -> int:
        return len(self.ids) - int(np.count_nonzero(self.dead))

    def pairs(self) -> tuple[Words, Ids]:
        """All that is alive: (uint64[k, 4], int64[k])."""
        words = self.words if not self.starts.size else np.repeat(self.words, np.diff(self.starts), axis=0)
        if not self.dead.size:
            return words, self.ids
        keep = self.dead == 0
        return words[keep], self.ids[keep]


class PdqIndex:
    """A set of (hash, id) entries, searched by Hamming distance.

    An id may belong to several hashes and a hash to several ids. Any number of threads may search while another adds
    or removes: a search sees the index as it was when it began.
    """

    def __init__(self, *, lean: bool = False) -> None:
        self._lean = lean
        self._parts: tuple[_Part, ...] = ()
        self._writing = threading.Lock()

    @classmethod
    def from_hashes(cls, hashes: npt.ArrayLike, ids: npt.ArrayLike, *, lean: bool = False) -> PdqIndex:
        """Build from hashes (uint8[n, 32]) and their ids (int64[n]); both are copied.

        `lean` takes about 92 bytes a hash in place of 344 and is some five times slower (plus 4 MB in all).
        Raises: UsageError, if shapes or types are wrong.
        """
        index = cls(lean=lean)
        index._parts = tuple(index._split(_words(hashes), _ids(ids, hashes)))
        return index

    def __len__(self) -> int:
        """Entries that were added and not removed."""
        return sum(part.alive for part in self._parts)

    @property
    def lean(self) -> bool:
        """Whether the tables leave out the words beside the slots."""
        return self._lean

    @property
    def nbytes(self) -> int:
        """Memory that the arrays take, bytes; of an opened index, what of it is mapped."""
        return sum(_array(part, name).nbytes for part in self._parts for name in _ARRAYS)

    def search(
        self, queries: npt.ArrayLike, max_distance: int = 31, *, threads: int | None = None
    ) -> tuple[npt.NDArray[np.int64], Ids, npt.NDArray[np.uint8]]:
        """Every entry within `max_distance` bits (0 to 255) of each query (uint8[m, 32]).

        Returns (offsets int64[m + 1], ids int64[k], distances uint8[k]): query i has ids[offsets[i]:offsets[i + 1]],
        nearest first, equal distances by id. Above 31 bits every hash is compared, some hundred times slower.
        `threads` shares a batch among so many (default: every core). Raises: UsageError.
        """
        if not 0 <= max_distance <= 255:
            raise UsageError(f"a distance of {max_distance} bits: it must be 0 to 255")
        words = _words(queries)
        count = len(words)
        found: list[Rows] = []
        workers = _CORES if threads is None else max(1, threads)
        for part in self._parts:
            for rows in _search(part, words, int(max_distance), workers):
                if len(rows):
                    found.append(_entries(part, rows))
        if not found:
            return np.zeros(count + 1, np.int64), np.zeros(0, np.int64), np.zeros(0, np.uint8)
        rows = found[0] if len(found) == 1 else np.concatenate(found)
        if len(rows) > 1:
            rows = rows[np.lexsort((rows[:, 1], rows[:, 2], rows[:, 0]))]
        if count == 1:
            # The commonest call, in which counting would take as long as half of the search.
            return np.array([0, len(rows)]), rows[:, 1].copy(), rows[:, 2].astype(np.uint8)
        offsets = np.zeros(count + 1, np.int64)
        np.cumsum(np.bincount(rows[:, 0], minlength=count), out=offsets[1:])
        return offsets, rows[:, 1].copy(), rows[:, 2].astype(np.uint8)

    def add(self, hashes: npt.ArrayLike, ids: npt.ArrayLike) -> None:
        """Add entries: hashes uint8[n, 32], ids int64[n]. What is already there is not looked for. Raises: UsageError."""
        words = _words(hashes)
        added = _ids(ids, hashes)
        if not len(words):
            return
        with self._writing:
            parts = list(self._parts)
            if parts and not parts[-1].offsets.size:
                old_words, old_ids = parts.pop().pairs()
                words, added = np.concatenate((old_words, words)), np.concatenate((old_ids, added))
            if len(words) <= _TAIL:
                parts.append(_plain(words, added))
            else:
                while parts and parts[-1].entries < _GROWTH * len(words) and parts[-1].entries + len(words) <= _LARGEST:
                    old_words, old_ids = parts.pop().pairs()
                    words, added = np.concatenate((old_words, words)), np.concatenate((old_ids, added))
                parts.extend(self._split(words, added))
            self._parts = tuple(parts)

    def remove(self, ids: npt.ArrayLike) -> int:
        """Remove every entry that has one of these ids (int64[k]); returns how many went. Unknown ids are passed over.

        Reads all ids once, however few are given (about 1 ns an entry): collect them. Raises: UsageError.
        """
        gone = np.unique(_integers(ids))
        if not len(gone):
            return 0
        removed = 0
        with self._writing:
            parts: list[_Part] = []
            for part in self._parts:
                dead = part.dead.copy() if part.dead.size else np.zeros(part.entries, np.uint8)
                marked = int(kernels.mark(part.ids, gone, dead))
                removed += marked
                if not marked:
                    parts.append(part)
                    continue
                part = dataclasses.replace(part, dead=dead)
                if part.alive * 2 >= part.entries:
                    parts.append(part)
                elif part.alive and part.offsets.size and part.alive > _TAIL:
                    parts.extend(self._split(*part.pairs()))
                elif part.alive:
                    parts.append(_plain(*part.pairs()))
            # A part that shrank below the tail's size is scanned; `add` expects at most one of those, at the end.
            small = [part for part in parts if not part.offsets.size]
            if len(small) > 1:
                words, left = zip(*(part.pairs() for part in small), strict=True)
                joined = list(self._built(np.concatenate(words), np.concatenate(left)))
                parts = [part for part in parts if part.offsets.size] + joined
            else:
                parts = [part for part in parts if part.offsets.size] + small
            parts.sort(key=lambda part: (not part.offsets.size, -part.entries))
            self._parts = tuple(parts)
        return removed

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a snapshot, whole or not at all: what was at `path` stays until the new one is safely on disk.

        Raises: StoreError, if it cannot be written (a full disk, no rights).
        """
        parts = self._parts
        _snapshot.write(
            Path(path),
            _KIND,
            {"lean": self._lean},
            [{name: _array(part, name) for name in _ARRAYS} for part in parts],
        )

    @classmethod
    def open(cls, path: str | os.PathLike[str], *, verify: bool = False) -> PdqIndex:
        """Map a snapshot; pages are read when they are needed. The file is never written to.

        A file that is cut, is something else or has a damaged head is always noticed. Damage further in is noticed
        with `verify`, which reads it all; without, it can make answers wrong, but not crash.
        Raises: StoreError.
        """
        path = Path(path)
        facts, groups = _snapshot.read(path, _KIND, verify=verify)
        index = cls(lean=bool(facts.get("lean")))
        parts = []
        for group in groups:
            try:
                part = _Part(**group)
            except TypeError:
                raise StoreError("lacks a part of the index", where=str(path)) from None
            _check(part, path)
            parts.append(part)
        index._parts = tuple(parts)
        return index

    def _split(self, words: Words, ids: Ids) -> Iterator[_Part]:
        for begin in range(0, len(words), _LARGEST):
            yield from self._built(words[begin : begin + _LARGEST], ids[begin : begin + _LARGEST])

    def _built(self, words: Words, ids: Ids) -> Iterator[_Part]:
        """One part; with tables if it is large enough to be worth them."""
        if len(words) <= _TAIL:
            yield _plain(words, ids)
            return
        words, starts, ids = _distinct(words, ids)
        count = len(words)
        offsets = np.empty((kernels.CHUNKS, kernels.VALUES + 1), np.uint32)
        slots = np.empty((kernels.CHUNKS, 3 * count), np.uint8)
        width = 0 if self._lean else 2 * kernels.LANES * -(-count // kernels.LANES)
        blocks = np.empty((kernels.CHUNKS, width), np.uint64)

        def build(chunk: int) -> None:
            # The lanes past the last hash would be compared too.
            blocks[chunk, -2 * kernels.LANES :] = 0
            kernels.build_chunk(words, chunk, offsets[chunk], slots[chunk], blocks[chunk])

        list(_pool().map(build, range(kernels.CHUNKS)))
        yield _Part(words, starts, ids, np.zeros(0, np.uint8), offsets, slots, blocks)


_ARRAYS = tuple(field.name for field in dataclasses.fields(_Part))


def _array(part: _Part, name: str) -> npt.NDArray[Any]:
    array: npt.NDArray[Any] = getattr(part, name)
    return array


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(_CORES, "jaga-pdq")


def _plain(words: Words, ids: Ids) -> _Part:
    nothing = np.zeros(0, np.uint8)
    return _Part(np.ascontiguousarray(words), np.zeros(0, np.int64), np.ascontiguousarray(ids), nothing, *_EMPTY_TABLES)


def _distinct(words: Words, ids: Ids) -> tuple[Words, npt.NDArray[np.int64], Ids]:
    """Each hash once, with the entries that share it, if there are many copies: all would be candidates together."""
    multipliers = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9, 0xD6E8FEB86659FD93], np.uint64)
    mixed = (words * multipliers).sum(axis=1, dtype=np.uint64)
    ordered = np.sort(mixed)
    none = np.zeros(0, np.int64)
    # A few copies are a few candidates more; setting them apart moves every hash and costs eight bytes for each.
    if np.count_nonzero(ordered[1:] == ordered[:-1]) <= len(words) >> _FEW_COPIES:
        return words, none, ids
    # Equal hashes have equal mixes, so they come to stand together, unless chance gives their mix to yet another hash
    # as well: then some stay apart, which costs a candidate and changes no answer.
    order = np.argsort(mixed)
    words, ids = words[order], ids[order]
    first = np.ones(len(words), np.bool_)
    first[1:] = (words[1:] != words[:-1]).any(axis=1)
    starts = np.append(np.flatnonzero(first), len(words)).astype(np.int64)
    return np.ascontiguousarray(words[first]), starts, ids


def _search(part: _Part, queries: Words, limit: int, workers: int) -> Iterator[Rows]:
    """Rows (query, slot, distance), in no order."""
    count = len(queries)
    if limit > _CHUNK_LIMIT or not part.offsets.size:
        yield from _scan(part, queries, np.arange(count), limit, workers)
        return
    # Comparing with all costs 1 ns a hash; a candidate costs less than half of that beside its words, or some 5 ns to fetch.
    most = max(4096, len(part.words) // 4 if part.blocks.shape[1] == 0 else 2 * len(part.words))

    def through_tables(first: int, last: int) -> tuple[list[Rows], npt.NDArray[np.int64] | None]:
        wide = np.empty(last - first, np.int64)
        all_wide: list[npt.NDArray[np.int64]] = []
        kept: list[Rows] = []
        capacity = 64 + 4 * (last - first)
        while first < last:
            rows = np.empty((capacity, 3), np.int64)
            first, filled, widened = kernels.search(
                queries, first, last, limit, most, part.offsets, part.slots, part.blocks, part.words, rows, wide
            )
            kept.append(rows[:filled])
            if widened:
                all_wide.append(wide[:widened].copy())
            capacity *= 4
        return kept, np.concatenate(all_wide) if all_wide else None

    for kept, wide in _shared(through_tables, count, workers if count >= _SHARED else 1):
        yield from kept
        if wide is not None:
            yield from _scan(part, queries, wide, limit, workers)


def _scan(part: _Part, queries: Words, members: npt.NDArray[np.int64], limit: int, workers: int) -> Iterator[Rows]:
    def through_all(first: int, last: int) -> list[Rows]:
        kept: list[Rows] = []
        capacity = 4096
        while first < last:
            rows = np.empty((capacity, 3), np.int64)
            first, filled = kernels.scan(queries, members, limit, part.words, first, last, rows)
            kept.append(rows[:filled])
            capacity *= 4
        return kept

    if not len(members):
        return
    work = len(part.words) * len(members)
    for kept in _shared(through_all, len(part.words), workers if work >= 1 << 18 else 1):
        yield from kept


def _shared(work: Callable[[int, int], Any], count: int, workers: int) -> Iterator[Any]:
    if workers == 1 or count < 2:
        yield work(0, count)
        return
    # Several turns each, so that one slow stretch does not leave the other threads waiting.
    edges = np.linspace(0, count, min(count, workers * 4) + 1).astype(int).tolist()
    yield from _pool().map(work, edges[:-1], edges[1:])


def _entries(part: _Part, rows: Rows) -> Rows:
    """Rows (query, id, distance), one for each living entry of the hashes found."""
    if part.starts.size:
        begins = part.starts[rows[:, 1]]
        times = part.starts[rows[:, 1] + 1] - begins
        entries = np.repeat(begins - np.cumsum(times) + times, times) + np.arange(times.sum())
        rows = np.repeat(rows, times, axis=0)
    else:
        entries = rows[:, 1].copy()
    rows[:, 1] = part.ids[entries]
    return rows[part.dead[entries] == 0] if part.dead.size else rows


def _words(hashes: npt.ArrayLike) -> Words:
    """uint8[n, 32] as a fresh uint64[n, 4], spread."""
    array = np.asarray(hashes)
    if array.ndim != 2 or array.shape[1] != _BYTES or array.dtype != np.uint8:
        raise UsageError(f"PDQ hashes must be uint8[n, {_BYTES}], not {array.dtype}{list(array.shape)}")
    # Copied even where it is in order: compiled code is then only ever made for arrays that may be written to.
    own = np.array(array, order="C", copy=True).view("<u8").astype(np.uint64, copy=False)
    words: Words = kernels.spread(own)
    return words


def _integers(ids: npt.ArrayLike) -> Ids:
    array = np.asarray(ids)
    if array.size == 0:
        array = array.astype(np.int64)
    if array.ndim != 1 or not np.can_cast(array.dtype, np.int64):
        raise UsageError(f"ids must be int64[n], not {array.dtype}{list(array.shape)}")
    return np.array(array, np.int64, order="C", copy=True)


def _ids(ids: npt.ArrayLike, hashes: npt.ArrayLike) -> Ids:
    array = _integers(ids)
    if len(array) != len(np.asarray(hashes)):
        raise UsageError(f"{len(array)} ids for {len(np.asarray(hashes))} hashes")
    return array


def _check(part: _Part, path: Path) -> None:
    """Shapes and types fit one another; what the arrays say is held in bounds where it is followed."""
    count, entries = len(part.words), len(part.ids)
    tables = part.offsets.shape[0] if part.offsets.ndim == 2 else -1
    width = part.blocks.shape[-1]
    fits = (
        part.words.ndim == 2
        and part.words.shape[1] == 4
        and part.words.dtype == np.uint64
        and part.ids.shape == (entries,)
        and part.ids.dtype == np.int64
        and part.starts.dtype == np.int64
        and part.starts.shape in ((0,), (count + 1,))
        and (part.starts.size > 0 or entries == count)
        and part.dead.dtype == np.uint8
        and part.dead.shape in ((0,), (entries,))
        and part.offsets.dtype == np.uint32
        and part.slots.dtype == np.uint8
        and part.blocks.dtype == np.uint64
        and tables in (0, kernels.CHUNKS)
        and part.offsets.shape[1] == kernels.VALUES + 1
        and (
            tables == 0
            or (
                part.slots.shape == (kernels.CHUNKS, 3 * count)
                and part.blocks.ndim == 2
                and part.blocks.shape[0] == kernels.CHUNKS
                and width in (0, 2 * kernels.LANES * -(-count // kernels.LANES))
            )
        )
    )
    if not fits:
        raise StoreError("the parts of the index do not fit one another", where=str(path))
    # Cheap beside the rest, and a few wild numbers here would make answers of any length.
    for steps, end in ((part.starts, entries), *((row, count) for row in part.offsets)):
        if steps.size and (steps[0] != 0 or steps[-1] != end or (steps[1:] < steps[:-1]).any()):
            raise StoreError("the tables of the index are damaged", where=str(path))
