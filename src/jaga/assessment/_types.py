"""What an assessment says: plain records, no computing."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

import msgspec

from jaga.signals import Actor

__all__ = ["LEVELS", "Assessment", "Day", "Evidence", "Level", "Onset", "RiskType", "TacticFinding"]

Level = Literal["none", "watch", "concern", "urgent"]
LEVELS: tuple[Level, ...] = ("none", "watch", "concern", "urgent")
RiskType = Literal[
    "grooming", "sextortion", "meeting", "image_selling", "exposure", "distress", "known_image", "sensitive_image"
]


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """One message that shows a tactic, and what made Jaga hear it."""

    message: str
    conversation: str
    sent_at: datetime
    author: str
    text: str
    group: str
    strength: float
    # Log-odds this message added when it was heard; 0 for a repetition that added nothing.
    added: float
    language: str | None
    because: str | None
    # 0-based position among the relationship's messages, and the tone heard in it; None in what was stored before they were kept.
    index: int | None = None
    tone: float | None = None


class TacticFinding(msgspec.Struct, frozen=True, kw_only=True):
    """One tactic in one relationship."""

    tactic: str
    by: Actor
    # Messages in which it was heard.
    count: int
    first_at: datetime
    # Share of the score, in log-odds, at the relationship's highest point.
    contribution: float
    evidence: tuple[Evidence, ...]


class Onset(msgspec.Struct, frozen=True, kw_only=True):
    """The message at which the level first reached `concern`."""

    message: str
    conversation: str
    sent_at: datetime
    # 0-based position among the relationship's messages in time order.
    index: int


class Day(msgspec.Struct, frozen=True, kw_only=True):
    """One day of a relationship, or several of a long history where only a part is kept (Keep.days), for timelines."""

    # Proleptic Gregorian ordinal of the local date (datetime.date.fromordinal).
    ordinal: int
    contact_messages: int
    child_messages: int
    # Evidence heard that day: sum of strengths.
    evidence: float
    # How many days, from `ordinal` on, it stands for.
    span: int = 1


class Assessment(msgspec.Struct, frozen=True, kw_only=True):
    """How one relationship between a child and a contact looks, up to the last message seen."""

    child: str
    contact: str
    contact_name: str | None
    platforms: tuple[str, ...]
    conversations: tuple[str, ...]
    # Messages of the two in conversations they share.
    messages: int
    contact_messages: int
    child_messages: int
    first_at: datetime | None
    last_at: datetime | None
    # 0 to 1, the highest point reached; of relationships scored 0.8 about 80 % are risky on the evaluation data.
    score: float
    level: Level
    risk_type: RiskType | None
    # The furthest stage heard, by the contact's tactics.
    stage: str | None
    onset: Onset | None
    tactics: tuple[TacticFinding, ...]
    days: tuple[Day, ...]
    # What could not be judged in it: attachments by kind.
    unjudged: dict[str, int]
