"""DiscordChatExporter's JSON (Tyrrrz/DiscordChatExporter): one channel a file, in parts when it is large.

Every message states its offset. Source: DiscordChatExporter.Core/Exporting/JsonMessageWriter.cs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import Any

from jaga.records import (
    Account,
    Attachment,
    AttachmentKind,
    Clock,
    Conversation,
    ConversationKind,
    Message,
    MessageKind,
    Problem,
    Record,
    digest,
)
from jaga.sources._base import Context, own_units
from jaga.sources._json import elements, top_keys
from jaga.sources._tree import Entry

__all__ = ["DiscordChatExporter"]

_SAID = ("Default", "Reply", "0", "19", "ThreadStarterMessage", "ChatInputCommand", "ContextMenuCommand")


class DiscordChatExporter:
    """Reads one channel or part per file."""

    name = "discord_chat_exporter"
    title = "DiscordChatExporter (JSON)"
    reference = "https://github.com/Tyrrrz/DiscordChatExporter"
    order = 45

    def recognises(self, entry: Entry) -> bool:
        keys = top_keys(entry)
        return keys.get("guild") == "{" and keys.get("channel") == "{"

    def units(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        return own_units(entries)

    def read(self, unit: Sequence[Entry], context: Context) -> Iterator[Record]:
        """Yield the conversation, its people, its messages. Raises: UnreadableInput where the file breaks off, OSError."""
        (entry,) = unit
        channel: dict[str, Any] = next((value for _, value in elements(entry, "channel")), {}) or {}
        guild: dict[str, Any] = next((value for _, value in elements(entry, "guild")), {}) or {}
        direct = str(guild.get("id")) == "0" or str(channel.get("type", "")).startswith("Direct")
        kind: ConversationKind = "direct" if "Group" not in str(channel.get("type", "")) and direct else "group"
        identifier = digest("discord", str(channel.get("id")))
        title = channel.get("name")
        if not direct and guild.get("name"):
            title = f"{guild['name']} / {title}"
        yield Conversation(
            id=identifier,
            platform="discord",
            kind=kind,
            title=title,
            clock=Clock(zone="stated per message", zone_known=True, precision_s=0.001),
        )
        seen: dict[str, None] = {}
        for index, raw in elements(entry, "messages.item"):
            where = f"messages[{index}]"
            try:
                author = raw["author"]
                message = _message(raw, identifier, where)
            except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
                yield Problem(where=f"{entry.display}: {where}", what=f"is not a message of this format: {error!r}")
                continue
            if message.author not in seen:
                seen[message.author] = None
                yield Account(id=message.author, platform="discord", name=author.get("nickname") or author.get("name"))
            yield message
        if kind == "direct":
            yield Conversation(
                id=identifier, platform="discord", kind=kind, title=title, participants=tuple(seen),
                clock=Clock(zone="stated per message", zone_known=True, precision_s=0.001),
            )  # fmt: skip


def _message(raw: dict[str, Any], conversation: str, where: str) -> Message:
    at = datetime.fromisoformat(raw["timestamp"])
    if at.tzinfo is None:
        raise ValueError("no offset in timestamp")
    attachments = tuple(_attachment(one) for one in raw.get("attachments") or ()) + tuple(
        Attachment(kind="sticker", name=one.get("name")) for one in raw.get("stickers") or ()
    )
    text = raw.get("content") or ""
    what = str(raw.get("type", "Default"))
    kind: MessageKind = "text"
    forwarded = raw.get("forwardedMessage")
    if isinstance(forwarded, dict) and not text:
        text = forwarded.get("content") or ""
    if what == "Call":
        kind = "call"
    elif what not in _SAID:
        kind = "system"
    elif attachments and not text:
        kind = "media"
    reference = raw.get("reference")
    return Message(
        conversation=conversation,
        author=str(raw["author"]["id"]),
        sent_at=at.astimezone(timezone.utc),
        text=text,
        platform="discord",
        kind=kind,
        source_id=str(raw["id"]),
        reply_to=str(reference["messageId"]) if isinstance(reference, dict) and reference.get("messageId") else None,
        attachments=attachments,
        edited=raw.get("timestampEdited") is not None,
        forwarded=isinstance(forwarded, dict),
        where=where,
    )


def _attachment(one: dict[str, Any]) -> Attachment:
    name = str(one.get("fileName") or "")
    suffix = name.rsplit(".", 1)[-1].lower()
    kind: AttachmentKind = "document"
    if suffix in ("png", "jpg", "jpeg", "webp", "gif", "heic"):
        kind = "image"
    elif suffix in ("mp4", "mov", "webm"):
        kind = "video"
    elif suffix in ("ogg", "mp3", "m4a", "wav"):
        kind = "voice" if name.startswith("voice-message") else "audio"
    size = one.get("fileSizeBytes")
    return Attachment(
        kind=kind,
        name=name or None,
        path=one.get("url"),
        size_bytes=int(size) if isinstance(size, (int, float)) else None,
    )
