"""TikTok's data download: `user_data_tiktok.json` (or `user_data.json`).

Sections were renamed over time and the case of fields varies, so they are found by either name. Times are UTC. The owner is
the profile's user name; shared videos have no text. Learned from abrignoni/RLEAPP tikTokArchiveJson.py (facts only).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import Any

from jaga.records import Account, Attachment, Clock, Conversation, Message, Problem, Record, Relation, digest
from jaga.sources._base import Context, own_units
from jaga.sources._json import salvage, top_keys
from jaga.sources._tree import Entry

__all__ = ["TikTok"]

OWNER = "me"
_CLOCK = Clock(zone="UTC", zone_known=True)
_SECTIONS = (
    "Direct Message",
    "Direct Messages",
    "Your Activity",
    "Activity",
    "Profile",
    "Comment",
    "Tiktok Live",
    "App Settings",
    "Profile And Settings",
)


class TikTok:
    """Reads direct messages, own comments, followers and following."""

    name = "tiktok"
    title = "TikTok data download (JSON)"
    reference = "https://support.tiktok.com/en/account-and-privacy/personalized-ads-and-data/requesting-your-data"
    order = 50

    def recognises(self, entry: Entry) -> bool:
        keys = top_keys(entry)
        return sum(key in keys for key in _SECTIONS) >= 2 or (
            any(key in keys for key in _SECTIONS[:2])
            and (b"ChatHistory" in entry.head or b"Chat History" in entry.head)
        )

    def units(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        return own_units(entries)

    def read(self, unit: Sequence[Entry], context: Context) -> Iterator[Record]:
        """Yield accounts, conversations and messages. Raises: UnreadableInput, OSError."""
        (entry,) = unit
        document, broken = salvage(entry)
        owner = _find(document, "userName") or OWNER
        owner = owner if isinstance(owner, str) else OWNER
        yield Account(id=owner, platform="tiktok", name=owner, relation="owner")
        relations: tuple[tuple[str, Relation], ...] = (
            ("FansList", "follower"),
            ("Following", "following"),
            ("BlockList", "blocked"),
        )
        for key, relation in relations:
            people = _find(document, key)
            if isinstance(people, dict):
                people = people.get(key)
            for person in people if isinstance(people, list) else ():
                name = _field(person, "username")
                if isinstance(name, str) and name:
                    yield Account(
                        id=name, platform="tiktok", name=name, relation=relation, since=_time(_field(person, "date"))
                    )
        chats = _find(document, "ChatHistory")
        for key, items in chats.items() if isinstance(chats, dict) else ():
            other = key.removeprefix("Chat History with ").rstrip(":").strip() or "unknown"
            identifier = digest("tiktok", *sorted((owner, other)))
            yield Conversation(
                id=identifier, platform="tiktok", kind="direct", title=other, participants=(owner, other), clock=_CLOCK
            )
            for index, item in enumerate(items if isinstance(items, list) else ()):
                sent_at = _time(_field(item, "date"))
                author = _field(item, "from")
                if sent_at is None or not isinstance(author, str):
                    yield Problem(
                        where=f"{entry.display}: {key}[{index}]", what="has no valid time or sender: left out"
                    )
                    continue
                yield _message(identifier, author, sent_at, _field(item, "content"), f"{key}[{index}]")
        comments = _find(document, "CommentsList")
        if isinstance(comments, list) and comments:
            public = digest("tiktok", "public", owner)
            yield Conversation(id=public, platform="tiktok", kind="public", participants=(owner,), clock=_CLOCK)
            for index, item in enumerate(comments):
                sent_at = _time(_field(item, "date"))
                if sent_at is None:
                    yield Problem(where=f"{entry.display}: CommentsList[{index}]", what="has no valid time: left out")
                    continue
                yield _message(public, owner, sent_at, _field(item, "comment"), f"CommentsList[{index}]")
        if broken is not None:
            raise broken


def _message(conversation: str, author: str, sent_at: datetime, text: Any, where: str) -> Message:
    said = text if isinstance(text, str) else ""
    shared = (said.startswith("https://") and " " not in said) or not said
    return Message(
        conversation=conversation,
        author=author,
        sent_at=sent_at,
        text=said,
        platform="tiktok",
        kind="media" if shared else "text",
        attachments=(Attachment(kind="link", name=said or None),) if shared else (),
        where=where,
    )


def _find(value: Any, key: str, depth: int = 0) -> Any:
    """The first value under `key`, whatever sections it lies in: their names change, its own does not."""
    if depth > 6 or not isinstance(value, dict):
        return None
    for name, inner in value.items():
        if name.replace(" ", "").lower() == key.lower() and inner not in (None, "", {}):
            return inner
    for inner in value.values():
        found = _find(inner, key, depth + 1)
        if found is not None:
            return found
    return None


def _field(item: Any, name: str) -> Any:
    if not isinstance(item, dict):
        return None
    return next((value for key, value in item.items() if key.lower() == name), None)


def _time(value: Any) -> datetime | None:
    try:
        return datetime.fromisoformat(str(value).removesuffix(" UTC")).replace(tzinfo=timezone.utc)
    except ValueError:
        return None
