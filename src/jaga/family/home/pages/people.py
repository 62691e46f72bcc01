"""The family: the grown-ups who may look, and the children: their names in chats, whether they were told, their own log-in, who is never read."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
import sqlalchemy as sa
from babel.dates import get_month_names
from fastapi import APIRouter, Depends, Form, Request, Response
from starlette.exceptions import HTTPException

from jaga.errors import UsageError
from jaga.family.home._present import children_of, day_words, zone_of_family
from jaga.family.home._security import device_of
from jaga.family.home._web import (
    Visitor,
    a_parent,
    back,
    grown_up,
    house_of,
    language_of,
    our_path,
    own_child,
    page,
    sentence,
)
from jaga.family.home.pages.login import enter, removed_page, wait_words
from jaga.guidance import load_guidance
from jaga.store import add_account, add_child, audit, erase_child, protect_contact, tell_child
from jaga.store._ages import ADULT, AGES, age_on
from jaga.store._people import (
    accept_invitation,
    add_person,
    check_passphrase,
    end_sessions,
    find_invitation,
    forget_device,
    grown_ups,
    invite,
    log_in,
    new_recovery_code,
    remove_person,
    set_passphrase,
    tidy_slots,
)
from jaga.store._tables import Alert, Child, ChildAccount, Invitation, Person, Relationship, Trusted
from jaga.words import LANGUAGES, Words, words

__all__ = ["ChildForm", "band_words", "child_values", "child_years", "months", "router"]

router = APIRouter()

# A child's passphrase opens only what the child may see, and never the store.
CHILD_SHORTEST = 8
_MOST_NAMES = 30
_YOUNGEST = 4


def months(language: str) -> list[tuple[str, str]]:
    names = get_month_names("wide", context="stand-alone", locale=language)
    return [(f"{number:02}", names[number]) for number in range(1, 13)]


def child_years(now: datetime) -> list[tuple[str, str]]:
    """Years of birth of whoever is a child now, the likely ones first."""
    return [(str(year), str(year)) for year in range(now.year - _YOUNGEST, now.year - ADULT - 1, -1)]


def band_words(say: Words, band: str | None) -> str:
    return {
        "under10": say("under 10"),
        "10-12": say("10 to 12"),
        "13-15": say("13 to 15"),
        "16-17": say("16 or 17"),
    }.get(band or "", "")


def role_words(say: Words, role: str) -> str:
    return {"parent": say("parent"), "guardian": say("guardian"), "child": say("child")}.get(role, role)


class ChildForm(msgspec.Struct, frozen=True, kw_only=True):
    """What is asked about a child, as it was typed."""

    name: str = ""
    year: str = ""
    month: str = ""
    band: str = ""
    accounts: str = ""

    def names(self) -> list[str]:
        """The child's names in chats, one from each line. Raises: UsageError."""
        found = [" ".join(line.split()) for line in self.accounts.splitlines()]
        found = list(dict.fromkeys(one for one in found if one))
        if len(found) > _MOST_NAMES or any(len(one) > 200 for one in found):
            raise UsageError("these are too many or too long names", remedy="at most 30 names of 200 characters")
        return found

    def birth(self, now: datetime) -> tuple[str | None, str | None]:
        """Year and month, or a band. Raises: UsageError."""
        if self.year and self.month:
            if (self.year, self.year) not in child_years(now) or self.month not in dict(months("en")):
                raise UsageError("this is no child's year and month of birth", remedy="choose them from the lists")
            stands_in = Child(birth=f"{self.year}-{self.month}", band=None, created_at=now)
            if (age_on(stands_in, now.date()) or 0) >= ADULT:
                raise UsageError(
                    "whoever is 18 is grown up",
                    remedy="Jaga is for children; to read a grown-up's chats in secret is a crime",
                )
            return f"{self.year}-{self.month}", None
        if self.band in {age.band for age in AGES}:
            return None, self.band
        raise UsageError("how old the child is, is missing", remedy="choose year and month of birth, or the age group")


def child_form(
    name: Annotated[str, Form()] = "",
    year: Annotated[str, Form()] = "",
    month: Annotated[str, Form()] = "",
    band: Annotated[str, Form()] = "",
    accounts: Annotated[str, Form()] = "",
) -> ChildForm:
    """As a dependency of a page that takes the form in."""
    return ChildForm(name=name, year=year, month=month, band=band, accounts=accounts)


