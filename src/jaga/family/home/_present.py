"""What the reading pages share: whose row it is, how old a child is, and how times, names and words of others are shown."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import date, datetime, timedelta, tzinfo
from typing import TypeVar

import sqlalchemy as sa
from babel.dates import format_date, format_timedelta
from sqlalchemy import orm
from starlette.exceptions import HTTPException

from jaga.assessment import PUBLIC
from jaga.family.home._web import Visitor
from jaga.family.sentences import APPS
from jaga.sources import zone_of
from jaga.store._ages import age_on as age_of
from jaga.store._tables import Alert, Child, Family, Import, Relationship
from jaga.words import Words

__all__ = [
    "BANDS",
    "LEVEL_ORDER",
    "age_of",
    "ago",
    "app_name",
    "children_of",
    "contact_name",
    "cut",
    "day_words",
    "listed",
    "one_line",
    "own_row",
    "shown_name",
    "zone_of_family",
]

_Row = TypeVar("_Row", Alert, Import, Relationship)

# As chosen at set-up, with the first age it holds.
BANDS = {"under10": 7, "10-12": 10, "13-15": 13, "16-17": 16}
LEVEL_ORDER = {"urgent": 3, "concern": 2, "watch": 1, "none": 0}
# A name longer than this is cut: nobody reads on, and a page must not be pushed away by it.
_NAME = 60
# Letters that turn the direction of what follows, that are not seen, or that control a terminal: no name needs them on a page.
# Joiners (U+200C, U+200D) stay: Tamil and emoji are written with them.
_UNSEEN = re.compile(
    "[\u0000-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]+"
)


def zone_of_family(family: Family) -> tzinfo:
    return zone_of(family.zone)


def children_of(session: orm.Session, visitor: Visitor) -> list[Child]:
    """The family's children, in the order they were added."""
    return list(session.scalars(sa.select(Child).where(Child.family == visitor.family.id).order_by(Child.id)))


def own_row(session: orm.Session, visitor: Visitor, table: type[_Row], number: int) -> tuple[_Row, Child]:
    """A row that hangs from one of the family's children, and that child.

    Raises: HTTPException 404, if it is not this family's: others must not even learn that it exists.
    """
    found = session.execute(
        sa.select(table, Child)
        .join(Child, Child.id == table.child)
        .where(table.id == number, Child.family == visitor.family.id)
    ).one_or_none()
    if found is None:
        raise HTTPException(404)
    return found[0], found[1]


def day_words(say: Words, at: datetime | date, zone: tzinfo) -> str:
    """A day as people write it in this language."""
    day = at.astimezone(zone).date() if isinstance(at, datetime) else at
    return format_date(day, format="medium", locale=say.language)


def ago(say: Words, at: datetime, now: datetime) -> str:
    """ "3 days ago", in this language. A clock that was set back gives the smallest step, never a time to come."""
    passed = min(at - now, timedelta(seconds=-1))
    return format_timedelta(passed, add_direction=True, locale=say.language)


def cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else text[: limit - 1] + "…"


def one_line(text: str, limit: int = 2000) -> str:
    """A text with something from outside in it: one line, without letters that hide or turn others."""
    return cut(" ".join(_UNSEEN.sub(" ", text[: 2 * limit]).split()), limit)


def shown_name(name: str | None, fallback: str = "") -> str:
    """A name, a title or a file's name from outside, fit for a page: one line, no letters that hide or turn others, not endless."""
    for one in (name, fallback):
        # Cut first: a hostile name may hold a hundred thousand letters.
        plain = " ".join(_UNSEEN.sub(" ", (one or "")[: 4 * _NAME]).split())
        if plain:
            return cut(plain, _NAME)
    return "?"


def contact_name(say: Words, name: str | None, contact: str) -> str:
    """How a contact is called; what a child tells everyone has no one to name."""
    return say("Everyone (own posts)") if contact == PUBLIC else shown_name(name, contact)


def app_name(platform: str) -> str:
    return APPS.get(platform) or shown_name(platform)


def listed(say: Words, parts: Iterable[str]) -> str:
    return say(", ").join(parts)
