"""Today: calm by default; what needs somebody, the gravest first; what was not heard of; the week in a line per child."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import orm

from jaga.family.home._heard import heard_of
from jaga.family.home._present import (
    LEVEL_ORDER,
    ago,
    app_name,
    children_of,
    contact_name,
    listed,
    shown_name,
)
from jaga.family.home._web import Visitor, back, house_of, language_of, page, visitor
from jaga.family.sentences import level_words, risk_words
from jaga.store import load_assessment
from jaga.store._tables import Alert, Channel, Child, Import, Person, Relationship
from jaga.words import Words, words

router = APIRouter()

OPEN = ("new", "seen")
# An app not brought in for longer than this may hold what nobody knows.
_QUIET = timedelta(days=21)
_WEEK = timedelta(days=7)
# More than this on one page is no help; the rest is counted and reached by a link.
_SHOWN = 20


@router.get("/")
def today(request: Request, who: Annotated[Visitor, Depends(visitor)]) -> Response:
    if who.is_child:
        return back("/me")
    house = house_of(request)
    now = house.now()
    say = words(language_of(request))
    with house.store.session(read_only=True) as session:
        children = children_of(session, who)
        names = {child.id: shown_name(child.name) for child in children}
        needs, more = _open_alerts(session, names, say, now)
        return page(
            request,
            "today.html",
            needs=needs,
            more=more,
            failed=_troubled_imports(session, names, say, now),
            silent=[
                shown_name(one.name)
                for one in session.scalars(
                    sa.select(Channel)
                    .join(Person, Person.id == Channel.person)
                    .where(Person.family == who.family.id, Channel.enabled, Channel.problem.is_not(None))
                )
            ],
            asks=[
                {"id": row.id, "name": shown_name(row.name), "child": names[row.child]}
                for row in session.scalars(
                    sa.select(Import)
                    .where(Import.child.in_(names), Import.state == "failed")
                    .order_by(Import.id.desc())
                    .limit(50)
                )
                if row.people
            ],
            quiet=[line for child in children if (line := _not_heard(session, child, names, say, now)) is not None],
            week=[_week(session, child, names, say, now) for child in children],
            children=children,
        )


def _open_alerts(
    session: orm.Session, names: dict[int, str], say: Words, now: datetime
) -> tuple[list[dict[str, Any]], int]:
    """One entry per relationship, its gravest open alert first; and how many relationships are left out."""
    # Of every open alert only what decides which are shown: whole ones are large.
    found = session.execute(
        sa.select(Alert.id, Alert.relationship, Alert.level, Alert.at)
        .where(Alert.child.in_(names), Alert.state.in_(OPEN))
        .order_by(Alert.at.desc())
    ).all()
    grouped: dict[int, list[Any]] = {}
    for row in found:
        grouped.setdefault(row.relationship, []).append(row)
    gravest = [
        (max(alerts, key=lambda one: (LEVEL_ORDER[one.level], one.at)), len(alerts)) for alerts in grouped.values()
    ]
    gravest.sort(key=lambda one: (-LEVEL_ORDER[one[0].level], -one[0].at.timestamp()))
    counts = {row.id: count for row, count in gravest[:_SHOWN]}
    rows = {
        alert.id: (alert, name)
        for alert, name in session.execute(
            sa.select(Alert, Relationship.name)
            .join(Relationship, Relationship.id == Alert.relationship)
            .where(Alert.id.in_(counts))
        )
    }
    needs = []
    for identity, count in counts.items():
        alert, name = rows[identity]
        assessment = load_assessment(alert.assessment)
        needs.append(
            {
                "id": alert.id,
                "level": alert.level,
                "level_words": level_words(say, alert.level),
                "risk": risk_words(say, assessment.risk_type),
                "contact": contact_name(say, name or assessment.contact_name, assessment.contact),
                "child": names[alert.child],
                "ago": ago(say, alert.at, now),
                "new": alert.state == "new",
                "earlier": count - 1,
            }
        )
    return needs, max(0, len(gravest) - _SHOWN)


def _troubled_imports(session: orm.Session, names: dict[int, str], say: Words, now: datetime) -> list[dict[str, Any]]:
    """Imports of the last week that failed or lost something."""
    rows = session.scalars(
        sa.select(Import)
        .where(Import.child.in_(names), Import.asked_at > now - _WEEK)
        .order_by(Import.id.desc())
        .limit(50)
    )
    troubled = []
    for one in rows:
        if one.people:
            # It waits for an answer, which the page asks for by itself.
            continue
        lost = sum(item.get("skipped", 0) for item in one.inputs or ())
        unknown = any(item.get("source") is None for item in one.inputs or ())
        if one.state == "failed" or lost or unknown:
            troubled.append(
                {
                    "id": one.id,
                    "name": shown_name(one.name),
                    "child": names[one.child],
                    "failed": one.state == "failed",
                    "unknown": unknown,
                    "lost": lost,
                    "ago": ago(say, one.asked_at, now),
                }
            )
    return troubled[:5]


def _not_heard(
    session: orm.Session, child: Child, names: dict[int, str], say: Words, now: datetime
) -> dict[str, Any] | None:
    """A child's apps that were brought in once, and not for long."""
    heard = heard_of(session, child.id)
    if not heard:
        return {"child": names[child.id], "apps": "", "id": child.id}
    apps = [app_name(one.platform) for one in heard if now - one.brought_at > _QUIET]
    return {"child": names[child.id], "apps": listed(say, apps), "id": child.id} if apps else None


def _week(session: orm.Session, child: Child, names: dict[int, str], say: Words, now: datetime) -> dict[str, Any]:
    since = now - _WEEK
    messages = session.scalar(
        sa.select(sa.func.coalesce(sa.func.sum(Import.new), 0)).where(Import.child == child.id, Import.asked_at > since)
    )
    contacts = session.scalar(
        sa.select(sa.func.count())
        .select_from(Relationship)
        .where(Relationship.child == child.id, Relationship.first_at > since)
    )
    alerts = session.scalar(
        sa.select(sa.func.count()).select_from(Alert).where(Alert.child == child.id, Alert.at > since)
    )
    parts = [
        say.plural("{count} new message read", "{count} new messages read", messages or 0),
        say.plural("{count} new contact", "{count} new contacts", contacts or 0),
        say.plural("{count} alert", "{count} alerts", alerts or 0) if alerts else say("no alert"),
    ]
    return {"id": child.id, "child": names[child.id], "words": listed(say, parts)}