def child_values(request: Request, form: ChildForm) -> dict[str, Any]:
    """What the fields for a child need."""
    say = words(language_of(request))
    return {
        "given": form,
        "years": [("", "–"), *child_years(house_of(request).now())],
        "months": [("", "–"), *months(language_of(request))],
        "bands": [("", "–"), *((age.band, band_words(say, age.band)) for age in AGES)],
    }


def _settled(to: str, otherwise: str) -> Response:
    return back(our_path(to or None, otherwise))


# ------------------------------------------------------------ everybody


@router.get("/people")
def everybody(request: Request, who: Annotated[Visitor, Depends(grown_up)]) -> Response:
    house = house_of(request)
    say = words(language_of(request))
    zone = zone_of_family(who.family)
    with house.store.session(read_only=True) as session:
        people = [
            {
                "id": one.id,
                "name": one.name,
                "role": role_words(say, one.role),
                "since": day_words(say, one.created_at, zone),
                "me": one.id == who.person.id,
                "code": one.totp_secret is not None,
            }
            for one in grown_ups(session, who.family.id)
        ]
        waiting = [
            {
                "id": one.id,
                "name": one.name,
                "role": role_words(say, one.role),
                "until": day_words(say, one.ends_at, zone),
            }
            for one in session.scalars(
                sa.select(Invitation).where(
                    Invitation.family == who.family.id,
                    Invitation.used_at.is_(None),
                    Invitation.ends_at > house.now(),
                )
            )
        ]
        children = [
            {
                "id": one.id,
                "name": one.name,
                "told": "" if one.told_at is None else day_words(say, one.told_at, zone),
                "age": age_on(one, house.now().date()) if one.birth else None,
                "band": band_words(say, one.band),
            }
            for one in children_of(session, who)
        ]
    return page(request, "people.html", people=people, waiting=waiting, children=children, error=None)


# ------------------------------------------------------------ children


@router.get("/people/children/new")
def new_child(request: Request, who: Annotated[Visitor, Depends(a_parent)]) -> Response:
    return page(request, "child_new.html", error=None, action="/people/children", **child_values(request, ChildForm()))


@router.post("/people/children")
def make_child(
    request: Request,
    who: Annotated[Visitor, Depends(a_parent)],
    form: Annotated[ChildForm, Depends(child_form)],
) -> Response:
    made = make(request, who, form)
    if isinstance(made, str):
        shown = msgspec.structs.replace(form, name=form.name[:200], accounts=form.accounts[:5000])
        values = child_values(request, shown)
        return page(request, "child_new.html", status=422, error=made, action="/people/children", **values)
    return back(f"/people/children/{made}#told")


def make(request: Request, who: Visitor, form: ChildForm) -> int | str:
    """The new child's id, or what is wrong."""
    house = house_of(request)
    say = words(language_of(request))
    name = " ".join(form.name.split())
    now = house.now()
    try:
        if not 0 < len(name) <= 80:
            raise UsageError("a name has 1 to 80 characters", remedy="give another name")
        birth, band = form.birth(now)
        names = form.names()
        with house.store.session() as session:
            rows = children_of(session, who)
            if any(one.name.casefold() == name.casefold() for one in rows):
                raise UsageError(
                    f"there is a {name} in the family already", remedy="add a second name, to tell them apart"
                )
            child = add_child(
                session,
                who.family.id,
                name,
                birth=birth,
                band=band,
                accounts=[(None, one) for one in names],
                by=who.person.id,
                now=now,
            )
            return int(child.id)
    except UsageError as error:
        return sentence(say, error)


