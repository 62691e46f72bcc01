"""Logging in and out: passphrase, code, passkey; a forgotten passphrase; the language of the pages before."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import sqlalchemy as sa
from babel.dates import format_date
from fastapi import APIRouter, Depends, Form, Request, Response

from jaga.errors import UsageError, WrongPassphrase
from jaga.family.home._security import (
    cookie_name,
    device_of,
    drop_cookie,
    end_session,
    keep_cookie,
    session_cookie,
    start_session,
)
from jaga.family.home._web import (
    Visitor,
    back,
    house_of,
    language_of,
    our_path,
    page,
    sentence,
    visitor,
    visitor_or_none,
)
from jaga.sources import zone_of
from jaga.store import audit
from jaga.store._people import (
    RECOVERY,
    check_code,
    check_passphrase,
    end_sessions,
    forget_device,
    log_in,
    remember_device,
    set_passphrase,
    tidy_slots,
)
from jaga.store._tables import Child, Family, Passkey, Person
from jaga.words import LANGUAGES, words

__all__ = ["enter", "router"]

router = APIRouter()

# The errand of somebody whose passphrase was right and whose code is still to come.
WAITING = "jaga_waiting"
_CODE_LASTS = timedelta(minutes=5)
_RECOVERY_LASTS = timedelta(minutes=15)


def enter(request: Request, person_id: int, to: str, *, how: str) -> Response:
    """Log a person in on this browser: a new session, and the browser is known from now on."""
    house = house_of(request)
    now = house.now()
    token = start_session(house, person_id, request.headers.get("user-agent"))
    with house.store.session() as session:
        person = session.get(Person, person_id)
        assert person is not None
        device = remember_device(session, person_id, device_of(request), now)
        audit(session, "login", at=now, family=person.family, person=person_id, how=how)
        child = person.role == "child"
    house.rekey_if_due(by=None)
    response = back("/me" if child else our_path(to))
    session_cookie(request, response, token, device)
    return response


def _login_page(request: Request, *, error: str | None = None, name: str = "", to: str = "/") -> Response:
    return page(request, "login.html", status=200 if error is None else 401, error=error, name=name, to=our_path(to))


@router.get("/login")
def ask(request: Request, to: str = "/") -> Response:
    if visitor_or_none(request) is not None:
        return back(our_path(to))
    return _login_page(request, to=to)


@router.post("/login")
def take(
    request: Request,
    name: Annotated[str, Form()] = "",
    passphrase: Annotated[str, Form()] = "",
    to: Annotated[str, Form()] = "/",
) -> Response:
    house = house_of(request)
    say = words(language_of(request))
    device = device_of(request)
    found = log_in(house.store, name[:200], passphrase, device=device, now=house.now())
    if found.person is not None and found.removed:
        return removed_page(request, found.person)
    if found.person is None:
        error = say("Name and passphrase do not fit together.")
        if found.wait_until is not None:
            minutes = max(1, round((found.wait_until - house.now()).total_seconds() / 60))
            error += " " + say.plural(
                "Wait {count} minute before the next try.", "Wait {count} minutes before the next try.", minutes
            )
        else:
            error += " " + say(
                "After five tries that fail, Jaga looks at the next one only after a while, at most 15 minutes."
            )
        return _login_page(request, error=error, name=name, to=to)
    if found.code_needed:
        response = back("/login/code")
        ticket = house.tickets.give("code", (found.person, our_path(to)), now=house.now(), lasts=_CODE_LASTS)
        keep_cookie(request, response, WAITING, ticket, lasts=_CODE_LASTS)
        return response
    return enter(request, found.person, to, how="passphrase")


def _waiting(request: Request) -> tuple[int, str] | None:
    house = house_of(request)
    held = house.tickets.look("code", request.cookies.get(cookie_name(request, WAITING)), now=house.now())
    return held if isinstance(held, tuple) else None


@router.get("/login/code")
def ask_code(request: Request) -> Response:
    held = _waiting(request)
    if held is None:
        return back("/login")
    return page(request, "code.html", error=None, to=held[1])


@router.post("/login/code")
def take_code(request: Request, code: Annotated[str, Form()] = "") -> Response:
    house = house_of(request)
    held = _waiting(request)
    if held is None:
        return back("/login")
    person, to = held
    if not check_code(house.store, person, code[:40], device=device_of(request), now=house.now()):
        error = words(language_of(request))("The code does not fit, was used already, or there were too many tries.")
        return page(request, "code.html", status=401, error=error, to=to)
    house.tickets.take("code", request.cookies.get(cookie_name(request, WAITING)), now=house.now())
    response = enter(request, person, to, how="passphrase and code")
    drop_cookie(request, response, WAITING)
    return response


@router.post("/logout")
def leave(request: Request, who: Annotated[Visitor, Depends(visitor)]) -> Response:
    house = house_of(request)
    response = back("/login")
    end_session(request, response, house, who.session)
    # Pages that the browser kept must not come back with its back button.
    response.headers["clear-site-data"] = '"cache"'
    return response


def removed_page(request: Request, person_id: int) -> Response:
    """Said plainly to whoever was removed and still knows the passphrase."""
    house = house_of(request)
    with house.store.session(read_only=True) as session:
        person = session.get(Person, person_id)
        assert person is not None
        family = session.get(Family, person.family)
        assert family is not None
        assert person.removed_at is not None
        day = format_date(
            person.removed_at.astimezone(zone_of(family.zone)).date(), "long", locale=language_of(request)
        )
    return page(request, "removed.html", status=403, day=day)


@router.post("/language")
def choose_language(
    request: Request, language: Annotated[str, Form()] = "en", to: Annotated[str, Form()] = "/"
) -> Response:
    """For pages before log-in; afterwards each person has a language."""
    response = back(our_path(to))
    if language in LANGUAGES:
        keep_cookie(request, response, "jaga_lang", language, lasts=timedelta(days=400))
    return response


# ------------------------------------------------------------ a forgotten passphrase


def recovery_ticket(request: Request, response: Response) -> Response:
    """Let whoever showed the recovery code choose a passphrase next."""
    house = house_of(request)
    ticket = house.tickets.give("recovery", True, now=house.now(), lasts=_RECOVERY_LASTS)
    keep_cookie(request, response, WAITING, ticket, lasts=_RECOVERY_LASTS)
    return response


def _may_recover(request: Request) -> bool:
    house = house_of(request)
    return house.tickets.look("recovery", request.cookies.get(cookie_name(request, WAITING)), now=house.now()) is True


def _parents(request: Request) -> list[tuple[int, str]]:
    with house_of(request).store.session(read_only=True) as session:
        rows = session.scalars(
            sa.select(Person).where(Person.role == "parent", Person.removed_at.is_(None)).order_by(Person.id)
        )
        return [(one.id, one.name) for one in rows]


@router.get("/recover")
def ask_recovery(request: Request) -> Response:
    return page(request, "recover.html", error=None, people=_parents(request) if _may_recover(request) else [])


@router.post("/recover")
def take_recovery(request: Request, code: Annotated[str, Form()] = "") -> Response:
    house = house_of(request)
    say = words(language_of(request))
    wait = house.attempts.begin(house.now())
    if wait:
        return page(request, "recover.html", status=429, error=wait_words(request, wait), people=[])
    try:
        house.open_by(code[:100], RECOVERY)
    except WrongPassphrase:
        with house.store.session() as session:
            audit(session, "recovery.failed", at=house.now())
        return page(request, "recover.html", status=401, error=say("This code does not fit."), people=[])
    house.attempts.clear()
    return recovery_ticket(request, back("/recover"))


@router.post("/recover/passphrase")
def new_passphrase(
    request: Request,
    person: Annotated[int, Form()],
    passphrase: Annotated[str, Form()] = "",
    again: Annotated[str, Form()] = "",
) -> Response:
    house = house_of(request)
    say = words(language_of(request))
    if not _may_recover(request):
        return back("/recover")
    now = house.now()
    try:
        with house.store.session(read_only=True) as session:
            found = session.get(Person, person)
            names = list(session.scalars(sa.select(Child.name))) + list(session.scalars(sa.select(Person.name)))
        if found is None or found.role != "parent" or found.removed_at is not None:
            raise UsageError("there is no such parent", remedy="choose one from the list")
        if passphrase != again:
            raise UsageError("the two are not the same", remedy="type it twice alike")
        check_passphrase(passphrase, names)
    except UsageError as error:
        return page(request, "recover.html", status=422, error=sentence(say, error), people=_parents(request))
    with house.store.session() as session:
        row = session.get(Person, person)
        assert row is not None
        set_passphrase(house.store, session, row, passphrase, by=row.id, now=now)
        row.totp_secret, row.totp_step = None, None
        session.execute(sa.delete(Passkey).where(Passkey.person == row.id))
        end_sessions(session, row.id, now=now)
        forget_device(session, row.id)
        audit(session, "recovery.used", at=now, family=row.family, person=row.id)
    tidy_slots(house.store)
    house.tickets.take("recovery", request.cookies.get(cookie_name(request, WAITING)), now=now)
    response = enter(request, person, "/", how="recovery code")
    drop_cookie(request, response, WAITING)
    return response


def wait_words(request: Request, wait: timedelta) -> str:
    say = words(language_of(request))
    return say.plural(
        "Too many tries. Wait {count} second.",
        "Too many tries. Wait {count} seconds.",
        max(1, round(wait.total_seconds())),
    )
