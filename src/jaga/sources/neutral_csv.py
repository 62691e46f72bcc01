"""Any table of messages: CSV with a header, columns in any order, known by what they are called.

The neutral CSV has the columns of the neutral JSON lines (conversation, author, time, text); other names of the same things are
understood (`_COLUMNS`), which covers a Roblox return's chat and message tables and KakaoTalk's CSV from a Mac. Delimiter `,` `;` or tab.
Times are ISO 8601 or numbers since 1970; without a zone they are local and that is said. Roblox's layout was learned from
abrignoni/RLEAPP robloxReturns.py (facts only); neither was tried on a real export.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone

import msgspec

from jaga.errors import UnreadableInput
from jaga.records import Account, Clock, Conversation, Message, Problem, Record, digest
from jaga.sources._base import Context, from_unix, from_unix_ms, own_units
from jaga.sources._lines import csv_rows, decode_head
from jaga.sources._tree import Entry

__all__ = ["NeutralCsv"]

# The first name that a table has is taken. What a column of another meaning could be called is left out.
_COLUMNS: dict[str, tuple[str, ...]] = {
    "conversation": ("conversation", "conversation_id", "chat_id", "thread_id"),
    "author": ("author", "author_id", "user_id", "sender", "sender_id", "user"),
    "name": ("author_name", "name", "sender_name"),
    "recipient": ("recipient", "recipient_id"),
    "time": ("time", "ts", "timestamp", "created_time (utc seconds)", "sent_at", "date"),
    "text": ("text", "body", "message"),
    "subject": ("subject",),
    "platform": ("platform",),
    "owner": ("request_user_id",),
}
_NEEDED = ("author", "time", "text")
# Columns that only Roblox's chat table has.
_ROBLOX = {"request_user_id", "is_filtered_o13", "is_filtered_u13", "convo_type"}


class _Table(msgspec.Struct):
    """What the header says: the column of each field, by position."""

    delimiter: str
    at: dict[str, int]
    roblox: bool

    @property
    def last(self) -> int:
        """The position of the last column that a message needs."""
        return max(self.at[field] for field in _NEEDED)

    def value(self, row: list[str], field: str) -> str:
        index = self.at.get(field)
        return row[index].strip() if index is not None and index < len(row) else ""


def _table(entry: Entry) -> _Table | None:
    """None if this is no table of messages. Raises: OSError, UnreadableInput."""
    first = decode_head(entry.head[:4096]).split("\n", 1)[0].strip("\r")
    delimiter = max(",;\t", key=first.count)
    try:
        names = [name.strip().lower() for name in next(csv.reader(io.StringIO(first), delimiter=delimiter), [])]
    except csv.Error:
        return None
    at = {
        field: names.index(name)
        for field, choices in _COLUMNS.items()
        if (name := next((one for one in choices if one in names), None)) is not None
    }
    if any(field not in at for field in _NEEDED) or len(names) != len(set(names)):
        return None
    return _Table(
        delimiter=delimiter, at=at, roblox=bool(_ROBLOX & set(names)) or "created_time (utc seconds)" in names
    )


class NeutralCsv:
    """Reads one message a row, in file order."""

    name = "csv"
    title = "Table of messages (CSV)"
    reference = "docs/schema/jsonl-1.md"
    # Asked last: its names are common words.
    order = 91

    def recognises(self, entry: Entry) -> bool:
        return _table(entry) is not None

    def units(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        return own_units(entries)

    def read(self, unit: Sequence[Entry], context: Context) -> Iterator[Record]:
        """Yield messages; a bad row is a Problem. Conversations come last. Raises: UnreadableInput, OSError."""
        (entry,) = unit
        table = _table(entry)
        if table is None:
            raise UnreadableInput(
                "is not a table of messages", where=entry.display, remedy="see docs/schema/jsonl-1.md"
            )
        # Without a column that tells chats apart, the table is one chat, known by who is in it.
        apart = table.at.keys() & {"conversation", "recipient"}
        whole = "" if apart else digest("csv", *sorted(_authors(entry, table)))
        people: dict[str, dict[str, None]] = {}
        platforms: dict[str, str] = {}
        known: set[Account] = set()
        local = 0
        for item in _rows(entry, table):
            if isinstance(item, Problem):
                yield item
                continue
            number, row = item
            where = f"line {number}"
            if len(row) <= table.last:
                yield Problem(where=f"{entry.display}: {where}", what="is cut short, columns are missing: left out")
                continue
            author = table.value(row, "author")
            sent_at, stated = _time(table.value(row, "time"), table, context)
            if sent_at is None or not author:
                yield Problem(
                    where=f"{entry.display}: {where}",
                    what="is not a message of this table: it needs an author and a time (ISO 8601)",
                )
                continue
            local += not stated
            other = table.value(row, "recipient")
            conversation = table.value(row, "conversation") or whole or digest("csv", *sorted((author, other)))
            platform = table.value(row, "platform") or ("roblox" if table.roblox else "unknown")
            platform = platforms.setdefault(conversation, platform)
            people.setdefault(conversation, {}).update({one: None for one in (author, other) if one})
            for account in _accounts(table, row, author, platform):
                if account not in known:
                    known.add(account)
                    yield account
            subject, text = table.value(row, "subject"), table.value(row, "text")
            yield Message(
                conversation=conversation,
                author=author,
                sent_at=sent_at,
                text=f"{subject}\n{text}" if subject else text,
                platform=platform,
                where=where,
            )
        for conversation, authors in people.items():
            yield Conversation(
                id=conversation,
                platform=platforms[conversation],
                kind="direct" if len(authors) <= 2 else "group",
                participants=tuple(authors),
                clock=Clock(
                    zone="stated per message" if not local else "UTC" if table.roblox else context.zone_name,
                    zone_known=not local,
                ),
            )
        if local:
            read = "UTC" if table.roblox else f"{context.zone_name} (--zone changes that)"
            yield Problem(
                where=entry.display, what=f"{local} times state no zone: read as {read}", note=True, skipped=0
            )


def _accounts(table: _Table, row: list[str], author: str, platform: str) -> Iterator[Account]:
    name, owner = table.value(row, "name"), table.value(row, "owner")
    if name:
        yield Account(id=author, platform=platform, name=name, relation="owner" if owner == author else "participant")
    if owner and owner != author:
        yield Account(id=owner, platform=platform, relation="owner")


def _rows(entry: Entry, table: _Table) -> Iterator[tuple[int, list[str]] | Problem]:
    """The rows below the header. Raises: UnreadableInput, OSError."""
    header = False
    for item in csv_rows(entry, table.delimiter):
        if not header and not isinstance(item, Problem):
            header = True
            continue
        yield item


def _authors(entry: Entry, table: _Table) -> set[str]:
    rows = (item for item in _rows(entry, table) if not isinstance(item, Problem))
    return {table.value(row, "author") for _, row in rows}


def _time(value: str, table: _Table, context: Context) -> tuple[datetime | None, bool]:
    """(UTC or None, whether the zone was stated)."""
    digits = value.split(".", 1)[0]
    if digits.isdigit() and len(digits) in (9, 10):
        return from_unix(float(value)), True
    if digits.isdigit() and len(digits) in (12, 13):
        return from_unix_ms(float(value)), True
    try:
        at = datetime.fromisoformat(value)
        if at.tzinfo is not None:
            return at.astimezone(timezone.utc), True
        return (at.replace(tzinfo=timezone.utc) if table.roblox else context.utc(at)), False
    except (ValueError, OverflowError):
        return None, False
