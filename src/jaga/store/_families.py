"""Families and children: making them, and what is asked of them again and again."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime

import msgspec
import sqlalchemy as sa
from sqlalchemy import orm

from jaga.errors import UsageError
from jaga.sources import zone_of
from jaga.store._audit import audit
from jaga.store._settings import FamilySettings
from jaga.store._tables import Child, ChildAccount, Conversation, Family, Message, Relationship

__all__ = ["BANDS", "add_account", "add_child", "add_family", "ids_of", "tell_child"]

BANDS = ("under10", "10-12", "13-15", "16-17")
_BIRTH = re.compile(r"^\d{4}-(0[1-9]|1[0-2])$")


def add_family(session: orm.Session, name: str, *, zone: str, country: str, now: datetime) -> Family:
    """A new household. `zone`: IANA name or offset such as +08:00; `country`: code such as "my". Raises: UsageError for an unknown zone."""
    try:
        zone_of(zone)
    except (KeyError, ValueError, OSError) as error:
        raise UsageError(f"no time zone {zone!r}", remedy='use a name such as "Asia/Kuala_Lumpur"') from error
    family = Family(
        name=name, zone=zone, country=country, created_at=now, settings=msgspec.to_builtins(FamilySettings())
    )
    session.add(family)
    session.flush()
    audit(session, "family.added", at=now, family=family.id, subject=f"family:{family.id}")
    return family


def add_child(
    session: orm.Session,
    family_id: int,
    name: str,
    *,
    birth: str | None = None,
    band: str | None = None,
    accounts: Iterable[tuple[str | None, str]] = (),
    by: int | None,
    now: datetime,
) -> Child:
    """A child who was not told yet: nothing is read before `tell_child`.

    `birth`: year and month; else `band`, one of BANDS. `accounts`: (platform or None for all, author id or name).
    Raises: UsageError.
    """
    if birth is not None and not _BIRTH.match(birth):
        raise UsageError(f"{birth!r} is no year and month", remedy='write it as "2013-05"')
    if band is not None and band not in BANDS:
        raise UsageError(f"no age band {band!r}", remedy=f"one of {', '.join(BANDS)}")
    child = Child(
        family=family_id, name=name, birth=birth, band=band, created_at=now, told_at=None, told_by=None, settings={}
    )
    session.add(child)
    session.flush()
    audit(session, "child.added", at=now, family=family_id, person=by, subject=f"child:{child.id}")
    for platform, author in accounts:
        add_account(session, child.id, platform, author)
    return child


def add_account(session: orm.Session, child_id: int, platform: str | None, author: str) -> None:
    """An author id or name of the child; nothing happens if it is known.

    Where somebody of that id was taken for a contact so far, everyone there is judged anew at the next import.
    """
    known = session.scalar(
        sa.select(ChildAccount.id).where(
            ChildAccount.child == child_id, ChildAccount.platform.is_(platform), ChildAccount.author == author
        )
        if platform is None
        else sa.select(ChildAccount.id).where(
            ChildAccount.child == child_id, ChildAccount.platform == platform, ChildAccount.author == author
        )
    )
    if known is None:
        session.add(ChildAccount(child=child_id, platform=platform, author=author))
        session.flush()
        if session.scalar(
            sa.select(Relationship.id).where(Relationship.child == child_id, Relationship.contact == author)
        ):
            there = sa.select(Message.conversation).where(Message.child == child_id, Message.author == author)
            session.execute(
                sa.update(Conversation)
                .where(Conversation.child == child_id, Conversation.id.in_(there))
                .values(stale=True)
                .execution_options(synchronize_session=False)
            )


def ids_of(session: orm.Session, child_id: int) -> tuple[str, ...]:
    """The child's author ids, in the order in which they became known."""
    found = session.scalars(
        sa.select(ChildAccount.author).where(ChildAccount.child == child_id).order_by(ChildAccount.id)
    )
    return tuple(dict.fromkeys(found))


def tell_child(session: orm.Session, child_id: int, *, by: int | None, now: datetime) -> None:
    """Note that the child was told that Jaga is there, and by whom. The first time stands. Raises: UsageError."""
    child = session.get(Child, child_id)
    if child is None:
        raise UsageError("no such child", remedy="look it up anew")
    if child.told_at is None:
        child.told_at, child.told_by = now, by
        audit(session, "child.told", at=now, family=child.family, person=by, subject=f"child:{child_id}")
