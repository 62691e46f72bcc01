"""The evidence pack of an alert: what it is, the fingerprint to tell by telephone, and the file itself."""

from __future__ import annotations

from hashlib import sha256
from typing import Annotated

from fastapi import APIRouter, Depends, Form, Request, Response
from starlette.exceptions import HTTPException

from jaga.family.home._disclosure import shown
from jaga.family.home._pack import content_of_alert, signing_key
from jaga.family.home._present import contact_name, own_row, shown_name, zone_of_family
from jaga.family.home._web import Visitor, a_parent, house_of, language_of, page
from jaga.family.pack import fingerprint, pack_bytes, public_bytes
from jaga.store import audit
from jaga.store._tables import Alert, Relationship
from jaga.words import LANGUAGES, words

router = APIRouter()


@router.get("/alerts/{alert_id}/pack")
def about(request: Request, alert_id: int, who: Annotated[Visitor, Depends(a_parent)]) -> Response:
    house = house_of(request)
    say = words(language_of(request))
    with house.store.session() as session:
        alert, child = own_row(session, who, Alert, alert_id)
        limits = shown(child, who.family, alert.level, house.now().astimezone(zone_of_family(who.family)).date())
        relationship = session.get_one(Relationship, alert.relationship)
        name = contact_name(say, relationship.name, relationship.contact)
        mark = fingerprint(public_bytes(signing_key(session, who.family.id))) if limits.lines else ""
    return page(
        request,
        "pack.html",
        id=alert_id,
        contact=name,
        child=shown_name(child.name),
        may=limits.lines,
        fingerprint=mark,
    )


@router.post("/alerts/{alert_id}/pack")
def make(
    request: Request,
    alert_id: int,
    who: Annotated[Visitor, Depends(a_parent)],
    language: Annotated[str, Form()] = "en",
) -> Response:
    """The pack as a file. It is written down before it is given."""
    house = house_of(request)
    now = house.now()
    if language not in LANGUAGES:
        raise HTTPException(422)
    with house.store.session() as session:
        alert, child = own_row(session, who, Alert, alert_id)
        today = now.astimezone(zone_of_family(who.family)).date()
        limits = shown(child, who.family, alert.level, today)
        if not limits.lines:
            raise HTTPException(403)
        # It stands in the pack too: the extract of the audit ends with its own making.
        audit(
            session, "pack.asked", at=now, family=who.family.id, person=who.person.id, subject=f"alert:{alert_id}",
            child=child.id, language=language,
        )  # fmt: skip
        key = signing_key(session, who.family.id)
        content = content_of_alert(session, alert, child, who.family, limits, language=language, today=today)
    made, _without_pdf = pack_bytes(content, signing_key=key, now=now)
    digest = sha256(made).hexdigest()
    with house.store.session() as session:
        # Which file it was: so that a copy that turns up can be told from a changed one.
        audit(
            session, "pack.made", at=now, family=who.family.id, person=who.person.id, subject=f"alert:{alert_id}",
            sha256=digest,
        )  # fmt: skip
    name = f"jaga-evidence-{now:%Y%m%d-%H%M%S}-{digest[:8]}.zip"
    return Response(
        made, media_type="application/zip", headers={"content-disposition": f'attachment; filename="{name}"'}
    )
