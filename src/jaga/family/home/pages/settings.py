"""What the family has set: when it is told, how much, how long words are kept, where messages go; the recovery kit; deleting everything."""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote, urlsplit

import sqlalchemy as sa
from babel.dates import get_day_names
from fastapi import APIRouter, Depends, Form, Request, Response
from starlette.exceptions import HTTPException

from jaga.errors import JagaError, UsageError
from jaga.family.home._security import drop_cookie
from jaga.family.home._tls import read_certificate
from jaga.family.home._web import Visitor, a_parent, back, grown_up, house_of, language_of, our_path, page, sentence
from jaga.family.home.pages.people import proves
from jaga.family.home.pages.setup import country_choices, kept_kit, recovery_page, zone_choices
from jaga.family.notify import check_address, masked, send_trial
from jaga.store import audit, change_settings, settings_of
from jaga.store._ages import AGES
from jaga.store._tables import Backup, Channel, Family
from jaga.words import Words, words

__all__ = ["ChannelForm", "add_channel", "channel_rows", "router"]

router = APIRouter()

Kind = Literal["ntfy", "telegram", "email", "other"]


def level_choices(say: Words) -> list[tuple[str, str, str]]:
    return [
        ("watch", say("Early"), say("Also when something is only worth keeping an eye on.")),
        ("concern", say("When it counts"), say("When something is worth a look. Most families choose this.")),
        ("urgent", say("Only urgent"), say("Blackmail, a secret meeting: what cannot wait.")),
    ]


def _settings(request: Request, who: Visitor, *, error: str | None = None) -> Response:
    house = house_of(request)
    language = language_of(request)
    say = words(language)
    with house.store.session(read_only=True) as session:
        family = session.get_one(Family, who.family.id)
        kept = settings_of(family)
        channels = channel_rows(session, who)
        backups = session.scalar(sa.select(sa.func.max(Backup.at)))
    names: Any = get_day_names("wide", context="stand-alone", locale=language)
    served = urlsplit(house.address)
    return page(
        request,
        "settings.html",
        status=200 if error is None else 422,
        error=error,
        may=who.person.role == "parent",
        kept=kept,
        family=family,
        levels=level_choices(say),
        sensitivity={-1.0: "less", 0.0: "as"}.get(kept.sensitivity, "more" if kept.sensitivity > 0 else "less"),
        days=[("", say("no weekly summary")), *((str(number), names[number]) for number in range(7))],
        retention=[
            (str(count), say.plural("{count} day", "{count} days", count))
            for count in sorted({7, 14, 30, 60, 90, 180, kept.retention_days})
        ],
        countries=country_choices(say),
        zones=zone_choices(),
        bands=[(age.band, kept.disclosure.get(age.band, "messages")) for age in AGES],
        channels=channels,
        address=house.address,
        lan=served.scheme == "https",
        fingerprint=_fingerprint(house.folder) if served.scheme == "https" else "",
        backed_up=backups,
        problems=[say.found(one) for one in house.troubles.values()],
    )


def _fingerprint(folder: Path) -> str:
    try:
        return read_certificate(folder / "tls" / "certificate.pem", folder / "tls" / "key.pem").fingerprint
    except (OSError, ValueError):
        return ""


@router.get("/settings")
def settings(request: Request, who: Annotated[Visitor, Depends(grown_up)]) -> Response:
    return _settings(request, who)


@router.post("/settings/telling")
def telling(
    request: Request,
    who: Annotated[Visitor, Depends(a_parent)],
    tell_from: Annotated[str, Form()] = "concern",
    sensitivity: Annotated[Literal["less", "as", "more"], Form()] = "as",
    quiet_from: Annotated[str, Form()] = "22:00",
    quiet_to: Annotated[str, Form()] = "07:00",
    digest_weekday: Annotated[str, Form()] = "",
    digest_at: Annotated[str, Form()] = "18:00",
) -> Response:
    return _change(
        request,
        who,
        tell_from=tell_from,
        sensitivity={"less": -1.0, "as": 0.0, "more": 1.0}[sensitivity],
        quiet_from=quiet_from[:5],
        quiet_to=quiet_to[:5],
        digest_weekday=int(digest_weekday) if digest_weekday.isascii() and digest_weekday.isdigit() else None,
        digest_at=digest_at[:5],
    )


