"""What a grown-up is shown, by the child's age: set by the family (store.FamilySettings.disclosure), the less the older by default."""

from __future__ import annotations

from datetime import date

import msgspec

from jaga.family.home._present import age_of
from jaga.store import settings_of
from jaga.store._settings import Disclosure
from jaga.store._tables import Child, Family

__all__ = ["Shown", "band_of", "shown"]


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    # The messages that show it; without: only what was heard.
    lines: bool
    # Two lines around each, if asked for; and the words of the child's own posts.
    context: bool


def band_of(child: Child, today: date) -> str:
    """One of jaga.store.BANDS; a child of unknown age is shown as the youngest are, whom most is to be seen of to protect."""
    age = age_of(child, today)
    if age is None or age < 10:
        return "under10"
    return "10-12" if age < 13 else "13-15" if age < 16 else "16-17"


def shown(child: Child, family: Family, today: date) -> Shown:
    chosen: Disclosure = settings_of(family).disclosure.get(band_of(child, today), "lines")
    return Shown(lines=chosen != "summary", context=chosen == "messages")
