"""The family agreement: rules for the child, promises of the parents, and what Jaga sees; to print and sign, in each language."""

from __future__ import annotations

from typing import Annotated, Any

import sqlalchemy as sa
from babel.dates import format_date
from fastapi import APIRouter, Depends, Form, Request, Response

from jaga.errors import UsageError
from jaga.family.home._present import zone_of_family
from jaga.family.home._rules import KEYS, PREFIX, PROMISES, RULES, rule_words
from jaga.family.home._web import Visitor, a_parent, back, house_of, language_of, our_path, page, visitor
from jaga.guidance import load_guidance
from jaga.store import change_settings, settings_of
from jaga.store._people import grown_ups
from jaga.store._tables import Child, Family
from jaga.words import LANGUAGES, Words, words

__all__ = ["chosen_rules", "keep_rules", "router", "rule_choices"]

router = APIRouter()

_MOST_OWN = 20


def rule_choices(say: Words, family: Family) -> dict[str, Any]:
    """What the form for rules needs: those to choose from, what is chosen (all, before anything was), and the family's own."""
    kept = settings_of(family).house_rules
    return {
        "for_child": [(f"{PREFIX}{name}", rule_words(say, f"{PREFIX}{name}")) for name in RULES],
        "for_parents": [(f"{PREFIX}{name}", rule_words(say, f"{PREFIX}{name}")) for name in PROMISES],
        "chosen": set(kept) if kept else set(KEYS),
        "own": "\n".join(one for one in kept if not one.startswith(PREFIX)),
    }


def chosen_rules(rules: list[str], own: str) -> tuple[str, ...]:
    """What was ticked, in our order, then the family's own lines. Raises: UsageError."""
    lines = [" ".join(line.split()) for line in own.splitlines()]
    lines = [line for line in lines if line and not line.startswith(PREFIX)]
    if len(lines) > _MOST_OWN or any(len(line) > 300 for line in lines):
        raise UsageError("these are too many or too long rules", remedy="at most 20 rules of 300 letters")
    return (*(key for key in KEYS if key in rules), *lines)


def keep_rules(request: Request, who: Visitor, rules: list[str], own: str) -> None:
    """Raises: UsageError."""
    house = house_of(request)
    chosen = chosen_rules(rules, own)
    with house.store.session() as session:
        change_settings(session, who.family.id, by=who.person.id, now=house.now(), house_rules=chosen)


@router.get("/agreement")
def agreement(
    request: Request,
    who: Annotated[Visitor, Depends(visitor)],
    lang: str = "",
) -> Response:
    house = house_of(request)
    language = lang if lang in LANGUAGES else language_of(request)
    say = words(language)
    now = house.now()
    with house.store.session(read_only=True) as session:
        family = session.get_one(Family, who.family.id)
        kept = settings_of(family)
        wanted = sa.select(Child.name).where(Child.family == family.id).order_by(Child.id)
        # A child's log-in sees its own name, not those of brothers and sisters.
        if who.is_child:
            wanted = wanted.where(Child.id == who.person.child)
        children = list(session.scalars(wanted))
        people = [one.name for one in grown_ups(session, family.id)]
    rules = kept.house_rules or KEYS
    promises = {f"{PREFIX}{name}" for name in PROMISES}
    return page(
        request,
        "agreement.html",
        written=say,
        written_in=language,
        family_name=family.name,
        children=children,
        people=people,
        for_child=[rule_words(say, one) for one in rules if one not in promises],
        for_parents=[rule_words(say, one) for one in rules if one in promises],
        days=kept.retention_days,
        day=format_date(now.astimezone(zone_of_family(family)).date(), "long", locale=language),
        helplines=load_guidance(family.country).helplines[:3],
        may=who.person.role == "parent",
    )


@router.get("/agreement/rules")
def ask_rules(request: Request, who: Annotated[Visitor, Depends(a_parent)]) -> Response:
    say = words(language_of(request))
    return page(request, "rules.html", error=None, to="/agreement", **rule_choices(say, who.family))


@router.post("/agreement/rules")
def take_rules(
    request: Request,
    who: Annotated[Visitor, Depends(a_parent)],
    rule: Annotated[list[str] | None, Form()] = None,
    own: Annotated[str, Form()] = "",
    to: Annotated[str, Form()] = "/agreement",
) -> Response:
    keep_rules(request, who, rule or [], own)
    return back(our_path(to, "/agreement"))
