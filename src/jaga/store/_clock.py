"""A clock that went back would date evidence before what it rests on, and one that cannot be trusted must not drop anything."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy import orm

from jaga.errors import StoreError
from jaga.store._tables import AuditLine

__all__ = ["check_clock"]

# A machine without a clock of its own starts where it stopped; zones set wrongly and mended are hours.
_TOLERANCE = timedelta(days=1)


def check_clock(session: orm.Session, now: datetime) -> None:
    """Raises: StoreError, if `now` lies more than a day before the latest audit line."""
    last = session.scalar(sa.select(sa.func.max(AuditLine.at)))
    if last is not None and now < last - _TOLERANCE:
        raise StoreError(
            f"the clock says {now:%Y-%m-%d %H:%M} UTC, and the store was used on {last:%Y-%m-%d}; nothing was changed",
            remedy="set the clock of this machine, then do it again",
        )