def _child_page(request: Request, who: Visitor, child_id: int, *, error: str | None = None) -> Response:
    house = house_of(request)
    say = words(language_of(request))
    zone = zone_of_family(who.family)
    with house.store.session(read_only=True) as session:
        child = own_child(session, who, child_id)
        login = _login_of(session, child)
        by = session.get(Person, child.told_by) if child.told_by is not None else None
        accounts = [
            one.author for one in session.scalars(sa.select(ChildAccount).where(ChildAccount.child == child.id))
        ]
        birth = (child.birth or "-").split("-")
        form = ChildForm(
            name=child.name, year=birth[0], month=birth[1], band=child.band or "", accounts="\n".join(accounts)
        )
        values: dict[str, Any] = {
            "child": {
                "id": child.id,
                "name": child.name,
                "told": "" if child.told_at is None else day_words(say, child.told_at, zone),
                "told_by": "" if by is None else by.name,
                "how": told_words(say, child.settings.get("told_how")),
            },
            "login": None if login is None else login.name,
            "trusted": [
                {"id": one.id, "name": one.who or one.contact, "protected": one.kind == "protected"}
                for one in session.scalars(
                    sa.select(Trusted).where(Trusted.child == child.id).order_by(Trusted.kind.desc(), Trusted.id)
                )
            ],
            "say_to": words_to_say(say, child, house.now()),
        }
    return page(
        request,
        "child_edit.html",
        status=200 if error is None else 422,
        error=error,
        may=who.person.role == "parent",
        **values,
        **child_values(request, form),
    )


def _login_of(session: Any, child: Child) -> Person | None:
    found: Person | None = session.scalar(
        sa.select(Person).where(Person.child == child.id, Person.role == "child", Person.removed_at.is_(None))
    )
    return found


def told_words(say: Words, how: object) -> str:
    return {
        "together": say("sitting down together"),
        "spoken": say("by word, for example on the telephone"),
        "written": say("in writing"),
    }.get(str(how), "")


def words_to_say(say: Words, child: Child, now: datetime) -> list[str]:
    """Words to tell a child with, by age."""
    if (age_on(child, now.date()) or 0) < 13:
        return [
            say("“I have put something on our computer that is called Jaga. It looks through the chats that we bring in together.”"),
            say("“It does not show me everything you write. It tells me only if somebody seems to be up to something.”"),
            say("“If that happens, you have done nothing wrong. I am not angry, and we look at it together.”"),
            say("“You can see what it told me, and when I looked.”"),
        ]  # fmt: skip
    return [
        say("“I would like to use Jaga for the two of us. It listens for the tricks that people use who are after young people.”"),
        say("“I do not get your chats to read. I get an alert if something looks serious, and the few lines that show it.”"),
        say("“You have a page of your own, where you see what I was told and every time I looked.”"),
        say("“As you get older I see less. What would you want to be different?”"),
    ]  # fmt: skip


@router.get("/people/children/{child_id}")
def one_child(request: Request, child_id: int, who: Annotated[Visitor, Depends(grown_up)]) -> Response:
    return _child_page(request, who, child_id)


@router.post("/people/children/{child_id}")
def change_child(
    request: Request,
    child_id: int,
    who: Annotated[Visitor, Depends(a_parent)],
    form: Annotated[ChildForm, Depends(child_form)],
) -> Response:
    house = house_of(request)
    now = house.now()
    try:
        name = " ".join(form.name.split())
        if not 0 < len(name) <= 80:
            raise UsageError("a name has 1 to 80 characters", remedy="give another name")
        birth, chosen = form.birth(now)
        wanted = form.names()
        with house.store.session() as session:
            child = own_child(session, who, child_id)
            changed = [
                field
                for field, old, new in (
                    ("name", child.name, name),
                    ("birth", (child.birth, child.band), (birth, chosen)),
                )
                if old != new
            ]
            child.name, child.birth, child.band = name, birth, chosen
            # Names that came with a platform were found in an export; here only plain ones are shown, and taken away.
            for row in session.scalars(sa.select(ChildAccount).where(ChildAccount.child == child.id)).all():
                if row.author not in wanted:
                    session.delete(row)
                    changed.append("accounts")
            session.flush()
            known = set(session.scalars(sa.select(ChildAccount.author).where(ChildAccount.child == child.id)))
            for one in wanted:
                if one not in known:
                    add_account(session, child.id, None, one)
                    changed.append("accounts")
            if changed:
                audit(
                    session,
                    "child.changed",
                    at=now,
                    family=who.family.id,
                    person=who.person.id,
                    subject=f"child:{child.id}",
                    fields=", ".join(dict.fromkeys(changed)),
                )
    except UsageError as error:
        return _child_page(request, who, child_id, error=sentence(words(language_of(request)), error))
    return back(f"/people/children/{child_id}")


