"""Discord's data package: `messages/c<ID>/messages.json` (or `.csv`) beside `channel.json`, `messages/index.json`, `account/user.json`.

It holds only what the owner wrote: nobody's answers. Times are UTC. Ids exceed 2^53 and stay text. Learned from
purarue/discord_data and the issues of Androz2091/discord-data-package-explorer (facts only).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import Any

from jaga.errors import UnreadableInput
from jaga.records import Account, Attachment, Clock, Conversation, ConversationKind, Message, Problem, Record, digest
from jaga.sources._base import Context, own_units
from jaga.sources._json import elements, load, top_keys
from jaga.sources._lines import csv_rows, decode_head
from jaga.sources._tree import Entry

__all__ = ["DiscordPackage"]

_CLOCK = Clock(zone="UTC", zone_known=True, precision_s=0.001)
_HEADS = {"ID", "Timestamp", "Contents"}
# Discord's channel types, as numbers (until 2024) or names.
_DIRECT = {1, "1", "DM"}
_GROUP = {3, "3", "GROUP_DM"}


class DiscordPackage:
    """Reads one channel per unit."""

    name = "discord_package"
    title = "Discord data package"
    reference = "https://support.discord.com/hc/articles/360004957991"
    order = 45

    def recognises(self, entry: Entry) -> bool:
        if top_keys(entry).keys() >= _HEADS:
            return True
        first = decode_head(entry.head[:400]).split("\n", 1)[0].strip()
        return first.replace('"', "").split(",")[:3] == ["ID", "Timestamp", "Contents"]

    def units(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        return own_units(entries)

    def read(self, unit: Sequence[Entry], context: Context) -> Iterator[Record]:
        """Yield the conversation and the owner's messages in it. Raises: UnreadableInput where it breaks off, OSError."""
        (entry,) = unit
        channel = _beside(entry, "channel.json")
        user = _user(entry)
        owner = str(user.get("id") or "me")
        identifier = str(channel.get("id") or entry.folder.rsplit("/", 1)[-1].lstrip("c") or "unknown")
        people = [
            str(one) if not isinstance(one, dict) else str(one.get("id")) for one in channel.get("recipients") or ()
        ]
        what = channel.get("type")
        kind: ConversationKind = "direct" if what in _DIRECT else "group"
        if what is None and len(people) == 2:
            kind = "direct"
        name = channel.get("name") or _index(entry).get(identifier)
        guild = channel.get("guild")
        if isinstance(guild, dict) and guild.get("name"):
            name = f"{guild['name']} / {name}" if name else str(guild["name"])
        conversation = digest("discord", identifier)
        yield Account(id=owner, platform="discord", name=user.get("username"), relation="owner")
        for friend in user.get("relationships") or ():
            one = friend.get("user") if isinstance(friend, dict) else None
            if isinstance(one, dict) and one.get("id"):
                yield Account(id=str(one["id"]), platform="discord", name=one.get("username"), relation="contact")
        yield Conversation(
            id=conversation,
            platform="discord",
            kind=kind,
            title=str(name) if name else None,
            participants=tuple(dict.fromkeys((owner, *people))),
            clock=_CLOCK,
        )
        for item in _rows(entry):
            if isinstance(item, Problem):
                yield item
                continue
            where, row = item
            sent_at = _time(row.get("Timestamp"))
            if sent_at is None:
                yield Problem(
                    where=f"{entry.display}: {where}", what=f"has no valid time: {str(row.get('Timestamp'))[:40]!r}"
                )
                continue
            text = str(row.get("Contents") or "")
            attachments = tuple(_attachment(link) for link in str(row.get("Attachments") or "").split())
            yield Message(
                conversation=conversation,
                author=owner,
                sent_at=sent_at,
                text=text,
                platform="discord",
                kind="media" if attachments and not text else "text",
                source_id=str(row["ID"]) if row.get("ID") else None,
                attachments=attachments,
                where=where,
            )


def _beside(entry: Entry, name: str) -> dict[str, Any]:
    beside = entry.sibling(name)
    if beside is None:
        return {}
    try:
        document = load(beside)
    except (UnreadableInput, OSError):
        return {}
    return document if isinstance(document, dict) else {}


def _user(entry: Entry) -> dict[str, Any]:
    for found in entry.tree.named("user.json"):
        try:
            document = load(found)
        except (UnreadableInput, OSError):
            continue
        if isinstance(document, dict) and "id" in document and "username" in document:
            return document
    return {}


def _index(entry: Entry) -> dict[str, Any]:
    parent = entry.folder.rsplit("/", 1)[0] if "/" in entry.folder else ""
    found = entry.tree.get(f"{parent}/index.json" if parent else "index.json")
    if found is None:
        return {}
    try:
        document = load(found)
    except (UnreadableInput, OSError):
        return {}
    return document if isinstance(document, dict) else {}


def _rows(entry: Entry) -> Iterator[tuple[str, dict[str, Any]] | Problem]:
    if decode_head(entry.head).lstrip().startswith("["):
        for index, row in elements(entry, "item"):
            if isinstance(row, dict):
                yield f"[{index}]", row
            else:
                yield Problem(where=f"{entry.display}: [{index}]", what="is not a message: left out")
        return
    names: list[str] | None = None
    for item in csv_rows(entry):
        if isinstance(item, Problem):
            yield item
        elif names is None:
            names = item[1]
        elif len(item[1]) < len(names):
            yield Problem(where=f"{entry.display}: line {item[0]}", what="is cut short, columns are missing: left out")
        else:
            yield f"line {item[0]}", dict(zip(names, item[1], strict=False))


def _time(value: Any) -> datetime | None:
    try:
        at = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    try:
        return at.replace(tzinfo=timezone.utc) if at.tzinfo is None else at.astimezone(timezone.utc)
    except OverflowError:
        return None


def _attachment(link: str) -> Attachment:
    suffix = link.split("?")[0].rsplit(".", 1)[-1].lower()
    if suffix in ("png", "jpg", "jpeg", "webp", "gif", "heic"):
        return Attachment(kind="image", name=link)
    if suffix in ("mp4", "mov", "webm"):
        return Attachment(kind="video", name=link)
    return Attachment(kind="voice" if suffix == "ogg" else "document", name=link)
