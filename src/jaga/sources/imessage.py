"""Apple's Messages: `chat.db` (macOS) or `sms.db` (iPhone backup).

`date` is nanoseconds since 2001 (before 2017: seconds). Since iOS 16 the text is often only in `attributedBody`, a typed
stream: behind `NSString` stand `+`, a length (0x81: two bytes, 0x82: four) and the UTF-8. Tapbacks (type 2000 on) are no
messages. Source: ReagentX/imessage-exporter, docs/tables/messages.md (facts only).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from jaga.records import Account, Attachment, Clock, Conversation, Message, Problem, Record, digest
from jaga.sources._base import Context, from_unix, own_units
from jaga.sources._sqlite import columns, has_tables, open_database, rows
from jaga.sources._tree import Entry

__all__ = ["IMessage"]

OWNER = "me"
_APPLE_EPOCH_S = 978_307_200


class IMessage:
    """Reads messages in row order."""

    name = "imessage"
    title = "Apple Messages database"
    reference = "https://github.com/ReagentX/imessage-exporter/blob/develop/docs/tables/messages.md"
    order = 40

    def recognises(self, entry: Entry) -> bool:
        return has_tables(
            entry, message={"guid", "text", "handle_id", "date", "is_from_me"}, handle={"id"}, chat={"chat_identifier"}
        )

    def units(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        return own_units(entries)

    def read(self, unit: Sequence[Entry], context: Context) -> Iterator[Record]:
        """Yield chats and messages; a row without a time is a Problem. Raises: UnreadableInput, OSError."""
        (entry,) = unit
        yield Account(id=OWNER, platform="imessage", relation="owner")
        seen: set[str] = set()
        known = {OWNER}
        with open_database(entry) as connection:
            have = columns(connection, "message")

            def column(name: str) -> str:
                return f"m.{name}" if name in have else "NULL"

            query = f"""SELECT m.ROWID AS row, m.guid AS guid, m.text AS text, {column("attributedBody")} AS body, h.id AS handle,
                m.date AS at, m.is_from_me AS mine, {column("cache_has_attachments")} AS attached,
                {column("associated_message_type")} AS associated, {column("item_type")} AS item, {column("thread_originator_guid")} AS reply,
                c.chat_identifier AS chat, c.display_name AS title, c.style AS style
            FROM message m LEFT JOIN handle h ON h.ROWID = m.handle_id
                LEFT JOIN chat_message_join j ON j.message_id = m.ROWID LEFT JOIN chat c ON c.ROWID = j.chat_id
            ORDER BY m.ROWID"""  # noqa: S608
            for row in rows(connection, query):
                if row["associated"] and 2000 <= row["associated"] < 4000:
                    continue
                sent_at = _time(row["at"])
                chat = row["chat"] or row["handle"]
                if sent_at is None or chat is None:
                    yield Problem(
                        where=f"{entry.display}: row {row['row']}", what="has no chat or no valid time: left out"
                    )
                    continue
                author = OWNER if row["mine"] else (row["handle"] or chat)
                if chat not in seen:
                    seen.add(chat)
                    # Style 43 is a group, 45 two people.
                    group = row["style"] == 43 or str(chat).startswith("chat")
                    yield Conversation(
                        id=digest("imessage", chat),
                        platform="imessage",
                        kind="group" if group else "direct",
                        title=row["title"] or None,
                        participants=(OWNER,) if group else (OWNER, chat),
                        clock=Clock(zone="UTC", zone_known=True),
                    )
                if author not in known:
                    known.add(author)
                    yield Account(id=author, platform="imessage", name=author)
                text = (row["text"] or _typed(row["body"]) or "").replace("\ufffc", "").strip()
                yield Message(
                    conversation=digest("imessage", chat),
                    author=author,
                    sent_at=sent_at,
                    text=text,
                    platform="imessage",
                    kind="system" if row["item"] else "media" if row["attached"] and not text else "text",
                    source_id=row["guid"],
                    reply_to=row["reply"],
                    attachments=(Attachment(kind="other"),) if row["attached"] else (),
                    where=f"row {row['row']}",
                )


def _time(value: int | None) -> datetime | None:
    if not value:
        return None
    return from_unix((value / 1e9 if value > 1e15 else value) + _APPLE_EPOCH_S)


def _typed(raw: bytes | str | None) -> str | None:
    """The first string of a typed stream; None if it is not one."""
    if not isinstance(raw, bytes):
        return None
    at = raw.find(b"NSString")
    at = raw.find(b"+", at) if at >= 0 else -1
    if at < 0 or at + 2 > len(raw):
        return None
    length, start = raw[at + 1], at + 2
    if length == 0x81:
        length, start = int.from_bytes(raw[start : start + 2], "little"), start + 2
    elif length == 0x82:
        length, start = int.from_bytes(raw[start : start + 4], "little"), start + 4
    return raw[start : start + length].decode("utf-8", "replace") or None
