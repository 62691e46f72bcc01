"""What goes on behind the pages: telling, watching folders, bringing in, dropping what is due.

Two threads, so that a service that does not answer never holds up an import, nor an import a message. Both sleep until somebody
calls `House.wake` or half a minute is over. What fails is noted in `House.troubles`, for the pages and `jaga doctor`, and tried again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import date

import sqlalchemy as sa

from jaga.errors import JagaError, StoreError
from jaga.family.home._folders import STILL_S, Folders, Notices
from jaga.family.home._house import House
from jaga.family.home._job import Order, Work, do_apart
from jaga.family.notify import Message, deliver, send
from jaga.store import Store, audit
from jaga.store._tables import Child, Import

__all__ = ["Worker"]

_log = logging.getLogger("jaga.home")
_EVERY_S = 30.0
# After a failure of the store (a full disk, a clock that is wrong) it waits longer.
_AFTER_FAILURE_S = 120.0
# A machine without a clock of its own has asked the network for the time by then.
_SETTLED_S = 600.0
# An import that ended its process so often is put aside.
_MOST_CRASHES = 3
# Wall clock against running time: more than this apart, and somebody has set the clock.
_JUMP_S = 3600.0


class Worker:
    """`start` it beside a house, `stop` it before the house is closed."""

    def __init__(
        self,
        house: House,
        *,
        post: Callable[[Message], str | None] | None = None,
        every_s: float = _EVERY_S,
        settled_s: float = _SETTLED_S,
    ) -> None:
        self._house = house
        self._post = post if post is not None else self._send
        self._every_s = every_s
        self._settled_s = settled_s
        self._stopping = threading.Event()
        self._folders = Folders()
        self._changed = threading.Event()
        self._notices = Notices(self._on_change)
        self._crashes: dict[int, int] = {}
        self._dropped_on: date | None = None
        self._clock = _WatchedClock(house, settled_s)
        self._threads = [
            threading.Thread(target=self._again, args=("telling", self._tell), name="jaga-telling", daemon=True),
            threading.Thread(target=self._again, args=("bringing in", self._bring), name="jaga-bringing", daemon=True),
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self, longest_s: float = 20.0) -> None:
        """Finish or interrupt what is under way; what is interrupted is taken up again at the next start."""
        self._stopping.set()
        self._house.wake()
        self._notices.close()
        until = time.monotonic() + longest_s
        for thread in self._threads:
            if thread.is_alive():
                thread.join(max(0.0, until - time.monotonic()))

    def _on_change(self) -> None:
        self._changed.set()
        self._house.wake()

    def _again(self, name: str, work: Callable[[Store], float], heard: int = 0) -> None:
        while not self._stopping.is_set():
            wait_s = self._every_s
            if self._house.state == "open":
                try:
                    wait_s = work(self._house.store)
                    self._house.troubles.pop(name, None)
                except JagaError as error:
                    self._house.troubles[name] = str(error)
                    # Its place may be the name of a chat.
                    _log.warning("%s: %s", name, error.what)
                    wait_s = _AFTER_FAILURE_S
                except Exception as error:  # noqa: BLE001
                    # A fault of ours must not end the watching for good; its text may hold what is private.
                    what = "something went wrong in the background, and is tried again"
                    self._house.troubles[name] = what
                    _log.error("%s: %s", name, type(error).__name__)
                    wait_s = _AFTER_FAILURE_S
            if not self._stopping.is_set():
                heard = self._house.wait(heard, wait_s)

    # ------------------------------------------------------------ telling

    def _send(self, message: Message) -> str | None:
        return send(message, stopping=self._stopping.is_set)

    def _tell(self, store: Store) -> float:
        deliver(store, self._house.now, home=self._house.address, post=self._post, stopping=self._stopping.is_set)
        return self._every_s

    # ------------------------------------------------------------ bringing in

    def _bring(self, store: Store) -> float:
        self._clock.look()
        changed = self._changed.is_set()
        self._changed.clear()
        self._notices.watch(self._folders.paths(store))
        self._folders.look(store, self._house.now(), changed=changed)
        if self._imports_wait(store):
            self._work(store, "imports")
        today = self._house.now().date()
        if self._dropped_on != today and self._clock.settled and not self._stopping.is_set():
            self._work(store, "retention")
            self._dropped_on = today
        return min(self._every_s, STILL_S) if self._folders.waits() else self._every_s

    def _imports_wait(self, store: Store) -> bool:
        with store.session(read_only=True) as session:
            return (
                session.scalar(sa.select(Import.id).where(Import.state.in_(("waiting", "reading"))).limit(1))
                is not None
            )

    def _work(self, store: Store, work: Work) -> None:
        order = Order(work=work, folder=str(store.folder), key=store.key, url=self._house.url)
        result = do_apart(order, self._stopping.is_set)
        if self._stopping.is_set():
            return
        if result is None:
            self._crashed(store, work)
        elif result.problem is not None:
            raise StoreError(result.problem)
        self._house.wake()

    def _crashed(self, store: Store, work: Work) -> None:
        """The process ended without an answer: memory ran out, or a fault of ours. What does so again and again is put aside."""
        with store.session() as session:
            reading = session.scalar(sa.select(Import).where(Import.state == "reading").order_by(Import.id).limit(1))
            if work == "imports" and reading is not None:
                self._crashes[reading.id] = self._crashes.get(reading.id, 0) + 1
                if self._crashes[reading.id] >= _MOST_CRASHES:
                    now = self._house.now()
                    what = "reading it failed three times and was stopped; what was read until then is kept"
                    reading.state, reading.error, reading.done_at = "failed", what, now
                    family = session.get_one(Child, reading.child).family
                    audit(session, "import.failed", at=now, family=family, subject=f"import:{reading.id}")
                    return
        raise StoreError("reading an export was interrupted and is tried again")


class _WatchedClock:
    """Whether the time of day can be trusted for dropping messages by their age."""

    def __init__(self, house: House, settled_s: float) -> None:
        self._house = house
        self._settled_s = settled_s
        self._begin()

    def look(self) -> None:
        """Compare the time of day with the time that went by; begin anew if somebody set the clock."""
        if abs(self._house.now().timestamp() - _running_s() - self._apart) > _JUMP_S:
            _log.warning("the clock of this machine was set")
            self._begin()

    @property
    def settled(self) -> bool:
        """True if it has gone on evenly for a while."""
        return _running_s() - self._since >= self._settled_s

    def _begin(self) -> None:
        self._since = _running_s()
        self._apart = self._house.now().timestamp() - self._since


def _running_s() -> float:
    """Seconds that went by, those of sleep included where the system tells them."""
    boottime = getattr(time, "CLOCK_BOOTTIME", None)
    return time.monotonic() if boottime is None else time.clock_gettime(boottime)
