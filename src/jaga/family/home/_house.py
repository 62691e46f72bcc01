"""The house behind the pages: its folder and, once somebody has opened it, its store."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

from jaga.store import Store

__all__ = ["House", "State"]

# new: nobody has set it up. locked: there is a store, but its key is not known since the start. open: ready.
State = Literal["new", "locked", "open"]


def _now() -> datetime:
    return datetime.now(timezone.utc)


class House:
    """One per process. `now` may be replaced in tests; nothing else in here asks a clock."""

    def __init__(
        self, folder: Path, *, url: str | None = None, store: Store | None = None, now: Callable[[], datetime] = _now
    ) -> None:
        self.folder = folder
        self.url = url
        self.now = now
        self._store = store
        self._lock = threading.Lock()

    @property
    def state(self) -> State:
        if self._store is not None:
            return "open"
        return "locked" if Store.exists(self.folder) else "new"

    @property
    def store(self) -> Store:
        """The open store. Ask `state` first: an AssertionError here is a page that forgot to."""
        assert self._store is not None, "the house is not open"
        return self._store

    def create(self, passphrase: str, *, slot: str) -> Store:
        with self._lock:
            self._store = Store.create(self.folder, passphrase, slot=slot, url=self.url)
            return self._store

    def unlock(self, passphrase: str) -> Store:
        """Raises: WrongPassphrase, StoreError."""
        with self._lock:
            if self._store is None:
                self._store = Store.open(self.folder, passphrase, url=self.url)
            return self._store

    def close(self) -> None:
        with self._lock:
            store, self._store = self._store, None
            if store is not None:
                store.close()
