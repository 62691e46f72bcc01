"""The child's own page: what Jaga sees and does not see, what parents were told, who looked, what changes with age, who can help."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Form, Request, Response
from sqlalchemy import orm
from starlette.exceptions import HTTPException

from jaga.family.home._deeds import LOOKS, deed_words
from jaga.family.home._heard import heard_of
from jaga.family.home._present import app_name, day_words, shown_name, zone_of_family
from jaga.family.home._web import Visitor, back, house_of, language_of, page, visitor
from jaga.family.sentences import when
from jaga.guidance import load_guidance
from jaga.store import audit, settings_of
from jaga.store._ages import ADULT, AGES, age_on, band_of, consents, disclosed
from jaga.store._people import grown_ups
from jaga.store._tables import Alert, AuditLine, Child, Family, Person, Trusted
from jaga.words import Words, words

__all__ = ["router"]

router = APIRouter()


def a_child(request: Request) -> Visitor:
    """As a dependency of a page for a child's log-in alone."""
    found = visitor(request)
    if not found.is_child or found.person.child is None:
        raise HTTPException(403)
    return found


def told_kindly(say: Words, level: str, risk: str) -> str:
    """What parents were told, in words that accuse nobody: least of all the child."""
    about = {
        "grooming": say("somebody may not be as friendly as they seem"),
        "sextortion": say("somebody may be putting pressure on you"),
        "meeting": say("somebody may want to meet you in secret"),
        "image_selling": say("somebody may be using you"),
        "exposure": say("something about you can be seen by everyone"),
        "distress": say("you may be having a hard time"),
    }.get(risk, say("something in a chat may not be right"))
    if level == "urgent":
        return say("Your parents were asked to look after you today: {about}.", about=about)
    return say("Your parents were asked to have a look with you: {about}.", about=about)


def changes_with_age(say: Words, child: Child, today: date) -> list[dict[str, Any]]:
    """What holds now and what will, a line for each step of the table in jaga.store._ages."""
    age = age_on(child, today) or 0
    now = band_of(child, today)
    lines = {
        "under10": say("Your parents can see the messages that an alert is about, and two lines around them."),
        "10-12": say("Your parents can see the messages that an alert is about, and two lines around them."),
        "13-15": say(
            "From 13: small things are told without your words. If it counts, your parents see only the lines that it is about; around them only if it is urgent."
        ),
        "16-17": say(
            "From 16: small things are not told at all. If it counts, your parents hear that there is something, but see no words unless you allow it. Only if it is urgent do they see the messages."
        ),
    }
    rows = [
        {"text": lines[one.band], "now": one.band == now.band}
        for one in AGES
        if one.band != "under10" and (one.first > age or one.band == now.band)
    ]
    if now.band == "under10":
        rows = [{"text": lines["under10"], "now": True}, *(row for row in rows if row["text"] != lines["10-12"])]
    return [*rows, {"text": say("At {age} Jaga reads nothing of you any more.", age=ADULT), "now": age >= ADULT}]


def _looks(session: orm.Session, say: Words, who: Visitor, child: Child) -> list[dict[str, Any]]:
    """The last times somebody looked at something of this child's."""
    mine = set(session.scalars(sa.select(Alert.id).where(Alert.child == child.id)))
    rows = session.execute(sa.select(Person.id, Person.name).where(Person.family == child.family))
    people: dict[int, str] = {one.id: one.name for one in rows}
    found: list[dict[str, Any]] = []
    lines = session.scalars(
        sa.select(AuditLine)
        .where(AuditLine.family == child.family, AuditLine.what.in_(LOOKS), AuditLine.person.is_not(None))
        .order_by(AuditLine.id.desc())
        .limit(500)
    )
    for line in lines:
        kind, _, number = (line.subject or "").partition(":")
        about_me = (
            line.detail.get("child") == child.id
            or line.subject == f"child:{child.id}"
            or (kind == "alert" and number.isdigit() and int(number) in mine)
            # A backup and an export of everything hold what is known of every child.
            or kind not in ("alert", "child")
        )
        if about_me:
            found.append(
                {
                    "at": when(line.at, zone_of_family(who.family)),
                    "who": people.get(line.person or 0, "?"),
                    "what": deed_words(say, line.what),
                }
            )
        if len(found) == 30:
            break
    return found