@router.post("/settings/keeping")
def keeping(
    request: Request, who: Annotated[Visitor, Depends(a_parent)], retention_days: Annotated[int, Form()] = 30
) -> Response:
    return _change(request, who, retention_days=retention_days)


@router.post("/settings/showing")
async def showing(request: Request, who: Annotated[Visitor, Depends(a_parent)]) -> Response:
    """How much is shown of an alert, by age group: a family may narrow what the age says, never widen it (jaga.store._ages)."""
    form = await request.form()
    chosen = {age.band: str(form.get(f"band-{age.band}", "")) for age in AGES}
    from fastapi.concurrency import run_in_threadpool

    return await run_in_threadpool(_change, request, who, disclosure={k: v for k, v in chosen.items() if v})


def _change(request: Request, who: Visitor, **changes: Any) -> Response:
    house = house_of(request)
    try:
        with house.store.session() as session:
            change_settings(session, who.family.id, by=who.person.id, now=house.now(), **changes)
    except UsageError:
        say = words(language_of(request))
        return _settings(request, who, error=say("One of the values does not fit. Nothing was changed."))
    house.wake()
    return back("/settings")


@router.post("/settings/household")
def household(
    request: Request,
    who: Annotated[Visitor, Depends(a_parent)],
    name: Annotated[str, Form()] = "",
    country: Annotated[str, Form()] = "",
    zone: Annotated[str, Form()] = "",
    address: Annotated[str, Form()] = "",
) -> Response:
    house = house_of(request)
    say = words(language_of(request))
    name, address = " ".join(name.split()), address.strip()
    parts = urlsplit(address)
    if (
        not 0 < len(name) <= 80
        or country not in dict(country_choices(say))
        or zone not in dict(zone_choices())
        or (address and (parts.scheme not in ("http", "https") or not parts.hostname or len(address) > 200))
    ):
        return _settings(request, who, error=say("One of the values does not fit. Nothing was changed."))
    with house.store.session() as session:
        family = session.get_one(Family, who.family.id)
        family.name, family.country, family.zone = name, country, zone
        kept = address.rstrip("/") + "/" if address else None
        change_settings(session, family.id, by=who.person.id, now=house.now(), address=kept)
    return back("/settings")


# ------------------------------------------------------------ channels


class ChannelForm:
    """The address of a channel, from a few plain questions or as Apprise writes it. Raises: UsageError."""

    def __init__(self, kind: Kind, values: dict[str, str]) -> None:
        self.kind = kind
        self.values = {name: value.strip()[:500] for name, value in values.items()}

    def url(self) -> str:
        value = self.values
        if self.kind == "ntfy":
            topic = value.get("topic", "")
            if not topic or not all(one.isascii() and (one.isalnum() or one in "-_") for one in topic):
                raise UsageError("this is no name for an ntfy topic", remedy="use letters, digits and hyphens")
            return f"ntfys://{topic}"
        if self.kind == "telegram":
            token, chat = value.get("token", ""), value.get("chat", "")
            if ":" not in token or not chat:
                raise UsageError("the bot's token or the chat's number is missing", remedy="follow the steps above")
            return f"tgram://{quote(token, safe=':')}/{quote(chat, safe='')}/"
        if self.kind == "email":
            address, password = value.get("email", ""), value.get("password", "")
            user, at, host = address.partition("@")
            if not user or not at or "." not in host or not password:
                raise UsageError("the e-mail address or its password is missing", remedy="fill in both")
            server = value.get("server", "")
            extra = f"&smtp={quote(server, safe='')}" if server else ""
            return f"mailtos://{quote(user, safe='')}:{quote(password, safe='')}@{host}?to={quote(address, safe='@')}{extra}"
        return value.get("url", "")


