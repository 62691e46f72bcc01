"""What is to be sent to whom: a queue in the store, so that a restart forgets nothing.

Planning looks for alerts that a channel has not been told of and puts a row for each. It may run at any time and as often as one
likes: nothing hangs on its being called in the moment an alert is made, and a crash between the two is mended by the next look.

Sending happens outside of any transaction, in three steps: `claim` writes that it is being tried and when the next try would be;
the message goes out; `sent` or `failed` writes what came of it. A crash in the middle therefore leads to another try, never to
silence: told at least once, and twice only if the crash falls between the service's yes and our writing it down.

Nothing here holds a name or a word of anybody: a `Letter` knows how many things wait and whether one is urgent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec
import sqlalchemy as sa
from sqlalchemy import orm

from jaga.store._audit import audit
from jaga.store._tables import Alert, Channel, Child, Delivery, Family, Import, Person

__all__ = ["APART", "GIVE_UP_AFTER", "Letter", "claim", "failed", "next_try", "plan_alerts", "plan_digest", "sent"]

_LEVELS = ("watch", "concern", "urgent")
# Several alerts of one import become one message: it waits for the import to end, but not longer than this.
_TOGETHER = timedelta(minutes=10)
# Unless something is urgent, a channel is not used again sooner.
APART = timedelta(minutes=15)
_FIRST_WAIT = timedelta(minutes=1)
_LONGEST_WAIT = timedelta(hours=6)
GIVE_UP_AFTER = timedelta(days=3)
# A clock that jumped ahead must not end the tries: so many there are in three days at least.
_GIVE_UP_TRIES = 12
# Nothing is ever put off longer than a night; what seems to be was written while the clock was wrong.
_NO_LATER = timedelta(hours=25)

_WAITING = sa.and_(Delivery.sent_at.is_(None), Delivery.given_up_at.is_(None))


class Letter(msgspec.Struct, frozen=True, kw_only=True):
    """One message to one channel, for all that waits there."""

    deliveries: tuple[int, ...]
    channel: int
    family: int
    url: str
    language: str
    # "free" or "level": whether it may say how urgent it is.
    says: str
    digest: bool
    # Alerts this is about; for a digest those that still wait for an answer.
    count: int
    urgent: bool
    # For a digest: nothing was brought in for a week.
    silent: bool


class _Waiting(NamedTuple):
    delivery: Delivery
    channel: Channel
    person: Person
    family: Family
    alert: Alert | None


def next_try(tries: int, jitter: float) -> timedelta:
    """How long to wait after the `tries`-th failure: doubling from a minute to six hours, ±20 % by `jitter` in [0, 1]."""
    wait = min(_LONGEST_WAIT, _FIRST_WAIT * (1 << min(tries - 1, 20)))
    return wait * (0.8 + 0.4 * jitter)


def plan_alerts(session: orm.Session, now: datetime) -> int:
    """Put a delivery for every alert and channel that has none, and drop those that are no longer wanted. Returns how many were put."""
    _drop_unwanted(session, now)
    told = (
        sa.exists()
        .where(Delivery.channel == Channel.id, Delivery.alert == Alert.id, Delivery.kind == "alert")
        .correlate(Channel, Alert)
    )
    wanted = (
        sa.select(Alert.id, Channel.id)
        .select_from(Channel)
        .join(Person, Person.id == Channel.person)
        .join(Child, Child.family == Person.family)
        .join(Alert, Alert.child == Child.id)
        .where(
            Channel.enabled,
            Person.removed_at.is_(None),
            Person.role != "child",
            _at_least(Channel.least),
            sa.or_(
                Alert.state == "new",
                # Seen by one guardian is not yet known to the other.
                sa.and_(
                    Alert.state == "seen", Alert.state_by.is_distinct_from(Person.id), Alert.at >= Channel.created_at
                ),
            ),
            ~told,
        )
        .order_by(Alert.id, Channel.id)
    )
    count = 0
    for alert, channel in session.execute(wanted):
        session.add(Delivery(channel=channel, alert=alert, kind="alert", due_at=now, created_at=now))
        count += 1
    session.flush()
    return count


def plan_digest(session: orm.Session, family: int, moment: datetime, kind: str, now: datetime) -> int:
    """Put the week's digest of the family for each of its channels that was there at `moment` and has none of this `kind` yet."""
    has = sa.exists().where(Delivery.channel == Channel.id, Delivery.kind == kind).correlate(Channel)
    channels = session.scalars(
        sa.select(Channel.id)
        .join(Person, Person.id == Channel.person)
        .where(
            Person.family == family,
            Person.removed_at.is_(None),
            Person.role != "child",
            Channel.enabled,
            Channel.created_at <= moment,
            ~has,
        )
    ).all()
    for channel in channels:
        session.add(Delivery(channel=channel, alert=None, kind=kind, due_at=now, created_at=now))
    session.flush()
    return len(channels)


