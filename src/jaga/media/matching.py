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
from jaga.media.hashing import DEFAULT_KINDS, Hashed, Look, Value, hash_files

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
    # Which picture inside the file, if it is not the file itself.
    inside: str | None = None
    # For videos: how many percent of the file's telling frames the known video has, and the other way about.
    of_file_percent: float | None = None
    of_known_percent: float | None = None


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
        self._videos = VideoIndex(store) if taking_part and "vpdq" in store.kinds() else None

    def files(
        self, paths: Iterable[Path], *, variants: bool = False, keyframes: bool = False, workers: Workers | None = None
    ) -> Iterator[Matched]:
        """Hash files and match them, in the order given. `variants` also finds turned and mirrored pictures."""
        held = [kind for kind in self._store.kinds() if kind in all_hash_types()]
        # Watching a video takes long: only where a bank knows any.
        kinds = (*(kind for kind in DEFAULT_KINDS if kind != "vpdq"), *held)
        for file in hash_files(paths, kinds, variants=variants, keyframes=keyframes, workers=workers):
            yield Matched(file=file, matches=self.match(file))

    def match(self, file: Hashed) -> tuple[Match, ...]:
        """What one hashed file is, or is near to; each item once, by its nearest hash."""
        seen = [(look, value) for look in file.looks for value in look.values]
        # Kinds of others have no index of near ones: they are compared as bytes are.
        wanted = [*file.digests.items(), *((value.kind, value.value) for _, value in seen if value.kind != "pdq")]
        found = [_match(known, 0, 0, None, None) for known in self._store.exact(wanted, self._names)]
        if file.video is not None and self._videos is not None:
            found += self._watched(file.video)
        found += self._near([(look, value) for look, value in seen if value.kind == "pdq"])
        best: dict[int, Match] = {}
        for match in sorted(found, key=lambda match: (match.distance_bits, match.frame is not None, match.frame or 0)):
            best.setdefault(match.item, match)
        return tuple(
            sorted(best.values(), key=lambda one: (one.meaning != "bad", -(one.severity or 0), one.distance_bits))
        )

    def _watched(self, video: bytes) -> list[Match]:
        assert self._videos is not None
        same = {number: (of_file, of_known, bits) for number, of_file, of_known, bits in self._videos.find(video)}
        found = []
        for number, known in self._store.by_id(same, self._names).items():
            of_file, of_known, bits = same[number]
            match = _match(known, bits, hash_type("vpdq").threshold_bits, None, None)
            found.append(msgspec.structs.replace(match, of_file_percent=of_file, of_known_percent=of_known))
        return found

    def _near(self, values: Sequence[tuple[Look, Value]]) -> list[Match]:
        asked = [
            (look, value) for look, value in values if value.quality is not None and value.quality >= LEAST_QUALITY
        ]
        if not asked or self._index is None or not len(self._index):
            return []
        queries = np.frombuffer(b"".join(value.value for _, value in asked), np.uint8).reshape(-1, 32)
        offsets, ids, distances = self._index.search(queries, self._reach)
        known = self._store.by_id(ids.tolist(), self._names)
        found = []
        for number, (look, value) in enumerate(asked):
            for place in range(int(offsets[number]), int(offsets[number + 1])):
                one = known.get(int(ids[place]))
                if one is None:
                    continue
                limit = self._own_bits if one.threshold_bits is None else one.threshold_bits
                if distances[place] <= limit:
                    match = _match(one, int(distances[place]), limit, look.frame, value.variant)
                    found.append(match if look.inside is None else msgspec.structs.replace(match, inside=look.inside))
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


class VideoIndex:
    """Known videos by the PDQ hashes of their frames. `follow` takes in what came to the store since."""

    def __init__(self, store: BankStore) -> None:
        from jaga.media.pdq_index import PdqIndex

        self._store = store
        self._frames = PdqIndex()
        # For each frame of the index, which video it is of; for each video, its hash id and its number of frames.
        self._owner = np.empty(0, np.int64)
        self._hash_ids: list[int] = []
        self._counts: list[int] = []
        self._reached = 0
        self.follow()

    def __len__(self) -> int:
        return len(self._hash_ids)

    def follow(self) -> None:
        """Take in what was added."""
        from jaga.media.video import telling

        for rows in self._store.values("vpdq", self._reached):
            frames, owners = [], []
            for number, value in rows:
                seen = telling(value)
                if len(seen):
                    owners.append(np.full(len(seen), len(self._hash_ids), np.int64))
                    frames.append(seen)
                    self._hash_ids.append(number)
                    self._counts.append(len(seen))
            if frames:
                first = len(self._owner)
                self._owner = np.concatenate([self._owner, *owners])
                self._frames.add(np.concatenate(frames), np.arange(first, len(self._owner)))
            self._reached = rows[-1][0]

    def find(self, video: bytes) -> list[tuple[int, float, float, int]]:
        """(hash id, percent of this video's frames that it has, percent of its own that this one has, least distance in bits).

        The same, if one of the two is at least `ENOUGH_PERCENT`. The reference asks it of this video's frames only; asked both ways, a
        known clip inside a longer video is found too.
        """
        from jaga.media.video import ENOUGH_PERCENT, MOST_BITS, telling

        seen = telling(video)
        if not len(seen) or not len(self._owner):
            return []
        offsets, ids, distances = self._frames.search(seen, MOST_BITS)
        if not len(ids):
            return []
        asked = np.repeat(np.arange(len(seen)), np.diff(offsets))
        owner = self._owner[ids]
        ours = np.unique(np.stack((owner, asked)), axis=1)[0]
        theirs = np.unique(np.stack((owner, ids)), axis=1)[0]
        found: list[tuple[int, float, float, int]] = []
        for video_number in np.unique(owner).tolist():
            of_this = 100.0 * int(np.count_nonzero(ours == video_number)) / len(seen)
            of_known = 100.0 * int(np.count_nonzero(theirs == video_number)) / self._counts[video_number]
            if max(of_this, of_known) >= ENOUGH_PERCENT:
                bits = int(distances[owner == video_number].min())
                found.append((self._hash_ids[video_number], of_this, of_known, bits))
        return found


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
