"""The archive of X (Twitter): `data/*.js`, JSON behind `window.YTD.<name>.part0 = `.

It holds numeric ids only, no handles; `account.js` says whose it is. Times are UTC. Learned from
timhutton/twitter-archive-parser (facts only).
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import Any

from jaga.errors import UnreadableInput
from jaga.records import Account, Attachment, Clock, Conversation, Message, Problem, Record, Relation, digest
from jaga.sources._base import Context, own_units
from jaga.sources._json import elements, nested
from jaga.sources._tree import Entry

__all__ = ["XArchive"]

_CLOCK = Clock(zone="UTC", zone_known=True, precision_s=0.001)
_HEAD = re.compile(rb"^\xef?\xbb?\xbf?\s*window\.YTD\.([\w]+)\.part\d+\s*=\s*")
_MESSAGES = ("direct_messages", "direct_messages_group", "direct_message_group")
_TWEETS = ("tweets", "tweet", "deleted_tweets")
_PEOPLE: dict[str, Relation] = {"follower": "follower", "following": "following", "block": "blocked"}


class XArchive:
    """Reads direct messages, own posts, followers and following."""

    name = "x_archive"
    title = "X (Twitter) archive"
    reference = "https://help.x.com/en/managing-your-account/how-to-download-your-x-archive"
    order = 40

    def recognises(self, entry: Entry) -> bool:
        match = _HEAD.match(entry.head[:200])
        return match is not None and match[1].decode() in (*_MESSAGES, *_TWEETS, *_PEOPLE, "account")

    def units(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        return own_units(entries)

    def read(self, unit: Sequence[Entry], context: Context) -> Iterator[Record]:
        """Yield accounts, conversations and messages. Raises: UnreadableInput where a file breaks off, OSError."""
        (entry,) = unit
        match = _HEAD.match(entry.head[:200])
        assert match is not None
        what = match[1].decode()
        owner = _owner(entry)
        if what == "account":
            for _, item in elements(entry, "item", skip_to=b"["):
                account = item.get("account", {}) if isinstance(item, dict) else {}
                if account.get("accountId"):
                    yield Account(
                        id=str(account["accountId"]), platform="x", name=account.get("username"), relation="owner"
                    )
        elif what in _PEOPLE:
            for _, item in elements(entry, "item", skip_to=b"["):
                person: Any = next(iter(item.values()), {}) if isinstance(item, dict) else {}
                if isinstance(person, dict) and person.get("accountId"):
                    yield Account(id=str(person["accountId"]), platform="x", relation=_PEOPLE[what])
        elif what in _TWEETS:
            yield from _tweets(entry, owner)
        else:
            yield from _direct(entry, owner)


def _owner(entry: Entry) -> str:
    for found in entry.tree.named("account.js"):
        try:
            for _, item in elements(found, "item.account.accountId", skip_to=b"["):
                return str(item)
        except (UnreadableInput, OSError):
            continue
    return "me"


def _direct(entry: Entry, owner: str) -> Iterator[Record]:
    """Event by event: one conversation may hold years. Who takes part is known at the end of each."""
    number = -1
    key: str | None = None
    people: dict[str, None] = {}
    for part in nested(entry, ("item.dmConversation.messages.item",), skip_to=b"["):
        if part.index is None:
            number += 1
            key = str(part.header.get("conversationId"))
            people = dict.fromkeys(key.split("-")) if "-" in key else {owner: None}
            yield _talk(key, people)
            continue
        created = part.element.get("messageCreate") if isinstance(part.element, dict) else None
        if key is None or not isinstance(created, dict):
            continue
        where = f"[{number}].messages[{part.index}]"
        sent_at = _iso(created.get("createdAt"))
        if sent_at is None or not created.get("senderId"):
            yield Problem(where=f"{entry.display}: {where}", what="has no valid time or sender: left out")
            continue
        sender = str(created["senderId"])
        if sender not in people:
            people[sender] = None
            # Said again with one more person: gathering puts the two together.
            yield _talk(key, people)
        text = html.unescape(str(created.get("text") or ""))
        for link in created.get("urls") or ():
            if isinstance(link, dict) and link.get("url") and link.get("expanded"):
                text = text.replace(str(link["url"]), str(link["expanded"]))
        attachments = tuple(Attachment(kind="image", name=str(link)) for link in created.get("mediaUrls") or ())
        yield Message(
            conversation=digest("x", key),
            author=sender,
            sent_at=sent_at,
            text=text,
            platform="x",
            kind="media" if attachments and not text else "text",
            source_id=str(created["id"]) if created.get("id") else None,
            attachments=attachments,
            where=where,
        )


def _talk(key: str, people: dict[str, None]) -> Conversation:
    return Conversation(
        id=digest("x", key),
        platform="x",
        kind="direct" if "-" in key else "group",
        participants=tuple(people),
        clock=_CLOCK,
    )


def _tweets(entry: Entry, owner: str) -> Iterator[Record]:
    identifier = digest("x", "public", owner)
    yield Conversation(id=identifier, platform="x", kind="public", participants=(owner,), clock=_CLOCK)
    for number, item in elements(entry, "item", skip_to=b"["):
        tweet: dict[str, Any] = item.get("tweet", item) if isinstance(item, dict) else {}
        try:
            sent_at = datetime.strptime(str(tweet.get("created_at")), "%a %b %d %H:%M:%S %z %Y").astimezone(
                timezone.utc
            )
        except (ValueError, OverflowError):
            yield Problem(where=f"{entry.display}: [{number}]", what="has no valid time: left out")
            continue
        yield Message(
            conversation=identifier,
            author=owner,
            sent_at=sent_at,
            text=html.unescape(str(tweet.get("full_text") or tweet.get("text") or "")),
            platform="x",
            source_id=str(tweet.get("id_str") or tweet.get("id") or "") or None,
            reply_to=str(tweet["in_reply_to_status_id_str"]) if tweet.get("in_reply_to_status_id_str") else None,
            where=f"[{number}]",
        )


def _iso(value: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(value))
        return at.replace(tzinfo=timezone.utc) if at.tzinfo is None else at.astimezone(timezone.utc)
    except (ValueError, OverflowError):
        return None
