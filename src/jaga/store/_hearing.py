"""A child's engine over the rows of the store: loads what is known, hears messages in time order, saves what became of it.

Why it is done so: docs/decisions/0009-store.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta, timezone
from itertools import islice
from typing import Any, TypeVar

import msgspec
import sqlalchemy as sa
from sqlalchemy import orm

from jaga.assessment import PUBLIC, Assessment, Level, Tuning
from jaga.engine import Engine
from jaga.records import Account, Conversation, Message
from jaga.store import _tables as t
from jaga.store._facts import Facts

__all__ = ["Hearing", "Known", "Place", "in_parts", "micros", "pack", "plain"]

_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MICROSECOND = timedelta(microseconds=1)
# Half an emoji, and the zero that PostgreSQL's text cannot hold: broken exports have both.
_UNFIT = re.compile("[\0\ud800-\udfff]")
_T = TypeVar("_T")
_encoder = msgspec.msgpack.Encoder()


def micros(time: datetime) -> int:
    """Whole microseconds since 1970, as UtcTime stores them."""
    return (time - _EPOCH) // _MICROSECOND


def plain(text: str) -> str:
    """A text as both databases can hold it."""
    return text if text.isascii() and "\0" not in text else _UNFIT.sub("\ufffd", text)


def in_parts(items: Iterable[_T], size: int) -> Iterator[list[_T]]:
    """Lists of at most `size`."""
    source = iter(items)
    while part := list(islice(source, size)):
        yield part


def pack(record: Message | Assessment) -> bytes:
    """As MessagePack. Half an emoji, which it cannot hold, becomes U+FFFD."""
    try:
        return _encoder.encode(record)
    except UnicodeEncodeError:
        return _encoder.encode(_whole(msgspec.to_builtins(record, builtin_types=(bytes, datetime))))


def _whole(value: Any) -> Any:
    if isinstance(value, str):
        return _UNFIT.sub("\ufffd", value)
    if isinstance(value, dict):
        return {_whole(key): _whole(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_whole(one) for one in value]
    return value


class Place:
    """A conversation and how far it was heard."""

    __slots__ = ("base", "base_at", "last_at", "record", "row", "stale")

    def __init__(self, row: int, record: Conversation | None, last_at: datetime | None, stale: bool) -> None:
        self.row = row
        # None: no export describes it.
        self.record = record
        self.last_at = last_at
        self.stale = stale
        # What stood last where it is folded up to, and when that was, as long as older messages are heard: not after it.
        self.base: bytes | None = None
        self.base_at: datetime | None = None


class Known:
    """What is known of a relationship beside the engine's state."""

    __slots__ = ("facts", "row", "stale", "told")

    def __init__(self, row: int | None, told: Level, stale: bool, facts: Facts) -> None:
        self.row = row
        self.told = told
        self.stale = stale
        self.facts = facts


