"""The later steps of setting up, by the parent who is logged in: children, telling them, trusted people, ways to be told, house rules."""

from __future__ import annotations

from typing import Annotated

import sqlalchemy as sa
from fastapi import APIRouter, Depends, Form, Request, Response

from jaga.errors import UsageError
from jaga.family.home._present import children_of
from jaga.family.home._web import Visitor, a_parent, back, house_of, language_of, sentence
from jaga.family.home.pages.agreement import keep_rules, rule_choices
from jaga.family.home.pages.people import ChildForm, child_form, child_values, make, words_to_say
from jaga.family.home.pages.settings import Kind, add_channel, channel_form, channel_rows, new_topic
from jaga.family.home.pages.setup import wizard
from jaga.store import settings_of
from jaga.store._tables import Child, Family, Person, Trusted
from jaga.words import words

__all__ = ["router"]

router = APIRouter()

_CHILDREN, _TELLING, _TRUSTED, _CHANNELS, _RULES = range(4, 9)


def _children(request: Request, who: Visitor) -> list[Child]:
    with house_of(request).store.session(read_only=True) as session:
        return children_of(session, who)


def _children_page(request: Request, who: Visitor, form: ChildForm, error: str | None = None) -> Response:
    return wizard(
        request,
        "setup_children.html",
        _CHILDREN,
        status=200 if error is None else 422,
        error=error,
        children=[one.name for one in _children(request, who)],
        **child_values(request, form),
    )


@router.get("/setup/children")
def children(request: Request, who: Annotated[Visitor, Depends(a_parent)]) -> Response:
    if who.family.settings.get("setup") == "recovery":
        return back("/setup/recovery")
    return _children_page(request, who, ChildForm())


@router.post("/setup/children")
def add_child(
    request: Request,
    who: Annotated[Visitor, Depends(a_parent)],
    form: Annotated[ChildForm, Depends(child_form)],
    more: Annotated[str, Form()] = "",
) -> Response:
    made = make(request, who, form)
    if isinstance(made, str):
        return _children_page(request, who, form, error=made)
    return back("/setup/children" if more == "yes" else "/setup/telling")


@router.get("/setup/telling")
def telling(request: Request, who: Annotated[Visitor, Depends(a_parent)]) -> Response:
    say = words(language_of(request))
    now = house_of(request).now()
    found = _children(request, who)
    if not found:
        return back("/setup/children")
    with house_of(request).store.session(read_only=True) as session:
        rows = session.execute(
            sa.select(Person.child, Person.name).where(
                Person.family == who.family.id, Person.role == "child", Person.removed_at.is_(None)
            )
        )
        logins: dict[int, str] = {one.child: one.name for one in rows}
    return wizard(
        request,
        "setup_telling.html",
        _TELLING,
        children=[
            {
                "id": one.id,
                "name": one.name,
                "told": one.told_at is not None,
                "login": logins.get(one.id),
                "say_to": words_to_say(say, one, now),
            }
            for one in found
        ],
    )


@router.get("/setup/trusted")
def trusted(request: Request, who: Annotated[Visitor, Depends(a_parent)]) -> Response:
    found = _children(request, who)
    with house_of(request).store.session(read_only=True) as session:
        rows = session.scalars(sa.select(Trusted).where(Trusted.child.in_([one.id for one in found]))).all()
    return wizard(
        request,
        "setup_trusted.html",
        _TRUSTED,
        children=[
            {
                "id": one.id,
                "name": one.name,
                "trusted": [(row.who or row.contact, row.kind == "protected") for row in rows if row.child == one.id],
            }
            for one in found
        ],
    )


def _channels_page(request: Request, who: Visitor, *, topic: str = "", error: str | None = None) -> Response:
    with house_of(request).store.session(read_only=True) as session:
        rows = channel_rows(session, who)
    return wizard(
        request,
        "setup_channels.html",
        _CHANNELS,
        status=200 if error is None else 422,
        error=error,
        channels=rows,
        topic=topic or new_topic(),
        to="/setup/channels",
    )


@router.get("/setup/channels")
def channels(request: Request, who: Annotated[Visitor, Depends(a_parent)]) -> Response:
    return _channels_page(request, who)


@router.post("/setup/channels")
def take_channel(
    request: Request,
    who: Annotated[Visitor, Depends(a_parent)],
    kind: Annotated[Kind, Form()],
    values: Annotated[dict[str, str], Depends(channel_form)],
    name: Annotated[str, Form()] = "",
) -> Response:
    error = add_channel(request, who, kind, values, name)
    if error is not None:
        return _channels_page(request, who, topic=values["topic"], error=error)
    return back("/setup/channels")


@router.get("/setup/rules")
def rules(request: Request, who: Annotated[Visitor, Depends(a_parent)]) -> Response:
    return _rules_page(request, who)


def _rules_page(request: Request, who: Visitor, *, error: str | None = None) -> Response:
    say = words(language_of(request))
    return wizard(
        request,
        "setup_rules.html",
        _RULES,
        status=200 if error is None else 422,
        error=error,
        to="/setup/done",
        **rule_choices(say, who.family),
    )


@router.post("/setup/rules")
def take_rules(
    request: Request,
    who: Annotated[Visitor, Depends(a_parent)],
    rule: Annotated[list[str] | None, Form()] = None,
    own: Annotated[str, Form()] = "",
) -> Response:
    try:
        keep_rules(request, who, rule or [], own)
    except UsageError as error:
        return _rules_page(request, who, error=sentence(words(language_of(request)), error))
    return back("/setup/done")


@router.get("/setup/done")
def done(request: Request, who: Annotated[Visitor, Depends(a_parent)]) -> Response:
    found = _children(request, who)
    with house_of(request).store.session() as session:
        family = session.get_one(Family, who.family.id)
        if family.settings.get("setup") not in (None, "recovery", "done"):
            family.settings = {**family.settings, "setup": "done"}
        rules = bool(settings_of(family).house_rules)
        told = bool(channel_rows(session, who))
    return wizard(
        request,
        "setup_done.html",
        _RULES,
        children=[{"id": one.id, "name": one.name, "told": one.told_at is not None} for one in found],
        channels=told,
        rules=rules,
    )
