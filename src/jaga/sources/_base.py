"""What a source is. Implementations live beside this file, one format each, found by entry point."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Protocol, runtime_checkable
from zoneinfo import ZoneInfo

import msgspec

from jaga.records import Clock, Record
from jaga.sources._tree import Entry

__all__ = ["EPOCH", "UTC", "Context", "Source", "from_unix", "from_unix_ms", "local_zone_name", "own_units", "zone_of"]


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """What the reader of an export knows that the export may not say."""

    # For exports that state local times without a zone: the zone of the phone that made them.
    zone: tzinfo
    zone_name: str

    def utc(self, naive: datetime) -> datetime:
        """A local time of the exporting device as UTC. In the hour a clock change repeats, the first reading."""
        aware = naive.replace(tzinfo=self.zone)
        try:
            return aware.astimezone(timezone.utc)
        except OverflowError:
            # Year 1 or 9999 at an offset: no real message, but it must not stop the file.
            return naive.replace(tzinfo=timezone.utc)

    def assumed_clock(
        self, *, precision_s: float, date_order: str | None = None, order_reason: str | None = None
    ) -> Clock:
        """The clock of a source that states no zone."""
        return Clock(
            zone=self.zone_name,
            zone_known=False,
            precision_s=precision_s,
            date_order=date_order,
            order_reason=order_reason,
        )


@runtime_checkable
class Source(Protocol):
    """One export format.

    `recognises` is cheap, has no side effects and never raises: it looks at `entry.head` (and may look at
    `entry.tree` for neighbours), never at the name alone. `units` puts the entries of one input that belong together
    (the parts of one thread) into one unit; most formats have one file per unit (`own_units`). `read` yields records
    of one unit: `Conversation` before its messages, a `Problem` for each record that is broken, and goes on.
    It raises only JagaError or OSError, when the rest of that unit cannot be read.
    """

    # Stable identifier, shown in --json, e.g. "whatsapp_txt".
    name: str
    # For people: "WhatsApp chat export".
    title: str
    # Where the layout is documented or was learned.
    reference: str
    # Lower is asked first. 50 unless a format is a special case of another (then lower) or generic (then higher).
    order: int

    def recognises(self, entry: Entry) -> bool: ...

    def units(self, entries: Sequence[Entry]) -> list[list[Entry]]: ...

    def read(self, unit: Sequence[Entry], context: Context) -> Iterator[Record]: ...


def own_units(entries: Sequence[Entry]) -> list[list[Entry]]:
    """Every entry is a unit of its own."""
    return [[entry] for entry in entries]


# Re-exported so that sources need one import for time arithmetic.
UTC = timezone.utc
EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def from_unix(seconds: float) -> datetime | None:
    """UTC from seconds since 1970, or None when it cannot be a time (negative, absurd, not a number)."""
    try:
        if not 0 < seconds < 4_102_444_800:  # 2100-01-01: a unit mistake, not a message
            return None
        return EPOCH + timedelta(seconds=seconds)
    except (OverflowError, ValueError, TypeError):
        return None


def from_unix_ms(milliseconds: float) -> datetime | None:
    """UTC from milliseconds since 1970, or None when it cannot be a time. Exact: no float rounding of whole numbers."""
    try:
        if not 0 < milliseconds < 4_102_444_800_000:
            return None
        return EPOCH + timedelta(milliseconds=milliseconds)
    except (OverflowError, ValueError, TypeError):
        return None


def local_zone_name() -> str:
    """The machine's zone: an IANA name where it can be told, else its present offset such as `+08:00`."""
    named = os.environ.get("TZ", "").lstrip(":")
    if named and _is_zone(named):
        return named
    try:
        link = os.path.realpath("/etc/localtime")
        if "zoneinfo/" in link:
            name = link.split("zoneinfo/")[-1].removeprefix("posix/").removeprefix("right/")
            if _is_zone(name):
                return name
    except OSError:
        pass
    offset = datetime.now().astimezone().strftime("%z")
    return f"{offset[:3]}:{offset[3:5]}"


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        return False
    return True


def zone_of(name: str) -> tzinfo:
    """A zone by IANA name or by offset such as `+08:00`. Raises: KeyError/ValueError for an unknown one."""
    if name[:1] in "+-" and len(name) == 6:
        sign = -1 if name[0] == "-" else 1
        return timezone(sign * timedelta(hours=int(name[1:3]), minutes=int(name[4:6])))
    return ZoneInfo(name)
