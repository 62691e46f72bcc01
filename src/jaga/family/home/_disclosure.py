"""Until branch `house` is merged: what a grown-up is shown, by the child's age and the level."""

from __future__ import annotations

from datetime import date

import msgspec

from jaga.family.home._present import age_of
from jaga.store._tables import Child

__all__ = ["Shown", "shown"]


class Shown(msgspec.Struct, frozen=True, kw_only=True):
    # How many of the messages that show it; None: all.
    messages: int | None
    # Two lines around each, if asked for.
    context: bool
    # The words of the child's own public posts.
    posts: bool


def shown(child: Child, level: str, today: date) -> Shown:
    age = age_of(child, today)
    if age is None or age < 13:
        return Shown(messages=None, context=True, posts=True)
    if age < 16:
        return Shown(
            messages=None if level in ("concern", "urgent") else 3, context=level in ("concern", "urgent"), posts=True
        )
    return Shown(messages={"urgent": None, "concern": 3}.get(level, 0), context=level == "urgent", posts=False)
