"""What is remembered between two steps of one errand, for minutes and in memory only: a passkey's challenge, a log-in waiting for its code.

A restart forgets them; whoever was in between begins again.
"""

from __future__ import annotations

import secrets
import threading
from collections import OrderedDict
from datetime import datetime, timedelta

import msgspec

__all__ = ["Tickets"]

# More errands at once than any household has: the oldest is dropped, so that nobody fills the memory.
_MOST = 500


class _Ticket(msgspec.Struct, frozen=True):
    kind: str
    holds: object
    ends_at: datetime


class Tickets:
    def __init__(self) -> None:
        self._kept: OrderedDict[str, _Ticket] = OrderedDict()
        self._lock = threading.Lock()

    def give(self, kind: str, holds: object, *, now: datetime, lasts: timedelta) -> str:
        """A token nobody can guess, for `holds`."""
        token = secrets.token_urlsafe(32)
        with self._lock:
            self._kept[token] = _Ticket(kind, holds, now + lasts)
            while len(self._kept) > _MOST:
                self._kept.popitem(last=False)
        return token

    def look(self, kind: str, token: str | None, *, now: datetime) -> object | None:
        """What the ticket holds, or None if it is of another kind, over, or nobody's."""
        with self._lock:
            found = self._kept.get(token or "")
        return found.holds if found is not None and found.kind == kind and now < found.ends_at else None

    def take(self, kind: str, token: str | None, *, now: datetime) -> object | None:
        """As `look`, and the ticket is gone."""
        found = self.look(kind, token, now=now)
        if found is not None and token is not None:
            with self._lock:
                self._kept.pop(token, None)
        return found
