"""Watched folders: what is put into them is brought in, once it is whole.

Each entry of a folder (an export: a file, or a folder with all that is in it) counts as whole when it looks the same twice, some
seconds apart: a copy over a slow line is not read half way. What was taken in is known by its sizes and times, so that nothing is
read twice; were it read twice all the same (a crash in between), the store would take nothing in twice. Nothing in a watched folder
is ever changed, moved or deleted.
"""

from __future__ import annotations

import os
import stat
import threading
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import sqlalchemy as sa

from jaga.errors import JagaError
from jaga.store import Store, queue_import
from jaga.store._tables import Child, Watched

__all__ = ["Folders", "Notices"]

# How long an entry has to look the same.
STILL_S = 5.0
# One that changes for longer than this is said to.
_RESTLESS_S = 3600.0
_LEAST_EVERY_S = 5
# When nothing changes, that a folder was looked at is written this often: a memory card wears out.
_NOTE_EVERY = timedelta(minutes=10)
# Larger than any export, smaller than what a mistake (a whole disk) would hold.
_MOST_FILES = 200_000
# Half-written downloads and what systems put beside files.
_NOT_WHOLE = (".part", ".crdownload", ".download", ".tmp", ".partial", "~")
_NOT_EXPORTS = frozenset({"thumbs.db", "desktop.ini"})


class _Look(msgspec.Struct, frozen=True):
    """How an entry looks: number of files, bytes in all, the latest change in nanoseconds."""

    files: int
    size_bytes: int
    changed_ns: int


class _Row(msgspec.Struct, frozen=True, kw_only=True):
    id: int
    child: int
    path: Path
    every_s: int
    told: bool
    known: dict[str, list[int]]
    problem: str | None
    looked_at: datetime | None


class _TooMany(Exception):
    pass


