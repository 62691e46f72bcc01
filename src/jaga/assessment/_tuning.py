"""How a family moves the judgement: its own settings, and what it said about earlier assessments.

Feedback is a list of events that only grows. A tuning is computed from it, so dropping an event undoes all it did, and the order in which
events came does not matter. What may be moved is bounded, and two things are not moved at all: `urgent`, and what a direct threat
or three grave tactics in plain words make worth a look (docs/engine.md). The score is never moved: it says what was measured.

The sizes of the steps are chosen, not fitted: there is no data of families who answered. What they do on the development set is in
docs/how-sure.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec

from jaga.errors import UnreadableInput, UsageError

__all__ = ["FACTORS", "GRAVE", "MOST_SHIFT", "NEUTRAL", "Feedback", "FeedbackKind", "Sense", "Sensitivity", "Tuning"]

FeedbackKind = Literal["fine", "talked", "reported", "wrong_person"]

# Tactics that no tuning makes count for less: what follows them cannot be taken back, and a child in distress is not talked away.
GRAVE = frozenset(("threat", "meeting", "image_request", "recruiting", "distress"))
# What can be given a sensitivity: what may be heard of a contact or a child, except what speaks for safety.
TUNABLE = frozenset(
    (
        *GRAVE,
        *("age_probing", "compliance", "escalation", "false_identity", "flattery", "inducement", "isolation"),
        *("moving_platform", "offering_images", "personal_data", "refusal", "risk_assessment", "secrecy"),
    )
)
# A tactic of sensitivity -1 weighs half as it ships, of 0 as it ships, of 1 one and a half times.
FACTORS = (0.5, 1.5)
# Log-odds by which thresholds move at most, family and relationship together. At the thresholds that ship, a relationship above 0.96
# reaches `concern` whatever was answered.
MOST_SHIFT = 1.5

_Unit = Annotated[float, msgspec.Meta(ge=-1, le=1)]


class Feedback(msgspec.Struct, frozen=True, kw_only=True):
    """What someone of the family said about one assessment."""

    at: datetime
    # As in the assessment.
    contact: str
    # fine: it was harmless. talked: we talked about it. reported: we reported it. wrong_person: it was not this contact who wrote.
    kind: FeedbackKind
    # In the family's words; kept, never judged.
    reason: str | None = None
    # The tactics it is about; none: the relationship as a whole.
    tactics: tuple[str, ...] = ()


class Sensitivity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """-1 tells least, 0 as shipped, 1 tells most."""

    overall: _Unit = 0.0
    tactics: dict[str, _Unit] = {}

    def __post_init__(self) -> None:
        _check(self.overall, self.tactics)


class Sense(msgspec.Struct, frozen=True, kw_only=True):
    """A tuning as it applies to one relationship, in the numbers of the judgement."""

    # Log-odds added before the thresholds of `watch` and `concern`.
    shift: float
    # Tactic to what its weight is multiplied by; those not named by 1.
    factors: dict[str, float]


class Tuning(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How much this family wants to be told. Everything in -1 to 1; 0 is as shipped. Raises: UsageError, if out of bounds."""

    schema: Literal[1] = 1
    overall: _Unit = 0.0
    # Sensitivity per tactic. Those of GRAVE are at least 0.
    tactics: dict[str, _Unit] = {}
    # Relationships of their own, by contact; added to the family's.
    contacts: dict[str, Sensitivity] = {}

    def __post_init__(self) -> None:
        _check(self.overall, self.tactics)

    @classmethod
    def from_feedback(cls, events: Iterable[Feedback], *, base: Tuning | None = None) -> Tuning:
        """What was said, on top of what the family set (`base`). The same event given twice counts once.

        A tactic that is not known to this version is left out.
        """
        base = base or NEUTRAL
        overall = base.overall
        tactics = dict(base.tactics)
        contacts = {name: (one.overall, dict(one.tactics)) for name, one in base.contacts.items()}
        # The family learns within bounds of its own: many answers about one contact must not make it deaf to the next.
        learned: dict[str, float] = {}
        for event in dict.fromkeys(events):
            step = _STEPS[event.kind]
            of_contact, its = contacts.get(event.contact, (0.0, {}))
            of_contact += step.contact
            for tactic in dict.fromkeys(event.tactics):
                if tactic in TUNABLE:
                    its[tactic] = its.get(tactic, 0.0) + step.contact_tactic
                    learned[tactic] = learned.get(tactic, 0.0) + step.family_tactic
            learned[""] = learned.get("", 0.0) + step.family
            contacts[event.contact] = (of_contact, its)
        for name, value in learned.items():
            value = max(-_FAMILY_MOST, min(_FAMILY_MOST, value))
            if name:
                tactics[name] = tactics.get(name, 0.0) + value
            else:
                overall += value
        return cls(
            overall=_unit(overall),
            tactics=_bounded(tactics),
            contacts={
                name: Sensitivity(overall=_unit(of_contact), tactics=_bounded(its))
                for name, (of_contact, its) in sorted(contacts.items())
                if of_contact or any(its.values())
            },
        )

    @classmethod
    def from_json(cls, raw: bytes | str) -> Tuning:
        """What `to_json` gave. Raises: UnreadableInput."""
        try:
            return msgspec.json.decode(raw, type=cls)
        except (msgspec.DecodeError, UnicodeDecodeError, UsageError) as error:
            raise UnreadableInput(f"is not a tuning: {error}", remedy="see docs/engine.md") from error

    def to_json(self) -> bytes:
        """One JSON object, UTF-8, the same bytes for the same tuning."""
        return msgspec.json.encode(self, order="sorted")

    def sense(self, contact: str) -> Sense | None:
        """How it applies to one relationship; None if nothing of it does."""
        own = self.contacts.get(contact)
        overall = self.overall + (own.overall if own is not None else 0.0)
        tactics = dict(self.tactics)
        if own is not None:
            for tactic, value in own.tactics.items():
                tactics[tactic] = tactics.get(tactic, 0.0) + value
        # Rounded, so that sums of steps in another order are the same number.
        shift = round(max(-1.0, min(1.0, overall)) * MOST_SHIFT, 6)
        factors = {tactic: 1.0 + value / 2 for tactic, value in _bounded(tactics).items()}
        return Sense(shift=shift, factors=factors) if shift or factors else None


