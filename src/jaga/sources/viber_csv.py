"""Viber's message history as phones and desktops mail or save it: one CSV or text file a chat, mostly in a zip.

A row is date, time, name, phone, text; there is no header. The delimiter is a comma, semicolon or tab; older versions wrote
`="13/02/2024"` so that spreadsheets keep the digits. `Me` is the owner. The date's order is the phone's and is judged over the whole
file; no zone is stated. Learned from reports of users; not tried on a real export.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime

from jaga.records import Account, Conversation, Message, Problem, Record, digest
from jaga.sources._base import Context, own_units
from jaga.sources._dates import date_of, decide_order
from jaga.sources._lines import head_lines, utterances
from jaga.sources._tree import Entry

__all__ = ["ViberCsv"]

OWNER = "Me"
_FIELD = r'=?(?:"((?:[^"]|"")*)"|([^,;\t"=][^,;\t"]*)?)'
_HEAD = re.compile(
    r'^=?"?(?P<date>\d{1,4}[./-]\d{1,2}[./-]\d{1,4})"?(?P<d>[,;\t]) ?'
    r'=?"?(?P<time>\d{1,2}:\d{2}(?::\d{2})?)[ \u00a0\u202f]?(?P<half>[AaPp]\.?[Mm]\.?)?"?(?P=d) ?'
    rf"(?P<name>{_FIELD})(?P=d) ?(?P<phone>=?\"?\+?[\d ().-]{{0,24}}\"?)(?P=d) ?(?P<text>.*)$"
)


class ViberCsv:
    """Reads one chat per file, in file order."""

    name = "viber_csv"
    title = "Viber message history"
    reference = "https://github.com/adrz/analysis-viber-logs/issues/1"
    order = 47

    def recognises(self, entry: Entry) -> bool:
        lines = head_lines(entry.head[:8192])
        return bool(lines) and _HEAD.match(lines[0]) is not None

    def units(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        return own_units(entries)

    def read(self, unit: Sequence[Entry], context: Context) -> Iterator[Record]:
        """Yield the conversation, its people, its messages. Raises: OSError, UnreadableInput."""
        (entry,) = unit
        dates: dict[str, None] = {}
        people: dict[str, str] = {}
        seconds = False
        for item in utterances(entry, _HEAD.match):
            if not isinstance(item, Problem):
                dates[item[1]["date"]] = None
                seconds = seconds or item[1]["time"].count(":") == 2
                author, name = _who(item[1])
                people.setdefault(author, name)
        order, reason, doubt = decide_order(list(dates), {}, "those messages are left out")
        if doubt:
            yield Problem(where=entry.display, what=doubt, note=True, skipped=0)
        direct = len(people) <= 2
        title = next((name for name in people.values() if name != OWNER), None) if direct else _stem(entry)
        identifier = digest("viber", "direct", *sorted(people)) if direct else digest("viber", "group", title or "")
        yield Conversation(
            id=identifier,
            platform="viber",
            kind="direct" if direct else "group",
            title=title,
            participants=tuple(people),
            clock=context.assumed_clock(precision_s=1 if seconds else 60, date_order=order, order_reason=reason),
        )
        for author, name in people.items():
            yield Account(id=author, platform="viber", name=name, relation="owner" if name == OWNER else "participant")
        for item in utterances(entry, _HEAD.match):
            if isinstance(item, Problem):
                yield item
                continue
            number, head, rest = item
            sent_at = _time(head, order)
            if sent_at is None:
                yield Problem(where=f"{entry.display}: line {number}", what="has an impossible date or time: left out")
                continue
            yield Message(
                conversation=identifier,
                author=_who(head)[0],
                sent_at=context.utc(sent_at),
                text=_plain(f"{head['text']}\n{rest}" if rest else head["text"]),
                platform="viber",
                where=f"line {number}",
            )


def _who(head: re.Match[str]) -> tuple[str, str]:
    """(author id, name): the phone number where there is one, since names are the owner's own and change."""
    phone = re.sub(r"[^\d+]", "", head["phone"])
    name = _plain(head["name"].removeprefix("="))
    return (phone or name or "unknown"), (name or phone or "unknown")


def _time(head: re.Match[str], order: str) -> datetime | None:
    day = date_of(head["date"], order)
    numbers = [int(part) for part in head["time"].split(":")]
    hour, minute, second = numbers[0], numbers[1], numbers[2] if len(numbers) > 2 else 0
    half = (head["half"] or "")[:1].lower()
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    if day is None or hour > 23 or minute > 59 or second > 59:
        return None
    return datetime(day.year, day.month, day.day, hour, minute, second)


def _plain(field: str) -> str:
    field = field.strip()
    if len(field) >= 2 and field[0] == field[-1] == '"':
        return field[1:-1].replace('""', '"')
    return field


def _stem(entry: Entry) -> str:
    return entry.name.rsplit(".", 1)[0].removeprefix("Messages - ").strip()
