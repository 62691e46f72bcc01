"""What a family may set, with what holds as long as it set nothing."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from sqlalchemy import orm

from jaga.assessment import Level
from jaga.errors import UsageError
from jaga.store._audit import audit
from jaga.store._tables import Family

__all__ = ["Disclosure", "FamilySettings", "change_settings", "settings_of"]

_Clock = Annotated[str, msgspec.Meta(pattern=r"^([01][0-9]|2[0-3]):[0-5][0-9]$")]
_Unit = Annotated[float, msgspec.Meta(ge=-1, le=1)]
# What a parent is shown of an alert, the most first. messages: those that show it, and their context on asking. lines: those that show it.
# summary: what happened, without anyone's words. Evidence is sealed all the same.
Disclosure = Literal["messages", "lines", "summary"]


class FamilySettings(msgspec.Struct, frozen=True, kw_only=True):
    """Stored as a map, so that a later version adds fields with defaults. Raises: msgspec.ValidationError on conversion, if out of bounds."""

    # Days after being taken in until a message that supports no alert is dropped.
    retention_days: Annotated[int, msgspec.Meta(ge=1, le=3650)] = 30
    # Local times between which only `urgent` is sent at once.
    quiet_from: _Clock = "22:00"
    quiet_to: _Clock = "07:00"
    # 0 Monday … 6 Sunday, and the local time; None: no digest.
    digest_weekday: Annotated[int, msgspec.Meta(ge=0, le=6)] | None = 6
    digest_at: _Clock = "18:00"
    # Where the pages are reached from the family's phones, ending in "/", for links in notifications; None: as served.
    address: str | None = None
    # Level from which the family is told at all.
    tell_from: Literal["watch", "concern", "urgent"] = "concern"
    # -1 tells least, 0 as shipped, 1 tells most; per tactic as well (jaga.assessment.Tuning).
    sensitivity: _Unit = 0.0
    tactics: dict[str, _Unit] = {}
    # By age band of the child.
    disclosure: dict[str, Disclosure] = msgspec.field(
        default_factory=lambda: {"under10": "messages", "10-12": "messages", "13-15": "messages", "16-17": "lines"}
    )
    # Agreed with the child, in the family's words.
    house_rules: tuple[str, ...] = ()

    def tells(self, level: Level) -> bool:
        """Whether an alert is made of this level."""
        return _ORDER[level] >= _ORDER[self.tell_from]


_ORDER: dict[str, int] = {"none": 0, "watch": 1, "concern": 2, "urgent": 3}


def settings_of(family: Family) -> FamilySettings:
    """What holds for a family. What an older or newer version stored and this one cannot read is as if not set."""
    try:
        return msgspec.convert(family.settings, FamilySettings)
    except msgspec.ValidationError:
        return FamilySettings()


def change_settings(session: orm.Session, family_id: int, *, by: int, now: datetime, **changes: Any) -> FamilySettings:
    """Set some fields, with an audit line naming them. Raises: UsageError for an unknown field or a value out of bounds."""
    family = session.get(Family, family_id)
    if family is None:
        raise UsageError("no such family", remedy="look it up anew")
    for name in changes:
        if name not in FamilySettings.__struct_fields__:
            raise UsageError(f"no setting {name!r}", remedy=f"one of {', '.join(FamilySettings.__struct_fields__)}")
    try:
        settings = msgspec.convert({**msgspec.to_builtins(settings_of(family)), **changes}, FamilySettings)
    except msgspec.ValidationError as error:
        raise UsageError(f"a setting is out of bounds: {error}", remedy="give another value") from error
    family.settings = {**family.settings, **msgspec.to_builtins(settings)}
    audit(session, "settings.changed", at=now, family=family_id, person=by, names=", ".join(sorted(changes)))
    return settings
