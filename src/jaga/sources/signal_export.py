"""Signal's plaintext export (`main.jsonl`, Android): one frame of the backup a line.

64-bit numbers are text. The exporter leaves out every disappearing message, so absence proves nothing; that is said.
Source: signalapp/libsignal, rust/message-backup (backup.proto, json/exporter.rs).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import msgspec

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
from jaga.sources._lines import bounded_lines
from jaga.sources._tree import Entry

__all__ = ["SignalExport"]

_CLOCK = Clock(zone="UTC", zone_known=True, precision_s=0.001)


class SignalExport:
    """Reads frames in file order."""

    name = "signal_export"
    title = "Signal plaintext export"
    reference = "https://github.com/signalapp/libsignal/tree/main/rust/message-backup"
    order = 45

    def recognises(self, entry: Entry) -> bool:
        head = entry.head
        return (
            head.lstrip().startswith(b"{")
            and b'"backupTimeMs"' in head[:4096]
            and (b'"recipient"' in head or b'"account"' in head or b'"chat"' in head)
        )

    def units(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        return own_units(entries)

    def read(self, unit: Sequence[Entry], context: Context) -> Iterator[Record]:
        """Yield accounts, conversations and messages; a bad line is a Problem. Raises: OSError."""
        (entry,) = unit
        names: dict[str, str] = {}
        groups: set[str] = set()
        owner = "me"
        chats: dict[str, str] = {}
        with entry.open() as stream:
            for number, raw, cut in bounded_lines(stream):
                if not raw.strip() or number == 1:
                    continue
                if cut:
                    yield Problem(
                        where=f"{entry.display}: line {number}", what="is longer than any message (1 MiB): left out"
                    )
                    continue
                try:
                    frame = msgspec.json.decode(raw)
                    if not isinstance(frame, dict):
                        raise ValueError("not a frame")
                except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError) as error:
                    yield Problem(
                        where=f"{entry.display}: line {number}", what=f"is not a frame of a Signal export: {error}"
                    )
                    continue
                if isinstance(frame.get("recipient"), dict):
                    person = frame["recipient"]
                    identifier = str(person.get("id"))
                    names[identifier] = _name(person)
                    if "group" in person:
                        groups.add(identifier)
                    if "self" in person:
                        owner = identifier
                    if "group" not in person:
                        yield Account(
                            id=identifier,
                            platform="signal",
                            name=names[identifier],
                            relation="owner" if identifier == owner else "participant",
                        )
                elif isinstance(frame.get("chat"), dict):
                    chat = frame["chat"]
                    other = str(chat.get("recipientId"))
                    chats[str(chat.get("id"))] = other
                    direct = other not in groups
                    yield Conversation(
                        id=digest("signal", other, names.get(other, "")),
                        platform="signal",
                        kind="direct" if direct else "group",
                        title=names.get(other),
                        participants=(owner, other) if direct else (owner,),
                        clock=_CLOCK,
                    )
                elif isinstance(frame.get("chatItem"), dict):
                    item = frame["chatItem"]
                    other = chats.get(str(item.get("chatId")), "")
                    message = _message(item, digest("signal", other, names.get(other, "")), f"line {number}")
                    if message is None:
                        yield Problem(where=f"{entry.display}: line {number}", what="has no valid time: left out")
                    else:
                        yield message
        yield Problem(
            where=entry.display, what="Signal leaves disappearing messages out of its export", note=True, skipped=0
        )


def _name(person: dict[str, Any]) -> str:
    contact = person.get("contact") or {}
    parts = [str(contact[key]) for key in ("profileGivenName", "profileFamilyName") if contact.get(key)]
    group = ((person.get("group") or {}).get("snapshot") or {}).get("title") or {}
    title = group.get("title") if isinstance(group, dict) else None
    return (
        " ".join(parts) or contact.get("systemGivenName") or str(contact.get("e164") or title or f"#{person.get('id')}")
    )


def _message(item: dict[str, Any], conversation: str, where: str) -> Message | None:
    stamp = str(item.get("dateSent", ""))
    sent_at = from_unix_ms(int(stamp)) if stamp.isdigit() else None
    if sent_at is None:
        return None
    standard = item.get("standardMessage") or {}
    text = str((standard.get("text") or {}).get("body") or "")
    attachments = []
    for one in standard.get("attachments") or ():
        mime = str((one.get("pointer") or {}).get("contentType") or "") if isinstance(one, dict) else ""
        kind: AttachmentKind = next((kind for kind in ("image", "video", "audio") if mime.startswith(kind)), "document")
        if isinstance(one, dict) and one.get("flag") == "VOICE_MESSAGE":
            kind = "voice"
        attachments.append(Attachment(kind=kind, mime=mime or None))
    what: MessageKind = "text"
    if "remoteDeletedMessage" in item:
        what = "deleted"
    elif "updateMessage" in item:
        what = "system"
    elif "stickerMessage" in item:
        attachments.append(Attachment(kind="sticker"))
        what = "media"
    elif "viewOnceMessage" in item:
        attachments.append(Attachment(kind="other", name="view once"))
        what = "media"
    elif attachments and not text:
        what = "media"
    quote = standard.get("quote") or {}
    return Message(
        conversation=conversation,
        author=str(item.get("authorId")),
        sent_at=sent_at,
        text=text,
        platform="signal",
        kind=what,
        reply_to=str(quote["targetSentTimestamp"]) if quote.get("targetSentTimestamp") else None,
        attachments=tuple(attachments),
        edited=bool(item.get("revisions")),
        where=where,
    )
