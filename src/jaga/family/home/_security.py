"""In front of every page: headers, sessions, forms that came from elsewhere, and the way to set-up, unlocking and log-in."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Awaitable, Callable
from datetime import timedelta
from hashlib import sha256
from urllib.parse import parse_qs

import sqlalchemy as sa
from fastapi import FastAPI, Request, Response
from fastapi.responses import PlainTextResponse, RedirectResponse

from jaga.family.home._house import House
from jaga.family.home._web import Visitor
from jaga.store._tables import Family, Person, Session

__all__ = ["COOKIE", "guard", "start_session"]

COOKIE = "jaga_session"
_LASTS = timedelta(hours=12)
_IDLE = timedelta(minutes=30)
_HEADERS = {
    # Nothing from elsewhere, no inline script or style: what a chat holds can never run.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; manifest-src 'self'; worker-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}
_OPEN_PATHS = ("/static/", "/manifest.webmanifest", "/service-worker.js", "/health")


def start_session(house: House, person: int, agent: str | None) -> str:
    """A new log-in; the token for the cookie. It is new at every log-in, so a session cannot be planted beforehand."""
    token = secrets.token_urlsafe(32)
    now = house.now()
    with house.store.session() as session:
        session.add(
            Session(
                person=person,
                token=sha256(token.encode()).digest(),
                csrf=secrets.token_urlsafe(32),
                created_at=now,
                seen_at=now,
                ends_at=now + _LASTS,
                agent=None if agent is None else agent[:200],
            )
        )
    return token


def _find(house: House, token: str) -> Visitor | None:
    now = house.now()
    with house.store.session() as session:
        found = session.scalar(sa.select(Session).where(Session.token == sha256(token.encode()).digest()))
        if found is None or found.ended_at is not None or now >= found.ends_at or now - found.seen_at > _IDLE:
            return None
        person = session.get(Person, found.person)
        if person is None or person.removed_at is not None:
            return None
        family = session.get(Family, person.family)
        assert family is not None
        if now - found.seen_at > timedelta(minutes=1):
            found.seen_at = now
        return Visitor(person=person, family=family, session=found.id, csrf=found.csrf)


async def _from_our_page(request: Request, expected: str) -> bool:
    sent = request.headers.get("x-csrf-token")
    if sent is None:
        kind = request.headers.get("content-type", "")
        if kind.startswith("application/x-www-form-urlencoded"):
            sent = parse_qs((await request.body()).decode("utf-8", "replace")).get("csrf", [""])[0]
        elif kind.startswith("multipart/form-data"):
            form = await request.form()
            value = form.get("csrf")
            sent = value if isinstance(value, str) else ""
    return hmac.compare_digest((sent or "").encode(), expected.encode()) and expected != ""


def guard(app: FastAPI) -> None:
    """Put the checks in front of the app."""

    @app.middleware("http")
    async def _guarded(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        house: House = request.app.state.house
        path = request.url.path
        request.state.visitor = None
        if path.startswith(_OPEN_PATHS):
            response = await go_on(request)
        else:
            way = {"new": "/setup", "locked": "/unlock"}.get(house.state)
            if way is not None and not path.startswith(way):
                response = RedirectResponse(way, status_code=303)
            else:
                if house.state == "open" and (token := request.cookies.get(COOKIE)):
                    request.state.visitor = _find(house, token)
                found: Visitor | None = request.state.visitor
                # Before log-in the token stands in a cookie of its own, and the form repeats it.
                before = request.cookies.get("jaga_csrf") or secrets.token_urlsafe(32)
                request.state.csrf = before
                expected = found.csrf if found is not None else before
                if request.method not in ("GET", "HEAD") and not await _from_our_page(request, expected):
                    response = PlainTextResponse("This form did not come from Jaga's own page.", status_code=403)
                else:
                    response = await go_on(request)
                if found is None and "jaga_csrf" not in request.cookies:
                    response.set_cookie("jaga_csrf", before, httponly=True, samesite="strict", path="/")
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        return response
