"""What a grown-up is shown of a child: by age, level, consent and what the family chose (the table: jaga.store._ages)."""

from __future__ import annotations

from datetime import date

import msgspec

from jaga.store._ages import band_of, consents, disclosed
from jaga.store._tables import Child, Family

__all__ = ["Shown", "shown"]


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    # The messages that show it; without: only what was heard.
    lines: bool
    # Two lines around each, if asked for.
    context: bool
    # The words of the child's own public posts that give something away.
    posts: bool
    # The child could let more be seen, and has not.
    asks_consent: bool


def shown(child: Child, family: Family, level: str, today: date) -> Shown:
    """What of an alert of this level; for the child's posts any level will do."""
    may = disclosed(child, family, level, today)
    age = band_of(child, today)
    return Shown(
        lines=may != "summary",
        context=may == "messages",
        posts=age.posts,
        asks_consent=level == "concern"
        and may != "messages"
        and age.with_consent != age.concern
        and not consents(child),
    )
