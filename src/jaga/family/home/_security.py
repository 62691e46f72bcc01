"""In front of every page: headers, the host's name, sessions, forms that came from elsewhere, and the way to set-up, unlocking and log-in."""

from __future__ import annotations

import hmac
import ipaddress
import re
import secrets
from collections.abc import Awaitable, Callable
from datetime import timedelta
from hashlib import sha256
from urllib.parse import parse_qs, urlsplit

import sqlalchemy as sa
from fastapi import FastAPI, Request, Response
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import HTMLResponse, PlainTextResponse, RedirectResponse

from jaga.family.home._house import House
from jaga.family.home._web import Visitor
from jaga.store import settings_of
from jaga.store._tables import Family, Person, Session

__all__ = [
    "COOKIE",
    "cookie_name",
    "device_of",
    "end_session",
    "guard",
    "keep_cookie",
    "session_cookie",
    "start_session",
]

COOKIE = "jaga_session"
DEVICE = "jaga_device"
CSRF = "jaga_csrf"
LASTS = timedelta(hours=12)
IDLE = timedelta(minutes=30)
# How far a clock may be set back without ending every log-in.
_CLOCK = timedelta(minutes=5)
_DEVICE_LASTS = timedelta(days=400)
# A form of ours is small; what is larger is an upload, and those pages take it as it arrives.
MOST_FORM_BYTES = 256 * 1024
_HEADERS = {
    # Nothing from elsewhere, no inline script or style: what a chat holds can never run.
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; manifest-src 'self'; worker-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'; "
    "require-trusted-types-for 'script'; trusted-types jaga",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=(), publickey-credentials-create=(self), publickey-credentials-get=(self)",
    "cache-control": "no-store",
}
# Large files come here; the form is read as it arrives, and its handler checks the token itself, before anything is kept.
CHECKS_ITSELF = frozenset({"/sources/upload"})
# More digits than any id in the store has: neither database could even look it up.
_NO_ID = re.compile(r"/[+-]?[0-9_]{19,}(?:/|$)")
_OPEN_PATHS = ("/static/", "/manifest.webmanifest", "/service-worker.js", "/health")
# Not a page of its own: it loads what was asked for once more, now as a step from our own page, so that the browser sends the
# cookie that it keeps back from links in other programs (SameSite=Strict).
_ONCE_MORE = '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Jaga</title><meta http-equiv="refresh" content="0"></head><body></body></html>'


def cookie_name(request: Request, name: str = COOKIE) -> str:
    """Over TLS the name begins with `__Host-`: then the browser takes it only from this host, with Secure and for every path."""
    return f"__Host-{name}" if request.url.scheme == "https" else name


def keep_cookie(request: Request, response: Response, name: str, value: str, *, lasts: timedelta | None = None) -> None:
    """Set one of our cookies: never readable by scripts, never sent along from elsewhere."""
    response.set_cookie(
        cookie_name(request, name),
        value,
        max_age=None if lasts is None else int(lasts.total_seconds()),
        path="/",
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )


def drop_cookie(request: Request, response: Response, name: str) -> None:
    response.delete_cookie(
        cookie_name(request, name), path="/", httponly=True, samesite="strict", secure=request.url.scheme == "https"
    )


def device_of(request: Request) -> str | None:
    """The token of this browser, if somebody has logged in with it before."""
    return request.cookies.get(cookie_name(request, DEVICE))


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
                ends_at=now + LASTS,
                agent=None if agent is None else agent[:200],
            )
        )
    return token


def session_cookie(request: Request, response: Response, token: str, device: str) -> None:
    """What a log-in leaves in the browser. The token of the forms before log-in ends with it."""
    keep_cookie(request, response, COOKIE, token)
    keep_cookie(request, response, DEVICE, device, lasts=_DEVICE_LASTS)
    drop_cookie(request, response, CSRF)


def end_session(request: Request, response: Response, house: House, session_id: int) -> None:
    """End it here and in the store: the cookie alone would leave a copied token good."""
    with house.store.session() as session:
        found = session.get(Session, session_id)
        if found is not None and found.ended_at is None:
            found.ended_at = house.now()
    drop_cookie(request, response, COOKIE)


def _find(house: House, token: str) -> Visitor | None:
    now = house.now()
    with house.store.session(read_only=True) as session:
        found = session.scalar(sa.select(Session).where(Session.token == sha256(token.encode()).digest()))
        # A clock that went back is no reason to let an old session live.
        if (
            found is None
            or found.ended_at is not None
            or not found.created_at - _CLOCK <= now < found.ends_at
            or now - found.seen_at > IDLE
        ):
            return None
        person = session.get(Person, found.person)
        if person is None or person.removed_at is not None:
            return None
        family = session.get(Family, person.family)
        assert family is not None
        visitor = Visitor(person=person, family=family, session=found.id, csrf=found.csrf)
    if now - found.seen_at > timedelta(minutes=1):
        with house.store.session() as session:
            session.execute(sa.update(Session).where(Session.id == found.id).values(seen_at=now))
    return visitor


