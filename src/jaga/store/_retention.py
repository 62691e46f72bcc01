"""Dropping what is no longer needed: messages that support no alert, some days after they were taken in.

What judging anew would need of them is folded into the `base` of their relationships and conversations first (see store._tables.Message
and docs/decisions/0009-store.md). Their ids stay in `seen`, so that they are not taken in again.
"""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec
import sqlalchemy as sa

from jaga.records import Message
from jaga.store import _tables as t
from jaga.store._audit import audit
from jaga.store._clock import check_clock
from jaga.store._database import Store
from jaga.store._families import ids_of
from jaga.store._hearing import Hearing, in_parts
from jaga.store._rejudge import rejudge, retune
from jaga.store._settings import settings_of
from jaga.store._sweep import sweep

__all__ = ["drop_expired"]

BATCH = 5_000
_message = msgspec.msgpack.Decoder(Message)


def drop_expired(store: Store, now: datetime) -> int:
    """Drop what each family's `retention_days` are over for; how many messages went. They are gone from the file as well.

    A crash leaves whole batches; the next call goes on. Raises: StoreError, if the clock went back, and what the database says.
    """
    dropped = 0
    with store.importing():
        with store.session(read_only=True) as session:
            check_clock(session, now)
            children = [
                (child.id, family.id, family.zone, now - timedelta(days=settings_of(family).retention_days))
                for child, family in session.execute(
                    sa.select(t.Child, t.Family).join(t.Family, t.Family.id == t.Child.family).order_by(t.Child.id)
                )
            ]
        for child, family, zone, until in children:
            # What is still to be judged anew needs what would be dropped.
            rejudge(store, child, now=now)
            retune(store, child, now=now)
            gone = _drop(store, child, zone, until)
            if gone:
                with store.session() as session:
                    audit(
                        *(session, "retention.dropped"),
                        at=now,
                        family=family,
                        subject=f"child:{child}",
                        messages=gone,
                    )
            dropped += gone
        if dropped:
            sweep(store)
    return dropped


def _expired(child: int, until: datetime) -> sa.ColumnElement[bool]:
    return sa.and_(t.Message.child == child, t.Message.at <= until, t.Message.sealed.is_(None))


def _drop(store: Store, child: int, zone: str, until: datetime) -> int:
    with store.session(read_only=True) as session:
        # Up to here everything is folded, in time order. A message dated later than it was taken in is folded after those.
        upto = session.scalar(
            sa.select(sa.func.max(t.Message.sent_at)).where(_expired(child, until), t.Message.sent_at <= until)
        )
        if upto is None and session.scalar(sa.select(t.Message.id).where(_expired(child, until)).limit(1)) is None:
            return 0
    in_order = t.Message.folded.is_(False) & (t.Message.sent_at <= upto) if upto is not None else sa.false()
    for chosen in (in_order, t.Message.folded.is_(False) & _expired(child, until)):
        while _fold(store, child, zone, chosen):
            pass
    dropped = 0
    while True:
        with store.session() as session:
            rows = session.scalars(sa.select(t.Message.id).where(_expired(child, until)).limit(BATCH)).all()
            if not rows:
                return dropped
            session.execute(sa.delete(t.Message).where(t.Message.id.in_(rows)))
            dropped += len(rows)


def _fold(store: Store, child: int, zone: str, chosen: sa.ColumnElement[bool]) -> int:
    """Fold the next messages in time order; how many. Those of one moment are folded together."""
    with store.session(read_only=True) as session:
        ids = ids_of(session, child)
        wanted = (
            sa.select(t.Message.id, t.Message.sent_at, t.Conversation.digest, t.Message.author, t.Message.record)
            .join(t.Conversation, t.Conversation.id == t.Message.conversation)
            .where(t.Message.child == child, chosen)
            .order_by(t.Message.sent_at, t.Conversation.digest, t.Message.id)
        )
        rows = list(session.execute(wanted.limit(BATCH)))
        if not rows or not ids:
            return 0
        hearing = Hearing(child, ids, zone, folded=True)
        hearing.load(session, {row.digest for row in rows}, {row.author for row in rows} - {""})
    for row in rows:
        hearing.hear(_message.decode(row.record))
    hearing.end()
    with store.session() as session:
        hearing.save_folded(session)
        for part in in_parts((row.id for row in rows), 1_000):
            session.execute(
                sa.update(t.Message)
                .where(t.Message.id.in_(part))
                .values(folded=True)
                .execution_options(synchronize_session=False)
            )
    return len(rows)
