"""When a household wants to be left in peace, and when its week ends: wall clock times of its own zone, clock changes included."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta, timezone, tzinfo

__all__ = ["last_weekly", "quiet_until"]


def quiet_until(now: datetime, zone: tzinfo, start: time, end: time) -> datetime | None:
    """When the quiet that holds at `now` ends (UTC), or None if it is not quiet. `start` equal to `end` means never quiet.

    Where the clock change repeats or leaves out the start or the end, the longer quiet is kept.
    """
    if start == end:
        return None
    today = now.astimezone(zone).date()
    for day in (today - timedelta(days=1), today):
        begins = min(_moments(day, start, zone))
        ends = max(_moments(day if end > start else day + timedelta(days=1), end, zone))
        if begins <= now < ends:
            return ends
    return None


def last_weekly(now: datetime, zone: tzinfo, weekday: int, at: time) -> datetime:
    """The latest moment not after `now` that was `at` on `weekday` (0 is Monday), as UTC."""
    today = now.astimezone(zone).date()
    day = today - timedelta(days=(today.weekday() - weekday) % 7)
    moment = max(_moments(day, at, zone))
    return moment if moment <= now else max(_moments(day - timedelta(days=7), at, zone))


def _moments(day: date, at: time, zone: tzinfo) -> tuple[datetime, datetime]:
    """The moment, by both readings: they differ only in an hour that a clock change repeats or leaves out."""
    local = datetime.combine(day, at, tzinfo=zone)
    return local.astimezone(timezone.utc), local.replace(fold=1).astimezone(timezone.utc)
