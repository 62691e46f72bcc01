"""KakaoTalk's text exports: phones (`February 10, 2016, 2:33 AM, you : text`) and Windows (`[name] [오전 1:01] text`).

On Android the owner is literally `you` or `회원님`. No zone is stated. Learned from uoneway/kakaotalk_msg_preprocessor (facts only).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import datetime

from msgspec.structs import replace

from jaga.records import Account, Conversation, Message, Problem, Record, digest
from jaga.sources._base import Context, own_units
from jaga.sources._dates import parse_written
from jaga.sources._lines import decode_head, text_lines
from jaga.sources._tree import Entry

__all__ = ["KakaoTalkText"]

_PHONE = re.compile(
    r"^((?:\d{4}년 \d{1,2}월 \d{1,2}일 (?:오전|오후) \d{1,2}:\d{2})|(?:[A-Z][a-z]{2,8} \d{1,2}, \d{4},? \d{1,2}:\d{2} [AP]M)), (.{1,60}?) : (.*)$"
)
_BAR = re.compile(r"^-{5,} (.{8,40}) -{5,}$")
_WINDOWS = re.compile(r"^\[([^\]]{1,60})\] \[((?:오전|오후) \d{1,2}:\d{2}|\d{1,2}:\d{2} [AP]M)\] (.*)$")
_OWNERS = ("you", "회원님")


class KakaoTalkText:
    """Reads one chat per file."""

    name = "kakaotalk_txt"
    title = "KakaoTalk text export"
    reference = "https://github.com/uoneway/kakaotalk_msg_preprocessor"
    order = 47

    def recognises(self, entry: Entry) -> bool:
        lines = decode_head(entry.head[:8192]).splitlines()[:60]
        return any(_PHONE.match(line) for line in lines) or (
            any(_BAR.match(line) for line in lines) and any(_WINDOWS.match(line) for line in lines)
        )

    def units(self, entries: Sequence[Entry]) -> list[list[Entry]]:
        return own_units(entries)

    def read(self, unit: Sequence[Entry], context: Context) -> Iterator[Record]:
        """Yield the conversation, its people, its messages. Raises: OSError, UnreadableInput."""
        (entry,) = unit
        found: list[Message] = []
        day = ""
        for item in text_lines(entry):
            if isinstance(item, Problem):
                yield item
                continue
            number, line = item
            bar = _BAR.match(line)
            if bar is not None:
                day = bar[1]
                continue
            phone, windows = _PHONE.match(line), _WINDOWS.match(line)
            if phone is not None:
                stamp, author, text = phone.groups()
            elif windows is not None:
                author, text = windows[1], windows[3]
                stamp = f"{day} {windows[2]}"
            else:
                if found and line:
                    found[-1] = replace(found[-1], text=f"{found[-1].text}\n{line}")
                continue
            at: datetime | None = parse_written(stamp)
            if at is None:
                yield Problem(
                    where=f"{entry.display}: line {number}", what=f"has a time Jaga cannot read: {stamp[:40]!r}"
                )
                continue
            found.append(
                Message(
                    conversation="",
                    author=author,
                    sent_at=context.utc(at),
                    text=text,
                    platform="kakaotalk",
                    where=f"line {number}",
                )
            )
        people = tuple(dict.fromkeys(message.author for message in found))
        direct = len(people) <= 2
        identifier = digest("kakaotalk", *sorted(people))
        yield Conversation(
            id=identifier,
            platform="kakaotalk",
            kind="direct" if direct else "group",
            participants=people,
            clock=context.assumed_clock(precision_s=60),
        )
        for name in people:
            yield Account(
                id=name, platform="kakaotalk", name=name, relation="owner" if name in _OWNERS else "participant"
            )
        for message in found:
            yield replace(message, conversation=identifier)
