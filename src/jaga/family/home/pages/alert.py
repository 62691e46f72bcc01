"""One alert: what happened, the few messages that show it, how sure Jaga is, what to do now, and the family's answer."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
import sqlalchemy as sa
from fastapi import APIRouter, Depends, Form, Request, Response
from sqlalchemy import orm
from starlette.exceptions import HTTPException

from jaga.assessment import PUBLIC, Assessment
from jaga.family.home._charts import timeline
from jaga.family.home._disclosure import shown
from jaga.family.home._house import House
from jaga.family.home._present import (
    age_of,
    ago,
    app_name,
    contact_name,
    cut,
    listed,
    own_row,
    shown_name,
    zone_of_family,
)
from jaga.family.home._sure import explained
from jaga.family.home._web import Visitor, back, grown_up, house_of, language_of, page
from jaga.family.sentences import (
    attachment_words,
    certainty_words,
    change_words,
    example_words,
    level_words,
    next_steps,
    risk_words,
    said_words,
    stage_words,
    strongest,
    weighed_words,
    when,
    why,
)
from jaga.guidance import Guidance, load_guidance
from jaga.store import AlertMessage, alert_messages, answer_alert, audit, load_assessment, withdraw_answer
from jaga.store._tables import Alert, Child, Conversation, Person, Relationship
from jaga.words import LANGUAGES, Words, words

router = APIRouter()

Answer = Literal["fine", "talked", "reported"]
_ANSWERED = ("fine", "talked", "reported")
# A message longer than this is cut on the page; the whole of it stays in the store and in the evidence pack.
_LONGEST = 2000
# What weighed most, and what would change it: more is no help.
_WEIGHED, _CHANGES = 4, 2
# Scores from which most such test conversations were risky: nearly all, and a clear majority (docs/how-sure.md).
_STRONG, _CLEAR = 0.9, 0.7


@router.get("/alerts/{alert_id}")
def alert(request: Request, alert_id: int, who: Annotated[Visitor, Depends(grown_up)]) -> Response:
    return _page(request, alert_id, who, around=False)


@router.get("/alerts/{alert_id}/around")
def around(request: Request, alert_id: int, who: Annotated[Visitor, Depends(grown_up)]) -> Response:
    """The same with two lines around each message: asked for deliberately, and written down each time."""
    return _page(request, alert_id, who, around=True)


@router.post("/alerts/{alert_id}/answer")
def answer(
    request: Request,
    alert_id: int,
    who: Annotated[Visitor, Depends(grown_up)],
    kind: Annotated[Answer, Form()],
    reason: Annotated[str, Form(max_length=500)] = "",
) -> Response:
    house = house_of(request)
    with house.store.session() as session:
        own_row(session, who, Alert, alert_id)
        answer_alert(session, alert_id, kind, by=who.person.id, reason=reason.strip() or None, now=house.now())
    return back(f"/alerts/{alert_id}#answer")


@router.post("/alerts/{alert_id}/undo")
def undo(request: Request, alert_id: int, who: Annotated[Visitor, Depends(grown_up)]) -> Response:
    house = house_of(request)
    with house.store.session() as session:
        own_row(session, who, Alert, alert_id)
        withdraw_answer(session, alert_id, by=who.person.id, now=house.now())
    return back(f"/alerts/{alert_id}#answer")


def _page(request: Request, alert_id: int, who: Visitor, *, around: bool) -> Response:
    house = house_of(request)
    now = house.now()
    say = words(language_of(request))
    zone = zone_of_family(who.family)
    with house.store.session(read_only=True) as session:
        found, child = own_row(session, who, Alert, alert_id)
        limits = shown(child, who.family, found.level, now.astimezone(zone).date())
        if around and not limits.context:
            raise HTTPException(403)
        values = _values(session, found, child, say, who, now, lines=limits.lines, around=around)
    _note_look(house, who, found, child, len(values["lines"]), around=around)
    return page(
        request,
        "alert.html",
        **values,
        may_pack=limits.lines and who.person.role == "parent",
        asks_consent=limits.asks_consent,
        may_look_around=limits.context and not around and bool(found.context),
        held_back=not limits.lines,
        around=around,
    )


def _note_look(house: House, who: Visitor, alert: Alert, child: Child, lines: int, *, around: bool) -> None:
    """Write down who looks, before anything is shown: the child can see it. In a session of its own, so that a page that reads does not
    wait for its turn to write longer than it must."""
    with house.store.session() as session:
        if alert.state == "new":
            answer_alert(session, alert.id, "seen", by=who.person.id, reason=None, now=house.now())
        if lines:
            audit(
                session,
                "alert.messages.around" if around else "alert.messages",
                at=house.now(),
                family=who.family.id,
                person=who.person.id,
                subject=f"alert:{alert.id}",
                child=child.id,
                messages=lines,
            )


def _values(
    session: orm.Session,
    found: Alert,
    child: Child,
    say: Words,
    who: Visitor,
    now: datetime,
    *,
    lines: bool,
    around: bool,
) -> dict[str, Any]:
    zone = zone_of_family(who.family)
    assessment = load_assessment(found.assessment)
    relationship = session.get_one(Relationship, found.relationship)
    # Sentences and tables name the contact as the pages do: on one line, and not endless.
    contact = contact_name(say, relationship.name or assessment.contact_name, relationship.contact)
    assessment = msgspec.structs.replace(assessment, contact_name=contact)
    guidance = load_guidance(who.family.country.lower())
    steps, talk = _steps(say, guidance, assessment, age_of(child, now.astimezone(zone).date()))
    law = guidance.laws.get(assessment.risk_type or "")
    serious = found.level in ("concern", "urgent")
    explanation = explained(assessment, relationship, who.family.zone)
    # The explanation is of the relationship as it is now, and so is the number of messages it names.
    now_so = msgspec.structs.replace(assessment, messages=relationship.messages)
    # Examples quote nobody: they are Jaga's own, beside the message that is like them.
    near = {like.message: example_words(say, like.near) for like in explanation.like}
    return {
        "id": found.id,
        "child": shown_name(child.name),
        "contact": contact,
        # The child's own public posts are no contact, and have no card.
        "friend": None if relationship.contact == PUBLIC else relationship.id,
        "child_id": child.id,
        "level": found.level,
        "level_words": level_words(say, found.level),
        "risk": risk_words(say, assessment.risk_type),
        "stage": stage_words(say, assessment.stage) if serious else "",
        "at": when(found.at, zone),
        "ago": ago(say, found.at, now),
        "apps": listed(say, (app_name(one) for one in assessment.platforms)),
        "messages": assessment.messages,
        "why": why(say, assessment),
        "chart": timeline(say, assessment.days),
        "lines": _lines(session, found, child, assessment, say, who, near, around=around) if lines else [],
        "zone": who.family.zone,
        "sure": [score_words(say, assessment.score), *certainty_words(say, now_so, explanation)],
        "weighed": weighed_words(say, explanation, _WEIGHED),
        "changes": change_words(say, explanation, zone, _CHANGES) if lines else [],
        # It may have gone on since the alert was raised.
        "gone_on": explanation.level != found.level,
        "unjudged": [attachment_words(say, kind, count) for kind, count in sorted(assessment.unjudged.items())],
        "steps": steps,
        "talk": talk,
        "law": say(law) if law and serious else None,
        "serious": serious,
        "helplines": guidance.helplines,
        "keep": guidance.keep.steps if guidance.keep else (),
        "state": found.state if found.state in _ANSWERED else "open",
        "answer": _answer_words(session, found, say, who, now),
        "reason": cut(found.reason or "", 500),
    }


def _lines(
    session: orm.Session,
    alert: Alert,
    child: Child,
    assessment: Assessment,
    say: Words,
    who: Visitor,
    near: dict[str, str],
    *,
    around: bool,
) -> list[dict[str, Any]]:
    """The messages as parts.html shows them: in time order, with why each is here."""
    zone = zone_of_family(who.family)
    told = {piece.message: (piece, reasons) for piece, reasons in strongest(say, assessment, 1000)}
    kept = alert_messages(session, alert.id, context=around)
    titles = {
        row.digest: row.title
        for row in session.scalars(
            sa.select(Conversation).where(
                Conversation.child == child.id,
                Conversation.digest.in_({one.message.conversation for one in kept}),
                Conversation.kind != "direct",
            )
        )
        if row.title
    }
    lines = []
    for one in kept:
        piece, reasons = told.pop(one.id, (None, []))
        language = piece.language if piece is not None and piece.language in LANGUAGES else None
        lines.append(
            {
                "at": one.message.sent_at,
                "when": when(one.message.sent_at, zone),
                "who": _author(one.message.author, child, assessment),
                "where": shown_name(titles[one.message.conversation]) if one.message.conversation in titles else None,
                "text": cut(one.message.text, _LONGEST),
                "language": language,
                "attachments": _attached(one, say),
                "why": [*reasons, near[one.id]] if one.id in near else reasons,
                "aside": not one.shows,
                "changed": one.sealed is not None and not one.intact,
                "part": False,
            }
        )
    # What retention dropped before the alert was raised: its first words stand in the assessment.
    for piece, reasons in told.values():
        lines.append(
            {
                "at": piece.sent_at,
                "when": when(piece.sent_at, zone),
                "who": _author(piece.author, child, assessment),
                "where": None,
                "text": cut(said_words(say, piece), _LONGEST),
                "language": piece.language if piece.language in LANGUAGES else None,
                "attachments": [],
                "why": reasons,
                "aside": False,
                "changed": False,
                "part": True,
            }
        )
    return sorted(lines, key=lambda line: line["at"])


def score_words(say: Words, score: float) -> str:
    """A score, for people."""
    return (
        say("Strong signs: several that go together.")
        if score >= _STRONG
        else say("Clear signs, but such talk can also be harmless.")
        if score >= _CLEAR
        else say("Weak signs: more often than not there is a harmless reason.")
    )


def _author(author: str, child: Child, assessment: Assessment) -> str:
    if author == assessment.child:
        return shown_name(child.name)
    if author == assessment.contact:
        return assessment.contact_name or shown_name(assessment.contact)
    return shown_name(author)


def _attached(one: AlertMessage, say: Words) -> list[str]:
    """Attachments are named and never shown: what a picture shows must not be spread by looking for help."""
    return [
        say(
            "{attachment}, not shown: {name}",
            attachment=attachment_words(say, item.kind, 1),
            name=shown_name(item.name),
        )
        if item.name
        else say("{attachment}, not shown", attachment=attachment_words(say, item.kind, 1))
        for item in one.message.attachments[:20]
    ]


def _steps(say: Words, guidance: Guidance, assessment: Assessment, age: int | None) -> tuple[list[str], list[str]]:
    """What to do, and the words to begin with."""
    talks = {say(text) for text in guidance.talk.values()}
    told = next_steps(say, guidance, assessment, age)
    return [step for step in told if step not in talks], [step for step in told if step in talks]


def _answer_words(session: orm.Session, alert: Alert, say: Words, who: Visitor, now: datetime) -> str:
    """Who answered what, and when; empty while nobody has."""
    if alert.state not in _ANSWERED:
        return ""
    person = session.get(Person, alert.state_by) if alert.state_by is not None else None
    name = shown_name(person.name) if person is not None and person.family == who.family.id else "Jaga"
    passed = ago(say, alert.state_at, now)
    return {
        "fine": say("{name} answered “this is fine”, {when}.", name=name, when=passed),
        "talked": say("{name} answered “we talked”, {when}.", name=name, when=passed),
        "reported": say("{name} answered “reported”, {when}.", name=name, when=passed),
    }[alert.state]