@router.get("/me")
def me(request: Request, who: Annotated[Visitor, Depends(a_child)]) -> Response:
    house = house_of(request)
    say = words(language_of(request))
    zone = zone_of_family(who.family)
    today = house.now().astimezone(zone).date()
    with house.store.session(read_only=True) as session:
        child = session.get_one(Child, who.person.child)
        family = session.get_one(Family, child.family)
        age = band_of(child, today)
        passphrase_by = _set_anew(session, say, who)
        alerts = [
            {
                "day": day_words(say, alert.at, zone),
                "text": told_kindly(say, alert.level, risk),
                "level": alert.level,
                "shown": {
                    "messages": say("They can see the messages it is about, and two lines around."),
                    "lines": say("They can see the lines it is about, nothing else."),
                    "summary": say("They see none of your words."),
                }[disclosed(child, family, alert.level, today)],
                "answer": {
                    "fine": say("They said: this is fine."),
                    "talked": say("They said: we talked."),
                    "reported": say("They reported it."),
                    "seen": say("They have looked."),
                }.get(alert.state, say("They have not looked yet.")),
            }
            for alert, risk in _alerts(session, child)
        ]
        values: dict[str, Any] = {
            "child": child.name,
            "told": "" if child.told_at is None else day_words(say, child.told_at, zone),
            "people": [one.name for one in grown_ups(session, child.family)],
            "apps": [app_name(one.platform) for one in heard_of(session, child.id)],
            "alerts": alerts,
            "looks": _looks(session, say, who, child),
            "changes": changes_with_age(say, child, today),
            "protected": [
                shown_name(one.who, one.contact)
                for one in session.scalars(
                    sa.select(Trusted).where(Trusted.child == child.id, Trusted.kind == "protected").limit(50)
                )
            ],
            "may_consent": age.with_consent != age.concern,
            "consents": consents(child),
            "days": settings_of(family).retention_days,
            "rules": list(settings_of(family).house_rules),
            "helplines": load_guidance(family.country).helplines,
            "passphrase_by": passphrase_by,
        }
    return page(request, "me.html", **values)


def _alerts(session: orm.Session, child: Child) -> list[tuple[Alert, str]]:
    from jaga.store import load_assessment

    rows = session.scalars(sa.select(Alert).where(Alert.child == child.id).order_by(Alert.id.desc()).limit(30))
    return [(one, str(load_assessment(one.assessment).risk_type)) for one in rows]


def _set_anew(session: orm.Session, say: Words, who: Visitor) -> str:
    """Who set the child's passphrase last, if it was not the child."""
    line = session.scalar(
        sa.select(AuditLine)
        .where(
            AuditLine.family == who.family.id,
            AuditLine.what == "passphrase.changed",
            AuditLine.subject == f"person:{who.person.id}",
        )
        .order_by(AuditLine.id.desc())
        .limit(1)
    )
    if line is None or line.person == who.person.id or line.person is None:
        return ""
    by = session.get(Person, line.person)
    return say(
        "Your passphrase was set anew by {name} on {day}.",
        name="?" if by is None else by.name,
        day=day_words(say, line.at, zone_of_family(who.family)),
    )


@router.post("/me/consent")
def consent(
    request: Request, who: Annotated[Visitor, Depends(a_child)], shows: Annotated[str, Form()] = ""
) -> Response:
    """The child lets parents see the lines that show a concern, or takes it back."""
    house = house_of(request)
    with house.store.session() as session:
        child = session.get_one(Child, who.person.child)
        child.settings = {**child.settings, "shows_messages": shows == "yes"}
        audit(
            session,
            "child.consent",
            at=house.now(),
            family=who.family.id,
            person=who.person.id,
            subject=f"child:{child.id}",
            shows=shows == "yes",
        )
    return back("/me#consent")
