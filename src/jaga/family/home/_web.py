"""What every page uses: who is asking, in which language, and how an answer is made."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import quote

import msgspec
from fastapi import Request
from fastapi.responses import HTMLResponse, RedirectResponse
from jinja2 import Environment, PackageLoader, StrictUndefined
from sqlalchemy import orm
from starlette.exceptions import HTTPException

from jaga import __version__
from jaga.errors import JagaError
from jaga.family.home._house import House
from jaga.store._tables import Child, Family, Person
from jaga.words import LANGUAGES, Words, choose_language, words

__all__ = [
    "Visitor",
    "a_parent",
    "back",
    "grown_up",
    "house_of",
    "language_of",
    "our_path",
    "own_child",
    "page",
    "sentence",
    "visitor",
    "visitor_or_none",
]

# A path of ours with, perhaps, a simple query: no "//", no backslash, nothing that a browser could take for another host.
_OUR_PATH = re.compile(r"/(?:[A-Za-z0-9_-][A-Za-z0-9_./-]*)?(?:\?[A-Za-z0-9_=&.%-]*)?")

templates = Environment(
    loader=PackageLoader("jaga.family.home", "templates"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


class Visitor(msgspec.Struct, frozen=True, kw_only=True):
    """Who is logged in."""

    person: Person
    family: Family
    session: int
    # To be sent back with every form: proves that the form came from our page.
    csrf: str

    @property
    def is_child(self) -> bool:
        return self.person.role == "child"


def house_of(request: Request) -> House:
    house: House = request.app.state.house
    return house


def visitor_or_none(request: Request) -> Visitor | None:
    """Whoever the session cookie names (set by the middleware in _security.py)."""
    found: Visitor | None = getattr(request.state, "visitor", None)
    return found


def visitor(request: Request) -> Visitor:
    """As a dependency of a page for grown-ups and the child alike; sends to the log-in page. A page for grown-ups asks `grown_up`."""
    found = visitor_or_none(request)
    if found is None:
        path = request.url.path
        asked = f"?to={quote(path)}" if request.method == "GET" and path != "/" else ""
        raise HTTPException(303, headers={"location": f"/login{asked}"})
    # Before anything else the recovery code goes to paper: what is encrypted is lost with the only passphrase.
    if (
        found.person.role == "parent"
        and found.family.settings.get("setup") == "recovery"
        and not request.url.path.startswith(("/setup", "/logout"))
    ):
        raise HTTPException(303, headers={"location": "/setup/recovery"})
    return found


def grown_up(request: Request) -> Visitor:
    """As a dependency of a page that a child's log-in must not open."""
    found = visitor(request)
    if found.is_child:
        raise HTTPException(403)
    return found


def a_parent(request: Request) -> Visitor:
    """As a dependency of what only a parent may do: a guardian sees alerts, but changes no settings and lets nobody in."""
    found = grown_up(request)
    if found.person.role != "parent":
        raise HTTPException(403)
    return found


def own_child(session: orm.Session, visitor: Visitor, child_id: int) -> Child:
    """The family's child of this id. Raises: HTTPException 404, if it is another's: who asks must not learn that it exists."""
    found = session.get(Child, child_id)
    if found is None or found.family != visitor.family.id:
        raise HTTPException(404)
    return found


def language_of(request: Request) -> str:
    """The person's, else what the cookie `jaga_lang` or the browser asks for."""
    found = visitor_or_none(request)
    if found is not None:
        return found.person.language
    asked = request.cookies.get("jaga_lang") or request.cookies.get("__Host-jaga_lang")
    if asked in LANGUAGES:
        return asked
    for part in request.headers.get("accept-language", "").split(","):
        code = part.split(";")[0].strip()[:2].lower()
        if code in LANGUAGES:
            return code
    return choose_language(None)


def page(request: Request, template: str, *, status: int = 200, **values: Any) -> HTMLResponse:
    """A page from a template. In it: `say`, `plural`, `visitor` (or None), `lang`, `languages`, `csrf`, `path`, `version`."""
    language = language_of(request)
    say = words(language)
    found = visitor_or_none(request)
    text = templates.get_template(template).render(
        say=say,
        plural=say.plural,
        visitor=found,
        lang=language,
        languages=LANGUAGES,
        csrf=found.csrf if found is not None else getattr(request.state, "csrf", ""),
        path=request.url.path,
        version=__version__,
        **values,
    )
    return HTMLResponse(text, status_code=status)


def sentence(say: Words, error: JagaError) -> str:
    """An error for a page: what and what to do, without the place on the disk, in the reader's language."""
    text = error.what if error.remedy is None else f"{error.what} ({error.remedy})"
    return say.found(text)


def our_path(to: str | None, otherwise: str = "/") -> str:
    """`to`, if it is a path of ours; anything that could lead elsewhere is not followed."""
    if not to or not _OUR_PATH.fullmatch(to):
        return otherwise
    return to


def back(to: str) -> RedirectResponse:
    """After a form was taken in: to a page, so that reloading sends nothing twice."""
    return RedirectResponse(to, status_code=303)