@router.post("/people/children/{child_id}/told")
def note_told(
    request: Request,
    child_id: int,
    who: Annotated[Visitor, Depends(a_parent)],
    how: Annotated[Literal["together", "spoken", "written", "not"], Form()],
    sure: Annotated[str, Form()] = "",
    to: Annotated[str, Form()] = "",
) -> Response:
    """The gate: nothing is read before a parent says that the child was told, and how."""
    house = house_of(request)
    if how != "not":
        if sure != "yes":
            say = words(language_of(request))
            return _child_page(
                request, who, child_id, error=say("Tick that your child knows; nothing is read before that.")
            )
        with house.store.session() as session:
            child = own_child(session, who, child_id)
            tell_child(session, child.id, by=who.person.id, now=house.now())
            child.settings = {**child.settings, "told_how": how}
    return _settled(to, f"/people/children/{child_id}")


@router.post("/people/children/{child_id}/login")
def give_login(
    request: Request,
    child_id: int,
    who: Annotated[Visitor, Depends(a_parent)],
    name: Annotated[str, Form()] = "",
    language: Annotated[str, Form()] = "",
    passphrase: Annotated[str, Form()] = "",
    again: Annotated[str, Form()] = "",
    to: Annotated[str, Form()] = "",
) -> Response:
    """The child's own log-in, or a new passphrase for it; the child sees that it was set anew, and by whom."""
    house = house_of(request)
    now = house.now()
    try:
        if passphrase != again:
            raise UsageError("the two are not the same", remedy="type it twice alike")
        check_passphrase(passphrase, [name, who.family.name], shortest=CHILD_SHORTEST)
        with house.store.session() as session:
            child = own_child(session, who, child_id)
            login = _login_of(session, child)
            if login is None:
                add_person(
                    house.store,
                    session,
                    who.family.id,
                    name or child.name,
                    "child",
                    passphrase=passphrase,
                    language=language if language in LANGUAGES else language_of(request),
                    by=who.person.id,
                    now=now,
                    child=child.id,
                )
            else:
                set_passphrase(house.store, session, login, passphrase, by=who.person.id, now=now)
                end_sessions(session, login.id, now=now)
                forget_device(session, login.id)
    except UsageError as error:
        return _child_page(request, who, child_id, error=sentence(words(language_of(request)), error))
    return _settled(to, f"/people/children/{child_id}#login")


@router.post("/people/children/{child_id}/trusted")
def trust(
    request: Request,
    child_id: int,
    who: Annotated[Visitor, Depends(a_parent)],
    contact: Annotated[str, Form()] = "",
    kind: Annotated[Literal["known", "protected"], Form()] = "known",
    to: Annotated[str, Form()] = "",
) -> Response:
    """Somebody the family knows, or whose talk with the child is never read."""
    house = house_of(request)
    contact = " ".join(contact.split())
    if not 0 < len(contact) <= 200:
        say = words(language_of(request))
        return _child_page(request, who, child_id, error=say("A name is missing, or too long."))
    with house.store.session(read_only=True) as session:
        own_child(session, who, child_id)
    now = house.now()
    if kind == "protected":
        protect_contact(house.store, child_id, contact, who=contact, by=who.person.id, now=now)
    else:
        with house.store.session() as session:
            row = session.scalar(sa.select(Trusted).where(Trusted.child == child_id, Trusted.contact == contact))
            if row is None:
                session.add(Trusted(child=child_id, contact=contact, kind=kind, who=contact, by=who.person.id, at=now))
            else:
                row.kind, row.by, row.at = kind, who.person.id, now
            audit(
                session,
                "contact.known",
                at=now,
                family=who.family.id,
                person=who.person.id,
                subject=f"child:{child_id}",
            )
    return _settled(to, f"/people/children/{child_id}#trusted")


@router.post("/people/children/{child_id}/trusted/{trusted_id}/remove")
def trust_no_more(
    request: Request, child_id: int, trusted_id: int, who: Annotated[Visitor, Depends(a_parent)]
) -> Response:
    house = house_of(request)
    with house.store.session() as session:
        own_child(session, who, child_id)
        row = session.get(Trusted, trusted_id)
        if row is None or row.child != child_id:
            raise HTTPException(404)
        session.delete(row)
        audit(
            session,
            "contact.unknown",
            at=house.now(),
            family=who.family.id,
            person=who.person.id,
            subject=f"child:{child_id}",
        )
    return back(f"/people/children/{child_id}#trusted")


