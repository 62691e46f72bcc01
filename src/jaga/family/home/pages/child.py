"""Children: what a child tells everyone, how to take it back, how they are; and what Jaga does not read."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from datetime import date, datetime, timedelta, tzinfo
from importlib import resources
from typing import Annotated, Any

import msgspec
import sqlalchemy as sa
from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import orm

from jaga.assessment import PUBLIC
from jaga.family.home._charts import hours_chart
from jaga.family.home._disclosure import Shown, shown
from jaga.family.home._heard import heard_of
from jaga.family.home._present import (
    BANDS,
    age_of,
    ago,
    app_name,
    children_of,
    contact_name,
    cut,
    day_words,
    shown_name,
    zone_of_family,
)
from jaga.family.home._web import Visitor, grown_up, house_of, language_of, own_child, page
from jaga.family.sentences import group_words, level_words, when
from jaga.signals import Actor
from jaga.store import audit
from jaga.store._ages import band_of
from jaga.store._tables import Alert, Child, Conversation, Relationship, Trusted
from jaga.words import LANGUAGES, Words, words

router = APIRouter()

_POSTS = 30
_NIGHT = (23, 0, 1, 2, 3, 4)
# Fewer messages than this have no hours to speak of.
_LITTLE = 50
# Contacts heard of since then say how the child is now.
_RECENT = timedelta(days=92)


class _Removing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    schema: int
    checked_on: date
    # App, or "any", to steps in English.
    apps: dict[str, tuple[str, ...]]


@functools.cache
def removing() -> _Removing:
    raw = (resources.files("jaga.family.home") / "removing.toml").read_bytes()
    return msgspec.toml.decode(raw, type=_Removing)


class _Piece(msgspec.Struct, frozen=True):
    """What of jaga.assessment.Evidence is asked here."""

    message: str
    conversation: str
    sent_at: datetime
    text: str
    group: str
    language: str | None = None


class _Finding(msgspec.Struct, frozen=True):
    tactic: str
    by: Actor
    count: int
    first_at: datetime
    evidence: tuple[_Piece, ...]


class _Heard(msgspec.Struct, frozen=True):
    """The part of an assessment that these pages read: of two thousand contacts, the rest would be built in vain."""

    tactics: tuple[_Finding, ...]


_decoder = msgspec.msgpack.Decoder(_Heard)


@router.get("/children")
def children(request: Request, who: Annotated[Visitor, Depends(grown_up)]) -> Response:
    house = house_of(request)
    now = house.now()
    say = words(language_of(request))
    with house.store.session(read_only=True) as session:
        found = children_of(session, who)
        open_alerts: dict[int, int] = {}
        for child, count in session.execute(
            sa.select(Alert.child, sa.func.count())
            .where(Alert.child.in_([one.id for one in found]), Alert.state.in_(("new", "seen")))
            .group_by(Alert.child)
        ):
            open_alerts[child] = count
        contacts: dict[int, int] = {}
        for child, count in session.execute(
            sa.select(Relationship.child, sa.func.count())
            .where(Relationship.child.in_([one.id for one in found]), Relationship.contact != PUBLIC)
            .group_by(Relationship.child)
        ):
            contacts[child] = count
        return page(
            request,
            "children.html",
            children=[
                {
                    "id": one.id,
                    "name": shown_name(one.name),
                    "age": age_words(say, one, now.date()),
                    "alerts": open_alerts.get(one.id, 0),
                    "contacts": contacts.get(one.id, 0),
                }
                for one in found
            ],
        )


@router.get("/children/{child_id}")
def child(request: Request, child_id: int, who: Annotated[Visitor, Depends(grown_up)]) -> Response:
    house = house_of(request)
    now = house.now()
    say = words(language_of(request))
    zone = zone_of_family(who.family)
    with house.store.session(read_only=True) as session:
        one = own_child(session, who, child_id)
        name = shown_name(one.name)
        limits = shown(one, who.family, "watch", now.astimezone(zone).date())
        rows = session.execute(
            sa.select(Relationship.id, Relationship.contact, Relationship.name, Relationship.assessment).where(
                Relationship.child == one.id, Relationship.score > 0
            )
        ).all()
        heard = [(row, _decoder.decode(row.assessment)) for row in rows]
        posts = _posts(session, one, heard, say, zone, limits)
        values: dict[str, Any] = {
            "id": one.id,
            "name": name,
            "age": age_words(say, one, now.astimezone(zone).date()),
            "told": day_words(say, one.told_at, zone) if one.told_at else "",
            "posts": posts,
            "exposure": _exposure(heard, say, zone),
            "wellbeing": _wellbeing(heard, say, zone, older=band_of(one, now.date()).told_from != "watch"),
            "hours": _hours(session, one, say, name, now),
            "alerts": [
                {
                    "id": alert.id,
                    "words": level_words(say, alert.level),
                    "contact": contact_name(say, name, contact),
                    "at": when(alert.at, zone),
                    "level": alert.level,
                }
                for alert, name, contact in session.execute(
                    sa.select(Alert, Relationship.name, Relationship.contact)
                    .join(Relationship, Relationship.id == Alert.relationship)
                    .where(Alert.child == one.id)
                    .order_by(Alert.id.desc())
                    .limit(20)
                )
            ],
            "protected": [
                shown_name(trusted.who, trusted.contact)
                for trusted in session.scalars(
                    sa.select(Trusted).where(Trusted.child == one.id, Trusted.kind == "protected").limit(50)
                )
            ],
            "apps": [
                {"name": app_name(heard_app.platform), "ago": ago(say, heard_app.brought_at, now)}
                for heard_app in heard_of(session, one.id)
            ],
        }
    if posts["lines"] and limits.posts:
        with house.store.session() as session:
            audit(
                session,
                "child.posts",
                at=now,
                family=who.family.id,
                person=who.person.id,
                subject=f"child:{one.id}",
                posts=len(posts["lines"]),
            )
    return page(request, "child.html", **values)


def age_words(say: Words, child: Child, today: date) -> str:
    if child.birth is not None:
        age = age_of(child, today) or 0
        return say.plural("{count} year old", "{count} years old", age)
    if child.band not in BANDS:
        return ""
    return {
        "under10": say("under 10 years old"),
        "10-12": say("10 to 12 years old"),
        "13-15": say("13 to 15 years old"),
        "16-17": say("16 or 17 years old"),
    }[child.band]


_Rows = list[tuple[Any, _Heard]]


def _posts(session: orm.Session, child: Child, heard: _Rows, say: Words, zone: tzinfo, limits: Shown) -> dict[str, Any]:
    """What the child told everyone of themselves, newest first, and how to take it back in the apps it stands in."""
    pieces = [
        piece
        for row, assessment in heard
        if row.contact == PUBLIC
        for finding in assessment.tactics
        if finding.tactic == "personal_data" and finding.by == "child"
        for piece in finding.evidence
    ]
    pieces.sort(key=lambda piece: piece.sent_at, reverse=True)
    platforms = {
        row.digest: row.platform
        for row in session.scalars(
            sa.select(Conversation).where(
                Conversation.child == child.id, Conversation.digest.in_({piece.conversation for piece in pieces})
            )
        )
    }
    apps = dict.fromkeys(platforms[piece.conversation] for piece in pieces if piece.conversation in platforms)
    steps = removing().apps
    return {
        "lines": [
            {
                "when": when(piece.sent_at, zone),
                "who": app_name(platforms[piece.conversation]) if piece.conversation in platforms else "",
                "where": None,
                "text": cut(piece.text, 500) if limits.posts else "",
                "language": piece.language if piece.language in LANGUAGES else None,
                "attachments": (),
                "why": [group_words(say, "personal_data", piece.group)],
                "aside": False,
                "changed": False,
                "part": False,
            }
            for piece in pieces[:_POSTS]
        ],
        "words_held_back": bool(pieces) and not limits.posts,
        "remove": [
            {"app": app_name(app), "steps": [say(text) for text in steps.get(app, steps["any"])]} for app in apps
        ],
        "checked_on": removing().checked_on.isoformat(),
    }


def _by_group(heard: Iterable[tuple[Any, _Heard]], tactic: str) -> dict[str, list[Any]]:
    """Group to [messages, first, last, contacts], of what the child said; the clearest messages are what is counted."""
    found: dict[str, list[Any]] = {}
    for row, assessment in heard:
        for finding in assessment.tactics:
            if finding.tactic != tactic or finding.by != "child":
                continue
            for piece in finding.evidence:
                entry = found.setdefault(piece.group, [set(), piece.sent_at, piece.sent_at, set()])
                entry[0].add(piece.message)
                entry[1] = min(entry[1], piece.sent_at)
                entry[2] = max(entry[2], piece.sent_at)
                entry[3].add(row.contact)
    return found


def _exposure(heard: _Rows, say: Words, zone: tzinfo) -> list[dict[str, Any]]:
    """Personal details given to single contacts: kind, to how many, when last. Never the details themselves."""
    found = _by_group(((row, one) for row, one in heard if row.contact != PUBLIC), "personal_data")
    return [
        {
            "what": group_words(say, "personal_data", group),
            "contacts": say.plural("to {count} contact", "to {count} contacts", len(contacts)),
            "last": day_words(say, last, zone),
        }
        for group, (_messages, _first, last, contacts) in sorted(found.items(), key=lambda one: -len(one[1][3]))
    ]


def _wellbeing(heard: _Rows, say: Words, zone: tzinfo, *, older: bool) -> list[dict[str, Any]]:
    """Signs of distress by kind: how often and from when to when, without the child's words. The gravest kind first.

    Of an `older` child only the gravest: a bad day at sixteen is no parent's to read.
    """
    order = ("self_harm", "scared", "ashamed", "sad")
    found = _by_group(heard, "distress")
    return [
        {
            "what": group_words(say, "distress", group),
            "grave": group == "self_harm",
            "count": say.plural("{count} message", "{count} messages", len(messages)),
            "first": day_words(say, first, zone),
            "last": day_words(say, last, zone),
        }
        for group, (messages, first, last, _contacts) in sorted(
            found.items(), key=lambda one: order.index(one[0]) if one[0] in order else len(order)
        )
        if not older or group == "self_harm"
    ]


def _hours(session: orm.Session, child: Child, say: Words, name: str, now: datetime) -> dict[str, Any] | None:
    """When the child writes to contacts of the last months, and the share of it at night; None where there is too little."""
    hours = [0] * 24
    recent = sa.select(Relationship.id).where(Relationship.child == child.id, Relationship.last_at > now - _RECENT)
    for facts in session.scalars(sa.select(Relationship.facts).where(Relationship.id.in_(recent))):
        counted = facts.get("child_hours") or ()
        if len(counted) == 24:
            hours = [one + other for one, other in zip(hours, counted, strict=True)]
    total = sum(hours)
    if total < _LITTLE:
        return None
    night = sum(hours[hour] for hour in _NIGHT) / total
    return {
        "night": say(
            "{share} of {child}'s messages to contacts of the last three months were written between 23:00 and 5:00.",
            share=f"{round(100 * night)} %",
            child=name,
        ),
        "much": night >= 0.15,
        "chart": hours_chart(say, hours, say("When {child} writes", child=name)),
    }
