"""Judging anew what was heard out of order, or where more is known now about who is who: from what is kept, in time order."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from datetime import datetime

import msgspec
import sqlalchemy as sa
from sqlalchemy import orm

from jaga.assessment import LEVELS, PUBLIC, Assessment, Tuning
from jaga.records import Message
from jaga.store import _tables as t
from jaga.store._ages import settings_at
from jaga.store._alerts import grow_alerts, raise_alerts, settle
from jaga.store._audit import audit
from jaga.store._database import Store
from jaga.store._families import ids_of
from jaga.store._hearing import Hearing, in_parts
from jaga.store._settings import FamilySettings
from jaga.store._tuning import tuning_of

__all__ = ["rejudge", "retune", "tells"]


# Under this name the child's settings say by which tuning the relationships stand as they do.
TUNED = "tuned"
_NEUTRAL = Tuning().to_json().decode()


def tells(hearing: Hearing, risen: Assessment, settings: FamilySettings) -> bool:
    """Whether the family is told of a rise; notes that it was."""
    known = hearing.known[risen.contact]
    if known.stale or not settings.tells(risen.level) or LEVELS.index(risen.level) <= LEVELS.index(known.told):
        return False
    known.told = risen.level
    return True


def rejudge(store: Store, child_id: int, *, now: datetime) -> tuple[list[str], list[int]]:
    """Judge anew, in time order, every relationship that was heard out of order; their contacts, and the new alerts.

    What is kept is heard again after what is folded (see store._tables.Message). To be called while `Store.importing` is held.
    """
    with store.session(read_only=True) as session:
        child = session.get_one(t.Child, child_id)
        family = session.get_one(t.Family, child.family)
        settings = settings_at(family, child, now)
        ids = ids_of(session, child_id)
        again = _again(session, child_id, ids) if ids else None
        if again is None:
            return [], []
        contacts, conversations, rows = again
        hearing = Hearing(child_id, ids, family.zone, folded=True, tuning=tuning_of(session, family))
        hearing.load(session, conversations, contacts)
        own = set(
            session.scalars(
                sa.select(t.Relationship.contact).where(
                    t.Relationship.child == child_id, t.Relationship.contact.in_(ids)
                )
            )
        )
        for message in _kept(session, rows):
            hearing.hear(message)
        hearing.end()
    hearing.touched &= contacts
    # Whoever has nothing left of their own to be judged by stays as they were.
    gone = {one for one in contacts if one in hearing.known and one not in hearing.engine.contacts}
    hearing.touched -= gone
    for contact, known in hearing.known.items():
        known.stale = False
        if contact in contacts and contact not in gone:
            hearing.touched.add(contact)
    hearing.heard_in.update(hearing.places)
    with store.session() as session:
        risen = []
        for contact in sorted(hearing.touched):
            assessment = hearing.engine.assessment(contact)
            assert assessment is not None
            if tells(hearing, assessment, settings):
                risen.append(assessment)
        judged = sorted(hearing.touched)
        going_on = hearing.told()
        hearing.save(session)
        _let_go(session, child_id, sorted(gone | own))
        alerts = raise_alerts(session, child_id, risen, now=now)
        grow_alerts(session, child_id, going_on)
        settle(session, child_id)
        audit(session, "judged.anew", at=now, family=family.id, subject=f"child:{child_id}", relationships=len(judged))
    return judged, alerts


def retune(store: Store, child_id: int, *, now: datetime) -> list[int]:
    """Judge by what the family has set and answered since the last time, without hearing anything anew; the new alerts.

    To be called while `Store.importing` is held.
    """
    with store.session(read_only=True) as session:
        child = session.get_one(t.Child, child_id)
        family = session.get_one(t.Family, child.family)
        settings = settings_at(family, child, now)
        tuning = tuning_of(session, family)
        ids = ids_of(session, child_id)
        if not ids or child.settings.get(TUNED, _NEUTRAL) == tuning.to_json().decode():
            return []
        rows = session.execute(
            sa.select(t.Relationship.contact, t.Relationship.level).where(t.Relationship.child == child_id)
        )
        levels = dict(rows.all())
        # Nothing is heard, so no ears are needed.
        hearing = Hearing(child_id, ids, family.zone, tuning=tuning, deaf=True)
        hearing.load(session, (), levels)
    risen: list[Assessment] = []
    for contact, level in levels.items():
        assessment = hearing.engine.assessment(contact)
        if assessment is not None and assessment.level != level:
            hearing.touched.add(contact)
            if tells(hearing, assessment, settings):
                risen.append(assessment)
    with store.session() as session:
        hearing.save(session)
        alerts = raise_alerts(session, child_id, risen, now=now)
        child = session.get_one(t.Child, child_id)
        child.settings = {**child.settings, TUNED: tuning.to_json().decode()}
    return alerts


def _again(
    session: orm.Session, child: int, ids: Sequence[str]
) -> tuple[set[str], dict[str, None], dict[str, int]] | None:
    """Whom to judge anew, in which conversations (digest, and digest to row), or None if nothing is stale."""
    places = {
        digest: (row, kind, record)
        for digest, row, kind, record in session.execute(
            sa.select(t.Conversation.digest, t.Conversation.id, t.Conversation.kind, t.Conversation.record).where(
                t.Conversation.child == child, t.Conversation.stale.is_(True)
            )
        )
    }
    contacts = set(
        session.scalars(
            sa.select(t.Relationship.contact).where(t.Relationship.child == child, t.Relationship.stale.is_(True))
        )
    )
    if not places and not contacts:
        return None
    for row, kind, record in places.values():
        contacts.update(session.scalars(sa.select(t.Message.author).where(t.Message.conversation == row).distinct()))
        if kind == "public":
            contacts.add(PUBLIC)
        contacts.update(record.get("participants", ()))
    contacts.difference_update(ids)
    contacts.discard("")
    wanted = dict.fromkeys(places)
    for part in in_parts(sorted(contacts), 500):
        for facts in session.scalars(
            sa.select(t.Relationship.facts).where(t.Relationship.child == child, t.Relationship.contact.in_(part))
        ):
            wanted.update(dict.fromkeys(facts.get("conversations", ())))
    rows: dict[str, int] = {}
    for part in in_parts(wanted, 500):
        for digest, row in session.execute(
            sa.select(t.Conversation.digest, t.Conversation.id).where(
                t.Conversation.child == child, t.Conversation.digest.in_(part)
            )
        ):
            rows[digest] = row
    return contacts, wanted, rows


_message = msgspec.msgpack.Decoder(Message)


def _kept(session: orm.Session, rows: dict[str, int]) -> Iterator[Message]:
    """Messages kept and not folded, in the order of the store: time, conversation, as taken in."""
    digests = {row: digest for digest, row in rows.items()}
    chosen = sa.select(t.Message.conversation, t.Message.sent_at, t.Message.record).where(t.Message.folded.is_(False))
    if len(rows) == 1:
        chosen = chosen.where(t.Message.conversation == next(iter(rows.values())))
    else:
        chosen = chosen.where(t.Message.conversation.in_(sa.bindparam("rows", expanding=True)))
    found = session.execute(
        chosen.order_by(t.Message.sent_at, t.Message.id).execution_options(yield_per=2_000),
        {"rows": list(rows.values())} if len(rows) != 1 else {},
    )
    same: list[tuple[str, bytes]] = []
    now: datetime | None = None
    with closing(found):
        for conversation, sent_at, record in found:
            if sent_at != now:
                yield from _decoded(same)
                same, now = [], sent_at
            same.append((digests[conversation], record))
        yield from _decoded(same)


def _decoded(same: list[tuple[str, bytes]]) -> Iterator[Message]:
    if len(same) > 1:
        same.sort(key=lambda one: one[0])
    for _, record in same:
        yield _message.decode(record)


def _let_go(session: orm.Session, child: int, contacts: Sequence[str]) -> None:
    """Relationships without messages: they go, unless the family was told of them."""
    for contact in contacts:
        row = session.scalar(
            sa.select(t.Relationship).where(t.Relationship.child == child, t.Relationship.contact == contact)
        )
        if row is None:
            continue
        told = session.scalar(sa.select(sa.func.count()).where(t.Alert.relationship == row.id))
        if told or row.base:
            row.stale = False
        else:
            session.delete(row)
