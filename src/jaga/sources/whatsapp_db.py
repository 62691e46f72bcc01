"""WhatsApp's databases, decrypted: Android `msgstore.db` (schemas since 2022 and before) and iOS `ChatStorage.sqlite`.

Names come from `wa.db` beside it where it is there. Times are exact: Android milliseconds since 1970, iOS seconds since
2001, both UTC. Learned from KnugiHK/WhatsApp-Chat-Exporter (facts only) and the iLEAPP fixtures' columns.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence

from jaga.records import (
    Account,
    Attachment,
    AttachmentKind,
    Clock,
    Conversation,
    ConversationKind,
    Message,
    Problem,
    Record,
    digest,
)
from jaga.sources._base import Context, from_unix, from_unix_ms, own_units
from jaga.sources._sqlite import columns, has_tables, open_database, rows
from jaga.sources._tree import Entry

__all__ = ["WhatsAppAndroidDatabase", "WhatsAppIosDatabase"]

_APPLE_EPOCH_S = 978_307_200
_UTC = Clock(zone="UTC", zone_known=True, precision_s=0.001)
# Android's message_type, the ones that carry media.
_ANDROID_KINDS: dict[int, AttachmentKind] = {
    1: "image", 2: "voice", 3: "video", 4: "contact", 5: "location", 9: "document", 13: "image", 16: "location",
    20: "sticker", 42: "image", 43: "video",
}  # fmt: skip
_ANDROID_SYSTEM = 7
_ANDROID_DELETED = 15
_IOS_KINDS: dict[int, AttachmentKind] = {
    1: "image", 2: "video", 3: "voice", 4: "contact", 5: "location", 7: "link", 8: "document", 11: "image", 15: "sticker",
}  # fmt: skip
OWNER = "me"


def _kind(jid: str) -> ConversationKind:
    if jid.endswith("@g.us"):
        return "group"
    if jid.endswith("@newsletter"):
        return "channel"
    return "public" if jid == "status@broadcast" else "direct"


class _Chats:
    """Makes each conversation and account known once."""

    def __init__(self) -> None:
        self._seen: set[str] = set()
        self._people: set[str] = {OWNER}

    def known(self, jid: str, title: str | None, names: dict[str, str]) -> Iterator[Record]:
        if jid not in self._seen:
            self._seen.add(jid)
            kind = _kind(jid)
            people = (OWNER, jid) if kind == "direct" else (OWNER,)
            yield Conversation(
                id=digest("whatsapp", jid),
                platform="whatsapp",
                kind=kind,
                title=title or names.get(jid),
                participants=people,
                clock=_UTC,
            )
            if kind == "direct":
                yield from self.person(jid, names)

    def person(self, jid: str, names: dict[str, str]) -> Iterator[Record]:
        if jid not in self._people:
            self._people.add(jid)
            yield Account(id=jid, platform="whatsapp", name=names.get(jid) or _phone(jid))


def _phone(jid: str) -> str | None:
    user = jid.split("@")[0]
    return f"+{user}" if user.isdigit() else None


class WhatsAppAndroidDatabase:
    """Reads `msgstore.db`, in row order."""

    name = "whatsapp_msgstore"
    title = "WhatsApp database (Android)"
    reference = "https://github.com/KnugiHK/WhatsApp-Chat-Exporter"
    order = 40

    def recognises(self, entry: Entry) -> bool:
        return has_tables(
            entry, message={"chat_row_id", "from_me", "timestamp"}, chat={"jid_row_id"}, jid={"raw_string"}
        ) or has_tables(entry, messages={"key_remote_jid", "key_from_me", "timestamp"})

    def units(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        return own_units(entries)

    def read(self, unit: Sequence[Entry], context: Context) -> Iterator[Record]:
        """Yield chats and messages; a row without a time is a Problem. Raises: UnreadableInput, OSError."""
        (entry,) = unit
        names = _contact_names(entry)
        yield Account(id=OWNER, platform="whatsapp", relation="owner")
        chats = _Chats()
        with open_database(entry) as connection:
            if "message" in {row[0] for row in connection.execute("SELECT name FROM sqlite_master")}:
                found = self._new(connection)
            else:
                found = self._old(connection)
            for row in found:
                jid = row["chat"]
                if jid is None:
                    yield Problem(where=f"{entry.display}: row {row['row']}", what="belongs to no chat: left out")
                    continue
                sent_at = from_unix_ms(row["at"] or 0)
                if sent_at is None:
                    if row["kind"] not in (_ANDROID_SYSTEM, None) or row["text"]:
                        yield Problem(where=f"{entry.display}: row {row['row']}", what="has no valid time: left out")
                    continue
                yield from chats.known(jid, row["subject"], names)
                author = OWNER if row["mine"] else (row["sender"] or jid)
                yield from chats.person(author, names)
                kind = int(row["kind"] or 0)
                media = _ANDROID_KINDS.get(kind)
                text = row["text"] or row["caption"] or ""
                yield Message(
                    conversation=digest("whatsapp", jid),
                    author=author,
                    sent_at=sent_at,
                    text=text,
                    platform="whatsapp",
                    kind="system"
                    if kind == _ANDROID_SYSTEM
                    else "deleted"
                    if kind == _ANDROID_DELETED
                    else "media"
                    if media and not text
                    else "text",
                    source_id=row["key"],
                    reply_to=row["quoted"],
                    attachments=(Attachment(kind=media, path=row["file"], mime=row["mime"]),) if media else (),
                    where=f"row {row['row']}",
                )

    def _new(self, connection: sqlite3.Connection) -> Iterator[sqlite3.Row]:
        media = "message_media" in _tables(connection)
        quoted = "message_quoted" in _tables(connection)
        yield from rows(
            connection,
            f"""SELECT m._id AS row, cj.raw_string AS chat, c.subject AS subject, m.from_me AS mine, sj.raw_string AS sender,
                m.timestamp AS at, m.text_data AS text, m.message_type AS kind, m.key_id AS key,
                {"mm.file_path" if media else "NULL"} AS file,
                {"mm.mime_type" if media and "mime_type" in columns(connection, "message_media") else "NULL"} AS mime,
                {"mm.media_caption" if media and "media_caption" in columns(connection, "message_media") else "NULL"} AS caption,
                {"q.key_id" if quoted else "NULL"} AS quoted
            FROM message m LEFT JOIN chat c ON c._id = m.chat_row_id LEFT JOIN jid cj ON cj._id = c.jid_row_id
                LEFT JOIN jid sj ON sj._id = m.sender_jid_row_id
                {"LEFT JOIN message_media mm ON mm.message_row_id = m._id" if media else ""}
                {"LEFT JOIN message_quoted q ON q.message_row_id = m._id" if quoted else ""}
            WHERE m._id > 0 AND m.chat_row_id >= 0 ORDER BY m._id""",  # noqa: S608 only our own words are put in
        )

    def _old(self, connection: sqlite3.Connection) -> Iterator[sqlite3.Row]:
        have = columns(connection, "messages")

        def column(name: str) -> str:
            return name if name in have else "NULL"

        yield from rows(
            connection,
            f"""SELECT _id AS row, key_remote_jid AS chat, NULL AS subject, key_from_me AS mine, {column("remote_resource")} AS sender,
                timestamp AS at, data AS text, {column("media_wa_type")} AS kind, {column("key_id")} AS key,
                {column("media_name")} AS file, {column("media_mime_type")} AS mime, {column("media_caption")} AS caption, NULL AS quoted
            FROM messages WHERE key_remote_jid != '-1' ORDER BY _id""",  # noqa: S608
        )


def _tables(connection: sqlite3.Connection) -> set[str]:
    return {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type IN ('table', 'view')")}


def _contact_names(entry: Entry) -> dict[str, str]:
    beside = entry.sibling("wa.db")
    if beside is None or not has_tables(beside, wa_contacts={"jid"}):
        return {}
    with open_database(beside) as connection:
        have = columns(connection, "wa_contacts")
        shown: list[str] = [name for name in ("display_name", "wa_name") if name in have] or ["jid"]
        return {
            row[0]: row[1]
            for row in connection.execute(f"SELECT jid, coalesce({', '.join([*shown, 'NULL'])}) FROM wa_contacts")  # noqa: S608
            if row[0] and row[1]
        }


class WhatsAppIosDatabase:
    """Reads `ChatStorage.sqlite`, in row order."""

    name = "whatsapp_chatstorage"
    title = "WhatsApp database (iOS)"
    reference = "https://github.com/KnugiHK/WhatsApp-Chat-Exporter"
    order = 40

    def recognises(self, entry: Entry) -> bool:
        return has_tables(
            entry, ZWAMESSAGE={"ZISFROMME", "ZMESSAGEDATE", "ZTEXT", "ZCHATSESSION"}, ZWACHATSESSION={"ZCONTACTJID"}
        )

    def units(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        return own_units(entries)

    def read(self, unit: Sequence[Entry], context: Context) -> Iterator[Record]:
        """Yield chats and messages; a row without a time is a Problem. Raises: UnreadableInput, OSError."""
        (entry,) = unit
        yield Account(id=OWNER, platform="whatsapp", relation="owner")
        chats = _Chats()
        names: dict[str, str] = {}
        with open_database(entry) as connection:
            tables = _tables(connection)
            member = "ZWAGROUPMEMBER" in tables
            media = "ZWAMEDIAITEM" in tables
            stanza = "ZSTANZAID" in columns(connection, "ZWAMESSAGE")
            if "ZWAPROFILEPUSHNAME" in tables:
                names = {
                    row[0]: row[1]
                    for row in connection.execute("SELECT ZJID, ZPUSHNAME FROM ZWAPROFILEPUSHNAME")
                    if row[0] and row[1]
                }
            for jid, name in connection.execute("SELECT ZCONTACTJID, ZPARTNERNAME FROM ZWACHATSESSION"):
                if jid and name:
                    names[jid] = name
            query = f"""SELECT m.Z_PK AS row, s.ZCONTACTJID AS chat, s.ZPARTNERNAME AS subject, m.ZISFROMME AS mine,
                {"g.ZMEMBERJID" if member else "NULL"} AS sender, m.ZMESSAGEDATE AS at, m.ZTEXT AS text, m.ZMESSAGETYPE AS kind,
                {"m.ZSTANZAID" if stanza else "NULL"} AS key, {"i.ZMEDIALOCALPATH" if media else "NULL"} AS file,
                {"i.ZTITLE" if media else "NULL"} AS caption
            FROM ZWAMESSAGE m LEFT JOIN ZWACHATSESSION s ON s.Z_PK = m.ZCHATSESSION
                {"LEFT JOIN ZWAGROUPMEMBER g ON g.Z_PK = m.ZGROUPMEMBER" if member else ""}
                {"LEFT JOIN ZWAMEDIAITEM i ON i.Z_PK = m.ZMEDIAITEM" if media else ""} ORDER BY m.Z_PK"""  # noqa: S608
            for row in rows(connection, query):
                jid = row["chat"]
                sent_at = from_unix((row["at"] or 0) + _APPLE_EPOCH_S) if row["at"] else None
                if jid is None or sent_at is None:
                    yield Problem(
                        where=f"{entry.display}: row {row['row']}", what="has no chat or no valid time: left out"
                    )
                    continue
                yield from chats.known(jid, row["subject"], names)
                author = OWNER if row["mine"] else (row["sender"] or jid)
                yield from chats.person(author, names)
                kind = int(row["kind"] or 0)
                attachment = _IOS_KINDS.get(kind)
                text = row["text"] or (row["caption"] if attachment in ("image", "video") else None) or ""
                yield Message(
                    conversation=digest("whatsapp", jid),
                    author=author,
                    sent_at=sent_at,
                    text=text,
                    platform="whatsapp",
                    kind="system"
                    if kind in (6, 10)
                    else "deleted"
                    if kind == 14
                    else "media"
                    if attachment and not text
                    else "text",
                    source_id=row["key"],
                    attachments=(Attachment(kind=attachment, path=row["file"]),) if attachment else (),
                    where=f"row {row['row']}",
                )
