"""The neutral CSV: the columns of the neutral JSON lines (conversation, author, time, text), in any order.

Delimiter `,` `;` or tab. Times are ISO 8601 with an offset; without one they are local and that is said.
"""

from __future__ import annotations

import codecs
import csv
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone

from jaga.errors import UnreadableInput
from jaga.records import Clock, Conversation, Message, Problem, Record
from jaga.sources._base import Context, own_units
from jaga.sources._lines import decode_head, sniff_encoding
from jaga.sources._tree import Entry

__all__ = ["NeutralCsv"]

_NEEDED = {"conversation", "author", "time", "text"}


def _header(entry: Entry) -> tuple[list[str], str]:
    first = decode_head(entry.head[:4096]).split("\n", 1)[0].strip("\r")
    delimiter = max(",;\t", key=first.count)
    return [name.strip().strip('"').lower() for name in first.split(delimiter)], delimiter


class NeutralCsv:
    """Reads one message a row, in file order."""

    name = "csv"
    title = "Neutral CSV"
    reference = "docs/schema/jsonl-1.md"
    order = 91

    def recognises(self, entry: Entry) -> bool:
        return set(_header(entry)[0]) >= _NEEDED

    def units(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        return own_units(entries)

    def read(self, unit: Sequence[Entry], context: Context) -> Iterator[Record]:
        """Yield messages; a bad row is a Problem. Raises: UnreadableInput where the file breaks off, OSError."""
        (entry,) = unit
        names, delimiter = _header(entry)
        people: dict[str, dict[str, None]] = {}
        platforms: dict[str, str] = {}
        local = 0
        with entry.open() as raw:
            text = codecs.getreader(sniff_encoding(entry.head))(raw, "replace")
            reader = csv.reader(text, delimiter=delimiter)
            try:
                next(reader, None)
                for row in reader:
                    where = f"line {reader.line_num}"
                    values = dict(zip(names, row, strict=False))
                    if not any(row):
                        continue
                    try:
                        at = datetime.fromisoformat(values["time"].strip())
                        sent_at = at.astimezone(timezone.utc) if at.tzinfo else context.utc(at)
                        conversation, author, said = values["conversation"], values["author"], values["text"]
                    except (KeyError, ValueError, OverflowError) as error:
                        yield Problem(
                            where=f"{entry.display}: {where}", what=f"is not a message of this format: {error}"
                        )
                        continue
                    local += at.tzinfo is None
                    platform = platforms.setdefault(conversation, values.get("platform") or "unknown")
                    people.setdefault(conversation, {})[author] = None
                    yield Message(
                        conversation=conversation,
                        author=author,
                        sent_at=sent_at,
                        text=said,
                        platform=platform,
                        where=where,
                    )
            except csv.Error as error:
                raise UnreadableInput(f"breaks off at line {reader.line_num}: {error}", where=entry.display) from error
        for conversation, authors in people.items():
            yield Conversation(
                id=conversation,
                platform=platforms[conversation],
                kind="direct" if len(authors) <= 2 else "group",
                participants=tuple(authors),
                clock=Clock(zone="stated per message" if not local else context.zone_name, zone_known=not local),
            )
        if local:
            yield Problem(
                where=entry.display,
                what=f"{local} times state no zone: read as {context.zone_name} (--zone changes that)",
                note=True,
                skipped=0,
            )