@router.get("/people/children/{child_id}/erase")
def ask_erase(request: Request, child_id: int, who: Annotated[Visitor, Depends(a_parent)]) -> Response:
    return _erase_page(request, who, child_id)


def _erase_page(request: Request, who: Visitor, child_id: int, *, error: str | None = None) -> Response:
    with house_of(request).store.session(read_only=True) as session:
        child = own_child(session, who, child_id)
        alerts = session.scalar(sa.select(sa.func.count()).select_from(Alert).where(Alert.child == child.id)) or 0
        contacts = (
            session.scalar(sa.select(sa.func.count()).select_from(Relationship).where(Relationship.child == child.id))
            or 0
        )
        name = child.name
    return page(
        request,
        "child_erase.html",
        status=200 if error is None else 422,
        error=error,
        id=child_id,
        name=name,
        alerts=alerts,
        contacts=contacts,
    )


@router.post("/people/children/{child_id}/erase")
def erase(
    request: Request,
    child_id: int,
    who: Annotated[Visitor, Depends(a_parent)],
    passphrase: Annotated[str, Form()] = "",
    sure: Annotated[str, Form()] = "",
) -> Response:
    house = house_of(request)
    say = words(language_of(request))
    with house.store.session(read_only=True) as session:
        name = own_child(session, who, child_id).name
    if sure != "yes" or not proves(request, who, passphrase):
        return _erase_page(request, who, child_id, error=say("The passphrase does not fit, or the box is not ticked."))
    done = erase_child(house.store, child_id, by=who.person.id, now=house.now())
    zone = zone_of_family(who.family)
    return page(
        request,
        "child_erased.html",
        name=name,
        messages=done.messages,
        backups=[(path, day_words(say, at, zone)) for path, at in done.backups],
    )


# ------------------------------------------------------------ other grown-ups


def proves(request: Request, who: Visitor, passphrase: str) -> bool:
    """Whether whoever sits here knows the passphrase still; tries are counted as at the door."""
    house = house_of(request)
    found = log_in(house.store, who.person.name, passphrase, device=device_of(request), now=house.now())
    if found.person == who.person.id and found.code_needed:
        # The session proves the second step; the count was left for it and is cleared here.
        with house.store.session() as session:
            row = session.get(Person, who.person.id)
            assert row is not None
            row.failures, row.locked_until = 0, None
    return found.person == who.person.id and not found.removed


@router.post("/people/invite")
def invite_one(
    request: Request,
    who: Annotated[Visitor, Depends(a_parent)],
    name: Annotated[str, Form()] = "",
    role: Annotated[Literal["parent", "guardian"], Form()] = "guardian",
    passphrase: Annotated[str, Form()] = "",
) -> Response:
    house = house_of(request)
    say = words(language_of(request))
    if not proves(request, who, passphrase):
        return _invite_page(request, who, error=say("The passphrase does not fit."), name=name, role=role, status=401)
    try:
        with house.store.session() as session:
            code = invite(session, who.family.id, name, role, by=who.person.id, now=house.now())
    except UsageError as error:
        return _invite_page(request, who, error=sentence(say, error), name=name, role=role, status=422)
    return page(request, "invited.html", code=code, name=" ".join(name.split()), address=house.address)


def _invite_page(
    request: Request, who: Visitor, *, error: str | None, name: str, role: str, status: int = 200
) -> Response:
    lines = load_guidance(who.family.country).helplines[:2]
    return page(request, "invite.html", status=status, error=error, name=name[:200], role=role, helplines=lines)


@router.get("/people/invite")
def ask_invite(request: Request, who: Annotated[Visitor, Depends(a_parent)]) -> Response:
    return _invite_page(request, who, error=None, name="", role="parent")


@router.post("/people/invitations/{invitation_id}/withdraw")
def withdraw(request: Request, invitation_id: int, who: Annotated[Visitor, Depends(a_parent)]) -> Response:
    house = house_of(request)
    with house.store.session() as session:
        row = session.get(Invitation, invitation_id)
        if row is None or row.family != who.family.id:
            raise HTTPException(404)
        if row.used_at is None:
            row.used_at = house.now()
            audit(
                session,
                "person.invitation_withdrawn",
                at=house.now(),
                family=who.family.id,
                person=who.person.id,
            )
    return back("/people")


