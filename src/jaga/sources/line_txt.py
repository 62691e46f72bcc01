"""LINE's text export: a title line, a saved-on line, then days with `HH:MM<TAB>name<TAB>text`.

Bodies of several lines stand in double quotes. The day line is numeric (`2024/02/13(Tue)`, `2024.02.13 Tuesday`,
`Tue, 13/02/2024`); no zone is stated. Learned from ChatLab and meyfa/line-chat-parser (facts only).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import date, datetime

from msgspec.structs import replace

from jaga.records import Account, Conversation, Message, Problem, Record, digest
from jaga.sources._base import Context, own_units
from jaga.sources._lines import decode_head, text_lines
from jaga.sources._tree import Entry

__all__ = ["LineText"]

_DAY = re.compile(
    r"^(?:\w{2,4}\.?, )?(\d{4})[./年](\d{1,2})[./月](\d{1,2})日?\.?\s?(?:\(?\w+\)?)?$|^(?:\w{2,4}\.?, )(\d{1,2})/(\d{1,2})/(\d{4})$"
)
_SAID = re.compile(r"^(上午|下午|午前|午後|오전|오후)?\s?(\d{1,2}):(\d{2})\s?([AaPp][Mm])?\t([^\t]*)\t(.*)$", re.DOTALL)
_TITLE = re.compile(r"^\[LINE\] ?(?:Chat history (?:with|in) |与)?(.+?)(?:(?:と)?のトーク履歴|的聊天记录|的聊天記錄)?$")
_EVENTS = re.compile(r"^\[[^\]]{2,20}\]$")


class LineText:
    """Reads one chat per file."""

    name = "line_txt"
    title = "LINE chat history"
    reference = "https://help.line.me/line/smartphone?contentId=20007388"
    order = 47

    def recognises(self, entry: Entry) -> bool:
        lines = decode_head(entry.head[:8192]).splitlines()[:40]
        return (bool(lines) and lines[0].startswith("[LINE]")) or (
            any(_DAY.match(line) for line in lines) and any(_SAID.match(line) for line in lines)
        )

    def units(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        return own_units(entries)

    def read(self, unit: Sequence[Entry], context: Context) -> Iterator[Record]:
        """Yield the conversation, its people, its messages. Raises: OSError, UnreadableInput."""
        (entry,) = unit
        title: str | None = None
        day: date | None = None
        found: list[Message] = []
        people: dict[str, None] = {}
        for item in text_lines(entry):
            if isinstance(item, Problem):
                yield item
                continue
            number, line = item
            if number == 1 and (named := _TITLE.match(line)):
                title = named[1].strip()
                continue
            if match := _DAY.match(line.strip()):
                numbers = [int(part) for part in match.groups() if part]
                try:
                    # The American-looking order is written with the month first only on English phones of the USA.
                    day = date(*numbers) if match[1] else date(numbers[2], numbers[1], numbers[0])
                except ValueError:
                    try:
                        day = date(numbers[2], numbers[0], numbers[1])
                    except ValueError:
                        yield Problem(where=f"{entry.display}: line {number}", what=f"is no date: {line[:40]!r}")
                continue
            match = _SAID.match(line)
            if match is None:
                if found and line:
                    found[-1] = replace(found[-1], text=f"{found[-1].text}\n{line}")
                continue
            if day is None:
                yield Problem(where=f"{entry.display}: line {number}", what="stands before any date: left out")
                continue
            hour = int(match[2])
            late = match[1] in ("下午", "午後", "오후") or (match[4] or "").lower() == "pm"
            hour = hour % 12 + 12 if late else hour % 12 if match[1] or match[4] else hour
            if hour > 23 or int(match[3]) > 59:
                yield Problem(where=f"{entry.display}: line {number}", what="has an impossible time: left out")
                continue
            author, text = match[5], match[6]
            if author:
                people[author] = None
            found.append(
                Message(
                    conversation="",
                    author=author,
                    sent_at=context.utc(datetime(day.year, day.month, day.day, hour, int(match[3]))),
                    text=text,
                    platform="line",
                    kind="system"
                    if not author
                    else "media"
                    if _EVENTS.match(text)
                    else "call"
                    if text.startswith("☎")
                    else "text",
                    where=f"line {number}",
                )
            )
        kind = "direct" if len(people) <= 2 else "group"
        identifier = (
            digest("line", *sorted(people)) if kind == "direct" else digest("line", title or "\0".join(sorted(people)))
        )
        yield Conversation(
            id=identifier,
            platform="line",
            kind="direct" if kind == "direct" else "group",
            title=title,
            participants=tuple(people),
            clock=context.assumed_clock(precision_s=60),
        )
        owner = next((name for name in people if name != title), None) if len(people) == 2 and title in people else None
        for name in people:
            yield Account(id=name, platform="line", name=name, relation="owner" if name == owner else "participant")
        for message in found:
            text = message.text
            if text.startswith('"') and text.endswith('"') and "\n" in text:
                text = text[1:-1].replace('""', '"')
            yield replace(message, conversation=identifier, text=text)
