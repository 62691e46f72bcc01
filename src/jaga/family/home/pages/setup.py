"""Setting up, step by step. The first two steps make the store; from then on it is the parent, logged in, who goes on."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any
from zoneinfo import available_timezones

import sqlalchemy as sa
from babel.dates import format_date
from fastapi import APIRouter, Depends, Form, Request, Response

from jaga.errors import UsageError
from jaga.family.home._web import Visitor, a_parent, back, house_of, language_of, page, sentence, visitor_or_none
from jaga.family.home.pages.login import enter
from jaga.guidance import countries as guidance_countries
from jaga.sources import zone_of
from jaga.store import add_family
from jaga.store._people import add_person, check_passphrase, new_recovery_code, new_slot
from jaga.store._tables import Family, Person
from jaga.words import Words, words

__all__ = ["STEPS", "country_choices", "recovery_page", "router", "zone_choices"]

router = APIRouter()

# Language, household, recovery kit, children, telling, trusted, channels, rules.
STEPS = 8
_KIT_LASTS = timedelta(minutes=30)


def country_choices(say: Words) -> list[tuple[str, str]]:
    """Code and name of each country that Jaga has guidance for; the rest of the world last."""
    names = {"my": say("Malaysia")}
    return [
        *((code, names.get(code, code.upper())) for code in sorted(guidance_countries())),
        ("international", say("Elsewhere")),
    ]


def zone_choices() -> list[tuple[str, str]]:
    """Every zone that is named by a place."""
    names = sorted(
        name
        for name in available_timezones()
        if "/" in name and not name.startswith(("Etc/", "posix/", "right/", "SystemV/", "US/"))
    )
    return [(name, name.replace("_", " ")) for name in names]


def wizard(request: Request, template: str, step: int, *, status: int = 200, **values: Any) -> Response:
    """A step's page."""
    return page(request, template, status=status, step=step, steps=STEPS, wizard=True, **values)


def _begun(request: Request) -> bool:
    """Whether there is a family already: then the first steps are over."""
    house = house_of(request)
    if house.state != "open":
        return False
    with house.store.session(read_only=True) as session:
        return session.scalar(sa.select(Person.id).limit(1)) is not None


@router.get("/setup")
def welcome(request: Request) -> Response:
    if _begun(request):
        return back("/setup/children" if visitor_or_none(request) is not None else "/login")
    return wizard(request, "setup_welcome.html", 1)


def _household(request: Request, given: dict[str, str], *, error: str | None = None) -> Response:
    say = words(language_of(request))
    return wizard(
        request,
        "setup_household.html",
        2,
        status=200 if error is None else 422,
        error=error,
        given=given,
        countries=country_choices(say),
        zones=zone_choices(),
    )


@router.get("/setup/household")
def household(request: Request) -> Response:
    if _begun(request):
        return back("/setup")
    return _household(request, {"family": "", "country": "my", "zone": "Asia/Kuala_Lumpur", "name": ""})


@router.post("/setup/household")
def make_household(
    request: Request,
    family: Annotated[str, Form()] = "",
    country: Annotated[str, Form()] = "my",
    zone: Annotated[str, Form()] = "Asia/Kuala_Lumpur",
    name: Annotated[str, Form()] = "",
    passphrase: Annotated[str, Form()] = "",
    again: Annotated[str, Form()] = "",
) -> Response:
    """Make the store, the family and its first parent; if that is cut short, the same page goes on with the same passphrase."""
    if _begun(request):
        return back("/setup")
    house = house_of(request)
    language = language_of(request)
    say = words(language)
    given = {"family": family[:200], "country": country[:40], "zone": zone[:60], "name": name[:200]}
    family, name = " ".join(family.split()), " ".join(name.split())
    now = house.now()
    try:
        if not 0 < len(family) <= 80 or not 0 < len(name) <= 80:
            raise UsageError("a name has 1 to 80 characters", remedy="give another name")
        if country not in dict(country_choices(say)):
            raise UsageError("no such country", remedy="choose one from the list")
        if zone not in dict(zone_choices()):
            raise UsageError("no such time zone", remedy="choose one from the list")
        if passphrase != again:
            raise UsageError("the two are not the same", remedy="type it twice alike")
        check_passphrase(passphrase, [family, name])
        if house.state == "new":
            slot = new_slot()
            house.create(passphrase, slot=slot)
        else:
            slot = house.open_by(passphrase)
        with house.store.session() as session:
            if session.scalar(sa.select(Person.id).limit(1)) is not None:
                raise UsageError("somebody else has set Jaga up just now", remedy="log in")
            row = add_family(session, family, zone=zone, country=country, now=now)
            row.settings = {**row.settings, "setup": "recovery"}
            person = add_person(
                house.store,
                session,
                row.id,
                name,
                "parent",
                passphrase=passphrase,
                language=language,
                by=None,
                now=now,
                slot=slot,
            )
            made = person.id
    except UsageError as error:
        return _household(request, given, error=sentence(say, error))
    house.wake()
    return enter(request, made, "/setup/recovery", how="setting up")


# ------------------------------------------------------------ the recovery kit


def recovery_page(request: Request, who: Visitor, *, action: str, error: str | None = None) -> Response:
    """The code, shown until it is confirmed; a new one if this one was forgotten by a restart or is too old."""
    house = house_of(request)
    now = house.now()
    held = house.kits.get(who.family.id)
    if held is None or now - held[2] > _KIT_LASTS:
        with house.store.session() as session:
            code = new_recovery_code(house.store, session, family=who.family.id, by=who.person.id, now=now)
        held = house.show_kit(who.family.id, code)
    day = format_date(now.astimezone(zone_of(who.family.zone)).date(), "long", locale=language_of(request))
    return wizard(
        request,
        "setup_recovery.html",
        3,
        status=200 if error is None else 422,
        error=error,
        code=held[0],
        asked=held[1] + 1,
        family=who.family.name,
        day=day,
        action=action,
    )


def confirmed(request: Request, who: Visitor, group: str) -> bool:
    """Whether the group asked for was typed; then the code is forgotten here."""
    house = house_of(request)
    held = house.kits.get(who.family.id)
    if held is None:
        return False
    typed = "".join(group.split()).upper().replace("O", "0").replace("I", "1").replace("L", "1")
    if typed != held[0].split("-")[held[1]]:
        return False
    house.kits.pop(who.family.id, None)
    return True


def kept_kit(request: Request, who: Visitor, group: str, kept: str, *, action: str) -> Response | None:
    """None if the code is on paper, as the group that was asked for shows; else the page that asks again."""
    if kept == "yes" and confirmed(request, who, group):
        return None
    error = words(language_of(request))("That is not what stands there. Look at your paper once more.")
    return recovery_page(request, who, action=action, error=error)


@router.get("/setup/recovery")
def kit(request: Request, who: Annotated[Visitor, Depends(a_parent)]) -> Response:
    if who.family.settings.get("setup") != "recovery":
        return back("/setup/children")
    return recovery_page(request, who, action="/setup/recovery")


@router.post("/setup/recovery")
def keep_kit(
    request: Request,
    who: Annotated[Visitor, Depends(a_parent)],
    group: Annotated[str, Form()] = "",
    kept: Annotated[str, Form()] = "",
) -> Response:
    if who.family.settings.get("setup") != "recovery":
        return back("/setup/children")
    again = kept_kit(request, who, group, kept, action="/setup/recovery")
    if again is not None:
        return again
    with house_of(request).store.session() as session:
        family = session.get(Family, who.family.id)
        assert family is not None
        family.settings = {**family.settings, "setup": "children"}
    return back("/setup/children")