class Hearing:
    """One child's engine, filled from the store for some conversations.

    `folded`: start from what is folded (the `base` columns) instead of from everything heard. `deaf`: without ears, for who hears nothing.
    """

    def __init__(
        self,
        child: int,
        ids: Sequence[str],
        zone: str,
        *,
        tuning: Tuning | None = None,
        folded: bool = False,
        deaf: bool = False,
    ) -> None:
        self.child = child
        self.ids = tuple(ids)
        self.engine = Engine(child=self.ids, zone=zone, tuning=tuning, detectors=() if deaf else None)
        self._assessor = self.engine._assessor
        self._observe = self._assessor.observe
        self._folded = folded
        self.places: dict[str, Place] = {}
        self.known: dict[str, Known] = {}
        # What has to be saved.
        self.heard_in: set[str] = set()
        self.touched: set[str] = set()

    # ------------------------------------------------------------ loading

    def load(self, session: orm.Session, conversations: Iterable[str], authors: Iterable[str]) -> None:
        """Take in conversations (by digest) and the relationships that messages of `authors` in them can belong to."""
        wanted = dict.fromkeys(authors)
        for part in in_parts(conversations, 500):
            rows = session.execute(
                sa.select(
                    *(t.Conversation.digest, t.Conversation.id, t.Conversation.record, t.Conversation.last_at),
                    *(t.Conversation.stale, t.Conversation.base if self._folded else t.Conversation.state),
                ).where(t.Conversation.child == self.child, t.Conversation.digest.in_(part))
            )
            for digest, row, stored, last_at, stale, state in rows:
                record = msgspec.convert(stored, Conversation) if stored else None
                if record is not None:
                    self.engine.know(record)
                    wanted.update(dict.fromkeys(record.participants))
                    if record.kind == "public":
                        wanted[PUBLIC] = None
                self.places[digest] = Place(row, record, None if self._folded else last_at, stale and not self._folded)
                if state is not None:
                    self.engine.restore_conversation(state)
                    last = self._assessor._last.get(digest)
                    if last is not None:
                        wanted[last[0]] = None
                    if self._folded:
                        self._set_aside(digest, state)
        names = self._names(session, wanted)
        for part in in_parts(wanted, 500):
            found = session.scalars(
                sa.select(t.Relationship).where(t.Relationship.child == self.child, t.Relationship.contact.in_(part))
            )
            for one in found:
                state, facts = one.state, one.facts
                if self._folded:
                    state, facts = (one.base["state"], one.base["facts"]) if one.base else (b"", {})
                told: Level = one.told  # type: ignore[assignment]
                self.known[one.contact] = Known(one.id, told, one.stale and not self._folded, Facts(facts))
                if state:
                    self.engine.restore_relationship(state)
                    relationship = self._assessor.relationships[one.contact]
                    name = names.get((next(iter(relationship.platforms), ""), one.contact))
                    relationship.contact_name = name or relationship.contact_name

    def _names(self, session: orm.Session, contacts: Iterable[str]) -> dict[tuple[str, str], str]:
        names: dict[tuple[str, str], str] = {}
        for part in in_parts(contacts, 500):
            for platform, author, name in session.execute(
                sa.select(t.Account.platform, t.Account.author, t.Account.name).where(
                    t.Account.child == self.child, t.Account.author.in_(part)
                )
            ):
                self.engine.know(Account(id=author, platform=platform, name=name))
                if name:
                    names[platform, author] = name
        return names

    def _set_aside(self, digest: str, state: bytes) -> None:
        place = self.places[digest]
        thread = self._assessor._threads._threads[digest]
        times = [one.sent_at for one in (*thread.by_author.values(), thread.child, thread.contact) if one is not None]
        if digest in self._assessor._last:
            times.append(self._assessor._last[digest][1])
        if times:
            place.base, place.base_at = state, max(times)
            self._assessor.forget_conversation(digest)

    def _put_back(self, place: Place) -> None:
        assert place.base is not None
        self.engine.restore_conversation(place.base)
        place.base = place.base_at = None

    # ------------------------------------------------------------ hearing

    def hear(self, message: Message) -> Assessment | None:
        """Take in a message. The relationship's assessment if its level rose by messages that came in order.

        A message older than what was heard of its conversation makes that stale, and one older than what was heard of its
        relationship makes that stale: both are then to be judged anew, and tell nothing until they are.
        """
        place = self.places[message.conversation]
        if place.stale:
            return None
        if place.last_at is not None and message.sent_at < place.last_at:
            self._disorder(message.conversation, place)
            return None
        if place.base_at is not None and message.sent_at >= place.base_at:
            self._put_back(place)
        place.last_at = message.sent_at
        self.heard_in.add(message.conversation)
        risen = self._observe(message)
        latest = self._assessor.latest
        if latest is None:
            return None
        relationship, by, ordinal, hour = latest
        contact = relationship.contact
        known = self.known.get(contact)
        if known is None:
            known = self.known[contact] = Known(None, "none", False, Facts())
        facts = known.facts
        if facts.last_at is not None and facts.is_late(message):
            known.stale = True
        facts.count(message, by, ordinal, hour, group=place.record is not None and place.record.kind == "group")
        if self._folded:
            # Older than what is folded: it does not make the relationship end earlier.
            relationship.last_at = facts.last_at
            if relationship.first_at is None or message.sent_at < relationship.first_at:
                relationship.first_at = message.sent_at
        self.touched.add(contact)
        return None if known.stale else risen

    def end(self) -> None:
        """After the last message: what is folded stands last where nothing newer came."""
        for place in self.places.values():
            if place.base is not None:
                self._put_back(place)

    def _disorder(self, digest: str, place: Place) -> None:
        place.stale = True
        self.heard_in.add(digest)
        for contact, known in self.known.items():
            if digest in known.facts.conversations:
                known.stale = True
                self.touched.add(contact)

    # ------------------------------------------------------------ saving

    def values(self, contact: str) -> dict[str, Any]:
        """The columns of a relationship as they are now."""
        relationship = self._assessor.relationships[contact]
        known = self.known[contact]
        assessment = relationship.assessment()
        facts = known.facts.stored()
        facts["heard"] = {name: tactic.groups for name, tactic in relationship._tactics.items()}
        return {
            "name": None if assessment.contact_name is None else plain(assessment.contact_name),
            "state": self.engine.save_relationship(contact, conversations=False),
            "assessment": pack(assessment),
            "level": assessment.level,
            "score": assessment.score,
            "messages": assessment.messages,
            "first_at": assessment.first_at,
            "last_at": assessment.last_at,
            "facts": _whole(facts),
            "told": known.told,
            "stale": known.stale,
        }

    def told(self) -> list[Assessment]:
        """How those look that were touched and that the family was told of."""
        return [
            self._assessor.relationships[contact].assessment()
            for contact in sorted(self.touched)
            if self.known[contact].told != "none" and contact in self._assessor.relationships
        ]

    def save(self, session: orm.Session) -> None:
        """Write what was touched since the last time."""
        if self.heard_in:
            session.execute(
                sa.update(t.Conversation),
                [
                    {
                        "id": self.places[digest].row,
                        "state": self.engine.save_conversation(digest),
                        "last_at": self.places[digest].last_at,
                        "stale": self.places[digest].stale,
                    }
                    for digest in sorted(self.heard_in)
                ],
            )
        old: list[dict[str, Any]] = []
        new: list[dict[str, Any]] = []
        for contact in sorted(self.touched):
            row = self.known[contact].row
            if row is None:
                new.append({"child": self.child, "contact": contact, "base": None, **self.values(contact)})
            elif contact in self._assessor.relationships:
                old.append({"id": row, **self.values(contact)})
            else:
                old.append({"id": row, "stale": self.known[contact].stale})
        for changes in _alike(old):
            session.execute(sa.update(t.Relationship), changes)
        if new:
            rows = session.execute(sa.insert(t.Relationship).returning(t.Relationship.id, t.Relationship.contact), new)
            for row, contact in rows:
                self.known[contact].row = row
        self.heard_in.clear()
        self.touched.clear()

    def save_folded(self, session: orm.Session) -> None:
        """Write what was touched as that from which judging anew starts."""
        session.execute(
            sa.update(t.Conversation),
            [
                {"id": self.places[digest].row, "base": self.engine.save_conversation(digest)}
                for digest in sorted(self.heard_in)
            ],
        )
        bases = []
        for contact in sorted(self.touched):
            known = self.known[contact]
            # Whoever has messages was judged, and has a row.
            assert known.row is not None
            state = self.engine.save_relationship(contact, conversations=False)
            bases.append({"id": known.row, "base": {"state": state, "facts": _whole(known.facts.stored())}})
        if bases:
            session.execute(sa.update(t.Relationship), bases)


def _alike(changes: list[dict[str, Any]]) -> Iterator[list[dict[str, Any]]]:
    """By which columns they have: one statement serves only equal ones."""
    by_columns: dict[frozenset[str], list[dict[str, Any]]] = {}
    for change in changes:
        by_columns.setdefault(frozenset(change), []).append(change)
    yield from by_columns.values()
