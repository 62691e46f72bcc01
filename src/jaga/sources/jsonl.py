"""The neutral JSON-lines format, schema 1: one message a line (docs/schema/jsonl-1.md).

For other programs and for evaluation. Author ids are global: the same id in two conversations, or on two platforms,
is the same person.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import Annotated, Any

import msgspec

from jaga.records import (
    Attachment,
    AttachmentKind,
    Clock,
    Conversation,
    ConversationKind,
    Message,
    MessageKind,
    Problem,
    Record,
)
from jaga.sources._base import Context, own_units
from jaga.sources._lines import bounded_lines
from jaga.sources._tree import Entry

__all__ = ["JsonLines"]

# msgspec lets broken UTF-8 escape as UnicodeDecodeError; year 1 overflows on its way to UTC.
_BAD_LINE = (msgspec.DecodeError, UnicodeDecodeError, OverflowError, RecursionError)


class _Line(msgspec.Struct):
    conversation: str
    author: str
    # An offset is demanded: guessing a zone would move messages in evidence.
    time: Annotated[datetime, msgspec.Meta(tz=True)]
    text: str | None = None
    platform: str | None = None
    # What kind of conversation (direct, group, channel, public) or of message (text, media, call, system, deleted).
    kind: str | None = None
    reply_to: str | None = None
    attachments: list[Any] | None = None
    id: str | None = None


_CONVERSATION_KINDS: dict[str, ConversationKind] = {
    "direct": "direct",
    "group": "group",
    "channel": "channel",
    "public": "public",
    "post": "public",
    "comment": "public",
}
_MESSAGE_KINDS: dict[str, MessageKind] = {
    "text": "text",
    "media": "media",
    "call": "call",
    "system": "system",
    "deleted": "deleted",
    "message": "text",
}
_ATTACHMENT_KINDS: dict[str, AttachmentKind] = {
    kind: kind
    for kind in ("image", "video", "audio", "voice", "sticker", "document", "contact", "location", "link", "other")
}
_ATTACHMENT_KINDS |= {"photo": "image", "picture": "image", "file": "document", "voice_note": "voice"}


class JsonLines:
    """Reads one message a line, in file order."""

    name = "jsonl"
    title = "Neutral JSON lines"
    reference = "docs/schema/jsonl-1.md"
    # Asked late: a line of some other NDJSON export may hold the same words.
    order = 90

    def recognises(self, entry: Entry) -> bool:
        first = entry.head.lstrip(b"\xef\xbb\xbf \t\r\n").split(b"\n", 1)[0]
        return first.startswith(b"{") and b'"conversation"' in first and b'"author"' in first and b'"time"' in first

    def units(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        return own_units(entries)

    def read(self, unit: Sequence[Entry], context: Context) -> Iterator[Record]:
        """Yield messages in file order; a bad line becomes a Problem and reading goes on. Raises: OSError."""
        (entry,) = unit
        authors: dict[str, dict[str, None]] = {}
        about: dict[str, tuple[str, ConversationKind | None]] = {}
        decoder = msgspec.json.Decoder(_Line)
        with entry.open() as stream:
            for number, raw, cut in bounded_lines(stream):
                raw = raw.removeprefix(b"\xef\xbb\xbf")
                if not raw.strip():
                    continue
                where = f"{entry.display}: line {number}"
                if cut:
                    yield Problem(where=where, what="is longer than any message (1 MiB): left out")
                    continue
                try:
                    line = decoder.decode(raw)
                    sent_at = line.time.astimezone(timezone.utc)
                except _BAD_LINE as error:
                    yield Problem(where=where, what=f"is not a message of this format: {error} (see {self.reference})")
                    continue
                platform = line.platform or "unknown"
                kind = _CONVERSATION_KINDS.get(line.kind or "")
                known_platform, known_kind = about.setdefault(line.conversation, (platform, kind))
                if kind is not None and known_kind is None:
                    about[line.conversation] = (known_platform, kind)
                authors.setdefault(line.conversation, {})[line.author] = None
                attachments = tuple(_attachment(item) for item in line.attachments or ())
                yield Message(
                    conversation=line.conversation,
                    author=line.author,
                    sent_at=sent_at,
                    text=line.text or "",
                    platform=known_platform,
                    kind=_MESSAGE_KINDS.get(line.kind or "", "text" if line.text or not attachments else "media"),
                    source_id=line.id,
                    reply_to=line.reply_to,
                    attachments=attachments,
                    where=f"line {number}",
                )
        for conversation, people in authors.items():
            platform, stated = about[conversation]
            yield Conversation(
                id=conversation,
                platform=platform,
                kind=stated or ("direct" if len(people) <= 2 else "group"),
                participants=tuple(people),
                clock=Clock(zone="stated per message", zone_known=True),
            )


def _attachment(item: Any) -> Attachment:
    if isinstance(item, dict):
        kind = _ATTACHMENT_KINDS.get(str(item.get("kind", item.get("type", ""))), "other")
        name = item.get("name")
        path = item.get("path")
        return Attachment(
            kind=kind, name=name if isinstance(name, str) else None, path=path if isinstance(path, str) else None
        )
    return Attachment(kind="other", name=str(item)[:500])
