"""Messenger's end-to-end-encrypted download (messenger.com/secure_storage/dyi): `<Name>_<n>.json` beside `media/`.

Camel case, participants as strings, ordinary UTF-8. Since December 2023 new one-to-one chats are only here, not in the
ordinary Facebook download. Learned from abrignoni/RLEAPP facebookE2EMessages.py (facts only).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from jaga.errors import UnreadableInput
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
    digest,
)
from jaga.sources._base import Context, from_unix_ms, own_units
from jaga.sources._json import elements, scalars, top_keys
from jaga.sources._tree import Entry

__all__ = ["MessengerE2ee"]

_KINDS: dict[str, AttachmentKind] = {
    "jpg": "image", "jpeg": "image", "png": "image", "gif": "image", "webp": "sticker", "mp4": "video", "mov": "video",
    "aac": "voice", "m4a": "voice", "mp3": "audio", "ogg": "voice", "opus": "voice",
}  # fmt: skip


class MessengerE2ee:
    """Reads one thread per file."""

    name = "messenger_e2ee"
    title = "Messenger end-to-end-encrypted download"
    reference = "https://www.facebook.com/help/messenger-app/677912386869109"
    order = 48

    def recognises(self, entry: Entry) -> bool:
        keys = top_keys(entry)
        return (
            keys.get("participants") == "["
            and "threadName" in keys
            and ("messages" in keys or b'"senderName"' in entry.head)
        )

    def units(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        return own_units(entries)

    def read(self, unit: Sequence[Entry], context: Context) -> Iterator[Record]:
        """Yield the conversation, its people, its messages. Raises: UnreadableInput where the file breaks off, OSError."""
        (entry,) = unit
        people = tuple(_people(entry))
        thread = scalars(entry, "").get("threadName")
        title = thread if isinstance(thread, str) else None
        identifier = digest("messenger", "e2ee", title or "\0".join(sorted(people)))
        yield Conversation(
            id=identifier,
            platform="messenger",
            kind="direct" if len(people) <= 2 else "group",
            title=title.rsplit("_", 1)[0] if title else None,
            participants=people,
            clock=Clock(zone="UTC", zone_known=True, precision_s=0.001),
        )
        for name in people:
            yield Account(id=name, platform="messenger", name=name)
        for index, raw in elements(entry, "messages.item"):
            message = _message(raw, identifier, f"messages[{index}]") if isinstance(raw, dict) else None
            if message is None:
                yield Problem(where=f"{entry.display}: messages[{index}]", what="has no valid time or sender: left out")
            else:
                yield message


def _message(raw: dict[str, Any], conversation: str, where: str) -> Message | None:
    sender, stamp = raw.get("senderName"), raw.get("timestamp")
    sent_at = from_unix_ms(stamp) if isinstance(stamp, (int, float)) else None
    if sent_at is None or not isinstance(sender, str):
        return None
    text = raw.get("text") if isinstance(raw.get("text"), str) else ""
    attachments = tuple(
        Attachment(kind=_KINDS.get(item["uri"].rsplit(".", 1)[-1].lower(), "document"), path=item["uri"])
        for item in raw.get("media") or ()
        if isinstance(item, dict) and isinstance(item.get("uri"), str)
    )
    kind: MessageKind = "text"
    if raw.get("isUnsent"):
        kind = "deleted"
    elif str(raw.get("type", "")).lower() == "call":
        kind = "call"
    elif attachments and not text:
        kind = "media"
    return Message(
        conversation=conversation,
        author=sender,
        sent_at=sent_at,
        text=text or "",
        platform="messenger",
        kind=kind,
        attachments=attachments,
        where=where,
    )


def _people(entry: Entry) -> dict[str, None]:
    people: dict[str, None] = {}
    try:
        for _, name in elements(entry, "participants.item", tell_cut=False):
            if isinstance(name, str):
                people[name] = None
    except UnreadableInput:
        # Said again, with its place, when the messages are read.
        pass
    return people
