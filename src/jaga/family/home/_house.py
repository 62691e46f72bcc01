"""The house behind the pages: its folder and, once somebody has opened it, its store."""

from __future__ import annotations

import secrets
import shutil
import socket
import threading
import time
from collections.abc import Callable, Collection
from datetime import datetime, timezone
from pathlib import Path
from typing import Literal

import sqlalchemy as sa

from jaga.errors import StoreError, UsageError, WrongPassphrase
from jaga.family.home._attempts import Attempts
from jaga.family.home._tickets import Tickets
from jaga.store import STANDARD, Cost, Keys, Store, change_key
from jaga.store._people import tidy_slots
from jaga.store._tables import Backup, Base, Family

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
        self.kits: dict[int, tuple[str, int, datetime]] = {}
        # Secrets for code apps that are shown just now, by session: the ticket that holds each.
        self.offered: dict[int, str] = {}
        self.attempts = Attempts(folder / "attempts.json")
        # The address the pages are served at, ending in "/": what notifications link to.
        self.address = "http://127.0.0.1:8787/"
        # What does not work in the background just now: its name to a found text. Read by pages, written by the worker.
        self.troubles: dict[str, str] = {}
        self._bell = threading.Condition()
        self._rung = 0
        self._store = store
        self._lock = threading.Lock()
        self._rekeying = threading.Lock()

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

    def show_kit(self, family: int, code: str) -> tuple[str, int, datetime]:
        """Let a recovery code be shown until it is confirmed: the code, the number of the group that is asked for, and since when."""
        kit = self.kits[family] = (code, secrets.randbelow(8), self.now())
        return kit

    def rekey(self, *, by: int | None, family: int) -> None:
        """Write the store anew under another key, in the background; what cannot be done now is tried at the next log-in.

        Nobody else may be reading while it is done, and an import may be going on for long.
        """
        with self.store.session() as session:
            row = session.get_one(Family, family)
            row.settings = {**row.settings, "rekey": True}
        self.rekey_if_due(by=by, longest_s=10)

    def rekey_if_due(self, *, by: int | None, longest_s: float = 0) -> None:
        """Begin again what `rekey` could not do; wait for it no longer than that."""
        if self._rekeying.locked():
            return
        thread = threading.Thread(target=self._rekey, args=(by,), name="jaga-rekeying", daemon=True)
        thread.start()
        thread.join(longest_s)

    def _rekey(self, by: int | None) -> None:
        with self._rekeying:
            store = self._store
            if store is None:
                return
            with store.session(read_only=True) as session:
                due = [one.id for one in session.scalars(sa.select(Family)) if one.settings.get("rekey")]
            if not due:
                return
            for _ in range(20):
                try:
                    change_key(store, by=by, now=self.now())
                    break
                except UsageError:
                    # Uploads wait: they are locked with the present key.
                    return
                except StoreError:
                    # A page is being read just now.
                    time.sleep(0.25)
            else:
                return
            with store.session() as session:
                for one in due:
                    row = session.get_one(Family, one)
                    row.settings = {**row.settings, "rekey": False}

    def destroy(self) -> tuple[str, ...]:
        """Forget everything for good: first the keys, without which the rest is noise; then the files. Gives the backups that are left."""
        with self._lock:
            store = self.store
            with store.session(read_only=True) as session:
                left = tuple(session.scalars(sa.select(Backup.path)))
            (self.folder / "keys.json").unlink(missing_ok=True)
            if store.url is not None:
                with store.engine.begin() as connection:
                    connection.execute(sa.text("DROP TABLE IF EXISTS alembic_version"))
                    Base.metadata.drop_all(connection)
            store.close()
            self._store = None
            for name in ("jaga.db", "jaga.db-wal", "jaga.db-shm", "jaga.db-journal", "attempts.json"):
                (self.folder / name).unlink(missing_ok=True)
            shutil.rmtree(self.folder / "waiting", ignore_errors=True)
            return left

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