class Folders:
    """Looks into the folders when it is their time. `clock` counts seconds and never goes back."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._looked: dict[int, float] = {}
        # Folder and name to how the entry looked, since when, and when it was first seen to change.
        self._restless: dict[tuple[int, str], tuple[_Look, float, float]] = {}

    def paths(self, store: Store) -> list[Path]:
        """Every folder that is watched."""
        with store.session(read_only=True) as session:
            return [Path(path) for path in session.scalars(sa.select(Watched.path).order_by(Watched.id))]

    def look(self, store: Store, now: datetime, *, changed: bool = False) -> int:
        """Look into every folder whose time has come, or into all if something `changed`; how many entries were queued.

        Raises: StoreError.
        """
        queued = 0
        rows = self._rows(store)
        self._looked = {one: at for one, at in self._looked.items() if one in {row.id for row in rows}}
        for row in rows:
            due = self._clock() - self._looked.get(row.id, -1e9) >= max(row.every_s, _LEAST_EVERY_S)
            if changed or due or any(folder == row.id for folder, _ in self._restless):
                self._looked[row.id] = self._clock()
                queued += self._look_into(store, row, now)
        return queued

    def waits(self) -> bool:
        """True if something was seen that may soon be whole."""
        return bool(self._restless)

    def _rows(self, store: Store) -> list[_Row]:
        with store.session(read_only=True) as session:
            found = session.execute(
                sa.select(Watched, Child.told_at).join(Child, Child.id == Watched.child).order_by(Watched.id)
            )
            return [
                _Row(
                    id=one.id,
                    child=one.child,
                    path=Path(one.path),
                    every_s=one.every_s,
                    told=told_at is not None,
                    known=dict(one.known),
                    problem=one.problem,
                    looked_at=one.looked_at,
                )
                for one, told_at in found
            ]

    def _look_into(self, store: Store, row: _Row, now: datetime) -> int:
        if not row.told:
            # Nothing is read before, and nothing is remembered of what lies there.
            self._forget(row.id)
            what = "the child has not been told that Jaga is there: nothing is read before"
            self._note(store, row, now, what, {})
            return 0
        try:
            entries = dict(_entries(row.path))
        except _TooMany:
            self._forget(row.id)
            what = "there are too many files in the folder: choose one that holds nothing but exports"
            self._note(store, row, now, what, {})
            return 0
        except OSError as error:
            self._forget(row.id)
            gone = isinstance(error, FileNotFoundError | NotADirectoryError)
            # A stick that was pulled out comes back; what was known stays known.
            what = "the folder is not there" if gone else f"the folder cannot be read: {error.strerror}"
            self._note(store, row, now, what, {})
            return 0
        problem: str | None = None
        learned: dict[str, list[int]] = {}
        for name, look in entries.items():
            if row.known.get(name) == _plain(look):
                self._restless.pop((row.id, name), None)
                continue
            since, first = self._seen(row.id, name, look)
            if self._clock() - since < STILL_S:
                if self._clock() - first > _RESTLESS_S:
                    what = (
                        "something in the folder has been changing for more than an hour, and is read when it is whole"
                    )
                    problem = what
                continue
            if look.files == 0:
                continue
            try:
                queue_import(store, row.child, row.path / name, name, by=None, uploaded=False, now=now)
            except JagaError as error:
                problem = str(error)
                continue
            learned[name] = _plain(look)
            self._restless.pop((row.id, name), None)
        for key in [key for key in self._restless if key[0] == row.id and key[1] not in entries]:
            del self._restless[key]
        self._note(store, row, now, problem, learned)
        return len(learned)

    def _seen(self, folder: int, name: str, look: _Look) -> tuple[float, float]:
        """Since when the entry looks like this, and when it was first seen to be new or changing."""
        now = self._clock()
        before = self._restless.get((folder, name))
        if before is None:
            since, first = now, now
        elif before[0] == look:
            _, since, first = before
        else:
            since, first = now, before[2]
        self._restless[folder, name] = (look, since, first)
        return since, first

    def _forget(self, folder: int) -> None:
        self._restless = {key: value for key, value in self._restless.items() if key[0] != folder}

    def _note(self, store: Store, row: _Row, now: datetime, problem: str | None, learned: dict[str, list[int]]) -> None:
        fresh = row.looked_at is not None and timedelta(0) <= now - row.looked_at < _NOTE_EVERY
        if fresh and problem == row.problem and not learned:
            return
        with store.session() as session:
            found = session.get(Watched, row.id)
            if found is not None:
                found.looked_at = now
                found.problem = problem
                if learned:
                    found.known = {**found.known, **learned}


def _plain(look: _Look) -> list[int]:
    return [look.files, look.size_bytes, look.changed_ns]


def _entries(folder: Path) -> Iterator[tuple[str, _Look]]:
    """Name and look of everything in a folder that may be an export. Raises: OSError for the folder itself; _TooMany."""
    left = _MOST_FILES
    with os.scandir(folder) as entries:
        for entry in entries:
            if not _may_be(entry.name):
                continue
            try:
                look = _look(entry, left)
            except OSError:
                # Gone between two looks, or not ours to read: the next look tells.
                continue
            if look is not None:
                left -= max(look.files, 1)
                if left <= 0:
                    raise _TooMany
                yield entry.name, look


def _look(entry: os.DirEntry[str], most: int) -> _Look | None:
    """Links are not followed: what they point at is not in the folder that was chosen."""
    if entry.is_file(follow_symlinks=False):
        found = entry.stat(follow_symlinks=False)
        return _Look(1, found.st_size, found.st_mtime_ns)
    if not entry.is_dir(follow_symlinks=False):
        return None
    files = size = changed = 0
    for place, _, names in os.walk(entry.path):
        for name in names:
            if not _may_be(name):
                # Something in it is not whole yet; it changes the look when it is.
                continue
            found = os.lstat(os.path.join(place, name))
            if not stat.S_ISREG(found.st_mode):
                continue
            files += 1
            size += found.st_size
            changed = max(changed, found.st_mtime_ns)
            if files > most:
                raise _TooMany
    return _Look(files, size, changed)


def _may_be(name: str) -> bool:
    low = name.lower()
    return not (low.startswith(".") or low.endswith(_NOT_WHOLE) or low in _NOT_EXPORTS)


class Notices:
    """Hears from the system when something in the folders changes, so that nobody waits for the next look.

    Where the system says nothing (network drives, a full table of watches, the package missing) the looks alone have to do.
    """

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._paths: tuple[Path, ...] = ()
        self._stop: threading.Event | None = None
        self._thread: threading.Thread | None = None

    def watch(self, paths: list[Path]) -> None:
        """Listen at these folders from now on."""
        there = tuple(path for path in dict.fromkeys(paths) if path.is_dir())
        if there == self._paths and (not there or (self._thread is not None and self._thread.is_alive())):
            return
        self.close()
        self._paths = there
        if there:
            self._stop = threading.Event()
            self._thread = threading.Thread(
                target=self._listen, args=(there, self._stop), name="jaga-notices", daemon=True
            )
            self._thread.start()

    def close(self) -> None:
        if self._stop is not None:
            self._stop.set()
        if self._thread is not None:
            self._thread.join(2)
        self._stop = self._thread = None
        self._paths = ()

    def _listen(self, paths: tuple[Path, ...], stop: threading.Event) -> None:
        try:
            import watchfiles
        except ImportError:
            return
        try:
            for _ in watchfiles.watch(
                *paths,
                watch_filter=None,
                debounce=2000,
                # How often it looks whether it is to stop: seldom, for this runs all day.
                step=500,
                rust_timeout=600_000,
                stop_event=stop,
                raise_interrupt=False,
                force_polling=False,
                ignore_permission_denied=True,
            ):
                self._changed()
        except (OSError, RuntimeError):
            # The folder went away, or there are no watches left.
            return
