"""The house behind the pages: its folder and, once somebody has opened it, its store."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Collection
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

from jaga.errors import WrongPassphrase
from jaga.family.home._attempts import Attempts
from jaga.family.home._tickets import Tickets
from jaga.store import STANDARD, Cost, Keys, Store
from jaga.store._people import tidy_slots

__all__ = ["OWN_HOSTS", "House", "State"]

# What this machine calls itself in a browser on it.
OWN_HOSTS = frozenset({"127.0.0.1", "localhost", "::1"})

# new: nobody has set it up. locked: there is a store, but its key is not known since the start. open: ready.
State = Literal["new", "locked", "open"]


def _now() -> datetime:
    return datetime.now(timezone.utc)


class House:
    """One per process. `now` may be replaced in tests; nothing else in here asks a clock."""

    def __init__(
        self,
        folder: Path,
        *,
        url: str | None = None,
        store: Store | None = None,
        now: Callable[[], datetime] = _now,
        hosts: Collection[str] = (),
        cost: Cost = STANDARD,
    ) -> None:
        """`hosts`: names and addresses it is served under, besides this machine's own. `cost`: see jaga.store.Keys; only tests give one."""
        self.folder = folder
        self.url = url
        self.now = now
        self.cost = cost
        # Anything else in the Host header is refused: a page elsewhere whose name is made to point here (DNS rebinding) gets nothing.
        own = socket.gethostname().casefold()
        self.hosts = frozenset({*OWN_HOSTS, own, f"{own}.local", *(one.casefold() for one in hosts)})
        self.tickets = Tickets()
        # Recovery codes that were made and not yet confirmed, by family: code, group asked for, when. In memory only.
        self.kits: dict[str, tuple[str, int, datetime]] = {}
        self.attempts = Attempts(folder / "attempts.json")
        # The address the pages are served at, ending in "/": what notifications link to.
        self.address = "http://127.0.0.1:8787/"
        # What does not work in the background just now: its name to a found text. Read by pages, written by the worker.
        self.troubles: dict[str, str] = {}
        self._bell = threading.Condition()
        self._rung = 0
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
            self._store = Store.create(self.folder, passphrase, slot=slot, url=self.url, cost=self.cost)
            return self._store

    def unlock(self, passphrase: str) -> Store:
        """Raises: WrongPassphrase, StoreError."""
        self.open_by(passphrase)
        return self.store

    def open_by(self, passphrase: str, slot: str | None = None) -> str:
        """Open it, and give the name of the key slot that the passphrase fitted. Raises: WrongPassphrase, StoreError."""
        with self._lock:
            keys = Keys.load(self.folder / "keys.json") if self._store is None else self._store.keys
            fitted, _ = keys.find(passphrase, slot)
            store = self._store if self._store is not None else Store.open(self.folder, passphrase, url=self.url)
            store.keys.cost = self.cost
            tidy_slots(store)
            if fitted not in store.keys.slots:
                # A passphrase that was changed, or of somebody who was removed, just before a crash.
                if self._store is None:
                    store.close()
                raise WrongPassphrase("the passphrase does not fit", where=str(self.folder / "keys.json"))
            self._store = store
            return fitted

    def wake(self) -> None:
        """Let the background worker look now: something was queued, or a setting changed. Without it, it looks every half minute."""
        with self._bell:
            self._rung += 1
            self._bell.notify_all()

    def wait(self, heard: int, longest_s: float) -> int:
        """Sleep until somebody calls `wake` again after the `heard`-th time, or as long as that; how often it was called by now."""
        with self._bell:
            self._bell.wait_for(lambda: self._rung != heard, longest_s)
            return self._rung

    def close(self) -> None:
        with self._lock:
            store, self._store = self._store, None
            if store is not None:
                store.close()
