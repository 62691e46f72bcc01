"""The queue's other end: what is due goes out, and what came of it is written down."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, time, timedelta, timezone, tzinfo

import msgspec
import sqlalchemy as sa
from sqlalchemy import orm

from jaga.errors import UsageError
from jaga.family.notify._hours import last_weekly, quiet_until
from jaga.family.notify._send import Message, send
from jaga.family.notify._text import text_of, trial_text
from jaga.sources import zone_of
from jaga.store import Store, audit, settings_of
from jaga.store._deliveries import claim, failed, plan_alerts, plan_digest, sent
from jaga.store._tables import Channel, Child, Family, Import, Person
from jaga.words import words

__all__ = ["Delivered", "deliver", "plan", "send_trial"]

# A machine that was off over the week's end still sends the digest, but not days later.
_STALE = timedelta(days=2)
_WEEK = timedelta(days=7)


class Delivered(msgspec.Struct, frozen=True, kw_only=True):
    """What one round did, in messages."""

    sent: int
    failed: int
    given_up: int


def plan(store: Store, now: datetime) -> None:
    """Put into the queue what is to be told: alerts, and the digests of the week."""
    with store.session() as session:
        plan_alerts(session, now)
        for family in session.scalars(sa.select(Family)).all():
            settings, zone = settings_of(family), _zone(family)
            if settings.digest_weekday is None:
                continue
            moment = last_weekly(now, zone, settings.digest_weekday, time.fromisoformat(settings.digest_at))
            if now - moment < _STALE:
                day = moment.astimezone(zone).date()
                plan_digest(session, family.id, moment, f"digest:{day.isoformat()}", now)


def deliver(
    store: Store,
    now: Callable[[], datetime],
    *,
    home: str,
    post: Callable[[Message], str | None] = send,
    jitter: Callable[[], float] = random.random,
    stopping: Callable[[], bool] = lambda: False,
) -> Delivered:
    """Plan, then send what is due, one message for each channel. `home`: where the pages are; a family's own address goes before it.

    `post` sends one message and returns None or what went wrong (as `send`).
    """
    with store.session(read_only=True) as session:
        if session.scalar(sa.select(Channel.id).where(Channel.enabled).limit(1)) is None:
            return Delivered(sent=0, failed=0, given_up=0)
    plan(store, now())
    with store.session() as session:
        at = now()
        letters = claim(
            session,
            at,
            quiet_until=lambda family: _quiet(family, at),
            silent=lambda family: _silent(session, family.id, at),
            jitter=jitter,
        )
        addresses = {one.family: settings_of(_family(session, one.family)).address or home for one in letters}
    good = bad = over = 0
    for letter in letters:
        if stopping():
            # Claimed already: it comes again after its wait, at the next start.
            break
        title, body = text_of(letter, words(letter.language), addresses[letter.family])
        problem = post(Message(url=letter.url, title=title, body=body))
        with store.session() as session:
            if problem is None:
                sent(session, letter, now())
                good += 1
            else:
                bad += 1
                over += failed(session, letter, problem, now())
    return Delivered(sent=good, failed=bad, given_up=over)


def send_trial(
    store: Store,
    channel: int,
    *,
    now: datetime,
    home: str,
    post: Callable[[Message], str | None] = send,
) -> str | None:
    """Send a trial to a channel at once. None if it was taken, else the problem, which is also noted at the channel.

    Raises: UsageError, if there is no such channel.
    """
    with store.session() as session:
        found = session.get(Channel, channel)
        if found is None:
            raise UsageError("there is no such channel")
        person = session.get(Person, found.person)
        assert person is not None
        address = settings_of(_family(session, person.family)).address or home
        title, body = trial_text(words(person.language), address)
        message = Message(url=found.url, title=title, body=body)
    problem = post(message)
    with store.session() as session:
        found = session.get(Channel, channel)
        if found is not None:
            found.problem = problem
        audit(
            session,
            "channel.tried",
            at=now,
            family=person.family,
            person=person.id,
            subject=f"channel:{channel}",
            problem=problem,
        )
    return problem


def _zone(family: Family) -> tzinfo:
    try:
        return zone_of(family.zone)
    except (KeyError, ValueError, OSError):
        # Alerts must go out whatever stands there.
        return timezone.utc


def _family(session: orm.Session, family: int) -> Family:
    found = session.get(Family, family)
    assert found is not None
    return found


def _quiet(family: Family, now: datetime) -> datetime | None:
    settings = settings_of(family)
    start, end = time.fromisoformat(settings.quiet_from), time.fromisoformat(settings.quiet_to)
    return quiet_until(now, _zone(family), start, end)


def _silent(session: orm.Session, family: int, now: datetime) -> bool:
    last = session.scalar(
        sa.select(sa.func.max(Import.done_at))
        .join(Child, Child.id == Import.child)
        .where(Child.family == family, Import.new > 0)
    )
    return last is None or now - last > _WEEK
