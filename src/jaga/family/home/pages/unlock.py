"""Opening the store after a start: until a parent's passphrase is typed, nothing can be read, by Jaga either."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Form, Request, Response

from jaga.errors import StoreError, WrongPassphrase
from jaga.family.home._security import keep_cookie
from jaga.family.home._web import back, house_of, language_of, page, sentence
from jaga.family.home.pages.login import WAITING, enter, recovery_ticket, wait_words
from jaga.store import audit
from jaga.store._people import RECOVERY
from jaga.store._tables import Person
from jaga.words import words

router = APIRouter()


@router.get("/unlock")
def ask(request: Request) -> Response:
    if house_of(request).state == "open":
        return back("/")
    return page(request, "unlock.html", error=None)


@router.post("/unlock")
def take(request: Request, passphrase: Annotated[str, Form()] = "") -> Response:
    """Open the store and log its opener in, with a code if they have set one up."""
    house = house_of(request)
    if house.state == "open":
        return back("/login")
    say = words(language_of(request))
    now = house.now()
    wait = house.attempts.begin(now)
    if wait:
        return page(request, "unlock.html", status=429, error=wait_words(request, wait))
    try:
        slot = house.open_by(passphrase[:300])
    except WrongPassphrase:
        return page(request, "unlock.html", status=401, error=say("This passphrase opens nothing here."))
    except StoreError as error:
        return page(request, "unlock.html", status=503, error=sentence(say, error))
    house.attempts.clear()
    house.wake()
    with house.store.session() as session:
        person = session.scalar(sa.select(Person).where(Person.slot == slot, Person.removed_at.is_(None)))
        audit(
            session,
            "store.unlocked",
            at=now,
            family=None if person is None else person.family,
            person=None if person is None else person.id,
            recovery=slot == RECOVERY,
        )
    if slot == RECOVERY:
        return recovery_ticket(request, back("/recover"))
    if person is None:
        # Setting up was cut short before the family was written down.
        return back("/setup")
    if person.totp_secret is not None:
        response = back("/login/code")
        lasts = timedelta(minutes=5)
        keep_cookie(request, response, WAITING, house.tickets.give("code", (person.id, "/"), now=now, lasts=lasts))
        return response
    return enter(request, person.id, "/", how="unlocking")
