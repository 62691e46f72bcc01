"""Alerts: made once per rise, with their evidence sealed; read; answered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from hashlib import sha256
from typing import Literal

import msgspec
import sqlalchemy as sa
from sqlalchemy import orm

from jaga.assessment import Assessment
from jaga.engine import Engine
from jaga.errors import StoreError, UsageError
from jaga.records import Message
from jaga.store import _tables as t
from jaga.store._audit import audit
from jaga.store._clock import check_clock
from jaga.store._families import ids_of
from jaga.store._hearing import in_parts, pack
from jaga.store._tuning import tuning_of

__all__ = [
    "AlertMessage",
    "Answer",
    "alert_messages",
    "answer_alert",
    "load_assessment",
    "raise_alerts",
    "settle",
    "withdraw_answer",
]

Answer = Literal["seen", "fine", "talked", "reported", "wrong_person"]
# Lines before and after each message that shows something.
CONTEXT = 2

_assessment = msgspec.msgpack.Decoder(Assessment)
_message = msgspec.msgpack.Decoder(Message)


def load_assessment(stored: bytes) -> Assessment:
    """What `Relationship.assessment` or `Alert.assessment` holds. Raises: StoreError, if it is damaged."""
    try:
        return _assessment.decode(stored)
    except msgspec.DecodeError as error:
        raise StoreError(f"an assessment cannot be read: {error}", remedy="restore the last backup") from error


def raise_alerts(session: orm.Session, child: int, risen: Iterable[Assessment], *, now: datetime) -> list[int]:
    """One alert for each, its messages sealed; the ids of the new rows."""
    made: list[int] = []
    for assessment in risen:
        relationship, family = session.execute(
            sa.select(t.Relationship.id, t.Child.family)
            .join(t.Child, t.Child.id == t.Relationship.child)
            .where(t.Relationship.child == child, t.Relationship.contact == assessment.contact)
        ).one()
        evidence = _cited(assessment)
        alert = t.Alert(
            child=child,
            relationship=relationship,
            level=assessment.level,
            at=now,
            assessment=pack(assessment),
            evidence=evidence,
            context=[],
            state="new",
            state_at=now,
            state_by=None,
            reason=None,
            settled=False,
        )
        session.add(alert)
        session.flush()
        _settle(session, alert)
        audit(
            *(session, "alert.made"),
            at=now,
            family=family,
            subject=f"alert:{alert.id}",
            level=assessment.level,
            messages=len(evidence),
        )
        made.append(alert.id)
    return made


def grow_alerts(session: orm.Session, child: int, assessments: Iterable[Assessment]) -> None:
    """What shows more of a relationship that was told already: it joins the latest alert's evidence, so that it is kept as well."""
    for assessment in assessments:
        alert = session.scalar(
            sa.select(t.Alert)
            .join(t.Relationship, t.Relationship.id == t.Alert.relationship)
            .where(t.Relationship.child == child, t.Relationship.contact == assessment.contact)
            .order_by(t.Alert.id.desc())
            .limit(1)
        )
        if alert is None:
            continue
        more = set(_cited(assessment)).difference(alert.evidence)
        if more:
            rows = _rows(session, child, [*alert.evidence, *more])
            gone = set(alert.evidence).difference(row.digest for row in rows)
            alert.evidence = [*sorted(gone), *(row.digest for row in sorted(rows, key=_place))]
            alert.context = [digest for digest in alert.context if digest not in more]
            _settle(session, alert)


def _cited(assessment: Assessment) -> list[bytes]:
    """Digests of the messages an assessment cites, in time order."""
    cited = {(one.sent_at, bytes.fromhex(one.message)) for finding in assessment.tactics for one in finding.evidence}
    return [digest for _, digest in sorted(cited)]


def _place(row: t.Message) -> tuple[datetime, int]:
    return row.sent_at, row.id


def settle(session: orm.Session, child: int) -> None:
    """Give alerts the lines of context that came only after they were made."""
    for alert in session.scalars(sa.select(t.Alert).where(t.Alert.child == child, t.Alert.settled.is_(False))):
        _settle(session, alert)


def _settle(session: orm.Session, alert: t.Alert) -> None:
    rows = _rows(session, alert.child, alert.evidence)
    found: dict[bytes, t.Message] = {}
    complete = True
    for row in rows:
        earlier = list(
            session.scalars(
                sa.select(t.Message)
                .where(
                    t.Message.conversation == row.conversation,
                    sa.tuple_(t.Message.sent_at, t.Message.id) < (row.sent_at, row.id),
                )
                .order_by(t.Message.sent_at.desc(), t.Message.id.desc())
                .limit(CONTEXT)
            )
        )
        later = list(
            session.scalars(
                sa.select(t.Message)
                .where(
                    t.Message.conversation == row.conversation,
                    sa.tuple_(t.Message.sent_at, t.Message.id) > (row.sent_at, row.id),
                )
                .order_by(t.Message.sent_at, t.Message.id)
                .limit(CONTEXT)
            )
        )
        complete = complete and len(later) == CONTEXT
        for one in (*earlier, row, *later):
            found[one.digest] = one
    for row in found.values():
        if row.sealed is None:
            row.sealed = sha256(row.record).digest()
    shown = set(alert.evidence)
    known = dict.fromkeys((*alert.context, *(digest for digest in found if digest not in shown)))
    if len(known) != len(alert.context):
        placed = _rows(session, alert.child, list(known))
        alert.context = [row.digest for row in sorted(placed, key=_place)]
    alert.settled = complete


