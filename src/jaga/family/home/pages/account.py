"""A person's own log-in: language, passphrase, code app, passkeys, where they are logged in."""

from __future__ import annotations

import io
from datetime import datetime, timedelta
from typing import Annotated, Any
from urllib.parse import urlsplit

import msgspec
import segno
import sqlalchemy as sa
from fastapi import APIRouter, Body, Depends, Form, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException
from webauthn import (
    generate_authentication_options,
    generate_registration_options,
    options_to_json,
    verify_authentication_response,
    verify_registration_response,
)
from webauthn.helpers.exceptions import WebAuthnException
from webauthn.helpers.structs import (
    AuthenticatorSelectionCriteria,
    PublicKeyCredentialDescriptor,
    ResidentKeyRequirement,
    UserVerificationRequirement,
)

from jaga.errors import UsageError
from jaga.family.home._present import ago, day_words, zone_of_family
from jaga.family.home._web import (
    Visitor,
    back,
    grown_up,
    house_of,
    language_of,
    our_path,
    page,
    sentence,
    visitor,
    visitor_or_none,
)
from jaga.family.home.pages.login import enter
from jaga.family.home.pages.people import CHILD_SHORTEST, proves
from jaga.store import audit
from jaga.store._keys import SHORTEST
from jaga.store._people import (
    check_passphrase,
    code_step,
    end_sessions,
    forget_device,
    new_totp_secret,
    set_passphrase,
    tidy_slots,
    totp_uri,
)
from jaga.store._tables import Passkey, Person, Session
from jaga.words import LANGUAGES, words

__all__ = ["router"]

router = APIRouter()

_CHALLENGE_LASTS = timedelta(minutes=5)
_QR_LASTS = timedelta(minutes=15)
_MOST_PASSKEYS = 10


def _account(request: Request, who: Visitor, *, error: str | None = None, status: int = 422) -> Response:
    house = house_of(request)
    say = words(language_of(request))
    zone = zone_of_family(who.family)
    now = house.now()
    with house.store.session(read_only=True) as session:
        sessions = [
            {
                "id": one.id,
                "agent": browser_words(one.agent),
                "seen": ago(say, one.seen_at, now),
                "since": day_words(say, one.created_at, zone),
                "this": one.id == who.session,
            }
            for one in session.scalars(
                sa.select(Session)
                .where(Session.person == who.person.id, Session.ended_at.is_(None), Session.ends_at > now)
                .order_by(Session.seen_at.desc())
            )
        ]
        passkeys = [
            {
                "id": one.id,
                "name": one.name,
                "since": day_words(say, one.created_at, zone),
                "used": "" if one.used_at is None else ago(say, one.used_at, now),
            }
            for one in session.scalars(sa.select(Passkey).where(Passkey.person == who.person.id).order_by(Passkey.id))
        ]
    return page(
        request,
        "account.html",
        status=200 if error is None else status,
        error=error,
        sessions=sessions,
        passkeys=passkeys,
        code=who.person.totp_secret is not None,
        shortest=CHILD_SHORTEST if who.is_child else SHORTEST,
    )