def _same_origin(request: Request) -> bool:
    """Whether a form was sent from our own page, as far as the browser says (Fetch Metadata, the Origin header)."""
    site = request.headers.get("sec-fetch-site")
    if site not in (None, "same-origin", "none"):
        return False
    origin = request.headers.get("origin")
    if origin is None:
        return True
    asked = urlsplit(origin)
    return (asked.scheme, asked.netloc) == (request.url.scheme, request.headers.get("host", ""))


async def _from_our_page(request: Request, expected: str) -> bool:
    sent = request.headers.get("x-csrf-token")
    if sent is None and request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        sent = parse_qs((await request.body()).decode("utf-8", "replace")).get("csrf", [""])[0]
    return expected != "" and hmac.compare_digest((sent or "").encode(), expected.encode())


def _known_host(request: Request, house: House) -> bool:
    """Whether the page was asked for under a name of ours.

    A page elsewhere can let its own name point to this machine and read what is answered (DNS rebinding); it cannot do so under an address
    in numbers, nor under our names.
    """
    try:
        name = urlsplit(f"//{request.headers.get('host', '')}").hostname
    except ValueError:
        return False
    if name is None:
        return False
    name = name.casefold()
    if name in house.hosts:
        return True
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return _is_set(name, house)
    return True


def _is_set(name: str, house: House) -> bool:
    """Whether a family said that its pages are reached under this name."""
    if house.state != "open":
        return False
    with house.store.session(read_only=True) as session:
        addresses = [settings_of(family).address for family in session.scalars(sa.select(Family))]
    return any(urlsplit(address).hostname == name for address in addresses if address)


def _on_this_machine(request: Request) -> bool:
    if request.client is None or request.client.host == "testclient":
        return True
    try:
        return ipaddress.ip_address(request.client.host).is_loopback
    except ValueError:
        return False


def _too_large(request: Request) -> bool:
    length = request.headers.get("content-length")
    if request.url.path in CHECKS_ITSELF:
        return False
    if length is None:
        return "transfer-encoding" in request.headers
    return not (length.isascii() and length.isdigit()) or int(length) > MOST_FORM_BYTES


def guard(app: FastAPI) -> None:
    """Put the checks in front of the app."""

    @app.middleware("http")
    async def _guarded(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        response = await _answer(request, go_on)
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)
        if request.url.scheme == "https":
            response.headers.setdefault("strict-transport-security", "max-age=31536000")
        return response

    async def _answer(request: Request, go_on: Callable[[Request], Awaitable[Response]]) -> Response:
        house: House = request.app.state.house
        path = request.url.path
        request.state.visitor = None
        request.state.csrf = ""
        if not await run_in_threadpool(_known_host, request, house):
            return PlainTextResponse("Jaga is not served under this name.", status_code=421)
        if path.startswith(_OPEN_PATHS):
            return await go_on(request)
        state = house.state
        if state == "new" and not _on_this_machine(request):
            # Whoever sets it up first is its parent: that must not be a neighbour.
            return PlainTextResponse("Set Jaga up on the machine that it runs on.", status_code=403)
        if _NO_ID.search(path):
            return PlainTextResponse("There is no such page.", status_code=404)
        safe = request.method in ("GET", "HEAD")
        if not safe and not _same_origin(request):
            return PlainTextResponse("This form did not come from Jaga's own page.", status_code=403)
        if not safe and _too_large(request):
            return PlainTextResponse("This form is too large.", status_code=413)
        way = {"new": "/setup", "locked": "/unlock"}.get(state)
        if way is not None and not path.startswith((way, "/language")):
            return RedirectResponse(way, status_code=303)
        token = request.cookies.get(cookie_name(request))
        if state == "open" and token:
            request.state.visitor = await run_in_threadpool(_find, house, token)
        found: Visitor | None = request.state.visitor
        if (
            state == "open"
            and not token
            and request.method == "GET"
            and request.headers.get("sec-fetch-site") in ("cross-site", "same-site")
            and request.headers.get("sec-fetch-mode") == "navigate"
        ):
            return HTMLResponse(_ONCE_MORE)
        # Before log-in the token stands in a cookie of its own, and the form repeats it.
        before = request.cookies.get(cookie_name(request, CSRF)) or secrets.token_urlsafe(32)
        request.state.csrf = before
        expected = found.csrf if found is not None else before
        checks_itself = path in CHECKS_ITSELF and found is not None
        if not safe and not checks_itself and not await _from_our_page(request, expected):
            return PlainTextResponse("This form did not come from Jaga's own page.", status_code=403)
        response = await go_on(request)
        if found is None and safe and cookie_name(request, CSRF) not in request.cookies:
            keep_cookie(request, response, CSRF, before)
        return response