class _Step(msgspec.Struct, frozen=True):
    contact: float
    contact_tactic: float
    family: float
    family_tactic: float


# "Fine" twice about one contact takes a logit off; it takes seven about different ones to move the family by half of that. Having talked
# means that telling was right: it makes Jaga a little more careful there, never deafer. Whoever was the wrong person says
# nothing about what words mean, so the family learns nothing from it.
_STEPS: Mapping[FeedbackKind, _Step] = {
    "fine": _Step(-0.35, -0.35, -0.05, -0.05),
    "talked": _Step(0.1, 0.0, 0.0, 0.0),
    "reported": _Step(0.5, 0.25, 0.05, 0.05),
    "wrong_person": _Step(-0.35, 0.0, 0.0, 0.0),
}
_FAMILY_MOST = 0.35


def _unit(value: float) -> float:
    return round(max(-1.0, min(1.0, value)), 6)


def _bounded(tactics: Mapping[str, float]) -> dict[str, float]:
    """In bounds and in order, without what changes nothing."""
    found: dict[str, float] = {}
    for tactic, value in sorted(tactics.items()):
        value = _unit(value)
        if tactic in GRAVE:
            value = max(0.0, value)
        if value:
            found[tactic] = value
    return found


def _check(overall: Any, tactics: Mapping[str, Any]) -> None:
    for name, value in (("overall", overall), *tactics.items()):
        if not isinstance(value, int | float) or not -1 <= value <= 1:
            raise UsageError(f"{name} is {value!r}", where="tuning", remedy="give a number from -1 to 1")
    for name in tactics:
        if name not in TUNABLE:
            raise UsageError(
                f"no tactic {name!r} to tune", where="tuning", remedy=f"one of {', '.join(sorted(TUNABLE))}"
            )
        if name in GRAVE and tactics[name] < 0:
            raise UsageError(
                f"{name} is {tactics[name]!r}", where="tuning", remedy="grave tactics cannot be made quieter"
            )


NEUTRAL = Tuning()
