"""Google Chat in a Takeout: `Google Chat/Groups/<DM or Space>/messages.json` beside `group_info.json`.

`created_date` is UTC written out in the account's language (`Thursday, November 3, 2016 at 11:59:50 AM UTC`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timezone

from jaga.errors import UnreadableInput
from jaga.records import Account, Attachment, Clock, Conversation, Message, Problem, Record, digest
from jaga.sources._base import Context, own_units
from jaga.sources._dates import parse_written
from jaga.sources._json import elements, load, top_keys
from jaga.sources._tree import Entry

__all__ = ["GoogleChat"]


class GoogleChat:
    """Reads one group per file."""

    name = "google_chat"
    title = "Google Chat (Takeout)"
    reference = "https://support.google.com/accounts/answer/3024190"
    order = 50

    def recognises(self, entry: Entry) -> bool:
        return (
            top_keys(entry).get("messages") == "["
            and b'"creator"' in entry.head
            and (b'"created_date"' in entry.head or b'"topic_id"' in entry.head)
        )

    def units(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        return own_units(entries)

    def read(self, unit: Sequence[Entry], context: Context) -> Iterator[Record]:
        """Yield the conversation and its messages. Raises: UnreadableInput where the file breaks off, OSError."""
        (entry,) = unit
        info = entry.sibling("group_info.json")
        about = load(info) if info is not None else {}
        members = [one.get("email") or one.get("name") for one in about.get("members") or () if isinstance(one, dict)]
        title = about.get("name")
        direct = "DM " in entry.folder or (title is None and len(members) <= 2)
        identifier = digest("google_chat", entry.folder.rsplit("/", 1)[-1] or entry.path)
        yield from _owner(entry)
        yield Conversation(
            id=identifier,
            platform="google_chat",
            kind="direct" if direct else "group",
            title=title,
            participants=tuple(str(one) for one in members if one),
            clock=Clock(zone="UTC", zone_known=True),
        )
        for index, raw in elements(entry, "messages.item"):
            where = f"messages[{index}]"
            if not isinstance(raw, dict):
                yield Problem(where=f"{entry.display}: {where}", what="is not a message: left out")
                continue
            creator = raw.get("creator") or {}
            author = creator.get("email") or creator.get("name")
            deleted = "deleted_date" in raw
            at = parse_written(str(raw.get("created_date") or raw.get("deleted_date") or ""))
            if at is None or not author:
                yield Problem(
                    where=f"{entry.display}: {where}", what="has no time Jaga can read, or no author: left out"
                )
                continue
            attachments = tuple(
                Attachment(kind="other", name=one.get("original_name"), path=one.get("export_name"))
                for one in raw.get("attached_files") or ()
            )
            text = str(raw.get("text") or "")
            if creator.get("name"):
                yield Account(id=author, platform="google_chat", name=creator["name"])
            yield Message(
                conversation=identifier,
                author=author,
                sent_at=at.replace(tzinfo=timezone.utc),
                text=text,
                platform="google_chat",
                kind="deleted" if deleted else "media" if attachments and not text else "text",
                source_id=raw.get("message_id"),
                attachments=attachments,
                where=where,
            )


def _owner(entry: Entry) -> Iterator[Record]:
    for found in entry.tree.named("user_info.json"):
        try:
            user = (load(found) or {}).get("user") or {}
        except (UnreadableInput, OSError):
            continue
        if user.get("email"):
            yield Account(id=user["email"], platform="google_chat", name=user.get("name"), relation="owner")