def channel_rows(session: Any, who: Visitor) -> list[dict[str, Any]]:
    """The visitor's channels, for a page: never the address itself, which holds passwords."""
    return [
        {
            "id": one.id,
            "name": one.name,
            "kind": masked(one.url),
            "enabled": one.enabled,
            "problem": one.problem,
            "least": one.least,
            "says": one.says,
        }
        for one in session.scalars(sa.select(Channel).where(Channel.person == who.person.id).order_by(Channel.id))
    ]


def add_channel(request: Request, who: Visitor, kind: Kind, values: dict[str, str], name: str) -> str | None:
    """Keep a channel; None, or what is wrong."""
    house = house_of(request)
    say = words(language_of(request))
    try:
        url = ChannelForm(kind, values).url()
        check_address(url)
    except JagaError as error:
        return sentence(say, error)
    titles = {"ntfy": "ntfy", "telegram": "Telegram", "email": say("E-mail"), "other": masked(url)}
    now = house.now()
    with house.store.session() as session:
        session.add(
            Channel(
                person=who.person.id,
                name=" ".join(name.split())[:80] or titles[kind],
                url=url,
                says="free",
                least="concern",
                enabled=True,
                created_at=now,
                problem=None,
            )
        )
        audit(session, "channel.added", at=now, family=who.family.id, person=who.person.id)
    house.wake()
    return None


def own_channel(session: Any, who: Visitor, channel_id: int) -> Channel:
    found: Channel | None = session.get(Channel, channel_id)
    if found is None or found.person != who.person.id:
        raise HTTPException(404)
    return found


def channel_form(
    topic: Annotated[str, Form()] = "",
    token: Annotated[str, Form()] = "",
    chat: Annotated[str, Form()] = "",
    email: Annotated[str, Form()] = "",
    password: Annotated[str, Form()] = "",
    server: Annotated[str, Form()] = "",
    url: Annotated[str, Form()] = "",
) -> dict[str, str]:
    """What is asked about a channel, whatever its kind: as a dependency of a page that takes the form in."""
    return {"topic": topic, "token": token, "chat": chat, "email": email, "password": password, "server": server, "url": url}  # fmt: skip


@router.get("/settings/channels")
def ask_channel(request: Request, who: Annotated[Visitor, Depends(grown_up)]) -> Response:
    return page(request, "channel_new.html", error=None, topic=new_topic(), to="/settings#channels")


def new_topic() -> str:
    """A name for an ntfy topic that nobody guesses: whoever knows it can listen in."""
    return f"jaga-{secrets.token_hex(6)}"


@router.post("/settings/channels")
def make_channel(
    request: Request,
    who: Annotated[Visitor, Depends(grown_up)],
    kind: Annotated[Kind, Form()],
    values: Annotated[dict[str, str], Depends(channel_form)],
    name: Annotated[str, Form()] = "",
    to: Annotated[str, Form()] = "",
) -> Response:
    error = add_channel(request, who, kind, values, name)
    if error is not None:
        topic = values["topic"] or new_topic()
        return page(request, "channel_new.html", status=422, error=error, topic=topic, to=our_path(to))
    return back(our_path(to, "/settings"))


@router.post("/settings/channels/{channel_id}")
def change_channel(
    request: Request,
    channel_id: int,
    who: Annotated[Visitor, Depends(grown_up)],
    least: Annotated[Literal["watch", "concern", "urgent"], Form()] = "concern",
    says: Annotated[Literal["free", "level"], Form()] = "free",
    enabled: Annotated[str, Form()] = "",
) -> Response:
    house = house_of(request)
    with house.store.session() as session:
        row = own_channel(session, who, channel_id)
        row.least, row.says, row.enabled = least, says, enabled == "yes"
        audit(
            session,
            "channel.changed",
            at=house.now(),
            family=who.family.id,
            person=who.person.id,
            subject=f"channel:{channel_id}",
        )
    house.wake()
    return back("/settings#channels")


