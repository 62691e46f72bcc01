"""Until branch `store` brings it: taking an answer back."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy import orm

from jaga.store import audit
from jaga.store._tables import Alert, Child, FeedbackLine

__all__ = ["withdraw_answer"]


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
