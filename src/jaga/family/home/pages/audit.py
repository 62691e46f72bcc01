"""Who looked, changed and saved what: for every grown-up alike. The chain of the lines is checked each time it is shown."""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Request, Response
from sqlalchemy import orm

from jaga.family.home._deeds import LOOKS, deed_words
from jaga.family.home._present import zone_of_family
from jaga.family.home._web import Visitor, grown_up, house_of, language_of, page
from jaga.family.sentences import when
from jaga.store import broken_lines
from jaga.store._tables import Alert, AuditLine, Child, Person, Relationship
from jaga.words import Words, words

__all__ = ["line_values", "router", "whose"]

router = APIRouter()

_PAGE = 50
# Lines that say only that Jaga did its work: shown on asking.
_OF_JAGA = ("delivery.sent", "judged.anew", "import.done", "messages.dropped")


def whose(session: orm.Session, lines: list[AuditLine]) -> dict[str, str]:
    """The child's name that each subject belongs to, looked up for all lines at once."""
    ids: dict[str, set[int]] = {}
    for line in lines:
        kind, _, number = (line.subject or "").partition(":")
        if number.isascii() and number.isdigit():
            ids.setdefault(kind, set()).add(int(number))
        child = line.detail.get("child")
        if isinstance(child, int):
            ids.setdefault("child", set()).add(child)
    found: dict[str, str] = {}
    for kind, table in (("alert", Alert), ("relationship", Relationship)):
        if ids.get(kind):
            rows = session.execute(
                sa.select(table.id, Child.name).join(Child, Child.id == table.child).where(table.id.in_(ids[kind]))
            )
            found.update({f"{kind}:{number}": name for number, name in rows})
    if ids.get("child"):
        rows = session.execute(sa.select(Child.id, Child.name).where(Child.id.in_(ids["child"])))
        found.update({f"child:{number}": name for number, name in rows})
    if ids.get("person"):
        rows = session.execute(sa.select(Person.id, Person.name).where(Person.id.in_(ids["person"])))
        found.update({f"person:{number}": name for number, name in rows})
    return found


def line_values(
    say: Words, line: AuditLine, who: Visitor, people: dict[int, str], names: dict[str, str]
) -> dict[str, Any]:
    """A line as a page shows it."""
    kind, _, number = (line.subject or "").partition(":")
    child = line.detail.get("child")
    about = names.get(line.subject or "") or names.get(f"child:{child}", "")
    by = people.get(line.person or 0) or (say("Somebody unknown") if line.what.endswith(".failed") else "Jaga")
    return {
        "id": line.id,
        "at": when(line.at, zone_of_family(who.family)),
        "who": by,
        "what": deed_words(say, line.what),
        "about": "" if kind == "person" and about == by else about,
        "link": f"/alerts/{number}" if kind == "alert" else "",
        "look": line.what in LOOKS,
    }


@router.get("/audit")
def looked(
    request: Request,
    who: Annotated[Visitor, Depends(grown_up)],
    person: str = "",
    kind: str = "",
    before: str = "",
) -> Response:
    house = house_of(request)
    say = words(language_of(request))
    # What belongs to no family is of the house: a try with a name that nobody has, another key.
    asked = sa.select(AuditLine).where(sa.or_(AuditLine.family == who.family.id, AuditLine.family.is_(None)))
    if person.isascii() and person.isdigit() and len(person) < 18:
        asked = asked.where(AuditLine.person == int(person))
    if kind == "looks":
        asked = asked.where(AuditLine.what.in_(LOOKS))
    elif kind != "all":
        asked = asked.where(AuditLine.what.not_in(_OF_JAGA))
    if before.isascii() and before.isdigit() and len(before) < 18:
        asked = asked.where(AuditLine.id < int(before))
    with house.store.session(read_only=True) as session:
        lines = list(session.scalars(asked.order_by(AuditLine.id.desc()).limit(_PAGE + 1)))
        more = len(lines) > _PAGE
        lines = lines[:_PAGE]
        rows = session.execute(
            sa.select(Person.id, Person.name, Person.role, Person.removed_at).where(Person.family == who.family.id)
        ).all()
        people = {one.id: one.name for one in rows}
        names = whose(session, lines)
        broken = [] if before else [number for _, number in zip(range(20), broken_lines(session), strict=False)]
        count = session.scalar(sa.select(sa.func.count()).select_from(AuditLine)) or 0
    return page(
        request,
        "audit.html",
        lines=[line_values(say, line, who, people, names) for line in lines],
        people=[(str(one.id), one.name + (f" ({say('child')})" if one.role == "child" else "")) for one in rows],
        person=person,
        kind=kind or "usual",
        older=lines[-1].id if more else None,
        broken=broken,
        checked=not before,
        count=count,
    )