def claim(
    session: orm.Session,
    now: datetime,
    *,
    quiet_until: Callable[[Family], datetime | None],
    silent: Callable[[Family], bool],
    jitter: Callable[[], float],
) -> list[Letter]:
    """What is to be sent now. Counted as a try already: if nothing more is heard of it, it comes again after the wait.

    `quiet_until`: when the family's quiet ends, None if it is not quiet; only what is urgent breaks it.
    """
    rows = session.execute(
        sa.select(Delivery, Channel, Person, Family, Alert)
        .join(Channel, Channel.id == Delivery.channel)
        .join(Person, Person.id == Channel.person)
        .join(Family, Family.id == Person.family)
        .outerjoin(Alert, Alert.id == Delivery.alert)
        .where(_WAITING)
        .order_by(Delivery.id)
    ).all()
    heaps: dict[tuple[int, str], list[_Waiting]] = {}
    for row in rows:
        one = _Waiting(*row)
        heaps.setdefault((one.channel.id, one.delivery.kind), []).append(one)
    letters = []
    for (channel_id, kind), heap in heaps.items():
        if not any(_due(one.delivery, now) for one in heap):
            continue
        _, channel, person, family, _ = heap[0]
        urgent = any(one.alert is not None and one.alert.level == "urgent" for one in heap)
        first = min(one.delivery.created_at for one in heap)
        if not urgent and timedelta(0) <= now - first < _TOGETHER and _brings_in(session, family.id):
            continue
        later = None if urgent else _later(session, channel_id, kind, now, quiet_until(family))
        if later is not None:
            for one in heap:
                # A wait after a failure that ends later still than the quiet is kept.
                kept = later if _mistaken(one.delivery, now) else one.delivery.due_at
                one.delivery.due_at = max(later, kept)
            continue
        for one in heap:
            one.delivery.tries += 1
            one.delivery.due_at = now + next_try(one.delivery.tries, jitter())
        digest = kind != "alert"
        letters.append(
            Letter(
                deliveries=tuple(one.delivery.id for one in heap),
                channel=channel.id,
                family=family.id,
                url=channel.url,
                language=person.language,
                says=channel.says,
                digest=digest,
                count=_unanswered(session, family.id) if digest else len(heap),
                urgent=urgent,
                silent=digest and silent(family),
            )
        )
    session.flush()
    return letters


def sent(session: orm.Session, letter: Letter, now: datetime) -> None:
    """The service took it."""
    for delivery in _rows(session, letter.deliveries):
        delivery.sent_at = now
        delivery.problem = None
    channel = session.get(Channel, letter.channel)
    if channel is not None:
        channel.problem = None
    audit(
        session,
        "delivery.sent",
        at=now,
        family=letter.family,
        subject=f"channel:{letter.channel}",
        kind="digest" if letter.digest else "alert",
        things=len(letter.deliveries),
    )


def failed(session: orm.Session, letter: Letter, problem: str, now: datetime) -> bool:
    """The service did not take it: tried again later, until it is given up after days. True if that has come.

    `problem`: what the settings page shows, without anything of the address.
    """
    over = False
    for delivery in _rows(session, letter.deliveries):
        delivery.problem = problem
        if delivery.tries >= _GIVE_UP_TRIES and now - delivery.created_at >= GIVE_UP_AFTER:
            delivery.given_up_at = now
            over = True
    channel = session.get(Channel, letter.channel)
    if channel is not None:
        channel.problem = problem
    if over:
        audit(
            session,
            "delivery.given_up",
            at=now,
            family=letter.family,
            subject=f"channel:{letter.channel}",
            problem=problem,
        )
    return over


def _drop_unwanted(session: orm.Session, now: datetime) -> None:
    """What was answered, or seen by this very person, or goes to a channel that is off, is not sent any more."""
    unwanted = (
        sa.select(Delivery.id)
        .join(Channel, Channel.id == Delivery.channel)
        .join(Person, Person.id == Channel.person)
        .outerjoin(Alert, Alert.id == Delivery.alert)
        .where(
            _WAITING,
            sa.or_(
                ~Channel.enabled,
                Person.removed_at.is_not(None),
                Alert.state.in_(("fine", "talked", "reported")),
                sa.and_(Alert.state == "seen", Alert.state_by == Person.id),
            ),
        )
    )
    ids = session.scalars(unwanted).all()
    if ids:
        session.execute(sa.update(Delivery).where(Delivery.id.in_(ids)).values(given_up_at=now, problem=None))


def _at_least(least: orm.InstrumentedAttribute[str]) -> sa.ColumnElement[bool]:
    return sa.or_(
        *(sa.and_(least == one, Alert.level.in_(_LEVELS[_LEVELS.index(one) :])) for one in _LEVELS),
    )


def _mistaken(delivery: Delivery, now: datetime) -> bool:
    return delivery.due_at > now + _NO_LATER


def _due(delivery: Delivery, now: datetime) -> bool:
    return delivery.due_at <= now or _mistaken(delivery, now)


def _later(
    session: orm.Session, channel: int, kind: str, now: datetime, quiet_until: datetime | None
) -> datetime | None:
    """When something that is not urgent may go; None if now."""
    if quiet_until is not None:
        return quiet_until
    if kind != "alert":
        return None
    last = session.scalar(
        sa.select(sa.func.max(Delivery.sent_at)).where(Delivery.channel == channel, Delivery.kind == "alert")
    )
    return last + APART if last is not None and timedelta(0) <= now - last < APART else None


def _brings_in(session: orm.Session, family: int) -> bool:
    """Whether something is being read that may bring more."""
    reading = (
        sa.select(Import.id)
        .join(Child, Child.id == Import.child)
        .where(Child.family == family, Import.state.in_(("waiting", "reading")))
    )
    return session.scalar(reading.limit(1)) is not None


def _unanswered(session: orm.Session, family: int) -> int:
    return (
        session.scalar(
            sa.select(sa.func.count())
            .select_from(Alert)
            .join(Child, Child.id == Alert.child)
            .where(Child.family == family, Alert.state.in_(("new", "seen")))
        )
        or 0
    )


def _rows(session: orm.Session, ids: Sequence[int]) -> Iterable[Delivery]:
    return session.scalars(sa.select(Delivery).where(Delivery.id.in_(ids))).all()