@router.get("/join")
def ask_join(request: Request) -> Response:
    return page(request, "join.html", error=None, code="", name="")


@router.post("/join")
def join(
    request: Request,
    code: Annotated[str, Form()] = "",
    passphrase: Annotated[str, Form()] = "",
    again: Annotated[str, Form()] = "",
) -> Response:
    """Come in by a code; first the code alone, then, once it is known to hold, with a passphrase."""
    house = house_of(request)
    say = words(language_of(request))
    now = house.now()
    wait = house.attempts.begin(now)
    if wait:
        return page(request, "join.html", status=429, error=wait_words(request, wait), code="", name="")
    with house.store.session(read_only=True) as session:
        found = find_invitation(session, code[:100], now)
        name = "" if found is None else found.name
    if found is None:
        error = say("This code does not hold, or not any more. Ask whoever invited you for a new one.")
        return page(request, "join.html", status=401, error=error, code="", name="")
    house.attempts.clear()
    if not passphrase:
        return page(request, "join.html", error=None, code=code, name=name)
    try:
        if passphrase != again:
            raise UsageError("the two are not the same", remedy="type it twice alike")
        check_passphrase(passphrase, [name])
        with house.store.session() as session:
            person = accept_invitation(
                house.store, session, code, passphrase=passphrase, language=language_of(request), now=now
            )
            made = person.id
    except UsageError as error:
        return page(request, "join.html", status=422, error=sentence(say, error), code=code, name=name)
    return enter(request, made, "/", how="invitation")


def _other(session: Any, who: Visitor, person_id: int) -> Person:
    found: Person | None = session.get(Person, person_id)
    if found is None or found.family != who.family.id or found.removed_at is not None or found.role == "child":
        raise HTTPException(404)
    return found


@router.get("/people/{person_id}/remove")
def ask_remove(request: Request, person_id: int, who: Annotated[Visitor, Depends(grown_up)]) -> Response:
    return _remove_page(request, who, person_id)


def _remove_page(request: Request, who: Visitor, person_id: int, *, error: str | None = None) -> Response:
    say = words(language_of(request))
    if who.person.role != "parent" and person_id != who.person.id:
        raise HTTPException(403)
    with house_of(request).store.session(read_only=True) as session:
        person = _other(session, who, person_id)
        values = {"id": person.id, "name": person.name, "role": role_words(say, person.role)}
        slot = person.slot is not None
    return page(
        request,
        "person_remove.html",
        status=200 if error is None else 422,
        error=error,
        person=values,
        parent=slot,
        me=person_id == who.person.id,
        helplines=load_guidance(who.family.country).helplines[:2],
    )


@router.post("/people/{person_id}/remove")
def remove(
    request: Request,
    person_id: int,
    who: Annotated[Visitor, Depends(grown_up)],
    passphrase: Annotated[str, Form()] = "",
    sure: Annotated[str, Form()] = "",
) -> Response:
    """Let a grown-up go. After a parent the store gets another key and the family another recovery code."""
    house = house_of(request)
    say = words(language_of(request))
    if who.person.role != "parent" and person_id != who.person.id:
        raise HTTPException(403)
    with house.store.session(read_only=True) as session:
        _other(session, who, person_id)
    if sure != "yes" or not proves(request, who, passphrase):
        error = say("The passphrase does not fit, or the box is not ticked.")
        return _remove_page(request, who, person_id, error=error)
    now = house.now()
    try:
        with house.store.session() as session:
            person = _other(session, who, person_id)
            was_parent = person.role == "parent"
            remove_person(session, person, by=who.person.id, now=now)
    except UsageError as error:
        return _remove_page(request, who, person_id, error=sentence(say, error))
    tidy_slots(house.store)
    if was_parent:
        # The new code comes before the new key: were it cut short, the old code would still open what it should not.
        with house.store.session() as session:
            code = new_recovery_code(house.store, session, family=who.family.id, by=None, now=now)
        house.rekey(by=who.person.id, family=who.family.id)
        house.show_kit(who.family.id, code)
    if person_id == who.person.id:
        return removed_page(request, person_id)
    return back("/settings/recovery" if was_parent else "/people")
