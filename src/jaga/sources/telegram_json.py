"""Telegram Desktop's JSON export: `result.json` of one chat or of a whole account.

Identity is `from_id`, never the name: deleted accounts have none. `date_unixtime` is UTC; older exports have only `date`, the
exporting machine's local time. Secret chats are never in it, deleted messages are simply absent.
Source: telegramdesktop/tdesktop, export_output_json.cpp.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any

import ijson

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
from jaga.sources._base import Context, from_unix, own_units
from jaga.sources._json import JSON_ERRORS, clean_stream, nested, top_keys
from jaga.sources._tree import Entry

__all__ = ["TelegramJson"]

_KINDS: dict[str, ConversationKind] = {
    "personal_chat": "direct",
    "bot_chat": "direct",
    "saved_messages": "direct",
    "replies": "group",
    "private_group": "group",
    "private_supergroup": "group",
    "public_supergroup": "group",
    "private_channel": "channel",
    "public_channel": "channel",
}
_MEDIA: dict[str, AttachmentKind] = {
    "sticker": "sticker",
    "video_message": "video",
    "voice_message": "voice",
    "animation": "video",
    "video_file": "video",
    "audio_file": "audio",
}
_CALLS = ("phone_call", "conference_call", "group_call")
_PREFIXES = ("messages.item", "chats.list.item.messages.item", "left_chats.list.item.messages.item")


_HOLDERS = ("", "chats.list.item", "left_chats.list.item")
_OWNER = "personal_information"


class TelegramJson:
    """Reads chats in file order, message by message."""

    name = "telegram_json"
    title = "Telegram Desktop export (JSON)"
    reference = (
        "https://github.com/telegramdesktop/tdesktop/blob/dev/Telegram/SourceFiles/export/output/export_output_json.cpp"
    )
    order = 50

    def recognises(self, entry: Entry) -> bool:
        keys = top_keys(entry)
        if keys.get("messages") == "[" and keys.get("type") == '"' and "id" in keys:
            return any(f'"{kind}"'.encode() in entry.head for kind in _KINDS)
        head = entry.head[:65_536]
        whole = keys.get("chats") == "{" or keys.get("left_chats") == "{"
        return (
            "personal_information" in keys
            or (whole and (b'"about"' in head or b'"list"' in head))
            or (keys.get("about") == '"' and b"Telegram" in head[:4096])
        )

    def units(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        return own_units(entries)

    def read(self, unit: Sequence[Entry], context: Context) -> Iterator[Record]:
        """Yield chats with their messages. Raises: UnreadableInput where the file breaks off, OSError."""
        (entry,) = unit
        owner: str | None = None
        guessed = 0
        seen: set[str] = set()
        # Of a file that another program wrote anew, with what a chat is behind its messages.
        late: list[dict[str, Any]] | None = None
        chat = -1
        header: dict[str, Any] = {}
        for part in nested(entry, _PREFIXES, aside=_OWNER):
            if part.index is None:
                chat += 1
                header = part.header
                about = header.get(_OWNER)
                if owner is None and isinstance(about, dict) and about.get("user_id"):
                    owner = f"user{about['user_id']}"
                    first, last = about.get("first_name") or "", about.get("last_name") or ""
                    yield Account(
                        id=owner, platform="telegram", name=f"{first} {last}".strip() or None, relation="owner"
                    )
                if "id" not in header:
                    late = _late_headers(entry) if late is None else late
                    header = late[chat] if chat < len(late) else header
                yield _conversation(header, owner, context)
                continue
            raw, where = part.element, f"messages[{part.index}]"
            try:
                item = _message(raw, header, where, context)
            except (KeyError, TypeError, ValueError, AttributeError) as error:
                yield Problem(where=f"{entry.display}: {where}", what=f"is not a Telegram message: {error!r}")
                continue
            if isinstance(item, Problem):
                yield Problem(where=f"{entry.display}: {item.where}", what=item.what)
                continue
            message, account = item
            if account is not None and account.id not in seen:
                seen.add(account.id)
                yield account
            if not raw.get("date_unixtime"):
                guessed += 1
            yield message
        if guessed:
            yield Problem(
                where=entry.display,
                what=f"{guessed} messages state no zone: read as {context.zone_name} (--zone changes that)",
                note=True,
                skipped=0,
            )


def _late_headers(entry: Entry) -> list[dict[str, Any]]:
    """What each chat is, from a walk to the end of the file: in the order in which the chats end."""
    found: list[dict[str, Any]] = []
    header: dict[str, Any] = {}
    with entry.open() as raw:
        try:
            for prefix, event, value in ijson.parse(clean_stream(raw), use_float=True):
                holder, _, name = prefix.rpartition(".")
                if event == "end_map" and prefix in _HOLDERS:
                    found.append(header)
                    header = {}
                elif holder in _HOLDERS and event in ("string", "number", "null"):
                    header[name] = value
        except JSON_ERRORS:
            pass
    return [header for header in found if "type" in header]


def _key(header: dict[str, Any]) -> str:
    return digest("telegram", str(header.get("id")), "")


def _conversation(header: dict[str, Any], owner: str | None, context: Context) -> Conversation:
    kind = _KINDS.get(str(header.get("type")), "group")
    people: tuple[str, ...] = (owner,) if owner else ()
    if kind == "direct" and header.get("id") is not None:
        people = (*people, f"user{header['id']}")
    return Conversation(
        id=_key(header),
        platform="telegram",
        kind=kind,
        title=header.get("name"),
        participants=people,
        clock=Clock(zone=f"UTC where stated, else {context.zone_name}", zone_known=True),
    )


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    parts = []
    for part in value or ():
        if isinstance(part, str):
            parts.append(part)
        elif isinstance(part, dict):
            text = str(part.get("text", ""))
            # What is shown may hide where it leads.
            href = part.get("href")
            parts.append(f"{text} ({href})" if href and href != text else text)
    return "".join(parts)


def _message(
    raw: dict[str, Any], header: dict[str, Any], where: str, context: Context
) -> tuple[Message, Account | None] | Problem:
    if raw.get("type") == "unsupported":
        return Problem(where=where, what="is of a kind this Telegram could not export")
    unix = raw.get("date_unixtime")
    sent_at = from_unix(float(unix)) if unix else context.utc(datetime.fromisoformat(raw["date"]))
    if sent_at is None:
        return Problem(where=where, what="has no valid time")
    service = raw.get("type") == "service"
    author = raw.get("actor_id" if service else "from_id") or raw.get("from_id") or raw.get("actor_id")
    name = raw.get("actor" if service else "from")
    if author is None:
        author = f"name:{name}" if name else f"user{header.get('id')}"
    attachments = tuple(_attachments(raw))
    text = _text(raw.get("text", ""))
    action = raw.get("action")
    kind: MessageKind = "text"
    if service:
        kind = "call" if action in _CALLS else "system"
        text = text or str(action)
    elif attachments and not text:
        kind = "media"
    message = Message(
        conversation=_key(header),
        author=str(author),
        sent_at=sent_at,
        text=text,
        platform="telegram",
        kind=kind,
        source_id=str(raw["id"]),
        reply_to=str(raw["reply_to_message_id"]) if raw.get("reply_to_message_id") else None,
        attachments=attachments,
        edited="edited" in raw,
        forwarded=bool(raw.get("forwarded_from")),
        where=where,
    )
    return message, Account(id=str(author), platform="telegram", name=name) if name else None


def _attachments(raw: dict[str, Any]) -> Iterator[Attachment]:
    for key, default in (("photo", "image"), ("file", "document")):
        value = raw.get(key)
        if not isinstance(value, str):
            continue
        kind: AttachmentKind = _MEDIA.get(str(raw.get("media_type")), default)  # type: ignore[arg-type]
        mime = raw.get("mime_type")
        if kind == "document" and isinstance(mime, str) and mime.startswith("image/"):
            kind = "image"
        # A sentence in brackets stands where the file was left out.
        size, length = raw.get("file_size"), raw.get("duration_seconds")
        yield Attachment(
            kind=kind,
            name=raw.get("file_name"),
            path=None if value.startswith("(") else value,
            mime=mime if isinstance(mime, str) else None,
            size_bytes=int(size) if isinstance(size, (int, float)) else None,
            duration_s=float(length) if isinstance(length, (int, float)) else None,
        )
    if "contact_information" in raw:
        yield Attachment(kind="contact")
    if "location_information" in raw:
        yield Attachment(kind="location")
