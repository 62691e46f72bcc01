"""Failed tries at what stands before the store: unlocking it, and the recovery code. Kept in a small file, so that a restart does not clear them.

Nothing in the file is secret. It says only how often and until when; who can delete it can also copy the store and try at home.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from pathlib import Path

import msgspec

from jaga.files import whole_file
from jaga.store._people import FREE_TRIES

__all__ = ["Attempts"]

_FIRST_WAIT = timedelta(seconds=2)
# Not longer: the file is one for everybody, and somebody at the door must not be able to keep the parents out.
_LONGEST_WAIT = timedelta(minutes=1)


class _Kept(msgspec.Struct):
    failures: int = 0
    until: datetime | None = None


class Attempts:
    """Counted beforehand: `begin` a try, `clear` after a good one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._kept: _Kept | None = None

    def begin(self, now: datetime) -> timedelta:
        """Zero if the try may go on (it is counted); else how long to wait."""
        with self._lock:
            kept = self._load()
            # A clock that went back must not lock the door for years.
            if kept.until is not None and timedelta(0) < kept.until - now <= _LONGEST_WAIT:
                return kept.until - now
            kept.failures += 1
            over = kept.failures - FREE_TRIES
            kept.until = None if over < 0 else now + min(_FIRST_WAIT * 2 ** min(over, 16), _LONGEST_WAIT)
            self._save()
            return timedelta(0)

    def clear(self) -> None:
        with self._lock:
            self._kept = _Kept()
            self._save()

    def _load(self) -> _Kept:
        if self._kept is None:
            try:
                self._kept = msgspec.json.decode(self._path.read_bytes(), type=_Kept)
            except (OSError, msgspec.DecodeError):
                self._kept = _Kept()
        return self._kept

    def _save(self) -> None:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            with whole_file(self._path) as file:
                file.write(msgspec.json.encode(self._kept))
        except OSError:
            # A full disk: it is counted for as long as this program runs.
            return