def _rows(session: orm.Session, child: int, digests: Sequence[bytes]) -> list[t.Message]:
    rows: list[t.Message] = []
    for part in in_parts(digests, 500):
        rows += session.scalars(sa.select(t.Message).where(t.Message.child == child, t.Message.digest.in_(part)))
    return rows


class AlertMessage(msgspec.Struct, frozen=True, kw_only=True):
    """A message that an alert rests on."""

    message: Message
    # Hexadecimal id by which the alert's assessment cites it.
    id: str
    # False: a line of context.
    shows: bool
    # Whether it is what was sealed.
    intact: bool
    # SHA-256 over the record as stored, hexadecimal; None if it was never sealed.
    sealed: str | None
    # File it was read from: row of `originals`; the place in it is `message.where`.
    original: int | None


def alert_messages(session: orm.Session, alert_id: int, *, context: bool) -> list[AlertMessage]:
    """The messages that show it, in time order, with `context` the lines around them. The caller notes the look (`audit`).

    What retention dropped before the alert was made is missing; its first words are in the assessment. Raises: UsageError.
    """
    alert = session.get(t.Alert, alert_id)
    if alert is None:
        raise UsageError("no such alert", remedy="look it up anew")
    shown = set(alert.evidence)
    rows = _rows(session, alert.child, [*alert.evidence, *(alert.context if context else ())])
    return [
        AlertMessage(
            message=_message.decode(row.record),
            id=row.digest.hex(),
            shows=row.digest in shown,
            intact=row.sealed is not None and sha256(row.record).digest() == row.sealed,
            sealed=None if row.sealed is None else row.sealed.hex(),
            original=row.original,
        )
        for row in sorted(rows, key=_place)
    ]


def answer_alert(
    session: orm.Session,
    alert_id: int,
    kind: Answer,
    *,
    by: int,
    reason: str | None,
    now: datetime,
    tactics: Iterable[str] = (),
) -> None:
    """Note what the family says of an alert. The relationship is judged by it at once, others when they are next looked at.

    `tactics`: what of it the answer is about; none: all of it. Raises: UsageError, StoreError if the clock went back.
    """
    alert = session.get(t.Alert, alert_id)
    if alert is None:
        raise UsageError("no such alert", remedy="look it up anew")
    check_clock(session, now)
    family = session.scalars(sa.select(t.Child.family).where(t.Child.id == alert.child)).one()
    contact = session.get_one(t.Relationship, alert.relationship).contact
    # A look does not undo an answer.
    if kind != "seen" or alert.state == "new":
        alert.state, alert.state_at, alert.state_by = kind, now, by
        alert.reason = reason or alert.reason
    if kind != "seen":
        session.add(
            t.FeedbackLine(
                child=alert.child,
                contact=contact,
                alert=alert_id,
                kind=kind,
                reason=reason,
                by=by,
                at=now,
                withdraws=None,
                record={"tactics": list(dict.fromkeys(tactics))},
            )
        )
        session.flush()
        _retune(session, alert)
    audit(session, f"alert.{kind}", at=now, family=family, person=by, subject=f"alert:{alert_id}")


def withdraw_answer(session: orm.Session, alert_id: int, *, by: int, now: datetime) -> None:
    """Take the last answer to an alert back: the alert is open again, and the relationship judged as if it had not been given.

    Both lines of feedback stay. Nothing happens where there is no answer. Raises: UsageError, StoreError if the clock went back.
    """
    alert = session.get(t.Alert, alert_id)
    if alert is None:
        raise UsageError("no such alert", remedy="look it up anew")
    check_clock(session, now)
    given = session.scalars(
        sa.select(t.FeedbackLine).where(t.FeedbackLine.alert == alert_id).order_by(t.FeedbackLine.id)
    ).all()
    taken_back = {line.withdraws for line in given}
    standing = [line for line in given if line.withdraws is None and line.id not in taken_back]
    if not standing:
        return
    session.add(
        t.FeedbackLine(
            child=alert.child,
            contact=standing[-1].contact,
            alert=alert_id,
            kind="withdrawn",
            reason=None,
            by=by,
            at=now,
            withdraws=standing[-1].id,
            record={},
        )
    )
    # An answer given before that one stands again.
    earlier = standing[-2] if len(standing) > 1 else None
    alert.state = "seen" if earlier is None else earlier.kind
    alert.reason = None if earlier is None else earlier.reason
    alert.state_at, alert.state_by = now, by
    session.flush()
    _retune(session, alert)
    family = session.scalars(sa.select(t.Child.family).where(t.Child.id == alert.child)).one()
    audit(session, "alert.answer_withdrawn", at=now, family=family, person=by, subject=f"alert:{alert_id}")


def _retune(session: orm.Session, alert: t.Alert) -> None:
    row = session.get_one(t.Relationship, alert.relationship)
    family = session.get_one(t.Family, session.get_one(t.Child, alert.child).family)
    engine = Engine(
        child=ids_of(session, alert.child) or (row.contact,),
        zone=family.zone,
        tuning=tuning_of(session, family),
        # Nothing is heard, so no ears are needed.
        detectors=(),
    )
    engine.restore_relationship(row.state)
    assessment = engine.assessment(row.contact)
    if assessment is not None and assessment.level != row.level:
        row.level, row.assessment = assessment.level, pack(assessment)
