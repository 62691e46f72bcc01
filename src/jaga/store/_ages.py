"""What changes as a child grows: one table, read by whatever tells or shows something (docs/household.md, "Ages").

The older, the less a parent is told and shown. A family may narrow it further (FamilySettings.disclosure, tell_from); nothing widens it but
the child's own consent. Evidence is sealed all the same, so that nothing is lost that a report to the police needs.

Source: the rights of the child to privacy and to a say that grows with age (UN CRC, articles 12 and 16; General Comment 25, 2021,
paragraphs 67 to 76 on privacy and 19 to 21 on evolving capacities).
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Literal

import msgspec

from jaga.assessment import LEVELS, Level
from jaga.store._settings import Disclosure, FamilySettings, settings_of
from jaga.store._tables import Child, Family

__all__ = ["ADULT", "AGES", "Age", "age_on", "band_of", "consents", "disclosed", "settings_at", "shows_level"]

# From this age on nothing is read any more: Jaga is for children.
ADULT = 18
Band = Literal["under10", "10-12", "13-15", "16-17"]
_WIDTH: dict[Disclosure, int] = {"summary": 0, "lines": 1, "messages": 2}
# Where only the band is known: the youngest age it can mean.
_BAND_AGE = {"under10": 7, "10-12": 10, "13-15": 13, "16-17": 16}


class Age(msgspec.Struct, frozen=True, kw_only=True):
    """What holds from an age on. `messages`: those that show it and two lines around; `lines`: those that show it; `summary`: no words."""

    band: Band
    first: int
    # The level from which parents are told at all, and see anything of a contact.
    told_from: Level
    watch: Disclosure
    concern: Disclosure
    urgent: Disclosure
    # What `concern` becomes if the child says so, on the child's own page.
    with_consent: Disclosure
    # The words of the child's own public posts that give something away (they stand in public).
    posts: bool


AGES = (
    Age(
        band="under10",
        first=0,
        told_from="watch",
        watch="messages",
        concern="messages",
        urgent="messages",
        with_consent="messages",
        posts=True,
    ),
    Age(
        band="10-12",
        first=10,
        told_from="watch",
        watch="messages",
        concern="messages",
        urgent="messages",
        with_consent="messages",
        posts=True,
    ),
    Age(
        band="13-15",
        first=13,
        told_from="watch",
        watch="summary",
        concern="lines",
        urgent="messages",
        with_consent="messages",
        posts=True,
    ),
    Age(
        band="16-17",
        first=16,
        told_from="concern",
        watch="summary",
        concern="summary",
        urgent="messages",
        with_consent="lines",
        posts=False,
    ),
)


def age_on(child: Child, on: date) -> int | None:
    """Full years on a day; where only month and year of birth are known, the birthday counts from the first of the month.

    So what narrows with age narrows a few days early, never late. Where only a band is known: the youngest it can mean, growing since.
    None where nothing is known.
    """
    if child.birth is not None:
        year, month = (int(part) for part in child.birth.split("-")[:2])
        return max(0, on.year - year - (on.month < month))
    if child.band not in _BAND_AGE:
        return None
    since = child.created_at.date()
    return _BAND_AGE[child.band] + max(0, on.year - since.year - ((on.month, on.day) < (since.month, since.day)))


def band_of(child: Child, today: date) -> Age:
    """What holds for a child; for one of unknown age what holds for the youngest, whom most is to be seen of to protect."""
    age = age_on(child, today) or 0
    return next(one for one in reversed(AGES) if age >= one.first)


def consents(child: Child) -> bool:
    """Whether the child said that parents may see the messages that show a concern."""
    return child.settings.get("shows_messages") is True


def disclosed(child: Child, family: Family, level: str, today: date) -> Disclosure:
    """What a grown-up may see of an alert of this level: the narrower of what the age and what the family says."""
    age = band_of(child, today)
    by_age: Disclosure = {"watch": age.watch, "concern": age.concern, "urgent": age.urgent}.get(level, "summary")
    if level == "concern" and consents(child):
        by_age = age.with_consent
    chosen = settings_of(family).disclosure.get(age.band, by_age)
    return min(by_age, chosen, key=lambda one: _WIDTH[one])


def shows_level(child: Child, level: Level, today: date) -> bool:
    """Whether a grown-up sees at all that a contact stands at this level."""
    return level != "none" and LEVELS.index(level) >= LEVELS.index(band_of(child, today).told_from)


def settings_at(family: Family, child: Child, now: datetime) -> FamilySettings:
    """What the family has set, narrowed to the child's age: for whoever decides what is told."""
    settings = settings_of(family)
    by_age = band_of(child, now.date()).told_from
    least = max(settings.tell_from, by_age, key=LEVELS.index)
    return msgspec.structs.replace(settings, tell_from="concern" if least == "none" else least)