@router.post("/settings/channels/{channel_id}/remove")
def remove_channel(request: Request, channel_id: int, who: Annotated[Visitor, Depends(grown_up)]) -> Response:
    house = house_of(request)
    with house.store.session() as session:
        session.delete(own_channel(session, who, channel_id))
        audit(
            session,
            "channel.removed",
            at=house.now(),
            family=who.family.id,
            person=who.person.id,
            subject=f"channel:{channel_id}",
        )
    return back("/settings#channels")


@router.post("/settings/channels/{channel_id}/trial")
def try_channel(
    request: Request,
    channel_id: int,
    who: Annotated[Visitor, Depends(grown_up)],
    to: Annotated[str, Form()] = "",
) -> Response:
    house = house_of(request)
    say = words(language_of(request))
    with house.store.session(read_only=True) as session:
        name = own_channel(session, who, channel_id).name
    problem = send_trial(house.store, channel_id, now=house.now(), home=house.address)
    return page(
        request,
        "channel_tried.html",
        name=name,
        problem=None if problem is None else say.found(problem),
        to=our_path(to, "/settings"),
    )


# ------------------------------------------------------------ recovery kit


@router.get("/settings/recovery")
def kit(request: Request, who: Annotated[Visitor, Depends(a_parent)]) -> Response:
    """The kit that waits to be confirmed; else the question whether to make a new one."""
    if who.family.id in house_of(request).kits:
        return recovery_page(request, who, action="/settings/recovery")
    return page(request, "recovery_again.html", error=None)


@router.post("/settings/recovery/new")
def new_kit(
    request: Request, who: Annotated[Visitor, Depends(a_parent)], passphrase: Annotated[str, Form()] = ""
) -> Response:
    if not proves(request, who, passphrase):
        say = words(language_of(request))
        return page(request, "recovery_again.html", status=401, error=say("The passphrase does not fit."))
    # It is made by the page that shows it.
    return recovery_page(request, who, action="/settings/recovery")


@router.post("/settings/recovery")
def keep_kit(
    request: Request,
    who: Annotated[Visitor, Depends(a_parent)],
    group: Annotated[str, Form()] = "",
    kept: Annotated[str, Form()] = "",
) -> Response:
    if who.family.id not in house_of(request).kits:
        return back("/settings/recovery")
    return kept_kit(request, who, group, kept, action="/settings/recovery") or back("/settings")


# ------------------------------------------------------------ deleting everything


@router.get("/settings/delete")
def ask_delete(request: Request, who: Annotated[Visitor, Depends(a_parent)]) -> Response:
    return page(request, "family_delete.html", error=None)


@router.post("/settings/delete")
def delete(
    request: Request,
    who: Annotated[Visitor, Depends(a_parent)],
    passphrase: Annotated[str, Form()] = "",
    name: Annotated[str, Form()] = "",
) -> Response:
    """Everything of the household, for good. Only where it is the only one in the store."""
    house = house_of(request)
    say = words(language_of(request))
    if " ".join(name.split()).casefold() != who.family.name.casefold() or not proves(request, who, passphrase):
        error = say("The passphrase or the family's name does not fit. Nothing was deleted.")
        return page(request, "family_delete.html", status=422, error=error)
    with house.store.session(read_only=True) as session:
        families = session.scalar(sa.select(sa.func.count()).select_from(Family)) or 0
    if families != 1:
        return page(
            request,
            "family_delete.html",
            status=422,
            error=say("Another family shares this store: ask whoever runs it."),
        )
    left = house.destroy()
    response = page(request, "family_deleted.html", left=left)
    drop_cookie(request, response, "jaga_session")
    return response
