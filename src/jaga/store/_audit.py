"""Who saw, changed or exported what: lines that only grow, each bound to the one before it.

A line's hash is SHA-256 over the hash of the line before and its own content (canonical JSON). Changing, dropping or inserting a line breaks
every hash after it; cutting off the end is seen where the last hash was noted elsewhere (an evidence pack, a backup).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec
import sqlalchemy as sa
from sqlalchemy import orm

from jaga.store._tables import AuditLine

__all__ = ["FIRST", "audit", "broken_lines"]

# What stands before the first line.
FIRST = bytes(32)


def audit(
    session: orm.Session,
    what: str,
    *,
    at: datetime,
    family: int | None = None,
    person: int | None = None,
    subject: str | None = None,
    **detail: str | int | float | bool | None,
) -> AuditLine:
    """Add a line; it counts when the session commits. `detail` never holds the words of a message."""
    # Two at a time would both go on from the same line: the database lets one wait (SQLite has one writer anyway).
    if session.get_bind().dialect.name == "postgresql":
        session.execute(sa.text("SELECT pg_advisory_xact_lock(7460001)"))
    session.flush()
    before = session.scalar(sa.select(AuditLine.hash).order_by(AuditLine.id.desc()).limit(1)) or FIRST
    line = AuditLine(
        family=family, person=person, at=at, what=what, subject=subject, detail=dict(detail), before=before, hash=b""
    )
    line.hash = _hash(line)
    session.add(line)
    session.flush()
    return line


def broken_lines(session: orm.Session) -> Iterator[int]:
    """Ids of lines that do not fit what stands before them; nothing if the chain is whole."""
    before = FIRST
    lines = session.scalars(sa.select(AuditLine).order_by(AuditLine.id).execution_options(yield_per=1000))
    with closing(lines):
        for line in lines:
            if line.before != before or line.hash != _hash(line):
                yield line.id
            before = line.hash


def _hash(line: AuditLine) -> bytes:
    content: list[Any] = [line.family, line.person, line.at.isoformat(), line.what, line.subject, line.detail]
    return sha256(line.before + msgspec.json.encode(content, order="sorted")).digest()
