"""Snapchat's "My Data": `json/chat_history.json` (both layouts) and `friends.json`.

Unsaved chats are not in it: a thin history is no sign of safety, and that is said. `Created(microseconds)` is really
milliseconds. Text may hold HTML entities. Learned from abrignoni/RLEAPP snapChathistory.py (facts only).
"""

from __future__ import annotations

import html
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import Any

from jaga.records import (
    Account,
    Attachment,
    AttachmentKind,
    Clock,
    Conversation,
    Message,
    MessageKind,
    Problem,
    Record,
    Relation,
    digest,
)
from jaga.sources._base import Context, from_unix_ms, own_units
from jaga.sources._json import load, salvage, top_keys
from jaga.sources._tree import Entry

__all__ = ["Snapchat"]

OWNER = "me"
_CLOCK = Clock(zone="UTC", zone_known=True)
_OLD = {"Received Saved Chat History": False, "Sent Saved Chat History": True}
_LISTS: dict[str, Relation] = {
    "Friends": "contact",
    "Friend Requests Sent": "request_sent",
    "Pending Requests": "request_received",
    "Blocked Users": "blocked",
    "Deleted Friends": "contact",
}
_MEDIA: dict[str, AttachmentKind] = {
    "MEDIA": "other",
    "IMAGE": "image",
    "VIDEO": "video",
    "STICKER": "sticker",
    "NOTE": "voice",
    "SHARE": "link",
    "LOCATION": "location",
}


class Snapchat:
    """Reads the chat history or the list of friends."""

    name = "snapchat"
    title = "Snapchat My Data"
    reference = "https://help.snapchat.com/hc/articles/7012305371156"
    order = 46

    def recognises(self, entry: Entry) -> bool:
        keys = top_keys(entry)
        head = entry.head
        if any(key in keys for key in (*_OLD, "Received Snap History", "Friend Requests Sent")) or (
            "Friends" in keys and b'"Username"' in head
        ):
            return True
        return b'"Media Type"' in head and b'"From"' in head and b'"Created' in head

    def units(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        return own_units(entries)

    def read(self, unit: Sequence[Entry], context: Context) -> Iterator[Record]:
        """Yield accounts, conversations and messages. Raises: UnreadableInput, OSError."""
        (entry,) = unit
        document, broken = salvage(entry)
        if not isinstance(document, dict):
            return
        if any(key in document for key in _LISTS) and not any(key in document for key in _OLD):
            yield from _friends(document)
            if broken is not None:
                raise broken
            return
        owner = _owner(entry) or _owner_of(document) or OWNER
        yield Account(id=owner, platform="snapchat", name=owner, relation="owner")
        conversations: dict[str, None] = {}
        for key, items in document.items():
            if not isinstance(items, list):
                continue
            for index, item in enumerate(items):
                if not isinstance(item, dict):
                    yield Problem(where=f"{entry.display}: {key}[{index}]", what="is not a message: left out")
                    continue
                mine = item.get("IsSender") if key not in _OLD else _OLD[key]
                other = key if key not in _OLD else item.get("To" if mine else "From") or "unknown"
                sent_at = _time(item)
                if sent_at is None:
                    yield Problem(where=f"{entry.display}: {key}[{index}]", what="has no valid time: left out")
                    continue
                author = item.get("From") or (owner if mine else other)
                if mine is None:
                    mine = author == owner
                identifier = digest("snapchat", *sorted((owner, other)))
                title = item.get("Conversation Title")
                if other not in conversations:
                    conversations[other] = None
                    group = bool(title) or (not mine and author != other)
                    yield Conversation(
                        id=identifier,
                        platform="snapchat",
                        kind="group" if group else "direct",
                        title=title,
                        participants=(owner,) if group else (owner, other),
                        clock=_CLOCK,
                    )
                yield _message(item, identifier, owner if mine else str(author), sent_at, f"{key}[{index}]")
        yield Problem(
            where=entry.display,
            what="Snapchat exports only saved chats: what vanished is not in it",
            note=True,
            skipped=0,
        )
        if broken is not None:
            raise broken


def _owner_of(document: dict[str, Any]) -> str | None:
    for items in document.values():
        if isinstance(items, list):
            for item in items:
                if isinstance(item, dict) and item.get("IsSender") and item.get("From"):
                    return str(item["From"])
    return None


def _owner(entry: Entry) -> str | None:
    account = next(iter(entry.tree.named("account.json")), None)
    if account is None:
        return None
    document = load(account)
    basic = document.get("Basic Information") if isinstance(document, dict) else None
    name = basic.get("Username") if isinstance(basic, dict) else None
    return name if isinstance(name, str) else None


def _time(item: dict[str, Any]) -> datetime | None:
    exact = item.get("Created(microseconds)")
    if isinstance(exact, (int, float)) and exact > 0:
        # Named microseconds, holds milliseconds; should Snapchat mend that, the size tells.
        return from_unix_ms(exact if exact < 1e14 else exact / 1000)
    try:
        return datetime.fromisoformat(str(item.get("Created")).removesuffix(" UTC")).replace(tzinfo=timezone.utc)
    except ValueError:
        return None


def _message(item: dict[str, Any], conversation: str, author: str, sent_at: datetime, where: str) -> Message:
    what = str(item.get("Media Type") or "TEXT").upper()
    text = item.get("Content") if item.get("Content") is not None else item.get("Text")
    text = html.unescape(text) if isinstance(text, str) else ""
    kind: MessageKind = "text"
    attachments: tuple[Attachment, ...] = ()
    if what == "STATUSERASEDMESSAGE":
        kind = "deleted"
    elif what.startswith("STATUS"):
        kind = "system"
        text = text or what
    elif what in _MEDIA:
        names = [name.strip() for name in str(item.get("Media IDs") or "").split("|") if name.strip()]
        attachments = tuple(Attachment(kind=_MEDIA[what], name=name) for name in names) or (
            Attachment(kind=_MEDIA[what]),
        )
        kind = "text" if text else "media"
    return Message(
        conversation=conversation,
        author=author,
        sent_at=sent_at,
        text=text,
        platform="snapchat",
        kind=kind,
        attachments=attachments,
        where=where,
    )


def _friends(document: dict[str, Any]) -> Iterator[Record]:
    for key, relation in _LISTS.items():
        for item in document.get(key) or ():
            if isinstance(item, dict) and isinstance(item.get("Username"), str):
                since = item.get("Creation Timestamp")
                try:
                    at = datetime.fromisoformat(str(since).removesuffix(" UTC")).replace(tzinfo=timezone.utc)
                except ValueError:
                    at = None
                yield Account(
                    id=item["Username"],
                    platform="snapchat",
                    name=item.get("Display Name") or item["Username"],
                    relation=relation,
                    since=at,
                )
