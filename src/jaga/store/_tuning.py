"""What a family set and answered, as the engine's tuning. Computed from the rows each time, so that taking an answer back undoes it."""

from __future__ import annotations

from typing import get_args

import msgspec
import sqlalchemy as sa
from sqlalchemy import orm

from jaga.assessment import Feedback, FeedbackKind, Tuning
from jaga.errors import UsageError
from jaga.store import _tables as t
from jaga.store._settings import settings_of

__all__ = ["tuning_of"]

_KINDS: frozenset[str] = frozenset(get_args(FeedbackKind))


def tuning_of(session: orm.Session, family: t.Family) -> Tuning:
    """How much this family wants to be told."""
    settings = settings_of(family)
    try:
        base = Tuning(overall=settings.sensitivity, tactics=dict(settings.tactics))
    except UsageError:
        # A tactic that this version does not know, or may not be made quieter any more.
        base = Tuning(overall=settings.sensitivity)
    of_family = sa.select(t.Child.id).where(t.Child.family == family.id)
    lines = session.scalars(
        sa.select(t.FeedbackLine).where(t.FeedbackLine.child.in_(of_family)).order_by(t.FeedbackLine.id)
    ).all()
    withdrawn = {line.withdraws for line in lines if line.withdraws is not None}
    events = [
        msgspec.convert(
            {"at": line.at, "contact": line.contact, "kind": line.kind, "tactics": line.record.get("tactics", ())},
            Feedback,
        )
        for line in lines
        if line.id not in withdrawn and line.kind in _KINDS
    ]
    return Tuning.from_feedback(events, base=base)
