"""Erasing a child, and forgetting a contact who must not be read: truly, out of the files."""

from __future__ import annotations

import contextlib
from datetime import datetime
from pathlib import Path

import msgspec
import sqlalchemy as sa
from sqlalchemy import orm

from jaga.errors import UsageError
from jaga.store import _tables as t
from jaga.store._audit import audit
from jaga.store._database import Store
from jaga.store._sweep import sweep

__all__ = ["Erased", "erase_child", "protect_contact"]


class Erased(msgspec.Struct, frozen=True, kw_only=True):
    """What erasing left for people to do."""

    messages: int
    # Backups that were made before: they hold the child still. (path, when)
    backups: tuple[tuple[str, datetime], ...]
    # False: a page was being read all the while, and the write-ahead log is emptied only when the store is next swept.
    swept: bool


def erase_child(store: Store, child_id: int, *, by: int | None, now: datetime) -> Erased:
    """Delete everything about a child, log-in and uploads that wait included, and write the file anew without it.

    The audit keeps that a child was erased, by its number, with no name. Raises: UsageError, StoreError.
    """
    with store.importing():
        with store.session() as session:
            child = session.get(t.Child, child_id)
            if child is None:
                raise UsageError("no such child", remedy="look it up anew")
            family = child.family
            uploads = list(
                session.scalars(sa.select(t.Import.path).where(t.Import.child == child_id, t.Import.uploaded.is_(True)))
            )
            messages = session.scalar(
                sa.select(sa.func.count()).select_from(t.Message).where(t.Message.child == child_id)
            )
            backups = tuple(
                (row.path, row.at) for row in session.scalars(sa.select(t.Backup).order_by(t.Backup.at, t.Backup.id))
            )
            session.add(t.Erasure(child=child_id))
            session.flush()
            # What hangs from what comes first: cascades row by row would take far longer.
            alerts = sa.select(t.Alert.id).where(t.Alert.child == child_id)
            _delete(session, t.Delivery, t.Delivery.alert.in_(alerts))
            for table in (
                *(t.FeedbackLine, t.Alert, t.Message, t.Seen, t.Relationship, t.Conversation, t.Account, t.Original),
                *(t.Import, t.Watched, t.Trusted, t.ChildAccount, t.Person),
            ):
                _delete(session, table, table.child == child_id)
            _delete(session, t.Child, t.Child.id == child_id)
            _delete(session, t.Erasure, t.Erasure.child == child_id)
            audit(session, "child.erased", at=now, family=family, person=by, subject=f"child:{child_id}")
        for path in uploads:
            with contextlib.suppress(OSError):
                Path(path).unlink(missing_ok=True)
        return Erased(messages=messages or 0, backups=backups, swept=sweep(store, wholly=True))


def _delete(session: orm.Session, table: type[t.Base], which: sa.ColumnElement[bool]) -> None:
    session.execute(sa.delete(table).where(which).execution_options(synchronize_session=False))


def protect_contact(store: Store, child_id: int, contact: str, *, who: str | None, by: int, now: datetime) -> None:
    """Never read a contact (a counsellor, a helpline) again, and forget what was taken in from them so far.

    Their talks with the child go as a whole; of groups, their own lines. What an alert rests on stays, for it is evidence.
    Raises: UsageError, StoreError.
    """
    with store.importing():
        with store.session() as session:
            child = session.get(t.Child, child_id)
            if child is None:
                raise UsageError("no such child", remedy="look it up anew")
            row = session.scalar(sa.select(t.Trusted).where(t.Trusted.child == child_id, t.Trusted.contact == contact))
            if row is None:
                session.add(t.Trusted(child=child_id, contact=contact, kind="protected", who=who, by=by, at=now))
            else:
                row.kind, row.who, row.by, row.at = "protected", who or row.who, by, now
            alone = [
                one.id
                for one in session.scalars(
                    sa.select(t.Conversation).where(t.Conversation.child == child_id, t.Conversation.kind == "direct")
                )
                if contact in one.record.get("participants", ())
                or session.scalar(
                    sa.select(t.Message.id)
                    .where(t.Message.conversation == one.id, t.Message.author == contact)
                    .limit(1)
                )
            ]
            for conversation in alone:
                _delete(
                    *(session, t.Message),
                    (t.Message.conversation == conversation) & t.Message.sealed.is_(None),
                )
                kept = session.scalar(sa.select(t.Message.id).where(t.Message.conversation == conversation).limit(1))
                if kept is None:
                    _delete(session, t.Conversation, t.Conversation.id == conversation)
            _delete(
                *(session, t.Message),
                (t.Message.child == child_id) & (t.Message.author == contact) & t.Message.sealed.is_(None),
            )
            told = sa.select(t.Alert.relationship).where(t.Alert.child == child_id)
            _delete(
                *(session, t.Relationship),
                (t.Relationship.child == child_id)
                & (t.Relationship.contact == contact)
                & t.Relationship.id.not_in(told),
            )
            _delete(session, t.Account, (t.Account.child == child_id) & (t.Account.author == contact))
            audit(session, "contact.protected", at=now, family=child.family, person=by, subject=f"child:{child_id}")
        sweep(store)
