"""What is counted about a relationship beside the judgement: for the card of a friend."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from jaga.records import Message
from jaga.signals import Actor

__all__ = ["Facts"]

# After such a silence whoever writes first starts a talk.
_SILENCE = timedelta(hours=6)


class Facts:
    """Counts of one relationship, message by message in time order. Times of day are those of the family's zone.

    As stored (`Relationship.facts`): `hours` and `child_hours` (24 counts each, the contact's and the child's messages), `platforms`,
    `days` (with a message), `starts` (contact, child: who wrote first after six hours of silence), `groups` (conversations of
    kind group where the two met), `conversations` (messages in each), `heard` (tactic to what of it was heard how often).
    """

    __slots__ = (
        "child_hours",
        "conversations",
        "day",
        "days",
        "groups",
        "hours",
        "last_at",
        "last_in",
        "platforms",
        "starts",
    )

    def __init__(self, stored: dict[str, Any] | None = None) -> None:
        stored = stored or {}
        self.hours: list[int] = list(stored.get("hours", [0] * 24))
        self.child_hours: list[int] = list(stored.get("child_hours", [0] * 24))
        self.platforms: dict[str, None] = dict.fromkeys(stored.get("platforms", ()))
        self.days: int = stored.get("days", 0)
        starts = stored.get("starts", {})
        self.starts: dict[str, int] = {"contact": starts.get("contact", 0), "child": starts.get("child", 0)}
        self.groups: dict[str, None] = dict.fromkeys(stored.get("groups", ()))
        self.conversations: dict[str, int] = dict(stored.get("conversations", {}))
        # The last local day counted; when the last message was sent, and in which conversation.
        self.day: int = stored.get("day", 0)
        self.last_in: str = stored.get("last_in", "")
        last = stored.get("last_at")
        self.last_at: datetime | None = None if last is None else datetime.fromisoformat(last)

    def is_late(self, message: Message) -> bool:
        """Whether the message stands before what was counted last, in the order of the store: time, then conversation."""
        last = self.last_at
        if last is None or message.sent_at > last:
            return False
        return message.sent_at < last or message.conversation < self.last_in

    def count(self, message: Message, by: Actor, ordinal: int, hour: int, *, group: bool) -> None:
        """Take in the next message."""
        (self.hours if by == "contact" else self.child_hours)[hour] += 1
        times = self.conversations.get(message.conversation)
        if times is None:
            times = 0
            self.platforms[message.platform] = None
            if group:
                self.groups[message.conversation] = None
        self.conversations[message.conversation] = times + 1
        # One older than what was counted last may stand on a day that counts already.
        if ordinal > self.day:
            self.day = ordinal
            self.days += 1
        last = self.last_at
        if last is None or message.sent_at - last >= _SILENCE:
            self.starts[by] += 1
        if last is None or message.sent_at >= last:
            self.last_at, self.last_in = message.sent_at, message.conversation

    def stored(self) -> dict[str, Any]:
        return {
            "hours": self.hours,
            "child_hours": self.child_hours,
            "platforms": list(self.platforms),
            "days": self.days,
            "starts": self.starts,
            "groups": list(self.groups),
            "conversations": self.conversations,
            "day": self.day,
            "last_in": self.last_in,
            "last_at": None if self.last_at is None else self.last_at.isoformat(),
        }
