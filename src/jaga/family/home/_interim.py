"""Until branch `store` is merged: the calls of jaga.store that the pages use."""

from __future__ import annotations

from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy import orm

from jaga.records import Message
from jaga.store import Store, audit
from jaga.store._tables import Alert, Child, FeedbackLine, Import, Relationship
from jaga.store._tables import Message as Stored


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    message: Message
    context: bool
    intact: bool


def alert_messages(session: orm.Session, alert_id: int, *, context: bool) -> list[Kept]:
    alert = session.get(Alert, alert_id)
    assert alert is not None
    wanted = {bytes(one): False for one in alert.evidence}
    if context:
        for one in alert.context:
            wanted.setdefault(bytes(one), True)
    rows = session.scalars(
        sa.select(Stored)
        .where(Stored.child == alert.child, Stored.digest.in_(wanted))
        .order_by(Stored.sent_at, Stored.id)
    )
    return [
        Kept(
            message=msgspec.msgpack.decode(row.record, type=Message),
            context=wanted[row.digest],
            intact=row.sealed == sha256(row.record).digest(),
        )
        for row in rows
    ]


def answer_alert(
    session: orm.Session,
    alert_id: int,
    kind: Literal["seen", "fine", "talked", "reported"],
    *,
    by: int,
    reason: str | None,
    now: datetime,
) -> None:
    alert = session.get(Alert, alert_id)
    assert alert is not None
    child = session.get(Child, alert.child)
    relationship = session.get(Relationship, alert.relationship)
    assert child is not None
    assert relationship is not None
    alert.state, alert.state_at, alert.state_by, alert.reason = kind, now, by, reason
    session.add(
        FeedbackLine(
            child=alert.child,
            contact=relationship.contact,
            alert=alert.id,
            kind=kind,
            reason=reason,
            by=by,
            at=now,
            record={},
        )
    )
    audit(session, f"alert.{kind}", at=now, family=child.family, person=by, subject=f"alert:{alert.id}")


def withdraw_answer(session: orm.Session, alert_id: int, *, by: int, now: datetime) -> None:
    alert = session.get(Alert, alert_id)
    assert alert is not None
    child = session.get(Child, alert.child)
    assert child is not None
    last = session.scalar(
        sa.select(FeedbackLine)
        .where(FeedbackLine.alert == alert.id, FeedbackLine.kind.in_(("fine", "talked", "reported")))
        .order_by(FeedbackLine.id.desc())
        .limit(1)
    )
    if last is None or alert.state not in ("fine", "talked", "reported"):
        return
    session.add(
        FeedbackLine(
            child=alert.child,
            contact=last.contact,
            alert=alert.id,
            kind="withdrawn",
            reason=None,
            by=by,
            at=now,
            withdraws=last.id,
            record={},
        )
    )
    alert.state, alert.state_at, alert.state_by, alert.reason = "seen", now, by, None
    audit(session, "alert.answer_withdrawn", at=now, family=child.family, person=by, subject=f"alert:{alert.id}")


def queue_import(
    store: Store, child_id: int, path: Path, name: str, *, by: int | None, uploaded: bool, now: datetime
) -> int:
    with store.session() as session:
        child = session.get(Child, child_id)
        assert child is not None
        row = Import(
            child=child_id,
            by=by,
            path=str(path),
            name=name,
            uploaded=uploaded,
            state="waiting",
            asked_at=now,
            done_at=None,
            inputs=[],
            error=None,
        )
        session.add(row)
        session.flush()
        audit(
            session, "import.asked", at=now, family=child.family, person=by, subject=f"import:{row.id}", child=child_id
        )
        return row.id
