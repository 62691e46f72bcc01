"""Everything that is stored about a family, for their right of access: JSON lines."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime
from typing import Any, BinaryIO

import msgspec
import sqlalchemy as sa
from sqlalchemy import orm

from jaga.errors import UsageError
from jaga.store import _tables as t
from jaga.store._audit import audit
from jaga.store._database import Store

__all__ = ["export_family"]

# What opens something, or is only the inside of the engine, tells nobody anything about themselves.
_LEFT_OUT = {
    "people": {"passphrase", "totp_secret", "totp_step", "slot"},
    "passkeys": {"credential", "public_key", "sign_count"},
    "sessions": {"token", "csrf"},
    "channels": {"url"},
    "relationships": {"state", "base"},
    "conversations": {"state", "base"},
}
# Columns of bytes that hold a record.
_RECORDS = {("messages", "record"), ("relationships", "assessment"), ("alerts", "assessment")}
_BY_CHILD = (
    *(t.ChildAccount, t.Trusted, t.Watched, t.Import, t.Original, t.Account, t.Conversation, t.Seen, t.Message),
    *(t.Relationship, t.Alert, t.FeedbackLine),
)
_BY_PERSON = (t.Passkey, t.Session, t.Channel)


def export_family(
    store: Store, family_id: int, file: BinaryIO, *, by: int | None, now: datetime, child: int | None = None
) -> int:
    """Write a line per row: {"table": …, fields …}; how many. `child`: only what is about one child.

    Bytes are hexadecimal, times ISO 8601 in UTC. Passphrases, keys and the addresses alerts go to are left out. Noted in the audit.
    Raises: UsageError, OSError of the file.
    """
    with store.session() as session:
        if session.get(t.Family, family_id) is None:
            raise UsageError("no such family", remedy="look it up anew")
        subject = f"family:{family_id}" if child is None else f"child:{child}"
        audit(session, "exported", at=now, family=family_id, person=by, subject=subject)
    lines = 0
    with store.session(read_only=True) as session:
        for table, row in _rows(session, family_id, child):
            file.write(msgspec.json.encode(_line(table, row)) + b"\n")
            lines += 1
    return lines


def _rows(session: orm.Session, family: int, child: int | None) -> Iterator[tuple[sa.Table, Any]]:
    of_family = sa.select(t.Child.id).where(t.Child.family == family)
    if child is not None:
        of_family = of_family.where(t.Child.id == child)
    people = sa.select(t.Person.id).where(t.Person.family == family)
    chosen: list[tuple[type[t.Base], sa.ColumnElement[bool]]] = [(t.Child, t.Child.id.in_(of_family))]
    chosen += [(table, table.child.in_(of_family)) for table in _BY_CHILD]
    if child is None:
        chosen += [(t.Family, t.Family.id == family), (t.Person, t.Person.family == family)]
        chosen += [(table, table.person.in_(people)) for table in _BY_PERSON]
        channels = sa.select(t.Channel.id).where(t.Channel.person.in_(people))
        chosen += [(t.Delivery, t.Delivery.channel.in_(channels)), (t.AuditLine, t.AuditLine.family == family)]
    else:
        chosen += [(t.Person, t.Person.child == child), (t.AuditLine, t.AuditLine.subject == f"child:{child}")]
    for table, which in chosen:
        source = table.__table__
        assert isinstance(source, sa.Table)
        keys = tuple(source.primary_key.columns)
        found = session.execute(sa.select(source).where(which).order_by(*keys).execution_options(yield_per=1_000))
        with closing(found):
            for row in found.mappings():
                yield source, row


def _line(table: sa.Table, row: Any) -> dict[str, Any]:
    left_out = _LEFT_OUT.get(table.name, set())
    line: dict[str, Any] = {"table": str(table.name)}
    for name, value in row.items():
        if name in left_out:
            continue
        if (table.name, name) in _RECORDS and value is not None:
            value = msgspec.msgpack.decode(value)
        line[str(name)] = _plain(value)
    return line


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value
