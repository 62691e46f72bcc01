"""Signal Desktop's `sql/db.sqlite`, decrypted to a plain SQLite file.

On disk it is encrypted with SQLCipher; such a file is named as what it is, with the way out. Columns hold most of a message; what
older versions kept in the `json` column is read from there, and attachments from the table `message_attachments` where it exists
(both learned from carderne/signal-export and tbvdm/sigtop, facts only). Times are milliseconds since 1970. Messages that
disappeared are gone. Not tried on a real database.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from sqlite3 import Connection, Row
from typing import Any

import msgspec

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
from jaga.sources._sqlite import columns, has_tables, open_database, rows
from jaga.sources._tree import Entry

__all__ = ["SignalDesktop"]

OWNER = "me"
_CLOCK = Clock(zone="UTC", zone_known=True, precision_s=0.001)
_PAGE = 4096


class SignalDesktop:
    """Reads conversations, then messages in row order."""

    name = "signal_desktop"
    title = "Signal Desktop database"
    reference = "https://github.com/carderne/signal-export"
    order = 41

    def recognises(self, entry: Entry) -> bool:
        return _encrypted(entry) or has_tables(
            entry,
            messages={"conversationId", "type", "body", "sent_at"},
            conversations={"id", "type", "name", "profileName"},
        )

    def units(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        return own_units(entries)

    def read(self, unit: Sequence[Entry], context: Context) -> Iterator[Record]:
        """Yield accounts, conversations, messages; a row without a time is a Problem. Raises: UnreadableInput, OSError."""
        (entry,) = unit
        if _encrypted(entry):
            raise UnreadableInput(
                "is an encrypted database (SQLCipher, as Signal Desktop keeps it)",
                where=entry.display,
                remedy="on the computer it comes from, run signal-export and give Jaga its folder, or save a decrypted copy "
                "with sigtop or SQLCipher's sqlcipher_export",
            )
        with open_database(entry) as connection:
            people = _People(connection)
            yield Account(id=people.owner, platform="signal", relation="owner")
            yield from people.records
            have = columns(connection, "messages")

            def column(name: str) -> str:
                return f"m.{name}" if name in have else "NULL"

            query = f"""SELECT m.rowid AS row, {column("id")} AS id, m.conversationId AS chat, m.type AS type, m.body AS body,
                m.sent_at AS at, {column("sourceServiceId")} AS service, {column("source")} AS number,
                {column("hasAttachments")} AS attached, {column("isErased")} AS erased, {column("json")} AS json
            FROM messages m ORDER BY m.rowid"""  # noqa: S608
            files = _Attachments(connection)
            for row in rows(connection, query):
                chat = people.chats.get(row["chat"])
                sent_at = from_unix_ms(row["at"] or 0)
                if chat is None or sent_at is None:
                    yield Problem(
                        where=f"{entry.display}: row {row['row']}", what="has no chat or no valid time: left out"
                    )
                    continue
                yield _message(row, chat, sent_at, people, files)
        yield Problem(
            where=entry.display,
            what="disappearing messages are not in Signal's database any more",
            note=True,
            skipped=0,
        )


class _Chat:
    def __init__(self, identifier: str, other: str | None) -> None:
        self.id = identifier
        self.other = other


class _People:
    """Who is who: conversations are people and groups, messages name people by service id or by number."""

    def __init__(self, connection: Connection) -> None:
        self.owner = _owner(connection) or OWNER
        self.chats: dict[str, _Chat] = {}
        self.records: list[Record] = []
        # Service id or number to the id used for that person.
        self._known: dict[str, str] = {}
        have = columns(connection, "conversations")

        def column(*names: str) -> str:
            return next((name for name in names if name in have), "NULL")

        found = list(
            rows(
                connection,
                f"""SELECT id, type, name, profileName, {column("profileFullName")} AS full, {column("e164")} AS number,
                {column("serviceId", "uuid")} AS service, {column("groupId")} AS groupId, {column("members")} AS members
                FROM conversations""",  # noqa: S608
            )
        )
        for row in found:
            if row["type"] == "group":
                continue
            identifier = str(row["service"] or row["number"] or row["id"])
            for key in (row["service"], row["number"], row["id"]):
                if key:
                    self._known[str(key)] = identifier
            if identifier != self.owner:
                name = row["name"] or row["full"] or row["profileName"] or row["number"]
                self.records.append(Account(id=identifier, platform="signal", name=name))
        for row in found:
            group = row["type"] == "group"
            other = None if group else str(row["service"] or row["number"] or row["id"])
            members = [self.person(one) for one in str(row["members"] or "").split()] if group else [str(other)]
            chat = _Chat(
                digest("signal", "group" if group else "direct", str(row["groupId"] or other or row["id"])), other
            )
            self.chats[row["id"]] = chat
            self.records.append(
                Conversation(
                    id=chat.id,
                    platform="signal",
                    kind="group" if group else "direct",
                    title=row["name"] or row["full"] or row["profileName"],
                    participants=tuple(dict.fromkeys((self.owner, *members))),
                    clock=_CLOCK,
                )
            )

    def person(self, key: str) -> str:
        """The id used for someone named by service id, number or conversation id."""
        return self._known.get(key, key)


def _owner(connection: Connection) -> str | None:
    if "ourServiceId" not in columns(connection, "sessions"):
        return None
    found = connection.execute("SELECT ourServiceId FROM sessions WHERE ourServiceId IS NOT NULL LIMIT 1").fetchone()
    return str(found[0]) if found else None


class _Attachments:
    """Attachments by message, where the database has a table of them."""

    def __init__(self, connection: Connection) -> None:
        have = columns(connection, "message_attachments")
        self._connection = connection if {"messageId", "contentType"} <= have else None
        self._name = "fileName" if "fileName" in have else "NULL"
        self._path = "path" if "path" in have else "NULL"
        self._size = "size" if "size" in have else "NULL"

    def of(self, row: Row) -> tuple[Attachment, ...]:
        if self._connection is not None and row["id"]:
            found = self._connection.execute(
                f"SELECT contentType, {self._name}, {self._path}, {self._size} FROM message_attachments"  # noqa: S608
                " WHERE messageId = ? ORDER BY rowid",
                (row["id"],),
            ).fetchall()
            if found:
                return tuple(_attachment(*one) for one in found)
        listed = _json(row["json"]).get("attachments")
        if isinstance(listed, list) and listed:
            return tuple(
                _attachment(one.get("contentType"), one.get("fileName"), one.get("path"), one.get("size"))
                for one in listed
                if isinstance(one, dict)
            )
        return (Attachment(kind="other"),) if row["attached"] else ()


def _attachment(mime: Any, name: Any, path: Any, size: Any) -> Attachment:
    mime = mime if isinstance(mime, str) else None
    kind: AttachmentKind = next(
        (kind for kind in ("image", "video", "audio") if (mime or "").startswith(kind)), "document" if mime else "other"
    )
    return Attachment(
        kind=kind,
        name=name if isinstance(name, str) else None,
        path=path if isinstance(path, str) else None,
        mime=mime,
        size_bytes=size if isinstance(size, int) else None,
    )


def _json(raw: Any) -> dict[str, Any]:
    try:
        found = msgspec.json.decode(raw) if isinstance(raw, str) and raw else {}
    except (msgspec.DecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _message(row: Row, chat: _Chat, sent_at: datetime, people: _People, files: _Attachments) -> Message:
    more = _json(row["json"])
    text = row["body"] or more.get("body") or ""
    kind: MessageKind = "text"
    attachments: tuple[Attachment, ...] = ()
    source = (
        row["service"] or row["number"] or more.get("sourceServiceId") or more.get("sourceUuid") or more.get("source")
    )
    author = people.person(str(source)) if source else (chat.other or "")
    if row["type"] == "outgoing":
        author = people.owner
    elif row["type"] == "call-history":
        kind = "call"
        # Who called stands elsewhere; nobody is better than the wrong one.
        author = people.person(str(source)) if source else ""
    elif row["type"] not in ("incoming", "story"):
        kind = "system"
        text = text or str(row["type"] or "")
    if row["type"] in ("incoming", "outgoing", "story"):
        attachments = files.of(row)
        if isinstance(more.get("sticker"), dict):
            attachments = (*attachments, Attachment(kind="sticker"))
        if row["erased"] or more.get("deletedForEveryone"):
            kind, attachments = "deleted", ()
        elif attachments and not text:
            kind = "media"
    quote = more.get("quote")
    answered = quote.get("id") if isinstance(quote, dict) else None
    return Message(
        conversation=chat.id,
        author=author,
        sent_at=sent_at,
        text=str(text),
        platform="signal",
        kind=kind,
        source_id=str(row["id"]) if row["id"] else None,
        reply_to=str(answered) if answered else None,
        attachments=attachments,
        edited=bool(more.get("editHistory")),
        where=f"row {row['row']}",
    )


def _encrypted(entry: Entry) -> bool:
    """True for what looks like SQLCipher: whole pages, no header, bytes like chance, and named as a database.

    The name is asked too, since chance-like bytes alone are any encrypted or packed file. Never raises.
    """
    if not entry.name.lower().endswith((".sqlite", ".sqlite3", ".db")):
        return False
    try:
        head = entry.head
    except (OSError, UnreadableInput):
        return False
    if entry.size is None or entry.size < _PAGE or entry.size % _PAGE or len(head) < _PAGE:
        return False
    total = len(head)
    entropy = -sum(count / total * math.log2(count / total) for count in Counter(head).values())
    # 4 KiB of chance come to 7.95 bits a byte; packed text and pictures have headers that are known before.
    return entropy > 7.9
