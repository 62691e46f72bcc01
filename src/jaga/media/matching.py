"""Which of these files are known? Exact hashes by the banks' own table, PDQ by the index."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from jaga.errors import StoreError
from jaga.media._hash_types import all_hash_types, hash_type
from jaga.media._workers import Workers
from jaga.media.banks import BankStore, Known, Meaning
from jaga.media.hashing import DEFAULT_KINDS, Hashed, Value, hash_files

if TYPE_CHECKING:
    from jaga.media.pdq_index import PdqIndex

__all__ = ["LEAST_QUALITY", "Match", "Matched", "Matcher", "pdq_index"]

# Meta's advice: below it there is too little in the picture, and all such pictures look alike.
LEAST_QUALITY = 50
_INDEX = re.compile(r"pdq-(\d+)\.index")


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """One item of one bank that a file is, or is near to."""

    bank: str
    meaning: Meaning
    item: int
    # What its list calls it.
    name: str | None
    category: str | None
    severity: int | None
    jurisdiction: str | None
    # The kind of hash, and how many bits apart; 0 for exact hashes.
    kind: str
    distance_bits: int
    threshold_bits: int
    # Which frame of the file, and how it was turned; None for exact hashes.
    frame: int | None = None
    variant: str | None = None


class Matched(msgspec.Struct, frozen=True, kw_only=True):
    """A file and what it matches: gravest first, then nearest."""

    file: Hashed
    matches: tuple[Match, ...]

    @property
    def bad(self) -> bool:
        """Whether a bank of known bad items has it."""
        return any(match.meaning == "bad" for match in self.matches)


class Matcher:
    """The banks of a store, ready to be asked. `banks` None is every bank.

    What is added to the store later is not seen: make a new one. What is disabled or expires is seen at once.
    Raises: UsageError, if a bank is named that is not there; StoreError.
    """

    def __init__(self, store: BankStore, banks: Sequence[str] | None = None) -> None:
        self._store = store
        self._names = None if banks is None else [store.bank(name, counted=False).name for name in banks]
        taking_part = [bank for bank in store.banks(counted=False) if self._names is None or bank.name in self._names]
        self._own_bits = hash_type("pdq").threshold_bits
        widest = [self._own_bits if bank.threshold_bits is None else bank.threshold_bits for bank in taking_part]
        self._reach = max(widest, default=0)
        self._index = pdq_index(store)[0] if taking_part else None

    def files(
        self, paths: Iterable[Path], *, variants: bool = False, workers: Workers | None = None
    ) -> Iterator[Matched]:
        """Hash files and match them, in the order given. `variants` also finds turned and mirrored pictures."""
        held = [kind for kind in self._store.kinds() if kind in all_hash_types()]
        kinds = (*DEFAULT_KINDS, *held)
        for file in hash_files(paths, kinds, variants=variants, workers=workers):
            yield Matched(file=file, matches=self.match(file))

    def match(self, file: Hashed) -> tuple[Match, ...]:
        """What one hashed file is, or is near to; each item once, by its nearest hash."""
        seen = [(look.frame, value) for look in file.looks for value in look.values]
        # Kinds of others have no index of near ones: they are compared as bytes are.
        wanted = [*file.digests.items(), *((value.kind, value.value) for _, value in seen if value.kind != "pdq")]
        found = [_match(known, 0, 0, None, None) for known in self._store.exact(wanted, self._names)]
        found += self._near([(frame, value) for frame, value in seen if value.kind == "pdq"])
        best: dict[int, Match] = {}
        for match in sorted(found, key=lambda match: (match.distance_bits, match.frame is not None, match.frame or 0)):
            best.setdefault(match.item, match)
        return tuple(
            sorted(best.values(), key=lambda one: (one.meaning != "bad", -(one.severity or 0), one.distance_bits))
        )

    def _near(self, values: Sequence[tuple[int, Value]]) -> list[Match]:
        asked = [
            (frame, value) for frame, value in values if value.quality is not None and value.quality >= LEAST_QUALITY
        ]
        if not asked or self._index is None or not len(self._index):
            return []
        queries = np.frombuffer(b"".join(value.value for _, value in asked), np.uint8).reshape(-1, 32)
        offsets, ids, distances = self._index.search(queries, self._reach)
        known = self._store.by_id(ids.tolist(), self._names)
        found = []
        for number, (frame, value) in enumerate(asked):
            for place in range(int(offsets[number]), int(offsets[number + 1])):
                one = known.get(int(ids[place]))
                if one is None:
                    continue
                limit = self._own_bits if one.threshold_bits is None else one.threshold_bits
                if distances[place] <= limit:
                    found.append(_match(one, int(distances[place]), limit, frame, value.variant))
        return found


def _match(known: Known, distance: int, limit: int, frame: int | None, variant: str | None) -> Match:
    return Match(
        bank=known.bank,
        meaning=known.meaning,
        item=known.item,
        name=known.name,
        category=known.category,
        severity=known.severity,
        jurisdiction=known.jurisdiction,
        kind=known.kind,
        distance_bits=distance,
        threshold_bits=limit,
        frame=frame,
        variant=variant,
    )


def pdq_index(store: BankStore) -> tuple[PdqIndex, int]:
    """(index over every PDQ hash of the store, its ids the hashes' own; the highest): kept beside it, brought up to date.

    Rows of hashes only ever come to it, so an index of the first so many is never wrong, only short. Its name says
    how far it goes. It can be deleted at any time.
    """
    from jaga.media.pdq_index import PdqIndex

    newest = store.newest("pdq")
    kept = [(int(match[1]), path) for path in store.folder.iterdir() if (match := _INDEX.fullmatch(path.name))]
    index, reached = PdqIndex(), 0
    for number, path in sorted(kept, reverse=True):
        if number <= newest:
            # One that is damaged is made again.
            with contextlib.suppress(StoreError):
                index, reached = PdqIndex.open(path), number
                break
    if reached < newest:
        parts = [
            (np.frombuffer(b"".join(value for _, value in rows), np.uint8).reshape(-1, 32), [row for row, _ in rows])
            for rows in store.values("pdq", reached)
        ]
        index.add(np.concatenate([hashes for hashes, _ in parts]), [row for _, rows in parts for row in rows])
        # Another process may have added more since it was asked.
        reached = parts[-1][1][-1]
        # A folder that cannot be written to only costs making it again.
        with contextlib.suppress(StoreError):
            index.save(store.folder / f"pdq-{reached}.index")
            for _, path in (one for one in kept if one[0] != reached):
                with contextlib.suppress(OSError):
                    path.unlink()
    return index, reached