def browser_words(agent: str | None) -> str:
    """Browser and system, as far as they can be told; what they call themselves is not to be trusted, only helpful."""
    text = agent or ""
    browser = next(
        (name for sign, name in (("Edg/", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("SamsungBrowser", "Samsung Internet"), ("Chrome/", "Chrome"), ("Safari/", "Safari")) if sign in text),
        "?",
    )  # fmt: skip
    system = next(
        (name for sign, name in (("Android", "Android"), ("iPhone", "iPhone"), ("iPad", "iPad"), ("Windows", "Windows"), ("Mac OS", "macOS"), ("Linux", "Linux")) if sign in text),
        "",
    )  # fmt: skip
    return f"{browser}, {system}" if system else browser


@router.get("/account")
def account(request: Request, who: Annotated[Visitor, Depends(visitor)]) -> Response:
    return _account(request, who)


@router.post("/account/language")
def change_language(
    request: Request, who: Annotated[Visitor, Depends(visitor)], language: Annotated[str, Form()] = ""
) -> Response:
    if language in LANGUAGES:
        with house_of(request).store.session() as session:
            session.get_one(Person, who.person.id).language = language
    return back("/account")


@router.post("/account/passphrase")
def change_passphrase(
    request: Request,
    who: Annotated[Visitor, Depends(visitor)],
    passphrase: Annotated[str, Form()] = "",
    new: Annotated[str, Form()] = "",
    again: Annotated[str, Form()] = "",
) -> Response:
    house = house_of(request)
    say = words(language_of(request))
    if not proves(request, who, passphrase):
        return _account(request, who, error=say("The passphrase does not fit."), status=401)
    now = house.now()
    try:
        if new != again:
            raise UsageError("the two are not the same", remedy="type it twice alike")
        check_passphrase(new, [who.person.name, who.family.name], shortest=CHILD_SHORTEST if who.is_child else SHORTEST)
        with house.store.session() as session:
            row = session.get_one(Person, who.person.id)
            set_passphrase(house.store, session, row, new, by=who.person.id, now=now)
            end_sessions(session, row.id, now=now, but=who.session)
            forget_device(session, row.id)
    except UsageError as error:
        return _account(request, who, error=sentence(say, error))
    tidy_slots(house.store)
    return back("/account")


# ------------------------------------------------------------ sessions


@router.post("/account/sessions/{session_id}/end")
def end_one(request: Request, session_id: int, who: Annotated[Visitor, Depends(visitor)]) -> Response:
    house = house_of(request)
    with house.store.session() as session:
        row = session.get(Session, session_id)
        if row is None or row.person != who.person.id:
            raise HTTPException(404)
        if row.ended_at is None:
            row.ended_at = house.now()
    return back("/account#sessions")


@router.post("/account/sessions/end")
def end_others(request: Request, who: Annotated[Visitor, Depends(visitor)]) -> Response:
    house = house_of(request)
    with house.store.session() as session:
        count = end_sessions(session, who.person.id, now=house.now(), but=who.session)
        forget_device(session, who.person.id)
        audit(
            session,
            "sessions.ended",
            at=house.now(),
            family=who.family.id,
            person=who.person.id,
            count=count,
        )
    return back("/account#sessions")


# ------------------------------------------------------------ the code app (TOTP)


@router.get("/account/code")
def ask_code(request: Request, who: Annotated[Visitor, Depends(grown_up)]) -> Response:
    return _code_page(request, who)


def _code_page(request: Request, who: Visitor, *, error: str | None = None) -> Response:
    """The secret that is offered stays the same until it is confirmed, so that a mistyped code does not make a new QR code needed."""
    house = house_of(request)
    now = house.now()
    token = house.offered.get(who.session)
    secret = house.tickets.look("totp", token, now=now)
    if not isinstance(secret, str):
        secret = new_totp_secret()
        house.offered[who.session] = house.tickets.give("totp", secret, now=now, lasts=_QR_LASTS)
        while len(house.offered) > 200:
            house.offered.pop(next(iter(house.offered)))
    shown = " ".join(secret[at : at + 4] for at in range(0, len(secret), 4))
    return page(
        request,
        "account_code.html",
        status=200 if error is None else 422,
        error=error,
        secret=shown,
        on=who.person.totp_secret is not None,
    )


@router.get("/account/code.svg")
def code_picture(request: Request, who: Annotated[Visitor, Depends(grown_up)]) -> Response:
    house = house_of(request)
    secret = house.tickets.look("totp", house.offered.get(who.session), now=house.now())
    if not isinstance(secret, str):
        raise HTTPException(404)
    buffer = io.BytesIO()
    segno.make(totp_uri(secret, f"{who.person.name} ({who.family.name})"), error="m").save(
        buffer, kind="svg", scale=6, border=2, xmldecl=False, svgclass=None, lineclass=None
    )
    return Response(buffer.getvalue(), media_type="image/svg+xml")


@router.post("/account/code")
def take_code(
    request: Request,
    who: Annotated[Visitor, Depends(grown_up)],
    code: Annotated[str, Form()] = "",
    passphrase: Annotated[str, Form()] = "",
) -> Response:
    """From now on log-in asks for a code: only once a code of the new secret was shown, so that nobody locks themselves out."""
    house = house_of(request)
    say = words(language_of(request))
    now = house.now()
    token = house.offered.get(who.session)
    secret = house.tickets.look("totp", token, now=now)
    if not isinstance(secret, str):
        return back("/account/code")
    if not proves(request, who, passphrase):
        return _code_page(request, who, error=say("The passphrase does not fit."))
    step = code_step(secret, code[:40], now, None)
    if step is None:
        return _code_page(request, who, error=say("The code does not fit. Is the clock of your phone right?"))
    with house.store.session() as session:
        row = session.get_one(Person, who.person.id)
        row.totp_secret, row.totp_step = secret, step
        end_sessions(session, row.id, now=now, but=who.session)
        audit(session, "code.on", at=now, family=who.family.id, person=who.person.id)
    house.tickets.take("totp", token, now=now)
    house.offered.pop(who.session, None)
    return back("/account")


@router.post("/account/code/off")
def no_code(
    request: Request, who: Annotated[Visitor, Depends(grown_up)], passphrase: Annotated[str, Form()] = ""
) -> Response:
    house = house_of(request)
    if not proves(request, who, passphrase):
        say = words(language_of(request))
        return _account(request, who, error=say("The passphrase does not fit."), status=401)
    with house.store.session() as session:
        row = session.get_one(Person, who.person.id)
        row.totp_secret, row.totp_step = None, None
        audit(session, "code.off", at=house.now(), family=who.family.id, person=who.person.id)
    return back("/account")


# ------------------------------------------------------------ passkeys (WebAuthn level 2)


def _place(request: Request) -> tuple[str, str]:
    """The name that passkeys are bound to, and the origin that the browser must state. Raises: HTTPException for a bare address."""
    host = request.headers.get("host", "")
    name = urlsplit(f"//{host}").hostname or ""
    if not any(letter.isalpha() for letter in name) or ":" in name:
        raise HTTPException(409)
    return name, f"{request.url.scheme}://{host}"


@router.post("/account/passkey/begin")
def begin_passkey(
    request: Request,
    who: Annotated[Visitor, Depends(grown_up)],
    passphrase: Annotated[str, Body(embed=True)] = "",
) -> Response:
    house = house_of(request)
    name, _ = _place(request)
    if not proves(request, who, passphrase):
        raise HTTPException(401)
    with house.store.session(read_only=True) as session:
        known = session.scalars(sa.select(Passkey.credential).where(Passkey.person == who.person.id)).all()
    if len(known) >= _MOST_PASSKEYS:
        raise HTTPException(409)
    options = generate_registration_options(
        rp_id=name,
        rp_name="Jaga",
        user_name=who.person.name,
        user_id=f"jaga-{who.family.id}-{who.person.id}".encode(),
        exclude_credentials=[PublicKeyCredentialDescriptor(id=one) for one in known],
        authenticator_selection=AuthenticatorSelectionCriteria(
            resident_key=ResidentKeyRequirement.REQUIRED, user_verification=UserVerificationRequirement.REQUIRED
        ),
    )
    ticket = house.tickets.give(
        "passkey.new", (who.person.id, options.challenge), now=house.now(), lasts=_CHALLENGE_LASTS
    )
    return JSONResponse({"ticket": ticket, "options": msgspec.json.decode(options_to_json(options))})


@router.post("/account/passkey")
def keep_passkey(
    request: Request,
    who: Annotated[Visitor, Depends(grown_up)],
    ticket: Annotated[str, Body()],
    credential: Annotated[dict[str, Any], Body()],
    name: Annotated[str, Body()] = "",
) -> Response:
    house = house_of(request)
    rp, origin = _place(request)
    now = house.now()
    held = house.tickets.take("passkey.new", ticket, now=now)
    if not isinstance(held, tuple) or held[0] != who.person.id:
        raise HTTPException(401)
    try:
        found = verify_registration_response(
            credential=credential,
            expected_challenge=held[1],
            expected_rp_id=rp,
            expected_origin=origin,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError) as error:
        raise HTTPException(401) from error
    with house.store.session() as session:
        if session.scalar(sa.select(Passkey.id).where(Passkey.credential == found.credential_id)) is not None:
            raise HTTPException(409)
        session.add(
            Passkey(
                person=who.person.id,
                credential=found.credential_id,
                public_key=found.credential_public_key,
                sign_count=found.sign_count,
                name=" ".join(name.split())[:80] or browser_words(request.headers.get("user-agent")),
                created_at=now,
                used_at=None,
            )
        )
        audit(session, "passkey.added", at=now, family=who.family.id, person=who.person.id)
    return JSONResponse({"to": "/account"})


@router.post("/account/passkeys/{passkey_id}/remove")
def remove_passkey(request: Request, passkey_id: int, who: Annotated[Visitor, Depends(grown_up)]) -> Response:
    house = house_of(request)
    with house.store.session() as session:
        row = session.get(Passkey, passkey_id)
        if row is None or row.person != who.person.id:
            raise HTTPException(404)
        session.delete(row)
        audit(session, "passkey.removed", at=house.now(), family=who.family.id, person=who.person.id)
    return back("/account#passkeys")


@router.post("/login/passkey/begin")
def begin_login(request: Request) -> Response:
    """A challenge for whoever has a passkey; who that is, the passkey says."""
    house = house_of(request)
    name, _ = _place(request)
    options = generate_authentication_options(rp_id=name, user_verification=UserVerificationRequirement.REQUIRED)
    ticket = house.tickets.give("passkey", options.challenge, now=house.now(), lasts=_CHALLENGE_LASTS)
    return JSONResponse({"ticket": ticket, "options": msgspec.json.decode(options_to_json(options))})


@router.post("/login/passkey")
def login_by_passkey(
    request: Request,
    ticket: Annotated[str, Body()],
    credential: Annotated[dict[str, Any], Body()],
    to: Annotated[str, Body()] = "/",
) -> Response:
    """In by a passkey: something one has, opened by a finger, a face or a PIN; so no code is asked for besides."""
    house = house_of(request)
    rp, origin = _place(request)
    now = house.now()
    challenge = house.tickets.take("passkey", ticket, now=now)
    if not isinstance(challenge, bytes) or visitor_or_none(request) is not None:
        raise HTTPException(401)
    person = _passkey_of(request, credential, challenge, rp, origin, now)
    entered = enter(request, person, our_path(to), how="passkey")
    response = JSONResponse({"to": entered.headers["location"]})
    for name, value in entered.raw_headers:
        if name == b"set-cookie":
            response.raw_headers.append((name, value))
    return response


def _passkey_of(
    request: Request, credential: dict[str, Any], challenge: bytes, rp: str, origin: str, now: datetime
) -> int:
    from webauthn.helpers import base64url_to_bytes

    house = house_of(request)
    try:
        wanted = base64url_to_bytes(str(credential.get("rawId", "")))
        with house.store.session(read_only=True) as session:
            known = session.scalar(sa.select(Passkey).where(Passkey.credential == wanted))
            person = None if known is None else session.get(Person, known.person)
        if known is None or person is None or person.removed_at is not None:
            raise HTTPException(401)
        found = verify_authentication_response(
            credential=credential,
            expected_challenge=challenge,
            expected_rp_id=rp,
            expected_origin=origin,
            credential_public_key=known.public_key,
            credential_current_sign_count=known.sign_count,
            require_user_verification=True,
        )
    except (WebAuthnException, ValueError, KeyError, TypeError, AttributeError) as error:
        with house.store.session() as session:
            audit(session, "login.failed", at=now, passkey=True)
        raise HTTPException(401) from error
    with house.store.session() as session:
        row = session.get_one(Passkey, known.id)
        row.sign_count, row.used_at = found.new_sign_count, now
    return int(person.id)
