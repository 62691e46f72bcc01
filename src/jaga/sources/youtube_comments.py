"""YouTube comments in a Takeout: `comments.csv`, what the owner wrote under videos. Column names and file names follow the account's language.

The text may be JSON segments (`{"text":"…"},{"text":"…"}`). Times are UTC.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timezone

import msgspec

from jaga.records import Account, Clock, Conversation, Message, Problem, Record, digest
from jaga.sources._base import Context, own_units
from jaga.sources._lines import csv_rows, decode_head
from jaga.sources._tree import Entry

__all__ = ["YouTubeComments"]

OWNER = "me"


class YouTubeComments:
    """Reads the owner's comments as messages in a public conversation."""

    name = "youtube_comments"
    title = "YouTube comments (Takeout)"
    reference = "https://support.google.com/accounts/answer/3024190"
    order = 50

    def recognises(self, entry: Entry) -> bool:
        first = decode_head(entry.head[:2048]).split("\n", 1)[0]
        return "Comment ID" in first and "Comment Text" in first and "Timestamp" in first

    def units(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        return own_units(entries)

    def read(self, unit: Sequence[Entry], context: Context) -> Iterator[Record]:
        """Yield one conversation and its comments; a bad row is a Problem. Raises: UnreadableInput, OSError."""
        (entry,) = unit
        conversation = digest("youtube", "public", OWNER)
        yield Account(id=OWNER, platform="youtube", relation="owner")
        yield Conversation(
            id=conversation,
            platform="youtube",
            kind="public",
            participants=(OWNER,),
            clock=Clock(zone="UTC", zone_known=True),
        )
        names: list[str] | None = None
        for item in csv_rows(entry):
            if isinstance(item, Problem):
                yield item
                continue
            number, values = item
            if names is None:
                names = values
                continue
            row = dict(zip(names, values, strict=False))
            if "Comment Text" not in row:
                yield Problem(
                    where=f"{entry.display}: line {number}", what="is cut short, columns are missing: left out"
                )
                continue
            stamp = row.get("Comment Create Timestamp") or row.get("Timestamp") or ""
            try:
                at = datetime.fromisoformat(stamp.removesuffix(" UTC").strip())
                sent_at = at.replace(tzinfo=timezone.utc) if at.tzinfo is None else at.astimezone(timezone.utc)
            except (ValueError, OverflowError):
                yield Problem(where=f"{entry.display}: line {number}", what="has no valid time: left out")
                continue
            yield Message(
                conversation=conversation,
                author=OWNER,
                sent_at=sent_at,
                text=_text(row.get("Comment Text") or ""),
                platform="youtube",
                source_id=row.get("Comment ID") or None,
                where=f"line {number}",
            )


def _text(value: str) -> str:
    if not value.startswith('{"'):
        return value
    try:
        parts = msgspec.json.decode(f"[{value}]")
    except msgspec.DecodeError:
        return value
    return "".join(str(part.get("text", "")) for part in parts if isinstance(part, dict))
