"""A Matrix room as Element exports it (JSON): `{room_name, exported_by, …, messages: [raw events]}`.

Events are those of the Matrix client-server specification; `origin_server_ts` is milliseconds since 1970. What could not be
decrypted at export is counted, not dropped in silence. An edit is an event of its own and is kept beside what it replaces: both were
said. `exported_by` is a display name; the member events tell whose. Source: spec.matrix.org, element-hq/element-web JSONExport.ts
(facts only); not tried on a real export.
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

__all__ = ["MatrixJson"]

_CLOCK = Clock(zone="UTC", zone_known=True, precision_s=0.001)
_MEDIA: dict[str, AttachmentKind] = {
    "m.image": "image",
    "m.video": "video",
    "m.audio": "audio",
    "m.file": "document",
    "m.location": "location",
}


class MatrixJson:
    """Reads one room per file, in file order."""

    name = "matrix_json"
    title = "Element (Matrix) room export"
    reference = "https://spec.matrix.org/latest/client-server-api/#events"
    order = 48

    def recognises(self, entry: Entry) -> bool:
        keys = top_keys(entry)
        return keys.get("messages") == "[" and "room_name" in keys and ("exported_by" in keys or "export_date" in keys)

    def units(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        return own_units(entries)

    def read(self, unit: Sequence[Entry], context: Context) -> Iterator[Record]:
        """Yield messages, people as they appear, the conversation last: only then is known who was in it.

        Raises: UnreadableInput where the file breaks off, OSError.
        """
        (entry,) = unit
        about = scalars(entry, "", until="messages")
        title = about.get("room_name")
        names: dict[str, str] = {}
        people: dict[str, None] = {}
        unread = 0
        room: str | None = None
        broken: UnreadableInput | None = None
        try:
            for index, event in elements(entry, "messages.item"):
                where = f"messages[{index}]"
                sent_at = from_unix_ms(event.get("origin_server_ts") or 0) if isinstance(event, dict) else None
                sender = event.get("sender") if isinstance(event, dict) else None
                if sent_at is None or not isinstance(sender, str) or not isinstance(event.get("content"), dict):
                    yield Problem(where=f"{entry.display}: {where}", what="has no sender or no valid time: left out")
                    continue
                room = room or digest("matrix", str(event.get("room_id") or title))
                if event.get("type") == "m.room.member" and isinstance(event["content"].get("displayname"), str):
                    names[str(event.get("state_key"))] = event["content"]["displayname"]
                if event.get("type") in ("m.room.encrypted", "m.reaction"):
                    unread += event["type"] == "m.room.encrypted"
                    continue
                said = _said(event)
                if said is None:
                    continue
                kind, text, attachments, answered, edited = said
                if kind != "system":
                    people[sender] = None
                yield Message(
                    conversation=room,
                    author=sender,
                    sent_at=sent_at,
                    text=text,
                    platform="matrix",
                    kind=kind,
                    source_id=event["event_id"] if isinstance(event.get("event_id"), str) else None,
                    reply_to=answered,
                    attachments=attachments,
                    edited=edited,
                    where=where,
                )
        except UnreadableInput as error:
            # What stands before the break is kept, and needs its conversation.
            broken = error
        if room is not None:
            members = tuple(dict.fromkeys((*names, *people)))
            yield Conversation(
                id=room,
                platform="matrix",
                kind="direct" if len(members) <= 2 else "group",
                title=title if isinstance(title, str) else None,
                participants=members,
                clock=_CLOCK,
            )
            for one in members:
                own = about.get("exported_by") in (names.get(one), one)
                yield Account(
                    id=one, platform="matrix", name=names.get(one), relation="owner" if own else "participant"
                )
        if unread:
            yield Problem(
                where=entry.display,
                what=f"{unread} messages were encrypted when it was exported and cannot be read (export on a device that can show them)",
                skipped=unread,
            )
        if broken is not None:
            raise broken


_Said = tuple[MessageKind, str, tuple[Attachment, ...], str | None, bool]


def _said(event: dict[str, Any]) -> _Said | None:
    """What an event says: kind, text, attachments, what it answers, edited. None for settings of the room, which nobody said."""
    what, content = event.get("type"), event["content"]
    if what == "m.call.invite":
        return "call", "", (), None, False
    if what == "m.room.member":
        return "system", f"{event.get('state_key')}: {content.get('membership')}", (), None, False
    if what not in ("m.room.message", "m.sticker"):
        return None
    if "redacted_because" in _object(event, "unsigned"):
        return "deleted", "", (), None, False
    relation = _object(content, "m.relates_to")
    edited = relation.get("rel_type") == "m.replace"
    inside = _object(relation, "m.in_reply_to")
    answered = _string(inside or (relation if edited else {}), "event_id")
    if edited and isinstance(content.get("m.new_content"), dict):
        content = content["m.new_content"]
    text = _string(content, "body") or ""
    if inside:
        text = _without_quote(text)
    kind = "sticker" if what == "m.sticker" else _MEDIA.get(str(content.get("msgtype")))
    if kind is None:
        return "text", text, (), answered, edited
    info = _object(content, "info")
    size, length = info.get("size"), info.get("duration")
    # The body is the file's name, unless a `filename` beside it makes it a caption.
    name = _string(content, "filename") or text
    caption = text if name != text else ""
    attachment = Attachment(
        kind="voice" if kind == "audio" and "org.matrix.msc3245.voice" in content else kind,
        name=name or None,
        mime=_string(info, "mimetype"),
        size_bytes=size if isinstance(size, int) else None,
        duration_s=length / 1000 if isinstance(length, (int, float)) else None,
    )
    return "text" if caption else "media", caption, (attachment,), answered, edited


def _object(value: dict[str, Any], key: str) -> dict[str, Any]:
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def _string(value: dict[str, Any], key: str) -> str | None:
    found = value.get(key)
    return found if isinstance(found, str) else None


def _without_quote(text: str) -> str:
    """A reply's body without the quoted message before it (lines behind `> `, then a blank line)."""
    lines = text.split("\n")
    while lines and lines[0].startswith("> "):
        lines.pop(0)
    return "\n".join(lines).lstrip("\n")
